//! What the process itself can see and an operator must: its disk, its certificates, and whether its clock
//! agrees with the database's. Looked at every few seconds; decides nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sunbid_certificates::{not_after, pem};
use sunbid_journal::Journal;
use sunbid_service::{Problem, clock::SystemClock, sampling};
use sunbid_telemetry::metrics;
use sunbid_terms::{Clock, Instant, MICROS};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Name of the process in gauges that are of no one service.
const PROCESS: &str = "process";

/// Steps that the free part of the disk is shown in: an exact figure would tell the size of what comes in.
const STEPS: [f64; 6] = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02];

/// Furthest that a database's answer may take to be of use for telling its clock, microseconds.
const SLOWEST: i64 = 2 * MICROS;

const DAY: f64 = 86_400.0;

struct Watched {
    data: PathBuf,
    /// What each certificate is, and its file.
    certificates: Vec<(String, PathBuf)>,
    journals: Vec<(&'static str, Journal)>,
}

/// Looks until the process stops.
pub async fn run(
    data: PathBuf,
    config: &Config,
    journals: Vec<(&'static str, Journal)>,
    shutdown: CancellationToken,
) {
    let watched = Arc::new(Watched {
        certificates: certificates(&data, config),
        data,
        journals,
    });
    sampling::repeat(PROCESS, shutdown, move || {
        let watched = watched.clone();
        async move { watched.look().await }
    })
    .await;
}

/// The certificates that an operator renews, by the setting that names them.
fn certificates(data: &Path, config: &Config) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    let mut add = |of: String, file: &Path| all.push((of, data.join(file)));
    if let Some(tls) = &config.tls {
        add("tls.certificate".to_owned(), &tls.certificate);
    }
    if let Some(mutual) = &config.mutual {
        add("mutual.certificate".to_owned(), &mutual.certificate);
        add("mutual.authority".to_owned(), &mutual.authority);
    }
    for file in &config.roots {
        add(format!("roots {}", file.display()), file);
    }
    all
}

impl Watched {
    async fn look(&self) -> Result<(), Problem> {
        let disk = rustix::fs::statvfs(&self.data).map_err(Problem::internal)?;
        metrics().set("disk_free_ratio", &[], free(disk.f_bavail, disk.f_blocks));
        let now = SystemClock.now();
        let mut days = Vec::new();
        for (of, file) in &self.certificates {
            let text = tokio::fs::read_to_string(file).await;
            // A file that cannot be read ends the process at its next start: as bad as expired.
            let ends = text.ok().and_then(|text| earliest_end(&text));
            let left = ends.map_or(0.0, |ends| {
                sampling::seconds_since(now.micros(), ends) / DAY
            });
            days.push((vec![("of", of.clone())], left.floor()));
        }
        metrics().replace("certificate_days", days);
        self.compare_clocks().await
    }

    async fn compare_clocks(&self) -> Result<(), Problem> {
        let Some((_, journal)) = self.journals.first() else {
            return Ok(());
        };
        let before = SystemClock.now().micros();
        let Some(theirs) = journal.db().server_time_us().await? else {
            return Ok(());
        };
        let after = SystemClock.now().micros();
        if after.saturating_sub(before) > SLOWEST {
            return Ok(());
        }
        metrics().set(
            "clock_offset_seconds",
            &[("against", "database")],
            offset(before, theirs, after),
        );
        Ok(())
    }
}

/// This clock less the other, which was read between `before` and `after`; what that leaves open counts
/// as agreement.
fn offset(before: i64, theirs: i64, after: i64) -> f64 {
    if theirs < before {
        sampling::seconds_since(theirs, before)
    } else {
        -sampling::seconds_since(after, theirs)
    }
}

/// The largest step that is not above what is free.
fn free(available: u64, all: u64) -> f64 {
    let thousandths = available.saturating_mul(1000).checked_div(all).unwrap_or(0);
    let thousandths = u32::try_from(thousandths).unwrap_or(u32::MAX);
    let ratio = f64::from(thousandths) / 1000.0;
    STEPS.into_iter().find(|step| ratio >= *step).unwrap_or(0.0)
}

/// When the first certificate of a file ends, microseconds since 1970 UTC.
fn earliest_end(text: &str) -> Option<i64> {
    let all = pem::certificates(text).ok()?;
    let ends = all.iter().map(|der| not_after(der).map(Instant::micros));
    ends.collect::<Result<Vec<_>, _>>().ok()?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_shown_in_steps() {
        for (available, step) in [(100, 0.5), (49, 0.3), (20, 0.2), (3, 0.02), (1, 0.0)] {
            assert!(
                (free(available, 100) - step).abs() < f64::EPSILON,
                "{available}"
            );
        }
        assert!(free(0, 0) < f64::EPSILON);
    }

    #[test]
    fn clocks_are_apart_by_no_more_than_can_be_told() {
        let near = |seconds: f64, wanted: f64| (seconds - wanted).abs() < 1e-9;
        assert!(near(offset(10, 15, 20), 0.0));
        assert!(near(offset(3 * MICROS, MICROS, 4 * MICROS), 2.0));
        assert!(near(offset(MICROS, 4 * MICROS, 2 * MICROS), -2.0));
    }
}
