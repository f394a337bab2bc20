//! Sealed payloads sent ahead of a submission: streamed to the disk, checked against their root,
//! resumable at the committed offset. What an organisation uploads, only it can build a bid on.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use sunbid_contracts::bid::v1::{
    GetUploadRequest, GetUploadResponse, UploadPartHeader, UploadPartRequest, UploadPartResponse,
    upload_part_request::Step,
};
use sunbid_domain::{
    Refusal,
    bid::{Fault, Shut, desk, fault, fault::Duty, refuse_late, refuse_submission},
    refusal::FieldCheck,
};
use sunbid_sealing::padded_of_sealed;
use sunbid_service::{Caller, Problem, names};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::{
    intake::{FULL, Intake},
    rpc::{Office, off_thread},
    store::{UploadKey, UploadRow, unsigned},
    vault::Vault,
};

/// Streams that one organisation may have open at a time.
const MOST_AT_ONCE: usize = 4;
/// Largest chunk message, bytes.
const LARGEST_CHUNK: usize = 1024 * 1024;
/// Bytes between two commits of the offset.
const COMMIT_EVERY: u64 = 8 * 1024 * 1024;
/// Complete uploads remembered at most.
const MOST_REMEMBERED: usize = 65_536;

/// Uploads under way and uploads known to be complete.
#[derive(Debug, Default)]
pub struct Uploads {
    // Locked for the length of a look-up.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    under_way: HashSet<UploadKey>,
    streams: HashMap<String, usize>,
    complete: HashMap<UploadKey, u64>,
}

/// The right to write one upload; given back when dropped.
struct Turn {
    office: Arc<Office>,
    key: UploadKey,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.office.uploads.lock();
        inner.under_way.remove(&self.key);
        if let Some(count) = inner.streams.get_mut(&self.key.organization) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inner.streams.remove(&self.key.organization);
            }
        }
    }
}

impl Uploads {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self, key: UploadKey, bytes: u64) {
        let mut inner = self.lock();
        if inner.complete.len() >= MOST_REMEMBERED {
            inner.complete.clear();
        }
        inner.complete.insert(key, bytes);
    }

    fn begun(&self, key: &UploadKey) {
        self.lock().complete.remove(key);
    }
}

impl Office {
    /// Takes the stream of one payload. Runs to its end even if the caller goes away, so that what
    /// arrived is not sent again.
    pub async fn receive_part<S>(
        self: Arc<Self>,
        caller: Caller,
        mut stream: S,
    ) -> Result<UploadPartResponse, Problem>
    where
        S: Stream<Item = Result<UploadPartRequest, Status>> + Send + Unpin + 'static,
    {
        let first = stream.next().await.transpose()?;
        let Some(UploadPartRequest {
            step: Some(Step::Header(header)),
        }) = first
        else {
            return Err(Refusal::field(
                "header",
                "第一条消息应为上传说明。",
                "must be the first message of the stream.",
            )
            .into());
        };
        let key = upload_key(
            &caller,
            &header.tender,
            &header.lot_id,
            &header.payload_root,
        )?;
        let payload_bytes = self.check_header(&caller, &header).await?;
        let turn = Turn::take(self.clone(), key)?;
        let row = self.place_of(&turn.key, payload_bytes).await?;
        if row.complete {
            return Ok(UploadPartResponse {
                committed_bytes: header.payload_bytes,
                complete: true,
            });
        }
        if unsigned(header.offset) != row.committed_bytes || header.offset < 0 {
            let at = row.committed_bytes;
            return Err(Refusal::state(
                "UPLOAD_OFFSET",
                format!("请从已保存的第{at}字节处继续上传。"),
                format!("Continue at the committed offset, {at} bytes."),
            )
            .into());
        }
        tokio::spawn(async move {
            let done = take_stream(&turn, &row, payload_bytes, stream).await;
            drop(turn);
            done
        })
        .await
        .map_err(Problem::internal)?
    }

