//! Answers that end although their reader does not read them. What an answer holds - its place among the
//! open calls, the stream to the service behind - is let go when the reader has taken nothing for
//! [`STALLED`], or when the answer has lasted as long as it may. Waiting for something to say is no stall.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::HeaderMap;
use http_body::Frame;
use tokio::{task::AbortHandle, time::Instant};
use tonic::{Status, body::Body};

use crate::Language;

/// How long a reader may take for the next piece.
pub const STALLED: Duration = Duration::from_secs(30);
/// Largest piece given at once, bytes: a slow line takes it in time.
const PIECE: usize = 64 * 1024;

type Data = <Body as http_body::Body>::Data;

/// An answer that is watched; `H` is held until it ends.
pub struct Watched<H> {
    answer: Arc<Answer<H>>,
    watcher: AbortHandle,
}

struct Answer<H> {
    // Locked while a piece is taken out, by the reader's task and the watcher's.
    state: Mutex<State<H>>,
}

struct State<H> {
    open: Option<(Body, H)>,
    /// What is left of a piece too large to give at once.
    rest: Option<Data>,
    /// Since when the reader has a piece and asks for no other.
    given: Option<Instant>,
    /// Said in place of the rest.
    end: Option<Status>,
    reader: Option<Waker>,
}

impl<H> Answer<H> {
    fn lock(&self) -> MutexGuard<'_, State<H>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything go; the reader, should it ask, is told why.
    fn end(&self, status: Status) {
        let (open, reader) = {
            let mut state = self.lock();
            state.rest = None;
            state.end = Some(status);
            (state.open.take(), state.reader.take())
        };
        drop(open);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    async fn watch(self: Arc<Self>, life: Option<Duration>, language: Language) {
        let dies = life.map(|life| Instant::now() + life);
        loop {
            let now = Instant::now();
            if dies.is_some_and(|dies| now >= dies) {
                return self.end(Status::unavailable(language.pick(
                    "该数据流已达最长时限，请重新连接。",
                    "This stream has lasted as long as one may; open it again.",
                )));
            }
            let stalls = self.lock().given.map(|given| given + STALLED);
            if stalls.is_some_and(|stalls| now >= stalls) {
                return self.end(Status::deadline_exceeded(language.pick(
                    "应答长时间未被读取，已结束。",
                    "The answer was not read for too long and has ended.",
                )));
            }
            let look = stalls.unwrap_or(now + STALLED);
            tokio::time::sleep_until(dies.map_or(look, |dies| look.min(dies))).await;
        }
    }
}

/// Watches `body`, which may last for `life`; what ends early says so in `language`.
pub fn watched<H: Send + 'static>(
    body: Body,
    held: H,
    life: Option<Duration>,
    language: Language,
) -> Body {
    if http_body::Body::is_end_stream(&body) {
        return body;
    }
    let answer = Arc::new(Answer {
        state: Mutex::new(State {
            open: Some((body, held)),
            rest: None,
            given: Some(Instant::now()),
            end: None,
            reader: None,
        }),
    });
    let watcher = tokio::spawn(answer.clone().watch(life, language)).abort_handle();
    Body::new(Watched { answer, watcher })
}

impl<H> Drop for Watched<H> {
    fn drop(&mut self) {
        self.watcher.abort();
        // The watcher's copy may live a little longer; what is held must not.
        let open = self.answer.lock().open.take();
        drop(open);
    }
}

impl<H: Send + 'static> http_body::Body for Watched<H> {
    type Data = Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Status>>> {
        let mut state = self.answer.lock();
        let state = &mut *state;
        state.given = None;
        if let Some(end) = state.end.take() {
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(
                end.add_header(&mut trailers)
                    .map(|()| Frame::trailers(trailers)),
            ));
        }
        let frame = match state.rest.take() {
            Some(rest) => Some(Ok(Frame::data(rest))),
            None => {
                let Some((body, _)) = &mut state.open else {
                    return Poll::Ready(None);
                };
                match Pin::new(body).poll_frame(context) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        state.reader = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            ended => return Poll::Ready(ended),
        };
        state.given = Some(Instant::now());
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(mut data) => {
                if data.len() > PIECE {
                    state.rest = Some(data.split_off(PIECE));
                }
                Frame::data(data)
            }
            Err(frame) => frame,
        })))
    }

    fn is_end_stream(&self) -> bool {
        let state = self.answer.lock();
        let ended = |(body, _): &(Body, H)| http_body::Body::is_end_stream(body);
        state.end.is_none() && state.rest.is_none() && state.open.as_ref().is_none_or(ended)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tonic::Code;

    use super::*;

    /// A body that says something once and then waits.
    struct Waiting(Option<Data>);

    impl http_body::Body for Waiting {
        type Data = Data;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Data>, Status>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => Poll::Pending,
            }
        }
    }

    fn watch(held: &Arc<()>, life: Option<Duration>) -> Body {
        let body = Body::new(Waiting(Some(Data::from_static(b"x"))));
        watched(body, held.clone(), life, Language::English)
    }

    async fn end_of(body: &mut Body) -> Code {
        let trailers = body.frame().await.unwrap().unwrap();
        let trailers = trailers.into_trailers().unwrap();
        assert!(body.frame().await.is_none());
        Status::from_header_map(&trailers).unwrap().code()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_let_go_and_what_has_nothing_to_say_is_not() {
        let held = Arc::new(());
        let mut unread = watch(&held, None);
        let mut half_read = watch(&held, None);
        assert!(half_read.frame().await.unwrap().unwrap().is_data());
        let mut read = watch(&held, None);
        assert!(read.frame().await.unwrap().unwrap().is_data());
        let reading = tokio::spawn(async move { read.frame().await.is_some() });
        tokio::time::sleep(STALLED * 4).await;
        // The test's and the reader's.
        assert_eq!(Arc::strong_count(&held), 2);
        assert!(!reading.is_finished());
        assert_eq!(end_of(&mut unread).await, Code::DeadlineExceeded);
        assert_eq!(end_of(&mut half_read).await, Code::DeadlineExceeded);
        reading.abort();
        assert!(reading.await.is_err());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_too_long_ends_while_it_is_read() {
        let held = Arc::new(());
        let mut body = watch(&held, Some(STALLED * 10));
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert_eq!(end_of(&mut body).await, Code::Unavailable);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn a_large_answer_comes_whole_in_pieces() {
        let large: Vec<u8> = (0..=u8::MAX).cycle().take(PIECE * 2 + 5).collect();
        let held = Arc::new(());
        let body = Body::new(Full::new(Data::from(large.clone())));
        let mut body = watched(body, held.clone(), None, Language::English);
        let mut came = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= PIECE);
            came.extend_from_slice(&data);
        }
        assert_eq!(came, large);
        drop(body);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
