//! Sealed payloads sent ahead of a submission: streamed to the disk, checked against their root,
//! resumable at the committed offset. What an organisation uploads, only it can build a bid on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
use sunbid_terms::Instant;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::{
    receiving::{Turn, take_stream},
    rpc::Office,
    store::{UploadKey, UploadRow, signed, unsigned},
    sweeping::{KEPT_SECONDS, SURE_SECONDS},
    vault::{self, Vault},
};

/// Bytes that one organisation may have uploaded for one lot without submitting them, in bids whose
/// every part is as large as the tender takes it: the one at work, and some that went wrong.
const OPEN_BIDS: u64 = 4;
/// The same in files, for each part of a bid: small files cost more than their bytes.
const OPEN_FILES_PER_PART: usize = 16;

/// Complete uploads remembered at most.
const MOST_REMEMBERED: usize = 65_536;

/// Uploads under way and uploads known to be complete.
#[derive(Debug, Default)]
pub struct Uploads {
    // Locked for the length of a look-up.
    inner: Mutex<Inner>,
    // Held while an upload is counted and begun, so that two do not pass the quota together.
    beginning: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub struct Inner {
    pub under_way: HashSet<UploadKey>,
    pub streams: HashMap<String, usize>,
    complete: HashMap<UploadKey, Whole>,
}

/// A whole upload as it was last looked up.
#[derive(Clone, Copy, Debug)]
struct Whole {
    bytes: u64,
    /// Before this it is certainly not removed, microseconds.
    stays_until: i64,
}

impl Uploads {
    pub fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an upload is whole and when it last moved.
    pub fn finished(&self, key: UploadKey, bytes: u64, touched: Instant) {
        self.know(key, bytes, touched.plus_seconds(SURE_SECONDS).micros());
    }

    fn know(&self, key: UploadKey, bytes: u64, stays_until: i64) {
        let mut inner = self.lock();
        if inner.complete.len() >= MOST_REMEMBERED {
            inner.complete.clear();
        }
        inner.complete.insert(key, Whole { bytes, stays_until });
    }

    /// Notes that an upload begins again or is gone.
    pub fn forget(&self, key: &UploadKey) {
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
                committed_bytes: signed(row.payload_bytes),
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
                committed_bytes: signed(row.committed_bytes),
                complete: row.complete,
            }),
        )
    }

    /// Whether the payload was uploaded whole, with just this many bytes. If so, it stays for longer
    /// than any submission takes.
    pub async fn is_uploaded(&self, key: &UploadKey, bytes: u64) -> Result<bool, Problem> {
        let now = self.clock.now();
        if let Some(whole) = self.uploads.lock().complete.get(key)
            && whole.bytes == bytes
            && now.micros() < whole.stays_until
        {
            return Ok(true);
        }
        let db = self.journal.db();
        let Some(row) = key.find(db).await? else {
            return Ok(false);
        };
        if !row.complete || row.payload_bytes != bytes {
            return Ok(false);
        }
        if row.claimed {
            self.uploads.know(key.clone(), bytes, i64::MAX);
            return Ok(true);
        }
        let mut touched = row.touched;
        if now >= touched.plus_seconds(SURE_SECONDS) {
            if !key.touch(db, now).await? {
                return Ok(false);
            }
            touched = now;
        }
        self.uploads.finished(key.clone(), bytes, touched);
        Ok(true)
    }

    async fn check_header(
        &self,
        caller: &Caller,
        header: &UploadPartHeader,
    ) -> Result<u64, Problem> {
        let tender_box = self.box_in_force(&header.tender).await?;
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
        let was = key.find(db).await?;
        if let Some(row) = &was
            && (row.payload_bytes == payload_bytes || row.claimed)
        {
            if self.vault.has(row, &key.root).await? {
                return Ok(row.clone());
            }
            tracing::error!(
                file = row.file,
                "an uploaded file is gone; its upload begins again"
            );
        }
        self.uploads.forget(key);
        let _one_at_a_time = self.uploads.beginning.lock().await;
        self.check_quota(key, payload_bytes).await?;
        self.begin(key, payload_bytes, was.as_ref()).await?;
        // By whomever it was begun.
        key.find(db)
            .await?
            .ok_or_else(|| Problem::internal("an upload that began is not there"))
    }

    /// Begins the upload with a new file, or begins it again where it still is what it `was`; whether it
    /// began.
    pub async fn begin(
        &self,
        key: &UploadKey,
        payload_bytes: u64,
        was: Option<&UploadRow>,
    ) -> Result<bool, Problem> {
        let file = Vault::fresh_name();
        let mut remote = String::new();
        if self.vault.sealed.is_remote() {
            remote = self.vault.sealed.begin(&vault::name(&file)).await?;
        }
        let (db, now) = (self.journal.db(), self.clock.now());
        let begun = key.begin(db, payload_bytes, (&file, &remote), was, now);
        begun.await
    }
}

impl Office {
    /// Refuses an upload where the organisation's uploads for the lot that no submission claimed would
    /// be more than several whole bids.
    async fn check_quota(&self, key: &UploadKey, payload_bytes: u64) -> Result<(), Problem> {
        let tender_box = self.tender_box(&key.tender).await?;
        let others = key.others_open(self.journal.db()).await?;
        let bytes = others.iter().map(|(bytes, _)| *bytes);
        let bytes = bytes.fold(payload_bytes, u64::saturating_add);
        let most_bytes = unsigned(tender_box.largest_bid()).saturating_mul(OPEN_BIDS);
        let most_files = tender_box.parts.len().saturating_mul(OPEN_FILES_PER_PART);
        if bytes <= most_bytes && others.len() < most_files {
            return Ok(());
        }
        let now = self.clock.now();
        let next = others.iter().map(|(_, touched)| *touched).min();
        let next = next.unwrap_or(now).plus_seconds(KEPT_SECONDS);
        let wait = unsigned(next.micros().saturating_sub(now.micros()));
        let files = others.len() + 1;
        Err(Problem::TooMuch {
            reason: "UPLOAD_QUOTA",
            zh: format!(
                "贵单位在本标段已上传而未用于投标的文件将达{files}个、{bytes}字节，上限为{most_files}个、{most_bytes}字节。请用已上传的文件提交投标；未用于投标的文件最早将于{next}删除。"
            ),
            en: format!(
                "Your uploads for this lot that no bid uses would come to {files} files and {bytes} bytes; the limits are {most_files} and {most_bytes}. Submit a bid with what is uploaded; the oldest of the unused goes at {next}."
            ),
            retry: Some(Duration::from_micros(wait)),
        })
    }

    /// The bytes that came do not have the root they were announced with (E7).
    pub async fn wrong_root(&self, key: &UploadKey) -> Result<Refusal, Problem> {
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
