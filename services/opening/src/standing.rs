//! Whether what openings need is there, for the operator's gauges: are the holders of the next openings
//! connected, and does a tender wait for its opening. All of it follows from published times and from
//! institutions that are named in notices; nothing of any bid.

use std::{collections::BTreeMap, sync::Arc};

use sunbid_contracts::opening::v1::SessionState as Stage;
use sunbid_service::{Problem, sampling};
use sunbid_telemetry::metrics;
use sunbid_terms::{Instant, MICROS};

use crate::{Opening, SERVICE, store};

/// How far ahead openings are looked at, with how far that is called, seconds.
const AHEAD: [(&str, i64); 2] = [("hour", 3600), ("day", 86_400)];
/// Openings looked at; the earliest are.
const MOST: u32 = 200;
/// A daemon that was connected so lately is there, microseconds: it may be changing its connection.
const THERE: i64 = 120 * MICROS;

/// Shows it until the process stops.
pub async fn show(opening: Arc<Opening>) {
    let stop = opening.setting.shutdown.clone();
    sampling::repeat(SERVICE, stop, move || look(opening.clone())).await;
}

async fn look(opening: Arc<Opening>) -> Result<(), Problem> {
    let now = opening.setting.clock.now();
    let db = opening.journal.db();
    for organization in opening.duties.watched() {
        store::see_holder(db, &organization, now).await?;
    }
    let seen: BTreeMap<String, i64> = store::seen_holders(db).await?.into_iter().collect();
    let silences = seen.iter().map(|(organization, seen)| {
        let code = organization.trim_start_matches("organizations/").to_owned();
        let silence = sampling::seconds_since(*seen, now.micros());
        (vec![("organization", code)], silence)
    });
    metrics().replace("holder_silence_seconds", silences);
    let mut coming = Vec::new();
    let (_, farthest) = AHEAD[AHEAD.len() - 1];
    for (tender, deadline) in store::coming(db, now, now.plus_seconds(farthest), MOST).await? {
        coming.push((deadline, standing(&opening, &tender, &seen, now).await?));
    }
    for (name, seconds) in AHEAD {
        let until = now.plus_seconds(seconds).micros();
        let within = || coming.iter().filter(|(deadline, _)| *deadline < until);
        let short = within().filter(|(_, holders)| holders.there < holders.wanted);
        let missing = within().filter(|(_, holders)| holders.there < holders.all);
        for (gauge, count) in [
            ("openings_due", within().count()),
            ("openings_short_of_holders", short.count()),
            ("openings_missing_a_holder", missing.count()),
        ] {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            metrics().set(gauge, &[("within", name)], count.into());
        }
    }
    let mut late = 0.0_f64;
    for stage in [Stage::Closing, Stage::Decrypting] {
        if let Some(oldest) = store::oldest(db, stage).await? {
            late = late.max(sampling::seconds_since(oldest, now.micros()));
        }
    }
    metrics().set("opening_late_seconds", &[], late);
    Ok(())
}

/// Holders of a tender's key: how many there are, must act, and are connected.
struct Holders {
    all: usize,
    wanted: usize,
    there: usize,
}

async fn standing(
    opening: &Opening,
    tender: &str,
    seen: &BTreeMap<String, i64>,
    now: Instant,
) -> Result<Holders, Problem> {
    let session = opening.session(tender).await?;
    let is_there = |organization: &str| {
        let seen = seen.get(organization);
        seen.is_some_and(|seen| now.micros().saturating_sub(*seen) <= THERE)
    };
    let holders = session.holders();
    let there = holders
        .iter()
        .filter(|holder| is_there(&holder.organization));
    Ok(Holders {
        all: holders.len(),
        wanted: session.threshold(),
        there: there.count(),
    })
}
