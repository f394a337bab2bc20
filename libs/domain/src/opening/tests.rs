//! Closed logs, closings, records and sessions, from the outside of this folder.

use proptest::prelude::*;
use sunbid_contracts::bid::v1::{
    BidSubmitted, BiddingClosed, BiddingHeld, BiddingReleased, ClosingStatus, DeadlineMoved,
};
use sunbid_contracts::common::v1::LogHead;
use sunbid_contracts::opening::v1::{
    ClosingSignature, EnvelopeFault, HolderShares, ObjectionState, OpeningRecord,
    SessionState as Stage,
};
use sunbid_contracts::tender::v1::PartClass;
use sunbid_rules::Engine;
use sunbid_sealing::{OsRng, Partial, combine};
use sunbid_terms::Instant;

use super::bid_log::BidLog;
use super::check::{self, CheckedBids};
use super::closing::{self, ClosedBids, ClosingFault};
use super::fixture::{DEADLINE, Log, ORIGIN, TENDER, at, committee, supplier, tender};
use super::record::{self, SheetOutcome};
use super::session::{STALL_SECONDS, SessionState};
use super::{decide, sheet};
use crate::{Aggregate, Event, Refusal};

const CODES: [&str; 4] = ["CODE4", "CODE2", "CODE3", "CODE1"];

fn price(yuan: u32) -> Vec<u8> {
    sheet::write(&[("price".into(), yuan.to_string())], &tender().sheet).unwrap()
}

/// Three live bids in lot 01, two in lot 02, one replaced and one withdrawn before.
fn busy_log() -> Log {
    let mut log = Log::opened();
    for (code, yuan) in CODES.iter().zip(100..) {
        log.submit("01", code, &price(yuan));
    }
    log.submit("01", CODES[0], &price(90));
    log.withdraw("01", CODES[3]);
    log.submit("02", CODES[0], &price(1));
    log.submit("02", CODES[1], &price(2));
    log.close();
    log
}

fn checked(closed: &ClosedBids) -> Result<CheckedBids, ClosingFault> {
    check::check(closed, &supplier)
}

#[test]
fn a_closing_says_how_every_bid_ended() {
    let closed = busy_log().fold().unwrap();
    let statuses: Vec<_> = closed.claims.iter().map(|claim| claim.status).collect();
    use ClosingStatus::{Live, LotFailed, Superseded, Withdrawn};
    assert_eq!(
        statuses,
        [
            Superseded, Live, Live, Withdrawn, Live, LotFailed, LotFailed
        ]
    );
    assert!(closed.opens());
    let message = closed.message();
    assert_eq!(closing::close_of(&message).unwrap(), closed.close());
    assert_eq!(
        message.log_origin,
        closing::log_origin(ORIGIN, closing::log_of(TENDER))
    );
    let bids = checked(&closed).unwrap();
    let ids = |envelopes: &[check::Envelope]| -> Vec<Vec<u8>> {
        envelopes
            .iter()
            .map(|envelope| envelope.header.id().to_vec())
            .collect()
    };
    assert_eq!(
        ids(&bids.sheets),
        closed.header_ids(PartClass::OpeningSheet)
    );
    assert_eq!(
        ids(&bids.evaluations),
        closed.header_ids(PartClass::Evaluation)
    );
    assert_eq!(bids.sheets.len(), 3);
}

#[test]
fn a_changed_log_is_not_read() {
    let log = busy_log();
    let (id, entries) = (closing::log_of(TENDER), log.entries());
    let whole = BidLog::read(id, &entries).unwrap();
    assert!(whole.agrees_with(&whole.head()).is_ok());
    for place in 0..entries.len() {
        let mut changed = entries.clone();
        changed[place].salted_body.as_mut().unwrap()[40] ^= 1;
        assert!(BidLog::read(id, &changed).is_err(), "body {place}");
        let mut changed = entries.clone();
        changed[place].salted_body = None;
        assert!(BidLog::read(id, &changed).is_err(), "withheld {place}");
        let mut changed = entries.clone();
        changed.remove(place);
        let dropped = BidLog::read(id, &changed);
        assert!(
            dropped.is_err() || dropped.unwrap().agrees_with(&whole.head()).is_err(),
            "dropped {place}"
        );
    }
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert!(BidLog::read(id, &swapped).is_err());
    assert!(BidLog::read(closing::log_of("tenders/other"), &entries).is_err());
}

