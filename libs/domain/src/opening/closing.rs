//! From a closed bid log to the closing record: which bid is live, which was replaced or withdrawn,
//! which lots open. Decided from the events alone, and compared with what the bid service wrote.
//! Pure and complete: the opening service, every trustee and the public verifier fold the same
//! events by this code. Signatures and proofs are checked apart, in `check`, because that is slow.

use std::collections::BTreeMap;

use prost::Name;
use sunbid_contracts::bid::v1::{
    Bid, BidSubmitted, BidWithdrawn, BiddingClosed, BiddingEnded, BiddingHeld, BiddingOpened,
    BiddingReleased, ClosingEntry, ClosingStatus, DeadlineMoved, DeadlineMovedByOutage, LotClosing,
};
use sunbid_contracts::common::v1::LogHead;
use sunbid_contracts::opening::v1::Closing;
use sunbid_contracts::tender::v1::{PartClass, Tender};
use sunbid_proofs::LogId;
use sunbid_sealing::{Closing as Sealed, ClosingEntry as SealedEntry, ClosingError, Status};
use sunbid_terms::Instant;

use super::bid_log::LoggedEvent;
use crate::{Event, Unreadable};

/// A lot with fewer bidders is never opened (招标投标法实施条例 art. 44; 财政部令第87号 art. 41).
pub const FEWEST_BIDDERS: usize = 3;

/// What the record of a submission claims, with what it must be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub seq: u64,
    pub at: Instant,
    /// The deadline when it was submitted; its envelopes must name it.
    pub deadline: Instant,
    pub bid: Bid,
    pub status: ClosingStatus,
}

/// A withdrawal as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    pub seq: u64,
    pub at: Instant,
    pub withdrawn: BidWithdrawn,
    /// Place of the withdrawn bid in the claims.
    pub claim: usize,
}

/// A closed bid log, folded. Signatures and proofs are not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedBids {
    /// As announced; its timetable carries the first deadline.
    pub tender: Tender,
    /// The deadline that held in the end.
    pub deadline: Instant,
    pub closed_at: Instant,
    pub head: LogHead,
    pub lots: Vec<LotClosing>,
    pub claims: Vec<Claim>,
    pub withdrawals: Vec<Withdrawal>,
    /// What outages did to the deadline, in the order of the log.
    pub moves: Vec<OutageMove>,
    sealed: Sealed,
}

/// A deadline that an outage moved, as the log says; whether rightly is judged apart.
#[derive(Clone, Debug, PartialEq)]
pub struct OutageMove {
    pub seq: u64,
    pub at: Instant,
    pub moved: DeadlineMovedByOutage,
}

/// Why a bid log cannot be closed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosingFault {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("record {seq}, {name}, is not known here")]
    Unknown { seq: u64, name: String },
    #[error("the log does not begin with the opening of bidding for {0}")]
    NotOpened(String),
    #[error("record {seq}: {what}")]
    Record { seq: u64, what: String },
    #[error("the log does not end with the closing of bidding")]
    NotClosed,
    #[error("the closing says {field} is {said}, the records say {found}")]
    Differs {
        field: String,
        said: String,
        found: String,
    },
    #[error("the tender is not one that can be opened: {0}")]
    Tender(String),
    #[error("{0}")]
    Closing(#[from] ClosingError),
    #[error("bid of record {seq}: {what}")]
    Bid { seq: u64, what: String },
}

/// The origin of a tender's bid log, as closings name it.
pub fn log_origin(platform_origin: &str, log: LogId) -> String {
    let hex: String = log
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{platform_origin}/bid/{hex}")
}

/// The log that the bid service keeps of a tender.
pub fn log_of(tender: &str) -> LogId {
    LogId::of("bid", tender)
}

