//! The front door of a platform whose services run apart: one address for everybody outside, from which each
//! call goes on to the service it is for, as it came. It knows no keys and decides nothing: who calls
//! and what is allowed, each service asks itself. What services say to each other does not pass here.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use sunbid_service::{Language, address, connections::Admission, peers::Roads, stall};
use sunbid_telemetry::trace;
use tonic::{Status, body::Body, transport::Channel};
use tower::{Layer, Service, ServiceExt};

use crate::serve::SERVICES;

/// Sends calls on; what is for no service is answered here.
#[derive(Clone)]
pub struct FrontLayer {
    roads: Arc<Roads>,
}

impl FrontLayer {
    pub const fn new(roads: Arc<Roads>) -> Self {
        Self { roads }
    }
}

impl<S> Layer<S> for FrontLayer {
    type Service = Front<S>;

    fn layer(&self, inner: S) -> Front<S> {
        Front {
            roads: self.roads.clone(),
            inner,
        }
    }
}

/// A service behind which the others are.
#[derive(Clone)]
pub struct Front<S> {
    roads: Arc<Roads>,
    inner: S,
}

/// The service that an RPC's path is for.
fn service_of(path: &str) -> Option<&'static str> {
    let (area, _) = path.strip_prefix("/sunbid.")?.split_once('.')?;
    // The registry keeps the clock of a sandbox.
    let area = if area == "sandbox" { "registry" } else { area };
    SERVICES.into_iter().find(|service| *service == area)
}

impl<S> Service<http::Request<Body>> for Front<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future =
        Either<S::Future, Pin<Box<dyn Future<Output = Result<S::Response, Infallible>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match service_of(request.uri().path()) {
            None => Either::Left(self.inner.call(request)),
            Some(service) => {
                Either::Right(Box::pin(send_on(self.roads.to(service), service, request)))
            }
        }
    }
}

async fn send_on(
    channel: Channel,
    service: &'static str,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let language = Language::of_headers(request.headers());
    let (mut parts, body) = request.into_parts();
    // Whom the services tell apart by nothing else.
    address::put(&mut parts.headers, parts.extensions.get::<Admission>());
    let mut onward = http::Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = parts.uri;
    *onward.headers_mut() = parts.headers;
    trace::hand_on(onward.headers_mut());
    // Caller's extensions stay here: they say something of this connection only.
    match channel.oneshot(onward).await {
        // One connection carries everybody's answers: what one reader leaves unread must not stay in it.
        Ok(answer) => Ok(answer.map(|body| stall::watched(body, (), None, language))),
        Err(error) => {
            tracing::warn!(service, %error, "a service was not reached");
            let away = Status::unavailable(
                "服务暂时不可用，请稍后重试。 Unavailable for the moment; please retry.",
            );
            Ok(away.into_http())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_to_their_service_and_what_is_between_services_to_none() {
        assert_eq!(
            service_of("/sunbid.bid.v1.BidService/SubmitBid"),
            Some("bid")
        );
        assert_eq!(
            service_of("/sunbid.sandbox.v1.SandboxService/GetClock"),
            Some("registry")
        );
        for nowhere in [
            "/sunbid.journal.v1.LogService/ReadLog",
            "/grpc.health.v1.Health/Check",
            "/sunbid.",
            "/",
            "",
        ] {
            assert_eq!(service_of(nowhere), None, "{nowhere}");
        }
    }
}
