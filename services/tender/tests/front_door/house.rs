//! Three services on one port.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sunbid_certificates::{Roots, trial::TrialAuthority};
use sunbid_contracts::{
    common::v1::{Category, FileDigest, Track},
    journal::v1::log_service_server::LogServiceServer,
    notice::v1::{
        Intent, IntentPublished, ListNoticesRequest, NoticeKind, PublishTenderNoticeRequest,
        notice_service_client::NoticeServiceClient,
    },
    registry::v1::Role,
    tender::v1::{
        Ceremony, CeremonyStarted, Conditions, CreateTenderRequest, GetTenderRequest, Holder, Lot,
        Medium, MediumKind, PartClass, PartRequirement, ProcurementMethod, ReviewKind,
        ReviewTenderRequest, SheetField, SheetFieldType, Tender, TenderKeyEstablished, TenderState,
        Timetable, UploadDocumentHeader, UploadDocumentRequest, UploadDocumentResponse,
        tender_service_client::TenderServiceClient, upload_document_request::Step as Part,
    },
};
use sunbid_domain::{
    notice::{IntentState, facts},
    tender::Dossier,
};
use sunbid_journal::{Journal, StreamId};
use sunbid_objects::Store;
use sunbid_proofs::hash::sha256;
use sunbid_rules::Engine;
use sunbid_sealing::{OsRng, SecretScalar};
use sunbid_service::{
    Decided, Keys, Peers, Setting, Step,
    authentication::{AuthenticationLayer, Guard, Keyring},
    ledger,
    log_service::Logs,
    peers::Identity,
    revocation::Revocations,
    token::{self, Claims},
};
use sunbid_terms::{Clock, Instant};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::RoutesBuilder,
    transport::{Channel, Endpoint, Server},
};
use tonic_types::StatusExt;

pub const ORIGIN: &str = "tender.example";
pub const PURCHASER: &str = "organizations/12140600405600266Y";
pub const SUPPLIER: &str = "organizations/91110108551385082Q";
pub const OTHER: &str = "organizations/9144030071526726XG";
const SERVICES: [&str; 3] = ["tender", "notice", "bid"];

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

/// A Monday morning.
pub fn start_of_time() -> Instant {
    Instant::parse("2026-03-02T09:00:00+08:00").unwrap()
}

