//! The stream of one payload: its turn, its chunks on their way to the disk, its committed offset.

use std::{io, sync::Arc, time::Duration};

use sunbid_contracts::bid::v1::{UploadPartRequest, UploadPartResponse, upload_part_request::Step};
use sunbid_domain::Refusal;
use sunbid_objects::StoreFault;
use sunbid_service::Problem;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::{
    intake::FULL,
    payloads::RootCheck,
    rpc::{Office, off_thread},
    store::{self, Discarded, UploadKey, UploadRow},
    vault,
    way::Way,
};

/// Streams that one organisation may have open at a time.
const MOST_AT_ONCE: usize = 4;
/// After this a stream may have ended.
const RETRY: Duration = Duration::from_secs(5);
/// Largest chunk message, bytes.
const LARGEST_CHUNK: usize = 1024 * 1024;
/// Bytes between two commits of the offset: a whole number of chunks, and a piece for a remote store.
pub const COMMIT_EVERY: u64 = 8 * FULL as u64;
const _: () = assert!(COMMIT_EVERY >= sunbid_objects::LEAST_PIECE);

/// The right to write one upload; given back when dropped.
pub struct Turn {
    pub office: Arc<Office>,
    pub key: UploadKey,
    /// A supplier's stream, which counts among those of its organisation.
    is_stream: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.office.uploads.lock();
        inner.under_way.remove(&self.key);
        if !self.is_stream {
            return;
        }
        if let Some(count) = inner.streams.get_mut(&self.key.organization) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inner.streams.remove(&self.key.organization);
            }
        }
    }
}

impl Turn {
    /// The turn, unless the upload is under way or the organisation has too many.
    pub fn take(office: Arc<Office>, key: UploadKey) -> Result<Self, Problem> {
        {
            let mut inner = office.uploads.lock();
            if inner.under_way.contains(&key) {
                return Err(under_way());
            }
            let count = inner.streams.entry(key.organization.clone()).or_default();
            if *count >= MOST_AT_ONCE {
                return Err(Problem::TooMuch {
                    reason: "UPLOADS_TOO_MANY",
                    zh: format!(
                        "每家单位最多同时上传{MOST_AT_ONCE}个文件，请待其中一个传完后继续。"
                    ),
                    en: format!(
                        "An organisation sends at most {MOST_AT_ONCE} payloads at a time; continue when one of them is through."
                    ),
                    retry: Some(RETRY),
                });
            }
            *count += 1;
            inner.under_way.insert(key.clone());
        }
        Ok(Self {
            office,
            key,
            is_stream: true,
        })
    }

    /// The turn to remove an upload, unless it is under way.
    pub fn to_remove(office: Arc<Office>, key: UploadKey) -> Option<Self> {
        let free = office.uploads.lock().under_way.insert(key.clone());
        free.then_some(Self {
            office,
            key,
            is_stream: false,
        })
    }

    /// Puts what came where it is safe and then commits the offset, in this order.
    async fn commit(&self, way: Way, row: &UploadRow) -> Result<Way, Problem> {
        let (db, now) = (self.office.journal.db(), self.office.clock.now());
        let before = way.committed();
        match way {
            Way::File(mut intake) => {
                let intake = off_thread(move || intake.sync().map(|()| intake))
                    .await?
                    .map_err(storage)?;
                let synced = intake.synced();
                if synced > before && !self.key.advance(db, &row.file, synced, false, now).await? {
                    return Err(self.began_again(row).await);
                }
                Ok(Way::File(intake))
            }
            Way::Pieces(mut pieces) => {
                let put = pieces.put(&self.office.vault.sealed, row).await;
                let (number, piece) = match put {
                    Ok(Some(put)) => put,
                    Ok(None) => return Ok(Way::Pieces(pieces)),
                    Err(StoreFault::Lost) => return Err(self.dropped(row).await),
                    Err(fault) => return Err(fault.into()),
                };
                let reach = (before, pieces.committed());
                let own = self
                    .key
                    .advance_by(db, &row.file, number, &piece, reach, now);
                if !own.await? {
                    return Err(self.began_again(row).await);
                }
                Ok(Way::Pieces(pieces))
            }
        }
    }

