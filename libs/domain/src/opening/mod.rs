//! The opening: what a closed bid log amounts to, what an opening sheet may say, what the opening
//! record shows, and the life of a session. Pure; the opening service, the holders' trustees and
//! the public verifier all decide by this code, so that they cannot disagree.

pub mod bid_log;
pub mod check;
pub mod closing;
pub mod decide;
pub mod head_proof;
mod json;
mod objections;
pub mod parallel;
pub mod record;
pub mod session;
pub mod sheet;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use bid_log::{BidLog, LogFault, LoggedEvent};
pub use check::{CheckedBids, Envelope, Supplier, SupplierCheck};
pub use closing::{Claim, ClosedBids, ClosingFault};
pub use session::SessionState;
