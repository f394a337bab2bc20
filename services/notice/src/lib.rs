//! What is published: procurement intents, tender notices, clarifications, questions, and the
//! notices that follow from other services' records. Published is published: nothing is changed.

mod follow;
mod publish;
mod questions;
mod rpc;
mod store;

use std::sync::Arc;

use sunbid_contracts::notice::v1::notice_service_server::NoticeServiceServer;
use sunbid_journal::Journal;
use sunbid_proofs::StreamId;
use sunbid_service::{Setting, StartError, Started, page::Pages};
use tokio::task::JoinSet;

/// Name in logs, tokens and file names.
pub const SERVICE: &str = "notice";

/// Everything the front door needs.
#[derive(Clone)]
pub struct Notices {
    setting: Setting,
    journal: Journal,
    pages: Arc<Pages>,
}

/// The stream of a tender's board in the tender's log.
fn board_stream() -> StreamId {
    StreamId::of("board")
}

/// The stream of an intent in its log.
fn intent_stream() -> StreamId {
    StreamId::of("intent")
}

/// The stream of one organisation's questions about a tender.
fn questions_stream(asker: &str) -> StreamId {
    StreamId::of(&format!("questions/{asker}"))
}

/// Starts the service.
pub async fn start(setting: Setting) -> Result<Started, StartError> {
    let journal = setting.journal(SERVICE, store::MIGRATIONS).await?;
    let pages = Arc::new(setting.pages(SERVICE)?);
    let notices = Notices { setting, journal: journal.clone(), pages };
    let mut tasks = JoinSet::new();
    follow::start(&notices, &mut tasks);
    Ok(Started {
        name: SERVICE,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(NoticeServiceServer::new(notices));
        }),
        tasks,
    })
}
