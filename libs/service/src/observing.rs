//! The layer that sees calls go by, for metrics and traces. It tells two kinds apart by the access table: calls
//! that suppliers or the public may make are never counted or traced, for their number and times would tell
//! who bids; those of offices and holders are.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use http::HeaderMap;
use sunbid_telemetry::{
    metrics,
    strain::Step,
    trace::{self, Origin},
};
use tonic::{Code, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::{Caller, access};

/// Where strain is shown that is of a whole process.
pub const EDGE: &str = "edge";
/// Bound that is reached whenever an answer is the platform's own fault.
pub const FAULTS: &str = "faults";

/// Areas that calls are for, as strain names them.
const AREAS: [&str; 8] = [
    "registry", "notice", "tender", "deposit", "bid", "opening", "audit", "journal",
];

/// What is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// Of a hundred calls from outside, how many.
    pub percent: u32,
    /// Whether callers' own traces are continued; else a trace begins here and points at theirs.
    pub join_callers: bool,
    /// Whether suppliers' and the public's calls are traced too. Never where bids are real.
    pub sealed: bool,
}

/// Where the layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a port that the platform's own processes alone can open: what they say of a trace is believed.
    Inside,
    /// At a port that others come to, in front of the services.
    Edge,
    /// At the front door, behind which services count for themselves.
    Front,
}

/// Sees calls go by; stands behind the authentication layer, which says whose they are.
#[derive(Clone)]
pub struct ObserveLayer {
    shared: Arc<Shared>,
}

struct Shared {
    tracing: Tracing,
    place: Place,
    // Calls that could be traced so far.
    seen: AtomicU64,
}

impl ObserveLayer {
    pub fn new(tracing: Tracing, place: Place) -> Self {
        for area in AREAS {
            metrics().strains().know(area, FAULTS);
        }
        for bound in ["calls", "connections"] {
            metrics().strains().know(EDGE, bound);
        }
        Self {
            shared: Arc::new(Shared {
                tracing,
                place,
                seen: AtomicU64::new(0),
            }),
        }
    }
}

impl Shared {
    /// Whether the next call is one of those in a hundred.
    fn draw(&self) -> bool {
        let percent = u64::from(self.tracing.percent);
        let before = self.seen.fetch_add(1, Ordering::Relaxed) % 100;
        before * percent / 100 != (before + 1) * percent / 100
    }

    fn span(&self, path: &str, open: bool, headers: &HeaderMap, caller: Option<&Caller>) -> Span {
        if !trace::is_exported() {
            return Span::none();
        }
        let method = path.trim_start_matches('/');
        let origin = Origin::read(headers);
        if self.place == Place::Inside || caller.is_some_and(Caller::is_service) {
            // What is done on behalf of a traced call, and nothing else.
            return match origin.filter(Origin::is_sampled) {
                Some(origin) => trace::served(method, Some(&origin), true),
                None => Span::none(),
            };
        }
        let may = open || (self.tracing.sealed && access::row(path).is_some());
        if !may || !self.draw() {
            return Span::none();
        }
        trace::served(method, origin.as_ref(), self.tracing.join_callers)
    }
}

fn area_of(path: &str) -> &'static str {
    let area = path
        .strip_prefix("/sunbid.")
        .and_then(|rest| rest.split_once('.'));
    let area = area.map_or("", |(area, _)| area);
    AREAS
        .into_iter()
        .find(|known| *known == area)
        .unwrap_or(EDGE)
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            shared: self.shared.clone(),
            inner,
        }
    }
}

/// A service whose calls are seen.
#[derive(Clone)]
pub struct Observed<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Observed<S>
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
        let shared = &self.shared;
        let path = request.uri().path();
        let open = access::is_open(path);
        let span = shared.span(path, open, request.headers(), request.extensions().get());
        let area = area_of(path);
        let counted = open && shared.place != Place::Front;
        let method = counted.then(|| path.trim_start_matches('/').to_owned());
        let began = Instant::now();
        let answer = span.in_scope(|| self.inner.call(request));
        let answer = answer.instrument(span.clone());
        Box::pin(async move {
            let answer = answer.await?;
            // A stream that breaks off later counts by how it began.
            let code = match answer.headers().get("grpc-status") {
                Some(code) => Code::from_bytes(code.as_bytes()),
                None => Code::Ok,
            };
            trace::ended(&span, word(code));
            let own_fault = [
                Code::Unknown,
                Code::Internal,
                Code::DataLoss,
                Code::Unavailable,
            ];
            if own_fault.contains(&code) {
                metrics().strains().note(area, FAULTS, Step::Refusing);
            }
            if let Some(method) = method {
                let method = ("method", method);
                let took = began.elapsed().as_secs_f64();
                let all = metrics();
                let labels = vec![method.clone(), ("code", word(code).to_owned())];
                all.calls.get_or_create(&labels).inc();
                all.call_seconds.get_or_create(&vec![method]).observe(took);
            }
            Ok(answer)
        })
    }
}

/// A code as the contracts' documentation writes it.
const fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tower::service_fn;

    use super::*;

    const OFFICE: &str = "/sunbid.tender.v1.TenderService/CreateTender";
    const SUPPLIER: &str = "/sunbid.bid.v1.BidService/SubmitBid";

    fn layer(percent: u32) -> ObserveLayer {
        let tracing = Tracing {
            percent,
            join_callers: false,
            sealed: false,
        };
        ObserveLayer::new(tracing, Place::Edge)
    }

    async fn call(path: &str, code: Code) {
        let answer = move |_: http::Request<()>| async move {
            let answer = match code {
                Code::Ok => http::Response::new(Body::empty()),
                code => Status::new(code, "").into_http(),
            };
            Ok::<_, std::convert::Infallible>(answer)
        };
        let mut request = http::Request::new(());
        *request.uri_mut() = path.parse().unwrap();
        layer(100)
            .layer(service_fn(answer))
            .call(request)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn offices_are_counted_and_suppliers_are_not() {
        call(OFFICE, Code::Ok).await;
        call(OFFICE, Code::NotFound).await;
        call(SUPPLIER, Code::Ok).await;
        let text = metrics().text().unwrap();
        let office =
            "sunbid_calls_total{method=\"sunbid.tender.v1.TenderService/CreateTender\",code=";
        assert!(text.contains(&format!("{office}\"OK\"}} 1\n")), "{text}");
        assert!(
            text.contains(&format!("{office}\"NOT_FOUND\"}} 1\n")),
            "{text}"
        );
        assert!(!text.contains("SubmitBid"), "{text}");
        // That a supplier's call failed by the platform's fault is said, and not how often.
        call(SUPPLIER, Code::Internal).await;
        call(SUPPLIER, Code::Internal).await;
        let text = metrics().text().unwrap();
        let faults = "sunbid_strain{service=\"bid\",bound=\"faults\"} 3.0\n";
        assert!(text.contains(faults), "{text}");
        assert!(!text.contains("SubmitBid"), "{text}");
    }

    #[test]
    fn no_more_calls_are_drawn_than_were_said() {
        for percent in [0, 1, 10, 33, 100] {
            let layer = layer(percent);
            let drawn = (0..1000).filter(|_| layer.shared.draw()).count();
            assert_eq!(drawn, percent as usize * 10);
        }
    }

    #[test]
    fn areas_are_known() {
        assert_eq!(area_of(SUPPLIER), "bid");
        assert_eq!(area_of("/sunbid.emperor.v1.X/Y"), EDGE);
        assert_eq!(area_of("/"), EDGE);
    }
}
