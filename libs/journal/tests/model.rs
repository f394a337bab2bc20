//! The journal beside the simplest thing that could be it: a few maps in memory. Random commands,
//! duplicates, refusals, closings and poisoned statements, in waves of callers at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Place, SetClock, deciding, log};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sunbid_journal::{
    Command, CommandId, CommitError, Committed, Migration, NewEvent, Outcome, Reads, Settings,
    StreamId, Val, Write,
};
use sunbid_terms::Clock;

const LOGS: [&str; 3] = ["a", "b", "c"];
const STREAMS: [&str; 2] = ["main", "side"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// So many events, the state with them.
    Append(u8),
    /// An event that leaves the state as it is.
    Note,
    Delete,
    Refuse,
    Close,
    RefuseAndRecord,
    /// A state without an event.
    Silent,
    /// A row of the service's own table, of which there may be one per number.
    Row(u8),
    /// Two rows, the second the same as the first.
    Poison(u8),
    Panic,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    log: usize,
    stream: usize,
    id: u8,
    other_digest: bool,
    whole_log: bool,
    allow_closed: bool,
    kind: Kind,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => (0..4_u8).prop_map(Kind::Append),
        2 => Just(Kind::Note),
        1 => Just(Kind::Delete),
        2 => Just(Kind::Refuse),
        1 => Just(Kind::Close),
        1 => Just(Kind::RefuseAndRecord),
        1 => Just(Kind::Silent),
        3 => (0..20_u8).prop_map(Kind::Row),
        1 => (0..20_u8).prop_map(Kind::Poison),
        1 => Just(Kind::Panic),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let place = (0..LOGS.len(), 0..STREAMS.len(), 0..60_u8);
    let odd = prop::bool::weighted(0.1);
    (place, odd, any::<bool>(), odd, kinds()).prop_map(
        |((log, stream, id), other_digest, whole_log, allow_closed, kind)| Op {
            log,
            stream,
            id,
            other_digest,
            whole_log,
            allow_closed,
            kind,
        },
    )
}

/// Waves of commands, and how the clock moves before each.
fn waves() -> impl Strategy<Value = Vec<(i64, Vec<Op>)>> {
    prop::collection::vec((-50..100_i64, prop::collection::vec(ops(), 1..20)), 1..12)
}

const TABLE: Migration = Migration {
    version: 1,
    name: "model",
    sql: "CREATE TABLE taken (number BIGINT NOT NULL PRIMARY KEY)",
};

impl Op {
    fn stream(&self) -> StreamId {
        StreamId::of(STREAMS[self.stream])
    }

    /// The event of this command: the state before it, what it counted, how many states there
    /// were to see, and who it is. So whatever a decision saw wrongly ends up on the record.
    fn body(&self, before: Option<(u64, &[u8])>, visible: usize) -> Vec<u8> {
        let (version, state) = before.unwrap_or_default();
        let mut body = state.to_vec();
        body.extend([version as u8, visible as u8, self.id]);
        body
    }

    fn digest(&self) -> [u8; 32] {
        [u8::from(self.other_digest); 32]
    }

    fn rows(&self) -> Vec<u8> {
        match self.kind {
            Kind::Row(number) => vec![number],
            Kind::Poison(number) => vec![number, number],
            _ => Vec::new(),
        }
    }

    fn events(&self) -> u8 {
        match self.kind {
            Kind::Append(count) => count,
            Kind::Silent => 0,
            _ => 1,
        }
    }

    fn command(self) -> Command {
        let stream = self.stream();
        let decide = move |view: &sunbid_journal::View<'_>| {
            let before = view.state(stream);
            let before = before.map(|state| (state.version, &state.body[..]));
            let body = self.body(before, view.states().count());
            let event = NewEvent {
                stream,
                body: body.clone(),
            };
            let events = vec![event; usize::from(self.events())];
            let states = match self.kind {
                Kind::Append(0) | Kind::Note => Vec::new(),
                Kind::Delete => vec![(stream, None)],
                _ => vec![(stream, Some(body))],
            };
            let write = |number: u8| Write {
                sql: "INSERT INTO taken (number) VALUES ($1)",
                values: vec![Val::Int(i64::from(number))],
            };
            let outcome = Outcome {
                events,
                states,
                writes: self.rows().into_iter().map(write).collect(),
                close: self.kind == Kind::Close,
                refusal: (self.kind == Kind::RefuseAndRecord).then(|| Box::new(()) as Box<_>),
                reply: Box::new(|places| {
                    places
                        .iter()
                        .flat_map(|place| place.seq.to_be_bytes())
                        .collect()
                }),
                ..Outcome::default()
            };
            match self.kind {
                Kind::Refuse => Err(Box::new(()) as Box<_>),
                Kind::Panic => panic!("as it was told"),
                _ => Ok(outcome),
            }
        };
        Command {
            id: CommandId::of(&[&[self.id]]),
            digest: self.digest(),
            reads: if self.whole_log {
                Reads::WholeLog
            } else {
                Reads::Streams(vec![stream])
            },
            allow_closed: self.allow_closed,
            ..deciding(LOGS[self.log], 0, decide)
        }
    }
}

