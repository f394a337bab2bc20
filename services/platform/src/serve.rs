//! Starting all services on one port, and stopping them so that what was acknowledged is finished.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use sunbid_certificates::Roots;
use sunbid_contracts::{
    journal::v1::log_service_server::LogServiceServer,
    sandbox::v1::sandbox_service_server::SandboxServiceServer,
};
use sunbid_journal::{DataDir, DataDirError, DataDirLock, Journal};
use sunbid_rules::Engine;
use sunbid_service::{
    Keys, Peers, Setting, StartError, Started,
    access::{AccessTable, TableFault},
    authentication::{AuthenticationLayer, Guard, Keyring},
    calls::LimitLayer,
    clock::{SandboxClock, SystemClock},
    connections,
    keys::KeyFault,
    log_service::Logs,
    peers::Identity,
    revocation::Revocations,
    setting::Database,
};
use sunbid_terms::Clock;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{service::RoutesBuilder, transport::Endpoint};

use crate::{
    config::{Config, ConfigFault},
    sandbox::Sandbox,
};

/// Every service of the platform, in the order they start.
pub const SERVICES: [&str; 7] = [
    "registry", "notice", "tender", "deposit", "bid", "opening", "audit",
];

/// File of a sandbox's clock in its data folder; trial trustees on the same machine share it.
pub const SANDBOX_CLOCK: &str = "sandbox-clock";

/// Largest pages and share sets, bytes.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// Why the platform does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Held(#[from] DataDirError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error(transparent)]
    Access(#[from] TableFault),
    #[error("the rule table cannot be used: {0}")]
    Rules(#[from] sunbid_rules::EngineError),
    #[error("{what}: {cause}")]
    Roots { what: String, cause: String },
    #[error("{address} cannot be served on: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the sandbox's clock cannot be used: {0}")]
    Clock(io::Error),
    #[error("serving failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// A running platform.
pub struct Platform {
    address: SocketAddr,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    tasks: JoinSet<()>,
    journals: Vec<Journal>,
    // Held as long as the platform runs; a second start is told who holds it.
    _lock: DataDirLock,
}

impl Platform {
    /// Starts every service on the installation in `data`, on the address that its settings name or
    /// on `listen`: several processes may serve one installation whose database is PostgreSQL.
    pub async fn start(
        data: &Path,
        sandbox: bool,
        listen: Option<SocketAddr>,
    ) -> Result<Self, ServeError> {
        let mut config = Config::read(data)?;
        if let Some(listen) = listen {
            config = config.serving_on(data, listen)?;
        }
        config.require_mode(data, sandbox)?;
        let storage = config.storage(data)?;
        let lock = match &storage {
            Database::Embedded => DataDir::lock(data, SystemClock.now())?,
            // Each address once; the database sees to the rest.
            Database::Postgres(_) => {
                let own = data.join("processes").join(config.listen.to_string());
                DataDir::lock(&own, SystemClock.now())?
            }
        };
        let mut sandbox_clock = None;
        let clock: Arc<dyn Clock> = if config.sandbox {
            let clock = SandboxClock::open(&data.join(SANDBOX_CLOCK)).map_err(ServeError::Clock)?;
            let clock = Arc::new(clock);
            sandbox_clock = Some(clock.clone());
            clock
        } else {
            Arc::new(SystemClock)
        };
        let listener =
            TcpListener::bind(config.listen)
                .await
                .map_err(|source| ServeError::Listen {
                    address: config.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen {
            address: config.listen,
            source,
        })?;
        let parts = Parts::new(data, &config, storage, clock, address)?;
        let mut services = parts.start_services(&config).await?;

        let mut routes = RoutesBuilder::default();
        let mut tasks = JoinSet::new();
        let mut logs = Vec::new();
        for service in &mut services {
            let install = std::mem::replace(&mut service.install, Box::new(|_| {}));
            install(&mut routes);
            logs.push((service.name, service.journal.clone()));
            let mut own = std::mem::take(&mut service.tasks);
            tasks.spawn(async move { while own.join_next().await.is_some() {} });
        }
        routes.add_service(
            LogServiceServer::new(Logs::new(logs)).max_encoding_message_size(LARGEST_MESSAGE),
        );
        if let Some(clock) = sandbox_clock {
            routes.add_service(SandboxServiceServer::new(Sandbox { clock }));
        }
        add_reflection(&mut routes)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        routes.add_service(health_service);

        let revocations = Revocations::default();
        tasks.spawn(
            revocations
                .clone()
                .follow(parts.peers("registry")?, parts.shutdown.clone()),
        );
        let guard = Guard {
            keyring: Keyring {
                people: vec![parts.keys.public("token")?],
                services: parts.keys.service_keys(&SERVICES)?,
            },
            table: AccessTable::built_in()?,
            revocations,
            clock: parts.clock.clone(),
            origin: config.origin.clone(),
        };
        let stop = parts.shutdown.clone();
        let connections = Box::pin(connections::incoming(
            listener,
            config.limits.most_connections(),
        ));
        let server = config
            .limits
            .server()
            .layer(AuthenticationLayer::new(guard))
            .layer(LimitLayer::new(config.limits))
            .add_routes(routes.routes())
            .serve_with_incoming_shutdown(connections, async move {
                stop.cancelled().await;
            });
        let server = tokio::spawn(server);
        health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        tracing::info!(%address, sandbox = config.sandbox, "serving");
        Ok(Self {
            address,
            shutdown: parts.shutdown,
            server,
            tasks,
            journals: services
                .into_iter()
                .map(|service| service.journal)
                .collect(),
            _lock: lock,
        })
    }

    /// Where it serves.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` comes true or the server ends by itself, then finishes what was taken.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let ended = tokio::select! {
            () = stop => None,
            ended = &mut self.server => Some(ended),
        };
        self.shutdown.cancel();
        let ended = match ended {
            Some(ended) => ended,
            None => {
                // Watchers may hold their streams open for ever: what was acknowledged is durable,
                // so a few seconds of courtesy are enough.
                let courtesy = std::time::Duration::from_secs(5);
                match tokio::time::timeout(courtesy, &mut self.server).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        self.server.abort();
                        Ok(Ok(()))
                    }
                }
            }
        };
        self.tasks.shutdown().await;
        for journal in &self.journals {
            journal.stop().await;
        }
        match ended {
            Ok(result) => Ok(result?),
            Err(join) => Err(ServeError::Start(StartError::Other {
                service: "platform",
                cause: join.to_string(),
            })),
        }
    }
}

