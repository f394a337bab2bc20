//! What the service learns from other logs: from notices that a tender is announced, from bid logs
//! that a deadline moved, that bidding closed, that a tender ended.

use std::sync::Arc;

use prost::{Message, Name};
use sunbid_contracts::{
    bid::v1::{BiddingClosed, BiddingEnded, BiddingReleased, DeadlineMoved, DeadlineMovedByOutage},
    common::v1::LogHead,
    notice::v1::TenderNoticePublished,
    tender::v1::{GetCeremonyRequest, Tender},
};
use sunbid_domain::{
    opening::{SessionState, decide},
    tender::ceremony,
};
use sunbid_proofs::merkle::Frontier;
use sunbid_service::{FollowedEntry, Problem, Step, follow::Follower, ledger};

use crate::{Opening, SERVICE, decided, stream};

/// Follows the notices until the process stops.
pub async fn notices(opening: Arc<Opening>) {
    let handle = |entry: FollowedEntry| {
        let opening = opening.clone();
        async move {
            match entry.read::<TenderNoticePublished>()? {
                Some(published) => schedule(&opening, &entry, published).await,
                None => Ok(()),
            }
        }
    };
    follower(&opening, "notice").run(handle).await;
}

/// Follows the bid logs until the process stops.
pub async fn bids(opening: Arc<Opening>) {
    let handle = |entry: FollowedEntry| {
        let opening = opening.clone();
        async move { bid_event(&opening, entry).await }
    };
    follower(&opening, "bid").run(handle).await;
}

fn follower(opening: &Opening, service: &'static str) -> Follower {
    Follower {
        journal: opening.journal.clone(),
        peers: opening.setting.peers.clone(),
        service,
        consumer: SERVICE,
        shutdown: opening.setting.shutdown.clone(),
    }
}

async fn schedule(
    opening: &Opening,
    entry: &FollowedEntry,
    published: TenderNoticePublished,
) -> Result<(), Problem> {
    let Some(tender) = published
        .notice
        .as_ref()
        .and_then(|notice| notice.announced.clone())
    else {
        return Err(Problem::internal("a tender notice without its tender"));
    };
    let key = ceremony_key(opening, &tender).await?;
    let head = entry.head.clone();
    let scope = tender.name.clone();
    act(
        opening,
        entry,
        &scope,
        "opening/ScheduleSession",
        &published,
        move |session| Ok(decide::schedule(session, tender, key, head)),
    )
    .await
}

/// The tender's key with every holder's public share, recomputed from the ceremony's transcript.
async fn ceremony_key(opening: &Opening, tender: &Tender) -> Result<Vec<u8>, Problem> {
    let request = GetCeremonyRequest {
        tender: tender.name.clone(),
    };
    let ceremony = opening
        .setting
        .peers
        .tender()
        .get_ceremony(request)
        .await?
        .into_inner()
        .ceremony;
    let ceremony =
        ceremony.ok_or_else(|| Problem::internal("an announced tender without a ceremony"))?;
    let key = ceremony::verify(&ceremony).map_err(Problem::internal)?;
    if key.id().as_slice() != tender.key_id
        || key.sealing().element().as_bytes().as_slice() != tender.public_key
    {
        return Err(Problem::internal(format!(
            "the key of {} is not its ceremony's",
            tender.name
        )));
    }
    Ok(key.encode())
}