/// Replaces the event at a place of the log without asking the bid service's own rules.
fn with(
    log: &Log,
    place: usize,
    change: impl FnOnce(Event) -> Event,
) -> Result<ClosedBids, ClosingFault> {
    let mut events: Vec<_> = log
        .events
        .iter()
        .map(|(_, logged)| logged.clone())
        .collect();
    let event = events[place].event.clone();
    events[place].event = change(event);
    closing::fold(
        TENDER,
        ORIGIN,
        &events,
        &LogHead {
            root: vec![0; 32],
            size: events.len() as i64,
            ..LogHead::default()
        },
    )
}

fn changed_closing(
    log: &Log,
    change: impl FnOnce(&mut BiddingClosed),
) -> Result<ClosedBids, ClosingFault> {
    with(log, log.events.len() - 1, |event| {
        let mut closed: BiddingClosed = event.read().unwrap().unwrap();
        change(&mut closed);
        Event::of(&closed)
    })
}

fn changed_bid(
    log: &Log,
    place: usize,
    change: impl FnOnce(&mut BidSubmitted),
) -> Result<ClosedBids, ClosingFault> {
    with(log, place, |event| {
        let mut submitted: BidSubmitted = event.read().unwrap().unwrap();
        change(&mut submitted);
        Event::of(&submitted)
    })
}

#[test]
fn what_the_bid_service_says_must_be_what_the_records_say() {
    let log = busy_log();
    assert!(changed_closing(&log, |_| {}).is_ok());
    assert!(changed_closing(&log, |c| c.entries[1].set_status(ClosingStatus::Withdrawn)).is_err());
    assert!(changed_closing(&log, |c| c.entries[0].set_status(ClosingStatus::Live)).is_err());
    assert!(changed_closing(&log, |c| c.entries.truncate(3)).is_err());
    assert!(changed_closing(&log, |c| c.entries[2].bundle[0] ^= 1).is_err());
    assert!(changed_closing(&log, |c| c.lots[1].opens = true).is_err());
    assert!(changed_closing(&log, |c| c.lots[0].bidders = 4).is_err());
    assert!(changed_closing(&log, |c| c.deadline_us += 1).is_err());
    assert!(changed_bid(&log, 1, |s| s.seq += 1).is_err());
    assert!(changed_bid(&log, 1, |s| s.bid.as_mut().unwrap().revision = 2).is_err());
    assert!(changed_bid(&log, 1, |s| s.bid.as_mut().unwrap().lot_id = "03".into()).is_err());
}

#[test]
fn a_bid_that_proves_nothing_stops_the_opening() {
    let log = busy_log();
    let refused = |place, change: fn(&mut sunbid_contracts::bid::v1::Bid)| {
        changed_bid(&log, place, |s| change(s.bid.as_mut().unwrap()))
            .and_then(|closed| checked(&closed))
            .is_err()
    };
    // The second bid is live; the first was replaced and must prove itself all the same.
    for place in [1, 2] {
        assert!(refused(place, |bid| bid.signature[0] ^= 1));
        assert!(refused(place, |bid| bid.certificate = b"CODE9".to_vec()));
        assert!(refused(place, |bid| bid.bidder = "organizations/CODE9".into()));
        assert!(refused(place, |bid| bid.parts[0].header[60] ^= 1));
        assert!(refused(place, |bid| bid.parts[0].header_id[0] ^= 1));
        assert!(refused(place, |bid| bid.parts[0].payload_bytes += 1));
        assert!(refused(place, |bid| {
            bid.parts.remove(2);
        }));
    }
}