/// What all services share while they start.
struct Parts {
    data: std::path::PathBuf,
    storage: Database,
    clock: Arc<dyn Clock>,
    rules: Arc<Engine>,
    roots: Arc<Roots>,
    keys: Keys,
    origin: String,
    sandbox: bool,
    endpoint: Endpoint,
    shutdown: CancellationToken,
}

impl Parts {
    fn new(
        data: &Path,
        config: &Config,
        storage: Database,
        clock: Arc<dyn Clock>,
        address: SocketAddr,
    ) -> Result<Self, ServeError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .initial_stream_window_size(4 * 1024 * 1024)
            .tcp_nodelay(true);
        Ok(Self {
            data: data.to_owned(),
            storage,
            clock,
            rules: Arc::new(Engine::new()?),
            roots: Arc::new(read_roots(data, config)?),
            keys: Keys::open(&data.join("keys"))?,
            origin: config.origin.clone(),
            sandbox: config.sandbox,
            endpoint,
            shutdown: CancellationToken::new(),
        })
    }

    fn peers(&self, service: &'static str) -> Result<Peers, ServeError> {
        let key = self.keys.pair(&format!("service-{service}"))?;
        let identity = Identity::new(service, key, self.clock.clone(), &self.origin);
        Ok(Peers::new(&self.endpoint, identity))
    }

    fn setting(&self, service: &'static str) -> Result<Setting, ServeError> {
        Ok(Setting {
            clock: self.clock.clone(),
            data: self.data.clone(),
            database: self.storage.clone(),
            peers: self.peers(service)?,
            rules: self.rules.clone(),
            roots: self.roots.clone(),
            keys: self.keys.clone(),
            origin: self.origin.clone(),
            sandbox: self.sandbox,
            shutdown: self.shutdown.clone(),
        })
    }

    async fn start_services(&self, config: &Config) -> Result<Vec<Started>, ServeError> {
        let bank = config
            .bank
            .as_ref()
            .map(|bank| sunbid_deposit::BankSettings {
                address: bank.address.clone(),
                trust_account: bank.trust_account.clone(),
                trust_name: bank.trust_name.clone(),
            });
        let audit = sunbid_audit::AuditSettings {
            epoch: std::time::Duration::from_secs(u64::from(config.epoch_seconds)),
            services: &SERVICES,
        };
        let started = tokio::try_join!(
            sunbid_registry::start(self.setting("registry")?),
            sunbid_notice::start(self.setting("notice")?),
            sunbid_tender::start(self.setting("tender")?),
            sunbid_deposit::start(self.setting("deposit")?, bank),
            sunbid_bid::start(self.setting("bid")?),
            sunbid_opening::start(self.setting("opening")?),
            sunbid_audit::start(self.setting("audit")?, audit),
        )?;
        Ok(vec![
            started.0, started.1, started.2, started.3, started.4, started.5, started.6,
        ])
    }
}

fn read_roots(data: &Path, config: &Config) -> Result<Roots, ServeError> {
    let mut ders = Vec::new();
    for file in &config.roots {
        let path = data.join(file);
        let fault = |cause: String| ServeError::Roots {
            what: path.display().to_string(),
            cause,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| fault(error.to_string()))?;
        ders.extend(
            sunbid_certificates::pem::certificates(&text)
                .map_err(|error| fault(error.to_string()))?,
        );
    }
    Roots::new(ders).map_err(|error| ServeError::Roots {
        what: "roots".to_owned(),
        cause: error.to_string(),
    })
}

fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), ServeError> {
    let fault = |error: tonic_reflection::server::Error| {
        ServeError::Start(StartError::Other {
            service: "reflection",
            cause: error.to_string(),
        })
    };
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(sunbid_contracts::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add_service(builder().build_v1().map_err(fault)?);
    routes.add_service(builder().build_v1alpha().map_err(fault)?);
    Ok(())
}
