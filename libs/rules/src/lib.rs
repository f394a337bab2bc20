//! The statutory rules of procurement with their articles, the working-day calendar of China,
//! and the engine that turns facts into findings a person can act on.
//!
//! Pure: data is embedded, time is given, nothing is read or written. It states what the law says
//! of the facts it is handed; it never decides what a service does next and never changes a fact.
//!
//! To add a rule: a row in `data/rules/`, a function in `checks/`, a line in `checks/subjects.rs`,
//! and in `tests/every_rule/` one case that passes and one that is stopped. The engine does not
//! start, and the tests do not pass, with one of them missing.

pub mod calendar;
mod checks;
mod engine;
pub mod facts;
mod finding;
mod outages;
mod planner;
mod refunds;
mod scope;
mod table;

pub use calendar::{Calendar, CalendarDays, Counted, WorkingDays};
pub use engine::{Engine, EngineError, Subject};
pub use finding::{Finding, Outcome, Verdicts};
pub use planner::{Extension, Timetable};
pub use refunds::RefundDue;
pub use scope::{Jurisdiction, JurisdictionError, Scope, Track};
pub use table::{
    Confidence, Effect, Kind, Parameter, ParameterKind, Rule, RuleId, RuleStage, RuleTable,
    TableError,
};
