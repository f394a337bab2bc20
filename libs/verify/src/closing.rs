//! The bid log folded as the public sees it. Bodies of bids that stay sealed are withheld, but not
//! their records: each bidder's records in a lot are a stream of their own, so it shows which bid
//! was replaced, withdrawn or live, and the closing list must say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use sunbid_contracts::bid::v1::{
    Bid, BidSubmitted, BidWithdrawn, BiddingClosed, BiddingEnded, BiddingHeld, BiddingOpened,
    BiddingReleased, DeadlineMoved,
};
use sunbid_contracts::tender::v1::Tender;
use sunbid_domain::bid::{TenderBox, fault as judged, tender_box};
use sunbid_domain::opening::closing::{log_origin, sealed_entries};
use sunbid_domain::opening::{ClosedBids, parallel};
use sunbid_domain::{Aggregate, verdicts};
use sunbid_proofs::StreamId;
use sunbid_rules::Engine;
use sunbid_sealing::Closing as Sealed;
use sunbid_terms::Instant;

use crate::fault::Fault;
use crate::log::{Entry, Log};
use crate::outages::Outages;
use crate::report::Tally;
use crate::rules;
use crate::streams::{Act, Raw, Streams, count_alone};

/// How bidding ended.
pub(crate) enum Ending {
    Closed(Box<ClosedBids>),
    Ended,
}

/// The folded log.
pub(crate) struct Bidding {
    pub ending: Ending,
    /// Every submission and withdrawal by its record.
    pub acts: BTreeMap<u64, Act>,
}

pub(crate) fn fold(
    log: &Log,
    announced: &Tender,
    notice: &Log,
    outages: &Outages<'_>,
    origin: &str,
    tally: &mut Tally,
) -> Result<Bidding, Fault> {
    let engine = outages.engine;
    let first = log
        .entries
        .first()
        .and_then(Entry::read::<BiddingOpened>)
        .ok_or_else(|| {
            log.fault(
                "BIDDING",
                0,
                "日志不以开始投标起始。",
                "The log does not begin with the opening of bidding.",
            )
        })?;
    if first.tender.as_ref() != Some(announced) {
        return Err(log.fault(
            "BIDDING",
            0,
            "投标所依据的项目不是所公告的项目。",
            "Bids were asked for another tender than the one announced.",
        ));
    }
    if notice
        .prefix(&first.notice_head.unwrap_or_default())
        .is_none_or(<[Entry]>::is_empty)
    {
        return Err(log.fault(
            "HANDOVER",
            0,
            "开始投标所依据的公告日志不是所公开的日志。",
            "The notice log at the head that bidding began from is not the log disclosed.",
        ));
    }
    let mut state = Arc::new(TenderBox::default());
    let (mut raw, mut closed, mut ended) = (Vec::new(), None, false);
    let box_stream = StreamId::of(tender_box::STREAM);
    for entry in &log.entries {
        if closed.is_some() || ended {
            return Err(log.fault(
                "RECORD_AFTER_CLOSING",
                entry.seq,
                "截标（终止）之后仍有记录。",
                "A record stands after the closing of bidding.",
            ));
        }
        let order = entry.stream == box_stream;
        if !order {
            outages.allow_act(log, entry)?;
            raw.push(act(log, entry, &state)?);
            continue;
        }
        let said = entry.said.as_ref().ok_or_else(|| {
            log.fault(
                "BODY_WITHHELD",
                entry.seq,
                "该记录的内容应当公开。",
                "The body of this record is withheld, and may not be.",
            )
        })?;
        check_order(log, entry, &state)?;
        outages.check_order(log, entry, &state, tally)?;
        Arc::make_mut(&mut state)
            .evolve(&said.event, entry.at)
            .map_err(|error| {
                log.fault(
                    "BIDDING",
                    entry.seq,
                    "该事件不能发生在此前的状态之后。",
                    format!("This cannot have happened here: {error}."),
                )
            })?;
        closed = entry.read::<BiddingClosed>().map(|event| (entry.at, event));
        ended = entry.read::<BiddingEnded>().is_some();
    }
    if ended {
        let acts = count_alone(&raw);
        return Ok(Bidding {
            ending: Ending::Ended,
            acts,
        });
    }
    let Some((closed_at, said)) = closed else {
        return Err(Fault::records(
            "NOT_FINISHED",
            log.path.clone(),
            "投标尚未截止，记录还不应公开。",
            "Bidding has neither closed nor ended; these records are not finished.",
        ));
    };
    let streams = Streams::read(log, &raw, &said.entries)?;
    let (lots, claims) = streams.check(log, announced, &said)?;
    let judged = parallel::try_map(&streams.opened_entries(&raw), |(entry, before)| {
        let bid = entry.read::<BidSubmitted>().and_then(|event| event.bid);
        let again = resubmit(engine, before, &bid.unwrap_or_default(), entry.at)
            .map_err(|refusal| rules::refused(log, entry.seq, &refusal))?;
        rules::holds(log, entry, &again)
    })?;
    tally.add(
        "重新计算的规则判定",
        "verdicts of rules recomputed",
        judged.into_iter().sum(),
    );
    let head = log.head();
    let unsound = |en: String| {
        log.fault(
            "CLOSING",
            head.size.unsigned_abs().saturating_sub(1),
            "截标记录不成立。",
            en,
        )
    };
    let sealed = Sealed::new(
        announced
            .key_id
            .as_slice()
            .try_into()
            .map_err(|_| unsound("The tender has no key.".to_owned()))?,
        log_origin(origin, log.id),
        head.size.unsigned_abs(),
        head.root
            .as_slice()
            .try_into()
            .map_err(|_| unsound("The log has no root.".to_owned()))?,
        u64::try_from(closed_at.seconds()).unwrap_or(0),
        sealed_entries(&said.entries).map_err(|error| unsound(error.to_string()))?,
    )
    .map_err(|error| unsound(error.to_string()))?;
    tally.add(
        "投标与撤回记录",
        "records of bids and withdrawals",
        raw.len(),
    );
    tally.add(
        "截标清单条目",
        "entries of the closing list",
        said.entries.len(),
    );
    let deadline = state.deadline();
    let closed = ClosedBids::disclosed(
        announced.clone(),
        (deadline, closed_at),
        head,
        lots,
        claims,
        sealed,
    );
    Ok(Bidding {
        ending: Ending::Closed(Box::new(closed)),
        acts: streams.acts,
    })
}

