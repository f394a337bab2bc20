//! Random schedules of everything that may happen to a box, against a model kept beside it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sunbid_contracts::bid::v1::{Bid, BidWithdrawn, ClosingStatus};
use sunbid_contracts::common::v1::{LogHead, Track};
use sunbid_contracts::tender::v1::{Lot, PartClass, PartRequirement, Tender, Timetable};
use sunbid_rules::Engine;
use sunbid_terms::Instant;

use super::desk::{self, Place};
use super::fault::{self, Duty};
use super::*;
use crate::{Aggregate, Event, Refusal};

const LOTS: [&str; 2] = ["01", "02"];
const BIDDERS: usize = 4;

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(seconds)
}

fn tender() -> Tender {
    let lot = |id: &str| Lot {
        lot_id: id.into(),
        ..Lot::default()
    };
    Tender {
        name: "tenders/t".into(),
        track: Track::Engineering as i32,
        key_id: vec![7; 32],
        lots: LOTS.map(lot).to_vec(),
        parts: vec![PartRequirement {
            part: 0,
            class: PartClass::OpeningSheet as i32,
            required: true,
            max_bytes: 1 << 20,
            ..PartRequirement::default()
        }],
        timetable: Some(Timetable {
            bid_deadline_us: at(100).micros(),
            ..Timetable::default()
        }),
        ..Tender::default()
    }
}

/// A log in memory that folds what it is given, as the journal does.
#[derive(Default)]
struct Log {
    events: Vec<(String, Event, Instant)>,
    tender_box: TenderBox,
    bids: BTreeMap<String, OwnBid>,
    now: Instant,
}

impl Log {
    fn opened() -> Self {
        let mut log = Self::default();
        let opened = desk::open(&log.tender_box, tender(), LogHead::default())
            .unwrap()
            .unwrap();
        log.record("box", Event::of(&opened));
        log
    }

    fn place(&self) -> Place {
        Place {
            now: self.now,
            seq: i64::try_from(self.events.len()).unwrap(),
        }
    }

    fn record(&mut self, stream: &str, event: Event) {
        if stream == "box" {
            self.tender_box.evolve(&event, self.now).unwrap();
        } else {
            self.bids
                .entry(stream.into())
                .or_default()
                .evolve(&event, self.now)
                .unwrap();
        }
        self.events.push((stream.into(), event, self.now));
    }

    /// As a service does it: what is due is closed before anything else.
    fn close_if_due(&mut self) -> bool {
        if !self.tender_box.is_due(self.now) {
            return false;
        }
        let bids: Vec<OwnBid> = self.bids.values().cloned().collect();
        let closed = closing(&self.tender_box, &bids);
        self.record("box", Event::of(&closed));
        true
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Submit {
        lot: usize,
        bidder: usize,
        skip: i64,
        stale: bool,
    },
    Withdraw {
        lot: usize,
        bidder: usize,
    },
    Move(i64),
    Hold,
    Release(i64),
    End,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (lot, bidder) = (0..LOTS.len(), 0..BIDDERS);
    let step = prop_oneof![
        4 => (-3_i64..12).prop_map(Step::Wait),
        12 => (lot.clone(), bidder.clone(), prop_oneof![9 => Just(0), 1 => -1_i64..2], prop::bool::weighted(0.05))
            .prop_map(|(lot, bidder, skip, stale)| Step::Submit { lot, bidder, skip, stale }),
        3 => (lot, bidder).prop_map(|(lot, bidder)| Step::Withdraw { lot, bidder }),
        1 => (-5_i64..40).prop_map(Step::Move),
        1 => Just(Step::Hold),
        2 => (-5_i64..40).prop_map(Step::Release),
        1 => prop::bool::weighted(0.02).prop_map(|end| if end { Step::End } else { Step::Close }),
    ];
    prop::collection::vec(step, 0..120)
}

fn run(log: &mut Log, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        let closed_before = log.tender_box.closed;
        let size_before = log.events.len();
        match step.clone() {
            // The journal's time never goes back within a log, whatever the clock does.
            Step::Wait(seconds) => log.now = log.now.max(log.now.plus_seconds(seconds)),
            Step::Submit {
                lot,
                bidder,
                skip,
                stale,
            } => submit(log, lot, bidder, skip, stale)?,
            Step::Withdraw { lot, bidder } => withdraw(log, lot, bidder)?,
            Step::Move(by) => {
                log.close_if_due();
                let new = log.tender_box.deadline().plus_seconds(by);
                if let Ok(moved) = desk::move_deadline(&log.tender_box, new.micros(), "c", log.now)
                {
                    prop_assert!(by >= 0 && new > log.now && !log.tender_box.held);
                    log.record("box", Event::of(&moved));
                }
            }
            Step::Hold => {
                log.close_if_due();
                if let Ok(held) = desk::hold(&log.tender_box, "r", log.now) {
                    log.record("box", Event::of(&held));
                }
            }
            Step::Release(by) => {
                let new = log.tender_box.deadline().plus_seconds(by);
                if let Ok(out) = desk::release(&log.tender_box, "r", new.micros(), log.now) {
                    prop_assert!(log.tender_box.held && new > log.now);
                    log.record("box", Event::of(&out));
                }
            }
            Step::End => {
                log.close_if_due();
                if let Ok(Some(ended)) = desk::end(&log.tender_box, "r", log.now) {
                    log.record("box", Event::of(&ended));
                }
            }
            Step::Close => {
                let due = log.tender_box.is_due(log.now);
                prop_assert_eq!(log.close_if_due(), due);
            }
        }
        if closed_before {
            prop_assert_eq!(
                log.events.len(),
                size_before,
                "something was taken after closing"
            );
        }
    }
    Ok(())
}