pub struct House {
    pub clock: Arc<TestClock>,
    pub documents: PathBuf,
    keys: Keys,
    channel: Channel,
    tenders: Journal,
    pub notices: Journal,
    shutdown: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl House {
    pub async fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(start_of_time().micros())));
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let shutdown = CancellationToken::new();
        let from = start_of_time().plus_seconds(-86_400);
        let root = TrialAuthority::new("试验根证书", from, from.plus_seconds(86_400_000)).unwrap();
        let roots = Arc::new(Roots::new(vec![root.certificate().to_vec()]).unwrap());
        let rules = Arc::new(Engine::new().unwrap());
        let database = sunbid_service::trial::database().await.unwrap();
        let setting = |service: &'static str| {
            let own = keys.pair(&format!("service-{service}")).unwrap();
            Setting {
                clock: clock.clone(),
                data: folder.path().to_owned(),
                database: database.clone(),
                peers: Peers::new(
                    &endpoint,
                    Identity::new(service, own, clock.clone(), ORIGIN),
                ),
                rules: rules.clone(),
                roots: roots.clone(),
                keys: keys.clone(),
                origin: ORIGIN.to_owned(),
                sandbox: true,
                shutdown: shutdown.clone(),
            }
        };
        let files = Store::in_folder(folder.path()).unwrap();
        let all = [
            sunbid_tender::start(setting("tender"), files.clone())
                .await
                .unwrap(),
            sunbid_notice::start(setting("notice")).await.unwrap(),
            sunbid_bid::start(setting("bid"), files).await.unwrap(),
        ];
        let mut routes = RoutesBuilder::default();
        let mut tasks = JoinSet::new();
        let mut logs = Vec::new();
        let (tenders, notices) = (all[0].journal.clone(), all[1].journal.clone());
        for mut service in all {
            (service.install)(&mut routes);
            logs.push((service.name, service.journal));
            tasks.spawn(async move { while service.tasks.join_next().await.is_some() {} });
        }
        routes.add_service(LogServiceServer::new(Logs::new(logs)));
        let guard = Guard {
            keyring: Keyring {
                people: vec![keys.public("token").unwrap()],
                services: keys.service_keys(&SERVICES).unwrap(),
            },
            revocations: Revocations::default(),
            clock: clock.clone(),
            origin: ORIGIN.to_owned(),
        };
        let stop = shutdown.clone();
        tokio::spawn(
            Server::builder()
                .layer(AuthenticationLayer::new(guard))
                .add_routes(routes.routes())
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                    stop.cancelled().await;
                }),
        );
        Self {
            clock,
            documents: folder.path().join("tender/documents"),
            keys,
            channel: endpoint.connect_lazy(),
            tenders,
            notices,
            shutdown,
            _tasks: tasks,
            _folder: folder,
        }
    }

    pub fn tender(&self) -> TenderServiceClient<Channel> {
        TenderServiceClient::new(self.channel.clone())
    }

    pub fn notice(&self) -> NoticeServiceClient<Channel> {
        NoticeServiceClient::new(self.channel.clone())
    }

    /// A request of a person of an organisation, read in English.
    pub fn by<T>(&self, organization: &str, person: &str, role: Role, message: T) -> Request<T> {
        let claims = Claims {
            subject: format!("{organization}/subjects/{person}"),
            organization: organization.to_owned(),
            roles: vec![role as i32],
            session_id: vec![1; 16],
            expire_us: i64::MAX,
            origin: ORIGIN.into(),
        };
        let token = token::mint(&self.keys.pair("token").unwrap(), &claims);
        let mut request = english(message);
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    pub fn purchaser<T>(&self, message: T) -> Request<T> {
        self.by(PURCHASER, "a", Role::Purchaser, message)
    }

    pub fn supplier<T>(&self, message: T) -> Request<T> {
        self.by(SUPPLIER, "s", Role::Supplier, message)
    }

    pub fn supervisor<T>(&self, message: T) -> Request<T> {
        self.by(
            "organizations/12350100MB02709751",
            "v",
            Role::Supervisor,
            message,
        )
    }

    /// A draft in force.
    pub async fn draft(&self) -> Tender {
        let request = CreateTenderRequest {
            request_id: id(),
            tender: Some(draft(self.clock.now())),
        };
        let answer = self
            .tender()
            .create_tender(self.purchaser(request))
            .await
            .unwrap();
        answer.into_inner().tender.unwrap()
    }

    pub async fn upload(
        &self,
        tender: &str,
        content: &[u8],
        stated: &[u8],
    ) -> Result<UploadDocumentResponse, Status> {
        let header = UploadDocumentHeader {
            request_id: id(),
            tender: tender.to_owned(),
            document: Some(FileDigest {
                file_name: "招标文件.pdf".to_owned(),
                media_type: "application/pdf".to_owned(),
                size_bytes: content.len() as i64,
                sha256: stated.to_vec(),
            }),
        };
        let chunks = content
            .chunks(1 << 20)
            .map(|chunk| Part::Chunk(chunk.to_vec()));
        let steps: Vec<_> = std::iter::once(Part::Header(header))
            .chain(chunks)
            .map(|step| UploadDocumentRequest { step: Some(step) })
            .collect();
        let request = self.purchaser(tokio_stream::iter(steps));
        Ok(self.tender().upload_document(request).await?.into_inner())
    }

    /// A ceremony with this one holder, as its start would put it on record.
    pub async fn invite(&self, tender: &str, organization: &str) {
        let started = CeremonyStarted {
            ceremony: Some(Ceremony {
                tender: tender.to_owned(),
                holders: vec![Holder {
                    index: 1,
                    organization: organization.to_owned(),
                    ..Holder::default()
                }],
                ..Ceremony::default()
            }),
        };
        let stream = StreamId::of("tender");
        let step = Step::of_cause("tender", tender, "Test", b"2", &started).reading(&[stream]);
        ledger::commit_quietly(&self.tenders, step, move |view| {
            Decided::new()
                .event(stream, &started)
                .fold::<Dossier>(view, stream)
        })
        .await
        .unwrap();
    }

    /// Reviewed, with a document, its key standing. Holders and their ceremony are tried elsewhere:
    /// here the key is put on record as a ceremony would.
    pub async fn ready(&self) -> Tender {
        let tender = self.draft().await;
        let content = b"the tender document";
        self.upload(&tender.name, content, &sha256(&[content]))
            .await
            .unwrap();
        for kind in [ReviewKind::Internal, ReviewKind::FairCompetition] {
            let request = ReviewTenderRequest {
                request_id: id(),
                name: tender.name.clone(),
                kind: kind as i32,
                passed: true,
                conclusion: "通过。".to_owned(),
            };
            let request = self.by(PURCHASER, "b", Role::Reviewer, request);
            self.tender().review_tender(request).await.unwrap();
        }
        let started = CeremonyStarted {
            ceremony: Some(Ceremony {
                tender: tender.name.clone(),
                ..Default::default()
            }),
        };
        let key = SecretScalar::random(&mut OsRng).unwrap().public();
        let established = TenderKeyEstablished {
            key_id: vec![7; 32],
            public_key: key.as_bytes().to_vec(),
        };
        let stream = StreamId::of("tender");
        let step =
            Step::of_cause("tender", &tender.name, "Test", b"1", &started).reading(&[stream]);
        ledger::commit_quietly(&self.tenders, step, move |view| {
            Decided::new()
                .event(stream, &started)
                .event(stream, &established)
                .fold::<Dossier>(view, stream)
        })
        .await
        .unwrap();
        self.get(&tender.name).await
    }

    /// An intent of the purchaser's, put on record as its publication would: the registry, which is
    /// asked for the purchaser's name then, is not in this house.
    pub async fn intend(&self) -> Intent {
        let intent = Intent {
            name: format!("intents/{}", id()),
            purchaser: PURCHASER.to_owned(),
            jurisdiction: "CN".to_owned(),
            publish_time_us: self.clock.now().micros(),
            ..Default::default()
        };
        let published = IntentPublished {
            intent: Some(intent.clone()),
            notice: String::new(),
        };
        let stream = StreamId::of("intent");
        let step =
            Step::of_cause("notice", &intent.name, "Test", b"1", &published).reading(&[stream]);
        ledger::commit_quietly(&self.notices, step, move |view| {
            Decided::new()
                .event(stream, &published)
                .fold::<IntentState>(view, stream)
        })
        .await
        .unwrap();
        intent
    }

    /// Announced, and known to be everywhere.
    pub async fn announced(&self) -> Tender {
        let tender = self.ready().await;
        let request = PublishTenderNoticeRequest {
            request_id: id(),
            tender: tender.name.clone(),
        };
        let request = self.purchaser(request);
        self.notice().publish_tender_notice(request).await.unwrap();
        self.until_state(&tender.name, TenderState::Announced).await;
        self.get(&tender.name).await
    }

    /// A tender as its purchaser sees it.
    pub async fn get(&self, name: &str) -> Tender {
        let request = self.purchaser(GetTenderRequest {
            name: name.to_owned(),
        });
        self.tender()
            .get_tender(request)
            .await
            .unwrap()
            .into_inner()
            .tender
            .unwrap()
    }

    pub async fn until_state(&self, name: &str, state: TenderState) {
        self.until(async || self.get(name).await.state() == state)
            .await;
    }

    /// Kinds of the notices about a tender, newest first. The clock stands, so some are as new as
    /// others.
    pub async fn kinds(&self, tender: &str) -> Vec<NoticeKind> {
        let request = ListNoticesRequest {
            tender: tender.to_owned(),
            ..Default::default()
        };
        let answer = self
            .notice()
            .list_notices(english(request))
            .await
            .unwrap()
            .into_inner();
        answer.notices.iter().map(|notice| notice.kind()).collect()
    }

    /// Waits for something that services bring about between them.
    pub async fn until(&self, holds: impl AsyncFn() -> bool) {
        for _ in 0..3_000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to hold");
    }
}