#[test]
fn holds_and_moves_shift_the_closing() {
    let mut log = Log::opened();
    log.submit("01", CODES[0], &price(1));
    let moved = DeadlineMoved {
        old_deadline_us: at(DEADLINE).micros(),
        new_deadline_us: at(DEADLINE + 100).micros(),
        cause: "notices/x".into(),
    };
    log.record("box", Event::of(&moved));
    log.now = at(DEADLINE + 50);
    log.submit("01", CODES[1], &price(2));
    log.record(
        "box",
        Event::of(&BiddingHeld {
            reason: "投诉".into(),
        }),
    );
    log.now = at(DEADLINE + 500);
    let released = BiddingReleased {
        reason: "".into(),
        new_deadline_us: at(DEADLINE + 1_000).micros(),
    };
    log.record("box", Event::of(&released));
    log.submit("01", CODES[2], &price(3));
    log.close();
    let closed = log.fold().unwrap();
    assert_eq!(closed.deadline, at(DEADLINE + 1_000));
    assert_eq!(checked(&closed).unwrap().sheets.len(), 3);
    // A bid sealed for another deadline than the one that held is refused.
    let mut early = closed.clone();
    early.claims[2].deadline = at(DEADLINE);
    assert!(checked(&early).is_err());
}

fn outcomes(
    log: &Log,
    closed: &ClosedBids,
    bids: &CheckedBids,
    holders: &[usize],
) -> Vec<SheetOutcome> {
    let (committee, close) = (committee(), closed.close());
    bids.sheets
        .iter()
        .map(|sheet| {
            let partials: Vec<_> = holders
                .iter()
                .map(|holder| {
                    let share = &committee.shares[*holder];
                    let partial =
                        Partial::make(&committee.key, share, &sheet.header, &close, &mut OsRng)
                            .unwrap();
                    partial
                        .verify(&committee.key, &sheet.header, &close)
                        .unwrap()
                })
                .collect();
            let secret = combine(&committee.key, &sheet.header, &partials).unwrap();
            record::open_sheet(
                &sheet.header,
                &secret,
                Ok(&log.payloads[sheet.header.payload_root()]),
            )
        })
        .collect()
}

#[test]
fn a_record_reads_out_what_was_sealed_in_the_order_of_credit_codes() {
    let log = busy_log();
    let closed = log.fold().unwrap();
    let bids = checked(&closed).unwrap();
    let opened = outcomes(&log, &closed, &bids, &[0, 2]);
    assert_eq!(
        opened,
        outcomes(&log, &closed, &bids, &[1, 2]),
        "any t holders open the same"
    );
    let record = record::draft(&closed, &bids.sheets, &opened, vec![1, 3]);
    let lines = &record.lots[0].lines;
    let read: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.position,
                line.bidder.as_str(),
                line.values[0].value.as_str(),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            (1, "organizations/CODE2", "101"),
            (2, "organizations/CODE3", "102"),
            (3, "organizations/CODE4", "90"),
        ]
    );
    assert!(record.lots[1].failed && record.lots[1].lines.is_empty());
    assert_eq!(lines[0].bidder_display_name, "CODE2公司");
}