fn submit(
    log: &mut Log,
    lot: usize,
    bidder: usize,
    skip: i64,
    stale: bool,
) -> Result<(), TestCaseError> {
    let stream = format!("bid/{}/{bidder}", LOTS[lot]);
    let own = log.bids.get(&stream).cloned().unwrap_or_default();
    let revision = own.last_revision() + 1 + skip;
    if log.close_if_due() {
        return Ok(());
    }
    let deadline = desk::deadline_seconds(&log.tender_box);
    let place = log.place();
    let bid = Bid {
        name: format!("bids/{}", place.seq),
        lot_id: LOTS[lot].into(),
        bidder: bidder.to_string(),
        revision,
        bundle: place.seq.to_be_bytes().to_vec(),
        ..Bid::default()
    };
    match log.tender_box.gate(log.now) {
        Ok(()) => {
            prop_assert!(log.now < log.tender_box.deadline());
            let not_before = if stale { deadline - 1 } else { deadline };
            match desk::submit(&log.tender_box, &own, bid, not_before, place) {
                Ok(event) => {
                    prop_assert!(skip == 0 && !stale);
                    log.record(&stream, Event::of(&event));
                }
                Err(fault) => prop_assert_eq!(fault.code, if stale { "E2" } else { "E8" }),
            }
        }
        Err(shut) => prop_assert!(shut != Shut::Due && shut != Shut::NotAnnounced),
    }
    Ok(())
}