/// Folds the whole log, up to and with its `BiddingClosed`. `tender` is the tender's name,
/// `platform_origin` the platform's name in logs, `head` the head the events add up to.
pub fn fold(
    tender: &str,
    platform_origin: &str,
    events: &[LoggedEvent],
    head: &LogHead,
) -> Result<ClosedBids, ClosingFault> {
    let mut rest = events.iter();
    let not_opened = || ClosingFault::NotOpened(tender.to_owned());
    let first = rest.next().ok_or_else(not_opened)?;
    let opened: BiddingOpened = first.event.read()?.ok_or_else(not_opened)?;
    let announced = opened
        .tender
        .filter(|t| t.name == tender)
        .ok_or_else(not_opened)?;
    let mut fold = Fold::new(announced)?;
    for logged in rest {
        fold.next(logged)?;
    }
    let (closed_at, said) = fold.closed.take().ok_or(ClosingFault::NotClosed)?;
    let lots = fold.lots();
    fold.settle(&lots);
    let entries = fold.entries();
    compare(&said, &entries, &lots)?;
    let sealed = Sealed::new(
        array(&fold.tender.key_id, "the tender's key id")?,
        log_origin(platform_origin, log_of(tender)),
        u64::try_from(head.size).unwrap_or(0),
        array(&head.root, "the log's root")?,
        u64::try_from(closed_at.seconds()).unwrap_or(0),
        sealed_entries(&entries)?,
    )?;
    Ok(ClosedBids {
        tender: fold.tender,
        deadline: fold.deadline,
        closed_at,
        head: head.clone(),
        lots,
        claims: fold.claims,
        withdrawals: fold.withdrawals,
        moves: fold.moves,
        sealed,
    })
}

impl ClosedBids {
    /// A closing of which only the bids that open are known, as the public knows it: `claims` are
    /// these, `sealed` is the whole closing, which its holders signed.
    pub fn disclosed(
        tender: Tender,
        times: (Instant, Instant),
        head: LogHead,
        lots: Vec<LotClosing>,
        claims: Vec<Claim>,
        sealed: Sealed,
    ) -> Self {
        let (deadline, closed_at) = times;
        Self {
            tender,
            deadline,
            closed_at,
            head,
            lots,
            claims,
            withdrawals: Vec::new(),
            moves: Vec::new(),
            sealed,
        }
    }

    /// The closing record in the form that holders sign.
    pub const fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// What holders sign: the hash of the closing record.
    pub fn close(&self) -> [u8; 32] {
        self.sealed.hash()
    }

    /// The closing record in the form that contracts carry.
    pub fn message(&self) -> Closing {
        Closing {
            tender: self.tender.name.clone(),
            key_id: self.sealed.key_id().to_vec(),
            log_origin: self.sealed.log_origin().to_owned(),
            bid_head: Some(self.head.clone()),
            closed_seconds: self.closed_at.seconds(),
            entries: self.sealed.entries().iter().map(carried).collect(),
            close: self.close().to_vec(),
        }
    }

    /// Whether any lot is opened at all.
    pub fn opens(&self) -> bool {
        self.lots.iter().any(|lot| lot.opens)
    }

    /// Names of the envelopes of one class that go to the opening: live bids of lots that open, in
    /// the order of the log, then of the parts.
    pub fn header_ids(&self, class: PartClass) -> Vec<Vec<u8>> {
        self.claims
            .iter()
            .filter(|claim| claim.status == ClosingStatus::Live)
            .flat_map(|claim| &claim.bid.parts)
            .filter(|part| class_of(&self.tender, part.part) == Some(class))
            .map(|part| part.header_id.clone())
            .collect()
    }
}

/// The class that the tender prescribes for a part.
pub(super) fn class_of(tender: &Tender, part: i32) -> Option<PartClass> {
    tender
        .parts
        .iter()
        .find(|required| required.part == part)
        .map(|required| required.class())
}

fn entry(claim: &Claim) -> ClosingEntry {
    ClosingEntry {
        seq: i64::try_from(claim.seq).unwrap_or(i64::MAX),
        bundle: claim.bid.bundle.clone(),
        status: claim.status as i32,
    }
}

