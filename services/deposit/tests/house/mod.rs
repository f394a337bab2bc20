//! The deposit service behind the platform's own guard, a bank, and the logs it follows, all on
//! real sockets, with a clock that tests move. Service and bank can be killed and started again.
#![allow(dead_code, reason = "each test binary uses its part")]

mod line;
mod registry;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use prost::{Message, Name};
use sunbid_banksim::{Bank, Options, Transfer, pay};
use sunbid_bankwire::{Party, PaymentStatus};
use sunbid_certificates::{Roots, trial::TrialAuthority};
use sunbid_contracts::{
    bid::v1::{self as bid_log, Bid, ClosingEntry, LotClosing},
    common::v1::{LogHead, Track},
    deposit::v1::{
        self as pb, Deposit, DepositState, deposit_service_client::DepositServiceClient,
    },
    journal::v1::log_service_server::LogServiceServer,
    notice::v1::{Notice, TenderNoticePublished},
    registry::v1::{Role, registry_service_server::RegistryServiceServer},
    tender::v1::{Lot, Tender, Timetable},
};
use sunbid_deposit::{BankSettings, SERVICE};
use sunbid_journal::{Db, Journal};
use sunbid_proofs::StreamId;
use sunbid_rules::Engine;
use sunbid_service::{
    Decided, Keys, Peers, Setting, Step,
    authentication::{AuthenticationLayer, Guard, Keyring},
    ledger,
    log_service::Logs,
    names,
    peers::Identity,
    revocation::Revocations,
    setting::Database,
    token::{self, Claims},
};
use sunbid_terms::{Clock, Fen, Instant};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request,
    service::{Routes, RoutesBuilder},
    transport::{Channel, Endpoint, Server},
};

pub use line::{Line, Loss};

const ORIGIN: &str = "deposit.example";
pub const TRUST: &str = "140699990000000001";
pub const FIRST: &str = "91110108551385082Q";
pub const SECOND: &str = "9144030071526726XG";
pub const DUE: i64 = 10_000;
pub const BUNDLE: [u8; 32] = [7; 32];

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Asks until there is an answer. The limit only ends a test that would never end.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    for _ in 0..3_000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen");
}