    /// How much of the caller's own upload is stored.
    pub async fn upload_progress(
        &self,
        caller: &Caller,
        request: &GetUploadRequest,
    ) -> Result<GetUploadResponse, Problem> {
        let key = upload_key(
            caller,
            &request.tender,
            &request.lot_id,
            &request.payload_root,
        )?;
        let row = key.find(self.journal.db()).await?;
        Ok(
            row.map_or_else(GetUploadResponse::default, |row| GetUploadResponse {
                committed_bytes: crate::store::signed(row.committed_bytes),
                complete: row.complete,
            }),
        )
    }

    /// Whether the payload was uploaded whole, with just this many bytes.
    pub async fn is_uploaded(&self, key: &UploadKey, bytes: u64) -> Result<bool, Problem> {
        if self.uploads.lock().complete.get(key) == Some(&bytes) {
            return Ok(true);
        }
        let Some(row) = key.find(self.journal.db()).await? else {
            return Ok(false);
        };
        if row.complete {
            self.uploads.finished(key.clone(), row.payload_bytes);
        }
        Ok(row.complete && row.payload_bytes == bytes)
    }

    async fn check_header(
        &self,
        caller: &Caller,
        header: &UploadPartHeader,
    ) -> Result<u64, Problem> {
        let tender_box = self.tender_box(&header.tender).await?;
        let now = self.clock.now();
        let facts = fault::submission_facts(&tender_box, caller.organization(), now, None);
        match tender_box.gate(now) {
            // What is sent ahead is no bid yet: a suspension does not stop it.
            Ok(()) | Err(Shut::Held) => {}
            Err(Shut::Closed | Shut::Due) => {
                return Err(refuse_late(&self.rules, &tender_box, &facts).into());
            }
            Err(shut) => return Err(desk::shut_for_suppliers(&tender_box, shut).into()),
        }
        if tender_box.lot(&header.lot_id).is_none() {
            return Err(unknown_lot(&header.lot_id).into());
        }
        let bytes = unsigned(header.payload_bytes);
        let largest = tender_box.largest_part();
        let mut faults = Vec::new();
        if header.payload_bytes > largest {
            faults.push(Fault::new(
                "E5",
                Duty::Sealing,
                "header.payload_bytes",
                format!("密文{bytes}字节，招标文件规定每部分不超过{largest}字节。"),
                format!("{bytes} sealed bytes, the tender takes at most {largest} for a part."),
            ));
        }
        if header.payload_bytes < 0 || padded_of_sealed(bytes).is_none() {
            faults.push(Fault::new(
                "E5",
                Duty::Sealing,
                "header.payload_bytes",
                format!("{}字节不是任何填充后的密文长度。", header.payload_bytes),
                format!(
                    "No payload has a sealed length of {} bytes.",
                    header.payload_bytes
                ),
            ));
        }
        if !faults.is_empty() {
            let scope = fault::scope(&tender_box, now)?;
            return Err(refuse_submission(&self.rules, &scope, &facts, &faults).into());
        }
        Ok(bytes)
    }

    /// Where the upload stands; begins it where there is none, and again where its file is gone.
    async fn place_of(&self, key: &UploadKey, payload_bytes: u64) -> Result<UploadRow, Problem> {
        let db = self.journal.db();
        if let Some(row) = key.find(db).await?
            && row.payload_bytes == payload_bytes
        {
            let path = if row.complete {
                self.vault.sealed(&key.root)
            } else {
                self.vault.incoming(&row.file)
            };
            let expected = row.committed_bytes;
            let there = off_thread(move || match std::fs::metadata(path) {
                Ok(file) => Ok(file.len() >= expected),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(expected == 0),
                Err(error) => Err(error),
            })
            .await?
            .map_err(Problem::internal)?;
            if there {
                return Ok(row);
            }
            tracing::error!(
                file = row.file,
                "an uploaded file is gone; its upload begins again"
            );
        }
        self.uploads.begun(key);
        key.begin(db, payload_bytes, &Vault::fresh_name()).await?;
        key.find(db)
            .await?
            .ok_or_else(|| Problem::internal("an upload that began is not there"))
    }
}