fn carried(entry: &SealedEntry) -> ClosingEntry {
    let status = match entry.status {
        Status::Live => ClosingStatus::Live,
        Status::Superseded => ClosingStatus::Superseded,
        Status::Withdrawn => ClosingStatus::Withdrawn,
        Status::Invalid => ClosingStatus::Invalid,
        Status::LotFailed => ClosingStatus::LotFailed,
    };
    ClosingEntry {
        seq: i64::try_from(entry.leaf_index).unwrap_or(i64::MAX),
        bundle: entry.bundle.to_vec(),
        status: status as i32,
    }
}

/// Entries in the form that holders sign.
pub fn sealed_entries(entries: &[ClosingEntry]) -> Result<Vec<SealedEntry>, ClosingFault> {
    entries
        .iter()
        .map(|entry| {
            let status = match entry.status() {
                ClosingStatus::Live => Status::Live,
                ClosingStatus::Superseded => Status::Superseded,
                ClosingStatus::Withdrawn => Status::Withdrawn,
                ClosingStatus::LotFailed => Status::LotFailed,
                ClosingStatus::Invalid | ClosingStatus::Unspecified => Status::Invalid,
            };
            Ok(SealedEntry {
                leaf_index: u64::try_from(entry.seq).unwrap_or(0),
                bundle: array(&entry.bundle, "a bundle")?,
                status,
            })
        })
        .collect()
}

/// The hash of a closing record as contracts carry it; anyone who holds the message can compute it.
pub fn close_of(closing: &Closing) -> Result<[u8; 32], ClosingFault> {
    let head = closing.bid_head.clone().unwrap_or_default();
    let sealed = Sealed::new(
        array(&closing.key_id, "the key id")?,
        closing.log_origin.clone(),
        u64::try_from(head.size).unwrap_or(0),
        array(&head.root, "the log's root")?,
        u64::try_from(closing.closed_seconds).unwrap_or(0),
        sealed_entries(&closing.entries)?,
    )?;
    Ok(sealed.hash())
}

pub(super) fn array(bytes: &[u8], what: &str) -> Result<[u8; 32], ClosingFault> {
    bytes.try_into().map_err(|_| {
        ClosingFault::Tender(format!("{what} has {} bytes instead of 32", bytes.len()))
    })
}

fn compare(
    said: &BiddingClosed,
    entries: &[ClosingEntry],
    lots: &[LotClosing],
) -> Result<(), ClosingFault> {
    let differs = |field: &str, said: String, found: String| {
        Err(ClosingFault::Differs {
            field: field.to_owned(),
            said,
            found,
        })
    };
    if said.entries.len() != entries.len() {
        return differs(
            "the number of bids",
            said.entries.len().to_string(),
            entries.len().to_string(),
        );
    }
    for (one, other) in said.entries.iter().zip(entries) {
        if one != other {
            let show = |entry: &ClosingEntry| {
                format!("{} of record {}", entry.status().as_str_name(), entry.seq)
            };
            return differs("an entry", show(one), show(other));
        }
    }
    if said.lots.len() != lots.len() {
        return differs(
            "the number of lots",
            said.lots.len().to_string(),
            lots.len().to_string(),
        );
    }
    for lot in lots {
        if !said.lots.contains(lot) {
            let found = format!("{} bidders, opens: {}", lot.bidders, lot.opens);
            return differs(
                &format!("lot {}", lot.lot_id),
                "something else".to_owned(),
                found,
            );
        }
    }
    Ok(())
}

/// The bids as they stand after each record.
struct Fold {
    tender: Tender,
    deadline: Instant,
    held: bool,
    claims: Vec<Claim>,
    withdrawals: Vec<Withdrawal>,
    moves: Vec<OutageMove>,
    /// The latest revision of each bidder in each lot, with the place of its live claim.
    latest: BTreeMap<(String, String), (i64, Option<usize>)>,
    closed: Option<(Instant, BiddingClosed)>,
}

