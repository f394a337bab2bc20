//! What services may read once a log is closed: its bids in order, and the sealed payloads of live
//! parts. Bytes that are not those the supplier sealed are named as a fault, never served.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::Stream;
use sunbid_contracts::{
    bid::v1::{
        Bid, BidState, BidSubmitted, BiddingClosed, ClosingEntry, ClosingStatus,
        ListClosedBidsRequest, ListClosedBidsResponse, ReadPayloadsRequest, ReadPayloadsResponse,
    },
    common::v1::Record,
};
use sunbid_domain::{Event, Refusal};
use sunbid_journal::{Entry, Val};
use sunbid_proofs::Hash;
use sunbid_sealing::{PayloadTree, leaf_hash};
use sunbid_service::{Language, Problem, names, page};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    intake::FULL,
    rpc::{Office, log_of, off_thread},
    store,
};

/// Records read at a time.
const PAGE: u32 = 500;
/// Closed logs remembered at most.
const MOST: usize = 256;
/// Messages on their way to a reader.
const IN_FLIGHT: usize = 4;
/// Largest piece of a payload in a message, bytes: half a sealed chunk.
const PIECE: usize = FULL.div_ceil(2);
/// Payloads up to this size may lie in the table.
const SMALL: u64 = 64 * 1024;

/// One closed log: its closing list, and the payloads of its live bids with their sizes.
#[derive(Debug)]
pub struct ClosedLog {
    entries: Vec<ClosingEntry>,
    live: HashMap<Hash, u64>,
}

/// Closed logs at hand; they never change.
#[derive(Debug, Default)]
pub struct ClosedLogs {
    // Locked for the length of a look-up.
    known: Mutex<HashMap<String, Arc<ClosedLog>>>,
}

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
    /// Bids of a closed log in the order of their records.
    pub async fn closed_bids(
        &self,
        request: &ListClosedBidsRequest,
    ) -> Result<ListClosedBidsResponse, Problem> {
        let closed = self.closed_log(&request.tender).await?;
        let filter = format!("{}|{}", request.tender, request.live_only);
        let after = match self.pages.position(&filter, &request.page_token)? {
            None => -1,
            Some(position) => i64::from_be_bytes(
                position
                    .try_into()
                    .map_err(|_| Problem::internal("a position"))?,
            ),
        };
        let live = ClosingStatus::Live as i32;
        let mut wanted = closed
            .entries
            .iter()
            .filter(|entry| entry.seq > after && (!request.live_only || entry.status == live));
        let size = usize::try_from(page::size(request.page_size)).unwrap_or(usize::MAX);
        let mut response = ListClosedBidsResponse::default();
        for entry in wanted.by_ref().take(size) {
            let mut bid = self.bid_at(&request.tender, entry.seq).await?;
            bid.state = state_of(entry.status) as i32;
            response.bids.push(bid);
            response.seqs.push(entry.seq);
        }
        if let (Some(last), Some(_)) = (response.seqs.last(), wanted.next()) {
            response.next_page_token = self.pages.token(&filter, &last.to_be_bytes());
        }
        Ok(response)
    }

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

    /// The closed log of a tender; refused while bidding is not closed.
    async fn closed_log(&self, tender: &str) -> Result<Arc<ClosedLog>, Problem> {
        names::check_tender(tender, "tender")?;
        {
            let known = self
                .closed
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(closed) = known.get(tender) {
                return Ok(closed.clone());
            }
        }
        if !self.refresh(tender).await?.closed {
            return Err(Refusal::state(
                "BIDDING_OPEN",
                "投标尚未截止，任何人不得读取投标。",
                "Bidding has not closed; nobody reads bids before.",
            )
            .into());
        }
        let closed = Arc::new(self.read_closed(tender).await?);
        let mut known = self
            .closed
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(tender.to_owned(), closed.clone());
        Ok(closed)
    }

    async fn read_closed(&self, tender: &str) -> Result<ClosedLog, Problem> {
        let log = log_of(tender);
        let mut sizes: HashMap<i64, Vec<(Hash, u64)>> = HashMap::new();
        let mut next = 0;
        loop {
            let entries = self.journal.read(log, next, PAGE).await?;
            let Some(last) = entries.last() else {
                return Err(Problem::internal(format!(
                    "{tender} is closed without a closing record"
                )));
            };
            next = last.seq + 1;
            for entry in &entries {
                let event = event_of(entry)?;
                if let Some(submitted) = event.read::<BidSubmitted>()? {
                    let parts = submitted.bid.unwrap_or_default().parts;
                    let parts = parts.into_iter().filter_map(|part| {
                        let root = part.payload_root.try_into().ok()?;
                        Some((root, store::unsigned(part.payload_bytes)))
                    });
                    sizes.insert(submitted.seq, parts.collect());
                } else if let Some(closed) = event.read::<BiddingClosed>()? {
                    let live = closed
                        .entries
                        .iter()
                        .filter(|entry| entry.status == ClosingStatus::Live as i32)
                        .filter_map(|entry| sizes.remove(&entry.seq))
                        .flatten()
                        .collect();
                    return Ok(ClosedLog {
                        entries: closed.entries,
                        live,
                    });
                }
            }
        }
    }

    async fn bid_at(&self, tender: &str, seq: i64) -> Result<Bid, Problem> {
        let entries = self
            .journal
            .read(log_of(tender), store::unsigned(seq), 1)
            .await?;
        let entry = entries
            .first()
            .filter(|entry| store::signed(entry.seq) == seq);
        let event = entry.map(event_of).transpose()?;
        let submitted = event
            .map(|event| event.read::<BidSubmitted>())
            .transpose()?
            .flatten();
        submitted
            .and_then(|submitted| submitted.bid)
            .ok_or_else(|| Problem::internal(format!("record {seq} of {tender} is no bid")))
    }
}

fn event_of(entry: &Entry) -> Result<Event, Problem> {
    let body = entry
        .body()
        .ok_or_else(|| Problem::internal("a record without its body"))?;
    let record = <Record as prost::Message>::decode(body).map_err(Problem::internal)?;
    Ok(Event {
        name: record.r#type,
        bytes: record.event,
    })
}

fn state_of(status: i32) -> BidState {
    match ClosingStatus::try_from(status) {
        Ok(ClosingStatus::Live) => BidState::Sealed,
        Ok(ClosingStatus::Superseded) => BidState::Replaced,
        Ok(ClosingStatus::Withdrawn) => BidState::Withdrawn,
        _ => BidState::NeverOpened,
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