impl Turn {
    fn take(office: Arc<Office>, key: UploadKey) -> Result<Self, Refusal> {
        {
            let mut inner = office.uploads.lock();
            if inner.under_way.contains(&key) {
                return Err(under_way());
            }
            let count = inner.streams.entry(key.organization.clone()).or_default();
            if *count >= MOST_AT_ONCE {
                return Err(Refusal::state(
                    "UPLOADS_TOO_MANY",
                    format!("每家单位最多同时上传{MOST_AT_ONCE}个文件。"),
                    format!("An organisation sends at most {MOST_AT_ONCE} payloads at a time."),
                ));
            }
            *count += 1;
            inner.under_way.insert(key.clone());
        }
        Ok(Self { office, key })
    }

    /// Syncs the file and then commits the offset, in this order.
    async fn commit(&self, mut intake: Box<Intake>) -> Result<Box<Intake>, Problem> {
        let before = intake.synced();
        let intake = off_thread(move || intake.sync().map(|()| intake))
            .await?
            .map_err(storage)?;
        if intake.synced() > before {
            self.key
                .advance(self.office.journal.db(), intake.synced(), false)
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
                .begin(office.journal.db(), bytes, &Vault::fresh_name())
                .await?;
            return Err(office.wrong_root(&self.key).await?.into());
        }
        self.key.advance(office.journal.db(), bytes, true).await?;
        office.uploads.finished(self.key.clone(), bytes);
        Ok(())
    }
}

impl Office {
    async fn wrong_root(&self, key: &UploadKey) -> Result<Refusal, Problem> {
        let tender_box = self.tender_box(&key.tender).await?;
        let now = self.clock.now();
        let fault = Fault::new(
            "E7",
            Duty::Sealing,
            "header.payload_root",
            "收到的数据与所报的根哈希不符，已丢弃，请从第0字节重新上传。",
            "The bytes received do not have the announced root; they were dropped. Start again at 0.",
        );
        let facts = fault::submission_facts(&tender_box, &key.organization, now, None);
        let scope = fault::scope(&tender_box, now)?;
        Ok(refuse_submission(&self.rules, &scope, &facts, &[fault]))
    }
}

async fn take_stream<S>(
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
        io::ErrorKind::WouldBlock => under_way().into(),
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
            committed_bytes: crate::store::signed(payload_bytes),
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
        committed_bytes: crate::store::signed(committed),
        complete: false,
    })
}

/// The upload that a caller means.
pub fn upload_key(
    caller: &Caller,
    tender: &str,
    lot_id: &str,
    root: &[u8],
) -> Result<UploadKey, Refusal> {
    names::check_tender(tender, "tender")?;
    FieldCheck::new()
        .bytes(root, 32, "payload_root")
        .text(lot_id, 32, "lot_id")
        .finish()?;
    Ok(UploadKey {
        organization: caller.organization().to_owned(),
        tender: tender.to_owned(),
        lot_id: lot_id.to_owned(),
        root: root.try_into().unwrap_or_default(),
    })
}

pub fn unknown_lot(lot_id: &str) -> Refusal {
    Refusal::field(
        "lot_id",
        format!("本项目没有标段{lot_id}。"),
        format!("names no lot of this tender: {lot_id}."),
    )
}

fn under_way() -> Refusal {
    Refusal::state(
        "UPLOAD_UNDER_WAY",
        "该文件正在另一连接中上传，请待其结束后继续。",
        "This payload is being sent on another connection; continue when that ends.",
    )
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
fn storage(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::StorageFull(error.to_string())
        }
        _ => Problem::internal(error),
    }
}
