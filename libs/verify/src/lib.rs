//! The public verifier: from a finished tender's disclosed records alone to yes, or to the first
//! thing that is wrong and whose fault it is.
//!
//! Pure: it opens no file, asks no server and no clock; times are those of the records. It believes
//! nothing that it can recompute: logs, key, verdicts, closing, shares, sheets and the opening
//! record are all made again. What it must be given is where trust begins: the [`Expectations`].
//!
//! What it can show is that nobody short of t of the n named holders could have opened a bid early,
//! not that nobody did: t of them together could have, and would have left no trace.

mod announcing;
mod canonical;
mod checkpoint;
mod closing;
mod fault;
mod handover;
mod index;
mod log;
mod notice;
mod outages;
mod receipts;
mod records;
mod report;
mod rules;
mod session;
mod shares;
mod streams;
mod tender;

use std::collections::BTreeSet;

use sunbid_certificates::{Roots, verify_chain, verify_signature};
use sunbid_contracts::audit::v1::TrustAnchors;
use sunbid_contracts::notice::v1::{Intent, TenderNoticePublished};
use sunbid_contracts::tender::v1::Tender;
use sunbid_domain::bid::intake;
use sunbid_domain::opening::{CheckedBids, ClosedBids, ClosingFault, Supplier, check};
use sunbid_rules::Engine;
use sunbid_terms::Instant;

pub use fault::{Culprit, Fault};
pub use records::Records;
pub use report::{Check, Expectations, KeyHolder, Outcome, Report};

use closing::{Bidding, Ending};
use index::Files;
use log::Log;
use notice::Sources;
use report::Tally;

/// Verifies a finished tender; the first thing that is wrong, if anything is.
pub fn verify(records: &dyn Records, expectations: &Expectations) -> Result<Report, Fault> {
    let mut tally = Tally::default();
    let files = index::read(records)?;
    tally.add(
        "索引所列文件的摘要与长度",
        "files with the digest and size that the index lists",
        files.count,
    );
    let pinned = check_anchors(&files, expectations)?;
    let logs = Logs::read(&files, &mut tally)?;
    let announced = logs.announced()?;
    tender::check_pinned(&announced.holders, expectations)?;
    let threshold = usize::try_from(announced.threshold)
        .ok()
        .filter(|t| *t > 0)
        .unwrap_or(usize::MAX);
    let checkpoint = checkpoint::read(&files, &announced.holders, threshold, &mut tally)?;
    for log in logs.all() {
        checkpoint::check_proofs(log, &checkpoint, &mut tally)?;
    }
    let engine = Engine::new().map_err(|error| {
        Fault::records(
            "RULES",
            "",
            "本程序的规则表无法使用。",
            format!("This program's rule table cannot be used: {error}."),
        )
    })?;
    let outcome = check_tender(&files, &logs, expectations, &engine, &mut tally)?;
    Ok(Report {
        tender: files.tender.clone(),
        title: announced.title.clone(),
        outcome,
        checks: tally.done(),
        anchors: files.anchors.clone(),
        pinned,
        holders: announced
            .holders
            .iter()
            .map(|holder| KeyHolder {
                organization: holder.organization.clone(),
                display_name: holder.display_name.clone(),
                identity_key: holder.identity_key.clone(),
            })
            .collect(),
        threshold,
    })
}

/// The logs of a tender, each whole and in order.
struct Logs {
    tender: Log,
    notice: Log,
    bid: Log,
    opening: Log,
    intent: Option<Log>,
    /// When bids could not be taken; absent from records of before it was measured.
    intake: Option<Log>,
}

