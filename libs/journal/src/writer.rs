//! The one task that writes: it drains the queue of commands and commits them in groups.
//!
//! One transaction per batch, one fsync, many answers. Commands of one batch see each other's
//! effects. Nobody is answered before the commit.

mod checks;
mod group;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::rand::SystemRandom;
use sunbid_proofs::LogId;
use sunbid_terms::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use crate::command::{Command, Committed};
use crate::db::{Db, Tx};
use crate::error::{CommitError, ReadError};
use crate::journal::Settings;
use crate::observed::{Batch, Traced, Watcher};
pub(crate) use checks::check_scope;
use group::Group;

use store::Needs;

pub(crate) type Answer = oneshot::Sender<Result<Committed, CommitError>>;

/// A command waiting for its turn.
pub(crate) struct Job {
    pub command: Command,
    pub answer: Answer,
    /// Where its caller stands in a trace, if it is traced.
    pub traced: Option<Traced>,
}

/// How often a batch is begun again when another process was in its way. Nothing is decided yet
/// then, so nothing is lost.
const ATTEMPTS: u32 = 20;

/// How often the writer lets callers who were just answered come back with their next command
/// before it starts a batch that is smaller than the last.
const PATIENCE: u32 = 4;

pub(crate) struct Writer {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub random: SystemRandom,
    pub settings: Settings,
    pub changes: watch::Sender<u64>,
    pub watcher: Watcher,
}

/// Why a batch was not committed.
enum Failure {
    /// Nothing was decided: the same jobs can be tried again.
    Before(ReadError, Vec<Job>),
    /// The decisions are made: they can be written again as they are, or not at all.
    After(ReadError, Vec<Group>),
}

