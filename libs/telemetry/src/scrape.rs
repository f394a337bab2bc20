//! The address at which metrics are read: plain HTTP on a loopback address of its own, so that no caller of
//! the platform reaches it. Answers one path and takes nothing.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// What is sent.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a reader may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a reader may stay.
const STAY: Duration = Duration::from_secs(60);
/// Readers at a time; more are dropped.
const READERS: usize = 16;
/// Pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the address; metrics are looked after from now on.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    metrics().want();
    Ok(listener)
}

/// Answers until the process stops.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) {
    let room = std::sync::Arc::new(Semaphore::new(READERS));
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            taken = listener.accept() => match taken {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a reader of metrics could not be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            continue;
        };
        tokio::spawn(async move {
            // Whoever goes away half-way is no fault of this side.
            let _ = tokio::time::timeout(STAY, answer_all(stream)).await;
            drop(place);
        });
    }
}

async fn answer_all(stream: TcpStream) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let found = request.method() == Method::GET && request.uri().path() == "/metrics";
    let text = if found { metrics().text().ok() } else { None };
    let mut response = Response::new(Full::default());
    match text {
        Some(text) => {
            *response.body_mut() = Full::from(text);
            let kind = http::HeaderValue::from_static(OPEN_METRICS);
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}
