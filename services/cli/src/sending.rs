//! A file as the messages of an upload: one that says what comes, then its bytes in chunks.

use std::io;

use indicatif::ProgressBar;
use tokio::{fs::File, io::AsyncReadExt as _, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;

/// Reads `source` from where it stands. Gives the messages and the reading, which ends well too when
/// the platform answers before all of it was sent: its answer says why.
pub fn in_chunks<M: Send + 'static>(
    mut source: File,
    chunk_bytes: usize,
    first: M,
    message: impl Fn(Vec<u8>) -> M + Send + 'static,
    bar: ProgressBar,
) -> (ReceiverStream<M>, JoinHandle<io::Result<()>>) {
    let (sender, receiver) = mpsc::channel(4);
    let reading = tokio::spawn(async move {
        if sender.send(first).await.is_err() {
            return Ok(());
        }
        loop {
            let mut chunk = vec![0; chunk_bytes];
            let read = source.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            chunk.truncate(read);
            bar.inc(read as u64);
            if sender.send(message(chunk)).await.is_err() {
                return Ok(());
            }
        }
    });
    (ReceiverStream::new(receiver), reading)
}
