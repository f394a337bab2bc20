//! Making an installation: its folder, settings, roots and the trading centre's first administrator.
//! Refuses a folder that holds one already; never runs on a running platform.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use sunbid_certificates::Roots;
use sunbid_journal::{DataDir, DataDirError};
use sunbid_service::{
    Keys,
    clock::{SandboxClock, SystemClock},
    keys::KeyFault,
    limits::Limits,
};
use sunbid_terms::Clock;

use crate::{
    config::{Accounts, Bank, Config, ConfigFault, FILE, Revocation, Telemetry},
    serve::SANDBOX_CLOCK,
};

/// What a new installation is made of.
#[derive(Clone, Debug)]
pub struct Initialisation {
    pub origin: String,
    pub listen: SocketAddr,
    pub sandbox: bool,
    pub epoch_seconds: u32,
    pub bank: Option<Bank>,
    /// Address of a PostgreSQL database; nothing: SQLite files in the folder.
    pub database: Option<String>,
    /// File with its password.
    pub database_password_file: Option<PathBuf>,
    /// Takes a database that may lose what it acknowledged.
    pub accept_loss_on_failure: bool,
    /// Certificate roots, PEM.
    pub roots_pem: String,
    /// Certificate of the trading centre's first administrator, DER.
    pub administrator: Vec<u8>,
    /// Certificates between it and a root, DER.
    pub intermediates: Vec<Vec<u8>>,
}

/// Why no installation was made.
#[derive(Debug, thiserror::Error)]
pub enum InitialiseError {
    #[error("{0} holds an installation already")]
    Exists(PathBuf),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Held(#[from] DataDirError),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error("the roots cannot be used: {0}")]
    Roots(String),
    #[error("the administrator cannot be enrolled: {0}")]
    Administrator(String),
}

/// Makes the installation in `data`.
pub async fn initialise(data: &Path, with: Initialisation) -> Result<Config, InitialiseError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| InitialiseError::Io { path, source }
    };
    if data.join(FILE).exists() {
        return Err(InitialiseError::Exists(data.to_owned()));
    }
    fs::create_dir_all(data.join("roots")).map_err(io(data))?;
    let _lock = DataDir::lock(data, SystemClock.now())?;
    let ders = sunbid_certificates::pem::certificates(&with.roots_pem)
        .map_err(|error| InitialiseError::Roots(error.to_string()))?;
    let roots = Roots::new(ders).map_err(|error| InitialiseError::Roots(error.to_string()))?;
    let file = PathBuf::from("roots/roots.pem");
    fs::write(data.join(&file), &with.roots_pem).map_err(io(&data.join(&file)))?;
    let config = Config {
        origin: with.origin,
        listen: with.listen,
        behind_tls_proxy: false,
        sandbox: with.sandbox,
        roots: vec![file],
        revocation: Revocation::default(),
        accounts: Accounts::default(),
        passkeys: None,
        provider: None,
        epoch_seconds: with.epoch_seconds,
        limits: Limits::default(),
        telemetry: Telemetry::default(),
        database: with.database,
        database_password_file: with.database_password_file,
        objects: None,
        accept_loss_on_failure: with.accept_loss_on_failure,
        bank: with.bank,
        database_connections: crate::config::DATABASE_CONNECTIONS,
        require_synchronous_standby: false,
        sandbox_clock: None,
        tls: None,
        mutual: None,
        peers: BTreeMap::new(),
    };
    let storage = config.storage(data)?;
    Keys::open(&data.join("keys"))?;
    let clock: Arc<dyn Clock> = if config.sandbox {
        let file = data.join(SANDBOX_CLOCK);
        Arc::new(SandboxClock::open(&file).map_err(io(&file))?)
    } else {
        Arc::new(SystemClock)
    };
    sunbid_registry::bootstrap(
        data,
        &storage,
        clock,
        &roots,
        &with.administrator,
        &with.intermediates,
    )
    .await
    .map_err(|error| InitialiseError::Administrator(error.to_string()))?;
    // Written last: a folder with settings is a whole installation.
    config.write(data)?;
    Ok(config)
}
