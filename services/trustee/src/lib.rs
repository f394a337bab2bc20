//! The daemon of an institution that holds a share of tenders' keys. It takes part in key
//! ceremonies, witnesses the public log, and opens: it checks the closed bid log record by record,
//! signs its closing once, and gives its shares - never before the deadline by the records and by its
//! own clock. It only ever calls the platform; nothing listens here, and it believes nothing it
//! is told that it can check.

mod behaviour;
mod ceremony;
mod connection;
mod fault;
mod folder;
mod loss;
mod opening;
mod shown;
mod vault;
mod witness;

use std::{path::Path, sync::Arc};

use sunbid_terms::Clock;
use tokio_util::sync::CancellationToken;

pub use behaviour::Behaviour;
pub use connection::endpoint;
pub use fault::TrusteeFault;
pub use folder::{PublicKeys, Settings, forget, initialise, public_keys};
pub use loss::accept_loss;
pub use vault::{Effort, Vault};

use connection::Connection;
use folder::Folder;

/// Everything a duty works with.
pub(crate) struct Trustee {
    folder: Folder,
    connection: Connection,
    clock: Arc<dyn Clock>,
    behaviour: Behaviour,
    shutdown: CancellationToken,
    // Held while a checkpoint is compared with the last one and kept: two duties do that.
    witnessing: tokio::sync::Mutex<()>,
}

/// Runs the daemon of the institution whose folder this is until `shutdown`.
pub async fn run(
    folder: &Path,
    passphrase: &[u8],
    effort: Effort,
    clock: Arc<dyn Clock>,
    behaviour: Behaviour,
    shutdown: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), TrusteeFault> {
    let folder = Folder::open(folder, passphrase, effort)?;
    let connection = Connection::new(&folder, clock.clone())?;
    behaviour.check(&folder.settings)?;
    let trustee = Arc::new(Trustee {
        folder,
        connection,
        clock,
        behaviour,
        shutdown,
        witnessing: tokio::sync::Mutex::default(),
    });
    ready();
    tokio::try_join!(
        ceremony::duty(&trustee),
        witness::duty(&trustee),
        opening::duty(&trustee)
    )?;
    Ok(())
}

impl Trustee {
    /// Waits a moment before the platform is called again; true when the daemon is to stop.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => true,
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => false,
        }
    }
}
