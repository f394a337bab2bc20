//! Notices that follow from other services' records, each once; and questions answered by this
//! service's own clarifications, should the process have stopped between the two.

use std::sync::Arc;

use sunbid_contracts::{
    bid::v1::{BiddingClosed, DeadlineMovedByOutage},
    notice::v1::{ClarificationPublished, FollowUpPublished, Notice},
    opening::v1::OpeningRecordPublished,
    tender::v1::{TenderResumed, TenderSuspended, TenderTerminated},
};
use sunbid_domain::notice::{Board, follow_up};
use sunbid_service::{Decided, FollowedEntry, Problem, Step, follow::Follower, ledger, names};
use sunbid_terms::Instant;
use tokio::task::JoinSet;

use crate::{
    NAME,
    service::{Notices, board_stream},
    store,
};

/// Starts all followers; they end with the process.
pub fn start(notices: &Arc<Notices>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (service, consumer) in [
        ("tender", "notice-tender"),
        ("bid", "notice-bid"),
        ("opening", "notice-opening"),
        (NAME, "notice-answers"),
    ] {
        let follower = Follower {
            journal: notices.journal.clone(),
            peers: notices.peers.clone(),
            service,
            consumer,
            shutdown: notices.shutdown.clone(),
        };
        let this = notices.clone();
        tasks.spawn(follower.run(move |entry| {
            let this = this.clone();
            async move { this.follow(entry).await }
        }));
    }
    tasks
}

impl Notices {
    async fn follow(&self, entry: FollowedEntry) -> Result<(), Problem> {
        match entry.service {
            "tender" => self.follow_tender(entry).await,
            "bid" => self.follow_bid(entry).await,
            "opening" => self.follow_opening(entry).await,
            _ => self.follow_own(entry).await,
        }
    }

    async fn follow_tender(&self, entry: FollowedEntry) -> Result<(), Problem> {
        if let Some(suspended) = entry.read::<TenderSuspended>()? {
            let reason = suspended.hold.unwrap_or_default().reason;
            return self
                .publish(&entry, move |board, name, now| {
                    follow_up::suspension(board, &reason, name, now)
                })
                .await;
        }
        if let Some(resumed) = entry.read::<TenderResumed>()? {
            let deadline = Instant::from_micros(resumed.bid_deadline_us);
            return self
                .publish(&entry, move |board, name, now| {
                    follow_up::resumption(board, &resumed.reason, deadline, name, now)
                })
                .await;
        }
        if let Some(terminated) = entry.read::<TenderTerminated>()? {
            return self
                .publish(&entry, move |board, name, now| {
                    follow_up::termination(board, &terminated.reason, name, now)
                })
                .await;
        }
        Ok(())
    }

    async fn follow_bid(&self, entry: FollowedEntry) -> Result<(), Problem> {
        if let Some(moved) = entry.read::<DeadlineMovedByOutage>()? {
            return self
                .publish(&entry, move |board, name, now| {
                    follow_up::outage(board, &moved, name, now)
                })
                .await;
        }
        let Some(closed) = entry.read::<BiddingClosed>()? else {
            return Ok(());
        };
        self.publish(&entry, move |board, name, now| {
            follow_up::failure(board, &closed.lots, name, now)
        })
        .await
    }

    async fn follow_opening(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(published) = entry.read::<OpeningRecordPublished>()? else {
            return Ok(());
        };
        let record = published.record.unwrap_or_default();
        self.publish(&entry, move |board, name, now| {
            follow_up::opening_record(board, &record, name, now)
        })
        .await
    }

    async fn follow_own(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(published) = entry.read::<ClarificationPublished>()? else {
            return Ok(());
        };
        let notice = published.notice.unwrap_or_default();
        let question = notice.clarification.unwrap_or_default().question;
        if question.is_empty() {
            return Ok(());
        }
        self.answer(&entry.cause(), &notice.tender, &question, &notice.name)
            .await
    }

    /// Publishes what follows from a record about a tender, if anything does.
    async fn publish<F>(&self, entry: &FollowedEntry, make: F) -> Result<(), Problem>
    where
        F: FnOnce(&Board, &str, Instant) -> Option<Notice> + Send + 'static,
    {
        // Of a tender that was never announced nothing is told.
        if self.board(&entry.scope).await?.tender.is_none() {
            return Ok(());
        }
        let name = format!(
            "notices/{}",
            names::derived(&[b"follow-up", &entry.cause()])
        );
        let head = entry.head.clone();
        let step = Step::of_cause(
            NAME,
            &entry.scope,
            "FollowUp",
            &entry.cause(),
            &entry.record,
        )
        .reading(&[board_stream()]);
        ledger::commit_quietly(&self.journal, step, move |view| {
            let board: Board = ledger::load(view, board_stream())?;
            let Some(notice) = make(&board, &name, view.now) else {
                return Ok(Decided::new());
            };
            let event = FollowUpPublished {
                notice: Some(notice.clone()),
                cause: Some(head),
            };
            Ok(Decided::new()
                .event(board_stream(), &event)
                .fold::<Board>(view, board_stream())?
                .also(store::put_notice(&notice)))
        })
        .await?;
        Ok(())
    }
}
