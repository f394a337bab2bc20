//! When the certificates of holders' daemons end, for the operator's gauges: an institution whose daemon cannot
//! sign in does not open. Who the holders are is public.

use sunbid_contracts::registry::v1::{OrganizationKind, OrganizationState, Role, Subject};
use sunbid_journal::Journal;
use sunbid_service::{Problem, Setting, sampling};
use sunbid_telemetry::metrics;

use crate::{SERVICE, store};

/// Rows read at a time, and as many as an institution's people are looked at.
const PAGE: u32 = 500;
const DAY: f64 = 86_400.0;

/// Shows it until the process stops.
pub async fn show(setting: Setting, journal: Journal) {
    let stop = setting.shutdown.clone();
    sampling::repeat(SERVICE, stop, move || {
        let (clock, journal) = (setting.clock.clone(), journal.clone());
        async move { look(&journal, clock.now().micros()).await }
    })
    .await;
}

async fn look(journal: &Journal, now: i64) -> Result<(), Problem> {
    let (state, kind) = (
        OrganizationState::Active as i32,
        OrganizationKind::Trustee as i32,
    );
    let mut days = Vec::new();
    let mut after = String::new();
    loop {
        let page = store::organizations(journal.db(), &after, state, kind, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.name.clone();
        for organization in &page {
            let people = store::subjects(journal.db(), &organization.name, "", PAGE).await?;
            let daemons = people.iter().filter(|one| is_daemon(one));
            // The one that ends last keeps the institution able to act.
            if let Some(ends) = daemons.map(|one| one.not_after_us).max() {
                let code = organization.name.trim_start_matches("organizations/");
                let left = sampling::seconds_since(now, ends) / DAY;
                days.push((vec![("organization", code.to_owned())], left.floor()));
            }
        }
    }
    metrics().replace("holder_certificate_days", days);
    Ok(())
}

fn is_daemon(subject: &Subject) -> bool {
    !subject.revoked && subject.roles.contains(&(Role::Trustee as i32))
}
