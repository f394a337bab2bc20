//! The opening of many small bids with five holders, one away and one lying; where its time goes;
//! and its public verification.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant as Timer},
};

use anyhow::{Context as _, bail};
use sunbid_cli::{
    commands::{opening, verify},
    connection::Connection,
    demo::{
        acts,
        cast::{CENTRE, HOLDERS, PURCHASER},
    },
};
use sunbid_contracts::{
    audit::v1::{ListTrailRequest, TrailEntry},
    opening::v1::{OpeningRecord, WatchSessionRequest},
    sandbox::v1::AdvanceClockRequest,
    tender::v1::{Lot, Tender},
};
use sunbid_terms::Instant;
use sunbid_tests::{World, process, program};
use tokio::process::Command;

use crate::{bidders, report, sizes::Sizes};

const LOTS: usize = 20;
/// Holders whose signatures and shares an opening needs.
const THRESHOLD: usize = 3;
/// From the deadline to the public record, seconds.
const TARGET: f64 = 5.0;
const PATIENCE: Duration = Duration::from_secs(300);
const VERIFICATIONS: usize = 3;

pub async fn measure(sizes: &Sizes) -> anyhow::Result<()> {
    let world = World::raise().await?;
    let parts = bidders::enrolled(&world, sizes.bids.div_ceil(LOTS).max(3)).await?;
    let tender = acts::announced(&world.stage, &world.narrator, draft()?).await?;
    let mut queues = Vec::new();
    for part in &parts {
        let caller = world.stage.of(part.profile).await?;
        let bids = tender
            .lots
            .iter()
            .map(|lot| bidders::sealed(&caller, part, &tender, &lot.lot_id, 1))
            .collect::<anyhow::Result<Vec<_>>>()?;
        queues.push((caller, bids));
    }
    let bids = bidders::submit_all(queues).await?;
    let [_, _, notary, association] = &HOLDERS;
    world.stage.replace_trustee(notary, "--absent").await?;
    world.stage.replace_trustee(association, "--lie").await?;

    let (record, seconds) = opened(&world, &tender).await?;
    let lines: usize = record.lots.iter().map(|lot| lot.lines.len()).sum();
    anyhow::ensure!(
        lines as u64 == bids,
        "{bids} bids were submitted, the record has {lines}"
    );
    let name = format!("opening_{bids}_bids");
    let took = (record.opened_time_us - record.deadline_us) as f64 / 1e6;
    report::line(&name, took, "s", took / TARGET, "5 s, by the record");
    report::line(
        &format!("{name}_seen"),
        seconds.wall,
        "s",
        seconds.wall / TARGET,
        "5 s, by a watcher",
    );
    for (who, spent) in [("platform", seconds.platform), ("holders", seconds.holders)] {
        report::line(
            &format!("{name}_processor_{who}"),
            spent,
            "s",
            spent / (seconds.wall * process::processors()),
            "all processors' time",
        );
    }
    phases(&world, &tender, &name, &record).await?;
    verification(&world, &tender, bids, took).await?;
    world.stage.strike().await;
    Ok(())
}

/// Twenty lots of one budget, each asking for an opening sheet and no deposit.
fn draft() -> anyhow::Result<Tender> {
    let mut draft = acts::draft()?;
    draft.parts.truncate(1);
    let budget: i64 = draft.lots.iter().map(|lot| lot.budget_fen).sum();
    let each = budget / i64::try_from(LOTS)?;
    draft.lots = (1..=LOTS)
        .map(|number| Lot {
            lot_id: format!("{number:02}"),
            title: format!("标段{number:02}"),
            budget_fen: each,
            ceiling_fen: each,
            ..Lot::default()
        })
        .collect();
    Ok(draft)
}

/// What an opening took by a stopwatch and by the kernel's count.
struct Seconds {
    wall: f64,
    platform: f64,
    holders: f64,
}

/// Lets the deadline come and waits for the record, as anybody may.
async fn opened(world: &World, tender: &Tender) -> anyhow::Result<(OpeningRecord, Seconds)> {
    let deadline = tender.timetable.unwrap_or_default().bid_deadline_us;
    let stage = &world.stage;
    stage
        .advance(Instant::from_micros(deadline).plus_seconds(-600))
        .await?;
    let anyone = Connection::anonymous(stage.endpoint(), true).await?;
    let request = WatchSessionRequest {
        tender: tender.name.clone(),
    };
    let mut session = anyone.opening().watch_session(request).await?.into_inner();
    // Not through the stage, which would have everybody sign in again in the measured time.
    let mut sandbox = stage.of(CENTRE.profile).await?.sandbox();
    let before = spent(world).await?;
    let begun = Timer::now();
    sandbox
        .advance_clock(AdvanceClockRequest { to_us: deadline })
        .await?;
    let watching = async {
        while let Some(answer) = session.message().await? {
            if opening::over(&answer.session.unwrap_or_default()) {
                return opening::record(&anyone, &tender.name).await;
            }
        }
        bail!("the session ended before the record")
    };
    let record = tokio::time::timeout(PATIENCE, watching)
        .await
        .context("the opening did not end")??;
    let wall = begun.elapsed().as_secs_f64();
    let after = spent(world).await?;
    let seconds = Seconds {
        wall,
        platform: after.0 - before.0,
        holders: after.1 - before.1,
    };
    Ok((record, seconds))
}

