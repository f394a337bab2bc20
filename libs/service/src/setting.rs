//! What a service is handed when it starts, and what it hands back.
//! A service knows nothing of the process it runs in beyond this.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sunbid_certificates::Roots;
use sunbid_journal::{Db, Journal, Migration, OpenError, Postgres, ReadError};
use sunbid_rules::Engine;
use sunbid_terms::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

use crate::{Keys, Peers, keys::KeyFault, page::Pages, sampling};

/// Where a service keeps its state and records.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file for each service in the data folder.
    Embedded,
    /// A PostgreSQL database; each service has a schema of its own.
    Postgres(Arc<Postgres>),
}

impl Database {
    /// Opens what `service` keeps; `data` is the data folder of the platform.
    pub async fn open(&self, data: &Path, service: &'static str) -> Result<Db, ReadError> {
        match self {
            Self::Embedded => Db::sqlite(&data.join(format!("{service}.db"))).await,
            Self::Postgres(settings) => {
                Db::postgres(&Postgres::clone(settings).in_schema(service)).await
            }
        }
    }
}

/// Everything a service needs from outside.
#[derive(Clone)]
pub struct Setting {
    pub clock: Arc<dyn Clock>,
    /// Data folder of the platform.
    pub data: PathBuf,
    pub database: Database,
    pub peers: Peers,
    pub rules: Arc<Engine>,
    pub roots: Arc<Roots>,
    pub keys: Keys,
    /// The platform's name in logs, notes and tokens, such as "sunbid.example/log".
    pub origin: String,
    /// A trial platform whose clock can be moved.
    pub sandbox: bool,
    pub shutdown: CancellationToken,
}

/// A service that runs.
pub struct Started {
    pub name: &'static str,
    pub journal: Journal,
    /// Adds the service's gRPC services to a server.
    pub install: Box<dyn FnOnce(&mut RoutesBuilder) + Send>,
    /// Followers and timers; they end when the setting's `shutdown` is cancelled.
    pub tasks: JoinSet<()>,
}

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{service}: {source}")]
    Journal {
        service: &'static str,
        source: OpenError,
    },
    #[error("a key cannot be used: {0}")]
    Key(#[from] KeyFault),
    #[error("{service}: {cause}")]
    Other {
        service: &'static str,
        cause: String,
    },
}

impl Setting {
    /// Opens the database of `service`, brings its own tables up to date and starts its journal.
    pub async fn journal(
        &self,
        service: &'static str,
        migrations: &[Migration],
    ) -> Result<Journal, StartError> {
        let fault = |source: OpenError| StartError::Journal { service, source };
        let db = self.database.open(&self.data, service).await;
        let db = db.map_err(|error| fault(error.into()))?;
        db.migrate(migrations).await.map_err(fault)?;
        let journal = Journal::open(db, self.clock.clone()).await.map_err(fault)?;
        sampling::watch_batches(service, &journal);
        Ok(journal)
    }

    /// The page tokens of `service`.
    pub fn pages(&self, service: &str) -> Result<Pages, StartError> {
        Ok(Pages::new(&self.keys.secret(&format!("pages-{service}"))?))
    }
}
