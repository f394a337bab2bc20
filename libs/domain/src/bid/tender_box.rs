//! The box of a tender: what bids must conform to, until when they are taken, and how it ended.

use sunbid_contracts::bid::v1::{
    BiddingClosed, BiddingEnded, BiddingHeld, BiddingOpened, BiddingReleased, DeadlineMoved,
    DeadlineMovedByOutage, LotClosing,
};
use sunbid_contracts::common::v1::Track;
use sunbid_contracts::tender::v1::{Lot, PartRequirement, ProcurementMethod, Tender};
use sunbid_terms::{Instant, MICROS};

use crate::{Aggregate, Event, Unreadable};

/// Stream of the box in the tender's bid log.
pub const STREAM: &str = "box";

/// The box, as the fold of its events.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TenderBox {
    /// "tenders/{uuid}"; empty before bidding opens.
    #[prost(string, tag = "1")]
    pub tender: String,
    #[prost(enumeration = "Track", tag = "2")]
    pub track: i32,
    #[prost(enumeration = "ProcurementMethod", tag = "3")]
    pub method: i32,
    /// The tender's key, 32 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub key_id: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub lots: Vec<Lot>,
    #[prost(message, repeated, tag = "6")]
    pub parts: Vec<PartRequirement>,
    /// "organizations/{credit_code}".
    #[prost(string, repeated, tag = "7")]
    pub excluded_bidders: Vec<String>,
    #[prost(int64, tag = "8")]
    pub deadline_us: i64,
    #[prost(bool, tag = "9")]
    pub held: bool,
    #[prost(bool, tag = "10")]
    pub closed: bool,
    /// How each lot closed; empty before.
    #[prost(message, repeated, tag = "11")]
    pub outcome: Vec<LotClosing>,
    #[prost(bool, tag = "12")]
    pub ended: bool,
    /// How often outages moved the deadline.
    #[prost(uint32, tag = "13")]
    pub moved_by_outages: u32,
    /// The last outage that did, by its record in the intake log; 0: none did.
    #[prost(int64, tag = "14")]
    pub last_outage: i64,
}

/// Why the box takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Bidding has not begun.
    NotAnnounced,
    /// The tender was terminated.
    Ended,
    /// The closing record stands.
    Closed,
    /// The deadline has passed and the closing record is to be written first.
    Due,
    /// Suspended.
    Held,
}

impl TenderBox {
    /// Whether a bid or a withdrawal may be taken at `now`.
    pub fn gate(&self, now: Instant) -> Result<(), Shut> {
        if self.tender.is_empty() {
            Err(Shut::NotAnnounced)
        } else if self.ended {
            Err(Shut::Ended)
        } else if self.closed {
            Err(Shut::Closed)
        } else if self.held {
            Err(Shut::Held)
        } else if now >= self.deadline() {
            Err(Shut::Due)
        } else {
            Ok(())
        }
    }

    /// Whether the closing record is to be written at `now`.
    pub fn is_due(&self, now: Instant) -> bool {
        self.gate(now) == Err(Shut::Due)
    }

    /// Bids are taken before this instant.
    pub fn deadline(&self) -> Instant {
        Instant::from_micros(self.deadline_us)
    }

    pub fn lot(&self, lot_id: &str) -> Option<&Lot> {
        self.lots.iter().find(|lot| lot.lot_id == lot_id)
    }

    /// Largest sealed part that the tender takes, bytes.
    pub fn largest_part(&self) -> i64 {
        self.parts
            .iter()
            .map(|part| part.max_bytes)
            .fold(0, i64::max)
    }

    /// Sealed bytes of a bid with every part as large as the tender takes it.
    pub fn largest_bid(&self) -> i64 {
        self.parts
            .iter()
            .map(|part| part.max_bytes.max(0))
            .fold(0, i64::saturating_add)
    }

    /// Whether the lot goes to the opening; nothing before the closing.
    pub fn lot_opens(&self, lot_id: &str) -> Option<bool> {
        self.outcome
            .iter()
            .find(|lot| lot.lot_id == lot_id)
            .map(|lot| lot.opens)
    }

    fn open(&mut self, tender: Tender) {
        *self = Self {
            tender: tender.name,
            track: tender.track,
            method: tender.method,
            key_id: tender.key_id,
            lots: tender.lots,
            parts: tender.parts,
            excluded_bidders: tender
                .conditions
                .map(|c| c.excluded_bidders)
                .unwrap_or_default(),
            deadline_us: tender
                .timetable
                .map_or(0, |timetable| timetable.bid_deadline_us),
            ..Self::default()
        };
    }
}

/// A deadline is a whole second: envelopes carry it as one.
pub fn is_whole_second(micros: i64) -> bool {
    micros > 0 && micros % MICROS == 0
}

impl Aggregate for TenderBox {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        let impossible = |reason: &str| Unreadable::Impossible {
            name: event.name.clone(),
            reason: reason.to_owned(),
        };
        if let Some(opened) = event.read::<BiddingOpened>()? {
            if !self.tender.is_empty() {
                return Err(impossible("bidding was opened before"));
            }
            self.open(
                opened
                    .tender
                    .ok_or_else(|| impossible("it carries no tender"))?,
            );
            return Ok(());
        }
        if self.tender.is_empty() || self.closed || self.ended {
            return Err(impossible("bidding is not open"));
        }
        if let Some(moved) = event.read::<DeadlineMoved>()? {
            self.deadline_us = moved.new_deadline_us;
        } else if let Some(moved) = event.read::<DeadlineMovedByOutage>()? {
            self.deadline_us = moved.new_deadline_us;
            self.moved_by_outages += 1;
            self.last_outage = moved.outage.map_or(0, |outage| outage.seq);
        } else if event.is::<BiddingHeld>() {
            self.held = true;
        } else if let Some(released) = event.read::<BiddingReleased>()? {
            self.held = false;
            self.deadline_us = released.new_deadline_us;
        } else if let Some(closed) = event.read::<BiddingClosed>()? {
            if self.held {
                return Err(impossible("bidding is held"));
            }
            self.closed = true;
            self.outcome = closed.lots;
        } else if event.is::<BiddingEnded>() {
            self.ended = true;
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}