impl Writer {
    /// Works until all senders of the queue are gone and it is empty.
    pub async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        let mut last = 0;
        loop {
            if queue.recv_many(&mut jobs, self.settings.max_batch).await == 0 {
                return;
            }
            for _ in 0..PATIENCE {
                let room = self.settings.max_batch.saturating_sub(jobs.len());
                if jobs.len() >= last || room == 0 {
                    break;
                }
                tokio::task::yield_now().await;
                while jobs.len() < self.settings.max_batch
                    && let Ok(job) = queue.try_recv()
                {
                    jobs.push(job);
                }
            }
            last = jobs.len();
            let began = std::time::Instant::now();
            let traced = jobs.iter_mut().filter_map(|job| job.traced.take());
            let spans: Vec<_> = traced.map(Traced::taken).collect();
            self.commit(std::mem::take(&mut jobs)).await;
            drop(spans);
            if let Some(watcher) = self.watcher.get() {
                watcher(Batch {
                    commands: last,
                    took: began.elapsed(),
                    waiting: queue.len(),
                    most_waiting: self.settings.queue,
                });
            }
        }
    }

    /// Commits a batch and answers every job of it.
    async fn commit(&self, jobs: Vec<Job>) {
        let mut jobs = jobs;
        let mut attempt = 1;
        loop {
            match self.attempt(jobs).await {
                Ok(()) => return,
                Err(Failure::Before(ReadError::Contention(_), same)) if attempt < ATTEMPTS => {
                    attempt += 1;
                    jobs = same;
                    tokio::task::yield_now().await;
                }
                Err(Failure::Before(error, same)) => return self.split(error, same).await,
                Err(Failure::After(error, groups)) => return self.rewrite(error, groups).await,
            }
        }
    }

    /// One transaction over the whole batch.
    async fn attempt(&self, jobs: Vec<Job>) -> Result<(), Failure> {
        let needs = Needs::of(&jobs);
        let mut tx = match self.db.begin().await {
            Ok(tx) => tx,
            Err(error) => return Err(Failure::Before(error, jobs)),
        };
        let (mut groups, by_log) = match store::load(&mut tx, self.db.is_shared(), needs).await {
            Ok(groups) => (groups, in_order(jobs)),
            Err(error) => {
                abandon(tx).await;
                return Err(Failure::Before(error, jobs));
            }
        };
        for (log, jobs) in by_log {
            let Some(group) = groups.get_mut(&log) else {
                continue;
            };
            for job in jobs {
                group.decide(self, &mut tx, job).await;
            }
        }
        let groups: Vec<Group> = groups.into_values().collect();
        let broken = groups.iter().find_map(|group| group.broken.clone());
        if let Some(error) = broken {
            abandon(tx).await;
            return Err(Failure::After(error, groups));
        }
        self.finish(tx, groups).await
    }

    /// Writes what was decided, commits, and only then answers.
    async fn finish(&self, mut tx: Tx, groups: Vec<Group>) -> Result<(), Failure> {
        if groups.iter().any(Group::writes_anything) {
            let written = match store::write(&mut tx, &groups).await {
                Ok(()) => tx.commit().await,
                Err(error) => {
                    abandon(tx).await;
                    Err(error)
                }
            };
            if let Err(error) = written {
                return Err(Failure::After(error, groups));
            }
            self.changes
                .send_modify(|count| *count = count.wrapping_add(1));
        } else {
            abandon(tx).await;
        }
        for group in groups {
            group.answer();
        }
        Ok(())
    }

    /// A log whose rows cannot be read must not keep the others from working.
    async fn split(&self, error: ReadError, jobs: Vec<Job>) {
        let by_log = in_order(jobs);
        if by_log.len() < 2 || concerns_all(&error) {
            for job in by_log.into_values().flatten() {
                let _ = job.answer.send(Err(refuse(&error)));
            }
            return;
        }
        tracing::warn!(%error, "a batch could not be read; its logs are tried one by one");
        for jobs in by_log.into_values() {
            Box::pin(self.commit(jobs)).await;
        }
    }

    /// The decisions cannot be made again, but those of each log stand alone: every log gets a
    /// transaction of its own, and what is wrong with one does not touch the others.
    async fn rewrite(&self, error: ReadError, groups: Vec<Group>) {
        let alone = groups.len() < 2;
        for group in groups {
            let broken = group.broken.clone();
            if alone || broken.is_some() || concerns_all(&error) {
                group.fail(broken.as_ref().unwrap_or(&error));
                continue;
            }
            match self.write_again(group).await {
                Ok(()) => {}
                Err((error, group)) => group.fail(&error),
            }
        }
    }

    async fn write_again(&self, group: Group) -> Result<(), (ReadError, Group)> {
        let mut tx = match self.db.begin().await {
            Ok(tx) => tx,
            Err(error) => return Err((error, group)),
        };
        if let Err(error) = group.restore(&mut tx).await {
            abandon(tx).await;
            return Err((error, group));
        }
        match self.finish(tx, vec![group]).await {
            Ok(()) => Ok(()),
            Err(Failure::After(error, mut groups)) => match groups.pop() {
                Some(group) => Err((error, group)),
                None => Ok(()),
            },
            Err(Failure::Before(..)) => Ok(()),
        }
    }
}

/// The jobs of each log, in the order they came.
fn in_order(jobs: Vec<Job>) -> BTreeMap<LogId, Vec<Job>> {
    let mut by_log: BTreeMap<LogId, Vec<Job>> = BTreeMap::new();
    for job in jobs {
        by_log.entry(job.command.log).or_default().push(job);
    }
    by_log
}

/// Gives a transaction up. That it cannot be rolled back is only worth a line: its connection is
/// not used again.
async fn abandon(tx: Tx) {
    if let Err(error) = tx.rollback().await {
        tracing::debug!(%error, "a transaction ended by itself");
    }
}

/// Whether an error says something about the database as a whole rather than about a command.
const fn concerns_all(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::Unavailable(_) | ReadError::StorageFull(_) | ReadError::Contention(_)
    )
}

/// What a caller is told about an error of the database.
fn refuse(error: &ReadError) -> CommitError {
    match error.clone() {
        ReadError::Unavailable(why) => CommitError::Unavailable(why),
        ReadError::StorageFull(why) => CommitError::StorageFull(why),
        ReadError::Statement(why) => CommitError::Statement(why),
        ReadError::Constraint(_) | ReadError::Contention(_) => CommitError::Conflict,
        ReadError::Corrupt(why) => CommitError::Corrupt(why),
    }
}
