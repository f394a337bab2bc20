//! Calls at a time and a second: counted for each organisation and each of its people and machines, and
//! for the public together and for each address; ended when they take too long. The public's are counted by
//! kind, so that whatever the public reads or watches, nobody is kept from signing in. What is too much is
//! refused early, with a hint when to try again, instead of slowing all.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use sunbid_telemetry::{metrics, strain::Step};

use crate::{
    Caller, Language, Problem, address,
    connections::Admission,
    limits::Limits,
    observing::EDGE,
    rank::{Hands, InWork, Rank},
    rate::Pace,
    stall,
};

/// RPCs whose caller sends a stream: a large file on a slow line takes as long as it takes.
const TRANSFERS: [&str; 2] = [
    "/sunbid.bid.v1.BidService/UploadPart",
    "/sunbid.tender.v1.TenderService/UploadDocument",
];

/// RPCs before anybody is known: what signing in takes, and whether it can be done.
const SIGN_INS: [&str; 11] = [
    "/grpc.health.v1.Health/Check",
    "/sunbid.registry.v1.AccountService/BeginProviderSignIn",
    "/sunbid.registry.v1.AccountService/FinishPasskeySignIn",
    "/sunbid.registry.v1.AccountService/FinishProviderSignIn",
    "/sunbid.registry.v1.AccountService/RefreshSession",
    "/sunbid.registry.v1.AccountService/SetPassword",
    "/sunbid.registry.v1.AccountService/SignInWithPassword",
    "/sunbid.registry.v1.RegistryService/CreateChallenge",
    "/sunbid.registry.v1.RegistryService/GetPlatform",
    "/sunbid.registry.v1.RegistryService/RegisterOrganization",
    "/sunbid.registry.v1.RegistryService/SignIn",
];

/// How long one of those may take, its request included: nobody keeps a place by sending nothing.
const SIGN_IN: Duration = Duration::from_secs(30);

/// RPCs for everybody whose answer is a stream.
const STREAMS: [&str; 6] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/sunbid.audit.v1.AuditService/DownloadDisclosure",
    "/sunbid.opening.v1.OpeningService/WatchSession",
    "/sunbid.tender.v1.TenderService/DownloadDocument",
];

/// After this somebody else's call has probably ended.
const RETRY: Duration = Duration::from_secs(1);
/// Where waiting for one call of the pace is all it takes.
const SOON: Duration = Duration::from_millis(100);
/// After this somebody else's connection may have ended.
const RECONNECT: Duration = Duration::from_secs(10);

/// Counts calls; stands behind the authentication layer, which says whose they are.
#[derive(Clone)]
pub struct LimitLayer {
    calls: Arc<Calls>,
}

struct Calls {
    limits: Limits,
    counted: bool,
    // Open calls; locked for the length of a look-up.
    open: Mutex<HashMap<Whose, u32>>,
    pace: Pace<Whose>,
    hands: Hands,
}

/// Who calls are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Organization(String),
    Subject(String),
    Public(Kind),
    Address(Kind, IpAddr),
}

/// What the public calls, counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    SignIn,
    Stream,
    Call,
}

/// The part of the public's calls that one address may take.
const SHARE: u32 = 4;

impl Whose {
    /// All that a call is counted for, the narrower first. Nothing: the platform's own services, for
    /// what they do follows from what was let in.
    fn of(caller: Option<&Caller>, path: &str, address: Option<IpAddr>) -> Vec<Self> {
        let kind = match caller {
            Some(caller) if caller.is_service() => return Vec::new(),
            Some(caller) if !caller.organization().is_empty() => {
                return vec![
                    Self::Subject(caller.subject().to_owned()),
                    Self::Organization(caller.organization().to_owned()),
                ];
            }
            _ if SIGN_INS.contains(&path) => Kind::SignIn,
            _ if STREAMS.contains(&path) => Kind::Stream,
            _ => Kind::Call,
        };
        let address = address.map(|address| Self::Address(kind, address));
        address.into_iter().chain([Self::Public(kind)]).collect()
    }

    const fn most(&self, limits: &Limits) -> u32 {
        match self {
            Self::Organization(_) => limits.calls_per_organization,
            Self::Subject(_) => limits.calls_per_subject,
            Self::Public(kind) => kind.most(limits),
            Self::Address(kind, _) => kind.most(limits).div_ceil(SHARE),
        }
    }
}

