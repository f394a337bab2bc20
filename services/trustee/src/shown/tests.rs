//! A platform that shows its holders another log than the public log holds gets no signature.

use super::*;
use sunbid_contracts::{
    bid::v1::{
        BiddingClosed, BiddingHeld, BiddingOpened, BiddingReleased, DeadlineMovedByOutage,
        IntakeBegan, Outage, OutageRecorded,
    },
    common::v1::{LogHead, Record as Body, Track},
    journal::v1::LogEntry,
    tender::v1::{PartClass, PartRequirement, Tender, Timetable},
};
use sunbid_domain::{Event, opening::closing};
use sunbid_proofs::{
    EpochLeaf, Hash, Record, StreamId, blinded_leaf,
    merkle::inclusion_proof,
    record::{RecordHeader, leaf},
};
use sunbid_terms::Instant;

const TENDER: &str = "tenders/t";
/// 2026-03-23, a Monday, 08:00 in China, which all times count from, seconds.
const MORNING: i64 = 1_774_224_000;
/// Seconds.
const DEADLINE: i64 = 100;

fn us(seconds: i64) -> i64 {
    Instant::from_seconds(MORNING + seconds).micros()
}

fn tender() -> Tender {
    Tender {
        name: TENDER.into(),
        track: Track::Engineering as i32,
        key_id: vec![1; 32],
        parts: vec![PartRequirement {
            class: PartClass::OpeningSheet as i32,
            required: true,
            ..PartRequirement::default()
        }],
        timetable: Some(Timetable {
            bid_deadline_us: us(DEADLINE),
            ..Timetable::default()
        }),
        ..Tender::default()
    }
}

fn records(service: &str, events: &[(i64, Event)]) -> Vec<LogEntry> {
    records_of(LogId::of(service, TENDER), events)
}

fn records_of(log: LogId, events: &[(i64, Event)]) -> Vec<LogEntry> {
    let entry = |(seq, (at, event)): (u64, &(i64, Event))| {
        let body = Body {
            r#type: event.name.clone(),
            event: event.bytes.clone(),
            ..Body::default()
        };
        let salted = [vec![9; 32], body.encode_to_vec()].concat();
        let header = RecordHeader {
            log,
            seq,
            stream: StreamId::of("box"),
            version: seq + 1,
            at: us(*at),
        };
        LogEntry {
            seq: seq as i64,
            record: Record::new(header, &salted).encode(),
            salted_body: Some(salted),
        }
    };
    (0..).zip(events).map(entry).collect()
}

fn leaves(entries: &[LogEntry]) -> Vec<Hash> {
    entries.iter().map(|entry| leaf(&entry.record)).collect()
}

fn opened() -> (i64, Event) {
    let opened = BiddingOpened {
        tender: Some(tender()),
        ..BiddingOpened::default()
    };
    (1, Event::of(&opened))
}

/// Something that stands in the log and that a platform would rather not have there.
fn between() -> Vec<(i64, Event)> {
    let held = BiddingHeld {
        reason: "投诉".into(),
    };
    let released = BiddingReleased {
        new_deadline_us: us(DEADLINE),
        ..BiddingReleased::default()
    };
    vec![(2, Event::of(&held)), (3, Event::of(&released))]
}

fn ended() -> (i64, Event) {
    let closed = BiddingClosed {
        deadline_us: us(DEADLINE),
        ..BiddingClosed::default()
    };
    (DEADLINE, Event::of(&closed))
}

fn whole() -> Vec<LogEntry> {
    let events = [vec![opened()], between(), vec![ended()]].concat();
    records("bid", &events)
}

/// The same log without what is not wanted.
fn shortened() -> Vec<LogEntry> {
    records("bid", &[opened(), ended()])
}

fn notices(deadlines: &[i64]) -> Vec<LogEntry> {
    let event = |(place, deadline): (usize, &i64)| {
        let notice = Notice {
            deadline_us: us(*deadline),
            announced: (place == 0).then(tender),
            ..Notice::default()
        };
        let event = if place == 0 {
            Event::of(&TenderNoticePublished {
                notice: Some(notice),
                ..TenderNoticePublished::default()
            })
        } else {
            Event::of(&ClarificationPublished {
                notice: Some(notice),
            })
        };
        (1, event)
    };
    let events: Vec<_> = deadlines.iter().enumerate().map(event).collect();
    records("notice", &events)
}

/// A public log: for each epoch its time in seconds and what it saw of bids and notices; in every one
/// the same intake log, where there is one.
struct World {
    epochs: Vec<(i64, Vec<Hash>, Vec<Hash>)>,
    intake: Vec<Hash>,
}

