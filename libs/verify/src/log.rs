//! One service's log as disclosed: every record in its place, every body the one its record was
//! made for, and the root over all of them. What the bodies mean is for others.

use std::collections::HashMap;

use prost::{Message, Name};
use sunbid_contracts::audit::v1::{DisclosedLog, HeadProof as Proof};
use sunbid_contracts::common::v1::{LogHead, Record as Body, RuleEffect, RuleOutcome, Verdict};
use sunbid_contracts::journal::v1::LogEntry;
use sunbid_domain::Event;
use sunbid_proofs::hash::Hash;
use sunbid_proofs::merkle::root_of;
use sunbid_proofs::record::{Record, SALT_LENGTH, leaf};
use sunbid_proofs::{LogId, StreamId};
use sunbid_terms::Instant;

use crate::canonical;
use crate::fault::Fault;

/// A record whose place and body were checked.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub seq: u64,
    pub at: Instant,
    pub stream: StreamId,
    pub leaf: Hash,
    /// Absent where it is withheld.
    pub said: Option<Said>,
}

/// The body of a record.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub event: Event,
    pub verdicts: Vec<Verdict>,
}

/// A log whose records were all checked.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub path: String,
    pub id: LogId,
    pub entries: Vec<Entry>,
    pub leaves: Vec<Hash>,
    pub proofs: Vec<Proof>,
}

impl Log {
    /// `kind` is "intent", "intake", or the service; the intent's log is the notice service's, the
    /// intake log the bid service's.
    pub(crate) fn read(bytes: &[u8], kind: &str, scope: &str) -> Result<Self, Fault> {
        let path = path(kind);
        let service = match kind {
            "intent" => "notice",
            "intake" => "bid",
            service => service,
        };
        let disclosed: DisclosedLog = canonical::file(bytes, &path)?;
        if disclosed.service != service || disclosed.scope != scope {
            return Err(Fault::platform(
                "LOG_SCOPE",
                path,
                "日志不属于本项目的该项服务。",
                format!(
                    "This is the log of {} for {}, not of {service} for {scope}.",
                    disclosed.service, disclosed.scope
                ),
            ));
        }
        let id = LogId::of(service, scope);
        let entries = entries(&disclosed.entries, kind, id, &path)?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| entry.leaf).collect();
        let log = Self {
            path,
            id,
            entries,
            leaves,
            proofs: disclosed.proofs,
        };
        if disclosed.head != Some(log.head()) {
            return Err(Fault::platform(
                "LOG_HEAD",
                log.path,
                "日志各记录的根与所称的日志头不符。",
                "The records do not add up to the head that is named.",
            ));
        }
        Ok(log)
    }

    /// The head that all records add up to.
    pub(crate) fn head(&self) -> LogHead {
        LogHead {
            log_id: self.id.as_bytes().to_vec(),
            size: i64::try_from(self.leaves.len()).unwrap_or(i64::MAX),
            root: root_of(&self.leaves).to_vec(),
        }
    }

    /// The records that a head names, if this log ever stood at that head.
    pub(crate) fn prefix(&self, head: &LogHead) -> Option<&[Entry]> {
        let size = usize::try_from(head.size).ok()?;
        let leaves = self.leaves.get(..size)?;
        let same = head.log_id == self.id.as_bytes() && head.root == root_of(leaves);
        if same { self.entries.get(..size) } else { None }
    }

    /// Where a record is to be found, for people.
    pub(crate) fn place(&self, seq: u64) -> String {
        format!("{}#{seq}", self.path)
    }

    /// A fault of the platform in one record.
    pub(crate) fn fault(
        &self,
        code: &'static str,
        seq: u64,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Fault {
        Fault::platform(code, self.place(seq), zh, en)
    }
}

impl Entry {
    /// The event, if it is disclosed and of this type. That it decodes was checked.
    pub(crate) fn read<M: Message + Name + Default>(&self) -> Option<M> {
        self.said
            .as_ref()
            .and_then(|said| said.event.read().ok().flatten())
    }
}

pub(crate) fn path(kind: &str) -> String {
    format!("logs/{kind}.pb")
}

