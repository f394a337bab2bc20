//! Small sealed bids end to end: from a caller that signed in to the receipt, over gRPC; and the
//! arithmetic that no platform can leave out, to see what the rest spends.

use std::time::{Duration, Instant as Timer};

use anyhow::Context as _;
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use sunbid_certificates::{supplier, verify_signature};
use sunbid_cli::demo::{acts, cast::Part, money::pay_deposit};
use sunbid_contracts::tender::v1::Tender;
use sunbid_sealing::{Bundle, CheckedHeader, PayloadTree, leaf_hash};
use sunbid_tests::{World, process};

use crate::{bidders, report, sizes::Sizes, yardstick};

pub async fn measure(sizes: &Sizes) -> anyhow::Result<()> {
    let world = World::raise().await?;
    let parts = bidders::enrolled(&world, sizes.suppliers).await?;
    let mut draft = acts::draft()?;
    // One opening sheet is all of a bid; the first lot asks for no deposit, the second does.
    draft.parts.truncate(1);
    if let Some(first) = draft.lots.first_mut() {
        first.deposit_fen = 0;
    }
    let tender = acts::announced(&world.stage, &world.narrator, draft).await?;
    for part in &parts {
        paid(&world, part, &tender.name).await?;
    }
    let append = yardstick::append_rate().await?;
    report::line("journal_append_1k_64_callers", append, "/s", 1.0, "itself");
    let arithmetic = arithmetic(&world, &parts, &tender).await?;
    for (name, lot) in [("without_deposit", "01"), ("with_deposit", "02")] {
        let cost = Costs { append, arithmetic };
        storm(&world, &parts, &tender, sizes, &cost, name, lot).await?;
    }
    world.stage.strike().await;
    Ok(())
}

/// Pays a supplier's deposit. The deposit service follows the tender's log and may not have heard of
/// a tender that was announced just now.
async fn paid(world: &World, part: &Part, tender: &str) -> anyhow::Result<()> {
    let mut left = 100;
    loop {
        let Err(fault) = pay_deposit(&world.stage, part, tender, "02").await else {
            return Ok(());
        };
        let unknown = fault
            .downcast_ref::<tonic::Status>()
            .is_some_and(|status| status.code() == tonic::Code::NotFound);
        if !unknown || left == 0 {
            return Err(fault);
        }
        left -= 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a submission is compared with.
struct Costs {
    /// Appends of the journal a second.
    append: f64,
    /// Processor seconds of a bid's checks and its receipt's signature.
    arithmetic: f64,
}

/// What every bid costs one processor whatever the platform: reading the header and checking its
/// proof, the root of its payload, the supplier's signature, and a signature like the receipt's.
/// Seconds each; the median over the suppliers.
async fn arithmetic(world: &World, parts: &[Part], tender: &Tender) -> anyhow::Result<f64> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref())
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut runs = Vec::new();
    for part in parts {
        let caller = world.stage.of(part.profile).await?;
        let bid = bidders::sealed(&caller, part, tender, "01", 1)?;
        let begun = Timer::now();
        let header = bid.headers.first().context("a bid has a header")?;
        let header = CheckedHeader::parse(header)?;
        let payload = bid.inline_payloads.first().context("it came along")?;
        let mut tree = PayloadTree::default();
        tree.push(leaf_hash(payload));
        anyhow::ensure!(
            tree.root() == *header.payload_root(),
            "the payload is whole"
        );
        let bundle = Bundle::of(&[&header])?.id();
        let message = supplier::submission(&bid.certificate, &bundle);
        verify_signature(&bid.certificate, &message, &bid.signature)?;
        std::hint::black_box(key.sign(&message));
        runs.push(begun.elapsed().as_secs_f64());
    }
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2)
        .copied()
        .context("there are suppliers")
}

async fn storm(
    world: &World,
    parts: &[Part],
    tender: &Tender,
    sizes: &Sizes,
    cost: &Costs,
    name: &str,
    lot: &str,
) -> anyhow::Result<()> {
    let mut queues = Vec::new();
    for part in parts {
        let caller = world.stage.of(part.profile).await?;
        let bids = (1..=sizes.revisions)
            .map(|revision| bidders::sealed(&caller, part, tender, lot, revision))
            .collect::<anyhow::Result<Vec<_>>>()?;
        queues.push((caller, bids));
    }
    let platform = world
        .stage
        .pid("platform")
        .await
        .context("the platform runs")?;
    let (spent, own) = (
        process::processor_seconds(platform)?,
        process::processor_seconds(std::process::id())?,
    );
    let begun = Timer::now();
    let done = bidders::submit_all(queues).await? as f64;
    let wall = begun.elapsed().as_secs_f64();
    let spent = process::processor_seconds(platform)? - spent;
    let own = process::processor_seconds(std::process::id())? - own;
    let rate = done / wall;
    report::line(
        &format!("submission_{name}"),
        rate,
        "bids/s",
        rate / cost.append,
        "journal_append_1k_64_callers",
    );
    report::line(
        &format!("submission_{name}_arithmetic"),
        cost.arithmetic * 1000.0,
        "ms/bid",
        cost.arithmetic * done / spent,
        "the platform's processor time",
    );
    // Where the time goes: the machine's processors over the span.
    let machine = wall * process::processors();
    for (who, seconds) in [("platform", spent), ("callers", own)] {
        report::line(
            &format!("submission_{name}_processor_{who}"),
            seconds / done * 1000.0,
            "ms/bid",
            seconds / machine,
            "all processors' time",
        );
    }
    Ok(())
}
