//! The rush: very many small sealed bids in a tender's last seconds, from a driver on one processor.
//! What was acknowledged must be on record, whoever was not taken must have been told why, and the
//! closed log must stand without a gap. The bids travel with the submission: nothing was sent ahead.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant as Timer},
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sunbid_contracts::{bid::v1::Receipt, tender::v1::Tender};
use sunbid_terms::Instant;
use sunbid_tests::{
    World, books,
    crowd::Crowd,
    process,
    tenders::{self, lot_id},
    volley::{Hit, Shot, Volley},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{Form, Played};

/// Lots of the tender: a supplier bids once for each, so that no bid waits for another's revision.
const LOTS: usize = 10;
/// Connections that all suppliers share, as behind a proxy.
const CONNECTIONS: usize = 128;
/// Before the rush begins, so that everything is at rest; seconds.
const CALM: i64 = 3;
/// Calls at a time when suppliers look at what stands.
const LOOKS: usize = 64;

/// How large a rush is.
struct Plan {
    bids: usize,
    /// Over which they are spread evenly, up to the deadline.
    window: Duration,
}

impl Plan {
    /// The form's own, or what SUNBID_RUSH_BIDS and SUNBID_RUSH_SECONDS say.
    fn of(form: Form) -> anyhow::Result<Self> {
        let bids = match form {
            Form::Short => 2_000,
            Form::Long => 20_000,
        };
        Ok(Self {
            bids: crate::number("SUNBID_RUSH_BIDS")?.unwrap_or(bids),
            window: Duration::from_secs(
                crate::number("SUNBID_RUSH_SECONDS")?.map_or(2, |seconds| seconds as u64),
            ),
        })
    }
}

pub async fn run(form: Form) -> Played {
    let plan = Plan::of(form)?;
    let world = Arc::new(World::raise().await?);
    let crowd = Crowd::enrol(&world, plan.bids.div_ceil(LOTS)).await?;
    eprintln!("rush: {} suppliers are enrolled", crowd.bidders.len());
    let tender = tenders::of_sheets(&world, LOTS).await?;
    let deadline = Instant::from_micros(tender.timetable.unwrap_or_default().bid_deadline_us);
    world.stage.advance(deadline.plus_seconds(-600)).await?;
    crowd.sign_in().await?;
    let shots = shots(&crowd, &tender, &plan)?;
    let endpoint = world.stage.endpoint().to_owned();
    let volley = Volley::ready(endpoint, CONNECTIONS, shots).await?;
    let window = i64::try_from(plan.window.as_micros())?;
    let first = deadline.plus_micros(-window);
    world.stage.advance(first.plus_seconds(-CALM)).await?;
    let ahead = first.micros() - world.stage.now().await?.micros();
    let begin = Timer::now() + Duration::from_micros(u64::try_from(ahead)?);
    let platform = world.stage.pid("platform").await.context("it runs")?;
    let before = process::processor_seconds(platform)?;
    let landed = volley.fire(begin).await?;
    let spent = process::processor_seconds(platform)? - before;
    let told = Told::of(&landed.hits)?;
    let memory = process::peak_mebibytes(platform)?;
    every_receipt_stands(&crowd, &tender, &landed.hits).await?;
    ensure!(
        world.stage.stop("platform").await?,
        "the platform ended badly"
    );
    let entries = books::check(&world, &["bid"]).await?;
    world.stage.strike().await;
    Ok(format!(
        "{} bids due within {} s from one processor: {} acknowledged ({}), {} told to try again \
         ({}), {} told that they were late ({}); every receipt stands, {entries} records without a \
         gap; platform {:.2} ms of processor time for each acknowledged, {memory:.0} MiB at most; \
         the driver sent {:.0} ms late at worst and used {:.1} s",
        plan.bids,
        plan.window.as_secs(),
        told.taken.len(),
        spread(&told.taken),
        told.busy.len(),
        spread(&told.busy),
        told.late.len(),
        spread(&told.late),
        spent / told.taken.len().max(1) as f64 * 1000.0,
        landed.lagged.as_secs_f64() * 1000.0,
        landed.spent.as_secs_f64(),
    ))
}

/// Bids of everybody for every lot, spread evenly over the window.
fn shots(crowd: &Crowd, tender: &Tender, plan: &Plan) -> anyhow::Result<Vec<Shot>> {
    let suppliers = crowd.bidders.len();
    (0..plan.bids)
        .map(|at| {
            let bidder = &crowd.bidders[at % suppliers];
            let bid = bidder.sealed(tender, &lot_id(at / suppliers), 1)?;
            Ok(Shot {
                due: plan.window.mul_f64(at as f64 / plan.bids as f64),
                request: bidder.request(bid),
            })
        })
        .collect()
}

/// How long everybody waited for which answer.
#[derive(Default)]
struct Told {
    taken: Vec<Duration>,
    busy: Vec<Duration>,
    late: Vec<Duration>,
}

impl Told {
    /// Sorted by answer; an answer that says neither "taken" nor why not is what must not be.
    fn of(hits: &[Hit]) -> anyhow::Result<Self> {
        let mut told = Self::default();
        let mut odd: HashMap<String, usize> = HashMap::new();
        for hit in hits {
            match &hit.answer {
                Ok(_) => told.taken.push(hit.waited),
                Err(status) if is_late(status) => told.late.push(hit.waited),
                Err(status) if is_told_to_retry(status) => told.busy.push(hit.waited),
                Err(status) => {
                    *odd.entry(format!("{:?}: {}", status.code(), status.message()))
                        .or_default() += 1;
                }
            }
        }
        ensure!(odd.is_empty(), "answers that do not say why: {odd:?}");
        for waits in [&mut told.taken, &mut told.busy, &mut told.late] {
            waits.sort();
        }
        Ok(told)
    }
}

/// The rule that refuses what comes after the deadline, by its number.
pub fn is_late(status: &Status) -> bool {
    status.code() == Code::FailedPrecondition
        && status
            .get_error_details()
            .precondition_failure()
            .is_some_and(|why| why.violations.iter().any(|one| one.r#type == "RULE:B3"))
}

/// Too much at the moment, with a hint when to try again.
pub fn is_told_to_retry(status: &Status) -> bool {
    let hint = status
        .get_error_details()
        .retry_info()
        .is_some_and(|retry| retry.retry_delay.is_some());
    matches!(status.code(), Code::ResourceExhausted | Code::Unavailable) && hint
}

/// The middle and the slowest hundredth of sorted waits.
fn spread(waits: &[Duration]) -> String {
    let at = |share: f64| {
        let place = (waits.len() as f64 * share) as usize;
        waits
            .get(place.min(waits.len().saturating_sub(1)))
            .map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
    };
    format!("p50 {:.0} ms, p99 {:.0} ms", at(0.5), at(0.99))
}

/// Every supplier finds exactly the bids that were acknowledged to it: none missing, none more.
async fn every_receipt_stands(crowd: &Crowd, tender: &Tender, hits: &[Hit]) -> anyhow::Result<()> {
    let suppliers = crowd.bidders.len();
    let looks = hits.iter().map(|hit| async move {
        let bidder = &crowd.bidders[hit.shot % suppliers];
        let lot = lot_id(hit.shot / suppliers);
        let found = crowd.own_bid(bidder, &tender.name, &lot).await?;
        let acknowledged: Vec<Receipt> = hit.answer.iter().cloned().collect();
        ensure!(
            found.receipts == acknowledged,
            "{} finds {} receipts for lot {lot}, {} were given to it",
            bidder.code,
            found.receipts.len(),
            acknowledged.len()
        );
        Ok(())
    });
    stream::iter(looks)
        .buffer_unordered(LOOKS)
        .try_collect::<()>()
        .await
}