impl Kind {
    const fn most(self, limits: &Limits) -> u32 {
        match self {
            Self::SignIn => limits.sign_ins,
            Self::Stream => limits.streams_of_public,
            Self::Call => limits.calls_of_public,
        }
    }
}

fn count_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl LimitLayer {
    pub fn new(limits: Limits) -> Self {
        Self::with(limits, true)
    }

    /// The same for a process that does not know whose calls are: the services behind it count them.
    pub fn uncounted(limits: Limits) -> Self {
        Self::with(limits, false)
    }

    fn with(limits: Limits, counted: bool) -> Self {
        Self {
            calls: Arc::new(Calls {
                limits,
                counted,
                open: Mutex::default(),
                pace: Pace::new(limits.calls_per_second),
                hands: Hands::new(limits.calls_in_work),
            }),
        }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            calls: self.calls.clone(),
            inner,
        }
    }
}

/// An open call; counted until it is dropped.
struct Open {
    calls: Arc<Calls>,
    whose: Vec<Whose>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Whose, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, if it is somebody's.
    fn admit(
        self: &Arc<Self>,
        extensions: &http::Extensions,
        headers: &http::HeaderMap,
        path: &str,
    ) -> Result<Option<Open>, Problem> {
        let admission = extensions.get::<Admission>();
        if admission.is_some_and(|admission| !admission.admitted) {
            return Err(Problem::TooMuch {
                reason: "CONNECTIONS_TOO_MANY",
                zh: "平台或本地址当前连接数已满，请稍后重新连接。".to_owned(),
                en: "The platform, or your address, has as many connections as it takes; connect \
                     again in a moment."
                    .to_owned(),
                retry: Some(RECONNECT),
            });
        }
        if !self.counted {
            return Ok(None);
        }
        let address = address::of(headers, admission, extensions.get());
        let whose = Whose::of(extensions.get(), path, address);
        let Some(narrowest) = whose.first() else {
            return Ok(None);
        };
        // All who come without an address of their own are no caller whose pace could be told.
        if !matches!(narrowest, Whose::Public(_))
            && let Err(wait) = self.pace.take(narrowest)
        {
            let most = self.limits.calls_per_second;
            return Err(Problem::TooMuch {
                reason: "CALLS_TOO_FAST",
                zh: format!("请求过快，平均每秒不得超过{most}个，请稍后重试。"),
                en: format!("{most} calls a second are taken on the average; retry in a moment."),
                retry: Some(wait.max(SOON)),
            });
        }
        let mut open = self.lock();
        for who in &whose {
            if !matches!(who, Whose::Organization(_)) {
                let step = Step::of(
                    count_of(open.get(who).copied().unwrap_or(0)),
                    count_of(who.most(&self.limits)),
                );
                metrics().strains().note(EDGE, "calls", step);
            }
        }
        let full = whose
            .iter()
            .map(|who| (open.get(who).copied().unwrap_or(0), who.most(&self.limits)))
            .find(|(count, most)| count >= most);
        if let Some((_, most)) = full {
            return Err(Problem::TooMuch {
                reason: "CALLS_TOO_MANY",
                zh: format!("同时进行的请求已达{most}个，请待其中一些结束后重试。"),
                en: format!("{most} calls are open at a time at most; retry when some have ended."),
                retry: Some(RETRY),
            });
        }
        for who in &whose {
            *open.entry(who.clone()).or_default() += 1;
        }
        drop(open);
        Ok(Some(Open {
            calls: self.clone(),
            whose,
        }))
    }

    /// A hand for a call; the platform's own services are always given one.
    fn hand(&self, open: Option<&Open>, path: &str) -> Result<Option<InWork>, Problem> {
        if open.is_none() {
            return Ok(None);
        }
        let taken = self.hands.take(Rank::of(path));
        taken.map(Some).ok_or_else(|| Problem::TooMuch {
            reason: "BUSY",
            zh: "平台繁忙，优先处理临近截止的投标，请稍后重试。".to_owned(),
            en:
                "The platform is busy and serves bids near their deadline first; retry in a moment."
                    .to_owned(),
            retry: Some(RETRY),
        })
    }

    fn time_for(&self, path: &str) -> Duration {
        if SIGN_INS.contains(&path) {
            return SIGN_IN;
        }
        let seconds = if TRANSFERS.contains(&path) {
            self.limits.transfer_seconds
        } else {
            self.limits.call_seconds
        };
        Duration::from_secs(seconds.into())
    }
}

