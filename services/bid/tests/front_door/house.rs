//! The service under test with a notice log that it follows.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sunbid_certificates::{Roots, trial::TrialAuthority};
use sunbid_contracts::{
    bid::v1::{BidSubmitted, BiddingClosed, bid_service_client::BidServiceClient},
    common::v1::{Record, Track},
    journal::v1::log_service_server::LogServiceServer,
    notice::v1::{Notice, TenderNoticePublished},
    registry::v1::Role,
    tender::v1::{
        Conditions, Lot, PartClass, PartRequirement, ProcurementMethod, Tender, Timetable,
    },
};
use sunbid_domain::Event;
use sunbid_journal::{Db, Journal, LogId, StreamId};
use sunbid_objects::{Store, trial::Server};
use sunbid_rules::Engine;
use sunbid_sealing::{OsRng, SealingKey, SecretScalar};
use sunbid_service::{
    Decided, Keys, Peers, Setting, Started, Step,
    authentication::{AuthenticationLayer, Guard, Keyring},
    ledger,
    log_service::Logs,
    peers::Identity,
    revocation::Revocations,
    token::{self, Claims},
};
use sunbid_terms::{Clock, CreditCode, Instant};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::RoutesBuilder,
    transport::{Channel, Endpoint, Server as Door},
};
use tonic_types::StatusExt;

use crate::supplier::Supplier;

pub const ORIGIN: &str = "bid.example";