async fn bid_event(opening: &Arc<Opening>, entry: FollowedEntry) -> Result<(), Problem> {
    let scope = entry.scope.clone();
    let name = entry.event.name.clone();
    if name == DeadlineMoved::full_name() {
        let moved: DeadlineMoved = entry.read()?.unwrap_or_default();
        let to = moved.new_deadline_us;
        return act(
            opening,
            &entry,
            &scope,
            "opening/MoveSession",
            &moved,
            move |session| Ok(decide::move_to(scheduled(session)?, to)),
        )
        .await;
    }
    if name == DeadlineMovedByOutage::full_name() {
        let moved: DeadlineMovedByOutage = entry.read()?.unwrap_or_default();
        let to = moved.new_deadline_us;
        return act(
            opening,
            &entry,
            &scope,
            "opening/MoveSession",
            &moved,
            move |session| Ok(decide::move_to(scheduled(session)?, to)),
        )
        .await;
    }
    if name == BiddingReleased::full_name() {
        let released: BiddingReleased = entry.read()?.unwrap_or_default();
        let to = released.new_deadline_us;
        return act(
            opening,
            &entry,
            &scope,
            "opening/MoveSession",
            &released,
            move |session| {
                let session = scheduled(session)?;
                Ok(if to > session.deadline_us {
                    decide::move_to(session, to)
                } else {
                    Vec::new()
                })
            },
        )
        .await;
    }
    if name == BiddingEnded::full_name() {
        let ended: BiddingEnded = entry.read()?.unwrap_or_default();
        let reason = ended.reason.clone();
        return act(
            opening,
            &entry,
            &scope,
            "opening/TerminateSession",
            &ended,
            move |session| Ok(decide::terminate(scheduled(session)?, reason)),
        )
        .await;
    }
    if name == BiddingClosed::full_name() {
        let closed: BiddingClosed = entry.read()?.unwrap_or_default();
        return begin(opening, &entry, closed).await;
    }
    Ok(())
}

/// The bid log may be read before the notice that schedules its session: then it waits.
fn scheduled(session: &SessionState) -> Result<&SessionState, Problem> {
    if session.exists() {
        Ok(session)
    } else {
        Err(Problem::Unavailable(
            "the session is not scheduled yet".to_owned(),
        ))
    }
}

async fn act(
    opening: &Opening,
    entry: &FollowedEntry,
    scope: &str,
    method: &'static str,
    request: &impl Message,
    decide: impl FnOnce(&SessionState) -> Result<Vec<sunbid_domain::Event>, Problem> + Send + 'static,
) -> Result<(), Problem> {
    let step = Step::of_cause(SERVICE, scope, method, &entry.cause(), request).reading(&[stream()]);
    ledger::commit_quietly(&opening.journal, step, move |view| {
        let session: SessionState = ledger::load(view, stream())?;
        let events = decide(&session)?;
        Ok(decided(view, session, events, Vec::new())?.0)
    })
    .await?;
    Ok(())
}

/// Folds the closed log and puts its closing on record. Proofs and signatures are checked while the
/// holders check them too; nothing opens before both are done.
async fn begin(
    opening: &Arc<Opening>,
    entry: &FollowedEntry,
    event: BiddingClosed,
) -> Result<(), Problem> {
    let tender = entry.scope.clone();
    scheduled(&opening.session(&tender).await?)?;
    let head = head_after(opening, entry).await?;
    let (closed, _) = opening.read_closed(&tender, &head).await?;
    let rules = opening.setting.rules.clone();
    let step = Step::of_cause(
        SERVICE,
        &tender,
        "opening/StartOpening",
        &entry.cause(),
        &event,
    )
    .reading(&[stream()]);
    ledger::commit_quietly(&opening.journal, step, move |view| {
        let session: SessionState = ledger::load(view, stream())?;
        let (events, said) = decide::start(&session, &closed, &rules, view.now)?;
        Ok(decided(view, session, events, said)?.0)
    })
    .await?;
    opening.look_at(&tender);
    Ok(())
}

/// The bid log's head right after the closing record. What was read with the record may be newer.
async fn head_after(opening: &Opening, entry: &FollowedEntry) -> Result<LogHead, Problem> {
    let size = i64::try_from(entry.seq + 1).unwrap_or(i64::MAX);
    if entry.head.size == size {
        return Ok(entry.head.clone());
    }
    let mut frontier = Frontier::new();
    while frontier.size() <= entry.seq {
        let request = sunbid_contracts::journal::v1::ReadLogRequest {
            service: "bid".to_owned(),
            log_id: entry.log.as_bytes().to_vec(),
            from_seq: i64::try_from(frontier.size()).unwrap_or(i64::MAX),
            limit: 1000,
        };
        let page = opening
            .setting
            .peers
            .logs("bid")
            .read_log(request)
            .await?
            .into_inner();
        if page.entries.is_empty() {
            return Err(Problem::Unavailable(format!(
                "the bid log of {} ends early",
                entry.scope
            )));
        }
        for record in page.entries {
            if frontier.size() <= entry.seq {
                frontier.push(sunbid_proofs::record::leaf(&record.record));
            }
        }
    }
    Ok(LogHead {
        log_id: entry.log.as_bytes().to_vec(),
        size,
        root: frontier.root().to_vec(),
    })
}
