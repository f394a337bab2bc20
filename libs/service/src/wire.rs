//! Refuses at once what is no call of gRPC: another method than POST, another content, more headers than
//! any client sends. Stands before everything else, reads no body and knows nobody.

use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use tonic::body::Body;
use tower::{Layer, Service};

/// Header fields taken with a call.
const MOST_HEADERS: usize = 64;
/// How the media types of gRPC's calls begin.
const GRPC: &str = "application/grpc";

/// Puts that refusal before a server's services.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireLayer;

impl<S> Layer<S> for WireLayer {
    type Service = Wire<S>;

    fn layer(&self, inner: S) -> Wire<S> {
        Wire { inner }
    }
}

/// A service that is given calls only.
#[derive(Clone, Debug)]
pub struct Wire<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Wire<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        match fault(request.method(), request.headers()) {
            None => Either::Left(self.inner.call(request)),
            Some(status) => {
                let mut answer = http::Response::new(Body::empty());
                *answer.status_mut() = status;
                Either::Right(std::future::ready(Ok(answer)))
            }
        }
    }
}

fn fault(method: &Method, headers: &HeaderMap) -> Option<StatusCode> {
    let content = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if method != Method::POST {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else if !content.is_some_and(|kind| kind.starts_with(GRPC)) {
        Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else if headers.len() > MOST_HEADERS {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_calls_are_taken() {
        let mut headers = HeaderMap::new();
        let refused = |method, headers: &HeaderMap| fault(&method, headers).map(|s| s.as_u16());
        assert_eq!(refused(Method::POST, &headers), Some(415));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/grpc+proto"),
        );
        assert_eq!(refused(Method::POST, &headers), None);
        assert_eq!(refused(Method::GET, &headers), Some(405));
        for number in 0..MOST_HEADERS {
            let name: HeaderName = format!("x-{number}").parse().unwrap();
            headers.insert(name, HeaderValue::from_static("x"));
        }
        assert_eq!(refused(Method::POST, &headers), Some(431));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(refused(Method::POST, &headers), Some(415));
    }
}
