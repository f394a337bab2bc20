//! The front door: committing commands, reading logs, following them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::SystemRandom;
use sunbid_proofs::{Hash, LogId, StreamId};
use sunbid_terms::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::command::{Behind, Command, Committed, Entry, EntryRef, Head, StreamState};
use crate::db::{Db, Migration, Val};
use crate::error::{CommitError, OpenError, ReadError};
use crate::observed::{Batch, Traced, Watcher};
use crate::rows::{self, blob, int};
use crate::writer::{Job, Writer, check_scope};

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "journal",
        sql: include_str!("../../../migrations/journal/0001_journal.sql"),
    },
    Migration {
        version: 2,
        name: "journal",
        sql: include_str!("../../../migrations/journal/0002_lease.sql"),
    },
];

/// How often those who wait for changes look all the same where other processes write too.
const LOOK_ANYWAY: Duration = Duration::from_millis(500);

/// About how many bytes of entries one read returns.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// How many entries one read asks the database for at a time.
const READ_ROWS: u64 = 512;

/// How the writer works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most commands in one transaction; 1 turns group commit off.
    pub max_batch: usize,
    /// How many commands may wait; further callers wait for a place.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_batch: 256,
            queue: 4096,
        }
    }
}

/// The journal of one database. Clones are the same journal.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    /// Where commands go in; gone after [`Journal::stop`].
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Where other processes write too.
    hints: Mutex<Option<JoinHandle<()>>>,
    changes: watch::Receiver<u64>,
    watcher: Watcher,
}

impl Journal {
    /// Brings the journal's tables up to date and starts the writer.
    pub async fn open(db: Db, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(db, clock, Settings::default()).await
    }