/// Who designed the project and may not bid: the first 17 characters of its credit code.
pub const EXCLUDED: &str = "91330000142912224";

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn set(&self, at: Instant) {
        self.0.store(at.micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub fn start_of_time() -> Instant {
    Instant::parse("2026-11-02T09:00:00+08:00").unwrap()
}

pub fn deadline() -> Instant {
    start_of_time().plus_seconds(21 * 86_400)
}

/// Everything a test talks to.
pub struct House {
    pub clock: Arc<TestClock>,
    pub authority: TrialAuthority,
    pub roots: Arc<Roots>,
    pub key: SealingKey,
    pub tender: Tender,
    pub journal: Journal,
    pub tasks: JoinSet<()>,
    pub data: PathBuf,
    pub setting: Setting,
    files: Store,
    notices: Journal,
    keys: Keys,
    address: SocketAddr,
    channel: Channel,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

/// All files in a folder and the folders in it.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl House {
    /// A service that takes bids for one tender.
    pub async fn build() -> Self {
        Self::with_floor(0).await
    }

    pub async fn with_floor(free_space_floor: u64) -> Self {
        Self::with(free_space_floor, None).await
    }

    /// Sealed files lie in a remote store.
    pub async fn on(server: &Server) -> Self {
        Self::with(0, Some(server)).await
    }

    async fn with(free_space_floor: u64, server: Option<&Server>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = match server {
            Some(server) => server.store(folder.path()).await.unwrap(),
            None => Store::in_folder(folder.path()).unwrap(),
        };
        let from = start_of_time().plus_seconds(-86_400);
        let authority =
            TrialAuthority::new("试验根证书", from, from.plus_seconds(3650 * 86_400)).unwrap();
        let roots = Arc::new(Roots::new(vec![authority.certificate().to_vec()]).unwrap());
        let clock = Arc::new(TestClock(AtomicI64::new(start_of_time().micros())));
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let shutdown = CancellationToken::new();
        let own = keys.pair("service-bid").unwrap();
        let setting = Setting {
            clock: clock.clone(),
            data: folder.path().to_owned(),
            database: sunbid_service::trial::database().await.unwrap(),
            peers: Peers::new(&endpoint, Identity::new("bid", own, clock.clone(), ORIGIN)),
            rules: Arc::new(Engine::new().unwrap()),
            roots: roots.clone(),
            keys: keys.clone(),
            origin: ORIGIN.to_owned(),
            sandbox: true,
            shutdown: shutdown.clone(),
        };
        let db = Db::sqlite(&folder.path().join("notice.db")).await.unwrap();
        let notices = Journal::open(db, clock.clone()).await.unwrap();
        let started = serve(&setting, &files, free_space_floor, &notices, listener).await;
        let secret = SecretScalar::random(&mut OsRng).unwrap();
        let key = SealingKey::new([7; 32], secret.public());
        let tender = tender(&key);
        let house = Self {
            clock,
            authority,
            roots,
            key,
            tender,
            journal: started.journal,
            tasks: started.tasks,
            data: folder.path().join("bid"),
            setting,
            files,
            notices,
            keys,
            address,
            channel: endpoint.connect_lazy(),
            shutdown,
            _folder: folder,
        };
        house.announce(&house.tender).await;
        house
    }

    /// Stops the service; the world goes on.
    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.journal.stop().await;
    }

    /// Starts the service again on what it left.
    pub async fn start(&mut self) {
        self.shutdown = CancellationToken::new();
        self.setting.shutdown = self.shutdown.clone();
        let mut listener = TcpListener::bind(self.address).await;
        while listener.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            listener = TcpListener::bind(self.address).await;
        }
        let started = serve(
            &self.setting,
            &self.files,
            0,
            &self.notices,
            listener.unwrap(),
        )
        .await;
        self.journal = started.journal;
        self.tasks = started.tasks;
        self.channel = Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy();
    }

    /// Publishes the tender's notice and waits until bids are taken.
    pub async fn announce(&self, tender: &Tender) {
        let published = TenderNoticePublished {
            notice: Some(Notice {
                name: "notices/1".into(),
                tender: tender.name.clone(),
                announced: Some(tender.clone()),
                ..Notice::default()
            }),
            tender_head: None,
        };
        let step = Step::of_cause("notice", &tender.name, "Publish", b"1", &published);
        ledger::commit_quietly(&self.notices, step, move |_| {
            Ok(Decided::new().event(StreamId::of("notice"), &published))
        })
        .await
        .unwrap();
        let log = LogId::of("bid", &tender.name);
        self.until(async || self.journal.head(log).await.unwrap().is_some())
            .await;
    }

    /// Waits for something that tasks in the background bring about.
    pub async fn until(&self, holds: impl AsyncFn() -> bool) {
        for _ in 0..3_000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to hold");
    }

    /// The service again, on what it left; it answers no calls.
    pub async fn start_again(&self) -> Started {
        let (setting, files) = (self.setting.clone(), self.files.clone());
        sunbid_bid::start(setting, files).await.unwrap()
    }

    /// The files of whole payloads in the data folder.
    pub fn sealed_files(&self) -> Vec<PathBuf> {
        files_below(&self.data.join("sealed"))
    }

    /// Where the payload lies in the data folder.
    pub fn place_of(&self, payload: &[u8]) -> Option<PathBuf> {
        let mut files = self.sealed_files().into_iter();
        files.find(|file| std::fs::read(file).is_ok_and(|bytes| bytes == payload))
    }

    pub async fn is_closed(&self) -> bool {
        let log = LogId::of("bid", &self.tender.name);
        self.journal.head(log).await.unwrap().unwrap().closed
    }

    pub fn client(&self) -> BidServiceClient<Channel> {
        BidServiceClient::new(self.channel.clone())
    }

    /// A supplier of the platform by the first 17 characters of its credit code.
    pub fn supplier(&self, first_17: &str) -> Supplier {
        Supplier::of(self, &self.authority, first_17)
    }

    pub fn suppliers(&self) -> [Supplier; 3] {
        [
            "91110108551385082",
            "9144030071526726X",
            "91310000607269833",
        ]
        .map(|c| self.supplier(c))
    }

    pub fn token(&self, organization: &str, role: Role) -> String {
        let claims = Claims {
            subject: format!("{organization}/subjects/1"),
            organization: organization.to_owned(),
            roles: vec![role as i32],
            session_id: vec![1; 16],
            expire_us: i64::MAX,
            origin: ORIGIN.into(),
        };
        token::mint(&self.keys.pair("token").unwrap(), &claims)
    }

    /// A request of another service.
    pub fn from<T>(&self, service: &str, message: T) -> Request<T> {
        let claims = Claims {
            subject: format!("services/{service}"),
            organization: String::new(),
            roles: vec![Role::Service as i32],
            session_id: vec![],
            expire_us: i64::MAX,
            origin: ORIGIN.into(),
        };
        let key = self.keys.pair(&format!("service-{service}")).unwrap();
        with(&token::mint(&key, &claims), message)
    }

    pub fn clock_micros(&self) -> i64 {
        self.clock.now().micros()
    }

    pub fn receipt_key(&self) -> Vec<u8> {
        self.keys.public("receipt").unwrap()
    }

    /// Every event of the tender's bid log.
    pub async fn events(&self) -> Vec<Event> {
        let log = LogId::of("bid", &self.tender.name);
        let entries = self.journal.read(log, 0, 1_000).await.unwrap();
        let bodies = entries.iter().map(|entry| {
            let record = <Record as prost::Message>::decode(entry.body().unwrap()).unwrap();
            Event {
                name: record.r#type,
                bytes: record.event,
            }
        });
        bodies.collect()
    }

    pub async fn closing_record(&self) -> BiddingClosed {
        let events = self.events().await;
        let closed: Vec<_> = events.iter().filter_map(|e| e.read().unwrap()).collect();
        assert_eq!(closed.len(), 1);
        assert!(events.last().unwrap().is::<BiddingClosed>());
        closed.into_iter().next().unwrap()
    }

    pub async fn submissions(&self) -> Vec<BidSubmitted> {
        self.events()
            .await
            .iter()
            .filter_map(|e| e.read().unwrap())
            .collect()
    }
}

