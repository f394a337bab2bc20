//! Looking at what a service's gauges show, every few seconds and only where somebody reads them. What
//! is looked at must not follow from how many suppliers there are before their bids are no secret.

use std::time::Duration;

use sunbid_journal::Journal;
use sunbid_telemetry::{metrics, strain::Step};
use tokio_util::sync::CancellationToken;

use crate::Problem;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until the process stops.
pub async fn repeat<F, W>(service: &'static str, shutdown: CancellationToken, look: F)
where
    F: Fn() -> W + Send,
    W: Future<Output = Result<(), Problem>> + Send,
{
    loop {
        if metrics().wanted() {
            match look().await {
                Ok(()) => metrics().looked(service),
                Err(problem) => {
                    tracing::warn!(
                        service,
                        ?problem,
                        "what metrics show could not be looked at"
                    );
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Shows how a journal's commits go, in steps alone: every service's logs keep who was refused, suppliers
/// and strangers too, so a count of commits anywhere would tell of them.
pub fn watch_batches(service: &'static str, journal: &Journal) {
    let all = metrics();
    for bound in ["queue", "commit"] {
        all.strains().know(service, bound);
    }
    journal.watch_batches(move |batch| {
        let waiting = Step::of(batch.waiting, batch.most_waiting);
        all.strains().note(service, "queue", waiting);
        all.strains()
            .note(service, "commit", Step::of_time(batch.took));
    });
}

/// Seconds between two times in microseconds; not below zero.
pub fn seconds_since(then_us: i64, now_us: i64) -> f64 {
    let micros = now_us.saturating_sub(then_us).max(0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
}
