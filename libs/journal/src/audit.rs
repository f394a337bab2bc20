//! The full audit of a database: every log from its first record to its head, and the first thing
//! that is wrong. Reads only; what it finds is for people to judge.

use std::collections::HashMap;

use sunbid_proofs::merkle::Frontier;
use sunbid_proofs::{LogId, Record, StreamId, record};
use sunbid_terms::Instant;

use crate::command::{Entry, Head};
use crate::db::Tx;
use crate::error::ReadError;
use crate::journal::Journal;
use crate::rows::{self, StoredHead, blob, int};

/// What an audit saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub logs: u64,
    pub entries: u64,
    /// Entries whose body was erased; their place in the chain holds.
    pub erased: u64,
    /// The first thing that is wrong, in the order of log ids and records. The audit ends there.
    pub wrong: Option<Wrong>,
}

impl CheckReport {
    pub const fn is_ok(&self) -> bool {
        self.wrong.is_none()
    }
}

/// Where a log is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log {log} record {seq}: {what}")]
pub struct Wrong {
    pub log: LogId,
    pub seq: u64,
    pub what: String,
}

/// Records read at a time.
const PAGE: u64 = 512;
/// Heads read at a time.
const HEADS: u32 = 256;

impl Journal {
    /// Audits all logs: order, versions, times, leaves, bodies, roots, and that each stream's state
    /// counts its events. Each log is read at one moment of its own.
    pub async fn check(&self) -> Result<CheckReport, ReadError> {
        let mut report = CheckReport::default();
        let mut after = None;
        loop {
            let heads = self.log_ids(after, HEADS).await?;
            let Some(last) = heads.last() else {
                break;
            };
            after = Some(*last);
            for log in heads {
                let mut tx = self.db().snapshot().await?;
                let wrong = check_log(&mut tx, log, &mut report).await?;
                // Nothing was written: how the transaction ends is all the same.
                let _ = tx.rollback().await;
                report.logs += 1;
                if wrong.is_some() {
                    return Ok(CheckReport { wrong, ..report });
                }
            }
        }
        if let Some(row) = self.db().rows(rows::STRAY_LOGS, &[]).await?.first() {
            report.wrong = Some(Wrong {
                log: rows::log_id(&row.blob(0)?)?,
                seq: 0,
                what: "there are rows of this log but it has no head".into(),
            });
        }
        Ok(report)
    }

    async fn log_ids(&self, after: Option<LogId>, limit: u32) -> Result<Vec<LogId>, ReadError> {
        let after = after.map_or_else(Vec::new, |log| log.as_bytes().to_vec());
        let values = [blob(&after), crate::db::Val::Int(i64::from(limit))];
        let rows = self.db().rows(rows::LOG_IDS, &values).await?;
        rows.iter().map(|row| rows::log_id(&row.blob(0)?)).collect()
    }
}

async fn check_log(
    tx: &mut Tx,
    log: LogId,
    report: &mut CheckReport,
) -> Result<Option<Wrong>, ReadError> {
    let found = tx.rows(rows::HEAD, &[blob(log.as_bytes())]).await?;
    let wrong = |seq, what: String| Ok(Some(Wrong { log, seq, what }));
    let stored = match found.first().map(rows::stored_head).transpose() {
        Ok(Some(stored)) => stored,
        Ok(None) => return wrong(0, "the head went away".into()),
        Err(ReadError::Corrupt(what)) => return wrong(0, what),
        Err(error) => return Err(error),
    };
    let mut walk = Walk::default();
    loop {
        let values = [blob(log.as_bytes()), int(walk.frontier.size()), int(PAGE)];
        let page = tx.rows(rows::ENTRIES, &values).await?;
        for row in &page {
            let seq = walk.frontier.size();
            let entry = match rows::entry(row) {
                Ok(entry) => entry,
                Err(ReadError::Corrupt(what)) => return wrong(seq, what),
                Err(error) => return Err(error),
            };
            if let Err(what) = walk.step(log, &entry) {
                return wrong(seq, what);
            }
            report.entries += 1;
            report.erased += u64::from(entry.salted_body.is_none());
        }
        if (page.len() as u64) < PAGE {
            break;
        }
    }
    if let Err(what) = walk.ends_at(&stored) {
        return wrong(walk.frontier.size(), what);
    }
    for row in tx
        .rows(rows::FIND_ALL_STATES, &[blob(log.as_bytes())])
        .await?
    {
        let state = rows::state_row(&row)?;
        let events = walk.versions.remove(&state.stream).unwrap_or(0);
        if events != state.version {
            let (stream, version) = (state.stream, state.version);
            let what =
                format!("the state of stream {stream} counts {version} events, not {events}");
            return wrong(walk.frontier.size(), what);
        }
    }
    if let Some(stream) = walk.versions.keys().next() {
        let what = format!("the stream {stream} has events but no state row");
        return wrong(walk.frontier.size(), what);
    }
    Ok(None)
}

/// A walk along one log.
#[derive(Default)]
struct Walk {
    frontier: Frontier,
    versions: HashMap<StreamId, u64>,
    last: Option<Instant>,
}

impl Walk {
    /// Takes the next entry, or says what is wrong with it.
    fn step(&mut self, log: LogId, entry: &Entry) -> Result<(), String> {
        let expected = self.frontier.size();
        if entry.seq != expected {
            return Err(format!("is missing; the next is {}", entry.seq));
        }
        let record = Record::decode(&entry.record).ok_or("the record is not in canonical form")?;
        let header = record.header;
        let columns = (entry.seq, entry.stream, entry.version, entry.at.micros());
        if header.log != log || columns != (header.seq, header.stream, header.version, header.at) {
            return Err("the columns differ from the record".into());
        }
        if record::leaf(&entry.record) != entry.leaf {
            return Err("the leaf is not that of the record".into());
        }
        let body = entry.salted_body.as_deref();
        if body.is_some_and(|body| !record.body_matches(body)) {
            return Err("the body is not the one that was recorded".into());
        }
        let version = self.versions.entry(entry.stream).or_insert(0);
        *version += 1;
        if entry.version != *version {
            return Err(format!(
                "the version of stream {} is {}, not {version}",
                entry.stream, entry.version
            ));
        }
        if self.last.is_some_and(|last| last > entry.at) {
            return Err("the time goes back".into());
        }
        self.last = Some(entry.at);
        self.frontier.push(entry.leaf);
        Ok(())
    }

    /// Whether the head is where the walk arrived.
    fn ends_at(&self, stored: &StoredHead) -> Result<(), String> {
        let Head {
            size, root, last, ..
        } = &stored.head;
        if *size != self.frontier.size() {
            return Err(format!("the head says there are {size} records"));
        }
        if stored.frontier != self.frontier || *root != self.frontier.root() {
            return Err("the root in the head is not that of the records".into());
        }
        if self.last.is_some_and(|end| end != *last) {
            return Err("the time in the head is not that of the last record".into());
        }
        Ok(())
    }
}
