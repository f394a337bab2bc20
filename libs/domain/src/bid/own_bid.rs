//! What one bidder has on record for one lot: every submission, every withdrawal, the last bid.

use sunbid_contracts::bid::v1::{Bid, BidState, BidSubmitted, BidWithdrawn};
use sunbid_terms::Instant;

use crate::{Aggregate, Event, Refusal, Unreadable};

/// Bids that one bidder may submit for one lot, one replacing the other. Far more than anyone has
/// reason for; it keeps what is stored for one bidder, and what is checked at the closing, bounded.
pub const MOST_REVISIONS: usize = 100;

/// One bidder's bid for one lot, as the fold of its events.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OwnBid {
    /// The last bid submitted, with its state.
    #[prost(message, optional, tag = "1")]
    pub last: Option<Bid>,
    /// In the order of their records.
    #[prost(message, repeated, tag = "2")]
    pub submissions: Vec<Submission>,
    #[prost(message, repeated, tag = "3")]
    pub withdrawals: Vec<Withdrawal>,
}

/// One submission and how it stands.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Submission {
    #[prost(int64, tag = "1")]
    pub seq: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub bundle: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub revision: i64,
    #[prost(enumeration = "BidState", tag = "4")]
    pub state: i32,
}

/// One withdrawal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Withdrawal {
    #[prost(int64, tag = "1")]
    pub seq: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub bundle: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub revision: i64,
}

impl OwnBid {
    /// The bid that would go to the opening if bidding closed now.
    pub fn live(&self) -> Option<&Bid> {
        self.last
            .as_ref()
            .filter(|bid| bid.state == BidState::Submitted as i32)
    }

    /// 0 before the first.
    pub fn last_revision(&self) -> i64 {
        self.last.as_ref().map_or(0, |bid| bid.revision)
    }

    /// Refuses one bid more than [`MOST_REVISIONS`].
    pub fn check_room(&self) -> Result<(), Refusal> {
        if self.submissions.len() < MOST_REVISIONS {
            return Ok(());
        }
        Err(Refusal::state(
            "BID_REVISIONS",
            format!(
                "同一标段最多提交{MOST_REVISIONS}次投标，已达上限；最后一次提交的投标（未撤回的）仍然有效。"
            ),
            format!(
                "At most {MOST_REVISIONS} bids are taken from a bidder for a lot, and so many were; the last one stands unless it was withdrawn."
            ),
        ))
    }

    fn submit(&mut self, submitted: BidSubmitted) -> Result<(), &'static str> {
        let mut bid = submitted.bid.ok_or("it carries no bid")?;
        if bid.revision != self.last_revision() + 1 {
            return Err("its revision does not follow the last");
        }
        if let Some(last) = self.submissions.last_mut()
            && last.state == BidState::Submitted as i32
        {
            last.state = BidState::Replaced as i32;
        }
        self.submissions.push(Submission {
            seq: submitted.seq,
            bundle: bid.bundle.clone(),
            revision: bid.revision,
            state: BidState::Submitted as i32,
        });
        bid.state = BidState::Submitted as i32;
        self.last = Some(bid);
        Ok(())
    }

    fn withdraw(&mut self, withdrawn: BidWithdrawn) -> Result<(), &'static str> {
        let live = |state: &i32| *state == BidState::Submitted as i32;
        let bid = self
            .last
            .as_mut()
            .filter(|bid| live(&bid.state))
            .ok_or("no bid is live")?;
        if bid.bundle != withdrawn.bundle {
            return Err("another bundle is live");
        }
        bid.state = BidState::Withdrawn as i32;
        if let Some(last) = self.submissions.last_mut() {
            last.state = BidState::Withdrawn as i32;
        }
        self.withdrawals.push(Withdrawal {
            seq: withdrawn.seq,
            bundle: withdrawn.bundle,
            revision: bid.revision,
        });
        Ok(())
    }
}

impl Aggregate for OwnBid {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        let done = if let Some(submitted) = event.read::<BidSubmitted>()? {
            self.submit(submitted)
        } else if let Some(withdrawn) = event.read::<BidWithdrawn>()? {
            self.withdraw(withdrawn)
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        };
        done.map_err(|reason| Unreadable::Impossible {
            name: event.name.clone(),
            reason: reason.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_bids_are_taken_and_not_one_more() {
        let mut own = OwnBid::default();
        let now = Instant::from_micros(1);
        for revision in 1..=100 {
            own.check_room().unwrap();
            let bid = Some(Bid {
                revision,
                ..Bid::default()
            });
            let event = Event::of(&BidSubmitted { bid, seq: revision });
            own.evolve(&event, now).unwrap();
        }
        assert!(matches!(
            own.check_room(),
            Err(Refusal::State {
                reason: "BID_REVISIONS",
                ..
            })
        ));
    }
}
