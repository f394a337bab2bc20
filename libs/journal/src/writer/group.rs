//! The commands of one batch that touch one log: what they see of each other, and what becomes of
//! the log. Lives as long as the transaction; nothing is kept from one batch to the next.

mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use ring::rand::SecureRandom;
use sunbid_proofs::merkle::Frontier;
use sunbid_proofs::record::SALT_LENGTH;
use sunbid_proofs::{CommandId, Hash, LogId, Record, RecordHeader, StreamId, record};
use sunbid_terms::Instant;

use super::checks::{check_outcome, guard};
use super::{Answer, Job, Writer, concerns_all, refuse};
use crate::command::{
    Addition, Command, Committed, EntryRef, Head, NewEvent, Outcome, Reads, StreamState, View,
    Write,
};
use crate::db::Tx;
use crate::error::{CommitError, ReadError};
use crate::rows::{self, StateRow, StoredHead, blob};

/// A command whose effect is in the log or will be with this batch.
struct Seen {
    digest: Hash,
    reply: Vec<u8>,
    entries: Vec<EntryRef>,
    at: Instant,
}

/// A new row of the journal.
struct NewEntry {
    place: EntryRef,
    record: Vec<u8>,
    salted_body: Vec<u8>,
}

pub(super) struct Group {
    log: LogId,
    /// The head as it was read; nothing if the log had no record.
    base: Option<StoredHead>,
    /// The head with the effects of this batch.
    current: Option<StoredHead>,
    /// Whether a row was made only so that the log could be locked.
    reserved: bool,
    /// The counts of the streams known so far.
    versions: HashMap<StreamId, u64>,
    /// Whether a stream that is not in `versions` has no events.
    knows_all: bool,
    /// The states known so far.
    states: BTreeMap<StreamId, StreamState>,
    /// The streams whose row changes.
    touched: BTreeSet<StreamId>,
    entries: Vec<NewEntry>,
    seen: HashMap<CommandId, Seen>,
    /// The commands to remember, in their order.
    remembered: Vec<CommandId>,
    writes: Vec<Write>,
    additions: Vec<Addition>,
    /// Who hears what, after the commit. In a mutex for one reason: a refusal may not be shared
    /// between threads, the group is.
    answers: Mutex<Vec<(Answer, Result<Committed, CommitError>)>>,
    /// Why the transaction cannot go on.
    pub broken: Option<ReadError>,
}

/// What a command will change, worked out but not yet seen by the commands after it.
struct Step {
    entries: Vec<NewEntry>,
    frontier: Frontier,
    at: Instant,
    outcome: Outcome,
}

impl Group {
    pub fn new(log: LogId) -> Self {
        Self {
            log,
            base: None,
            current: None,
            reserved: false,
            versions: HashMap::new(),
            knows_all: true,
            states: BTreeMap::new(),
            touched: BTreeSet::new(),
            entries: Vec::new(),
            seen: HashMap::new(),
            remembered: Vec::new(),
            writes: Vec::new(),
            additions: Vec::new(),
            answers: Mutex::default(),
            broken: None,
        }
    }

    pub const fn log(&self) -> LogId {
        self.log
    }

    pub fn base_size(&self) -> u64 {
        self.base.as_ref().map_or(0, |stored| stored.head.size)
    }

    /// A head without records only reserves the log.
    pub fn begin_at(&mut self, stored: StoredHead) {
        if stored.head.size == 0 {
            self.reserved = true;
        } else {
            self.knows_all = false;
            self.current = Some(stored.clone());
            self.base = Some(stored);
        }
    }

    pub fn know_stream(&mut self, stream: StreamId) {
        self.versions.entry(stream).or_insert(0);
    }

    pub const fn know_all_streams(&mut self) {
        self.knows_all = true;
    }

    pub fn load_state(&mut self, state: StateRow) {
        self.versions.insert(state.stream, state.version);
        if let Some(body) = state.body {
            let version = state.version;
            self.states
                .insert(state.stream, StreamState { version, body });
        }
    }

    pub fn load_seen(
        &mut self,
        id: CommandId,
        digest: Hash,
        reply: Vec<u8>,
        entries: Vec<EntryRef>,
    ) {
        let at = Instant::from_micros(0);
        let seen = Seen {
            digest,
            reply,
            entries,
            at,
        };
        self.seen.insert(id, seen);
    }

