//! Bid deposits: a double-entry ledger that is nothing but the fold of its postings, what becomes of
//! a credit, and what must go back to whom (rules C4, D4, D6 to D8).
//! Pure. Money moves only by postings that sum to zero; no posting, no movement.

mod account;
mod credit;
mod judge;
mod notes;
mod posting;
mod refund;
mod release;
mod terms;
mod virtual_account;

#[cfg(test)]
mod tests;

pub use account::{DepositAccount, Holding, Refund, RefundStanding};
pub use credit::{Bidder, Credit, Received, receive, receive_unknown};
pub use judge::{Check, check};
pub use posting::{BANK, kind_of};
pub use refund::{PaymentSeed, confirm, next_try, reject, send};
pub use release::{release, settle};
pub use terms::Terms;
pub use virtual_account::VirtualAccount;
