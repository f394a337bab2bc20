//! Whether refunds go out, for the operator's gauges. Only of tenders whose bids are no secret any more: before
//! that, a refund tells that somebody paid.

use std::sync::Arc;

use sunbid_service::{Problem, sampling};
use sunbid_telemetry::metrics;
use tokio_util::sync::CancellationToken;

use crate::{SERVICE, deposits::Deposits, store};

/// How long a refund may be under way before it is late, seconds.
const A_DAY: i64 = 86_400;

/// Shows it until the process stops.
pub async fn show(deposits: Arc<Deposits>, shutdown: CancellationToken) {
    sampling::repeat(SERVICE, shutdown, move || look(deposits.clone())).await;
}

async fn look(deposits: Arc<Deposits>) -> Result<(), Problem> {
    let (db, now) = (deposits.journal.db(), deposits.clock.now());
    let late = store::late_refunds(db, now.plus_seconds(-A_DAY)).await?;
    let refused = store::refused_refunds(db, now).await?;
    for (gauge, count) in [("refunds_overdue", late), ("refunds_refused", refused)] {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics().set(gauge, &[], count.into());
    }
    Ok(())
}

/// The bank's line came up or broke.
pub fn show_line(is_up: bool) {
    metrics().set("bank_connected", &[], if is_up { 1.0 } else { 0.0 });
}
