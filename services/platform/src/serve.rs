//! Starting services on one port - all of them, some, or the front door to the others - and stopping them
//! so that what was acknowledged is finished.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use futures_util::future::try_join_all;

use sunbid_certificates::Roots;
use sunbid_contracts::{
    journal::v1::log_service_server::LogServiceServer,
    sandbox::v1::sandbox_service_server::SandboxServiceServer,
};
use sunbid_journal::{DataDir, DataDirError, DataDirLock, Journal};
use sunbid_objects::{Store, StoreFault};
use sunbid_rules::Engine;
use sunbid_service::{
    Keys, Peers, Setting, StartError, Started,
    access_log::{AccessLogLayer, AccessLogs},
    authentication::{AuthenticationLayer, Guard, Keyring},
    calls::LimitLayer,
    clock::{self, SandboxClock, SystemClock},
    connections::{self, Admission, Room},
    deadline::DeadlineLayer,
    keys::KeyFault,
    log_service::Logs,
    observing::{ObserveLayer, Place, Tracing},
    peers::{Identity, Roads},
    revocation::Revocations,
    setting::Database,
    tls::{self, ConnectionLayer, Face, TlsFault},
    wire::WireLayer,
};
use sunbid_telemetry::scrape;
use sunbid_terms::Clock;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, RoutesBuilder},
    transport::Server,
};
use tonic_health::server::HealthReporter;

use crate::{
    config::{Config, ConfigFault},
    doors::{self, Doors},
    front::FrontLayer,
    readiness,
    revoked::RevokedFiles,
    sandbox::Sandbox,
    watching,
};

/// Every service of the platform, in the order they start.
pub const SERVICES: [&str; 7] = [
    "registry", "notice", "tender", "deposit", "bid", "opening", "audit",
];

/// Services that keep files.
pub const KEEP_FILES: [&str; 2] = ["tender", "bid"];

/// File of a sandbox's clock in its data folder; trial trustees on the same machine share it.
pub const SANDBOX_CLOCK: &str = "sandbox-clock";

/// Folder with a lock for each process that serves an installation on PostgreSQL.
pub const PROCESSES: &str = "processes";

/// Largest pages and share sets, bytes.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// How long callers have for what is under way when a process stops.
const COURTESY: Duration = Duration::from_secs(5);

/// What a process serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every service, on one port for everybody.
    Whole,
    /// Some services, for other processes of the platform alone.
    Apart(Vec<&'static str>),
    /// The one address for everybody outside, in front of services that run apart.
    Front,
}

impl Part {
    pub fn services(&self) -> &[&'static str] {
        match self {
            Self::Whole => &SERVICES,
            Self::Apart(services) => services,
            Self::Front => &[],
        }
    }
}

impl Part {
    /// Whom its port is for.
    const fn place(&self) -> Place {
        match self {
            Self::Whole => Place::Edge,
            Self::Apart(_) => Place::Inside,
            Self::Front => Place::Front,
        }
    }

    /// The name of its process in traces.
    pub fn process(&self) -> String {
        match self {
            Self::Whole => "platform".to_owned(),
            Self::Apart(services) => services.join("+"),
            Self::Front => "front".to_owned(),
        }
    }
}

/// What writes the access logs; ends after the last call.
struct AccessWriter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl AccessWriter {
    fn start(logs: AccessLogs) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(logs.run(stop.clone()));
        Self { stop, task }
    }

    /// Writes what is left, unless the database is away.
    async fn finish(self) {
        self.stop.cancel();
        if tokio::time::timeout(COURTESY, self.task).await.is_err() {
            tracing::error!("the last refusals were not written");
        }
    }
}

