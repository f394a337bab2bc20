//! What a bank sends: frames of a connection, and the messages in them.

use std::pin::pin;

use sunbid_bankwire::{FrameFault, FrameReader, LARGEST_FRAME, Message, frame, message_id};

use crate::chosen;

pub fn run(bytes: &[u8]) {
    chosen(bytes, &[message, frames, sent]);
}

/// What is taken says the same after it was written again, and writing settles.
fn message(bytes: &[u8]) {
    let _ = message_id(bytes);
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let written = message.to_xml();
    let again = Message::parse(written.as_bytes()).expect("what was written can be read");
    assert!(
        again == message,
        "a message reads back as another: {written}"
    );
    assert_eq!(again.to_xml(), written);
}

/// A connection, read in pieces as the first byte says.
fn frames(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else {
        return;
    };
    let mut reader = FrameReader::new(Pieces {
        rest: stream,
        most: usize::from(*piece) + 1,
    });
    let mut taken = Vec::new();
    let fault = loop {
        match now(reader.next()) {
            Ok(Some(message)) => {
                assert!(message.len() <= LARGEST_FRAME);
                taken.extend(frame(&message).expect("what was taken can be framed"));
            }
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    // Messages are what stood in the stream, in order and whole; what was torn is no message.
    assert!(stream.starts_with(&taken));
    match fault {
        None => assert_eq!(taken.len(), stream.len()),
        Some(FrameFault::Torn | FrameFault::TooLarge(_)) => assert!(taken.len() < stream.len()),
        Some(FrameFault::Io(_)) => unreachable!("memory does not fail"),
    }
}

/// The same with a message inside.
fn sent(bytes: &[u8]) {
    let framed = frame(bytes).expect("an input is no larger than a frame");
    let mut reader = FrameReader::new(framed.as_slice());
    let back = now(reader.next()).expect("it is whole");
    assert_eq!(back.as_deref(), Some(bytes));
    assert!(matches!(now(reader.next()), Ok(None)));
}

/// Bytes that come a few at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    most: usize,
}

impl tokio::io::AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let count = self.most.min(self.rest.len()).min(to.remaining());
        let (piece, rest) = self.rest.split_at(count);
        to.put_slice(piece);
        self.rest = rest;
        std::task::Poll::Ready(Ok(()))
    }
}

/// The outcome of a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(future).poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => unreachable!("memory never waits"),
    }
}
