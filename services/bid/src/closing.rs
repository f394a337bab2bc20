//! Closing: the one record after which no bid is on time. Written by whichever transaction first
//! sees the deadline pass; if no bid comes, by the timer here.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use sunbid_domain::{
    Aggregate, Refusal,
    bid::{OwnBid, Shut, TenderBox, closing, desk},
};
use sunbid_journal::{Val, View, Write};
use sunbid_service::{Decided, Problem, Step, ledger, sampling};
use sunbid_telemetry::metrics;
use tokio_util::sync::CancellationToken;

use crate::{
    NAME,
    proving::{Standing, unproven},
    rpc::{Office, box_stream},
    store,
};

const METHOD: &str = "CloseBidding";
/// How often the clock is looked at: it may jump in a trial, so no sleep is planned by it.
const LOOK: Duration = Duration::from_millis(50);
/// Pause after a closing that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the table of deadlines is read again, in looks: other processes may have written it.
const RELOAD: u32 = 100;
/// Boxes closed at a time; they share their commits.
const AT_ONCE: usize = 32;

/// The reason under which a decision asks for the whole log, to close it first.
const DUE_FIRST: &str = "DEADLINE_SEEN";

/// The deadline has come and this decision does not see the whole log that closing needs.
pub fn due_first() -> Problem {
    Refusal::state(DUE_FIRST, "投标截止时间已到。", "The deadline has come.").into()
}

pub fn is_due_first(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Refused(Refusal::State {
            reason: DUE_FIRST,
            ..
        })
    )
}

/// Whether the journal itself turned the command away because the log is closed.
pub fn is_log_closed(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Refused(Refusal::State {
            reason: "LOG_CLOSED",
            ..
        })
    )
}

/// Closes the log of a box that is due, if bids could be taken at its deadline: one that passed in an
/// outage may have to move instead. The view holds every state of the log.
pub fn close_in<R>(
    view: &View<'_>,
    standing: &Standing,
    decided: Decided<R>,
) -> Result<Decided<R>, Problem>
where
    R: Default + 'static,
{
    let tender_box: TenderBox = ledger::load(view, box_stream())?;
    if !standing.covers(tender_box.deadline()) {
        return Err(unproven());
    }
    let bids = view
        .states()
        .filter(|(stream, _)| *stream != box_stream())
        .map(|(_, state)| OwnBid::load(Some(&state.body)))
        .collect::<Result<Vec<_>, _>>()?;
    let closed = closing(&tender_box, &bids);
    Ok(decided
        .event(box_stream(), &closed)
        .fold::<TenderBox>(view, box_stream())?
        .also(schedule(
            &tender_box.tender,
            tender_box.deadline_us,
            false,
            true,
        ))
        .close())
}

/// Keeps the table of deadlines in step with the box.
pub fn schedule(tender: &str, deadline_us: i64, held: bool, finished: bool) -> Write {
    Write {
        sql: store::SET_BIDDING,
        values: vec![
            Val::Text(tender.to_owned()),
            Val::Int(deadline_us),
            Val::Bool(held),
            Val::Bool(finished),
        ],
    }
}

/// Closes what is due until the process stops.
pub async fn run(office: Arc<Office>, shutdown: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        if count.is_multiple_of(RELOAD)
            && let Err(problem) = office.learn_schedule().await
        {
            tracing::warn!(?problem, "deadlines cannot be gone through");
        }
        count = count.wrapping_add(1);
        let due = office.boxes.due(office.clock.now());
        let closings = due.into_iter().map(|tender| office.close_due(tender));
        let waiting = futures_util::stream::iter(closings)
            .buffer_unordered(AT_ONCE)
            .filter(|closed| std::future::ready(!closed))
            .count()
            .await;
        if waiting > 0 {
            // Storage is away; another attempt at once would only fill the log.
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

impl Office {
    /// Reads when open boxes are to be closed.
    pub async fn learn_schedule(&self) -> Result<(), Problem> {
        let now = self.clock.now().micros();
        let mut late = 0.0_f64;
        for row in self.journal.db().rows(store::OPEN_BIDDING, &[]).await? {
            if !row.bool(2)? {
                self.boxes.schedule(&row.text(0)?, row.int(1)?);
                late = late.max(sampling::seconds_since(row.int(1)?, now));
            }
        }
        // Deadlines are published, and so is whether they were kept.
        metrics().set("closing_late_seconds", &[], late);
        metrics().looked(NAME);
        Ok(())
    }

    /// Whether nothing is left to do for the tender.
    async fn close_due(&self, tender: String) -> bool {
        let done = self.close(&tender).await;
        match done.and(self.refresh(&tender).await) {
            Ok(_) => true,
            Err(problem) => {
                tracing::error!(%tender, ?problem, "a tender whose deadline has passed waits to be closed");
                false
            }
        }
    }

    async fn close(&self, tender: &str) -> Result<(), Problem> {
        let tender_box = self.refresh(tender).await?;
        let cause = tender_box.deadline_us.to_be_bytes();
        let done = self
            .attempt(true, |_| {
                let step = Step::of_cause(NAME, tender, METHOD, &cause, &()).reading_all();
                let standing = self.standing.clone();
                Ok(ledger::commit_quietly(&self.journal, step, move |view| {
                    let tender_box: TenderBox = ledger::load(view, box_stream())?;
                    match tender_box.gate(view.now) {
                        Err(Shut::Due) => close_in(view, &standing, Decided::new()),
                        Err(shut) => Err(desk::shut_for_orders(&tender_box, shut).into()),
                        Ok(()) => {
                            Err(Refusal::state("NOT_DUE", "未到截止时间。", "Not due yet.").into())
                        }
                    }
                }))
            })
            .await;
        match done {
            Ok(_) => tracing::info!(tender, "bidding closed"),
            // Someone else was first, or the deadline moved: nothing is left to do.
            Err(Problem::Refused(_)) => {}
            Err(problem) => return Err(problem),
        }
        Ok(())
    }
}
