//! The bid service: sealed submission, replacement and withdrawal, receipts, sealed files, closing.
//! Needs the notice log (which tenders are announced) and, for lots with a deposit, the deposit
//! service. Holds ciphertext only; what it tells before the opening, it tells a bid's owner alone. It
//! measures when bids can be taken, and moves deadlines that an outage fell on.

mod bidding;
mod boxes;
mod checks;
mod closed;
mod closing;
mod follow;
mod intake;
mod line;
mod outages;
mod own;
mod payloads;
mod pieces;
mod proving;
mod receipt;
mod receiving;
mod rpc;
mod store;
mod streams;
mod submission;
mod submit;
mod supplier;
mod sweeping;
mod upload;
mod vault;
mod way;
mod withdraw;

use std::sync::Arc;

use sunbid_contracts::bid::v1::bid_service_server::BidServiceServer;
use sunbid_objects::Store;
use sunbid_service::{Setting, StartError, Started};
use tokio::task::JoinSet;

pub use vault::FREE_SPACE_FLOOR;

/// Name of the service in logs, names and tokens.
pub const NAME: &str = "bid";

/// Largest request: a submission with all its inline payloads.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// Largest answer: a page of closed bids with their certificates.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Starts the service; sealed files are kept in `files`.
pub async fn start(setting: Setting, files: Store) -> Result<Started, StartError> {
    start_with(setting, files, FREE_SPACE_FLOOR).await
}

/// Starts the service; uploads leave `free_space_floor` bytes of the disk for everything else.
pub async fn start_with(
    setting: Setting,
    files: Store,
    free_space_floor: u64,
) -> Result<Started, StartError> {
    let other = |cause: String| StartError::Other {
        service: NAME,
        cause,
    };
    let journal = setting.journal(NAME, store::MIGRATIONS).await?;
    let vault = vault::Vault::open(&setting.data.join(NAME), &files, free_space_floor)
        .map_err(|error| other(format!("the folder of sealed bids cannot be used: {error}")))?;
    let streams = streams::BidStreams::open(journal.db())
        .await
        .map_err(|problem| other(format!("the database's secret cannot be read: {problem:?}")))?;
    let office = Arc::new(rpc::Office {
        streams,
        clock: setting.clock.clone(),
        rules: setting.rules.clone(),
        peers: setting.peers.clone(),
        receipts: receipt::Receipts::new(setting.keys.pair("receipt")?),
        pages: setting.pages(NAME)?,
        suppliers: supplier::Suppliers::new(setting.roots.clone()),
        boxes: boxes::Boxes::default(),
        uploads: upload::Uploads::default(),
        closed: closed::ClosedLogs::default(),
        line: line::Line::default(),
        checks: checks::Checks::default(),
        vault,
        standing: Arc::default(),
        proving: tokio::sync::Mutex::default(),
        failing: std::sync::Mutex::default(),
        journal: journal.clone(),
    });
    office
        .learn_schedule()
        .await
        .map_err(|problem| other(format!("the open tenders cannot be read: {problem:?}")))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(proving::run(office.clone(), setting.shutdown.clone()));
    tasks.spawn(closing::run(office.clone(), setting.shutdown.clone()));
    tasks.spawn(sweeping::run(office.clone(), setting.shutdown.clone()));
    tasks.spawn(follow::run(office.clone(), setting.shutdown.clone()));
    Ok(Started {
        name: NAME,
        journal,
        install: Box::new(move |routes| {
            let server = BidServiceServer::new(rpc::Rpc { office })
                .max_decoding_message_size(LARGEST_REQUEST)
                .max_encoding_message_size(LARGEST_ANSWER);
            routes.add_service(server);
        }),
        tasks,
    })
}