/// A bidder's record is in time.
fn act<'a>(log: &Log, entry: &'a Entry, state: &Arc<TenderBox>) -> Result<Raw<'a>, Fault> {
    if state.gate(entry.at).is_err() {
        return Err(log.fault(
            "LATE",
            entry.seq,
            "截止时间之后、暂停期间或投标开始之前的记录。",
            "A bid or withdrawal was taken after the deadline, while bidding was held, or before it began.",
        ));
    }
    if let Some(submitted) = entry.read::<BidSubmitted>() {
        let bid = submitted.bid.unwrap_or_default();
        let placed = u64::try_from(submitted.seq) == Ok(entry.seq)
            && bid.accept_time_us == entry.at.micros();
        if !placed || bid.tender != state.tender || state.lot(&bid.lot_id).is_none() {
            return Err(log.fault(
                "BID_PLACE",
                entry.seq,
                "投标记录不在其所称的位置、时间或标段。",
                "The bid is not where, when or for what it says.",
            ));
        }
    } else if entry.said.is_some() && entry.read::<BidWithdrawn>().is_none() {
        return Err(log.fault(
            "BIDDING",
            entry.seq,
            "投标人的流中有其他事件。",
            "An event that is no bidder's stands in a bidder's stream.",
        ));
    }
    Ok(Raw {
        entry,
        deadline: state.deadline(),
        state: Arc::clone(state),
    })
}

/// Orders to the box were lawful when they were given.
fn check_order(log: &Log, entry: &Entry, state: &TenderBox) -> Result<(), Fault> {
    let (at, deadline) = (entry.at, state.deadline());
    let fault = |en: &str| {
        Err(log.fault(
            "DEADLINE",
            entry.seq,
            "截止时间的变更、暂停或截标不成立。",
            en,
        ))
    };
    if let Some(moved) = entry.read::<DeadlineMoved>() {
        if moved.old_deadline_us != state.deadline_us
            || moved.new_deadline_us < state.deadline_us
            || state.gate(at).is_err()
        {
            return fault("The deadline was moved from another, backwards, or when it had passed.");
        }
    } else if entry.read::<BiddingHeld>().is_some() {
        if state.gate(at).is_err() {
            return fault("Bidding was held when it was not open.");
        }
    } else if let Some(released) = entry.read::<BiddingReleased>() {
        if !state.held
            || released.new_deadline_us < state.deadline_us
            || released.new_deadline_us <= at.micros()
        {
            return fault("Bidding was released without a hold, or to a deadline that cannot be.");
        }
    } else if let Some(closed) = entry.read::<BiddingClosed>()
        && (state.held || closed.deadline_us != state.deadline_us || at < deadline)
    {
        return fault(
            "Bidding was closed before its deadline, for another deadline, or while it was held.",
        );
    }
    Ok(())
}

/// What the rules say of a bid, of its deposit only that it was asked for and there.
fn resubmit(
    engine: &Engine,
    state: &TenderBox,
    bid: &Bid,
    at: Instant,
) -> Result<Vec<sunbid_contracts::common::v1::Verdict>, sunbid_domain::Refusal> {
    let deposit = state
        .lot(&bid.lot_id)
        .filter(|lot| lot.deposit_fen > 0)
        .map(|_| true);
    let facts = judged::submission_facts(state, &bid.bidder, at, deposit);
    verdicts::allowed(&engine.check(&judged::scope(state, at)?, &facts))
}