fn entries(disclosed: &[LogEntry], kind: &str, id: LogId, path: &str) -> Result<Vec<Entry>, Fault> {
    let mut versions: HashMap<StreamId, u64> = HashMap::new();
    let mut last = i64::MIN;
    let mut entries = Vec::with_capacity(disclosed.len());
    for (entry, seq) in disclosed.iter().zip(0_u64..) {
        let fault =
            |code, zh: &str, en: &str| Fault::platform(code, format!("{path}#{seq}"), zh, en);
        let record = Record::decode(&entry.record).ok_or_else(|| {
            fault(
                "RECORD_FORM",
                "不是规范的记录。",
                "This is not a record in its canonical form.",
            )
        })?;
        let header = record.header;
        if header.seq != seq || u64::try_from(entry.seq) != Ok(seq) {
            return Err(fault(
                "RECORD_GAP",
                "记录序号不连续。",
                "The records' sequence numbers have a gap.",
            ));
        }
        if header.log != id {
            return Err(fault(
                "RECORD_LOG",
                "记录属于另一日志。",
                "The record belongs to another log.",
            ));
        }
        if header.at < last {
            return Err(fault(
                "RECORD_TIME",
                "记录时间早于前一记录。",
                "The record's time is before that of the record before it.",
            ));
        }
        last = header.at;
        let version = versions.entry(header.stream).or_default();
        *version += 1;
        if header.version != *version {
            return Err(fault(
                "RECORD_VERSION",
                "记录在其流中的版次不连续。",
                "The versions of the record's stream have a gap.",
            ));
        }
        let said = match &entry.salted_body {
            Some(salted) => {
                Some(body(salted, &record, kind).map_err(|(code, zh, en)| fault(code, zh, en))?)
            }
            None if may_be_withheld(kind) => None,
            None => {
                return Err(fault(
                    "BODY_WITHHELD",
                    "该记录的内容应当公开。",
                    "The body of this record is withheld, and may not be.",
                ));
            }
        };
        // A draft may still breach what its notice may not; its verdicts are advice to its author.
        let binding = said.iter().filter(|said| !is_draft(&said.event.name));
        if let Some(verdict) = binding.flat_map(|said| &said.verdicts).find(|v| refuses(v)) {
            return Err(fault(
                "RULE_BREACHED",
                &format!(
                    "在案事项违反规则{}（{}）：{}",
                    verdict.rule_id, verdict.law_zh, verdict.message_zh
                ),
                &format!(
                    "What is on record breaches rule {} ({}): {}",
                    verdict.rule_id, verdict.law_en, verdict.message_en
                ),
            ));
        }
        let leaf = leaf(&entry.record);
        entries.push(Entry {
            seq,
            at: Instant::from_micros(header.at),
            stream: header.stream,
            leaf,
            said,
        });
    }
    Ok(entries)
}

fn body(
    salted: &[u8],
    record: &Record,
    kind: &str,
) -> Result<Said, (&'static str, &'static str, &'static str)> {
    if !record.body_matches(salted) {
        return Err((
            "BODY_DIGEST",
            "内容与记录中的摘要不符。",
            "The body is not the one the record was made for.",
        ));
    }
    let body: Body = salted
        .get(SALT_LENGTH..)
        .and_then(canonical::decode)
        .ok_or((
            "BODY_FORM",
            "内容不是规范的编码。",
            "The body is not in its canonical encoding.",
        ))?;
    let event = Event {
        name: body.r#type,
        bytes: body.event,
    };
    match canonical::event(kind, &event) {
        Some(true) => Ok(Said {
            event,
            verdicts: body.verdicts,
        }),
        Some(false) => Err((
            "EVENT_FORM",
            "事件不是规范的编码。",
            "The event is not in its canonical encoding.",
        )),
        None => Err((
            "EVENT_UNKNOWN",
            "该日志中不可能有这种事件。",
            "No event of this type can happen in this log.",
        )),
    }
}

/// Bodies that tell of bids never opened, or of suppliers who do not bid. Which records of these
/// logs they may be is for whoever reads them.
fn may_be_withheld(kind: &str) -> bool {
    matches!(kind, "bid" | "opening")
}

/// Events whose verdicts stop nothing.
fn is_draft(event: &str) -> bool {
    matches!(
        event,
        "sunbid.tender.v1.TenderCreated" | "sunbid.tender.v1.TenderUpdated"
    )
}

fn refuses(verdict: &Verdict) -> bool {
    verdict.outcome == RuleOutcome::Breached as i32 && verdict.effect == RuleEffect::Refuse as i32
}
