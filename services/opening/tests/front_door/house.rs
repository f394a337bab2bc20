//! The service under test, the logs it follows, and the people who call it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sunbid_certificates::{
    Roots, Signer, supplier,
    trial::{TrialAuthority, TrialIdentity, TrialSubject},
    verify_chain, verify_signature,
};
use sunbid_contracts::{
    bid::v1::{
        Bid, BidSubmitted, BiddingOpened, EnvelopePart, bid_service_server::BidServiceServer,
    },
    common::v1::Track,
    journal::v1::log_service_server::LogServiceServer,
    notice::v1::{Notice, TenderNoticePublished},
    opening::v1::{Session, SessionState, opening_service_client::OpeningServiceClient},
    registry::v1::Role,
    tender::v1::{
        Lot, PartClass, PartRequirement, SheetField, SheetFieldType, Tender, Timetable,
        tender_service_server::TenderServiceServer,
    },
};
use sunbid_domain::{
    Aggregate, Event,
    bid::{OwnBid, TenderBox, closing},
    opening::{
        CheckedBids, ClosedBids, Supplier as Named, bid_log::BidLog, check, closing as fold,
    },
    tender::hash::document_hash,
};
use sunbid_journal::{Db, Journal, StreamId};
use sunbid_rules::Engine;
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Label, OsRng, Rescue, SecretScalar, Subject, Workers, seal,
};
use sunbid_service::{
    Decided, Keys, Peers, Setting, Step,
    authentication::{AuthenticationLayer, Guard, Keyring},
    ledger,
    log_service::Logs,
    peers::Identity,
    revocation::Revocations,
    setting::Database,
    token::{self, Claims},
};
use sunbid_terms::{Clock, CreditCode, Instant};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request,
    metadata::MetadataValue,
    service::RoutesBuilder,
    transport::{Channel, Endpoint, Server},
};

use crate::{
    committee::{Committee, THRESHOLD},
    fakes::{Payloads, Tenders},
};

pub const ORIGIN: &str = "sandbox.test";
pub const PURCHASER: &str = "organizations/11140600012345678T";

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

pub fn deadline() -> Instant {
    Instant::parse("2026-11-23T09:00:00+08:00").unwrap()
}

/// One running server with the service in it.
struct Running {
    channel: Channel,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

pub struct House {
    pub clock: Arc<TestClock>,
    pub committee: Committee,
    pub tender: Tender,
    pub reader: SecretScalar,
    pub payloads: Payloads,
    pub rescues: BTreeMap<String, Rescue>,
    authority: TrialAuthority,
    keys: Keys,
    notices: Journal,
    bids: Journal,
    tenders: Tenders,
    database: Database,
    folder: tempfile::TempDir,
    running: Option<Running>,
    // The bid log as the bid service would fold it.
    tender_box: TenderBox,
    own: BTreeMap<String, OwnBid>,
    size: i64,
}

/// A supplier with a certificate.
pub struct Supplier {
    pub code: String,
    identity: TrialIdentity,
    signer: Signer,
}

impl Supplier {
    pub fn organization(&self) -> String {
        format!("organizations/{}", self.code)
    }
}

impl House {
    /// A service that has scheduled the opening of one announced tender.
    pub async fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = deadline().plus_seconds(-86_400);
        let clock = Arc::new(TestClock(AtomicI64::new(from.micros())));
        let reader = SecretScalar::random(&mut OsRng).unwrap();
        let mut tender = tender(&reader);
        let committee = Committee::gather(&tender.name, document_hash(&tender));
        tender.holders = committee.ceremony.holders.clone();
        tender.threshold = THRESHOLD;
        tender.key_id = committee.key.id().to_vec();
        tender.public_key = committee.key.sealing().element().as_bytes().to_vec();
        let tenders = Tenders::default();
        tenders
            .0
            .lock()
            .unwrap()
            .insert(tender.name.clone(), committee.ceremony.clone());
        let journal = async |name: &str| {
            let db = Db::sqlite(&folder.path().join(format!("{name}.db")))
                .await
                .unwrap();
            Journal::open(db, clock.clone()).await.unwrap()
        };
        let mut house = Self {
            authority: TrialAuthority::new("试验根证书", from, from.plus_seconds(3650 * 86_400))
                .unwrap(),
            keys: Keys::open(&folder.path().join("keys")).unwrap(),
            notices: journal("notice").await,
            bids: journal("bid").await,
            payloads: Payloads::default(),
            rescues: BTreeMap::new(),
            database: sunbid_service::trial::database().await.unwrap(),
            running: None,
            tender_box: TenderBox::default(),
            own: BTreeMap::new(),
            size: 0,
            clock,
            committee,
            tender,
            reader,
            tenders,
            folder,
        };
        house.start().await;
        house.announce().await;
        house
    }

