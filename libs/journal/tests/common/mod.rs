//! What the journal's tests share: databases of both engines, a clock to set, plain commands.
//! The journal's promises do not depend on the engine, so each test runs over every one at hand.

#![allow(dead_code, reason = "each test binary uses its part")]

/// Each promise is a test over SQLite; PostgreSQL keeps them all in one, with one server.
#[allow(unused_macros, reason = "each test binary uses its part")]
macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::common::sqlite(Default::default()).await).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn postgres_keeps_every_promise() {
            $(if let Some(place) = common::postgres(Default::default()).await {
                println!("{} on {}", stringify!($name), place.engine);
                $name(place).await;
            })*
        }
    };
}

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sunbid_journal::{
    Command, CommandId, Db, Journal, LogId, NewEvent, Outcome, Reads, Settings, StreamId, trial,
};
use sunbid_proofs::sha256;
use sunbid_terms::{Clock, Instant};

/// A clock that stands where it is put.
#[derive(Default)]
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A journal on a fresh database, with whatever keeps that database alive.
pub struct Place {
    pub engine: &'static str,
    pub db: Db,
    pub journal: Journal,
    pub clock: Arc<SetClock>,
    _dir: tempfile::TempDir,
}

pub async fn sqlite(settings: Settings) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::sqlite(&dir.path().join("journal.db")).await.unwrap();
    place("SQLite", db, dir, settings).await
}

/// A fresh database in the shared throwaway cluster, if there are PostgreSQL's programs.
pub async fn postgres(settings: Settings) -> Option<Place> {
    let server = trial::fresh_database().await.unwrap()?;
    let db = Db::postgres(&server).await.unwrap();
    Some(place("PostgreSQL", db, tempfile::tempdir().unwrap(), settings).await)
}

async fn place(engine: &'static str, db: Db, dir: tempfile::TempDir, settings: Settings) -> Place {
    let clock = Arc::new(SetClock::default());
    let journal = Journal::open_with(db.clone(), clock.clone(), settings);
    Place {
        engine,
        db,
        journal: journal.await.unwrap(),
        clock,
        _dir: dir,
    }
}

pub fn log(name: &str) -> LogId {
    LogId::of("test", name)
}

pub fn stream(name: &str) -> StreamId {
    StreamId::of(name)
}

/// A command that does whatever `outcome` says, without reading.
pub fn command(log_name: &str, id: u64, outcome: Outcome) -> Command {
    deciding(log_name, id, move |_| Ok(outcome))
}

pub fn deciding<D>(log_name: &str, id: u64, decide: D) -> Command
where
    D: FnOnce(&sunbid_journal::View<'_>) -> Result<Outcome, sunbid_journal::Refusal>
        + Send
        + 'static,
{
    Command {
        log: log(log_name),
        scope: log_name.to_owned(),
        id: CommandId::of(&[&id.to_be_bytes()]),
        digest: sha256(&[&id.to_be_bytes()]),
        reads: Reads::Streams(vec![stream("main")]),
        allow_closed: false,
        decide: Box::new(decide),
    }
}

/// One event on stream "main" with this body, the state set to the same, replying with the place.
pub fn event(body: &[u8]) -> Outcome {
    Outcome {
        events: vec![NewEvent {
            stream: stream("main"),
            body: body.to_vec(),
        }],
        states: vec![(stream("main"), Some(body.to_vec()))],
        reply: Box::new(|places| {
            places
                .iter()
                .flat_map(|place| place.seq.to_be_bytes())
                .collect()
        }),
        ..Outcome::default()
    }
}