fn observing(config: &Config, place: Place) -> ObserveLayer {
    let tracing = Tracing {
        percent: config.telemetry.sample_percent,
        join_callers: config.telemetry.join_callers,
        sealed: config.telemetry.trace_sealed_calls,
    };
    ObserveLayer::new(tracing, place)
}

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
    #[error("the rule table cannot be used: {0}")]
    Rules(#[from] sunbid_rules::EngineError),
    #[error("{what}: {cause}")]
    Roots { what: String, cause: String },
    #[error("revocation list {path} cannot be used: {cause}")]
    Revoked {
        path: std::path::PathBuf,
        cause: String,
    },
    #[error("{address} cannot be served on: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error("{missing} is missing in the settings: {why}")]
    Missing { missing: String, why: &'static str },
    #[error("the object store cannot be used: {0}")]
    Files(#[from] StoreFault),
    #[error("the sandbox's clock cannot be used: {0}")]
    Clock(io::Error),
    #[error("serving failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// A running process of the platform.
pub struct Platform {
    address: SocketAddr,
    shutdown: CancellationToken,
    servers: JoinSet<Result<(), tonic::transport::Error>>,
    face: Option<Arc<Face>>,
    // Where services judge certificates.
    revoked: Option<Arc<RevokedFiles>>,
    health: HealthReporter,
    tasks: JoinSet<()>,
    journals: Vec<Journal>,
    access: Option<AccessWriter>,
    // Held as long as the process runs; a second start is told who holds it.
    _lock: DataDirLock,
}

impl Platform {
    /// Starts `part` of the platform on the folder `data`, whose settings are `config`.
    pub async fn start(
        data: &Path,
        config: &Config,
        sandbox: bool,
        part: &Part,
    ) -> Result<Self, ServeError> {
        config.require_mode(data, sandbox)?;
        let lock = lock(data, config, part)?;
        let doors = Doors::open(data, config, part)?;
        let (listener, address) = listen(config.listen).await?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = RoutesBuilder::default();
        add_reflection(&mut routes)?;
        routes.add_service(health_service);
        let mut platform = Self {
            address,
            shutdown: CancellationToken::new(),
            servers: JoinSet::new(),
            face: doors.face.clone(),
            revoked: None,
            health: health.clone(),
            tasks: JoinSet::new(),
            journals: Vec::new(),
            access: None,
            _lock: lock,
        };
        platform.show_metrics(config).await?;
        if *part == Part::Front {
            let roads = doors.roads(config, address)?;
            platform.serve_front(data, config, listener, routes.routes(), roads)?;
        } else {
            platform
                .serve_services(data, config, part, doors, listener, routes)
                .await?;
        }
        health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        tracing::info!(%address, sandbox = config.sandbox, ?part, "serving");
        Ok(platform)
    }

    /// Metrics have an address of their own, where no caller of the platform comes.
    async fn show_metrics(&mut self, config: &Config) -> Result<(), ServeError> {
        if let Some(address) = config.telemetry.metrics {
            let fault = |source| ServeError::Listen { address, source };
            let listener = scrape::listen(address).await.map_err(fault)?;
            self.tasks
                .spawn(scrape::serve(listener, self.shutdown.clone()));
        }
        Ok(())
    }

    /// Watches what is the process's own, in a task.
    fn watch(&mut self, data: &Path, config: &Config, journals: Vec<(&'static str, Journal)>) {
        let (data, config, stop) = (data.to_owned(), config.clone(), self.shutdown.clone());
        self.tasks
            .spawn(async move { watching::run(data, &config, journals, stop).await });
    }

    fn serve_front(
        &mut self,
        data: &Path,
        config: &Config,
        listener: TcpListener,
        routes: Routes,
        roads: Arc<Roads>,
    ) -> Result<(), ServeError> {
        self.watch(data, config, Vec::new());
        let observe = observing(config, Place::Front);
        let stop = self.shutdown.clone();
        self.tasks.spawn(readiness::repeat(
            self.health.clone(),
            roads.clone(),
            stop.clone(),
        ));
        let limits = config.limits;
        let incoming = connections::incoming(listener, limits.room(!config.behind_tls_proxy));
        let incoming = Box::pin(tls::incoming(incoming, self.face.clone()));
        let server = limits
            .server()
            .layer(WireLayer)
            .layer(ConnectionLayer::<Admission>::new())
            // Whose calls they are, the services know; they count them.
            .layer(LimitLayer::uncounted(limits))
            .layer(observe)
            .layer(FrontLayer::new(roads))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, async move {
                stop.cancelled().await;
            });
        self.servers.spawn(server);
        Ok(())
    }

    async fn serve_services(
        &mut self,
        data: &Path,
        config: &Config,
        part: &Part,
        doors: Doors,
        listener: TcpListener,
        mut routes: RoutesBuilder,
    ) -> Result<(), ServeError> {
        // A process with all services and a certificate for the world calls itself where nobody else
        // comes, and takes nobody else for a service.
        let inner = match (part, &doors.face) {
            (Part::Whole, Some(_)) => Some(listen(doors::INNER).await?),
            _ => None,
        };
        let own = inner.as_ref().map_or(self.address, |(_, inner)| *inner);
        let roads = doors.roads(config, own)?;
        let mut sandbox_clock = None;
        let clock: Arc<dyn Clock> = if config.sandbox {
            let file = config.sandbox_clock.as_deref();
            let file = data.join(file.unwrap_or(Path::new(SANDBOX_CLOCK)));
            let clock = Arc::new(SandboxClock::open(&file).map_err(ServeError::Clock)?);
            sandbox_clock = Some(clock.clone());
            clock
        } else {
            Arc::new(clock::of_process())
        };
        let storage = config.storage(data)?;
        let files = if part.services().iter().any(|name| KEEP_FILES.contains(name)) {
            let files = config.files(data)?;
            files.check().await?;
            Some(files)
        } else {
            None
        };
        let parts = Parts::new(
            data,
            config,
            (storage, files),
            clock,
            roads.clone(),
            self.shutdown.clone(),
        )?;
        let revoked = Arc::new(RevokedFiles::new(
            data,
            &config.revocation,
            parts.roots.clone(),
            parts.clock.clone(),
        ));
        revoked.read()?;
        self.tasks
            .spawn(revoked.clone().follow(self.shutdown.clone()));
        self.revoked = Some(revoked);
        let services = parts.start_services(config, part.services()).await?;

        let mut logs = Vec::new();
        let mut watched = Vec::new();
        for mut service in services {
            (service.install)(&mut routes);
            logs.push((service.name, service.journal.clone()));
            watched.push(readiness::Watched {
                name: service.name,
                journal: service.journal.clone(),
            });
            self.journals.push(service.journal);
            self.tasks
                .spawn(async move { while service.tasks.join_next().await.is_some() {} });
        }
        self.watch(data, config, logs.clone());
        let access = AccessLogs::new(logs.iter().cloned(), &parts.clock);
        self.access = Some(AccessWriter::start(access.clone()));
        routes.add_service(
            LogServiceServer::new(Logs::new(logs)).max_encoding_message_size(LARGEST_MESSAGE),
        );
        if let Some(clock) = sandbox_clock
            && part.services().contains(&"registry")
        {
            routes.add_service(SandboxServiceServer::new(Sandbox { clock }));
        }
        self.tasks.spawn(readiness::watch(
            self.health.clone(),
            watched,
            roads,
            self.shutdown.clone(),
        ));
        let revocations = Revocations::default();
        // Who asks for revocations: any service of this process.
        let asking = part.services().first().copied().unwrap_or("registry");
        self.tasks.spawn(
            revocations
                .clone()
                .follow(parts.peers(asking)?, self.shutdown.clone()),
        );
        let guard = AuthenticationLayer::new(Guard {
            keyring: Keyring {
                people: vec![parts.keys.public("token")?],
                services: parts.keys.service_keys(&SERVICES)?,
            },
            revocations,
            clock: parts.clock.clone(),
            origin: config.origin.clone(),
        });
        let routes = routes.routes();
        // One count and one access log for both doors.
        let limits = LimitLayer::new(config.limits);
        let observe = observing(config, part.place());
        let access = AccessLogLayer::new(access);
        if let Some((inner, _)) = inner {
            let server = config.limits.inner_server();
            let door = Door {
                listener: inner,
                room: config.limits.room(false),
                face: None,
                server,
            };
            let layers = (
                access.clone(),
                guard.clone(),
                observe.clone(),
                limits.clone(),
            );
            self.serve(door, layers, routes.clone());
        }
        let guard = match &doors.face {
            Some(_) => guard.with_certificates(),
            None => guard,
        };
        let door = Door {
            listener,
            // Other processes of the platform each have one connection, whatever their address.
            room: config
                .limits
                .room(*part == Part::Whole && !config.behind_tls_proxy),
            face: doors.face,
            server: match part {
                Part::Whole => config.limits.server(),
                Part::Apart(_) | Part::Front => config.limits.inner_server(),
            },
        };
        self.serve(door, (access, guard, observe, limits), routes);
        Ok(())
    }

    fn serve(
        &mut self,
        door: Door,
        (access, guard, observe, limits): (
            AccessLogLayer,
            AuthenticationLayer,
            ObserveLayer,
            LimitLayer,
        ),
        routes: Routes,
    ) {
        let stop = self.shutdown.clone();
        let incoming = connections::incoming(door.listener, door.room);
        let incoming = Box::pin(tls::incoming(incoming, door.face));
        let server = door
            .server
            .layer(WireLayer)
            .layer(ConnectionLayer::<Admission>::new())
            .layer(access)
            .layer(guard)
            // Behind who calls, and before what is refused for being too much.
            .layer(observe)
            .layer(limits)
            .layer(DeadlineLayer)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, async move {
                stop.cancelled().await;
            });
        self.servers.spawn(server);
    }

    /// Where it serves.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` comes true or the server ends by itself, then finishes what was taken.
    /// `reload` ends each time that certificates are to be read anew.
    pub async fn run_until<R: Future<Output = ()>>(
        mut self,
        stop: impl Future<Output = ()>,
        mut reload: impl FnMut() -> R,
    ) -> Result<(), ServeError> {
        tokio::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break None,
                ended = self.servers.join_next() => break ended,
                () = reload() => {
                    match self.face.as_ref().map(|face| face.reload()) {
                        Some(Err(fault)) => tracing::error!(%fault, "the certificates stay as they are"),
                        Some(Ok(())) => tracing::info!("certificates were read anew"),
                        None => {}
                    }
                    if let Some(revoked) = &self.revoked {
                        revoked.reload();
                    }
                }
            }
        };
        readiness::leave(&self.health).await;
        self.shutdown.cancel();
        // Watchers may hold their streams open for ever: what was acknowledged is durable, so a few
        // seconds of courtesy are enough.
        let rest = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(COURTESY, rest).await.is_err() {
            self.servers.abort_all();
        }
        if let Some(access) = self.access.take() {
            access.finish().await;
        }
        self.tasks.shutdown().await;
        for journal in &self.journals {
            journal.stop().await;
        }
        match ended {
            None => Ok(()),
            Some(Ok(result)) => Ok(result?),
            Some(Err(join)) => Err(ServeError::Start(StartError::Other {
                service: "platform",
                cause: join.to_string(),
            })),
        }
    }
}

