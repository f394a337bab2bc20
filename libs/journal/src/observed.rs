//! What can be seen of the writer from outside: how batches go, and, of a call that is traced, how long it waited
//! for its batch and how long the batch took. Says nothing of what is written, nor by whom.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::Span;

/// A batch that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub commands: usize,
    pub took: Duration,
    /// Commands that wait for the next.
    pub waiting: usize,
    /// How many may.
    pub most_waiting: usize,
}

/// Who is told of batches.
pub(crate) type Watcher = Arc<OnceLock<Box<dyn Fn(Batch) + Send + Sync>>>;

/// Target of spans; that of the telemetry room, which nothing here depends on.
const TARGET: &str = "sunbid_trace";

/// The trace of a command that waits.
pub(crate) struct Traced {
    caller: Span,
    _waiting: Span,
}

impl Traced {
    /// Nothing where the caller is not traced.
    pub fn begin() -> Option<Self> {
        let caller = Span::current();
        if caller.is_disabled() {
            return None;
        }
        let waiting = tracing::info_span!(target: TARGET, parent: &caller, "journal wait");
        Some(Self {
            caller,
            _waiting: waiting,
        })
    }

    /// The waiting ends and the transaction begins; it lasts as long as what is returned.
    pub fn taken(self) -> Span {
        tracing::info_span!(target: TARGET, parent: &self.caller, "journal transaction")
    }
}