#[test]
fn every_failure_has_one_owner() {
    let mut log = Log::opened();
    log.submit("01", "CODE1", b"not a sheet");
    log.submit("01", "CODE2", &price(5));
    log.submit("01", "CODE3", &vec![b' '; sheet::MOST_BYTES * 2]);
    log.close();
    let closed = log.fold().unwrap();
    let bids = checked(&closed).unwrap();
    let good = bids.sheets[1].header.clone();
    let opened = outcomes(&log, &closed, &bids, &[0, 1]);
    let fault = |outcome: &SheetOutcome| match outcome {
        SheetOutcome::Content(_) => EnvelopeFault::None,
        SheetOutcome::Fault { fault, .. } => *fault,
    };
    assert_eq!(fault(&opened[2]), EnvelopeFault::Supplier);
    let record = record::draft(&closed, &bids.sheets, &opened, vec![1, 2]);
    let faults: Vec<_> = record.lots[0]
        .lines
        .iter()
        .map(|line| line.fault())
        .collect();
    assert_eq!(
        faults,
        [
            EnvelopeFault::Supplier,
            EnvelopeFault::None,
            EnvelopeFault::Supplier
        ]
    );
    assert!(record.lots[0].lines[0].fault_note_zh.contains("JSON"));
    // The store's own failures are not laid to the supplier.
    let rescue = log
        .rescues
        .iter()
        .find(|rescue| rescue.header().id() == *good.id())
        .unwrap();
    let secret = &rescue.encode()[8..40];
    let key = &committee().key;
    let shared = record::rescue(key, &good, secret).unwrap();
    assert!(record::rescue(key, &bids.sheets[0].header, secret).is_err());
    let stored = &log.payloads[good.payload_root()];
    assert_eq!(
        record::open_sheet(&good, &shared, Ok(stored)),
        opened[1],
        "a rescue opens the same"
    );
    let mut changed = stored.clone();
    changed[0] ^= 1;
    for payload in [Ok(changed.as_slice()), Ok(&stored[1..]), Err("gone")] {
        assert_eq!(
            fault(&record::open_sheet(&good, &shared, payload)),
            EnvelopeFault::Store
        );
    }
}

/// A session and the time, driven as the service drives it.
struct Stand {
    session: SessionState,
    now: Instant,
    rules: Engine,
}

impl Stand {
    fn scheduled() -> Self {
        let mut stand = Self {
            session: SessionState::default(),
            now: at(DEADLINE - 10_000),
            rules: Engine::new().unwrap(),
        };
        let key = committee().key.encode();
        let events = decide::schedule(&stand.session, tender(), key, LogHead::default());
        stand.apply(events);
        stand
    }

    fn apply(&mut self, events: Vec<Event>) -> usize {
        for event in &events {
            self.session.evolve(event, self.now).unwrap();
        }
        events.len()
    }

    fn start(&mut self, log: &Log) -> ClosedBids {
        let closed = log.fold().unwrap();
        self.now = closed.closed_at;
        let (events, _) = decide::start(&self.session, &closed, &self.rules, self.now).unwrap();
        self.apply(events);
        closed
    }

    fn sign(&mut self, holder: i32) -> Result<usize, Refusal> {
        let close = self.session.close().to_vec();
        let signature = ClosingSignature {
            index: holder,
            signature: committee().identities[holder as usize - 1]
                .sign(&close)
                .to_vec(),
            signed_time_us: 0,
        };
        let events = decide::sign(
            &self.session,
            &format!("organizations/HOLDER{holder}"),
            &close,
            signature,
        )?;
        Ok(self.apply(events))
    }

    fn share(&mut self, holder: i32) -> Result<usize, Refusal> {
        let shares = HolderShares {
            index: holder,
            ..HolderShares::default()
        };
        let (organization, close) = (
            format!("organizations/HOLDER{holder}"),
            self.session.close().to_vec(),
        );
        decide::may_share(&self.session, &organization, &close, &shares)?;
        let events = decide::accept_shares(&self.session, shares);
        Ok(self.apply(events))
    }

    fn announced(log: &Log) -> (Self, OpeningRecord) {
        let mut stand = Self::scheduled();
        let closed = stand.start(log);
        stand.sign(1).unwrap();
        stand.sign(2).unwrap();
        stand.share(1).unwrap();
        stand.share(2).unwrap();
        let bids = checked(&closed).unwrap();
        let opened = outcomes(log, &closed, &bids, &[0, 1]);
        let record = record::draft(&closed, &bids.sheets, &opened, vec![1, 2]);
        let events = decide::publish(&stand.session, record.clone(), stand.now);
        assert_eq!(stand.apply(events), 1);
        (stand, record)
    }
}

fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    match result {
        Err(Refusal::State { reason, .. }) => reason,
        Err(Refusal::Rules(_)) => "RULES",
        Err(Refusal::Forbidden) => "FORBIDDEN",
        Err(Refusal::Fields(_)) => "FIELDS",
        other => panic!("{other:?}"),
    }
}