impl World {
    fn heads(&self, epoch: usize) -> Vec<(LogId, u64, Hash)> {
        let (_, bids, notices) = &self.epochs[epoch];
        let intake = (!self.intake.is_empty()).then_some((intake_log(), &self.intake));
        [("bid", bids), ("notice", notices)]
            .map(|(service, leaves)| (LogId::of(service, TENDER), leaves))
            .into_iter()
            .chain(intake)
            .map(|(log, leaves)| (log, leaves.len() as u64, root_of(leaves)))
            .collect()
    }

    fn blinded(&self, epoch: usize) -> Vec<Hash> {
        let heads = self.heads(epoch);
        let leaf =
            |(log, size, root): &(LogId, u64, Hash)| blinded_leaf(&[7; 32], *log, *size, root);
        heads.iter().map(leaf).collect()
    }

    fn leaf(&self, epoch: usize) -> EpochLeaf {
        EpochLeaf {
            epoch: epoch as u64,
            root: root_of(&self.blinded(epoch)),
            at: us(self.epochs[epoch].0),
        }
    }

    fn all(&self) -> Vec<Hash> {
        (0..self.epochs.len())
            .map(|n| self.leaf(n).leaf())
            .collect()
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: "sandbox.test/log".into(),
            size: self.epochs.len() as u64,
            root: root_of(&self.all()),
        }
    }

    fn proof(&self, epoch: usize, index: usize) -> Carried {
        let (log, size, root) = self.heads(epoch)[index];
        head_proof::message(&HeadProof {
            log,
            size,
            root,
            blind: [7; 32],
            index: index as u64,
            leaves: self.heads(epoch).len() as u64,
            path: inclusion_proof(&self.blinded(epoch), index as u64).unwrap(),
            epoch: self.leaf(epoch),
            inclusion: inclusion_proof(&self.all(), epoch as u64).unwrap(),
        })
    }

    fn shown(&self, before: usize, after: usize, notices: Vec<LogEntry>) -> ProveClosingResponse {
        ProveClosingResponse {
            note: String::new(),
            before: Some(self.proof(before, 0)),
            closed: Some(self.proof(after, 0)),
            published: Some(self.proof(after, 1)),
            notices,
            intake: None,
            outages: Vec::new(),
        }
    }
}

/// What a holder says that was given these records of the bid log.
fn judge(
    world: &World,
    shown: &ProveClosingResponse,
    given: &[LogEntry],
) -> Result<(), TrusteeFault> {
    let bids = BidLog::read(LogId::of("bid", TENDER), given).unwrap();
    let closed = closing::fold(TENDER, "sandbox.test", &bids.events, &bids.head()).unwrap();
    check(shown, &world.checkpoint(), TENDER, &bids, &closed)
}

/// Bids as they came, closed at the deadline, seen by an epoch before it and one after.
fn honest() -> World {
    let (bids, notices) = (leaves(&whole()), leaves(&notices(&[DEADLINE])));
    World {
        epochs: vec![
            (0, Vec::new(), Vec::new()),
            (50, bids[..3].to_vec(), notices.clone()),
            (DEADLINE, bids, notices),
        ],
        intake: Vec::new(),
    }
}

#[test]
fn what_the_public_log_shows_is_signed_for() {
    let world = honest();
    let shown = world.shown(1, 2, notices(&[DEADLINE]));
    judge(&world, &shown, &whole()).unwrap();
    let other = World {
        epochs: world.epochs[1..].to_vec(),
        intake: Vec::new(),
    };
    assert!(
        judge(&other, &shown, &whole()).is_err(),
        "a public log of which this institution has seen nothing"
    );
}

#[test]
fn a_shortened_log_is_not_signed_for() {
    let world = honest();
    let shown = world.shown(1, 2, notices(&[DEADLINE]));
    assert!(
        judge(&world, &shown, &shortened()).is_err(),
        "for holders alone"
    );

    // Committed to as well, after epochs that had seen the whole.
    let mut forged = honest();
    forged.epochs[2].1 = leaves(&shortened());
    let shown = forged.shown(1, 2, notices(&[DEADLINE]));
    assert!(judge(&forged, &shown, &shortened()).is_err());
    let older = forged.shown(0, 2, notices(&[DEADLINE]));
    assert!(
        judge(&forged, &older, &shortened()).is_err(),
        "not neighbours"
    );
    let mut silent = shown.clone();
    silent.before = None;
    assert!(judge(&forged, &silent, &shortened()).is_err());

    // As long as the whole, but not the same.
    let released = between().remove(1);
    let (mut other, held) = (vec![opened()], between().remove(0));
    other.extend([(held.0 + 2, held.1), (released.0 + 2, released.1), ended()]);
    let other = records("bid", &other);
    forged.epochs[2].1 = leaves(&other);
    let shown = forged.shown(1, 2, notices(&[DEADLINE]));
    assert!(judge(&forged, &shown, &other).is_err());
}

