//! A bank for trials: it speaks the real messages on a loopback port, keeps its books over a
//! restart, and pays an order once. It holds no money; nothing that leaves this machine is taken.
//!
//! Suppliers pay by pain.001 into the virtual accounts of one trust account; the platform asks for
//! its credits by camt.060, is told by camt.054 until it acknowledges by admi.007, and orders
//! refunds by pain.001, answered by pain.002.

mod books;
mod client;
mod connection;
mod desk;
mod file;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use sunbid_bankwire::Party;
use sunbid_terms::Clock;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use books::{NOTIFY_TWICE, is_virtual_account};
pub use client::{PayFault, Transfer, pay};
use desk::Desk;
pub use file::FileFault;

/// More connections than this wait.
const MOST_CONNECTIONS: usize = 64;

/// What the simulated bank is.
#[derive(Clone)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// Whose credits are notified: the owner of all virtual accounts.
    pub trust: Party,
    /// Where the books are kept: messages one after another, only ever appended to.
    pub file: PathBuf,
    /// Accounts that no longer take money, from the start.
    pub closed_accounts: Vec<String>,
}

/// Why the bank is not open.
#[derive(Debug, thiserror::Error)]
pub enum BankFault {
    #[error("the bank simulator listens on loopback addresses only, {0} is none")]
    NotLoopback(SocketAddr),
    #[error("the bank simulator cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    File(#[from] FileFault),
}

/// A bank that is open.
pub struct Bank {
    address: SocketAddr,
    desk: Desk,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Bank {
    /// Opens the books and the port; port 0 takes a free one.
    pub async fn open(address: SocketAddr, options: Options) -> Result<Self, BankFault> {
        if !address.ip().is_loopback() {
            return Err(BankFault::NotLoopback(address));
        }
        let listen = |source| BankFault::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let desk = Desk::open(options, shutdown.clone(), &mut tasks).await?;
        tasks.spawn(accept(listener, desk.clone(), shutdown.clone()));
        Ok(Self {
            address,
            desk,
            shutdown,
            tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether an account takes money from now on; until the bank is closed.
    pub async fn set_closed(&self, account: &str, closed: bool) {
        self.desk.set_closed(account, closed).await;
    }

    /// What lies on the trust account, and how many payments left it.
    pub async fn trust_balance(&self) -> (sunbid_terms::Fen, usize) {
        self.desk.balance().await
    }

    /// Ends every connection at once, as a power cut would.
    pub async fn close(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Stays open until `shutdown`, or until the books cannot be written.
    async fn stay(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.shutdown.cancelled() => {}
        }
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Serves until `shutdown`.
pub async fn serve(
    address: SocketAddr,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), BankFault> {
    let bank = Bank::open(address, options).await?;
    tracing::info!(address = %bank.address(), "the bank simulator is open");
    bank.stay(shutdown).await;
    Ok(())
}

async fn accept(listener: TcpListener, desk: Desk, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection::run(stream, desk.clone(), shutdown.clone()));
                    }
                    Err(error) => tracing::warn!(%error, "a connection was not accepted"),
                }
            }
        }
    }
    connections.shutdown().await;
}