    /// Decides one command and runs the statements it brings. Its answer waits for the commit.
    pub async fn decide(&mut self, writer: &Writer, tx: &mut Tx, job: Job) {
        let Job {
            command, answer, ..
        } = job;
        let result = self.take(writer, tx, command).await;
        self.answers
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .push((answer, result));
    }

    async fn take(
        &mut self,
        writer: &Writer,
        tx: &mut Tx,
        command: Command,
    ) -> Result<Committed, CommitError> {
        if let Some(error) = &self.broken {
            return Err(refuse(error));
        }
        if let Some(seen) = self.seen.get(&command.id) {
            return seen.again(&command);
        }
        let head = self.current.as_ref().map(|stored| &stored.head);
        if head.is_some_and(|head| head.closed) && !command.allow_closed {
            return Err(CommitError::Closed(self.log));
        }
        let clock = writer.clock.now();
        let now = head.map_or(clock, |head| head.last.max(clock));
        let outcome = {
            let visible = match &command.reads {
                Reads::WholeLog => None,
                Reads::Streams(streams) => Some(streams.as_slice()),
            };
            let view = View {
                head,
                now,
                states: &self.states,
                visible,
            };
            let decide = command.decide;
            guard(|| decide(&view))?.map_err(CommitError::Refused)?
        };
        check_outcome(&outcome)?;
        let changed = outcome.events.iter().map(|event| event.stream);
        let changed = changed.chain(outcome.states.iter().map(|(stream, _)| *stream));
        let unknown: Vec<StreamId> = changed.filter(|stream| !self.knows(*stream)).collect();
        self.find_versions(tx, unknown).await?;
        let mut step = self.work_out(writer, now, outcome)?;
        let places: Vec<EntryRef> = step.entries.iter().map(|entry| entry.place).collect();
        let refusal = step.outcome.refusal.take();
        let reply = match &refusal {
            Some(_) => Vec::new(),
            None => {
                let reply = std::mem::replace(&mut step.outcome.reply, Box::new(|_| Vec::new()));
                guard(|| reply(&places))?
            }
        };
        self.run_writes(tx, &step.outcome.writes, &step.outcome.demands)
            .await?;
        self.apply(command.scope, step);
        if let Some(refusal) = refusal {
            return Err(CommitError::Refused(refusal));
        }
        let seen = Seen {
            digest: command.digest,
            reply: reply.clone(),
            entries: places.clone(),
            at: now,
        };
        self.seen.insert(command.id, seen);
        self.remembered.push(command.id);
        Ok(Committed {
            reply,
            entries: places,
            replayed: false,
        })
    }

    fn knows(&self, stream: StreamId) -> bool {
        self.knows_all || self.versions.contains_key(&stream)
    }

