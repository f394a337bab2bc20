//! Sealed payloads of live parts, for services after the closing. Bytes that are not those the
//! supplier sealed are named as a fault, never served; a store that is away is no fault of theirs.

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use sunbid_contracts::bid::v1::{ReadPayloadsRequest, ReadPayloadsResponse};
use sunbid_domain::Refusal;
use sunbid_journal::Val;
use sunbid_objects::{Check, Checked, StoreFault};
use sunbid_proofs::Hash;
use sunbid_sealing::{PayloadTree, leaf_hash};
use sunbid_service::{Language, Problem};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{intake::FULL, rpc::Office, store, vault};

/// Messages on their way to a reader.
const IN_FLIGHT: usize = 4;
/// Largest piece of a payload in a message, bytes: half a sealed chunk.
const PIECE: usize = FULL.div_ceil(2);
/// Payloads up to this size may lie in the table.
const SMALL: u64 = 64 * 1024;

/// Judges a sealed payload by the root over its chunks.
pub struct RootCheck {
    tree: PayloadTree,
    root: Hash,
}

impl RootCheck {
    pub fn new(root: Hash) -> Self {
        Self {
            tree: PayloadTree::default(),
            root,
        }
    }
}

impl Check for RootCheck {
    fn hash(chunk: &[u8]) -> Hash {
        leaf_hash(chunk)
    }

    fn take(&mut self, _: &[u8], hash: Hash) {
        self.tree.push(hash);
    }

    fn judge(self) -> bool {
        self.tree.root() == self.root
    }
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
                if let Err(problem) = self.serve(&request.tender, root, bytes, &sender).await {
                    let status = problem.into_status(language);
                    // The reader may be gone: then nobody is left to be told.
                    sender.send(Err(status)).await.ok();
                    return;
                }
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }

    async fn serve(
        &self,
        tender: &str,
        root: Hash,
        bytes: u64,
        answers: &Answers,
    ) -> Result<(), Problem> {
        let fault = match self.give(tender, root, bytes, answers).await? {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        let payload = hex::encode(root);
        tracing::error!(tender, payload, %fault, "a sealed payload is not served");
        let answer = ReadPayloadsResponse {
            payload_root: root.to_vec(),
            chunk: Vec::new(),
            last: true,
            fault: format!("the sealed payload {payload} of {tender} is not served: {fault}."),
        };
        // The reader may be gone: then nobody is left to be told.
        answers.send(Ok(answer)).await.ok();
        Ok(())
    }

    /// Gives the payload, or says what is wrong with what is stored. Of several copies any that is right
    /// will do: an organisation's own copy is no better than another's.
    async fn give(
        &self,
        tender: &str,
        root: Hash,
        bytes: u64,
        answers: &Answers,
    ) -> Result<Result<(), StoreFault>, Problem> {
        let db = self.journal.db();
        if bytes <= SMALL {
            let key = [Val::Blob(root.to_vec())];
            let rows = db.rows(store::SMALL_PAYLOAD, &key).await?;
            if let Some(row) = rows.first() {
                return Ok(give_small(row.blob(0)?, root, bytes, answers).await);
            }
        }
        let mut fault = StoreFault::Lost;
        for (file, by_root) in store::payload_files(db, tender, &root).await? {
            let name = vault::place(&file, by_root, &root);
            let check = RootCheck::new(root);
            match self.vault.sealed.check(&name, bytes, FULL, check).await {
                Ok(checked) => match give_checked(checked, root, bytes, answers).await {
                    Err(fault) if !fault.is_of_the_file() => return Err(fault.into()),
                    given => return Ok(given),
                },
                Err(found) if found.is_of_the_file() => fault = found,
                Err(other) => return Err(other.into()),
            }
        }
        Ok(Err(fault))
    }
}

type Answers = Sender<Result<ReadPayloadsResponse, Status>>;

async fn give_small(
    payload: Vec<u8>,
    root: Hash,
    bytes: u64,
    answers: &Answers,
) -> Result<(), StoreFault> {
    let found = payload.len() as u64;
    if found != bytes {
        return Err(StoreFault::Length {
            expected: bytes,
            found,
        });
    }
    let mut check = RootCheck::new(root);
    payload
        .chunks(FULL)
        .for_each(|chunk| check.take(chunk, RootCheck::hash(chunk)));
    if !check.judge() {
        return Err(StoreFault::Changed);
    }
    give_chunk(&payload, root, &mut { bytes }, answers).await;
    Ok(())
}

async fn give_checked(
    mut checked: Checked,
    root: Hash,
    bytes: u64,
    answers: &Answers,
) -> Result<(), StoreFault> {
    let mut left = bytes;
    while let Some(chunk) = checked.next().await? {
        if !give_chunk(&chunk, root, &mut left, answers).await {
            return Ok(());
        }
    }
    Ok(())
}

/// Hands a chunk over in pieces, of a payload of which `left` bytes are left; whether the reader is
/// still there.
async fn give_chunk(chunk: &[u8], root: Hash, left: &mut u64, answers: &Answers) -> bool {
    for piece in chunk.chunks(PIECE) {
        *left = left.saturating_sub(piece.len() as u64);
        let answer = ReadPayloadsResponse {
            payload_root: root.to_vec(),
            chunk: piece.to_vec(),
            last: *left == 0,
            fault: String::new(),
        };
        if answers.send(Ok(answer)).await.is_err() {
            return false;
        }
    }
    true
}