    /// Puts the whole payload in its place, if it has the root it was announced with. In a remote store
    /// it is read again before anybody is told that it is there.
    async fn finish(&self, mut way: Way, row: &UploadRow) -> Result<(), Problem> {
        let (office, root, db) = (&self.office, self.key.root, self.office.journal.db());
        let bytes = way.written();
        if way.root() != root {
            if !office.begin(&self.key, bytes, Some(row)).await? {
                return Err(under_way());
            }
            return Err(office.wrong_root(&self.key).await?.into());
        }
        if matches!(way, Way::Pieces(_)) {
            way = self.commit(way, row).await?;
        }
        let (sealed, name) = (&office.vault.sealed, vault::name(&row.file));
        match way {
            Way::File(intake) => {
                let staged = office.vault.incoming(&row.file);
                sealed.admit(&staged, &name).await?;
                // Until here nobody else had the file.
                drop(intake);
            }
            Way::Pieces(pieces) => {
                let done = sealed.complete(&name, &row.remote, pieces.names(), bytes);
                match done.await {
                    Ok(()) => {}
                    Err(StoreFault::Lost) => return Err(self.dropped(row).await),
                    Err(fault) => return Err(fault.into()),
                }
                match sealed.check(&name, bytes, FULL, RootCheck::new(root)).await {
                    Ok(_) => {}
                    Err(fault) if fault.is_of_the_file() => {
                        tracing::error!(file = row.file, %fault, "the store does not give back what it was given");
                        return Err(self.dropped(row).await);
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
        }
        let now = office.clock.now();
        if !self.key.advance(db, &row.file, bytes, true, now).await? {
            return Err(self.began_again(row).await);
        }
        if !row.remote.is_empty() {
            store::drop_pieces(db, &row.file).await?;
        }
        office.uploads.finished(self.key.clone(), bytes, now);
        Ok(())
    }

    /// The store does not know the upload any more: it begins again at its first byte.
    async fn dropped(&self, row: &UploadRow) -> Problem {
        let begun = self.office.begin(&self.key, row.payload_bytes, Some(row));
        match begun.await {
            Ok(true) => Problem::Unavailable("the store dropped a begun upload".to_owned()),
            Ok(false) => under_way(),
            Err(problem) => problem,
        }
    }

    /// Another process began the upload again meanwhile, swept it or got further: this one's file is
    /// nobody's if the upload does not have it any more.
    async fn began_again(&self, row: &UploadRow) -> Problem {
        let db = self.office.journal.db();
        let left = Discarded {
            file: row.file.clone(),
            remote: row.remote.clone(),
        };
        // Removed only where no upload has it.
        match store::discard(db, &left).await {
            Ok(()) => under_way(),
            Err(problem) => problem,
        }
    }
}

/// Takes the stream's chunks from where the upload stands; what came whole is kept however it ends.
pub async fn take_stream<S>(
    turn: &Turn,
    row: &UploadRow,
    payload_bytes: u64,
    mut stream: S,
) -> Result<UploadPartResponse, Problem>
where
    S: Stream<Item = Result<UploadPartRequest, Status>> + Send + Unpin,
{
    let vault = &turn.office.vault;
    vault
        .check_upload(payload_bytes.saturating_sub(row.committed_bytes))
        .await?;
    let mut way = Way::open(turn, row).await?;
    let mut waiting: Vec<u8> = Vec::new();
    let mut ended: Result<(), Problem> = Ok(());
    while let Some(message) = stream.next().await {
        let chunk = match message.map(|message| message.step) {
            Ok(Some(Step::Chunk(chunk))) if chunk.len() <= LARGEST_CHUNK => chunk,
            Ok(_) => {
                ended = Err(not_a_chunk().into());
                break;
            }
            Err(status) => {
                ended = Err(status.into());
                break;
            }
        };
        let held = way.written().saturating_add(waiting.len() as u64);
        if held.saturating_add(chunk.len() as u64) > payload_bytes {
            ended = Err(too_much(payload_bytes).into());
            break;
        }
        waiting.extend_from_slice(&chunk);
        while waiting.len() >= FULL
            || (!waiting.is_empty()
                && way.written().saturating_add(waiting.len() as u64) == payload_bytes)
        {
            let rest = waiting.split_off(waiting.len().min(FULL));
            let next = std::mem::replace(&mut waiting, rest);
            way = way.take(next).await?;
        }
        if way.written() - way.committed() >= COMMIT_EVERY && way.written() < payload_bytes {
            way = turn.commit(way, row).await?;
            vault.check_upload(payload_bytes - way.written()).await?;
        }
    }
    if ended.is_ok() && way.written() == payload_bytes {
        turn.finish(way, row).await?;
        return Ok(UploadPartResponse {
            committed_bytes: store::signed(payload_bytes),
            complete: true,
        });
    }
    // Whole chunks that came stay. The last one, if it is short, waits for a stream that ends well.
    if way.written() < payload_bytes && way.may_pause() {
        way = turn.commit(way, row).await?;
    }
    ended?;
    Ok(UploadPartResponse {
        committed_bytes: store::signed(way.committed()),
        complete: false,
    })
}

fn not_a_chunk() -> Refusal {
    Refusal::field(
        "chunk",
        format!("上传说明之后只能是数据块，每块不超过{LARGEST_CHUNK}字节。"),
        format!("only chunks of at most {LARGEST_CHUNK} bytes may follow the header."),
    )
}

fn too_much(payload_bytes: u64) -> Refusal {
    Refusal::field(
        "chunk",
        format!("（E7）数据超过所报的{payload_bytes}字节。"),
        format!("(E7) more bytes came than the {payload_bytes} announced."),
    )
}

/// A full disk is told as such; everything else is the operator's business.
pub fn storage(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::StorageFull(error.to_string())
        }
        _ => Problem::internal(error),
    }
}

pub fn under_way() -> Problem {
    Refusal::state(
        "UPLOAD_UNDER_WAY",
        "该文件正在另一连接中上传，请待其结束后继续。",
        "This payload is being sent on another connection; continue when that ends.",
    )
    .into()
}