/// Starts the service and serves it, with the notice log that it follows.
async fn serve(
    setting: &Setting,
    files: &Store,
    free_space_floor: u64,
    notices: &Journal,
    listener: TcpListener,
) -> Serving {
    let started = sunbid_bid::start_with(setting.clone(), files.clone(), free_space_floor)
        .await
        .unwrap();
    let mut routes = RoutesBuilder::default();
    (started.install)(&mut routes);
    let logs = Logs::new([
        ("notice", notices.clone()),
        ("bid", started.journal.clone()),
    ]);
    routes.add_service(LogServiceServer::new(logs));
    let keys = &setting.keys;
    let guard = Guard {
        keyring: Keyring {
            people: vec![keys.public("token").unwrap()],
            services: keys.service_keys(&["bid", "tender", "opening"]).unwrap(),
        },
        revocations: Revocations::default(),
        clock: setting.clock.clone(),
        origin: ORIGIN.to_owned(),
    };
    let stop = setting.shutdown.clone();
    tokio::spawn(
        Door::builder()
            .layer(AuthenticationLayer::new(guard))
            .add_routes(routes.routes())
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                stop.cancelled().await;
            }),
    );
    Serving {
        journal: started.journal,
        tasks: started.tasks,
    }
}

/// What a house keeps of the service that runs.
struct Serving {
    journal: Journal,
    tasks: JoinSet<()>,
}

fn tender(key: &SealingKey) -> Tender {
    let excluded = CreditCode::complete(EXCLUDED).unwrap();
    let lot = |id: &str| Lot {
        lot_id: id.into(),
        title: id.into(),
        ..Lot::default()
    };
    let part = |part, class: PartClass, required| PartRequirement {
        part,
        class: class as i32,
        title: format!("part {part}"),
        required,
        max_bytes: 8 << 20,
    };
    Tender {
        name: format!("tenders/{}", uuid::Uuid::new_v4()),
        track: Track::Engineering as i32,
        method: ProcurementMethod::OpenTender as i32,
        lots: vec![lot("01"), lot("02")],
        parts: vec![
            part(0, PartClass::OpeningSheet, true),
            part(1, PartClass::Evaluation, true),
            part(2, PartClass::Evaluation, false),
        ],
        timetable: Some(Timetable {
            bid_deadline_us: deadline().micros(),
            ..Timetable::default()
        }),
        conditions: Some(Conditions {
            excluded_bidders: vec![format!("organizations/{excluded}")],
            ..Conditions::default()
        }),
        key_id: key.id().to_vec(),
        public_key: key.element().as_bytes().to_vec(),
        ..Tender::default()
    }
}

pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A request with a token, read in English.
pub fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
        .metadata_mut()
        .insert("accept-language", MetadataValue::from_static("en"));
    request
}

/// The rules that a status names as breached.
pub fn rules(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.precondition_failure().map(|f| f.violations.clone());
    let subjects = violations.unwrap_or_default().into_iter().map(|v| v.r#type);
    subjects
        .map(|subject| subject.trim_start_matches("RULE:").to_owned())
        .collect()
}

/// The fields that a status names.
pub fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|f| f.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|v| v.field)
        .collect()
}

/// The machine-readable reason of a status.
pub fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}
