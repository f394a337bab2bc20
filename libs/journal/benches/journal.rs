//! How fast the journal commits, beside what the disk and a hand-written loop do in the same run.
//!
//! Prints `name<TAB>value<TAB>unit<TAB>ratio<TAB>against`. Data go under `$SUNBID_BENCH_DIR`, or
//! else the build's own directory: it must be a disk that syncs, not one in memory.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Timer};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use sunbid_journal::{
    Command, CommandId, Db, Journal, LogId, NewEvent, Outcome, Reads, Settings, StreamId,
};
use sunbid_proofs::merkle::Frontier;
use sunbid_proofs::{Record, RecordHeader, record, sha256};
use sunbid_terms::{Clock, Instant};

const CALLERS: u64 = 64;
const BODY: usize = 1024;
const ROUNDS: usize = 3;
const SECONDS: f64 = 2.0;
/// The rows of one transaction of the hand-written loop.
const BY_HAND: u64 = 32;

struct Steady(AtomicU64);

impl Clock for Steady {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.fetch_add(1, Ordering::Relaxed) as i64)
    }
}

fn main() {
    let base = std::env::var_os("SUNBID_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut results: Vec<[f64; 5]> = Vec::new();
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir_in(&base).unwrap();
        let path = dir.path();
        results.push([
            syncs(path),
            runtime.block_on(by_hand(path)),
            runtime.block_on(callers(&path.join("one.db"), 256, 1)),
            runtime.block_on(callers(&path.join("alone.db"), 1, 1)),
            runtime.block_on(callers(&path.join("many.db"), 256, 1000)),
        ]);
    }
    let median = |column: usize| {
        let mut values: Vec<f64> = results.iter().map(|round| round[column]).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let [disk, loop_, group, single, logs] = [0, 1, 2, 3, 4].map(median);
    let line = |name: &str, value: f64, against: f64, what: &str| {
        println!("{name}\t{value:.0}\t/s\t{:.2}\t{what}", value / against);
    };
    line("fdatasync_1k", disk, disk, "fdatasync_1k");
    line("sqlite_by_hand_32", loop_, disk, "fdatasync_1k");
    line("journal_64_callers", group, disk, "fdatasync_1k");
    line("journal_64_callers", group, loop_, "sqlite_by_hand_32");
    line("journal_64_callers", group, single, "journal_unbatched");
    line("journal_unbatched", single, disk, "fdatasync_1k");
    line("journal_1000_logs", logs, group, "journal_64_callers");
}

/// Runs `step` until the time is over; how many units of work a second it did.
fn rate(begun: Timer, done: u64) -> f64 {
    done as f64 / begun.elapsed().as_secs_f64()
}

fn over(begun: Timer) -> bool {
    begun.elapsed() > Duration::from_secs_f64(SECONDS)
}

/// What the disk gives: one append of 1 KiB, made durable, at a time.
fn syncs(dir: &Path) -> f64 {
    let mut file = std::fs::File::create(dir.join("appends")).unwrap();
    let bytes = [7; BODY];
    let (begun, mut done) = (Timer::now(), 0);
    while !over(begun) {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        done += 1;
    }
    rate(begun, done)
}

/// What a hand-written loop gives: the very rows the journal writes, 32 commands to a transaction,
/// each table's rows in one statement, with the same hashing and the same durability; no queue, no
/// callers, no reading, no checks.
async fn by_hand(dir: &Path) -> f64 {
    let path = dir.join("hand.db");
    let db = Db::sqlite(&path).await.unwrap();
    let clock = Arc::new(Steady(AtomicU64::new(0)));
    Journal::open(db.clone(), clock).await.unwrap().stop().await;
    db.close().await;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let log = LogId::of("bench", "hand");
    let stream = StreamId::of("main");
    let rows = |columns: usize| {
        let row = format!("({})", vec!["?"; columns].join(","));
        vec![row; BY_HAND as usize].join(",")
    };
    let journal = format!("INSERT INTO journal VALUES {}", rows(8));
    let seen = format!("INSERT INTO command_seen VALUES {}", rows(7));
    let states = "INSERT INTO stream_state VALUES (?,?,?,?) ON CONFLICT (log_id, stream_id) \
                  DO UPDATE SET version = excluded.version, body = excluded.body";
    let heads = "INSERT INTO journal_head VALUES (?,?,?,?,?,?,?) ON CONFLICT (log_id) DO UPDATE \
                 SET size = excluded.size, frontier = excluded.frontier, root = excluded.root";
    let mut frontier = Frontier::new();
    let (begun, mut done) = (Timer::now(), 0_u64);
    while !over(begun) {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let mut entries = sqlx::query(AssertSqlSafe(journal.as_str()));
        let mut commands = sqlx::query(AssertSqlSafe(seen.as_str()));
        for n in done..done + BY_HAND {
            let at = n as i64;
            let salted = body(n);
            let header = RecordHeader {
                log,
                seq: n,
                stream,
                version: n + 1,
                at,
            };
            let record = Record::new(header, &salted).encode();
            let leaf = record::leaf(&record);
            frontier.push(leaf);
            entries = entries
                .bind(log.as_bytes().to_vec())
                .bind(at)
                .bind(stream.as_bytes().to_vec())
                .bind(at + 1)
                .bind(at)
                .bind(leaf.to_vec())
                .bind(record)
                .bind(salted);
            let id = CommandId::of(&[&n.to_be_bytes()]);
            commands = commands
                .bind(log.as_bytes().to_vec())
                .bind(id.as_bytes().to_vec())
                .bind(sha256(&[id.as_bytes()]).to_vec())
                .bind(n.to_be_bytes().to_vec())
                .bind(at)
                .bind(1)
                .bind(at);
        }
        entries.execute(&mut *tx).await.unwrap();
        commands.execute(&mut *tx).await.unwrap();
        done += BY_HAND;
        sqlx::query(states)
            .bind(log.as_bytes().to_vec())
            .bind(stream.as_bytes().to_vec())
            .bind(done as i64)
            .bind(done.to_be_bytes().to_vec())
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(heads)
            .bind(log.as_bytes().to_vec())
            .bind("hand")
            .bind(done as i64)
            .bind(frontier.to_bytes())
            .bind(frontier.root().to_vec())
            .bind(done as i64)
            .bind(false)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    rate(begun, done)
}

/// 1 KiB that differs from entry to entry, with room for the salt.
fn body(n: u64) -> Vec<u8> {
    let mut bytes = vec![0; 32 + BODY];
    for (place, chunk) in (n..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&place.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    }
    bytes
}

/// 64 callers, each sending its next command when the last is durable.
async fn callers(path: &Path, max_batch: usize, logs: u64) -> f64 {
    let db = Db::sqlite(path).await.unwrap();
    let clock = Arc::new(Steady(AtomicU64::new(0)));
    let settings = Settings {
        max_batch,
        ..Settings::default()
    };
    let journal = Journal::open_with(db, clock, settings).await.unwrap();
    let begun = Timer::now();
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while !over(begun) {
                    let n = done * CALLERS + caller;
                    journal.commit(append(n, n % logs)).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    let rate = rate(begun, done);
    let report = journal.check().await.unwrap();
    assert!(report.is_ok() && report.entries == done, "{report:?}");
    journal.stop().await;
    journal.db().close().await;
    rate
}

fn append(n: u64, log: u64) -> Command {
    let scope = format!("logs/{log}");
    let stream = StreamId::of("main");
    let id = CommandId::of(&[&n.to_be_bytes()]);
    Command {
        log: LogId::of("bench", &scope),
        scope,
        digest: sha256(&[id.as_bytes()]),
        id,
        reads: Reads::Streams(vec![stream]),
        allow_closed: false,
        decide: Box::new(move |_| {
            Ok(Outcome {
                events: vec![NewEvent {
                    stream,
                    body: body(n).split_off(32),
                }],
                states: vec![(stream, Some(n.to_be_bytes().to_vec()))],
                reply: Box::new(move |_| n.to_be_bytes().to_vec()),
                ..Outcome::default()
            })
        }),
    }
}