/// Where connections come in, and how they are served.
struct Door {
    listener: TcpListener,
    room: Room,
    face: Option<Arc<Face>>,
    server: Server,
}

/// Keeps a second process from what this one alone may use: the folder, or, where the database sees to
/// the rest, the address.
fn lock(data: &Path, config: &Config, part: &Part) -> Result<DataDirLock, ServeError> {
    let shared = config.database.is_some() && *part != Part::Front;
    let own = if shared {
        data.join(PROCESSES).join(config.listen.to_string())
    } else {
        data.to_owned()
    };
    Ok(DataDir::lock(&own, SystemClock.now())?)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fault = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    Ok((listener, bound))
}

/// What all services share while they start.
struct Parts {
    data: std::path::PathBuf,
    storage: Database,
    /// Where files are, for those who keep any.
    files: Option<Store>,
    clock: Arc<dyn Clock>,
    rules: Arc<Engine>,
    roots: Arc<Roots>,
    keys: Keys,
    origin: String,
    sandbox: bool,
    roads: Arc<Roads>,
    shutdown: CancellationToken,
}

impl Parts {
    fn new(
        data: &Path,
        config: &Config,
        (storage, files): (Database, Option<Store>),
        clock: Arc<dyn Clock>,
        roads: Arc<Roads>,
        shutdown: CancellationToken,
    ) -> Result<Self, ServeError> {
        Ok(Self {
            data: data.to_owned(),
            storage,
            files,
            clock,
            rules: Arc::new(Engine::new()?),
            roots: Arc::new(read_roots(data, config)?),
            keys: Keys::open(&data.join("keys"))?,
            origin: config.origin.clone(),
            sandbox: config.sandbox,
            roads,
            shutdown,
        })
    }