impl Logs {
    fn read(files: &Files, tally: &mut Tally) -> Result<Self, Fault> {
        let read = |kind: &str| -> Result<Log, Fault> {
            Log::read(files.wanted(&log::path(kind))?, kind, &files.tender)
        };
        let (tender, notice, bid, opening) = std::thread::scope(|scope| {
            let [tender, notice, bid] =
                ["tender", "notice", "bid"].map(|kind| scope.spawn(move || read(kind)));
            let opening = read("opening");
            let joined = [tender, notice, bid].map(|thread| match thread.join() {
                Ok(log) => log,
                // A defect of this program is its caller's, as if it had run there.
                Err(panic) => std::panic::resume_unwind(panic),
            });
            let [tender, notice, bid] = joined;
            Ok::<_, Fault>((tender?, notice?, bid?, opening?))
        })?;
        let path = log::path("intent");
        let intent = match files.content(&path) {
            None => None,
            Some(bytes) => {
                let scope = announced(&notice)
                    .map(|tender| tender.intent)
                    .unwrap_or_default();
                if scope.is_empty() {
                    return Err(Fault::records(
                        "FILE_UNLISTED",
                        path,
                        "该项目没有采购意向。",
                        "The tender names no intent.",
                    ));
                }
                Some(Log::read(bytes, "intent", &scope)?)
            }
        };
        let intake = files
            .content(&log::path("intake"))
            .map(|bytes| Log::read(bytes, "intake", intake::SCOPE))
            .transpose()?;
        let logs = Self {
            tender,
            notice,
            bid,
            opening,
            intent,
            intake,
        };
        let count = logs.all().map(|log| log.entries.len()).sum();
        tally.add(
            "日志记录（序号、时间、版次、内容摘要、规范编码）",
            "log records: order, time, versions, bodies, encoding",
            count,
        );
        Ok(logs)
    }

    fn all(&self) -> impl Iterator<Item = &Log> {
        [&self.tender, &self.notice, &self.bid, &self.opening]
            .into_iter()
            .chain(&self.intent)
            .chain(&self.intake)
    }

    /// The tender as its notice announced it; what it says is checked later.
    fn announced(&self) -> Result<Tender, Fault> {
        announced(&self.notice).ok_or_else(|| {
            self.notice
                .fault("NOTICE", 0, "没有招标公告。", "There is no tender notice.")
        })
    }
}

fn announced(notice: &Log) -> Option<Tender> {
    notice
        .entries
        .first()?
        .read::<TenderNoticePublished>()?
        .notice?
        .announced
}

/// The keys and roots in the records are the caller's own, where the caller has any.
fn check_anchors(files: &Files, expectations: &Expectations) -> Result<bool, Fault> {
    let Some(pinned) = &expectations.anchors else {
        return Ok(false);
    };
    let key = |anchors: &TrustAnchors| -> (String, Vec<u8>, BTreeSet<Vec<u8>>, bool) {
        let roots = anchors.roots.iter().cloned().collect();
        (
            anchors.log_verifier_key.clone(),
            anchors.receipt_key.clone(),
            roots,
            anchors.sandbox,
        )
    };
    if key(pinned) == key(&files.anchors) {
        return Ok(true);
    }
    Err(Fault::platform(
        "ANCHORS",
        index::ANCHORS,
        "记录所附的公钥或根证书与所指定的不同。",
        "The keys or roots in the records are not those that were expected.",
    ))
}

fn check_tender(
    files: &Files,
    logs: &Logs,
    expectations: &Expectations,
    engine: &Engine,
    tally: &mut Tally,
) -> Result<Outcome, Fault> {
    let sources = Sources {
        tender: &logs.tender,
        bid: &logs.bid,
        opening: &logs.opening,
    };
    let intent: Option<Intent> = match &logs.intent {
        Some(log) => Some(notice::intent(log, engine, tally)?),
        None => None,
    };
    let mut published = notice::announced(&logs.notice, &sources, intent.as_ref(), engine, tally)?;
    let announced = published.announced.clone();
    if announced.name != files.tender {
        return Err(logs.notice.fault(
            "NOTICE",
            0,
            "公告的是另一项目。",
            "The notice is of another tender.",
        ));
    }
    let ceremony = published.dossier.ceremony.as_ref();
    let origin = files
        .log_key
        .name()
        .strip_suffix("/log")
        .unwrap_or(files.log_key.name());
    let roots = roots(files)?;
    let trusted = (origin, &roots);
    let key = tender::check_ceremony(&logs.tender, ceremony, &announced, trusted, tally)?;
    tender::fold(&logs.tender, &logs.tender.entries)?;
    let followers = notice::followed(&logs.notice, &sources, &mut published, engine, tally)?;

    let outages = outages::Outages::read(logs.intake.as_ref(), engine)?;
    let bidding = closing::fold(&logs.bid, &announced, &logs.notice, &outages, origin, tally)?;
    let closed = match &bidding.ending {
        Ending::Closed(closed) => Some(closed.as_ref()),
        Ending::Ended => None,
    };
    let bids = match closed {
        Some(closed) => Some(check_closed(&roots, logs, &published.board, closed, tally)?),
        None => None,
    };
    check_receipts(files, logs, expectations, &bidding, closed, tally)?;
    let ground = session::Ground {
        files,
        engine,
        announced: &announced,
        key: &key,
        notice: &logs.notice,
        bid: &logs.bid,
        closed: closed.zip(bids.as_ref()),
    };
    session::check(&logs.opening, &ground, tally)?;
    for follower in &followers {
        notice::check_cause(&logs.notice, follower, &sources)?;
    }
    handover::check(&logs.notice, &sources, tally)?;
    check_documents(files, &announced, tally)?;
    Ok(match closed {
        None => Outcome::Terminated,
        Some(closed) if closed.opens() => Outcome::Opened,
        Some(_) => Outcome::Failed,
    })
}

