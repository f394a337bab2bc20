//! The public records of a finished tender, put together so that anyone can verify it alone:
//! its logs with everything the law makes public, proofs, receipts, sheets, documents, and an index.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sunbid_contracts::{
    audit::v1::{DisclosedLog, DisclosedReceipts, HeadProof, TrustAnchors},
    bid::v1::{
        Bid, BidSubmitted, BidWithdrawn, BiddingClosed, BiddingEnded, ListClosedBidsRequest,
        ReadPayloadsRequest, Receipt,
    },
    common::v1::{LogHead, Record},
    journal::v1::LogEntry,
    opening::v1::{CheckedIn, ClosingSigned, OpeningRecordPublished},
    tender::v1::{DownloadDocumentRequest, GetTenderRequest},
};
use sunbid_domain::{Event, Refusal, bid::intake, opening::head_proof::message};
use sunbid_journal::{PublicLog, PublicLogError};
use sunbid_proofs::{Checkpoint, LogId, Note, hash::sha256};
use sunbid_service::{Problem, Setting};

use crate::{closing, mirror::Mirror, trail};

const PAGE: i32 = 1000;

/// Where the content of a disclosed file comes from.
#[derive(Clone, Debug)]
pub enum Content {
    Bytes(Vec<u8>),
    /// A document of the tender, streamed from its service: digest and size.
    Document {
        sha256: Vec<u8>,
        size: u64,
    },
}

/// Files by path, the index among them.
pub type Files = BTreeMap<String, Content>;

