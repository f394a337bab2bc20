//! What goes into a commit and what comes out: commands, their view, their outcome, entries.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use sunbid_proofs::record::SALT_LENGTH;
use sunbid_proofs::{CommandId, Hash, LogId, StreamId};
use sunbid_terms::Instant;

use crate::db::{Many, Val};

/// The newest fact about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub log: LogId,
    /// What the log is about, such as `tenders/7f..`.
    pub scope: String,
    /// The number of records.
    pub size: u64,
    /// The RFC 6962 root over all records.
    pub root: Hash,
    /// The time of the last record.
    pub last: Instant,
    /// Whether only commands that say so are still accepted.
    pub closed: bool,
}

/// The state of a stream as its service encoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// The number of events of the stream.
    pub version: u64,
    pub body: Vec<u8>,
}

/// Something that happened, about to be recorded. The journal salts the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub stream: StreamId,
    pub body: Vec<u8>,
}

/// Where a new event came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef {
    pub log: LogId,
    pub seq: u64,
    pub stream: StreamId,
    pub version: u64,
    pub at: Instant,
    pub leaf: Hash,
}

/// One recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub stream: StreamId,
    pub version: u64,
    pub at: Instant,
    pub leaf: Hash,
    /// The canonical record, see [`sunbid_proofs::record`].
    pub record: Vec<u8>,
    /// 32 bytes of salt, then the body; nothing after a lawful erasure.
    pub salted_body: Option<Vec<u8>>,
}

impl Entry {
    /// The event without its salt.
    pub fn body(&self) -> Option<&[u8]> {
        self.salted_body.as_deref()?.get(SALT_LENGTH..)
    }
}

/// What a decision needs to see. Streams not named here are not in its view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    Streams(Vec<StreamId>),
    WholeLog,
}

/// A service's own reason to say no, handed back untouched.
pub type Refusal = Box<dyn Any + Send>;

/// The pure decision: state and time in, events or a refusal out.
pub type Decide = Box<dyn FnOnce(&View<'_>) -> Result<Outcome, Refusal> + Send>;

/// Makes the reply from where the events came to stand.
pub type Reply = Box<dyn FnOnce(&[EntryRef]) -> Vec<u8> + Send>;

/// One change that a caller asks for.
pub struct Command {
    pub log: LogId,
    /// Kept with the head when the log is new.
    pub scope: String,
    /// The same id with the same digest has its effect once; with another digest it is refused.
    pub id: CommandId,
    pub digest: Hash,
    pub reads: Reads,
    /// Whether the command is accepted after the log was closed.
    pub allow_closed: bool,
    pub decide: Decide,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} on {})", self.id, self.log)
    }
}

/// What a decision sees.
pub struct View<'a> {
    /// Nothing if the log has no record yet.
    pub head: Option<&'a Head>,
    /// The time that the records will carry: the clock, but never before the log's last record.
    pub now: Instant,
    pub(crate) states: &'a BTreeMap<StreamId, StreamState>,
    /// The streams that may be seen; nothing stands for all.
    pub(crate) visible: Option<&'a [StreamId]>,
}

impl View<'_> {
    /// The state of a stream that the command reads, if it has one.
    pub fn state(&self, stream: StreamId) -> Option<&StreamState> {
        self.shows(stream)
            .then(|| self.states.get(&stream))
            .flatten()
    }

    /// All states that the command reads, in the order of their ids.
    pub fn states(&self) -> impl Iterator<Item = (StreamId, &StreamState)> {
        self.states
            .iter()
            .filter(|(stream, _)| self.shows(**stream))
            .map(|(stream, state)| (*stream, state))
    }

    fn shows(&self, stream: StreamId) -> bool {
        self.visible.is_none_or(|streams| streams.contains(&stream))
    }
}

/// What a decision brings about.
pub struct Outcome {
    pub events: Vec<NewEvent>,
    /// New states; none deletes the state and keeps the stream's count.
    pub states: Vec<(StreamId, Option<Vec<u8>>)>,
    /// Changes to the service's own tables, in order, in the same transaction.
    pub writes: Vec<Write>,
    /// Changes that are to meet exactly one row each, after the others: one that finds things not as the
    /// decision was told fails the command with [`CommitError::Conflict`](crate::CommitError::Conflict).
    pub demands: Vec<Write>,
    /// Rows of the service's own tables that are there afterwards, in the same transaction.
    pub additions: Vec<Addition>,
    /// From the next command on, only those with `allow_closed` are accepted.
    pub close: bool,
    /// Commit all of this, then refuse the caller. Such a command is not remembered as seen: sent
    /// again, it is decided again.
    pub refusal: Option<Refusal>,
    pub reply: Reply,
}

impl Default for Outcome {
    /// Nothing happens and the reply is empty.
    fn default() -> Self {
        Self {
            events: Vec::new(),
            states: Vec::new(),
            writes: Vec::new(),
            demands: Vec::new(),
            additions: Vec::new(),
            close: false,
            refusal: None,
            reply: Box::new(|_| Vec::new()),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("events", &self.events.len())
            .field("states", &self.states.len())
            .field("writes", &self.writes)
            .field("demands", &self.demands)
            .field("additions", &self.additions.len())
            .field("close", &self.close)
            .field("refused", &self.refusal.is_some())
            .finish_non_exhaustive()
    }
}

/// One statement on a service's own tables, `$1` and so on standing for the values.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub sql: &'static str,
    pub values: Vec<Val>,
}

/// A row that is added unless it is there already. Rows of all commands of a batch are written together
/// in few statements, after everything else, so nothing about the row itself may make that fail: the
/// statement says ON CONFLICT DO NOTHING.
#[derive(Clone, Debug)]
pub struct Addition {
    pub into: &'static Many,
    /// One for each of the statement's columns.
    pub values: Vec<Val>,
}

/// The answer to a command that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub reply: Vec<u8>,
    pub entries: Vec<EntryRef>,
    /// Whether the effect was there already and this is its first reply again.
    pub replayed: bool,
}

/// A log that has records its consumer has not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub log: LogId,
    pub scope: String,
    pub next_seq: u64,
    pub size: u64,
}

pub(crate) const SET_CURSOR: &str = "INSERT INTO consumer_cursor (consumer, log_id, next_seq) \
     VALUES ($1, $2, $3) \
     ON CONFLICT (consumer, log_id) DO UPDATE SET next_seq = excluded.next_seq \
     WHERE excluded.next_seq > consumer_cursor.next_seq";

/// Moves a consumer's cursor, in the same transaction as the effect of what it read. Never back: of
/// several processes that follow, the slower one has nothing to say.
pub fn cursor_write(consumer: &str, remote: LogId, next_seq: u64) -> Write {
    Write {
        sql: SET_CURSOR,
        values: vec![
            Val::Text(consumer.to_owned()),
            Val::Blob(remote.as_bytes().to_vec()),
            Val::Int(i64::try_from(next_seq).unwrap_or(i64::MAX)),
        ],
    }
}
