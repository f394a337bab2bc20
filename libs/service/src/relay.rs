//! Streams from one service handed on to a caller outside: who stops reading is left, because what
//! it does not read lies in a connection that everybody's answers come over.

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub use crate::stall::STALLED;

/// Hands `stream` on until it ends or its reader has taken nothing for [`STALLED`].
pub fn relay<T, S>(stream: S) -> ReceiverStream<T>
where
    T: Send + 'static,
    S: Stream<Item = T> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = stream.next().await {
            if sender.send_timeout(item, STALLED).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_left_and_one_that_reads_gets_all() {
        let numbers = || futures_util::stream::iter(0..9);
        assert_eq!(relay(numbers()).collect::<Vec<_>>().await.len(), 9);
        let mut stalled = relay(numbers());
        assert_eq!(stalled.next().await, Some(0));
        tokio::time::sleep(2 * STALLED).await;
        assert!(stalled.collect::<Vec<_>>().await.len() < 8);
    }
}