    fn peers(&self, service: &'static str) -> Result<Peers, ServeError> {
        let key = self.keys.pair(&format!("service-{service}"))?;
        let identity = Identity::new(service, key, self.clock.clone(), &self.origin);
        Ok(Peers::by(self.roads.clone(), identity))
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

    fn files(&self) -> Result<Store, ServeError> {
        self.files.clone().ok_or_else(|| ServeError::Missing {
            missing: "objects".to_owned(),
            why: "a service that keeps files was started without a place for them",
        })
    }

    async fn start_services(
        &self,
        config: &Config,
        services: &[&'static str],
    ) -> Result<Vec<Started>, ServeError> {
        let starting = services
            .iter()
            .map(|service| self.start_service(config, service));
        try_join_all(starting).await
    }

    async fn start_service(
        &self,
        config: &Config,
        service: &'static str,
    ) -> Result<Started, ServeError> {
        let setting = self.setting(service)?;
        let started = match service {
            "registry" => sunbid_registry::start(setting, config.registry(&self.data)?).await,
            "notice" => sunbid_notice::start(setting).await,
            "tender" => sunbid_tender::start(setting, self.files()?).await,
            "deposit" => {
                let bank = config.bank.as_ref();
                let bank = bank.map(|bank| sunbid_deposit::BankSettings {
                    address: bank.address.clone(),
                    trust_account: bank.trust_account.clone(),
                    trust_name: bank.trust_name.clone(),
                });
                sunbid_deposit::start(setting, bank).await
            }
            "bid" => sunbid_bid::start(setting, self.files()?).await,
            "opening" => sunbid_opening::start(setting).await,
            "audit" => {
                let settings = sunbid_audit::AuditSettings {
                    epoch: Duration::from_secs(u64::from(config.epoch_seconds)),
                    services: &SERVICES,
                };
                sunbid_audit::start(setting, settings).await
            }
            other => Err(StartError::Other {
                service: "platform",
                cause: format!("{other} is no service"),
            }),
        };
        Ok(started?)
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