fn withdraw(log: &mut Log, lot: usize, bidder: usize) -> Result<(), TestCaseError> {
    let stream = format!("bid/{}/{bidder}", LOTS[lot]);
    let own = log.bids.get(&stream).cloned().unwrap_or_default();
    if log.close_if_due() || log.tender_box.gate(log.now).is_err() {
        return Ok(());
    }
    let place = log.place();
    let bundle = own.live().map(|bid| bid.bundle.clone()).unwrap_or_default();
    match desk::withdraw(&own, &bundle, BidWithdrawn::default(), place) {
        Ok(event) => {
            let other = desk::withdraw(&own, b"other", BidWithdrawn::default(), place);
            let outdated = matches!(other, Err(Refusal::Outdated { .. }));
            prop_assert!(outdated);
            log.record(&stream, Event::of(&event));
        }
        Err(_) => prop_assert!(own.live().is_none()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_closing_list_is_true(steps in steps()) {
        let mut log = Log::opened();
        run(&mut log, &steps)?;
        // What is held is released at last, and every schedule ends.
        let far = log.now.max(log.tender_box.deadline()).plus_seconds(1);
        if let Ok(out) = desk::release(&log.tender_box, "", far.micros(), log.now) {
            log.record("box", Event::of(&out));
        }
        log.now = far;
        log.close_if_due();
        if log.tender_box.ended {
            prop_assert!(!log.tender_box.closed);
            return Ok(());
        }
        prop_assert!(log.tender_box.closed);

        let closed = log.events.iter().find_map(|(_, event, _)| {
            event.read::<sunbid_contracts::bid::v1::BiddingClosed>().unwrap()
        }).unwrap();
        // A model that only knows the log: the last event of a stream decides.
        let mut expected: BTreeMap<i64, (Vec<u8>, ClosingStatus)> = BTreeMap::new();
        let mut live: BTreeMap<String, i64> = BTreeMap::new();
        for (seq, (stream, event, _)) in (0_i64..).zip(&log.events) {
            if let Some(bid) = event.read::<sunbid_contracts::bid::v1::BidSubmitted>().unwrap() {
                prop_assert_eq!(bid.seq, seq);
                let bundle = bid.bid.unwrap().bundle;
                if let Some(old) = live.insert(stream.clone(), seq) {
                    expected.get_mut(&old).unwrap().1 = ClosingStatus::Superseded;
                }
                expected.insert(seq, (bundle, ClosingStatus::Live));
            } else if event.is::<BidWithdrawn>() {
                let old = live.remove(stream).unwrap();
                expected.get_mut(&old).unwrap().1 = ClosingStatus::Withdrawn;
            }
        }
        for (lot, told) in LOTS.iter().zip(&closed.lots) {
            let prefix = format!("bid/{lot}/");
            let inside: Vec<i64> = live.iter().filter(|(s, _)| s.starts_with(&prefix)).map(|(_, seq)| *seq).collect();
            prop_assert_eq!(told.lot_id.as_str(), *lot);
            prop_assert_eq!(usize::try_from(told.bidders).unwrap(), inside.len());
            prop_assert_eq!(told.opens, inside.len() >= 3);
            prop_assert_eq!(log.tender_box.lot_opens(lot), Some(told.opens));
            if !told.opens {
                for seq in inside {
                    expected.get_mut(&seq).unwrap().1 = ClosingStatus::LotFailed;
                }
            }
        }
        let told: BTreeMap<i64, (Vec<u8>, ClosingStatus)> = closed.entries.iter()
            .map(|e| (e.seq, (e.bundle.clone(), ClosingStatus::try_from(e.status).unwrap())))
            .collect();
        prop_assert_eq!(closed.entries.len(), told.len());
        prop_assert!(closed.entries.is_sorted_by_key(|entry| entry.seq));
        prop_assert_eq!(told, expected);

        // The states are nothing but the fold of the events, also through their own encoding.
        let mut tender_box = TenderBox::default();
        let mut bids: BTreeMap<String, OwnBid> = BTreeMap::new();
        for (stream, event, at) in &log.events {
            if stream == "box" {
                let bytes = prost::Message::encode_to_vec(&tender_box);
                tender_box = TenderBox::load(Some(&bytes)).unwrap();
                tender_box.evolve(event, *at).unwrap();
            } else {
                let bytes = bids.get(stream).map(prost::Message::encode_to_vec);
                let mut own = OwnBid::load(bytes.as_deref()).unwrap();
                own.evolve(event, *at).unwrap();
                bids.insert(stream.clone(), own);
            }
        }
        prop_assert_eq!(tender_box, log.tender_box);
        prop_assert_eq!(bids, log.bids);
    }
}

#[test]
fn the_instant_of_the_deadline_is_late() {
    let log = Log::opened();
    let deadline = log.tender_box.deadline();
    assert_eq!(log.tender_box.gate(deadline.plus_micros(-1)), Ok(()));
    assert_eq!(log.tender_box.gate(deadline), Err(Shut::Due));
    assert_eq!(log.tender_box.gate(deadline.plus_micros(1)), Err(Shut::Due));
}

#[test]
fn a_tender_that_cannot_be_bid_for_does_not_open() {
    let mut odd = tender();
    odd.timetable = Some(Timetable {
        bid_deadline_us: 1_500_001,
        ..Timetable::default()
    });
    odd.key_id.clear();
    let refused = desk::open(&TenderBox::default(), odd, LogHead::default()).unwrap_err();
    assert!(matches!(refused, Refusal::Fields(fields) if fields.len() == 2));
}

#[test]
fn every_fault_is_refused_and_told_with_its_code() {
    let rules = Engine::new().unwrap();
    let tender_box = Log::opened().tender_box;
    let facts = fault::submission_facts(&tender_box, "organizations/x", at(50), None);
    let scope = fault::scope(&tender_box, at(1_760_000_000)).unwrap();
    let duties = [
        Duty::Sealing,
        Duty::Proof,
        Duty::Signature,
        Duty::Completeness,
        Duty::Order,
    ];
    let faults = duties.map(|duty| Fault::new("E2", duty, "headers[0]", "错", "wrong"));
    for faults in faults
        .iter()
        .map(std::slice::from_ref)
        .chain([faults.as_slice()])
    {
        match refuse_submission(&rules, &scope, &facts, faults) {
            Refusal::Rules(verdicts) => {
                assert!(
                    verdicts
                        .iter()
                        .filter(|v| v.message_en == "(E2) wrong")
                        .count()
                        >= faults.len()
                );
            }
            Refusal::Fields(fields) => {
                assert_eq!(fields.len(), faults.len());
                assert!(fields.iter().all(|field| field.en == "(E2) wrong"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn garbage_is_no_header() {
    let tender_box = Log::opened().tender_box;
    let claim = Claim {
        lot_id: "01",
        credit_code: "x",
        revision: 1,
        headers: &[vec![1, 2], vec![]],
    };
    let faults = check_envelopes(&tender_box, &claim).unwrap_err();
    assert_eq!(
        faults
            .iter()
            .map(|f| (f.code, f.field.as_str()))
            .collect::<Vec<_>>(),
        [("E1", "headers[0]"), ("E1", "headers[1]")]
    );
    let none = Claim {
        headers: &[],
        ..claim
    };
    assert_eq!(check_envelopes(&tender_box, &none).unwrap_err().len(), 1);
}
