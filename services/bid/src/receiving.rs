//! The stream of one payload: its turn, its chunks on their way to the disk, its committed offset.

use std::{io, sync::Arc, time::Duration};

use sunbid_contracts::bid::v1::{UploadPartRequest, UploadPartResponse, upload_part_request::Step};
use sunbid_domain::Refusal;
use sunbid_service::Problem;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::{
    intake::{FULL, Intake},
    rpc::{Office, off_thread},
    store::{self, UploadKey, UploadRow},
    vault::Vault,
};

/// Streams that one organisation may have open at a time.
const MOST_AT_ONCE: usize = 4;
/// After this a stream may have ended.
const RETRY: Duration = Duration::from_secs(5);
/// Largest chunk message, bytes.
const LARGEST_CHUNK: usize = 1024 * 1024;
/// Bytes between two commits of the offset.
const COMMIT_EVERY: u64 = 8 * 1024 * 1024;

/// The right to write one upload; given back when dropped.
pub struct Turn {
    office: Arc<Office>,
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

    /// Syncs the file and then commits the offset, in this order.
    async fn commit(&self, mut intake: Box<Intake>) -> Result<Box<Intake>, Problem> {
        let before = intake.synced();
        let intake = off_thread(move || intake.sync().map(|()| intake))
            .await?
            .map_err(storage)?;
        if intake.synced() > before {
            self.key
                .advance(
                    self.office.journal.db(),
                    intake.synced(),
                    false,
                    self.office.clock.now(),
                )
                .await?;
        }
        Ok(intake)
    }

    async fn check_space(&self, wanted: u64) -> Result<(), Problem> {
        let vault = self.office.vault.clone();
        off_thread(move || vault.check_space(wanted))
            .await?
            .map_err(storage)?
            .map_err(Problem::StorageFull)
    }

    /// Moves the whole file to its place, if it has the root it was announced with.
    async fn finish(&self, intake: Box<Intake>, file: &str) -> Result<(), Problem> {
        let (office, root) = (&self.office, self.key.root);
        let bytes = intake.written();
        let right = intake.root() == root;
        let (vault, file) = (office.vault.clone(), file.to_owned());
        off_thread(move || {
            let mut intake = intake;
            if right {
                intake.sync().and_then(|()| vault.admit(&file, &root))
            } else {
                vault.discard(&file)
            }
        })
        .await?
        .map_err(storage)?;
        if !right {
            self.key
                .begin(
                    office.journal.db(),
                    bytes,
                    &Vault::fresh_name(),
                    office.clock.now(),
                )
                .await?;
            return Err(office.wrong_root(&self.key).await?.into());
        }
        let now = office.clock.now();
        self.key
            .advance(office.journal.db(), bytes, true, now)
            .await?;
        office.uploads.finished(self.key.clone(), bytes, now);
        Ok(())
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
    turn.check_space(payload_bytes.saturating_sub(row.committed_bytes))
        .await?;
    let (path, committed) = (turn.office.vault.incoming(&row.file), row.committed_bytes);
    let resumed = off_thread(move || Intake::resume(&path, committed)).await?;
    let resumed = resumed.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => under_way(),
        _ => storage(error),
    })?;
    let mut intake = Box::new(resumed.ok_or_else(|| {
        Problem::internal("an incoming file is shorter than its committed offset")
    })?);
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
        let held = intake.written().saturating_add(waiting.len() as u64);
        if held.saturating_add(chunk.len() as u64) > payload_bytes {
            ended = Err(too_much(payload_bytes).into());
            break;
        }
        waiting.extend_from_slice(&chunk);
        while waiting.len() >= FULL
            || (!waiting.is_empty()
                && intake.written().saturating_add(waiting.len() as u64) == payload_bytes)
        {
            let rest = waiting.split_off(waiting.len().min(FULL));
            let next = std::mem::replace(&mut waiting, rest);
            intake = off_thread(move || intake.take(&next).map(|()| intake))
                .await?
                .map_err(storage)?;
        }
        if intake.written() - intake.synced() >= COMMIT_EVERY && intake.written() < payload_bytes {
            intake = turn.commit(intake).await?;
            turn.check_space(payload_bytes - intake.written()).await?;
        }
    }
    if ended.is_ok() && intake.written() == payload_bytes {
        turn.finish(intake, &row.file).await?;
        return Ok(UploadPartResponse {
            committed_bytes: store::signed(payload_bytes),
            complete: true,
        });
    }
    // Whole chunks that came stay. The last one, if it is short, waits for a stream that ends well.
    let committed = if intake.written() < payload_bytes {
        turn.commit(intake).await?.synced()
    } else {
        intake.synced()
    };
    ended?;
    Ok(UploadPartResponse {
        committed_bytes: store::signed(committed),
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

fn under_way() -> Problem {
    Refusal::state(
        "UPLOAD_UNDER_WAY",
        "该文件正在另一连接中上传，请待其结束后继续。",
        "This payload is being sent on another connection; continue when that ends.",
    )
    .into()
}
