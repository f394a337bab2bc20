//! What a tender says of its deposits: lots, amounts, deadline; learned from notice and bid logs.

use prost::Message;
use sunbid_contracts::{
    common::v1::LogHead,
    deposit::v1::{LiveBid, LotTerms, TermsClosed, TermsEnded, TermsMoved, TermsSet},
    tender::v1::Tender,
};
use sunbid_rules::{Jurisdiction, Scope};
use sunbid_terms::{Fen, Instant};

use crate::{Aggregate, Event, Refusal, Unreadable, verdicts};

/// Seconds of a calendar day.
const DAY: i64 = 86_400;

/// A tender as far as deposits go.
#[derive(Clone, PartialEq, Message)]
pub struct Terms {
    #[prost(message, optional, tag = "1")]
    pub set: Option<TermsSet>,
    #[prost(int64, tag = "2")]
    pub deadline_us: i64,
    #[prost(message, optional, tag = "3")]
    pub closed: Option<TermsClosed>,
    #[prost(bool, tag = "4")]
    pub ended: bool,
}

impl Aggregate for Terms {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        if let Some(set) = event.read::<TermsSet>()? {
            self.deadline_us = set.deadline_us;
            self.set = Some(set);
        } else if let Some(moved) = event.read::<TermsMoved>()? {
            self.deadline_us = moved.deadline_us;
        } else if let Some(closed) = event.read::<TermsClosed>()? {
            self.closed = Some(closed);
        } else if event.is::<TermsEnded>() {
            self.ended = true;
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

impl Terms {
    /// The terms of an announced tender.
    pub fn announced(tender: &Tender, cause: LogHead) -> TermsSet {
        let timetable = tender.timetable.unwrap_or_default();
        let lots = tender
            .lots
            .iter()
            .map(|lot| LotTerms {
                lot_id: lot.lot_id.clone(),
                due_fen: lot.deposit_fen,
            })
            .collect();
        TermsSet {
            tender: tender.name.clone(),
            track: tender.track,
            lots,
            deadline_us: timetable.bid_deadline_us,
            mandatory_tender: tender
                .conditions
                .as_ref()
                .is_some_and(|c| c.mandatory_tender),
            bid_validity_days: timetable.bid_validity_days,
            cause: Some(cause),
        }
    }

    pub fn is_announced(&self) -> bool {
        self.set.is_some()
    }

    /// Nobody's bid is a secret any more by its existence.
    pub fn is_public(&self) -> bool {
        self.closed.is_some() || self.ended
    }

    /// A deposit may still be opened.
    pub fn takes_deposits(&self, now: Instant) -> bool {
        self.is_announced() && !self.is_public() && now < self.deadline()
    }

    pub fn deadline(&self) -> Instant {
        Instant::from_micros(self.deadline_us)
    }

    /// What a lot's deposit is; none if there is no such lot.
    pub fn due(&self, lot_id: &str) -> Option<Fen> {
        let lots = &self.set.as_ref()?.lots;
        lots.iter()
            .find(|lot| lot.lot_id == lot_id)
            .map(|lot| Fen::new(lot.due_fen))
    }

    pub fn lot_failed(&self, lot_id: &str) -> bool {
        self.closed
            .as_ref()
            .is_some_and(|c| c.failed_lots.iter().any(|lot| lot == lot_id))
    }

    /// Whether a supplier's bid for a lot was live when the bids were closed.
    pub fn has_live_bid(&self, lot_id: &str, supplier: &str) -> bool {
        let bid = LiveBid {
            lot_id: lot_id.to_owned(),
            supplier: supplier.to_owned(),
        };
        self.closed
            .as_ref()
            .is_some_and(|closed| closed.live.contains(&bid))
    }

    pub(super) fn mandatory_tender(&self) -> bool {
        self.set.as_ref().is_some_and(|set| set.mandatory_tender)
    }

    pub(super) fn bids_valid_until(&self) -> Option<Instant> {
        let days = i64::from(self.set.as_ref()?.bid_validity_days);
        (days > 0).then(|| self.deadline().plus_seconds(days * DAY))
    }

    /// The rules that hold for an act at `at`.
    pub(super) fn scope(&self, at: Instant) -> Result<Scope, Refusal> {
        let track = self.set.as_ref().map_or(0, |set| set.track);
        Ok(Scope::new(
            verdicts::track(track, "tender")?,
            Jurisdiction::china(),
            at,
        ))
    }
}