#[test]
fn an_epoch_from_before_the_deadline_shows_nothing() {
    let mut world = honest();
    world.epochs[2].0 = DEADLINE - 1;
    let shown = world.shown(1, 2, notices(&[DEADLINE]));
    assert!(judge(&world, &shown, &whole()).is_err());
}

#[test]
fn notices_come_from_the_public_log_too() {
    let mut world = honest();
    let moved = notices(&[DEADLINE, DEADLINE + 50]);
    world.epochs[2].2 = leaves(&moved);
    let refused = |notices: Vec<LogEntry>| {
        let shown = world.shown(1, 2, notices);
        judge(&world, &shown, &whole()).unwrap_err()
    };
    assert!(matches!(
        refused(moved.clone()),
        TrusteeFault::NotAsPublished(_)
    ));
    let kept_back = moved[..1].to_vec();
    assert!(matches!(
        refused(kept_back.clone()),
        TrusteeFault::NotAsShown(_)
    ));
    // Proved in an older epoch, when the deadline had not moved yet.
    let mut shown = world.shown(1, 2, kept_back);
    shown.published = Some(world.proof(1, 1));
    assert!(judge(&world, &shown, &whole()).is_err());
}

fn intake_log() -> LogId {
    LogId::of("bid", intake::SCOPE)
}

/// From before the deadline until a while after it, as long as is said.
fn outage(until: i64) -> Outage {
    Outage {
        seq: 1,
        from_us: us(40),
        until_us: us(until),
        ..Outage::default()
    }
}

fn intake_records(until: i64) -> Vec<LogEntry> {
    let recorded = OutageRecorded {
        outage: Some(outage(until)),
    };
    let began = Event::of(&IntakeBegan::default());
    records_of(intake_log(), &[(0, began), (until, Event::of(&recorded))])
}

/// Two hours after the recovery, to the minute: 10:04.
const MOVED: i64 = 7440;

/// A tender whose deadline an outage moved, its bids and notices.
fn moved() -> (World, Vec<LogEntry>, Vec<LogEntry>) {
    let moved = DeadlineMovedByOutage {
        old_deadline_us: us(DEADLINE),
        new_deadline_us: us(MOVED),
        outage: Some(outage(200)),
        intake_head: Some(LogHead::default()),
    };
    let closed = BiddingClosed {
        deadline_us: us(MOVED),
        ..BiddingClosed::default()
    };
    let bids = [
        opened(),
        (201, Event::of(&moved)),
        (MOVED, Event::of(&closed)),
    ];
    let bids = records("bid", &bids);
    let told = notices(&[DEADLINE, MOVED]);
    let world = World {
        epochs: vec![
            (0, Vec::new(), Vec::new()),
            (300, leaves(&bids[..2]), leaves(&told)),
            (MOVED, leaves(&bids), leaves(&told)),
        ],
        intake: leaves(&intake_records(200)),
    };
    (world, bids, told)
}

#[test]
fn a_deadline_that_an_outage_moved_is_moved_again_by_the_rules() {
    let (world, bids, told) = moved();
    let mut shown = world.shown(1, 2, told.clone());
    let refused = judge(&world, &shown, &bids).unwrap_err();
    assert!(
        matches!(refused, TrusteeFault::NotAsShown(_)),
        "the outage is not shown: {refused}"
    );
    shown.intake = Some(world.proof(2, 2));
    shown.outages = intake_records(200);
    judge(&world, &shown, &bids).unwrap();
    // Another outage than everybody is shown, or as it was shown at another time.
    let mut other = shown.clone();
    other.outages = intake_records(260);
    assert!(judge(&world, &other, &bids).is_err());
    let mut older = shown.clone();
    older.intake = Some(world.proof(1, 2));
    assert!(judge(&world, &older, &bids).is_err());
    // The public log holds a longer one, which leads to another deadline.
    let mut longer = moved().0;
    longer.intake = leaves(&intake_records(260));
    let mut told_longer = longer.shown(1, 2, told);
    told_longer.intake = Some(longer.proof(2, 2));
    told_longer.outages = intake_records(260);
    let refused = judge(&longer, &told_longer, &bids).unwrap_err();
    assert!(
        matches!(refused, TrusteeFault::NotAsPublished(_)),
        "{refused}"
    );
}

#[test]
fn a_deadline_in_an_outage_is_not_closed_for() {
    let mut world = honest();
    let mut shown = world.shown(1, 2, notices(&[DEADLINE]));
    judge(&world, &shown, &whole()).unwrap();
    world.intake = leaves(&intake_records(200));
    shown.published = Some(world.proof(2, 1));
    shown.closed = Some(world.proof(2, 0));
    shown.before = Some(world.proof(1, 0));
    shown.intake = Some(world.proof(2, 2));
    shown.outages = intake_records(200);
    let refused = judge(&world, &shown, &whole()).unwrap_err();
    assert!(refused.to_string().contains("outage 1"), "{refused}");
}
