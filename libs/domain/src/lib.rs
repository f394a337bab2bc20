//! What may happen, decided without a clock, a database or a network: each area's states, its
//! commands, the events they lead to, and how events change states.
//! Pure: `decide` takes state, command, rules and the time it is given; `evolve` takes state and event.

pub mod aggregate;
pub mod refusal;

pub mod bid;
pub mod deposit;
pub mod notice;
pub mod opening;
pub mod registry;
pub mod tender;
pub mod verdicts;

pub use aggregate::{Aggregate, Event, Unreadable};
pub use refusal::{FieldViolation, Refusal};
