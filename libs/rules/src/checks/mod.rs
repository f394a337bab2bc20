//! The predicates: one function per rule and subject, grouped by the subject they judge.
//!
//! A predicate sees facts, its row and the calendar, and says in two languages what it found. It
//! takes every number from the row. A row whose parameter is missing judges against the actor: the
//! engine turns `None` into a breach (its construction has checked that this cannot happen).

mod case;
mod clarification;
mod credit;
mod deposit;
mod fairness;
mod intent;
mod method;
mod notice;
mod objection;
mod opening;
mod outage;
mod periods;
mod preparation;
mod publication;
mod refund;
mod reservation;
mod subjects;
mod submission;
mod termination;

pub(crate) use case::last_day;
pub use case::{Case, Predicate, Ruling};
pub(crate) use subjects::{LOOKED_UP, registered};