    /// Reads the counts of streams that the command changes without having read them.
    async fn find_versions(
        &mut self,
        tx: &mut Tx,
        unknown: Vec<StreamId>,
    ) -> Result<(), CommitError> {
        for stream in unknown {
            let values = [blob(self.log.as_bytes()), blob(stream.as_bytes())];
            let found = tx.rows(rows::FIND_STATE, &values).await;
            let found = found.and_then(|rows| rows.first().map(rows::state_row).transpose());
            match found {
                Ok(Some(state)) => self.load_state(state),
                Ok(None) => self.know_stream(stream),
                Err(error) => {
                    let refused = refuse(&error);
                    self.broken = Some(error);
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    /// Gives the events their places, salts and leaves.
    fn work_out(
        &self,
        writer: &Writer,
        at: Instant,
        mut outcome: Outcome,
    ) -> Result<Step, CommitError> {
        let mut frontier = self
            .current
            .as_ref()
            .map_or_else(Frontier::new, |stored| stored.frontier.clone());
        let mut versions: HashMap<StreamId, u64> = HashMap::new();
        let mut entries = Vec::with_capacity(outcome.events.len());
        for NewEvent { stream, body } in std::mem::take(&mut outcome.events) {
            let known = self.versions.get(&stream).copied().unwrap_or(0);
            let version = versions.entry(stream).or_insert(known);
            *version += 1;
            let mut salted_body = vec![0; SALT_LENGTH];
            writer
                .random
                .fill(&mut salted_body)
                .map_err(|_| CommitError::Unavailable("the system gives no randomness".into()))?;
            salted_body.extend_from_slice(&body);
            let header = RecordHeader {
                log: self.log,
                seq: frontier.size(),
                stream,
                version: *version,
                at: at.micros(),
            };
            let record = Record::new(header, &salted_body).encode();
            let leaf = record::leaf(&record);
            frontier.push(leaf);
            entries.push(NewEntry {
                place: EntryRef {
                    log: self.log,
                    seq: header.seq,
                    stream,
                    version: header.version,
                    at,
                    leaf,
                },
                record,
                salted_body,
            });
        }
        Ok(Step {
            entries,
            frontier,
            at,
            outcome,
        })
    }

    /// Runs a command's own statements. If one fails, those before it are undone, and the command
    /// alone has failed.
    async fn run_writes(
        &mut self,
        tx: &mut Tx,
        writes: &[Write],
        demands: &[Write],
    ) -> Result<(), CommitError> {
        let wanted = writes.iter().map(|write| (write, false));
        let wanted = wanted.chain(demands.iter().map(|write| (write, true)));
        let count = writes.len() + demands.len();
        // A single statement that fails on SQLite leaves nothing behind.
        let guarded = count > 1 || !demands.is_empty() || (count > 0 && tx.fails_as_a_whole());
        let ran = async {
            if guarded {
                tx.exec("SAVEPOINT command", &[]).await?;
            }
            for (write, alone) in wanted {
                let met = match tx.exec(write.sql, &write.values).await {
                    Ok(rows) if alone && rows != 1 => Err(ReadError::Constraint(format!(
                        "{rows} rows were met where one was wanted"
                    ))),
                    met => met,
                };
                if let Err(error) = met {
                    if guarded && !concerns_all(&error) {
                        tx.exec("ROLLBACK TO SAVEPOINT command", &[]).await?;
                        tx.exec("RELEASE SAVEPOINT command", &[]).await?;
                    }
                    return Ok(Err(error));
                }
            }
            if guarded {
                tx.exec("RELEASE SAVEPOINT command", &[]).await?;
            }
            Ok(Ok(()))
        };
        match ran.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ReadError::Constraint(_))) if !demands.is_empty() => Err(CommitError::Conflict),
            Ok(Err(error)) if !concerns_all(&error) => {
                Err(CommitError::Statement(error.to_string()))
            }
            Ok(Err(error)) | Err(error) => {
                let refused = refuse(&error);
                self.broken = Some(error);
                Err(refused)
            }
        }
    }

    /// Lets the commands that follow see what this one did.
    fn apply(&mut self, scope: String, step: Step) {
        let Step {
            entries,
            frontier,
            at,
            outcome,
        } = step;
        for NewEntry { place, .. } in &entries {
            self.versions.insert(place.stream, place.version);
            self.touched.insert(place.stream);
            if let Some(state) = self.states.get_mut(&place.stream) {
                state.version = place.version;
            }
        }
        for (stream, body) in outcome.states {
            self.touched.insert(stream);
            let version = self.versions.get(&stream).copied().unwrap_or(0);
            match body {
                Some(body) => self.states.insert(stream, StreamState { version, body }),
                None => self.states.remove(&stream),
            };
        }
        if !entries.is_empty() {
            let before = self.current.take().map(|stored| stored.head);
            let closed = outcome.close || before.as_ref().is_some_and(|head| head.closed);
            let head = Head {
                log: self.log,
                scope: before.map_or(scope, |head| head.scope),
                size: frontier.size(),
                root: frontier.root(),
                last: at,
                closed,
            };
            self.current = Some(StoredHead { head, frontier });
        }
        self.entries.extend(entries);
        self.writes.extend(outcome.writes);
        self.writes.extend(outcome.demands);
        self.additions.extend(outcome.additions);
    }

    /// After the commit: everybody hears what became of their command.
    pub fn answer(self) {
        for (answer, result) in self.answers() {
            let _ = answer.send(result);
        }
    }

    /// Nothing was committed, whatever was decided.
    pub fn fail(self, error: &ReadError) {
        for (answer, _) in self.answers() {
            let _ = answer.send(Err(refuse(error)));
        }
    }

    fn answers(self) -> Vec<(Answer, Result<Committed, CommitError>)> {
        self.answers
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn again(&self, command: &Command) -> Result<Committed, CommitError> {
        if self.digest != command.digest {
            return Err(CommitError::CommandReused);
        }
        Ok(Committed {
            reply: self.reply.clone(),
            entries: self.entries.clone(),
            replayed: true,
        })
    }
}