/// The certificate roots that the records name; compared with the caller's own where it has any.
fn roots(files: &Files) -> Result<Roots, Fault> {
    Roots::new(files.anchors.roots.clone()).map_err(|error| {
        Fault::platform(
            "ANCHORS",
            index::ANCHORS,
            "根证书无法使用。",
            format!("The roots cannot be used: {error}."),
        )
    })
}

/// Every bid that opens: envelopes, bundle, certificate at the time it was taken, signature.
fn check_closed(
    roots: &Roots,
    logs: &Logs,
    board: &sunbid_domain::notice::Board,
    closed: &ClosedBids,
    tally: &mut Tally,
) -> Result<CheckedBids, Fault> {
    if board.deadline() != closed.deadline {
        let seq = closed.head.size.unsigned_abs().saturating_sub(1);
        return Err(logs.bid.fault(
            "DEADLINE",
            seq,
            "截标所依据的截止时间不是所公告的。",
            "Bidding closed for another deadline than the one published.",
        ));
    }
    checkpoint::check_around(&logs.bid, closed.head.size.unsigned_abs())?;
    let supplier = |certificate: &[u8],
                    intermediates: &[Vec<u8>],
                    message: &[u8],
                    signature: &[u8],
                    at: Instant| {
        let holder = verify_chain(certificate, intermediates, roots, at)
            .map_err(|fault| fault.to_string())?;
        verify_signature(certificate, message, signature).map_err(|fault| fault.to_string())?;
        Ok(Supplier {
            credit_code: holder.credit_code.to_string(),
            organization_name: holder.organization_name,
        })
    };
    let bids = check::check(closed, &supplier).map_err(|fault| match &fault {
        ClosingFault::Bid { seq, what } => logs.bid.fault(
            "BID",
            *seq,
            "平台接收了不合规范的投标。",
            format!("The platform took a bid that does not stand: {what}."),
        ),
        other => Fault::platform(
            "BID",
            logs.bid.path.clone(),
            "投标记录不成立。",
            format!("{other}."),
        ),
    })?;
    tally.add(
        "已开启的投标（信封、证明、证书、签名）",
        "bids that were opened: envelopes, proofs, certificates, signatures",
        closed.claims.len(),
    );
    Ok(bids)
}

fn check_receipts(
    files: &Files,
    logs: &Logs,
    expectations: &Expectations,
    bidding: &Bidding,
    closed: Option<&ClosedBids>,
    tally: &mut Tally,
) -> Result<(), Fault> {
    receipts::disclosed(files, &logs.bid, bidding, closed, tally)?;
    receipts::given(files, &logs.bid, bidding, &expectations.receipts, tally)
}

/// The documents are the tender's, all of them, and no others.
fn check_documents(files: &Files, announced: &Tender, tally: &mut Tally) -> Result<(), Fault> {
    let wanted: BTreeSet<(String, u64)> = announced
        .documents
        .iter()
        .map(|document| {
            (
                hex::encode(&document.sha256),
                document.size_bytes.unsigned_abs(),
            )
        })
        .collect();
    let present: BTreeSet<(String, u64)> = files
        .documents
        .iter()
        .map(|(name, size)| (name.clone(), *size))
        .collect();
    if let Some((name, _)) = wanted.symmetric_difference(&present).next() {
        return Err(Fault::records(
            "DOCUMENTS",
            format!("documents/{name}"),
            "公开的文件与公告所列的采购（招标）文件不一致。",
            "The documents disclosed are not those that the announced tender lists.",
        ));
    }
    tally.add("采购（招标）文件", "tender documents", present.len());
    Ok(())
}
