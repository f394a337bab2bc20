//! Tenders for drills: many lots, no deposits, and an opening sheet is all of a bid.

use anyhow::Context as _;
use sunbid_cli::demo::{
    acts,
    cast::{HOLDERS, PURCHASER},
};
use sunbid_contracts::tender::v1::Tender;

use crate::World;

/// The number of a lot as bids carry it.
pub fn lot_id(number: usize) -> String {
    format!("{:02}", number + 1)
}

/// A tender that takes bids for so many lots. Its holders' daemons are ended: they work on machines of
/// their own, and not before the deadline.
pub async fn of_sheets(world: &World, lots: usize) -> anyhow::Result<Tender> {
    let mut draft = acts::draft()?;
    draft.parts.truncate(1);
    let total: i64 = draft.lots.iter().map(|lot| lot.budget_fen).sum();
    let mut lot = draft.lots.first().context("there is a lot")?.clone();
    lot.deposit_fen = 0;
    lot.budget_fen = total / i64::try_from(lots)?;
    lot.ceiling_fen = lot.budget_fen / 10 * 9;
    draft.lots = (0..lots)
        .map(|number| {
            let mut lot = lot.clone();
            lot.lot_id = lot_id(number);
            lot
        })
        .collect();
    let tender = acts::announced(&world.stage, &world.narrator, draft).await?;
    for holder in [&PURCHASER].into_iter().chain(&HOLDERS) {
        let daemon = format!("trustee-{}", holder.profile);
        world.stage.kill(&daemon).await;
    }
    Ok(tender)
}
