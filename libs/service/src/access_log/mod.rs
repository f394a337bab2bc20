//! The access log: every refusal for who calls or whose record it is, and every reading of what is not
//! public by someone it does not belong to. Each service keeps its own, a log for each day
//! (`access/2027-03-02`), in its journal like every other record, so that the audit verifies it too.
//!
//! A reading is kept before it is answered; what cannot be kept is not answered. A refusal stands
//! whether or not it is kept, waits for nothing, and is written with others a moment later. What one
//! caller or all together may fill is bounded by [`tally`]: the rest of a minute is counted.

mod layer;
mod names;
mod tally;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sunbid_contracts::common::v1::{AccessCounted, AccessDayBegun, AccessRefused, NonPublicRead};
use sunbid_journal::Journal;
use sunbid_proofs::StreamId;
use sunbid_terms::{Clock, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use layer::{AccessLogLayer, Asker, shows_what_is_not_public};
use tally::{Kept, Tally};

use crate::{
    Problem,
    ledger::{self, Decided, Step},
};

/// How scopes of access logs begin; the day in China follows.
pub const SCOPE: &str = "access/";

/// How often refusals are written.
const EVERY: Duration = Duration::from_millis(250);
/// Pause after they could not be written.
const PAUSE: Duration = Duration::from_secs(2);
/// Refusals that wait to be written; beyond them they are counted.
const MOST_WAITING: usize = 512;

const STREAM: &str = "access";

/// The scope of the access log of the day of `at`.
fn scope_of(at: Instant) -> String {
    format!("{SCOPE}{}", at.china_date().format("%Y-%m-%d"))
}

/// One service's access log.
struct AccessLog {
    service: &'static str,
    journal: Journal,
    clock: Arc<dyn Clock>,
    // Locked for the length of a count.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    waiting: Vec<AccessRefused>,
}

/// A batch on its way to the journal; sent again with the same identity until it is there.
struct Batch {
    id: Uuid,
    /// The log of the day it was made on: sent again after midnight, it is still known there.
    scope: String,
    refused: Vec<AccessRefused>,
    counted: Vec<AccessCounted>,
}

impl AccessLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a refusal.
    fn refused(&self, refused: AccessRefused) {
        let now = self.clock.now();
        let mut state = self.lock();
        let room = state.waiting.len() < MOST_WAITING;
        if state.tally.refused(&refused, room, now) == Kept::Alone {
            state.waiting.push(refused);
        }
    }

    /// Keeps a reading before it is answered. The same again within a minute is counted: that it was
    /// read is on record already.
    async fn read(
        &self,
        method: &'static str,
        read: NonPublicRead,
        plain: bool,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        if plain && self.lock().tally.read_again(&read, now) == Kept::Counted {
            return Ok(());
        }
        let request_id = Uuid::new_v4().to_string();
        let step = Step::of_caller(
            self.service,
            &scope_of(now),
            method,
            &read.subject,
            &request_id,
            &read,
        )?;
        let stream = StreamId::of(STREAM);
        let event = read.clone();
        ledger::commit_quietly(&self.journal, step, move |_| {
            Ok(Decided::new().event(stream, &event))
        })
        .await?;
        if plain {
            self.lock().tally.was_read(&read, now);
        }
        Ok(())
    }

    /// What is to be written now; with `all`, the minute that is not over too.
    fn batch(&self, all: bool) -> Option<Batch> {
        let now = self.clock.now();
        let mut state = self.lock();
        let counted = state.tally.counted(now, all);
        let refused = std::mem::take(&mut state.waiting);
        (!counted.is_empty() || !refused.is_empty()).then(|| Batch {
            id: Uuid::new_v4(),
            scope: scope_of(now),
            refused,
            counted,
        })
    }

    async fn write(&self, batch: &Batch) -> Result<(), Problem> {
        let request = AccessDayBegun::default();
        let step = Step::of_cause(
            self.service,
            &batch.scope,
            "AccessLog",
            batch.id.as_bytes(),
            &request,
        );
        let stream = StreamId::of(STREAM);
        let (refused, counted) = (batch.refused.clone(), batch.counted.clone());
        ledger::commit_quietly(&self.journal, step, move |_| {
            let mut decided = Decided::new();
            for event in &refused {
                decided = decided.event(stream, event);
            }
            for event in &counted {
                decided = decided.event(stream, event);
            }
            Ok(decided)
        })
        .await?;
        Ok(())
    }

    /// Begins the day's log, so that its being there says nothing of anybody's doings.
    async fn begin(&self, scope: &str) -> Result<(), Problem> {
        let begun = AccessDayBegun {
            day: scope.trim_start_matches(SCOPE).to_owned(),
        };
        let step = Step::of_cause(self.service, scope, "AccessDay", scope.as_bytes(), &begun);
        let stream = StreamId::of(STREAM);
        ledger::commit_quietly(&self.journal, step, move |_| {
            Ok(Decided::new().event(stream, &begun))
        })
        .await?;
        Ok(())
    }

    /// Writes what was noted until the process stops.
    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut begun = String::new();
        let mut unwritten: Option<Batch> = None;
        loop {
            let mut pause = EVERY;
            let today = scope_of(self.clock.now());
            if begun != today {
                match self.begin(&today).await {
                    Ok(()) => begun = today,
                    Err(problem) => {
                        tracing::warn!(self.service, ?problem, "a day's access log waits to begin");
                        pause = PAUSE;
                    }
                }
            }
            unwritten = unwritten.or_else(|| self.batch(false));
            if let Some(batch) = &unwritten {
                match self.write(batch).await {
                    Ok(()) => unwritten = None,
                    Err(problem) => {
                        tracing::warn!(self.service, ?problem, "refusals wait to be written");
                        pause = PAUSE;
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        for batch in [unwritten, self.batch(true)].into_iter().flatten() {
            if let Err(problem) = self.write(&batch).await {
                tracing::error!(self.service, ?problem, "the last refusals were not written");
            }
        }
    }
}

/// The access logs of the services of a process.
#[derive(Clone, Default)]
pub struct AccessLogs {
    logs: Arc<BTreeMap<&'static str, Arc<AccessLog>>>,
}

impl AccessLogs {
    pub fn new(
        journals: impl IntoIterator<Item = (&'static str, Journal)>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let log = |(service, journal)| {
            let log = AccessLog {
                service,
                journal,
                clock: clock.clone(),
                state: Mutex::default(),
            };
            (service, Arc::new(log))
        };
        Self {
            logs: Arc::new(journals.into_iter().map(log).collect()),
        }
    }

    /// Writes them until the process stops; ends when all is written.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut writing = tokio::task::JoinSet::new();
        for log in self.logs.values() {
            writing.spawn(log.clone().run(shutdown.clone()));
        }
        while writing.join_next().await.is_some() {}
    }

    /// The log of the service that an RPC is of; of the first here, where it is of none of them.
    fn of(&self, path: &str) -> Option<&Arc<AccessLog>> {
        let area = path
            .strip_prefix("/sunbid.")
            .and_then(|rest| rest.split_once('.'))
            .map_or("", |(area, _)| area);
        self.logs.get(area).or_else(|| self.logs.values().next())
    }
}

#[cfg(test)]
mod tests;