/// A lawful draft for a notice at `at`.
pub fn draft(at: Instant) -> Tender {
    let engine = Engine::new().unwrap();
    let track = Track::GovernmentProcurement as i32;
    let scope = facts::scope(track, "CN-140600", at).unwrap();
    let method = ProcurementMethod::OpenTender;
    let plan = engine.timetable(&scope, facts::method(method), at).unwrap();
    let part = |part, class: PartClass| PartRequirement {
        part,
        class: class as i32,
        title: format!("第{part}部分"),
        required: true,
        max_bytes: 1 << 20,
    };
    Tender {
        track,
        category: Category::Goods as i32,
        method: method as i32,
        title: "教学设备采购".to_owned(),
        purchaser_display_name: "采购人甲".to_owned(),
        jurisdiction: "CN-140600".to_owned(),
        lots: vec![Lot {
            lot_id: "01".to_owned(),
            title: "教学设备".to_owned(),
            budget_fen: 300_000_000,
            ..Default::default()
        }],
        parts: vec![
            part(0, PartClass::OpeningSheet),
            part(1, PartClass::Evaluation),
        ],
        sheet: vec![SheetField {
            key: "price".to_owned(),
            label_zh: "投标报价".to_owned(),
            label_en: "Price".to_owned(),
            r#type: SheetFieldType::Amount as i32,
            required: true,
        }],
        timetable: Some(Timetable {
            document_from_us: at.micros(),
            document_until_us: plan.document_until.micros(),
            bid_deadline_us: plan.bid_deadline.micros(),
            objection_window_seconds: 300,
            bid_validity_days: 90,
            announcement_until_us: plan.announcement_until.unwrap().micros(),
        }),
        conditions: Some(Conditions {
            plan_filing_number: "计划1".to_owned(),
            urgent_reason: "设备损坏，不可预见。".to_owned(),
            reserved_for_small_enterprises: true,
            reserved_for_small_fen: 180_000_000,
            media: vec![Medium {
                kind: MediumKind::ProvincialGovernmentProcurement as i32,
                name: "中国政府采购网省级分网".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub fn english<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("accept-language", MetadataValue::from_static("en"));
    request
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
    let details = status.get_error_details();
    details
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}