#[test]
fn before_the_closing_a_session_shows_the_time_and_nothing_else() {
    let mut stand = Stand::scheduled();
    for now in [
        at(DEADLINE - 10_000),
        at(DEADLINE - 10),
        at(DEADLINE),
        at(DEADLINE + 5),
    ] {
        let before = stand.session.seen(now);
        let mut crowded = stand.session.clone();
        for bidder in 0..30 {
            let events = decide::check_in(&crowded, &format!("organizations/{bidder}")).unwrap();
            crowded.evolve(&events[0], now).unwrap();
        }
        assert_eq!(crowded.seen(now), before);
        assert_eq!((before.envelopes, before.lots.len()), (0, 0));
    }
    assert_eq!(
        stand.session.seen(at(DEADLINE - 3_601)).state(),
        Stage::Scheduled
    );
    assert_eq!(
        stand.session.seen(at(DEADLINE - 3_600)).state(),
        Stage::CheckIn
    );
    assert_eq!(stand.session.seen(at(DEADLINE)).state(), Stage::Closing);
    let events = decide::move_to(&stand.session, at(DEADLINE + 100).micros());
    stand.apply(events);
    assert_eq!(stand.session.seen(at(DEADLINE)).state(), Stage::CheckIn);
    let twice = decide::check_in(&stand.session, "organizations/A").unwrap();
    stand.apply(twice);
    assert!(
        decide::check_in(&stand.session, "organizations/A")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn shares_come_after_enough_signatures_and_once() {
    let mut stand = Stand::scheduled();
    assert_eq!(reason(stand.sign(1)), "NOT_CLOSED");
    stand.start(&busy_log());
    assert_eq!(reason(stand.share(1)), "SHARES_NOT_WANTED");
    assert_eq!(stand.sign(1).unwrap(), 1);
    assert_eq!(stand.sign(1).unwrap(), 0, "the same again changes nothing");
    assert_eq!(reason(stand.share(1)), "SHARES_NOT_WANTED");
    let close = stand.session.close().to_vec();
    let forged = ClosingSignature {
        index: 2,
        signature: vec![0; 64],
        signed_time_us: 0,
    };
    assert_eq!(
        reason(decide::sign(
            &stand.session,
            "organizations/HOLDER2",
            &close,
            forged.clone()
        )),
        "FIELDS"
    );
    assert_eq!(
        reason(decide::sign(
            &stand.session,
            "organizations/HOLDER3",
            &close,
            forged.clone()
        )),
        "FIELDS"
    );
    assert_eq!(
        reason(decide::sign(
            &stand.session,
            "organizations/OTHER",
            &close,
            forged
        )),
        "FORBIDDEN"
    );
    stand.sign(3).unwrap();
    assert_eq!(stand.session.stage(), Stage::Decrypting);
    let other = HolderShares {
        index: 2,
        ..HolderShares::default()
    };
    assert_eq!(
        reason(decide::may_share(
            &stand.session,
            "organizations/HOLDER1",
            &close,
            &other
        )),
        "FIELDS"
    );
    assert_eq!(stand.share(1).unwrap(), 1);
    assert_eq!(stand.share(1).unwrap(), 0);
    for _ in 0..3 {
        let wrong = HolderShares {
            index: 2,
            ..HolderShares::default()
        };
        let (events, refusal) = decide::refuse_shares(wrong, "a proof does not hold");
        assert_eq!(reason(Err::<(), _>(refusal)), "SHARES_WRONG");
        stand.apply(events);
    }
    assert_eq!(reason(stand.share(2)), "SHARES_WRONG");
    let seen = stand.session.seen(stand.now);
    assert_eq!(seen.holder_faults.len(), 1);
    assert_eq!((seen.share_holders, seen.envelopes), (vec![1], 3));
}

#[test]
fn holders_that_do_nothing_are_named_and_suppliers_may_step_in() {
    let mut stand = Stand::scheduled();
    let closed = stand.start(&busy_log());
    let id = closed.header_ids(PartClass::OpeningSheet).remove(0);
    assert_eq!(
        reason(decide::rescue(&stand.session, &id, &[1; 32], stand.now)),
        "NOT_STALLED"
    );
    let later = stand.now.plus_seconds(STALL_SECONDS);
    assert_eq!(
        stand.session.seen(later).holder_faults.len(),
        3,
        "nobody signed"
    );
    stand.sign(1).unwrap();
    stand.sign(2).unwrap();
    stand.share(2).unwrap();
    let faults: Vec<_> = stand
        .session
        .holder_faults(later)
        .iter()
        .map(|fault| fault.index)
        .collect();
    assert_eq!(faults, [1, 3]);
    assert_eq!(
        reason(decide::rescue(&stand.session, &[0; 32], &[1; 32], later)),
        "FORBIDDEN"
    );
    let events = decide::rescue(&stand.session, &id, &[1; 32], later).unwrap();
    assert_eq!(stand.apply(events), 1);
    assert!(
        decide::rescue(&stand.session, &id, &[1; 32], later)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn nothing_opens_where_no_lot_has_three_bidders() {
    let mut log = Log::opened();
    log.submit("01", CODES[0], &price(1));
    log.submit("01", CODES[1], &price(1));
    log.close();
    let mut stand = Stand::scheduled();
    stand.start(&log);
    assert_eq!(stand.session.stage(), Stage::Failed);
    stand.sign(1).unwrap();
    stand.sign(2).unwrap();
    assert_eq!(reason(stand.share(1)), "SHARES_NOT_WANTED");
    assert!(stand.session.sheet_header_ids.is_empty());
    assert!(decide::publish(&stand.session, OpeningRecord::default(), stand.now).is_empty());
}

#[test]
fn objections_are_raised_and_answered_on_the_spot() {
    let (mut stand, record) = Stand::announced(&busy_log());
    let raise = |stand: &Stand, who: &str, now| {
        decide::raise_objection(
            &stand.session,
            who,
            format!("{TENDER}/objections/1"),
            "价格有误",
            &stand.rules,
            now,
        )
    };
    let close = |stand: &Stand, now| {
        decide::close(&stand.session, &record, &stand.rules, now).map(|(e, _)| e.len())
    };
    let end = Instant::from_micros(stand.session.objections_until_us);
    assert_eq!(end, stand.now.plus_seconds(300));
    assert_eq!(
        reason(raise(&stand, "organizations/STRANGER", stand.now)),
        "FORBIDDEN"
    );
    assert_eq!(
        reason(raise(&stand, "organizations/CODE1", stand.now)),
        "FORBIDDEN",
        "it had withdrawn"
    );
    assert_eq!(
        reason(close(&stand, end.plus_micros(-1))),
        "OBJECTIONS_OPEN"
    );
    let (objection, (events, _)) = raise(&stand, "organizations/CODE2", stand.now).unwrap();
    stand.apply(events);
    assert!(matches!(
        reason(close(&stand, end)),
        "OBJECTIONS_UNANSWERED" | "RULES"
    ));
    assert!(matches!(
        reason(raise(&stand, "organizations/CODE2", end)),
        "OBJECTIONS_CLOSED" | "RULES"
    ));
    let answer =
        |stand: &Stand, name: &str| decide::answer_objection(&stand.session, name, "已核对", "p");
    assert_eq!(reason(answer(&stand, "x")), "FORBIDDEN");
    let events = answer(&stand, &objection.name).unwrap();
    stand.apply(events);
    assert_eq!(reason(answer(&stand, &objection.name)), "ALREADY_ANSWERED");
    assert_eq!(
        stand.session.objections[0].state(),
        ObjectionState::Answered
    );
    let digest = stand.session.record_sha256.clone();
    assert_eq!(
        reason(decide::confirm(
            &stand.session,
            "organizations/CODE2",
            &[0; 32]
        )),
        "FIELDS"
    );
    assert_eq!(
        reason(decide::confirm(
            &stand.session,
            "organizations/CODE9",
            &digest
        )),
        "FORBIDDEN"
    );
    let events = decide::confirm(&stand.session, "organizations/CODE2", &digest).unwrap();
    assert_eq!(stand.apply(events), 1);
    let (events, said) = decide::close(&stand.session, &record, &stand.rules, end).unwrap();
    assert!(said.iter().any(|verdict| verdict.rule_id == "O6"));
    stand.apply(events);
    assert_eq!(close(&stand, end).unwrap(), 0);
}

#[test]
fn the_digest_bidders_confirm_is_the_published_records() {
    let mut stand = Stand::scheduled();
    let events = decide::check_in(&stand.session, "organizations/CODE3").unwrap();
    stand.apply(events);
    let log = busy_log();
    let closed = stand.start(&log);
    let bids = checked(&closed).unwrap();
    let opened = outcomes(&log, &closed, &bids, &[0, 1]);
    let draft = record::draft(&closed, &bids.sheets, &opened, vec![1, 2]);
    let events = decide::publish(&stand.session, draft, stand.now);
    let published: sunbid_contracts::opening::v1::OpeningRecordPublished =
        events[0].read().unwrap().unwrap();
    stand.apply(events);
    let record = published.record.unwrap();
    assert_eq!(stand.session.record_sha256, record::digest(&record));
    let checked_in: Vec<_> = record.lots[0]
        .lines
        .iter()
        .map(|line| line.checked_in)
        .collect();
    assert_eq!(checked_in, [false, true, false]);
    assert_eq!(record.opened_time_us, stand.now.micros());
}

#[derive(Clone, Debug)]
enum Step {
    Submit(usize, usize),
    Withdraw(usize, usize),
    Move,
    HoldAndRelease,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..2, 0_usize..4).prop_map(|(lot, bidder)| Step::Submit(lot, bidder)),
        2 => (0_usize..2, 0_usize..4).prop_map(|(lot, bidder)| Step::Withdraw(lot, bidder)),
        1 => Just(Step::Move),
        1 => Just(Step::HoldAndRelease),
    ];
    prop::collection::vec(step, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens to a log, the fold here and the bid service's own closing agree, every bid
    /// proves itself, and no other closing is taken.
    #[test]
    fn folds_agree_with_the_bid_services_closing(steps in steps(), other in any::<prop::sample::Index>()) {
        let mut log = Log::opened();
        let lots = ["01", "02"];
        for step in steps {
            log.now = log.now.plus_seconds(1);
            let deadline = log.tender_box.deadline_us;
            match step {
                Step::Submit(lot, bidder) => log.submit(lots[lot], CODES[bidder], &price(7)),
                Step::Withdraw(lot, bidder) => log.withdraw(lots[lot], CODES[bidder]),
                Step::Move => log.record("box", Event::of(&DeadlineMoved {
                    old_deadline_us: deadline,
                    new_deadline_us: deadline + 5_000_000,
                    cause: "notices/x".into(),
                })),
                Step::HoldAndRelease => {
                    log.record("box", Event::of(&BiddingHeld { reason: "r".into() }));
                    log.record("box", Event::of(&BiddingReleased { reason: "".into(), new_deadline_us: deadline }));
                }
            }
        }
        log.close();
        let closed = log.fold().unwrap();
        let bids = checked(&closed).unwrap();
        let live = closed.claims.iter().filter(|claim| claim.status == ClosingStatus::Live).count();
        prop_assert_eq!(bids.sheets.len(), live);
        prop_assert_eq!(closing::close_of(&closed.message()).unwrap(), closed.close());
        if !closed.claims.is_empty() {
            let place = other.index(closed.claims.len());
            let lied = changed_closing(&log, |said| {
                let entry = &mut said.entries[place];
                let next = if entry.status() == ClosingStatus::Live { ClosingStatus::Withdrawn } else { ClosingStatus::Live };
                entry.set_status(next);
            });
            prop_assert!(lied.is_err());
        }
    }
}