    /// Starts the service, after ending the one that ran.
    pub async fn start(&mut self) {
        if let Some(mut before) = self.running.take() {
            before.shutdown.cancel();
            while before.tasks.join_next().await.is_some() {}
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let shutdown = CancellationToken::new();
        let own = self.keys.pair("service-opening").unwrap();
        let identity = Identity::new("opening", own, self.clock.clone(), ORIGIN);
        let setting = Setting {
            clock: self.clock.clone(),
            data: PathBuf::from(self.folder.path()),
            database: self.database.clone(),
            peers: Peers::new(&endpoint, identity),
            rules: Arc::new(Engine::new().unwrap()),
            roots: Arc::new(Roots::new(vec![self.authority.certificate().to_vec()]).unwrap()),
            keys: self.keys.clone(),
            origin: ORIGIN.to_owned(),
            sandbox: true,
            shutdown: shutdown.clone(),
        };
        let started = sunbid_opening::start(setting).await.unwrap();
        let mut routes = RoutesBuilder::default();
        (started.install)(&mut routes);
        let logs = Logs::new([
            ("notice", self.notices.clone()),
            ("bid", self.bids.clone()),
            ("opening", started.journal.clone()),
        ]);
        routes.add_service(LogServiceServer::new(logs));
        routes.add_service(TenderServiceServer::new(self.tenders.clone()));
        routes.add_service(BidServiceServer::new(self.payloads.clone()));
        let guard = Guard {
            keyring: Keyring {
                people: vec![self.keys.public("token").unwrap()],
                services: self.keys.service_keys(&["opening"]).unwrap(),
            },
            revocations: Revocations::default(),
            clock: self.clock.clone(),
            origin: ORIGIN.to_owned(),
        };
        let (stop, mut tasks) = (shutdown.clone(), started.tasks);
        tasks.spawn(async move {
            Server::builder()
                .layer(AuthenticationLayer::new(guard))
                .add_routes(routes.routes())
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                    stop.cancelled().await;
                })
                .await
                .unwrap();
        });
        let channel = endpoint.connect_lazy();
        self.running = Some(Running {
            channel,
            shutdown,
            tasks,
        });
    }

    async fn announce(&mut self) {
        let published = TenderNoticePublished {
            notice: Some(Notice {
                name: "notices/1".into(),
                tender: self.tender.name.clone(),
                announced: Some(self.tender.clone()),
                ..Notice::default()
            }),
            tender_head: None,
        };
        let step = Step::of_cause("notice", &self.tender.name, "Publish", b"1", &published);
        ledger::commit_quietly(&self.notices, step, move |_| {
            Ok(Decided::new().event(StreamId::of("notice"), &published))
        })
        .await
        .unwrap();
        let opened = BiddingOpened {
            tender: Some(self.tender.clone()),
            ..BiddingOpened::default()
        };
        self.record("box", Event::of(&opened)).await;
        self.until(async || self.session().await.is_some()).await;
    }

    /// Writes an event to the bid log.
    pub async fn record(&mut self, stream: &str, event: Event) {
        let now = self.clock.now();
        if stream == "box" {
            self.tender_box.evolve(&event, now).unwrap();
        } else {
            self.own
                .entry(stream.into())
                .or_default()
                .evolve(&event, now)
                .unwrap();
        }
        let cause = self.size.to_be_bytes();
        let step = Step::of_cause("bid", &self.tender.name, "Write", &cause, &());
        let stream = StreamId::of(stream);
        ledger::commit_quietly(&self.bids, step, move |_| {
            Ok(Decided::new().events(stream, [event]))
        })
        .await
        .unwrap();
        self.size += 1;
    }

    /// The deadline comes, and the bid service closes its log.
    pub async fn close_bidding(&mut self) {
        self.clock.set(deadline());
        let bids: Vec<OwnBid> = self.own.values().cloned().collect();
        let closed = closing(&self.tender_box, &bids);
        self.record("box", Event::of(&closed)).await;
    }

    /// Suppliers with certificates, in the order of their credit codes or not.
    pub fn supplier(&self, number: u32) -> Supplier {
        let code = CreditCode::complete(&format!("91140602{number:09}"))
            .unwrap()
            .to_string();
        let identity = self
            .authority
            .issue(&TrialSubject {
                credit_code: &code,
                organization: "试验供应商",
                common_name: "投标员",
                not_before: deadline().plus_seconds(-86_400),
                not_after: deadline().plus_seconds(86_400),
            })
            .unwrap();
        Supplier {
            code,
            signer: identity.signer().unwrap(),
            identity,
        }
    }

    /// Puts a sealed bid on record.
    pub async fn bid(&mut self, supplier: &Supplier, sheet: &str) {
        let contents = [
            (0, Class::Public, sheet.as_bytes()),
            (1, Class::Evaluators, b"plan".as_slice()),
        ];
        let (mut headers, mut parts) = (Vec::new(), Vec::new());
        for (part, class, content) in contents {
            let subject = Subject {
                tender: Label::new(&self.tender.name).unwrap(),
                lot: Label::new("01").unwrap(),
                part,
                class,
                bidder: Label::new(&supplier.code).unwrap(),
                revision: 1,
                not_before: u64::try_from(deadline().seconds()).unwrap(),
            };
            let mut payload = Vec::new();
            let (key, length) = (self.committee.key.sealing(), content.len() as u64);
            let sealed = seal(
                key,
                &subject,
                length,
                content,
                &mut payload,
                Workers::ONE,
                &mut OsRng,
            );
            let sealed = sealed.unwrap();
            let header = CheckedHeader::parse(&sealed.header.encode()).unwrap();
            parts.push(EnvelopePart {
                header: header.encode(),
                header_id: header.id().to_vec(),
                part: part.into(),
                payload_bytes: payload.len() as i64,
                payload_root: header.payload_root().to_vec(),
            });
            self.payloads
                .0
                .lock()
                .unwrap()
                .insert(header.payload_root().to_vec(), payload);
            if part == 0 {
                self.rescues.insert(supplier.organization(), sealed.rescue);
            }
            headers.push(header);
        }
        let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())
            .unwrap()
            .id();
        let certificate = supplier.identity.certificate.clone();
        let message = supplier::submission(&certificate, &bundle);
        let bid = Bid {
            name: format!("{}/lots/01/bids/{}", self.tender.name, supplier.code),
            tender: self.tender.name.clone(),
            lot_id: "01".into(),
            bidder: supplier.organization(),
            revision: 1,
            bundle: bundle.to_vec(),
            parts,
            signature: supplier.signer.sign(&message).unwrap(),
            certificate,
            ..Bid::default()
        };
        let submitted = BidSubmitted {
            bid: Some(bid),
            seq: self.size,
        };
        self.record(&supplier.code, Event::of(&submitted)).await;
    }

    pub fn client(&self) -> OpeningServiceClient<Channel> {
        OpeningServiceClient::new(self.running.as_ref().unwrap().channel.clone())
            .max_decoding_message_size(32 << 20)
            .max_encoding_message_size(32 << 20)
    }

    /// A request of somebody of an organisation.
    pub fn of<T>(&self, organization: &str, role: Role, message: T) -> Request<T> {
        let claims = Claims {
            subject: format!("{organization}/subjects/1"),
            organization: organization.to_owned(),
            roles: vec![role as i32],
            session_id: vec![1; 16],
            expire_us: i64::MAX,
            origin: ORIGIN.into(),
        };
        let token = token::mint(&self.keys.pair("token").unwrap(), &claims);
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer);
        request
            .metadata_mut()
            .insert("accept-language", MetadataValue::from_static("en"));
        request
    }

    /// The session as anyone sees it, once there is one.
    pub async fn session(&self) -> Option<Session> {
        let request = sunbid_contracts::opening::v1::GetSessionRequest {
            tender: self.tender.name.clone(),
        };
        let answer = self.client().get_session(request).await.ok()?;
        answer.into_inner().session
    }

    /// Waits until the session is in a state.
    pub async fn reaches(&self, state: SessionState) -> Session {
        self.until(async || self.session().await.is_some_and(|s| s.state() == state))
            .await;
        self.session().await.unwrap()
    }

    /// Waits for something that tasks in the background bring about.
    pub async fn until(&self, holds: impl AsyncFn() -> bool) {
        for _ in 0..6_000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came to hold");
    }

    /// The closed log as a holder recomputes it from the records it is given.
    pub fn recompute(
        &self,
        entries: &[sunbid_contracts::journal::v1::LogEntry],
    ) -> (ClosedBids, CheckedBids) {
        let roots = Roots::new(vec![self.authority.certificate().to_vec()]).unwrap();
        let name = &self.tender.name;
        let log = BidLog::read(fold::log_of(name), entries).unwrap();
        let closed = fold::fold(name, ORIGIN, &log.events, &log.head()).unwrap();
        let supplier =
            |certificate: &[u8], between: &[Vec<u8>], message: &[u8], signed: &[u8], at| {
                let holder =
                    verify_chain(certificate, between, &roots, at).map_err(|e| e.to_string())?;
                verify_signature(certificate, message, signed).map_err(|e| e.to_string())?;
                Ok(Named {
                    credit_code: holder.credit_code.to_string(),
                    organization_name: holder.organization_name,
                })
            };
        let bids = check::check(&closed, &supplier).unwrap();
        (closed, bids)
    }
}

fn tender(reader: &SecretScalar) -> Tender {
    let part = |part, class: PartClass| PartRequirement {
        part,
        class: class as i32,
        title: format!("part {part}"),
        required: true,
        max_bytes: 8 << 20,
    };
    Tender {
        name: format!("tenders/{}", uuid::Uuid::new_v4()),
        title: "试验项目".into(),
        track: Track::Engineering as i32,
        purchaser: PURCHASER.into(),
        lots: vec![Lot {
            lot_id: "01".into(),
            title: "一标段".into(),
            ..Lot::default()
        }],
        parts: vec![
            part(0, PartClass::OpeningSheet),
            part(1, PartClass::Evaluation),
        ],
        sheet: vec![SheetField {
            key: "price".into(),
            r#type: SheetFieldType::Amount as i32,
            required: true,
            ..SheetField::default()
        }],
        timetable: Some(Timetable {
            bid_deadline_us: deadline().micros(),
            ..Timetable::default()
        }),
        evaluator_key: reader.public().as_bytes().to_vec(),
        ..Tender::default()
    }
}
