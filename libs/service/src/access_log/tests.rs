//! The layer and the journal together: what is kept, when, and what is not answered without it.

use std::convert::Infallible;

use prost::{Message, Name};
use sunbid_contracts::{
    common::v1::Record, notice::v1::ListQuestionsRequest, registry::v1::GetOrganizationRequest,
    registry::v1::Role,
};
use sunbid_journal::Db;
use sunbid_proofs::LogId;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, service_fn};

use super::*;
use crate::{Caller, clock::SystemClock, problem::denied, token::Claims};

const QUESTIONS: &str = "/sunbid.notice.v1.NoticeService/ListQuestions";
const TENDER: &str = "/sunbid.tender.v1.TenderService/GetTender";
const ORGANIZATION: &str = "/sunbid.registry.v1.RegistryService/GetOrganization";

fn caller(role: Role) -> Caller {
    Caller::new(Claims {
        subject: "organizations/a/subjects/1".into(),
        organization: "organizations/a".into(),
        roles: vec![role as i32],
        ..Claims::default()
    })
}

fn request(path: &str, message: &impl Message) -> http::Request<Body> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let framed = [&[0], length.as_slice(), &bytes].concat();
    let mut request = http::Request::new(Body::new(http_body_util::Full::from(framed)));
    *request.uri_mut() = path.parse().unwrap();
    request
}

struct House {
    journal: Journal,
    logs: AccessLogs,
    clock: Arc<dyn Clock>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("x.db")).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = Journal::open(db, clock.clone()).await.unwrap();
        Self {
            logs: AccessLogs::new([("notice", journal.clone())], &clock),
            journal,
            clock,
            _folder: folder,
        }
    }

    /// Calls `path` as `who`; the service behind reads the request and ends as told.
    async fn call(
        &self,
        request: http::Request<Body>,
        who: Option<Caller>,
        end: impl Fn() -> http::Response<Body> + Clone + Send + 'static,
    ) -> Code {
        let inner = service_fn(move |request: http::Request<Body>| {
            let (who, end) = (who.clone(), end.clone());
            async move {
                let asker = request.extensions().get::<Asker>().unwrap().clone();
                if let Some(who) = who {
                    asker.is(who);
                }
                let _ = http_body_util::BodyExt::collect(request.into_body()).await;
                Ok::<_, Infallible>(end())
            }
        });
        let mut service = AccessLogLayer::new(self.logs.clone()).layer(inner);
        let answer = service.call(request).await.unwrap();
        Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
    }

    async fn kept<M: Message + Name + Default>(&self) -> Vec<M> {
        let log = LogId::of("notice", &scope_of(self.clock.now()));
        let entries = self.journal.read(log, 0, 1000).await.unwrap();
        entries
            .iter()
            .map(|entry| Record::decode(entry.body().unwrap()).unwrap())
            .filter(|record| record.r#type == M::full_name())
            .map(|record| M::decode(record.event.as_slice()).unwrap())
            .collect()
    }
}

fn answered() -> http::Response<Body> {
    http::Response::new(Body::empty())
}

fn shown() -> http::Response<Body> {
    shows_what_is_not_public();
    answered()
}

fn refused() -> http::Response<Body> {
    denied(crate::Language::English).into_http()
}

#[tokio::test]
async fn a_reading_is_on_record_before_its_answer() {
    let house = House::new().await;
    let asked = ListQuestionsRequest {
        tender: "tenders/1".into(),
        ..ListQuestionsRequest::default()
    };
    for _ in 0..3 {
        let asked = request(QUESTIONS, &asked);
        let code = house.call(asked, Some(caller(Role::Supervisor)), answered);
        assert_eq!(code.await, Code::Ok);
        // Nothing was written by anybody else: the answer itself waited.
        let kept = house.kept::<NonPublicRead>().await;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].record, "tenders/1");
        assert_eq!(kept[0].roles, ["supervisor"]);
        assert_eq!(format!("/{}", kept[0].method), QUESTIONS);
        assert!(kept[0].row.contains("record purchaser, supervisor"));
    }
    // A supplier reads what suppliers read.
    let asked = request(QUESTIONS, &asked);
    house
        .call(asked, Some(caller(Role::Supplier)), answered)
        .await;
    assert_eq!(house.kept::<NonPublicRead>().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_answered() {
    let house = House::new().await;
    house.journal.stop().await;
    let asked = || request(QUESTIONS, &ListQuestionsRequest::default());
    let read = house.call(asked(), Some(caller(Role::Supervisor)), answered);
    assert_eq!(read.await, Code::Unavailable);
    let own = house.call(asked(), Some(caller(Role::Supplier)), answered);
    assert_eq!(own.await, Code::Ok);
    let no = house.call(asked(), Some(caller(Role::Supervisor)), refused);
    assert_eq!(no.await, Code::PermissionDenied);
}

#[tokio::test]
async fn ones_own_and_what_is_public_is_nobodys_business() {
    let house = House::new().await;
    let named = |name: &str| GetOrganizationRequest { name: name.into() };
    let who = || Some(caller(Role::Administrator));
    for (name, kept) in [("organizations/a", 0), ("organizations/b", 1)] {
        let asked = request(ORGANIZATION, &named(name));
        assert_eq!(house.call(asked, who(), answered).await, Code::Ok);
        assert_eq!(house.kept::<NonPublicRead>().await.len(), kept, "{name}");
    }
    // Of a public RPC, what the service says is not public.
    let tender = || request(TENDER, &named("tenders/1"));
    let who = || Some(caller(Role::Supervisor));
    house.call(tender(), who(), answered).await;
    assert_eq!(house.kept::<NonPublicRead>().await.len(), 1);
    house.call(tender(), who(), shown).await;
    assert_eq!(house.kept::<NonPublicRead>().await.len(), 2);
    house.call(tender(), None, shown).await;
    assert_eq!(house.kept::<NonPublicRead>().await.len(), 2);
}

#[tokio::test]
async fn refusals_are_kept_and_a_flood_is_counted() {
    let house = House::new().await;
    let stop = CancellationToken::new();
    for _ in 0..100 {
        let asked = request(
            TENDER,
            &GetOrganizationRequest {
                name: "tenders/1".into(),
            },
        );
        let no = house.call(asked, Some(caller(Role::Supplier)), refused);
        assert_eq!(no.await, Code::PermissionDenied);
    }
    let nobody = request(QUESTIONS, &ListQuestionsRequest::default());
    house.call(nobody, None, refused).await;
    stop.cancel();
    // Writes what there is, the minute's counts too, and ends.
    house.logs.clone().run(stop).await;
    let kept = house.kept::<AccessRefused>().await;
    assert_eq!(kept.len(), 8);
    assert!(kept.iter().all(|one| one.record == "tenders/1"
        && one.subject == "organizations/a/subjects/1"
        && one.reason == "RELATION"));
    let counted = house.kept::<AccessCounted>().await;
    let told: Vec<_> = counted
        .iter()
        .map(|one| (one.subject.as_str(), one.refused))
        .collect();
    assert_eq!(told, [("", 1), ("organizations/a/subjects/1", 92)]);
    assert_eq!(house.kept::<AccessDayBegun>().await.len(), 1);
}
