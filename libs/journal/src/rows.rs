//! The journal's own SQL, and how its rows become values. Nothing else speaks to these tables.

use sunbid_proofs::merkle::Frontier;
use sunbid_proofs::{CommandId, Hash, LogId, StreamId};
use sunbid_terms::Instant;

use crate::command::{Entry, Head};
use crate::db::{Many, Row, Val};
use crate::error::ReadError;

macro_rules! head_columns {
    () => {
        "log_id, scope, size, frontier, root, last_us, closed"
    };
}

macro_rules! entry_columns {
    () => {
        "seq, stream_id, version, at_us, leaf, record, body"
    };
}

/// Reads heads before anything else of their logs. PostgreSQL locks them, in one order, so that a
/// decision is not overtaken by another process; on SQLite the transaction is the only writer.
pub(crate) const FIND_HEADS: Many = Many {
    sql: concat!(
        "SELECT ",
        head_columns!(),
        " FROM journal_head WHERE log_id IN (VALUES {rows}) ORDER BY log_id {lock}"
    ),
    columns: 1,
};

/// Stands for a log that is about to begin, so that it can be locked like any other. On
/// PostgreSQL only; gone before the commit if the log does not begin.
pub(crate) const RESERVE_HEADS: Many = Many {
    sql: "INSERT INTO journal_head (log_id, scope, size, frontier, root, last_us, closed) \
          VALUES {rows} ON CONFLICT (log_id) DO NOTHING",
    columns: 7,
};
pub(crate) const DROP_RESERVED: &str = "DELETE FROM journal_head WHERE log_id = $1 AND size = 0";

pub(crate) const FIND_SEEN: Many = Many {
    sql: "SELECT log_id, command_id, digest, reply, first_seq, events FROM command_seen \
          WHERE (log_id, command_id) IN (VALUES {rows})",
    columns: 2,
};

pub(crate) const FIND_STATES: Many = Many {
    sql: "SELECT log_id, stream_id, version, body FROM stream_state \
          WHERE (log_id, stream_id) IN (VALUES {rows})",
    columns: 2,
};

pub(crate) const FIND_ALL_STATES: &str = "SELECT log_id, stream_id, version, body FROM stream_state WHERE log_id = $1 ORDER BY stream_id";
pub(crate) const FIND_STATE: &str = "SELECT log_id, stream_id, version, body FROM stream_state WHERE log_id = $1 AND stream_id = $2";

pub(crate) const ADD_ENTRIES: Many = Many {
    sql: "INSERT INTO journal (log_id, seq, stream_id, version, at_us, leaf, record, body) \
          VALUES {rows}",
    columns: 8,
};

pub(crate) const ADD_SEEN: Many = Many {
    sql: "INSERT INTO command_seen (log_id, command_id, digest, reply, first_seq, events, at_us) \
          VALUES {rows}",
    columns: 7,
};

pub(crate) const SET_STATES: Many = Many {
    sql: "INSERT INTO stream_state (log_id, stream_id, version, body) VALUES {rows} \
          ON CONFLICT (log_id, stream_id) \
          DO UPDATE SET version = excluded.version, body = excluded.body",
    columns: 4,
};

pub(crate) const SET_HEADS: Many = Many {
    sql: "INSERT INTO journal_head (log_id, scope, size, frontier, root, last_us, closed) \
          VALUES {rows} ON CONFLICT (log_id) \
          DO UPDATE SET size = excluded.size, frontier = excluded.frontier, root = excluded.root, \
          last_us = excluded.last_us, closed = excluded.closed",
    columns: 7,
};

pub(crate) const HEAD: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM journal_head WHERE log_id = $1"
);
pub(crate) const HEADS: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM journal_head WHERE log_id > $1 ORDER BY log_id LIMIT $2"
);
pub(crate) const FIRST_HEADS: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM journal_head ORDER BY log_id LIMIT $1"
);
pub(crate) const LOG_IDS: &str =
    "SELECT log_id FROM journal_head WHERE log_id > $1 ORDER BY log_id LIMIT $2";
pub(crate) const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM journal WHERE log_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3"
);
pub(crate) const LEAVES: &str =
    "SELECT seq, leaf FROM journal WHERE log_id = $1 AND seq < $2 ORDER BY seq";
pub(crate) const ERASE_BODY: &str =
    "UPDATE journal SET body = NULL WHERE log_id = $1 AND seq = $2 AND body IS NOT NULL";
