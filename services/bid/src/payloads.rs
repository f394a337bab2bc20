//! Sealed payloads of live parts, for services after the closing. Bytes that are not those the
//! supplier sealed are named as a fault, never served.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use futures_util::Stream;
use sunbid_contracts::bid::v1::{ReadPayloadsRequest, ReadPayloadsResponse};
use sunbid_domain::Refusal;
use sunbid_journal::Val;
use sunbid_proofs::Hash;
use sunbid_sealing::{PayloadTree, leaf_hash};
use sunbid_service::{Language, Problem};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    intake::FULL,
    rpc::{Office, off_thread},
    store,
};

/// Messages on their way to a reader.
const IN_FLIGHT: usize = 4;
/// Largest piece of a payload in a message, bytes: half a sealed chunk.
const PIECE: usize = FULL.div_ceil(2);
/// Payloads up to this size may lie in the table.
const SMALL: u64 = 64 * 1024;

/// Why stored bytes are not served.
#[derive(Debug, thiserror::Error)]
enum StoreFault {
    #[error("the stored payload is gone")]
    Gone,
    #[error("the stored payload has {found} bytes, {expected} were taken")]
    Length { expected: u64, found: u64 },
    #[error("the stored payload has another root than the one it was taken with")]
    Changed,
    #[error("the stored payload cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the reader went away")]
    ReaderGone,
}

impl Office {
    /// The sealed payloads of live parts, one after another.
    pub async fn read_payloads(
        self: Arc<Self>,
        request: ReadPayloadsRequest,
        language: Language,
    ) -> Result<Pin<Box<dyn Stream<Item = Result<ReadPayloadsResponse, Status>> + Send>>, Problem>
    {
        let closed = self.closed_log(&request.tender).await?;
        let mut wanted: Vec<(Hash, u64)> = Vec::new();
        for root in &request.payload_roots {
            let root: Hash = root.as_slice().try_into().map_err(|_| Refusal::Forbidden)?;
            // Withdrawn, superseded and failed bids stay sealed for ever: nobody gets their bytes.
            let bytes = closed.live.get(&root).ok_or(Refusal::Forbidden)?;
            wanted.push((root, *bytes));
        }
        let (sender, receiver) = channel(IN_FLIGHT);
        tokio::spawn(async move {
            for (root, bytes) in wanted {
                if let Err(problem) = self.serve(root, bytes, &sender).await {
                    let status = problem.into_status(language);
                    // The reader may be gone: then nobody is left to be told.
                    sender.send(Err(status)).await.ok();
                    return;
                }
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }

    async fn serve(&self, root: Hash, bytes: u64, sender: &Answers) -> Result<(), Problem> {
        let mut small = None;
        if bytes <= SMALL {
            let key = [Val::Blob(root.to_vec())];
            let rows = self.journal.db().rows(store::SMALL_PAYLOAD, &key).await?;
            small = rows.first().map(|row| row.blob(0)).transpose()?;
        }
        let path = self.vault.sealed(&root);
        let answers = sender.clone();
        let served = off_thread(move || {
            let source = small.map_or(Source::File(path), Source::Bytes);
            serve_blocking(&source, &root, bytes, &answers)
        })
        .await?;
        match served {
            Ok(()) | Err(StoreFault::ReaderGone) => {}
            Err(fault) => {
                tracing::error!(root = hex::encode(root), %fault, "a sealed payload is not as it was taken");
                let answer = ReadPayloadsResponse {
                    payload_root: root.to_vec(),
                    chunk: Vec::new(),
                    last: true,
                    fault: format!("{fault}."),
                };
                sender.send(Ok(answer)).await.ok();
            }
        }
        Ok(())
    }
}

type Answers = Sender<Result<ReadPayloadsResponse, Status>>;

/// Where a payload is read from; twice, so it can be opened anew.
enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Source {
    fn open(&self) -> Result<Box<dyn Read + '_>, StoreFault> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(bytes.as_slice())),
            Self::File(path) => Ok(Box::new(open_file(path)?)),
        }
    }
}

fn open_file(path: &Path) -> Result<File, StoreFault> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreFault::Gone,
        _ => StoreFault::Unreadable(error),
    })
}

/// Reads the payload once for its root and once to serve it, each chunk compared with the first
/// reading: what changes in between is not served either.
fn serve_blocking(
    source: &Source,
    root: &Hash,
    bytes: u64,
    answers: &Answers,
) -> Result<(), StoreFault> {
    let mut leaves = Vec::new();
    let mut tree = PayloadTree::default();
    let mut found = 0_u64;
    each_chunk(source.open()?, |chunk| {
        found += chunk.len() as u64;
        let leaf = leaf_hash(chunk);
        tree.push(leaf);
        leaves.push(leaf);
        Ok(())
    })?;
    if found != bytes {
        return Err(StoreFault::Length {
            expected: bytes,
            found,
        });
    }
    if tree.root() != *root {
        return Err(StoreFault::Changed);
    }
    let mut left = bytes;
    let mut leaves = leaves.into_iter();
    each_chunk(source.open()?, |chunk| {
        if leaves.next() != Some(leaf_hash(chunk)) {
            return Err(StoreFault::Changed);
        }
        for piece in chunk.chunks(PIECE) {
            left = left.saturating_sub(piece.len() as u64);
            let answer = ReadPayloadsResponse {
                payload_root: root.to_vec(),
                chunk: piece.to_vec(),
                last: left == 0,
                fault: String::new(),
            };
            answers
                .blocking_send(Ok(answer))
                .map_err(|_| StoreFault::ReaderGone)?;
        }
        Ok(())
    })?;
    // Cut off between the two readings.
    if left > 0 {
        Err(StoreFault::Changed)
    } else {
        Ok(())
    }
}

/// Hands over full chunks and at last the rest.
fn each_chunk(
    mut source: Box<dyn Read + '_>,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreFault>,
) -> Result<(), StoreFault> {
    let mut chunk = Vec::with_capacity(FULL);
    loop {
        chunk.clear();
        source.by_ref().take(FULL as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(());
        }
        take(&chunk)?;
    }
}