impl Fold {
    fn new(tender: Tender) -> Result<Self, ClosingFault> {
        let fault = |what: &str| Err(ClosingFault::Tender(what.to_owned()));
        for part in &tender.parts {
            if (part.part == 0) != (part.class() == PartClass::OpeningSheet) {
                return fault("part 0, and no other, must be the opening sheet");
            }
        }
        if class_of(&tender, 0).is_none() {
            return fault("it asks for no opening sheet");
        }
        let Some(timetable) = &tender.timetable else {
            return fault("it has no timetable");
        };
        Ok(Self {
            deadline: Instant::from_micros(timetable.bid_deadline_us),
            tender,
            held: false,
            claims: Vec::new(),
            withdrawals: Vec::new(),
            moves: Vec::new(),
            latest: BTreeMap::new(),
            closed: None,
        })
    }

    fn next(&mut self, logged: &LoggedEvent) -> Result<(), ClosingFault> {
        let LoggedEvent { seq, at, event } = logged;
        let (seq, at) = (*seq, *at);
        let fault = |what: &str| {
            Err(ClosingFault::Record {
                seq,
                what: what.to_owned(),
            })
        };
        if self.closed.is_some() {
            return fault("it stands after the closing of bidding");
        }
        match event.name.as_str() {
            name if name == BidSubmitted::full_name() => {
                let submitted: BidSubmitted = known(event)?;
                let Some(bid) = submitted.bid else {
                    return fault("a submission without a bid");
                };
                if u64::try_from(submitted.seq) != Ok(seq) {
                    return fault("a submission that names another place in the log");
                }
                self.submit(seq, at, bid)
            }
            name if name == BidWithdrawn::full_name() => self.withdraw(seq, at, known(event)?),
            name if name == DeadlineMoved::full_name() => {
                let moved: DeadlineMoved = known(event)?;
                if moved.old_deadline_us != self.deadline.micros()
                    || moved.new_deadline_us < moved.old_deadline_us
                    || at >= self.deadline
                    || self.held
                {
                    return fault(
                        "the deadline was moved from another, backwards, or when it had passed",
                    );
                }
                self.deadline = Instant::from_micros(moved.new_deadline_us);
                Ok(())
            }
            name if name == DeadlineMovedByOutage::full_name() => {
                let moved: DeadlineMovedByOutage = known(event)?;
                // It may have passed: in the outage, or in another one before all were judged by the first.
                if moved.old_deadline_us != self.deadline.micros()
                    || moved.new_deadline_us <= moved.old_deadline_us
                    || self.held
                {
                    return fault(
                        "an outage moved the deadline from another, backwards, or while it was held",
                    );
                }
                self.deadline = Instant::from_micros(moved.new_deadline_us);
                self.moves.push(OutageMove { seq, at, moved });
                Ok(())
            }
            name if name == BiddingHeld::full_name() => {
                if self.held || at >= self.deadline {
                    return fault("bidding was held twice, or after the deadline");
                }
                self.held = true;
                Ok(())
            }
            name if name == BiddingReleased::full_name() => {
                let released: BiddingReleased = known(event)?;
                let deadline = Instant::from_micros(released.new_deadline_us);
                if !self.held || deadline < self.deadline || deadline <= at {
                    return fault(
                        "bidding was released without a hold, or to a deadline that cannot be",
                    );
                }
                self.held = false;
                self.deadline = deadline;
                Ok(())
            }
            name if name == BiddingClosed::full_name() => {
                let closed: BiddingClosed = known(event)?;
                if self.held {
                    return fault("bidding was closed while it was held");
                }
                if closed.deadline_us != self.deadline.micros() {
                    return fault("bidding was closed for another deadline");
                }
                if at < self.deadline {
                    return fault("bidding was closed before the deadline");
                }
                self.closed = Some((at, closed));
                Ok(())
            }
            name if name == BiddingEnded::full_name() => {
                fault("the tender was terminated; nothing is opened")
            }
            name if name == BiddingOpened::full_name() => fault("bidding was opened twice"),
            name => Err(ClosingFault::Unknown {
                seq,
                name: name.to_owned(),
            }),
        }
    }