/// Everything that stays when the service or the bank dies.
pub struct House {
    pub clock: Arc<TestClock>,
    pub tender: String,
    pub line: Line,
    keys: Keys,
    roots: Roots,
    notices: Journal,
    bids: Journal,
    world: SocketAddr,
    database: Database,
    folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

/// A running deposit service.
pub struct Service {
    channel: Channel,
    pub journal: Journal,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Service {
    /// Ends it at once: its connection drops in the middle of whatever it did.
    pub async fn kill(mut self) {
        self.shutdown.cancel();
        self.tasks.shutdown().await;
        self.journal.stop().await;
    }
}

async fn serve(routes: Routes, guard: Guard, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        Server::builder()
            .layer(AuthenticationLayer::new(guard))
            .add_routes(routes)
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
    address
}

impl House {
    pub async fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::parse("2026-11-02T09:00:00+08:00").unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(start.micros())));
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        let authority = TrialAuthority::new(
            "试验根证书",
            start.plus_seconds(-86_400),
            start.plus_seconds(3650 * 86_400),
        )
        .unwrap();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let journal = async |name: &str| {
            let db = Db::sqlite(&folder.path().join(format!("{name}.db")))
                .await
                .unwrap();
            Journal::open(db, clock.clone()).await.unwrap()
        };
        let (notices, bids) = (journal("notice").await, journal("bid").await);
        let mut tasks = JoinSet::new();
        let mut routes = RoutesBuilder::default();
        let logs = Logs::new([("notice", notices.clone()), ("bid", bids.clone())]);
        routes.add_service(LogServiceServer::new(logs));
        routes.add_service(RegistryServiceServer::new(registry::TestRegistry));
        let guard = guard(&keys, &clock);
        let world = serve(routes.routes(), guard, &mut tasks).await;
        let house = Self {
            tender: names::fresh("tenders"),
            line: Line::lay().await,
            clock,
            keys,
            roots,
            notices,
            bids,
            world,
            database: sunbid_service::trial::database().await.unwrap(),
            folder,
            _tasks: tasks,
        };
        house.announce().await;
        house
    }

    pub async fn start(&self) -> Service {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.world)).unwrap();
        let own = self.keys.pair("service-deposit").unwrap();
        let shutdown = CancellationToken::new();
        let setting = Setting {
            clock: self.clock.clone(),
            data: self.folder.path().to_owned(),
            database: self.database.clone(),
            peers: Peers::new(
                &endpoint,
                Identity::new(SERVICE, own, self.clock.clone(), ORIGIN),
            ),
            rules: Arc::new(Engine::new().unwrap()),
            roots: Arc::new(self.roots.clone()),
            keys: self.keys.clone(),
            origin: ORIGIN.to_owned(),
            sandbox: true,
            shutdown: shutdown.clone(),
        };
        let bank = BankSettings {
            address: self.line.address().to_string(),
            trust_account: TRUST.into(),
            trust_name: "交易中心".into(),
        };
        let started = sunbid_deposit::start(setting, Some(bank)).await.unwrap();
        let mut routes = RoutesBuilder::default();
        (started.install)(&mut routes);
        let mut tasks = started.tasks;
        let guard = guard(&self.keys, &self.clock);
        let address = serve(routes.routes(), guard, &mut tasks).await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let service = Service {
            channel: endpoint.connect_lazy(),
            journal: started.journal,
            shutdown,
            tasks,
        };
        until("the notice is followed", async || {
            self.try_get(&service, FIRST).await
        })
        .await;
        service
    }

    pub async fn bank(&self) -> Bank {
        let options = Options {
            clock: self.clock.clone(),
            trust: Party {
                name: "交易中心".into(),
                account: TRUST.into(),
            },
            file: self.bank_file(),
            closed_accounts: Vec::new(),
        };
        let bank = Bank::open(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        self.line.lead_to(Some(bank.address()));
        bank
    }

    fn bank_file(&self) -> PathBuf {
        self.folder.path().join("bank")
    }

    fn token(&self, organization: &str, role: Role) -> String {
        let service = role == Role::Service;
        let claims = Claims {
            subject: if service {
                "services/bid".to_owned()
            } else {
                format!("organizations/{organization}/subjects/1")
            },
            organization: if service {
                String::new()
            } else {
                format!("organizations/{organization}")
            },
            roles: vec![role as i32],
            session_id: vec![],
            expire_us: self.clock.now().plus_seconds(300).micros(),
            origin: ORIGIN.into(),
        };
        let key = if service { "service-bid" } else { "token" };
        token::mint(&self.keys.pair(key).unwrap(), &claims)
    }

    /// A request of someone.
    pub fn by<T>(&self, organization: &str, role: Role, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token(organization, role))
            .parse()
            .unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    pub fn client(&self, service: &Service) -> DepositServiceClient<Channel> {
        DepositServiceClient::new(service.channel.clone())
    }

    pub async fn open(&self, service: &Service, organization: &str, lot_id: &str) -> Deposit {
        let request = pb::OpenDepositRequest {
            request_id: names::fresh("x").split_off(2),
            tender: self.tender.clone(),
            lot_id: lot_id.into(),
        };
        let request = self.by(organization, Role::Supplier, request);
        let answer = self.client(service).open_deposit(request).await.unwrap();
        answer.into_inner().deposit.unwrap()
    }

    async fn try_get(&self, service: &Service, organization: &str) -> Option<Deposit> {
        let request = pb::GetDepositRequest {
            tender: self.tender.clone(),
            lot_id: "01".into(),
        };
        let request = self.by(organization, Role::Supplier, request);
        self.client(service)
            .get_deposit(request)
            .await
            .ok()?
            .into_inner()
            .deposit
    }

    pub async fn get(&self, service: &Service, organization: &str) -> Deposit {
        self.try_get(service, organization).await.unwrap()
    }

    /// Waits until a deposit stands so, with so much refunded.
    pub async fn stands(
        &self,
        service: &Service,
        organization: &str,
        state: DepositState,
        refunded_fen: i64,
    ) -> Deposit {
        until(
            &format!("{state:?} with {refunded_fen} refunded"),
            async || {
                let deposit = self.get(service, organization).await;
                let so = deposit.state() == state && deposit.refunded_fen == refunded_fen;
                so.then_some(deposit)
            },
        )
        .await
    }

    pub async fn check(&self, service: &Service, organization: &str) -> pb::CheckDepositResponse {
        let request = pb::CheckDepositRequest {
            tender: self.tender.clone(),
            lot_id: "01".into(),
            supplier: format!("organizations/{organization}"),
            after_bid_seq: None,
        };
        let request = self.by("", Role::Service, request);
        self.client(service)
            .check_deposit(request)
            .await
            .unwrap()
            .into_inner()
    }

    pub async fn list(
        &self,
        service: &Service,
        organization: &str,
        role: Role,
    ) -> Result<Vec<Deposit>, tonic::Status> {
        let request = pb::ListDepositsRequest {
            tender: self.tender.clone(),
            ..Default::default()
        };
        let request = self.by(organization, role, request);
        Ok(self
            .client(service)
            .list_deposits(request)
            .await?
            .into_inner()
            .deposits)
    }

    pub async fn trial_balance(&self, service: &Service) -> pb::GetTrialBalanceResponse {
        let request = self.by("x", Role::Supervisor, pb::GetTrialBalanceRequest {});
        self.client(service)
            .get_trial_balance(request)
            .await
            .unwrap()
            .into_inner()
    }

    pub fn deadline(&self) -> Instant {
        Instant::parse("2026-11-30T09:00:00+08:00").unwrap()
    }

    async fn announce(&self) {
        let lot = |lot_id: &str, deposit_fen| Lot {
            lot_id: lot_id.into(),
            deposit_fen,
            ..Lot::default()
        };
        let tender = Tender {
            name: self.tender.clone(),
            track: Track::GovernmentProcurement as i32,
            lots: vec![lot("01", DUE), lot("02", 0)],
            timetable: Some(Timetable {
                bid_deadline_us: self.deadline().micros(),
                bid_validity_days: 90,
                ..Timetable::default()
            }),
            ..Tender::default()
        };
        let notice = Notice {
            tender: self.tender.clone(),
            announced: Some(tender),
            ..Notice::default()
        };
        let published = TenderNoticePublished {
            notice: Some(notice),
            tender_head: Some(LogHead::default()),
        };
        self.record(&self.notices, "notice", &published).await;
    }

    async fn record<M: Message + Name + Clone + 'static>(
        &self,
        journal: &Journal,
        service: &'static str,
        event: &M,
    ) {
        let cause = names::fresh("x");
        let step = Step::of_cause(service, &self.tender, "record", cause.as_bytes(), event);
        let event = event.clone();
        ledger::commit_quietly(journal, step, move |_| {
            Ok(Decided::new().event(StreamId::of("log"), &event))
        })
        .await
        .unwrap();
    }

    /// Something happens in the tender's bid log.
    pub async fn bid_log<M: Message + Name + Clone + 'static>(&self, event: M) {
        self.record(&self.bids, "bid", &event).await;
    }

    pub async fn submit(&self, organization: &str, bundle: [u8; 32]) {
        self.bid_log(bid_log::BidSubmitted {
            bid: Some(Bid {
                tender: self.tender.clone(),
                lot_id: "01".into(),
                bidder: format!("organizations/{organization}"),
                bundle: bundle.to_vec(),
                ..Bid::default()
            }),
            ..bid_log::BidSubmitted::default()
        })
        .await;
    }

    pub async fn withdraw(&self, bundle: [u8; 32]) {
        self.bid_log(bid_log::BidWithdrawn {
            bundle: bundle.to_vec(),
            ..Default::default()
        })
        .await;
    }

    pub async fn close_bids(&self, live: &[[u8; 32]], opens: bool) {
        let entries = live.iter().zip(0..).map(|(bundle, seq)| ClosingEntry {
            seq,
            bundle: bundle.to_vec(),
            status: if opens {
                bid_log::ClosingStatus::Live as i32
            } else {
                bid_log::ClosingStatus::LotFailed as i32
            },
        });
        self.bid_log(bid_log::BiddingClosed {
            deadline_us: self.deadline().micros(),
            entries: entries.collect(),
            lots: vec![LotClosing {
                lot_id: "01".into(),
                bidders: 3,
                opens,
            }],
        })
        .await;
    }

    pub fn transfer(&self, id: &str, account: &str, fen: i64) -> Transfer {
        Transfer {
            payer: Party {
                name: registry::name_of(FIRST),
                account: registry::account_of(FIRST),
            },
            account: account.into(),
            payee_name: "交易中心".into(),
            amount: Fen::new(fen),
            end_to_end_id: id.into(),
            remittance: "投标保证金".into(),
            execute_at: self.clock.now(),
            notify_twice: false,
        }
    }
}

pub async fn paid(bank: &Bank, transfer: Transfer) {
    let answer = pay(&bank.address().to_string(), transfer).await.unwrap();
    assert_eq!(answer, PaymentStatus::Settled);
}

fn guard(keys: &Keys, clock: &Arc<TestClock>) -> Guard {
    Guard {
        keyring: Keyring {
            people: vec![keys.public("token").unwrap()],
            services: keys.service_keys(&["bid", SERVICE]).unwrap(),
        },
        revocations: Revocations::default(),
        clock: clock.clone(),
        origin: ORIGIN.to_owned(),
    }
}
