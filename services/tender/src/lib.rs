//! The tender service: drafts, documents, reviews, key ceremonies, holds and ends of tenders.
//! Needs the registry for holders' keys, the notice service for intents and announcements, the bid
//! service to hold and end bidding. Never sees a bid.

mod ceremonies;
mod documents;
mod drafts;
mod files;
mod follow;
mod lifecycle;
mod reading;
mod rpc;
mod service;
mod store;

use std::sync::Arc;

use sunbid_contracts::tender::v1::tender_service_server::TenderServiceServer;
use sunbid_journal::Migration;
use sunbid_objects::Store;
use sunbid_service::{Setting, StartError, Started, feed::Feeds};

use service::Tenders;

/// The service's name in logs, tokens and files.
pub const NAME: &str = "tender";

/// Largest request: a chunk of a document with its frame, or a draft with all its clauses.
const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: NAME,
    sql: include_str!("../../../migrations/tender/0001_tender.sql"),
}];

/// Starts the service; documents are kept in `files`.
pub async fn start(setting: Setting, files: Store) -> Result<Started, StartError> {
    let journal = setting.journal(NAME, MIGRATIONS).await?;
    let pages = setting.pages(NAME)?;
    let files = files::Documents::open(&setting.data, &files)
        .await
        .map_err(|error| StartError::Other {
            service: NAME,
            cause: error.to_string(),
        })?;
    let tenders = Arc::new(Tenders {
        journal: journal.clone(),
        peers: setting.peers.clone(),
        rules: setting.rules.clone(),
        clock: setting.clock.clone(),
        shutdown: setting.shutdown.clone(),
        pages,
        files,
        roots: setting.roots.clone(),
        origin: setting.origin.clone(),
        waiting: Feeds::default(),
    });
    let tasks = follow::start(&tenders);
    let service = rpc::Rpc { tenders };
    Ok(Started {
        name: NAME,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(
                TenderServiceServer::new(service)
                    .max_decoding_message_size(LARGEST_MESSAGE)
                    .max_encoding_message_size(LARGEST_MESSAGE),
            );
        }),
        tasks,
    })
}