    fn submit(&mut self, seq: u64, at: Instant, bid: Bid) -> Result<(), ClosingFault> {
        let fault = |what: &str| {
            Err(ClosingFault::Record {
                seq,
                what: what.to_owned(),
            })
        };
        if bid.tender != self.tender.name {
            return fault("a bid for another tender");
        }
        if !self.tender.lots.iter().any(|lot| lot.lot_id == bid.lot_id) {
            return fault("a bid for a lot that the tender does not have");
        }
        if at >= self.deadline || self.held {
            return fault("a bid that came after the deadline, or while bidding was held");
        }
        let key = (bid.lot_id.clone(), bid.bidder.clone());
        let (revision, live) = self.latest.get(&key).copied().unwrap_or((0, None));
        if bid.revision != revision + 1 {
            return fault("a bid whose revision does not follow the last");
        }
        if let Some(earlier) = live.and_then(|place| self.claims.get_mut(place)) {
            earlier.status = ClosingStatus::Superseded;
        }
        self.latest
            .insert(key, (bid.revision, Some(self.claims.len())));
        let deadline = self.deadline;
        self.claims.push(Claim {
            seq,
            at,
            deadline,
            bid,
            status: ClosingStatus::Live,
        });
        Ok(())
    }

    fn withdraw(
        &mut self,
        seq: u64,
        at: Instant,
        withdrawn: BidWithdrawn,
    ) -> Result<(), ClosingFault> {
        let fault = |what: &str| {
            Err(ClosingFault::Record {
                seq,
                what: what.to_owned(),
            })
        };
        if at >= self.deadline || self.held {
            return fault("a withdrawal that came after the deadline, or while bidding was held");
        }
        let live = self.latest.values_mut().find(|(_, live)| {
            live.and_then(|place| self.claims.get(place))
                .is_some_and(|claim| {
                    claim.bid.bundle == withdrawn.bundle && claim.bid.name == withdrawn.bid
                })
        });
        let Some((claim, live)) = live.and_then(|(_, live)| live.map(|claim| (claim, live))) else {
            return fault("a withdrawal of a bid that is not live");
        };
        *live = None;
        if let Some(bid) = self.claims.get_mut(claim) {
            bid.status = ClosingStatus::Withdrawn;
        }
        self.withdrawals.push(Withdrawal {
            seq,
            at,
            withdrawn,
            claim,
        });
        Ok(())
    }

    fn lots(&self) -> Vec<LotClosing> {
        self.tender
            .lots
            .iter()
            .map(|lot| {
                let live = self
                    .latest
                    .iter()
                    .filter(|((of, _), (_, live))| *of == lot.lot_id && live.is_some());
                let bidders = live.count();
                LotClosing {
                    lot_id: lot.lot_id.clone(),
                    bidders: i32::try_from(bidders).unwrap_or(i32::MAX),
                    opens: bidders >= FEWEST_BIDDERS,
                }
            })
            .collect()
    }

    /// Live bids of lots that do not open stay sealed for ever.
    fn settle(&mut self, lots: &[LotClosing]) {
        for claim in &mut self.claims {
            let opens = lots
                .iter()
                .any(|lot| lot.lot_id == claim.bid.lot_id && lot.opens);
            if claim.status == ClosingStatus::Live && !opens {
                claim.status = ClosingStatus::LotFailed;
            }
        }
    }

    fn entries(&self) -> Vec<ClosingEntry> {
        self.claims.iter().map(entry).collect()
    }
}

fn known<M: prost::Message + Name + Default>(event: &Event) -> Result<M, Unreadable> {
    event
        .read()?
        .ok_or_else(|| Unreadable::UnknownEvent(event.name.clone()))
}
