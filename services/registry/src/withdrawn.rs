//! Ends the sessions of certificates that their authority revoked: whenever the revocation lists change,
//! and again a little later, for a sign-in that was under way meanwhile. Decides nothing about the
//! subject itself: signing in asks the lists anyway, and a certificate on hold may come back.

use std::{sync::Arc, time::Duration};

use sunbid_certificates::{CertificateFault, Roots, verify_now};
use sunbid_contracts::registry::v1::{SessionsEnded, Subject};
use sunbid_domain::registry::{SubjectState, organization_of};
use sunbid_journal::Journal;
use sunbid_service::{
    Decided, Problem, Step,
    ledger::{commit_quietly, load},
};
use sunbid_terms::Clock;
use tokio_util::sync::CancellationToken;

use crate::{SERVICE, names::subject_stream, store};

/// How often it is asked whether the lists have changed.
const EVERY: Duration = Duration::from_secs(1);

/// Every so many times they are gone through though they have not.
const AGAIN: u32 = 30;

/// Subjects looked at in one reading.
const PAGE: u32 = 200;

/// What stands in the record.
const REASON: &str = "its certificate was revoked by its authority";

/// Keeps looking until the process stops.
pub async fn follow(
    journal: Journal,
    roots: Arc<Roots>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let mut seen = None;
    let mut times: u32 = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        times = times.wrapping_add(1);
        let revision = *roots.revoked().revision();
        if seen == Some(revision) && !times.is_multiple_of(AGAIN) {
            continue;
        }
        match end_sessions(&journal, &roots, &*clock).await {
            Ok(()) => seen = Some(revision),
            Err(problem) => {
                tracing::error!(?problem, "sessions of revoked certificates cannot be ended");
            }
        }
    }
}

async fn end_sessions(journal: &Journal, roots: &Roots, clock: &dyn Clock) -> Result<(), Problem> {
    if roots.revoked().is_empty() {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let now = clock.now();
        let page = store::subjects_with_sessions(journal.db(), now, &after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.name);
        for subject in &page {
            let judged = verify_now(&subject.certificate, &subject.intermediates, roots, now);
            if judged == Err(CertificateFault::Revoked) {
                end_sessions_of(journal, subject).await?;
            }
        }
    }
}

async fn end_sessions_of(journal: &Journal, subject: &Subject) -> Result<(), Problem> {
    let organization = organization_of(&subject.name)
        .ok_or_else(|| Problem::internal("a subject's name has no organisation"))?;
    let stream = subject_stream(&subject.name);
    let name = subject.name.clone();
    // Another replica may find the same: whoever comes second finds no session open.
    let cause = uuid::Uuid::new_v4();
    let asked = SessionsEnded {
        subject: name.clone(),
        reason: REASON.to_owned(),
    };
    let step = Step::of_cause(
        SERVICE,
        organization,
        "EndSessions",
        cause.as_bytes(),
        &asked,
    )
    .reading(&[stream]);
    commit_quietly(journal, step, move |view| {
        let state: SubjectState = load(view, stream)?;
        match state.end_sessions(REASON, view.now) {
            None => Ok(Decided::new()),
            Some(ended) => Decided::new()
                .also(store::end_sessions_of_subject(&name))
                .event(stream, &ended)
                .fold::<SubjectState>(view, stream),
        }
    })
    .await?;
    Ok(())
}
