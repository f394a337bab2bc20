//! What a command may bring: limits, and that its own code cannot harm the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::command::{Addition, Outcome};
use crate::error::CommitError;

/// The most events of one command.
const MOST_EVENTS: usize = 4096;
/// The longest event or state, in bytes. Files belong into the object store.
const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// The longest scope, in bytes.
const LONGEST_SCOPE: usize = 512;

/// A decision that panics fails alone; it must not take the writer with it.
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, CommitError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned());
        CommitError::Panicked(text.unwrap_or_else(|| "without a text".to_owned()))
    })
}

pub(crate) fn check_scope(scope: &str) -> Result<(), CommitError> {
    if scope.len() > LONGEST_SCOPE || scope.contains('\0') {
        return Err(CommitError::Invalid(format!(
            "the scope of a log is at most {LONGEST_SCOPE} bytes without a zero byte"
        )));
    }
    Ok(())
}

pub(super) fn check_outcome(outcome: &Outcome) -> Result<(), CommitError> {
    if outcome.events.is_empty() && (!outcome.states.is_empty() || outcome.close) {
        return Err(CommitError::Unrecorded);
    }
    let fits = |addition: &Addition| addition.values.len() == addition.into.columns;
    if !outcome.additions.iter().all(fits) {
        return Err(CommitError::Invalid(
            "an added row has as many values as its statement has columns".to_owned(),
        ));
    }
    if outcome.events.len() > MOST_EVENTS {
        return Err(CommitError::Invalid(format!(
            "a command has at most {MOST_EVENTS} events, not {}",
            outcome.events.len()
        )));
    }
    let events = outcome.events.iter().map(|event| event.body.len());
    let states = outcome
        .states
        .iter()
        .map(|(_, body)| body.as_ref().map_or(0, Vec::len));
    if let Some(length) = events.chain(states).find(|length| *length > LONGEST_BODY) {
        return Err(CommitError::Invalid(format!(
            "an event or a state has at most {LONGEST_BODY} bytes, not {length}"
        )));
    }
    Ok(())
}
