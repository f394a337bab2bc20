//! What the service learns from the notice log: a tender's notice opens bidding.

use std::sync::Arc;

use sunbid_contracts::notice::v1::TenderNoticePublished;
use sunbid_domain::bid::{TenderBox, desk};
use sunbid_service::{Decided, FollowedEntry, Problem, Step, follow::Follower, ledger, names};
use tokio_util::sync::CancellationToken;

use crate::{
    NAME,
    closing::schedule,
    rpc::{Office, box_stream},
};

const METHOD: &str = "OpenBidding";

/// Follows the notices until the process stops.
pub async fn run(office: Arc<Office>, shutdown: CancellationToken) {
    let follower = Follower {
        journal: office.journal.clone(),
        peers: office.peers.clone(),
        service: "notice",
        consumer: "bid-notice",
        shutdown,
    };
    follower
        .run(move |entry| {
            let office = office.clone();
            async move { office.learn(entry).await }
        })
        .await;
}

impl Office {
    async fn learn(&self, entry: FollowedEntry) -> Result<(), Problem> {
        let Some(published) = entry.read::<TenderNoticePublished>()? else {
            return Ok(());
        };
        let announced = published.notice.clone().and_then(|notice| notice.announced);
        let tender = announced.ok_or_else(|| {
            Problem::internal(format!("the notice of {} carries no tender", entry.scope))
        })?;
        names::check_tender(&tender.name, "tender.name")?;
        if tender.name != entry.scope {
            let (scope, name) = (&entry.scope, &tender.name);
            return Err(Problem::internal(format!(
                "the notice log of {scope} announces {name}"
            )));
        }
        let (name, head) = (tender.name.clone(), entry.head.clone());
        let step = Step::of_cause(NAME, &name, METHOD, &entry.cause(), &published)
            .reading(&[box_stream()]);
        ledger::commit_quietly(&self.journal, step, move |view| {
            let tender_box: TenderBox = ledger::load(view, box_stream())?;
            let Some(opened) = desk::open(&tender_box, tender, head)? else {
                return Ok(Decided::new());
            };
            let deadline_us = opened
                .tender
                .as_ref()
                .and_then(|tender| tender.timetable.as_ref())
                .map_or(0, |timetable| timetable.bid_deadline_us);
            let name = opened
                .tender
                .as_ref()
                .map_or("", |tender| tender.name.as_str());
            let write = schedule(name, deadline_us, false, false);
            Ok(Decided::new()
                .event(box_stream(), &opened)
                .fold::<TenderBox>(view, box_stream())?
                .also(write))
        })
        .await?;
        self.refresh(&name).await?;
        Ok(())
    }
}