    /// [`Journal::open`] with other settings.
    pub async fn open_with(
        db: Db,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        db.migrate(MIGRATIONS).await?;
        let settings = Settings {
            max_batch: settings.max_batch.max(1),
            queue: settings.queue.max(1),
        };
        let (queue, jobs) = mpsc::channel(settings.queue);
        let (changed, changes) = watch::channel(0);
        let hints = db
            .is_shared()
            .then(|| tokio::spawn(hint_anyway(changed.clone())));
        let watcher = Watcher::default();
        let writer = Writer {
            db: db.clone(),
            watcher: watcher.clone(),
            clock,
            random: SystemRandom::new(),
            settings,
            changes: changed,
        };
        let shared = Shared {
            db,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(tokio::spawn(writer.run(jobs)))),
            hints: Mutex::new(hints),
            changes,
            watcher,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Decides a command and commits what it brings about. Answers after the data are on the disk.
    /// If the future is dropped the command may still take effect, once.
    pub async fn commit(&self, command: Command) -> Result<Committed, CommitError> {
        check_scope(&command.scope)?;
        let queue = self
            .shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (answer, answered) = oneshot::channel();
        let job = Job {
            command,
            answer,
            traced: Traced::begin(),
        };
        queue
            .ok_or(CommitError::Stopped)?
            .send(job)
            .await
            .map_err(|_| CommitError::Stopped)?;
        answered.await.map_err(|_| CommitError::Stopped)?
    }

    /// The head of a log; nothing if it has no record.
    pub async fn head(&self, log: LogId) -> Result<Option<Head>, ReadError> {
        let rows = self.db().rows(rows::HEAD, &[blob(log.as_bytes())]).await?;
        let stored = rows.first().map(rows::stored_head).transpose()?;
        Ok(stored.map(|stored| stored.head))
    }

    /// Heads in the order of their ids, those behind `after`.
    pub async fn heads(&self, after: Option<LogId>, limit: u32) -> Result<Vec<Head>, ReadError> {
        let limit = Val::Int(i64::from(limit));
        let rows = match after {
            Some(after) => {
                let values = [blob(after.as_bytes()), limit];
                self.db().rows(rows::HEADS, &values).await?
            }
            None => self.db().rows(rows::FIRST_HEADS, &[limit]).await?,
        };
        rows.iter()
            .map(|row| rows::stored_head(row).map(|stored| stored.head))
            .collect()
    }

    /// Entries from `from_seq` on, at most `limit` and about 4 MiB. Fewer than the log has means:
    /// read on from where it ended.
    pub async fn read(
        &self,
        log: LogId,
        from_seq: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, ReadError> {
        let mut entries: Vec<Entry> = Vec::new();
        let (mut from, mut left, mut bytes) = (from_seq, u64::from(limit), 0);
        while left > 0 && bytes < READ_BYTES {
            let asked = left.min(READ_ROWS);
            let values = [blob(log.as_bytes()), int(from), int(asked)];
            let rows = self.db().rows(rows::ENTRIES, &values).await?;
            for row in &rows {
                let entry = rows::entry(row)?;
                let length = entry.record.len() + entry.salted_body.as_ref().map_or(0, Vec::len);
                if bytes + length > READ_BYTES && !entries.is_empty() {
                    return Ok(entries);
                }
                bytes += length;
                from = entry.seq + 1;
                entries.push(entry);
            }
            left -= asked;
            if (rows.len() as u64) < asked {
                break;
            }
        }
        Ok(entries)
    }

    pub async fn state(
        &self,
        log: LogId,
        stream: StreamId,
    ) -> Result<Option<StreamState>, ReadError> {
        let values = [blob(log.as_bytes()), blob(stream.as_bytes())];
        let rows = self.db().rows(rows::FIND_STATE, &values).await?;
        let state = rows.first().map(rows::state_row).transpose()?;
        Ok(state.and_then(|state| {
            let version = state.version;
            state.body.map(|body| StreamState { version, body })
        }))
    }

    /// All states of a log, in the order of their streams' ids.
    pub async fn states(&self, log: LogId) -> Result<Vec<(StreamId, StreamState)>, ReadError> {
        let values = [blob(log.as_bytes())];
        let mut states = Vec::new();
        for row in self.db().rows(rows::FIND_ALL_STATES, &values).await? {
            let rows::StateRow {
                stream,
                version,
                body,
                ..
            } = rows::state_row(&row)?;
            if let Some(body) = body {
                states.push((stream, StreamState { version, body }));
            }
        }
        Ok(states)
    }

    /// The leaves of a log before `up_to`, for proofs.
    pub async fn leaves(&self, log: LogId, up_to: u64) -> Result<Vec<Hash>, ReadError> {
        let values = [blob(log.as_bytes()), int(up_to)];
        let mut leaves = Vec::new();
        for row in self.db().rows(rows::LEAVES, &values).await? {
            if row.count(0)? != leaves.len() as u64 {
                return Err(ReadError::Corrupt(format!(
                    "the log {log} has no record {}",
                    leaves.len()
                )));
            }
            leaves.push(rows::hash(&row.blob(1)?)?);
        }
        Ok(leaves)
    }

    /// Rises after every commit of this process, and now and then where other processes write too:
    /// a hint to look, never the truth.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.clone()
    }

    /// The logs of this database that have more records than `consumer`'s cursor in the same
    /// database has seen. Exact: no record can be skipped.
    pub async fn behind(&self, consumer: &str, limit: u32) -> Result<Vec<Behind>, ReadError> {
        let values = [Val::Text(consumer.to_owned()), Val::Int(i64::from(limit))];
        let rows = self.db().rows(rows::BEHIND, &values).await?;
        rows.iter()
            .map(|row| {
                Ok(Behind {
                    log: rows::log_id(&row.blob(0)?)?,
                    scope: row.text(1)?,
                    next_seq: row.count(2)?,
                    size: row.count(3)?,
                })
            })
            .collect()
    }

    /// The next record that `consumer` wants of a log, which may be another service's.
    pub async fn cursor(&self, consumer: &str, remote: LogId) -> Result<u64, ReadError> {
        let values = [Val::Text(consumer.to_owned()), blob(remote.as_bytes())];
        let rows = self.db().rows(rows::CURSOR, &values).await?;
        rows.first().map_or(Ok(0), |row| row.count(0))
    }

    /// Erases the body of a record, as the law may demand; the chain still verifies. Whether there
    /// was one. Why it was erased is an event that the caller commits.
    pub async fn erase_body(&self, log: LogId, seq: u64) -> Result<bool, ReadError> {
        let values = [blob(log.as_bytes()), int(seq)];
        Ok(self.db().exec(rows::ERASE_BODY, &values).await? > 0)
    }

    /// Has `watcher` told of every batch, after its answers. The first one stays.
    pub fn watch_batches(&self, watcher: impl Fn(Batch) + Send + Sync + 'static) {
        let _ = self.shared.watcher.set(Box::new(watcher));
    }

    pub fn db(&self) -> &Db {
        &self.shared.db
    }

    /// Takes no further commands, commits those that wait, and ends the writer.
    pub async fn stop(&self) {
        drop(take(&self.shared.queue));
        if let Some(hints) = take(&self.shared.hints) {
            hints.abort();
        }
        let writer = take(&self.shared.writer);
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the writer of the journal did not end well");
        }
    }
}

/// Other processes' commits give no hint here, so there is one from time to time.
async fn hint_anyway(changed: watch::Sender<u64>) {
    loop {
        tokio::time::sleep(LOOK_ANYWAY).await;
        changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(hints) = take(&self.hints) {
            hints.abort();
        }
    }
}

fn take<T>(held: &Mutex<Option<T>>) -> Option<T> {
    held.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Entry {
    /// Where this entry stands.
    pub fn reference(&self, log: LogId) -> EntryRef {
        EntryRef {
            log,
            seq: self.seq,
            stream: self.stream,
            version: self.version,
            at: self.at,
            leaf: self.leaf,
        }
    }
}
