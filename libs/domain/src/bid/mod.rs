//! Sealed bids of one tender: taken, replaced and withdrawn before the deadline, closed once.
//! One box for each tender, one state for each bidder and lot. Nothing here ever sees a plaintext.

pub mod closing;
pub mod desk;
pub mod envelope;
pub mod fault;
pub mod intake;
pub mod outage;
pub mod own_bid;
pub mod tender_box;

pub use closing::{MINIMUM_BIDDERS, closing};
pub use envelope::{Claim, Envelopes, check_envelopes, check_payload};
pub use fault::{Fault, refuse_late, refuse_late_withdrawal, refuse_submission};
pub use intake::Intake;
pub use own_bid::OwnBid;
pub use tender_box::{Shut, TenderBox};

#[cfg(test)]
mod tests;
