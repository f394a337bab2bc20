//! Notices that follow from other services' records: suspension, resumption and termination from
//! the tender's log, failure from the bid log, the opening record from the opening's.

use std::sync::Arc;

use sunbid_contracts::{
    bid::v1::BiddingClosed,
    notice::v1::{FollowUpPublished, Notice},
    opening::v1::OpeningRecordPublished,
    tender::v1::{TenderResumed, TenderSuspended, TenderTerminated},
};
use sunbid_domain::notice::{Board, follow_up};
use sunbid_service::{
    FollowedEntry, Problem,
    follow::Follower,
    ledger::{self, Decided, Step},
    names,
};
use sunbid_terms::Instant;
use tokio::task::JoinSet;

use crate::{Notices, SERVICE, board_stream, store};

/// Starts following.
pub fn start(notices: &Notices, tasks: &mut JoinSet<()>) {
    for service in ["tender", "bid", "opening"] {
        let follower = Follower {
            journal: notices.journal.clone(),
            peers: notices.setting.peers.clone(),
            service,
            consumer: SERVICE,
            shutdown: notices.setting.shutdown.clone(),
        };
        let notices = Arc::new(notices.clone());
        tasks.spawn(follower.run(move |entry| {
            let notices = notices.clone();
            async move { notices.follow(entry).await }
        }));
    }
}

impl Notices {
    async fn follow(&self, entry: FollowedEntry) -> Result<(), Problem> {
        if !entry.scope.starts_with("tenders/") {
            return Ok(());
        }
        if let Some(event) = entry.read::<TenderSuspended>()? {
            let reason = event.hold.unwrap_or_default().reason;
            return self
                .publish(entry, move |board, name, now| {
                    follow_up::suspension(board, &reason, name, now)
                })
                .await;
        }
        if let Some(event) = entry.read::<TenderResumed>()? {
            let deadline = Instant::from_micros(event.bid_deadline_us);
            return self
                .publish(entry, move |board, name, now| {
                    follow_up::resumption(board, &event.reason, deadline, name, now)
                })
                .await;
        }
        if let Some(event) = entry.read::<TenderTerminated>()? {
            return self
                .publish(entry, move |board, name, now| {
                    follow_up::termination(board, &event.reason, name, now)
                })
                .await;
        }
        if let Some(event) = entry.read::<BiddingClosed>()? {
            return self
                .publish(entry, move |board, name, now| {
                    follow_up::failure(board, &event.lots, name, now)
                })
                .await;
        }
        if let Some(event) = entry.read::<OpeningRecordPublished>()? {
            let record = event.record.unwrap_or_default();
            return self
                .publish(entry, move |board, name, now| {
                    follow_up::opening_record(board, &record, name, now)
                })
                .await;
        }
        Ok(())
    }

    /// Publishes what follows, if anything does; once for each record it follows from.
    async fn publish(
        &self,
        entry: FollowedEntry,
        make: impl FnOnce(&Board, &str, Instant) -> Option<Notice> + Send + 'static,
    ) -> Result<(), Problem> {
        let cause = entry.head.clone();
        let name = names::derived("notices", &[&hex::encode(entry.cause())]);
        let step = Step::of_cause(SERVICE, &entry.scope, "FollowUp", &entry.cause(), &cause)
            .reading(&[board_stream()]);
        ledger::commit_quietly(&self.journal, step, move |view| {
            let board: Board = ledger::load(view, board_stream())?;
            let Some(notice) = make(&board, &name, view.now) else { return Ok(Decided::new()) };
            let row = store::add_notice(&notice);
            let event = FollowUpPublished { notice: Some(notice), cause: Some(cause) };
            Ok(Decided::new()
                .event(board_stream(), &event)
                .fold::<Board>(view, board_stream())?
                .also(row))
        })
        .await?;
        Ok(())
    }
}