pub(crate) const CURSOR: &str =
    "SELECT next_seq FROM consumer_cursor WHERE consumer = $1 AND log_id = $2";
pub(crate) const BEHIND: &str = "SELECT h.log_id, h.scope, COALESCE(c.next_seq, 0), h.size \
     FROM journal_head h \
     LEFT JOIN consumer_cursor c ON c.log_id = h.log_id AND c.consumer = $1 \
     WHERE h.size > COALESCE(c.next_seq, 0) ORDER BY h.log_id LIMIT $2";
/// Logs that have rows in some table but no head.
pub(crate) const STRAY_LOGS: &str = "SELECT j.log_id FROM journal j \
     WHERE NOT EXISTS (SELECT 1 FROM journal_head h WHERE h.log_id = j.log_id) \
     UNION SELECT s.log_id FROM stream_state s \
     WHERE NOT EXISTS (SELECT 1 FROM journal_head h WHERE h.log_id = s.log_id) LIMIT 1";

pub(crate) fn blob(id: &[u8]) -> Val {
    Val::Blob(id.to_vec())
}

/// Counts and places stay far below 2^63.
pub(crate) fn int(number: u64) -> Val {
    Val::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn log_id(bytes: &[u8]) -> Result<LogId, ReadError> {
    LogId::from_slice(bytes).ok_or_else(|| not_an_id("log", bytes))
}

pub(crate) fn stream_id(bytes: &[u8]) -> Result<StreamId, ReadError> {
    StreamId::from_slice(bytes).ok_or_else(|| not_an_id("stream", bytes))
}

pub(crate) fn command_id(bytes: &[u8]) -> Result<CommandId, ReadError> {
    CommandId::from_slice(bytes).ok_or_else(|| not_an_id("command", bytes))
}

pub(crate) fn hash(bytes: &[u8]) -> Result<Hash, ReadError> {
    bytes
        .try_into()
        .map_err(|_| ReadError::Corrupt(format!("a stored hash has {} bytes", bytes.len())))
}

fn not_an_id(what: &str, bytes: &[u8]) -> ReadError {
    ReadError::Corrupt(format!("a stored {what} id has {} bytes", bytes.len()))
}

/// A head with what is needed to append to its log.
#[derive(Clone, Debug)]
pub(crate) struct StoredHead {
    pub head: Head,
    pub frontier: Frontier,
}

pub(crate) fn stored_head(row: &Row) -> Result<StoredHead, ReadError> {
    let log = log_id(&row.blob(0)?)?;
    let size = row.count(2)?;
    let frontier = Frontier::from_bytes(size, &row.blob(3)?)
        .ok_or_else(|| ReadError::Corrupt(format!("the frontier of log {log} is not of {size}")))?;
    let head = Head {
        log,
        scope: row.text(1)?,
        size,
        root: hash(&row.blob(4)?)?,
        last: Instant::from_micros(row.int(5)?),
        closed: row.bool(6)?,
    };
    if frontier.root() != head.root {
        return Err(ReadError::Corrupt(format!(
            "the root of log {log} at size {size} does not follow from its frontier"
        )));
    }
    Ok(StoredHead { head, frontier })
}

impl StoredHead {
    pub(crate) fn values(&self) -> [Val; 7] {
        [
            blob(self.head.log.as_bytes()),
            Val::Text(self.head.scope.clone()),
            int(self.head.size),
            Val::Blob(self.frontier.to_bytes()),
            blob(&self.head.root),
            Val::Int(self.head.last.micros()),
            Val::Bool(self.head.closed),
        ]
    }
}

pub(crate) fn entry(row: &Row) -> Result<Entry, ReadError> {
    Ok(Entry {
        seq: row.count(0)?,
        stream: stream_id(&row.blob(1)?)?,
        version: row.count(2)?,
        at: Instant::from_micros(row.int(3)?),
        leaf: hash(&row.blob(4)?)?,
        record: row.blob(5)?,
        salted_body: row.opt_blob(6)?,
    })
}

/// One row of `stream_state`; without a body the stream has a count but no state.
#[derive(Clone, Debug)]
pub(crate) struct StateRow {
    pub log: LogId,
    pub stream: StreamId,
    pub version: u64,
    pub body: Option<Vec<u8>>,
}

pub(crate) fn state_row(row: &Row) -> Result<StateRow, ReadError> {
    Ok(StateRow {
        log: log_id(&row.blob(0)?)?,
        stream: stream_id(&row.blob(1)?)?,
        version: row.count(2)?,
        body: row.opt_blob(3)?,
    })
}
