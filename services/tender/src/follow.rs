//! What tenders learn from other logs: that they are announced, clarified, closed, opened; and from
//! their own, that bidding is to be released after a hold.

use std::sync::Arc;

use sunbid_contracts::{
    bid::v1::{BiddingClosed, EndBiddingRequest, HoldBiddingRequest},
    notice::v1::{
        ClarificationPublished, FollowUpPublished, Notice, NoticeKind, TenderNoticePublished,
    },
    opening::v1::OpeningRecordPublished,
    tender::v1::{TenderResumed, TenderState},
};
use sunbid_domain::tender::life;
use sunbid_service::{FollowedEntry, Problem, Step, follow::Follower, names};
use sunbid_terms::Instant;
use tokio::task::JoinSet;

use crate::{NAME, service::Tenders};

/// Starts all followers; they end with the process.
pub fn start(tenders: &Arc<Tenders>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let follower = |service, consumer| Follower {
        journal: tenders.journal.clone(),
        peers: tenders.peers.clone(),
        service,
        consumer,
        shutdown: tenders.shutdown.clone(),
    };
    let this = tenders.clone();
    tasks.spawn(follower("notice", "tender-notice").run(move |entry| {
        let this = this.clone();
        async move { this.follow_notice(entry).await }
    }));
    let this = tenders.clone();
    tasks.spawn(follower("bid", "tender-bid").run(move |entry| {
        let this = this.clone();
        async move { this.follow_bid(entry).await }
    }));
    let this = tenders.clone();
    tasks.spawn(follower("opening", "tender-opening").run(move |entry| {
        let this = this.clone();
        async move { this.follow_opening(entry).await }
    }));
    let this = tenders.clone();
    tasks.spawn(follower(NAME, "tender-release").run(move |entry| {
        let this = this.clone();
        async move { this.follow_own(entry).await }
    }));
    tasks
}

impl Tenders {
    async fn follow_notice(&self, entry: FollowedEntry) -> Result<(), Problem> {
        if let Some(published) = entry.read::<TenderNoticePublished>()? {
            return self.announced(&entry, published).await;
        }
        if let Some(published) = entry.read::<ClarificationPublished>()? {
            let notice = published.notice.clone().unwrap_or_default();
            let step = step(&entry, &notice.tender, "FollowClarification", &published);
            return self.moved(step, notice).await;
        }
        // Of the notices that follow by themselves only an outage's moves what this service keeps; a
        // resumption is its own doing.
        let Some(published) = entry.read::<FollowUpPublished>()? else {
            return Ok(());
        };
        let notice = published.notice.clone().unwrap_or_default();
        if notice.kind() != NoticeKind::Outage {
            return Ok(());
        }
        let step = step(&entry, &notice.tender, "FollowOutage", &published);
        self.moved(step, notice).await
    }

    /// A notice moved the deadline.
    async fn moved(&self, step: Step, notice: Notice) -> Result<(), Problem> {
        self.change(
            step,
            move |before, _| {
                let deadline = Instant::from_micros(notice.deadline_us);
                Ok(life::change_deadline(before, &notice.name, deadline)?.into())
            },
            |_, _| (),
        )
        .await?;
        Ok(())
    }

    async fn announced(
        &self,
        entry: &FollowedEntry,
        published: TenderNoticePublished,
    ) -> Result<(), Problem> {
        let notice = published.notice.clone().unwrap_or_default();
        let before = self.dossier(&notice.tender).await?;
        if before.state() == TenderState::Terminated && !before.is_public() {
            // Ended between the reading and the publishing: bidding has to end as well.
            let end = EndBiddingRequest {
                request_id: names::derived(&[b"end", &entry.cause()]).to_string(),
                tender: notice.tender.clone(),
                reason: before.tender.unwrap_or_default().state_reason,
            };
            self.peers.bid().end_bidding(end).await?;
        } else if let Some(hold) = before.tender.and_then(|tender| tender.hold) {
            // The same for a hold.
            let hold = HoldBiddingRequest {
                request_id: names::derived(&[b"hold", &entry.cause()]).to_string(),
                tender: notice.tender.clone(),
                hold: true,
                reason: hold.reason,
                new_deadline_us: 0,
            };
            self.hold_bidding(hold).await?;
        }
        let step = step(entry, &notice.tender, "FollowNotice", &published);
        let head = entry.head.clone();
        self.change(
            step,
            move |before, _| {
                let announced = notice.announced.clone().unwrap_or_default();
                Ok(life::announce(before, &announced, &notice.name, head)?.into())
            },
            |_, _| (),
        )
        .await?;
        Ok(())
    }

    async fn follow_bid(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(closed) = entry.read::<BiddingClosed>()? else {
            return Ok(());
        };
        let step = step(&entry, &entry.scope, "FollowClosing", &closed);
        let head = entry.head.clone();
        self.change(
            step,
            move |before, _| {
                let (opening, failed): (Vec<_>, Vec<_>) =
                    closed.lots.into_iter().partition(|lot| lot.opens);
                let ids = |lots: Vec<sunbid_contracts::bid::v1::LotClosing>| {
                    lots.into_iter().map(|lot| lot.lot_id).collect()
                };
                Ok(life::close(before, head, ids(opening), ids(failed))?.into())
            },
            |_, _| (),
        )
        .await?;
        Ok(())
    }

    async fn follow_opening(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(published) = entry.read::<OpeningRecordPublished>()? else {
            return Ok(());
        };
        let step = step(&entry, &entry.scope, "FollowOpening", &published);
        let head = entry.head.clone();
        self.change(
            step,
            move |before, _| Ok(life::opened(before, head)?.into()),
            |_, _| (),
        )
        .await?;
        Ok(())
    }

    async fn follow_own(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(resumed) = entry.read::<TenderResumed>()? else {
            return Ok(());
        };
        let tender = self.dossier(&entry.scope).await?.tender.unwrap_or_default();
        self.release(&entry.cause(), &entry.scope, &resumed, entry.at, &tender)
            .await
    }
}

fn step(
    entry: &FollowedEntry,
    scope: &str,
    method: &'static str,
    event: &impl prost::Message,
) -> Step {
    Step::of_cause(NAME, scope, method, &entry.cause(), event)
}
