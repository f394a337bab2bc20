//! Calls between services that find the other one away: tried again a few times with growing, random
//! pauses, as long as the caller still waits. Every call between services may be repeated: reading
//! changes nothing, and commands carry a request id under which they take effect once.
//! One message per request; a call that sends a stream has no place here.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;
use tonic::{
    Code, Status,
    body::Body,
    transport::{Channel, Error},
};
use tower::{Service, ServiceExt};

use crate::deadline;

/// Longest pauses before the second, third and fourth attempt; each is taken between half and whole.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
];

/// How long a call waits for its answer to begin where nobody upstream waits: followers and timers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A channel whose calls are tried again.
#[derive(Clone, Debug)]
pub struct Retrying {
    channel: Channel,
}

impl Retrying {
    pub const fn new(channel: Channel) -> Self {
        Self { channel }
    }
}

impl Service<http::Request<Body>> for Retrying {
    type Response = http::Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Each attempt waits for the channel by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let channel = self.channel.clone();
        // Asked here: the answer may be waited for elsewhere.
        let time = [deadline::left(), deadline::of(request.headers())];
        let time = time.into_iter().flatten().min().unwrap_or(PATIENCE);
        Box::pin(attempts(channel, request, Instant::now() + time))
    }
}

async fn attempts(
    channel: Channel,
    request: http::Request<Body>,
    until: Instant,
) -> Result<http::Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(status) => return Ok(status.into_http()),
    };
    let mut pauses = PAUSES.into_iter();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Status::deadline_exceeded("nobody waits for this any more").into_http());
        }
        let mut request = http::Request::from_parts(
            parts.clone(),
            Body::new(Full::new(body.clone()).map_err(|never| match never {})),
        );
        deadline::put(request.headers_mut(), left);
        let answer = channel.clone().oneshot(request).await;
        if !is_away(&answer) {
            return answer;
        }
        let Some(pause) = pauses.next().map(random_part) else {
            return answer;
        };
        if Instant::now() + pause >= until {
            return answer;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Whether the other service was not reached, or said that it is away for the moment.
fn is_away(answer: &Result<http::Response<Body>, Error>) -> bool {
    match answer {
        // Not only refused connections: a connection that breaks in the middle of a call too.
        Err(_) => true,
        Ok(response) => Status::from_header_map(response.headers())
            .is_some_and(|status| status.code() == Code::Unavailable),
    }
}

/// Between half and the whole of a pause, so that callers do not come back all at once.
fn random_part(longest: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is the shortest one; the system's own trouble shows elsewhere.
    let _ = SystemRandom::new().fill(&mut byte);
    longest / 2 + longest / 2 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use sunbid_contracts::journal::v1::{
        ListHeadsRequest, ListHeadsResponse, ReadLogRequest, ReadLogResponse, WatchChangesRequest,
        WatchChangesResponse,
        log_service_client::LogServiceClient,
        log_service_server::{LogService, LogServiceServer},
    };
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{Request, Response, transport::Endpoint};

    use super::*;

    /// Is away for the first calls, then answers with the time that it was given, milliseconds.
    #[derive(Clone)]
    struct Moody {
        away: u32,
        calls: Arc<AtomicU32>,
    }

    #[tonic::async_trait]
    impl LogService for Moody {
        async fn list_heads(
            &self,
            request: Request<ListHeadsRequest>,
        ) -> Result<Response<ListHeadsResponse>, Status> {
            if request.get_ref().service == "wrong" {
                self.calls.fetch_add(1, Ordering::SeqCst);
                return Err(Status::not_found("no such service"));
            }
            if self.calls.fetch_add(1, Ordering::SeqCst) < self.away {
                return Err(Status::unavailable("starting"));
            }
            let time = deadline::of(&request.metadata().clone().into_headers());
            Ok(Response::new(ListHeadsResponse {
                heads: Vec::new(),
                next_page_token: time.unwrap_or_default().as_millis().to_string(),
            }))
        }

        async fn read_log(
            &self,
            _: Request<ReadLogRequest>,
        ) -> Result<Response<ReadLogResponse>, Status> {
            Err(Status::unimplemented(""))
        }

        type WatchChangesStream = tokio_stream::Empty<Result<WatchChangesResponse, Status>>;

        async fn watch_changes(
            &self,
            _: Request<WatchChangesRequest>,
        ) -> Result<Response<Self::WatchChangesStream>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    async fn served(away: u32) -> (LogServiceClient<Retrying>, Arc<AtomicU32>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let moody = Moody {
            away,
            calls: calls.clone(),
        };
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(LogServiceServer::new(moody))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = Retrying::new(endpoint.connect_lazy());
        (LogServiceClient::new(channel), calls)
    }

    fn asking(service: &str) -> ListHeadsRequest {
        ListHeadsRequest {
            service: service.to_owned(),
            ..ListHeadsRequest::default()
        }
    }

    #[tokio::test]
    async fn who_is_away_is_asked_again_and_whoever_refuses_is_not() {
        let (mut client, calls) = served(2).await;
        client.list_heads(asking("bid")).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        let refused = client.list_heads(asking("wrong")).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        let (mut client, calls) = served(u32::MAX).await;
        let away = client.list_heads(asking("bid")).await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable);
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn what_is_left_of_the_callers_time_is_handed_on() {
        let (client, calls) = served(0).await;
        let ask = || {
            let mut client = client.clone();
            async move { client.list_heads(asking("bid")).await }
        };
        let given = |answer: Response<ListHeadsResponse>| {
            answer.into_inner().next_page_token.parse::<u64>().unwrap()
        };
        let alone = given(ask().await.unwrap());
        assert!((30_000..=60_000).contains(&alone), "{alone}");
        let on_behalf = deadline::within(Duration::from_secs(20), ask()).await;
        let on_behalf = given(on_behalf.unwrap());
        assert!((1..=20_000).contains(&on_behalf), "{on_behalf}");
        let before = calls.load(Ordering::SeqCst);
        let late = deadline::within(Duration::ZERO, ask()).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert_eq!(calls.load(Ordering::SeqCst), before);
    }
}