impl Open {
    /// Watches an answer of this call, which is open until the answer is read, dropped or ended: the
    /// public's when it is not read or lasts too long; an organisation keeps only itself from calling.
    fn watch(self, body: Body, language: Language) -> Body {
        let life = match self.whose.last() {
            Some(Whose::Public(Kind::SignIn)) => SIGN_IN.as_secs(),
            Some(Whose::Public(_)) => self.calls.limits.transfer_seconds.into(),
            _ => return Body::new(Counted { body, _open: self }),
        };
        stall::watched(body, self, Some(Duration::from_secs(life)), language)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.calls.lock();
        for who in &self.whose {
            if let Some(count) = open.get_mut(who) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.remove(who);
                }
            }
        }
    }
}

/// A service behind the limits.
#[derive(Clone)]
pub struct Limited<S> {
    calls: Arc<Calls>,
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Limited<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        let language = Language::of_headers(request.headers());
        let admitted = self
            .calls
            .admit(request.extensions(), request.headers(), path)
            .and_then(|open| {
                let hand = self.calls.hand(open.as_ref(), path)?;
                Ok((open, hand))
            });
        let (open, hand) = match admitted {
            Ok(admitted) => admitted,
            Err(problem) => {
                let refused = problem.into_status(language).into_http();
                return Box::pin(std::future::ready(Ok(refused)));
            }
        };
        let time = self.calls.time_for(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(answer) = tokio::time::timeout(time, answer).await else {
                let text = language.pick(
                    "处理超时，请重试；重复的请求不会重复生效。",
                    "This took too long; retry, the same request id takes effect once.",
                );
                return Ok(Status::deadline_exceeded(text).into_http());
            };
            let answer = answer?;
            drop(hand);
            Ok(match open {
                Some(open) => answer.map(|body| open.watch(body, language)),
                None => answer,
            })
        })
    }
}

/// An organisation's answer, whose call is open until it is read or dropped.
struct Counted {
    body: Body,
    _open: Open,
}

impl http_body::Body for Counted {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use prost::Message;
    use sunbid_contracts::registry::v1::Role;
    use tonic::Code;
    use tonic_types::StatusExt;
    use tower::service_fn;

    use super::*;
    use crate::{access, token::Claims};

    fn caller(organization: &str, role: Role) -> Caller {
        Caller::new(Claims {
            organization: organization.to_owned(),
            subject: format!("{organization}/subjects/1"),
            roles: vec![role as i32],
            ..Claims::default()
        })
    }

    fn layer() -> LimitLayer {
        LimitLayer::new(Limits {
            calls_per_organization: 3,
            calls_per_subject: 2,
            calls_of_public: 3,
            streams_of_public: 4,
            sign_ins: 5,
            call_seconds: 5,
            transfer_seconds: 60,
            ..Limits::default()
        })
    }

