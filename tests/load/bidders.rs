//! Suppliers in numbers, and their small bids, sealed and signed ahead in memory.

use anyhow::Context as _;
use sunbid_cli::{commands::organization::Kind, connection::Connection, demo::cast::Part};
use sunbid_contracts::{bid::v1::SubmitBidRequest, tender::v1::Tender};
use sunbid_terms::CreditCode;
use sunbid_tests::{
    World,
    small_bid::{self, Signatory},
};
use tokio::task::JoinSet;

/// Enrols as many suppliers.
pub async fn enrolled(world: &World, count: usize) -> anyhow::Result<Vec<Part>> {
    anyhow::ensure!(count <= 100, "there are credit codes for 100 suppliers");
    let parts: Vec<Part> = (0..count).map(part).collect();
    for part in &parts {
        world.stage.enrol_supplier(part).await?;
    }
    Ok(parts)
}

fn part(number: usize) -> Part {
    // A part lives as long as the program, like the demonstration's own.
    let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    Part {
        profile: text(format!("bidder-{number}")),
        code: text(format!("91140600MA00001{number:02}")),
        name: text(format!("投标人{number:02}")),
        kinds: &[Kind::Supplier],
        account: text(format!("620000000000000001{number:02}")),
    }
}

/// A bid with nothing but an opening sheet, sealed and signed, ready to be sent.
pub fn sealed(
    caller: &Connection,
    part: &Part,
    tender: &Tender,
    lot_id: &str,
    revision: u32,
) -> anyhow::Result<SubmitBidRequest> {
    let profile = caller.profile()?;
    let by = Signatory {
        code: &CreditCode::complete(part.code)?,
        certificate: &profile.certificate,
        intermediates: &profile.intermediates,
        signer: &profile.signer,
    };
    small_bid::sealed(by, tender, lot_id, revision)
}

/// Sends every supplier's bids, each supplier's one after the other, all suppliers at once; every
/// bid must get its receipt. How many there were.
pub async fn submit_all(queues: Vec<(Connection, Vec<SubmitBidRequest>)>) -> anyhow::Result<u64> {
    let mut suppliers = JoinSet::new();
    for (caller, bids) in queues {
        suppliers.spawn(async move {
            let mut client = caller.bid();
            let mut done = 0;
            for bid in bids {
                let answer = client.submit_bid(bid).await?.into_inner();
                answer.receipt.context("a bid got no receipt")?;
                done += 1;
            }
            Ok::<u64, anyhow::Error>(done)
        });
    }
    let mut done = 0;
    while let Some(supplier) = suppliers.join_next().await {
        done += supplier??;
    }
    Ok(done)
}
