//! How long a caller still waits (`grpc-timeout`), known to whatever is done on its behalf: calls to other
//! services are given what is left of it, never more.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::Either;
use http::{HeaderMap, HeaderValue};
use tokio::{task::futures::TaskLocalFuture, time::Instant};
use tower::{Layer, Service};

const HEADER: &str = "grpc-timeout";

tokio::task_local! {
    static UNTIL: Instant;
}

/// What is left of the time of the call that is being worked on, if it has a limit.
pub fn left() -> Option<Duration> {
    let until = UNTIL.try_with(|until| *until).ok()?;
    Some(until.saturating_duration_since(Instant::now()))
}

/// Work done as if by a call that ends in `time`.
pub fn within<F: Future>(time: Duration, work: F) -> TaskLocalFuture<Instant, F> {
    UNTIL.scope(Instant::now() + time, work)
}

/// The limit that a request carries.
pub fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // The specification allows eight digits.
    if number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Writes a limit into a request.
pub fn put(headers: &mut HeaderMap, time: Duration) {
    // Eight digits of milliseconds are more than a day.
    let millis = time.as_millis().min(99_999_999);
    if let Ok(value) = HeaderValue::from_str(&format!("{millis}m")) {
        headers.insert(HEADER, value);
    }
}

/// Makes a call's limit known to what works on it. That it ends in time is the server's to see to.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner }
    }
}

/// A service that knows how long its callers wait.
#[derive(Clone, Debug)]
pub struct Bounded<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Bounded<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Pin<Box<TaskLocalFuture<Instant, S::Future>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let time = of(request.headers());
        let answer = self.inner.call(request);
        match time {
            None => Either::Left(answer),
            Some(time) => Either::Right(Box::pin(within(time, answer))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
        of(&headers)
    }

    #[test]
    fn limits_are_read_as_the_specification_writes_them() {
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("150m"), Some(Duration::from_millis(150)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "m", "5", "-5S", "123456789S", "1.5S", "5s", "五S"] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(wrong.as_bytes()) {
                headers.insert(HEADER, value);
            }
            assert_eq!(of(&headers), None, "{wrong:?}");
        }
        let mut headers = HeaderMap::new();
        put(&mut headers, Duration::from_secs(300));
        assert_eq!(of(&headers), Some(Duration::from_secs(300)));
        put(&mut headers, Duration::MAX);
        assert!(of(&headers).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_shrinks_and_is_known_only_inside() {
        assert_eq!(left(), None);
        let later = within(Duration::from_secs(10), async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            left()
        });
        assert_eq!(later.await, Some(Duration::from_secs(6)));
        assert_eq!(left(), None);
    }
}