/// What makes a tender's records public.
struct Outcome {
    /// Record sequence numbers of bids that were opened.
    opened: BTreeSet<i64>,
    /// Organisations whose bids were opened.
    bidders: BTreeSet<String>,
    /// The log that says how the tender ended, and how many records of it that takes. A checkpoint
    /// that shows fewer shows a tender that goes on.
    told: (&'static str, u64),
}

/// Builds the disclosure of a finished tender at the newest checkpoint that enough of its holders
/// have witnessed.
pub async fn build(
    setting: &Setting,
    mirror: &Mirror,
    public_log: &PublicLog,
    tender: &str,
) -> Result<Files, Problem> {
    let request = GetTenderRequest {
        name: tender.to_owned(),
    };
    let known = setting
        .peers
        .tender()
        .get_tender(request)
        .await?
        .into_inner()
        .tender;
    let known = known.ok_or(Problem::Refused(Refusal::Forbidden))?;
    let threshold = usize::try_from(known.threshold).unwrap_or(usize::MAX);
    // An open bid log is not even looked at: how long that takes would tell its length.
    let closed = mirror
        .log("bid", tender)
        .await
        .is_some_and(|log| log.closed);
    let outcome = if closed {
        outcome(setting, tender, threshold).await?
    } else {
        None
    };
    let outcome = outcome.ok_or_else(|| {
        Problem::Refused(Refusal::state(
            "NOT_FINISHED",
            "开标记录公布（或流标、终止）后才公开全部记录。",
            "The records are disclosed once the opening record is public, or the tender failed or ended.",
        ))
    })?;
    let mut scopes = vec![("tender", tender.to_owned()), ("notice", tender.to_owned())];
    scopes.extend([("bid", tender.to_owned()), ("opening", tender.to_owned())]);
    let intent = trail::intent_of(&setting.peers, tender).await?;
    let holders = known
        .holders
        .iter()
        .map(|holder| holder.identity_key.clone())
        .collect::<Vec<_>>();
    let (note, checkpoint) = witnessed(public_log, &holders, threshold).await?;
    let epoch = checkpoint.size.saturating_sub(1);
    let (service, records) = outcome.told;
    let log = LogId::of(service, tender);
    let shown = public_log.head_proof(log, epoch, checkpoint.size).await?;
    if shown.is_none_or(|proof| proof.size < records) {
        return Err(not_witnessed());
    }

    let mut files = Files::new();
    let mut receipts = Vec::new();
    for (service, scope) in scopes {
        let log = disclose(setting, public_log, service, &scope, epoch, &outcome).await?;
        files.insert(
            format!("logs/{service}.pb"),
            Content::Bytes(log.encode_to_vec()),
        );
    }
    if let Some(intent) = intent {
        let log = disclose(setting, public_log, "notice", &intent, epoch, &outcome).await?;
        files.insert(
            "logs/intent.pb".to_owned(),
            Content::Bytes(log.encode_to_vec()),
        );
    }
    // When bids could be taken, since that is measured: the same log for all tenders.
    let intake = LogId::of("bid", intake::SCOPE);
    if public_log
        .head_proof(intake, epoch, checkpoint.size)
        .await?
        .is_some()
    {
        let log = disclose(setting, public_log, "bid", intake::SCOPE, epoch, &outcome).await?;
        files.insert(
            "logs/intake.pb".to_owned(),
            Content::Bytes(log.encode_to_vec()),
        );
    }
    for (bid, receipt) in opened_bids(setting, tender, &outcome).await? {
        receipts.push(receipt);
        let sheets = bid
            .parts
            .iter()
            .filter(|part| part.part == 0)
            .map(|part| part.payload_root.clone());
        for (root, payload) in payloads(setting, tender, sheets.collect()).await? {
            files.insert(
                format!("envelopes/{}.sealed", hex::encode(root)),
                Content::Bytes(payload),
            );
        }
    }
    for document in &known.documents {
        let content = Content::Document {
            sha256: document.sha256.clone(),
            size: u64::try_from(document.size_bytes).unwrap_or_default(),
        };
        files.insert(
            format!("documents/{}", hex::encode(&document.sha256)),
            content,
        );
    }
    let receipts = DisclosedReceipts { receipts };
    files.insert(
        "receipts.pb".to_owned(),
        Content::Bytes(receipts.encode_to_vec()),
    );
    files.insert(
        "anchors.pb".to_owned(),
        Content::Bytes(anchors(setting)?.encode_to_vec()),
    );
    files.insert(
        "checkpoint.note".to_owned(),
        Content::Bytes(note.format().into_bytes()),
    );
    let index = index(setting, tender, &files)?;
    files.insert("index.note".to_owned(), Content::Bytes(index.into_bytes()));
    Ok(files)
}

/// The newest checkpoint with cosignatures of `threshold` of the holders. It is at most a few epochs
/// old where the holders' daemons run.
async fn witnessed(
    public_log: &PublicLog,
    holders: &[Vec<u8>],
    threshold: usize,
) -> Result<(Note, Checkpoint), Problem> {
    /// Epochs looked back: an hour of minutes.
    const LOOK_BACK: u64 = 60;
    let size = public_log.size().await?;
    for size in (size.saturating_sub(LOOK_BACK)..=size)
        .rev()
        .filter(|size| *size > 0)
    {
        let note = match public_log.note_at(size).await {
            Ok(note) => note,
            Err(PublicLogError::NoCheckpoint { .. }) => continue,
            Err(error) => return Err(Problem::internal(error)),
        };
        let cosigned = holders.iter().filter(|key| cosigned_by(&note, key)).count();
        if cosigned >= threshold {
            let checkpoint = Checkpoint::parse(&note.text).map_err(Problem::internal)?;
            return Ok((note, checkpoint));
        }
    }
    Err(not_witnessed())
}

fn not_witnessed() -> Problem {
    Problem::Refused(Refusal::state(
        "NOT_WITNESSED",
        "公开日志的最新检查点尚未获得足够的见证签名，请稍候再试。",
        "Not enough holders have witnessed a recent checkpoint yet; please retry shortly.",
    ))
}

fn cosigned_by(note: &Note, key: &[u8]) -> bool {
    let Ok(key) = <[u8; 32]>::try_from(key) else {
        return false;
    };
    note.signatures.iter().any(|signature| {
        sunbid_proofs::Verifier::new(
            &signature.name,
            sunbid_proofs::note::ED25519_COSIGNATURE,
            key,
        )
        .is_ok_and(|witness| {
            sunbid_proofs::cosignature::verify(&witness, &note.text, signature).is_ok()
        })
    })
}

/// What of the bid and opening logs decides about disclosure; nothing while the tender goes on.
async fn outcome(
    setting: &Setting,
    tender: &str,
    threshold: usize,
) -> Result<Option<Outcome>, Problem> {
    let mut outcome = Outcome {
        opened: BTreeSet::new(),
        bidders: BTreeSet::new(),
        told: ("bid", 0),
    };
    let mut submitted: BTreeMap<i64, Bid> = BTreeMap::new();
    let (mut closed, mut ended) = (None, false);
    for (seq, event) in events(setting, "bid", tender).await? {
        if let Some(event) = event.read::<BidSubmitted>()? {
            submitted.insert(seq, event.bid.unwrap_or_default());
        }
        if let Some(event) = event.read::<BiddingClosed>()? {
            closed = Some(event);
        }
        if event.is::<BiddingEnded>() {
            ended = true;
            outcome.told = ("bid", records_to(seq));
        }
    }
    if ended {
        return Ok(Some(outcome));
    }
    let Some(closed) = closed else {
        return Ok(None);
    };
    let opening = events(setting, "opening", tender).await?;
    if closed.lots.iter().all(|lot| !lot.opens) {
        // Finished once enough holders have signed that nothing is to be opened.
        let mut signed = opening
            .iter()
            .filter(|(_, event)| event.is::<ClosingSigned>());
        return Ok(signed.nth(threshold.saturating_sub(1)).map(|(seq, _)| {
            outcome.told = ("opening", records_to(*seq));
            outcome
        }));
    }
    let announced = opening
        .iter()
        .find(|(_, event)| event.is::<OpeningRecordPublished>());
    let Some((seq, _)) = announced else {
        return Ok(None);
    };
    outcome.told = ("opening", records_to(*seq));
    for entry in &closed.entries {
        if entry.status() == sunbid_contracts::bid::v1::ClosingStatus::Live
            && let Some(bid) = submitted.get(&entry.seq)
        {
            outcome.opened.insert(entry.seq);
            outcome.bidders.insert(bid.bidder.clone());
        }
    }
    Ok(Some(outcome))
}

/// How many records a log has up to this one.
fn records_to(seq: i64) -> u64 {
    u64::try_from(seq).map_or(u64::MAX, |seq| seq + 1)
}

async fn events(
    setting: &Setting,
    service: &str,
    scope: &str,
) -> Result<Vec<(i64, Event)>, Problem> {
    let mut events = Vec::new();
    let mut from = 0;
    loop {
        let page = trail::read(&setting.peers, service, scope, from, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(events);
        };
        from = last.seq + 1;
        for entry in &page {
            if let Some(body) = trail::body_of(entry) {
                events.push((
                    entry.seq,
                    Event {
                        name: body.r#type,
                        bytes: body.event,
                    },
                ));
            }
        }
    }
}

async fn disclose(
    setting: &Setting,
    public_log: &PublicLog,
    service: &'static str,
    scope: &str,
    epoch: u64,
    outcome: &Outcome,
) -> Result<DisclosedLog, Problem> {
    let log = LogId::of(service, scope);
    let size = epoch + 1;
    let proof = public_log
        .head_proof(log, epoch, size)
        .await?
        .ok_or_else(|| {
            Problem::Unavailable(format!("{service} {scope} is not in epoch {epoch} yet"))
        })?;
    let head = LogHead {
        log_id: log.as_bytes().to_vec(),
        size: i64::try_from(proof.size).unwrap_or(i64::MAX),
        root: proof.root.to_vec(),
    };
    let mut entries: Vec<LogEntry> = Vec::new();
    while i64::try_from(entries.len()).unwrap_or(i64::MAX) < head.size {
        let from = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let page = trail::read(&setting.peers, service, scope, from, PAGE).await?;
        if page.is_empty() {
            return Err(Problem::internal(format!(
                "{service} {scope} is shorter than its head"
            )));
        }
        for mut entry in page {
            if entry.seq < head.size {
                if withheld(&entry, outcome)? {
                    entry.salted_body = None;
                }
                entries.push(entry);
            }
        }
    }
    let mut proofs = vec![message(&proof)];
    if service == "bid" && scope != intake::SCOPE {
        let closed = closing_size(&entries);
        proofs.extend(around_closing(public_log, log, closed, epoch).await?);
    }
    Ok(DisclosedLog {
        service: service.to_owned(),
        scope: scope.to_owned(),
        head: Some(head),
        entries,
        proofs,
    })
}

/// Number of records right after the closing record; all of them where there is none.
fn closing_size(entries: &[LogEntry]) -> u64 {
    let at = entries.iter().position(|entry| {
        trail::body_of(entry).is_some_and(|body| body.r#type == "sunbid.bid.v1.BiddingClosed")
    });
    at.map_or(entries.len(), |at| at + 1) as u64
}

/// The first epoch that saw the log closed and the last before it: when what was where.
async fn around_closing(
    public_log: &PublicLog,
    log: LogId,
    closed: u64,
    last: u64,
) -> Result<Vec<HeadProof>, Problem> {
    let first = closing::first_epoch_with(public_log, log, closed, last).await?;
    let mut proofs = Vec::new();
    for epoch in [first.checked_sub(1), Some(first)].into_iter().flatten() {
        if epoch == last {
            continue;
        }
        if let Some(proof) = public_log.head_proof(log, epoch, last + 1).await? {
            proofs.push(message(&proof));
        }
    }
    Ok(proofs)
}

/// Whether the law keeps the body from the public though the record is shown.
fn withheld(entry: &LogEntry, outcome: &Outcome) -> Result<bool, Problem> {
    let Some(body) = trail::body_of(entry) else {
        return Ok(false);
    };
    let Record {
        r#type: name,
        event: bytes,
        ..
    } = body;
    let event = Event { name, bytes };
    if event.is::<BidSubmitted>() {
        return Ok(!outcome.opened.contains(&entry.seq));
    }
    if let Some(checked_in) = event.read::<CheckedIn>()? {
        return Ok(!outcome.bidders.contains(&checked_in.bidder));
    }
    Ok(event.is::<BidWithdrawn>() || event.name == "sunbid.notice.v1.QuestionAsked")
}

async fn opened_bids(
    setting: &Setting,
    tender: &str,
    outcome: &Outcome,
) -> Result<Vec<(Bid, Receipt)>, Problem> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    if outcome.opened.is_empty() {
        return Ok(all);
    }
    loop {
        let request = ListClosedBidsRequest {
            tender: tender.to_owned(),
            page_size: 200,
            page_token,
            live_only: true,
        };
        let page = setting
            .peers
            .bid()
            .list_closed_bids(request)
            .await?
            .into_inner();
        for ((bid, seq), receipt) in page.bids.into_iter().zip(page.seqs).zip(page.receipts) {
            if outcome.opened.contains(&seq) {
                all.push((bid, receipt));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn payloads(
    setting: &Setting,
    tender: &str,
    payload_roots: Vec<Vec<u8>>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Problem> {
    let request = ReadPayloadsRequest {
        tender: tender.to_owned(),
        payload_roots,
    };
    let mut stream = setting
        .peers
        .bid()
        .read_payloads(request)
        .await?
        .into_inner();
    let mut payloads: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    while let Some(message) = stream.message().await? {
        // A payload that the store lost or changed is missing here too; the opening record says so.
        if !message.fault.is_empty() {
            payloads.remove(&message.payload_root);
        } else {
            payloads
                .entry(message.payload_root)
                .or_default()
                .extend(message.chunk);
        }
    }
    Ok(payloads)
}

fn anchors(setting: &Setting) -> Result<TrustAnchors, Problem> {
    let signer = setting
        .keys
        .log_signer(&setting.origin)
        .map_err(Problem::internal)?;
    Ok(TrustAnchors {
        log_verifier_key: signer.verifier().to_string(),
        receipt_key: setting.keys.public("receipt").map_err(Problem::internal)?,
        roots: setting.roots.ders(),
        sandbox: setting.sandbox,
    })
}

fn index(setting: &Setting, tender: &str, files: &Files) -> Result<String, Problem> {
    let mut text = format!("sunbid-disclosure/v1\n{tender}\n");
    for (path, content) in files {
        let (digest, size) = match content {
            Content::Bytes(bytes) => (sha256(&[bytes]).to_vec(), bytes.len() as u64),
            Content::Document { sha256, size } => (sha256.clone(), *size),
        };
        text.push_str(&format!("{} {size} {path}\n", hex::encode(digest)));
    }
    let signer = setting
        .keys
        .log_signer(&setting.origin)
        .map_err(Problem::internal)?;
    let signature = signer.sign(&text).map_err(Problem::internal)?;
    Ok(Note {
        text,
        signatures: vec![signature],
    }
    .format())
}

/// A document's bytes, chunk by chunk.
pub async fn document(
    setting: &Setting,
    tender: &str,
    sha256: Vec<u8>,
) -> Result<tonic::Streaming<sunbid_contracts::tender::v1::DownloadDocumentResponse>, Problem> {
    let request = DownloadDocumentRequest {
        tender: tender.to_owned(),
        sha256,
    };
    Ok(setting
        .peers
        .tender()
        .download_document(request)
        .await?
        .into_inner())
}
