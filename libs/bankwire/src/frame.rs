//! How messages follow each other on a connection: a big-endian u32 length, then that many bytes.
//! A reader may be left at any moment and asked again; it never loses a byte.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest message taken or sent, bytes.
pub const LARGEST_FRAME: usize = 4 * 1024 * 1024;

const LENGTH: usize = 4;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameFault {
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("a message of {0} bytes was announced, at most {LARGEST_FRAME} are taken")]
    TooLarge(usize),
    #[error("the connection ended inside a message")]
    Torn,
}

/// Takes messages from a stream of bytes.
#[derive(Debug)]
pub struct FrameReader<R> {
    from: R,
    // What was read and not yet handed on.
    waiting: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(from: R) -> Self {
        Self {
            from,
            waiting: BytesMut::new(),
        }
    }

    /// The next message; none if the other side ended the connection between messages. Dropping
    /// the future keeps what was read for the next call.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameFault> {
        loop {
            if let Some(message) = take(&mut self.waiting)? {
                return Ok(Some(message));
            }
            if self.from.read_buf(&mut self.waiting).await? == 0 {
                return if self.waiting.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameFault::Torn)
                };
            }
        }
    }
}

fn take(waiting: &mut BytesMut) -> Result<Option<Vec<u8>>, FrameFault> {
    let Some(length) = waiting.first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > LARGEST_FRAME {
        return Err(FrameFault::TooLarge(length));
    }
    if waiting.len() < LENGTH + length {
        return Ok(None);
    }
    waiting.advance(LENGTH);
    Ok(Some(waiting.split_to(length).to_vec()))
}

/// A message with its length before it.
pub fn frame(message: &[u8]) -> Result<Vec<u8>, FrameFault> {
    let length = u32::try_from(message.len())
        .ok()
        .filter(|_| message.len() <= LARGEST_FRAME)
        .ok_or(FrameFault::TooLarge(message.len()))?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// Sends one message.
pub async fn write_frame<W: AsyncWrite + Unpin>(
    to: &mut W,
    message: &[u8],
) -> Result<(), FrameFault> {
    to.write_all(&frame(message)?).await?;
    to.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<FrameFault>) {
        let mut reader = FrameReader::new(bytes);
        let mut messages = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(fault) => return (messages, Some(fault)),
            }
        }
    }

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn an_announcement_beyond_the_limit_ends_the_connection() {
        let (messages, fault) = run(read_all(&[0xff, 0xff, 0xff, 0xff, 1, 2]));
        assert!(messages.is_empty());
        assert!(matches!(fault, Some(FrameFault::TooLarge(0xffff_ffff))));
        assert!(matches!(
            frame(&vec![0; LARGEST_FRAME + 1]),
            Err(FrameFault::TooLarge(_))
        ));
        assert!(frame(&vec![0; LARGEST_FRAME]).is_ok());
    }

    proptest! {
        #[test]
        fn messages_come_back_whole_or_torn(
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|m| frame(m).unwrap()).collect();
            let (messages, fault) = run(read_all(&bytes));
            prop_assert!(fault.is_none());
            prop_assert_eq!(&messages, &sent);
            let (messages, _) = run(read_all(&bytes[..cut.index(bytes.len() + 1)]));
            prop_assert!(sent.starts_with(&messages));
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = run(read_all(&bytes));
        }
    }
}
