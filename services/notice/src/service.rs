//! What the notice service holds: its logs' streams, names and reading.

use std::sync::Arc;

use sunbid_domain::notice::{Board, IntentState};
use sunbid_journal::{Journal, StreamId};
use sunbid_rules::Engine;
use sunbid_service::{Peers, Problem, ledger, names, page::Pages};
use sunbid_terms::Clock;
use tokio_util::sync::CancellationToken;

use crate::NAME;

/// The notice service's parts.
pub struct Notices {
    pub journal: Journal,
    pub peers: Peers,
    pub rules: Arc<Engine>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: CancellationToken,
    pub pages: Pages,
}

/// The one stream of a tender's notice log.
pub fn board_stream() -> StreamId {
    StreamId::of("board")
}

/// The one stream of an intent's log.
pub fn intent_stream() -> StreamId {
    StreamId::of("intent")
}

/// An asker's stream in the log of a tender's questions.
pub fn asker_stream(asker: &str) -> StreamId {
    StreamId::of(&format!("questions/{asker}"))
}

/// What the log of a tender's questions is about. Apart from the tender's own log, whose records
/// everybody may have one day: these tell who asked.
pub fn questions_scope(tender: &str) -> String {
    format!("{tender}/questions")
}

impl Notices {
    /// A tender's board as last committed.
    pub async fn board(&self, tender: &str) -> Result<Board, Problem> {
        ledger::read(&self.journal, names::log_of(NAME, tender), board_stream()).await
    }

    /// A published intent; none if there is none of this name.
    pub async fn intent_state(&self, name: &str) -> Result<IntentState, Problem> {
        ledger::read(&self.journal, names::log_of(NAME, name), intent_stream()).await
    }
}