/// What a caller hears, as far as both can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Done {
        reply: Vec<u8>,
        places: Vec<(u64, u64, i64)>,
        replayed: bool,
    },
    Not(&'static str),
}

impl From<Result<Committed, CommitError>> for Heard {
    fn from(result: Result<Committed, CommitError>) -> Self {
        Self::Not(match result {
            Ok(done) => {
                let places = done.entries.iter();
                return Self::Done {
                    reply: done.reply,
                    places: places.map(|e| (e.seq, e.version, e.at.micros())).collect(),
                    replayed: done.replayed,
                };
            }
            Err(CommitError::Refused(_)) => "refused",
            Err(CommitError::CommandReused) => "reused",
            Err(CommitError::Closed(_)) => "closed",
            Err(CommitError::Unrecorded) => "unrecorded",
            Err(CommitError::Statement(_)) => "statement",
            Err(CommitError::Panicked(_)) => "panicked",
            Err(error) => panic!("{error}"),
        })
    }
}

#[derive(Debug, Default)]
struct ModelLog {
    entries: Vec<(usize, u64, i64, Vec<u8>)>,
    counts: BTreeMap<usize, u64>,
    states: BTreeMap<usize, Vec<u8>>,
    seen: BTreeMap<u8, ([u8; 32], Heard)>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Model {
    logs: [ModelLog; LOGS.len()],
    taken: BTreeSet<u8>,
}

impl Model {
    fn take(&mut self, op: &Op, clock: i64) -> Heard {
        let log = &mut self.logs[op.log];
        if let Some((digest, heard)) = log.seen.get(&op.id) {
            let Heard::Done { reply, places, .. } = heard.clone() else {
                unreachable!("only what was done is remembered");
            };
            let replayed = true;
            return match *digest == op.digest() {
                true => Heard::Done {
                    reply,
                    places,
                    replayed,
                },
                false => Heard::Not("reused"),
            };
        }
        if log.closed && !op.allow_closed {
            return Heard::Not("closed");
        }
        match op.kind {
            Kind::Refuse => return Heard::Not("refused"),
            Kind::Panic => return Heard::Not("panicked"),
            Kind::Silent => return Heard::Not("unrecorded"),
            Kind::Poison(_) => return Heard::Not("statement"),
            Kind::Row(number) if !self.taken.insert(number) => return Heard::Not("statement"),
            _ => {}
        }
        let now = log
            .entries
            .last()
            .map_or(clock, |(_, _, last, _)| clock.max(*last));
        let before = log.states.get(&op.stream);
        let visible = match op.whole_log {
            true => log.states.len(),
            false => usize::from(before.is_some()),
        };
        let before = before.map(|state| (log.counts[&op.stream], &state[..]));
        let body = op.body(before, visible);
        let mut places = Vec::new();
        for _ in 0..op.events() {
            let count = log.counts.entry(op.stream).or_insert(0);
            *count += 1;
            places.push((log.entries.len() as u64, *count, now));
            log.entries.push((op.stream, *count, now, body.clone()));
        }
        match op.kind {
            Kind::Append(0) | Kind::Note => {}
            Kind::Delete => drop(log.states.remove(&op.stream)),
            _ => drop(log.states.insert(op.stream, body)),
        }
        log.closed |= op.kind == Kind::Close;
        if op.kind == Kind::RefuseAndRecord {
            return Heard::Not("refused");
        }
        let reply = places
            .iter()
            .flat_map(|(seq, ..)| seq.to_be_bytes())
            .collect();
        let replayed = false;
        let heard = Heard::Done {
            reply,
            places,
            replayed,
        };
        log.seen.insert(op.id, (op.digest(), heard.clone()));
        heard
    }
}

async fn run(place: &Place, waves: &[(i64, Vec<Op>)]) {
    place.db.migrate(&[TABLE]).await.unwrap();
    let mut model = Model::default();
    for (step, ops) in waves {
        let clock: &SetClock = &place.clock;
        clock.set(clock.now().micros() + step);
        // The callers of a wave stand in line in this order, and share a few transactions.
        let calls = ops.iter().map(|op| place.journal.commit(op.command()));
        let heard: Vec<Heard> = join_all(calls).await.into_iter().map(Heard::from).collect();
        let now = clock.now().micros();
        let expected: Vec<Heard> = ops.iter().map(|op| model.take(op, now)).collect();
        assert_eq!(heard, expected, "{} {ops:?}", place.engine);
    }
    same(place, &model).await;
}

async fn same(place: &Place, model: &Model) {
    for (name, expected) in LOGS.iter().zip(&model.logs) {
        let head = place.journal.head(log(name)).await.unwrap();
        assert_eq!(head.is_some(), !expected.entries.is_empty());
        assert!(head.is_none_or(|head| head.closed == expected.closed));
        let entries = place.journal.read(log(name), 0, u32::MAX).await.unwrap();
        let entries: Vec<_> = entries
            .iter()
            .map(|e| {
                (
                    e.stream,
                    e.version,
                    e.at.micros(),
                    e.body().unwrap().to_vec(),
                )
            })
            .collect();
        let of_model: Vec<_> = expected
            .entries
            .iter()
            .map(|(stream, version, at, body)| {
                (StreamId::of(STREAMS[*stream]), *version, *at, body.clone())
            })
            .collect();
        assert_eq!(entries, of_model);
        let states = place.journal.states(log(name)).await.unwrap();
        let states: BTreeMap<_, _> = states
            .into_iter()
            .map(|(stream, state)| (stream, (state.version, state.body)))
            .collect();
        let of_model: BTreeMap<_, _> = expected
            .states
            .iter()
            .map(|(stream, body)| {
                (
                    StreamId::of(STREAMS[*stream]),
                    (expected.counts[stream], body.clone()),
                )
            })
            .collect();
        assert_eq!(states, of_model);
    }
    let taken = place
        .db
        .rows("SELECT number FROM taken ORDER BY number", &[])
        .await
        .unwrap();
    let taken: Vec<i64> = taken.iter().map(|row| row.int(0).unwrap()).collect();
    assert_eq!(
        taken,
        model
            .taken
            .iter()
            .map(|n| i64::from(*n))
            .collect::<Vec<_>>()
    );
    let report = place.journal.check().await.unwrap();
    assert!(report.is_ok(), "{:?}", report.wrong);
}

/// Makes the rows of different logs differ, so that the order of logs in a batch does not matter.
fn apart(mut waves: Vec<(i64, Vec<Op>)>) -> Vec<(i64, Vec<Op>)> {
    for op in waves.iter_mut().flat_map(|(_, ops)| ops) {
        if let Kind::Row(number) | Kind::Poison(number) = &mut op.kind {
            *number = *number * LOGS.len() as u8 + op.log as u8;
        }
    }
    waves
}

fn cases(cases: u32, run_case: impl Fn(Vec<(i64, Vec<Op>)>)) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = waves().prop_map(apart);
    TestRunner::new(config)
        .run(&strategy, |waves| {
            run_case(waves);
            Ok(())
        })
        .unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

#[test]
fn sqlite_does_what_the_model_does() {
    let runtime = runtime();
    cases(40, |waves| {
        runtime.block_on(async {
            run(&common::sqlite(Settings::default()).await, &waves).await;
        });
    });
}

#[test]
fn one_command_at_a_time_does_what_the_model_does() {
    let runtime = runtime();
    let settings = Settings {
        max_batch: 1,
        queue: 1,
    };
    cases(8, |waves| {
        runtime.block_on(async { run(&common::sqlite(settings).await, &waves).await });
    });
}

#[test]
fn postgres_does_what_the_model_does() {
    let runtime = runtime();
    cases(6, |waves| {
        runtime.block_on(async {
            if let Some(place) = common::postgres(Settings::default()).await {
                run(&place, &waves).await;
            }
        });
    });
}

/// A command that reads a number and writes the next: lost updates would show.
fn count_up(id: u64) -> Command {
    let stream = StreamId::of("counter");
    let decide = move |view: &sunbid_journal::View<'_>| {
        let before = view.state(stream).map_or(0, |state| state.body[0]);
        let body = vec![before.wrapping_add(1)];
        Ok(Outcome {
            events: vec![NewEvent {
                stream,
                body: body.clone(),
            }],
            states: vec![(stream, Some(body))],
            ..Outcome::default()
        })
    };
    Command {
        reads: Reads::WholeLog,
        ..deciding(LOGS[id as usize % 2], id, decide)
    }
}

/// Several journals on one database are several processes to each other.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_lose_nothing_of_each_other() {
    let mut places = vec![common::sqlite(Settings::default()).await];
    places.extend(common::postgres(Settings::default()).await);
    for place in places {
        let opened = sunbid_journal::Journal::open(place.db.clone(), place.clock.clone());
        let journals = [place.journal.clone(), opened.await.unwrap()];
        let tasks: Vec<_> = (0..200)
            .map(|id| {
                let journal = journals[id as usize / 2 % 2].clone();
                tokio::spawn(async move { journal.commit(count_up(id)).await.map(drop) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        for name in &LOGS[..2] {
            let head = place.journal.head(log(name)).await.unwrap().unwrap();
            assert_eq!(head.size, 100);
            let state = place
                .journal
                .state(log(name), StreamId::of("counter"))
                .await;
            assert_eq!(state.unwrap().unwrap().body, [100]);
        }
        assert!(place.journal.check().await.unwrap().is_ok());
    }
}
