//! What every service needs and none may write twice: the way a command is committed, who calls,
//! who may, errors as statuses, following other logs, clients, clocks and starting.
//! Knows no area's business.

pub mod access;
pub mod access_log;
pub mod address;
pub mod authentication;
pub mod caller;
pub mod calls;
pub mod clock;
pub mod connections;
pub mod deadline;
mod even_clock;
pub mod feed;
pub mod finish;
pub mod follow;
pub mod keys;
pub mod language;
pub mod ledger;
pub mod limits;
pub mod log_service;
pub mod names;
pub mod observing;
pub mod page;
pub mod peers;
pub mod problem;
pub mod rank;
pub mod rate;
pub mod relay;
pub mod retry;
pub mod revocation;
pub mod sampling;
pub mod setting;
pub mod stall;
pub mod tls;
pub mod token;
#[cfg(feature = "trial")]
pub mod trial;
pub mod wire;

pub use caller::Caller;
pub use follow::FollowedEntry;
pub use keys::Keys;
pub use language::Language;
pub use ledger::{Decided, Step};
pub use peers::Peers;
pub use problem::Problem;
pub use setting::{Setting, StartError, Started};