/// Processor seconds so far of the platform and of all holders' daemons.
async fn spent(world: &World) -> anyhow::Result<(f64, f64)> {
    let of = async |name: &str| {
        let pid = world.stage.pid(name).await;
        process::processor_seconds(pid.with_context(|| format!("{name} runs"))?)
    };
    let mut holders = 0.0;
    for holder in [&PURCHASER].into_iter().chain(&HOLDERS) {
        holders += of(&format!("trustee-{}", holder.profile)).await?;
    }
    Ok((of("platform").await?, holders))
}

/// What each phase took by the times in the supervisor's trail.
async fn phases(
    world: &World,
    tender: &Tender,
    name: &str,
    record: &OpeningRecord,
) -> anyhow::Result<()> {
    let trail = trail(world, tender).await?;
    let of = |service: &str, event: &str| -> Vec<i64> {
        let mut times: Vec<i64> = trail
            .iter()
            .filter(|entry| entry.service == service && entry.r#type.ends_with(event))
            .map(|entry| entry.at_us)
            .collect();
        times.sort_unstable();
        times
    };
    let nth = |event: &str, n: usize| {
        let times = of("opening", event);
        let time = times.get(n - 1).copied();
        time.with_context(|| format!("the trail has {} of {event}, not {n}", times.len()))
    };
    let marks = [
        ("to_closing", record.closed_time_us),
        ("to_start", nth("OpeningStarted", 1)?),
        ("to_signatures", nth("ClosingSigned", THRESHOLD)?),
        ("to_shares", nth("SharesAccepted", THRESHOLD)?),
        ("to_record", nth("OpeningRecordPublished", 1)?),
    ];
    let whole = (nth("OpeningRecordPublished", 1)? - record.deadline_us) as f64 / 1e6;
    let mut last = record.deadline_us;
    for (phase, at) in marks {
        let seconds = (at - last) as f64 / 1e6;
        report::line(
            &format!("{name}_{phase}"),
            seconds,
            "s",
            seconds / whole,
            name,
        );
        last = at;
    }
    Ok(())
}

async fn trail(world: &World, tender: &Tender) -> anyhow::Result<Vec<TrailEntry>> {
    let [supervisor, ..] = &HOLDERS;
    let mut caller = world.stage.of(supervisor.profile).await?;
    // Its token ended when the clock moved.
    caller.renew().await?;
    let mut audit = caller.audit();
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTrailRequest {
            tender: tender.name.clone(),
            page_size: 200,
            page_token,
        };
        let page = audit.list_trail(request).await?.into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(entries);
        }
    }
}

/// Downloads the public records once and has the program verify them, as a stranger would.
async fn verification(
    world: &World,
    tender: &Tender,
    bids: u64,
    opening: f64,
) -> anyhow::Result<()> {
    let folder = world.stage.desk("citizen")?.join("records");
    let anyone = Connection::anonymous(world.stage.endpoint(), true).await?;
    let begun = Timer::now();
    verify::download(&anyone, &tender.name, &folder).await?;
    let download = begun.elapsed().as_secs_f64();
    let mut runs = Vec::new();
    for _ in 0..VERIFICATIONS {
        runs.push(verified(&folder).await?);
    }
    runs.sort_by(f64::total_cmp);
    let median = runs.get(VERIFICATIONS / 2).copied().unwrap_or_default();
    let against = format!("opening_{bids}_bids");
    for (name, seconds) in [("verification", median), ("download", download)] {
        report::line(
            &format!("{name}_{bids}_bids"),
            seconds,
            "s",
            seconds / opening,
            &against,
        );
    }
    Ok(())
}

async fn verified(folder: &Path) -> anyhow::Result<f64> {
    let begun = Timer::now();
    let ended = Command::new(program()?)
        .args(["verify", "--json"])
        .arg(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(
        ended.status.success(),
        "the verification failed: {}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(seconds)
}
