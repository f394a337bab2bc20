//! The notice service: intents, tender notices, clarifications, questions, and the notices that
//! follow from other services' records. Asks the tender service for tenders and the bid service to
//! move deadlines. Publishes once and never changes what it published.

mod asking;
mod follow;
mod publishing;
mod reading;
mod reserving;
mod rpc;
mod service;
mod store;

use std::sync::Arc;

use sunbid_contracts::notice::v1::notice_service_server::NoticeServiceServer;
use sunbid_journal::Migration;
use sunbid_service::{Setting, StartError, Started};

use service::Notices;

/// The service's name in logs, tokens and files.
pub const NAME: &str = "notice";

/// Largest request or answer: a page of notices with their tenders.
const LARGEST_MESSAGE: usize = 16 * 1024 * 1024;

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: NAME,
        sql: include_str!("../../../migrations/notice/0001_notice.sql"),
    },
    Migration {
        version: 2,
        name: NAME,
        sql: include_str!("../../../migrations/notice/0002_reservation.sql"),
    },
];

/// Starts the service.
pub async fn start(setting: Setting) -> Result<Started, StartError> {
    let journal = setting.journal(NAME, MIGRATIONS).await?;
    let pages = setting.pages(NAME)?;
    let notices = Arc::new(Notices {
        journal: journal.clone(),
        peers: setting.peers.clone(),
        rules: setting.rules.clone(),
        clock: setting.clock.clone(),
        shutdown: setting.shutdown.clone(),
        pages,
    });
    let tasks = follow::start(&notices);
    let service = rpc::Rpc { notices };
    Ok(Started {
        name: NAME,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(
                NoticeServiceServer::new(service)
                    .max_decoding_message_size(LARGEST_MESSAGE)
                    .max_encoding_message_size(LARGEST_MESSAGE),
            );
        }),
        tasks,
    })
}
