//! How the public log and its witnesses stand, for the operator's gauges: how old the newest leaf is, which
//! witness is silent, whether clocks agree. All of it is public or about institutions; nothing of any bid.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sunbid_contracts::registry::v1::{
    ListOrganizationsRequest, OrganizationKind, OrganizationState,
};
use sunbid_service::{Problem, sampling};
use sunbid_telemetry::metrics;
use sunbid_terms::{Instant, MICROS};

use crate::{SERVICE, rpc::Audit, store};

/// Checkpoints back from the newest that are looked through for cosignatures, after the first look.
const RECENT: u64 = 100;

/// How a witness's name in the log goes on after its institution's credit code.
const WITNESS: &str = ".witness";

/// Seconds that a witness's time may be off by: it is whole seconds, and takes a moment to come.
const NEAR: f64 = 2.0;

/// What was seen so far: when each witness last cosigned, in seconds.
type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

/// Shows it until the process stops.
pub async fn show(audit: Audit, epoch: Duration) {
    metrics().set("epoch_interval_seconds", &[], epoch.as_secs_f64());
    let seen = Seen::default();
    let stop = audit.setting.shutdown.clone();
    sampling::repeat(SERVICE, stop, move || look(audit.clone(), seen.clone())).await;
}

async fn look(audit: Audit, seen: Seen) -> Result<(), Problem> {
    let now = audit.setting.clock.now().micros();
    let size = audit.public_log.size().await?;
    if let Some(newest) = size.checked_sub(1) {
        for leaf in audit.public_log.epochs(newest, 1).await? {
            metrics().set(
                "epoch_age_seconds",
                &[],
                sampling::seconds_since(leaf.at, now),
            );
        }
    }
    let faults = store::faults(audit.mirror.journal().db()).await?;
    let faults = u32::try_from(faults.len()).unwrap_or(u32::MAX);
    metrics().set("logs_faulty", &[], faults.into());
    let is_first = lock(&seen).is_empty();
    let from = if is_first {
        0
    } else {
        size.saturating_sub(RECENT)
    };
    for (witness, seconds) in audit.public_log.newest_cosignatures(from).await? {
        let mut seen = lock(&seen);
        let known = seen.entry(code_of(&witness)).or_default();
        *known = seconds.max(*known);
    }
    let active = active_holders(&audit).await?;
    let silences: Vec<_> = lock(&seen)
        .iter()
        .filter(|(code, _)| active.contains(code))
        .map(|(code, seconds)| {
            let silence = sampling::seconds_since(micros(*seconds), now);
            (vec![("organization", code.clone())], silence)
        })
        .collect();
    metrics().replace("witness_silence_seconds", silences);
    Ok(())
}

fn lock(seen: &Seen) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(MICROS)
}

/// The credit code in a witness's verifier key, "CODE.witness+hash+key".
fn code_of(witness: &str) -> String {
    let name = witness.split('+').next().unwrap_or_default();
    name.strip_suffix(WITNESS).unwrap_or(name).to_owned()
}

/// Credit codes of the institutions that are to witness: who was suspended is not missed.
async fn active_holders(audit: &Audit) -> Result<Vec<String>, Problem> {
    let mut codes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListOrganizationsRequest {
            state: OrganizationState::Active as i32,
            kind: OrganizationKind::Trustee as i32,
            page_token,
            ..ListOrganizationsRequest::default()
        };
        let mut registry = audit.setting.peers.registry();
        let page = registry.list_organizations(request).await?.into_inner();
        let names = page.organizations.iter().map(|one| one.name.as_str());
        codes.extend(names.map(|name| name.trim_start_matches("organizations/").to_owned()));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(codes);
        }
    }
}

/// A witness says the time by its own clock: how far this one is from it, as far as can be told.
pub fn compare_clocks(code: &str, theirs: u64, now: Instant) {
    let theirs = micros(theirs);
    let ahead = sampling::seconds_since(theirs, now.micros());
    let behind = sampling::seconds_since(now.micros(), theirs);
    let offset = if ahead > NEAR {
        ahead
    } else if behind > 0.0 {
        -behind
    } else {
        0.0
    };
    let against = format!("witness {code}");
    metrics().set("clock_offset_seconds", &[("against", &against)], offset);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_known_by_its_institution() {
        assert_eq!(
            code_of("11000000MB0000001X.witness+1a2b3c4d+BASE64"),
            "11000000MB0000001X"
        );
        assert_eq!(code_of("other"), "other");
    }

    #[test]
    fn a_clock_is_off_only_beyond_what_whole_seconds_hide() {
        let shown = |now: i64| {
            compare_clocks("test", 100, Instant::from_micros(now));
            let text = metrics().text().unwrap();
            let line = text.lines().find(|line| line.contains("witness test"));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(shown(101 * MICROS), "0.0");
        assert_eq!(shown(110 * MICROS), "10.0");
        assert_eq!(shown(90 * MICROS), "-10.0");
    }
}
