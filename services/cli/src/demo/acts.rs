//! The story: intent, tender, ceremony, notice, deposits, sealed bids, the deadline, the opening,
//! the refunds, and the proof that all of it was right.

mod bidding;
mod opening;
mod preparing;

use sunbid_contracts::tender::v1::Tender;

use super::{narration::Narrator, stage::Stage};
use crate::output;

use bidding::bidding;
pub use bidding::{make_bid, submit};
use opening::{open, prove, settle, supervise};
pub use preparing::wait_for_state;
use preparing::{announce, ceremony, prepare, publish_intent};

/// The demonstration's tender: two lots with deposits.
pub fn draft() -> anyhow::Result<Tender> {
    output::from_json(include_str!("tender.json"))
}

/// From intent to notice: a tender that takes bids.
pub async fn announced(
    stage: &Stage,
    narrator: &Narrator,
    draft: Tender,
) -> anyhow::Result<Tender> {
    let tender = ready(stage, narrator, draft).await?;
    announce(stage, narrator, &tender).await
}

/// From intent to key: the name of a tender whose notice can go out.
pub async fn ready(stage: &Stage, narrator: &Narrator, draft: Tender) -> anyhow::Result<String> {
    let intent = publish_intent(stage, narrator).await?;
    let tender = prepare(stage, narrator, &intent, draft).await?;
    ceremony(stage, narrator, &tender).await?;
    Ok(tender)
}

/// The whole story.
pub async fn play(stage: &Stage, narrator: &Narrator, megabytes: u64) -> anyhow::Result<()> {
    let tender = announced(stage, narrator, draft()?).await?;
    let bids = bidding(stage, narrator, &tender, megabytes).await?;
    open(stage, narrator, &tender, &bids).await?;
    settle(stage, narrator, &tender).await?;
    supervise(stage, narrator, &tender).await?;
    prove(stage, narrator, &tender).await
}
