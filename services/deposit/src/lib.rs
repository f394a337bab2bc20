//! Bid deposits: a virtual account for each supplier and lot, a double-entry ledger, refunds.
//! Needs a bank that speaks the messages of `sunbid_bankwire`; learns tenders from the notice logs
//! and what became of bids from the bid logs. Before the opening only the supplier and services see
//! that a deposit exists; no line of the process log names a payer or an amount.

mod bank;
mod deposits;
mod follow;
mod money;
mod rpc;
mod rpc_deposits;
mod rpc_ledger;
mod standing;
mod store;

use std::sync::Arc;

use sunbid_contracts::deposit::v1::deposit_service_server::DepositServiceServer;
use sunbid_journal::Lease;
use sunbid_service::{Setting, StartError, Started, follow::Follower};
use tokio::task::JoinSet;

use deposits::Deposits;
pub use store::{MIGRATIONS, SQL};

/// Name of this service in logs, actors and files.
pub const SERVICE: &str = "deposit";

/// Names the cursor in the bid logs.
pub(crate) const BIDS_CONSUMER: &str = "deposit-bids";

/// The bank that keeps the deposits.
#[derive(Clone, Debug)]
pub struct BankSettings {
    /// Where it listens, such as "127.0.0.1:7801".
    pub address: String,
    /// The account under which all virtual accounts are.
    pub trust_account: String,
    /// Its owner, as the bank knows it.
    pub trust_name: String,
}

/// Starts the service, its followers and its connection to the bank.
pub async fn start(setting: Setting, bank: Option<BankSettings>) -> Result<Started, StartError> {
    let journal = setting.journal(SERVICE, MIGRATIONS).await?;
    let deposits = Arc::new(Deposits {
        journal: journal.clone(),
        clock: setting.clock.clone(),
        rules: setting.rules.clone(),
        peers: setting.peers.clone(),
        pages: setting.pages(SERVICE)?,
    });
    let mut tasks = JoinSet::new();
    let follower = |service, consumer| Follower {
        journal: journal.clone(),
        peers: setting.peers.clone(),
        service,
        consumer,
        shutdown: setting.shutdown.clone(),
    };
    let notices = deposits.clone();
    tasks.spawn(follower("notice", "deposit-terms").run(move |entry| {
        let deposits = notices.clone();
        async move { follow::notice(&deposits, entry).await }
    }));
    let bids = deposits.clone();
    tasks.spawn(follower("bid", BIDS_CONSUMER).run(move |entry| {
        let deposits = bids.clone();
        async move { follow::bid(&deposits, entry).await }
    }));
    tasks.spawn(standing::show(deposits.clone(), setting.shutdown.clone()));
    // Without a bank, accounts are given out and nothing is ever credited.
    if let Some(bank) = bank {
        let lease = Lease::new(journal.db().clone(), "bank");
        let lease = lease.map_err(|error| StartError::Other {
            service: SERVICE,
            cause: error.to_string(),
        })?;
        let stop = setting.shutdown.clone();
        tasks.spawn(bank::run(deposits.clone(), bank, lease, stop));
    }
    Ok(Started {
        name: SERVICE,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(DepositServiceServer::from_arc(deposits));
        }),
        tasks,
    })
}