    fn request(path: &str, caller: Option<Caller>) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.uri_mut() = path.parse().unwrap();
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        request
    }

    /// An answer that has not ended yet.
    struct Unread;

    impl http_body::Body for Unread {
        type Data = <Body as http_body::Body>::Data;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
            Poll::Pending
        }
    }

    async fn unread(
        _: http::Request<()>,
    ) -> Result<http::Response<Body>, std::convert::Infallible> {
        Ok(http::Response::new(Body::new(Unread)))
    }

    fn status(answer: &http::Response<Body>) -> Status {
        Status::from_header_map(answer.headers()).unwrap()
    }

    #[tokio::test]
    async fn a_call_counts_until_its_answer_was_read() {
        let mut service = layer().layer(service_fn(unread));
        let a = || Some(caller("organizations/a", Role::Supplier));
        let b = || Some(caller("organizations/b", Role::Supplier));
        let mut full = Vec::new();
        for (who, path, most) in [
            (a(), "/x/y", 2),
            (b(), STREAMS[0], 2),
            // Each of these is full when the next is tried.
            (None, STREAMS[0], 4),
            (None, "/x/y", 3),
            (None, SIGN_INS[4], 5),
        ] {
            let mut ask = || service.call(request(path, who.clone())).now_or_never();
            let mut open = Vec::new();
            for _ in 0..most {
                open.push(ask().unwrap().unwrap());
            }
            let refused = status(&ask().unwrap().unwrap());
            assert_eq!(refused.code(), Code::ResourceExhausted);
            let details = refused.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "CALLS_TOO_MANY");
            assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY));
            open.pop();
            let again = ask().unwrap().unwrap();
            assert!(Status::from_header_map(again.headers()).is_none());
            open.push(again);
            full.append(&mut open);
        }
        drop(full);
        assert!(service.calls.lock().is_empty());
        let inner = caller("", Role::Service);
        let mut open = Vec::new();
        for _ in 0..9 {
            let answer = service.call(request("/x/y", Some(inner.clone())));
            open.push(answer.await.unwrap());
        }
        assert!(open.iter().all(|answer| answer.headers().is_empty()));
    }

    #[tokio::test]
    async fn one_of_many_leaves_room_for_the_others() {
        let mut service = layer().layer(service_fn(unread));
        let mut ask = |path: &str, who: Option<Caller>, address: &str| {
            let mut asked = request(path, who);
            let address = address.parse().ok();
            let admitted = true;
            asked
                .extensions_mut()
                .insert(Admission { admitted, address });
            service.call(asked).now_or_never().unwrap().unwrap()
        };
        let subject = |number: u8| {
            Some(Caller::new(Claims {
                organization: "organizations/a".to_owned(),
                subject: format!("organizations/a/subjects/{number}"),
                roles: vec![Role::Supplier as i32],
                ..Claims::default()
            }))
        };
        let mut open = Vec::new();
        for (path, who, address, taken) in [
            // Two of one person, one of another, and the organisation has its three.
            ("/x/y", subject(1), "192.0.2.1", true),
            ("/x/y", subject(1), "192.0.2.2", true),
            ("/x/y", subject(1), "192.0.2.3", false),
            ("/x/y", subject(2), "192.0.2.1", true),
            ("/x/y", subject(3), "192.0.2.1", false),
            // Of three calls and of five sign-ins a quarter is one and two.
            ("/x/y", None, "192.0.2.1", true),
            ("/x/y", None, "192.0.2.1", false),
            ("/x/y", None, "192.0.2.2", true),
            (SIGN_INS[4], None, "192.0.2.1", true),
            (SIGN_INS[4], None, "192.0.2.1", true),
            (SIGN_INS[4], None, "192.0.2.1", false),
            (SIGN_INS[4], None, "192.0.2.2", true),
        ] {
            let answer = ask(path, who.clone(), address);
            let refused = Status::from_header_map(answer.headers());
            assert_eq!(refused.is_none(), taken, "{path} {who:?} {address}");
            open.push(answer);
        }
        drop(open);
        assert!(service.calls.lock().is_empty());
    }

    #[tokio::test]
    async fn who_calls_too_fast_is_told_when_to_come_again() {
        let limits = Limits {
            calls_per_second: 1,
            ..Limits::default()
        };
        let mut service = LimitLayer::new(limits).layer(service_fn(unread));
        let mut ask = |who: &str| {
            let caller = caller(who, Role::Supplier);
            let asked = service.call(request("/x/y", Some(caller)));
            asked.now_or_never().unwrap().unwrap()
        };
        let refused: Vec<_> = (0..20).map(|_| ask("organizations/a")).collect();
        let refused: Vec<_> = refused
            .iter()
            .filter_map(|answer| Status::from_header_map(answer.headers()))
            .collect();
        assert!(refused.len() >= 9, "{}", refused.len());
        let details = refused[0].get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "CALLS_TOO_FAST");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        let other = ask("organizations/b");
        assert!(Status::from_header_map(other.headers()).is_none());
    }

    #[tokio::test]
    async fn when_busy_what_is_read_gives_way_to_bids() {
        let limits = Limits {
            calls_in_work: 64,
            ..Limits::default()
        };
        let never = service_fn(|_: http::Request<()>| async {
            std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>().await
        });
        let mut service = LimitLayer::new(limits).layer(never);
        let (list, bid) = (
            "/sunbid.bid.v1.BidService/ListBids",
            "/sunbid.bid.v1.BidService/SubmitBid",
        );
        let mut ask = |path: &str, who: usize| {
            let caller = caller(&format!("organizations/{who}"), Role::Supplier);
            service.call(request(path, Some(caller)))
        };
        let mut working = vec![ask(list, 0)];
        let busy = status(&ask(list, 1).now_or_never().unwrap().unwrap());
        let details = busy.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "BUSY");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY));
        for who in 2..65 {
            working.push(ask(bid, who));
            assert!(
                working.last_mut().unwrap().now_or_never().is_none(),
                "{who}"
            );
        }
        let full = status(&ask(bid, 65).now_or_never().unwrap().unwrap());
        assert_eq!(full.code(), Code::ResourceExhausted);
        drop(working);
        assert!(ask(list, 66).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_connection_without_room_is_told() {
        let mut service = layer().layer(service_fn(unread));
        for (admitted, told) in [(true, false), (false, true)] {
            let mut asked = request("/x/y", None);
            let address = None;
            asked
                .extensions_mut()
                .insert(Admission { admitted, address });
            let answer = service.call(asked).await.unwrap();
            let status = Status::from_header_map(answer.headers());
            assert_eq!(status.is_some(), told);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_ends_and_a_transfer_may_take_longer() {
        let slow = service_fn(|asked| async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            unread(asked).await
        });
        let mut service = layer().layer(slow);
        let late = service.call(request("/x/y", None)).await.unwrap();
        assert_eq!(status(&late).code(), Code::DeadlineExceeded);
        assert!(service.calls.lock().is_empty());
        let sent = service.call(request(TRANSFERS[0], None)).await.unwrap();
        assert!(Status::from_header_map(sent.headers()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_public_does_not_read_or_watches_for_ever_is_let_go() {
        let mut service = layer().layer(service_fn(unread));
        // Nobody asks these answers for a first piece.
        for path in ["/x/y", STREAMS[0], SIGN_INS[0]] {
            let open = service.call(request(path, None)).await.unwrap();
            assert_eq!(service.calls.lock().len(), 1);
            tokio::time::sleep(stall::STALLED * 2).await;
            assert!(service.calls.lock().is_empty(), "{path}");
            drop(open);
        }
        // This one is waited for, and still ends.
        let watch = service.call(request(STREAMS[0], None)).await.unwrap();
        let mut body = watch.into_body();
        let end = body.frame().await.unwrap().unwrap();
        let end = Status::from_header_map(end.trailers_ref().unwrap()).unwrap();
        assert_eq!(end.code(), Code::Unavailable);
        assert!(service.calls.lock().is_empty());
    }

    /// The parts of a descriptor that say which RPCs take a stream.
    #[derive(Message)]
    struct Files {
        #[prost(message, repeated, tag = "1")]
        file: Vec<File>,
    }
    #[derive(Message)]
    struct File {
        #[prost(string, tag = "2")]
        package: String,
        #[prost(message, repeated, tag = "6")]
        service: Vec<Rpcs>,
    }
    #[derive(Message)]
    struct Rpcs {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, repeated, tag = "2")]
        method: Vec<Method>,
    }
    #[derive(Message)]
    struct Method {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(bool, tag = "5")]
        client_streaming: bool,
        #[prost(bool, tag = "6")]
        server_streaming: bool,
    }

    /// Paths of the RPCs that are `so`, in order.
    fn paths(so: impl Fn(&Method) -> bool) -> Vec<String> {
        let mut paths = Vec::new();
        for file in Files::decode(sunbid_contracts::DESCRIPTORS).unwrap().file {
            for service in &file.service {
                let methods = service.method.iter().filter(|one| so(one));
                paths.extend(
                    methods.map(|one| format!("/{}.{}/{}", file.package, service.name, one.name)),
                );
            }
        }
        paths.sort();
        paths
    }

    #[test]
    fn every_rpc_that_takes_a_stream_has_time_for_it() {
        let streaming = paths(|method| method.client_streaming);
        assert_eq!(streaming, TRANSFERS);
    }

    #[test]
    fn every_rpc_is_counted_as_what_it_is() {
        let public = |path: &str| access::allows(path, None);
        let mut streaming = paths(|method| method.server_streaming);
        streaming.retain(|path| public(path));
        let (foreign, own): (Vec<_>, Vec<_>) = STREAMS
            .into_iter()
            .partition(|path| path.starts_with("/grpc."));
        assert_eq!(streaming, own);
        let unary = paths(|method| !method.server_streaming);
        let own = &SIGN_INS[1..];
        assert!(own.iter().all(|path| unary.iter().any(|one| one == path)));
        assert!(foreign.iter().chain(&SIGN_INS).all(|path| public(path)));
    }
}
