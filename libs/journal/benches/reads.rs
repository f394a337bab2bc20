//! Whether reads and proofs stay as fast as a log grows: one log of 10^4, 10^5, 10^6 entries and so on,
//! read at places that nobody chose, and a public log with as many leaves, of which inclusion and
//! consistency are proven. The ratio is to the smallest size of the same run.
//!
//! `SUNBID_READS_MOST` says up to how many entries (1,000,000 where it is not set; 10,000,000 take about
//! 6 GB of disk and some minutes). Prints `name<TAB>value<TAB>unit<TAB>ratio<TAB>against`. Data go under
//! `$SUNBID_BENCH_DIR`, or else the build's own directory.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Timer};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use sunbid_journal::{
    Command, CommandId, Db, Hash, Journal, LogId, NewEvent, Outcome, PublicLog, Reads, StreamId,
};
use sunbid_proofs::merkle::{Frontier, root_of, verify_consistency, verify_inclusion};
use sunbid_proofs::{Checkpoint, EpochLeaf, Signer, sha256};
use sunbid_terms::{Clock, Instant};

/// The first size, and how much larger the next one is.
const FIRST: u64 = 10_000;
const STEP: u64 = 10;
/// How long each kind of read is measured at each size.
const SPAN: Duration = Duration::from_secs(2);
/// Entries of one command of the loader, and of a page.
const COMMAND: u64 = 2_000;
const PAGE: u32 = 100;
const BODY: usize = 64;
/// Leaves under one hash of the next stored level.
const WIDTH: usize = 256;
const SCOPE: &str = "bench";

struct Steady(AtomicU64);

impl Clock for Steady {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.fetch_add(1, Ordering::Relaxed) as i64)
    }
}

/// A place that nobody chose, the same in every run.
struct Places(u64);

impl Places {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % end
    }
}

fn main() {
    let most = std::env::var("SUNBID_READS_MOST").map_or(1_000_000, |most| most.parse().unwrap());
    let base = std::env::var_os("SUNBID_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir_in(&base).unwrap();
    let mut first: Vec<(&str, f64)> = Vec::new();
    let mut size = FIRST;
    while size <= most {
        let mut measured = runtime.block_on(entries(dir.path(), size));
        measured.extend(runtime.block_on(proofs(dir.path(), size)));
        if first.is_empty() {
            first.clone_from(&measured);
        }
        for ((name, rate), (_, at_first)) in measured.iter().zip(&first) {
            println!(
                "{name}_{size}\t{rate:.0}\t/s\t{:.2}\t{name}_{FIRST}",
                rate / at_first
            );
        }
        size *= STEP;
    }
}

/// How often a second `work` is done.
async fn rate(mut work: impl AsyncFnMut()) -> f64 {
    let (begun, mut done) = (Timer::now(), 0_u64);
    while begun.elapsed() < SPAN {
        work().await;
        done += 1;
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

/// Lets the one log grow to `size`; entries and pages read a second.
async fn entries(dir: &Path, size: u64) -> Vec<(&'static str, f64)> {
    let db = Db::sqlite(&dir.join("entries.db")).await.unwrap();
    let clock = Arc::new(Steady(AtomicU64::new(0)));
    let journal = Journal::open(db, clock).await.unwrap();
    let log = LogId::of("bench", SCOPE);
    let mut known = journal.head(log).await.unwrap().map_or(0, |head| head.size);
    let begun = Timer::now();
    while known < size {
        let count = COMMAND.min(size - known);
        journal.commit(command(log, known, count)).await.unwrap();
        known += count;
    }
    eprintln!(
        "{size} entries after {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    let mut places = Places(size);
    let one = rate(async || {
        let place = places.below(size);
        let read = journal.read(log, place, 1).await.unwrap();
        assert_eq!(read[0].seq, place);
    })
    .await;
    let page = rate(async || {
        let place = places.below(size - u64::from(PAGE));
        let read = journal.read(log, place, PAGE).await.unwrap();
        assert_eq!(read.len(), PAGE as usize);
    })
    .await;
    journal.stop().await;
    journal.db().close().await;
    vec![("read_entry", one), ("read_page_of_100", page)]
}

fn command(log: LogId, first: u64, count: u64) -> Command {
    let stream = StreamId::of("main");
    let id = CommandId::of(&[&first.to_be_bytes()]);
    Command {
        log,
        scope: SCOPE.to_owned(),
        digest: sha256(&[id.as_bytes()]),
        id,
        reads: Reads::Streams(Vec::new()),
        allow_closed: false,
        decide: Box::new(move |_| {
            let event = |number: u64| NewEvent {
                stream,
                body: vec![number.to_le_bytes()[0]; BODY],
            };
            Ok(Outcome {
                events: (first..first + count).map(event).collect(),
                ..Outcome::default()
            })
        }),
    }
}

fn leaf(epoch: u64) -> EpochLeaf {
    EpochLeaf {
        epoch,
        root: sha256(&[&epoch.to_be_bytes()]),
        at: 0,
    }
}

/// Makes a public log of `size` leaves; inclusion and consistency proofs a second, each of which is
/// checked.
async fn proofs(dir: &Path, size: u64) -> Vec<(&'static str, f64)> {
    let path = dir.join("public.db");
    let signer = || Signer::from_seed("bench.example/log", &[7; 32]).unwrap();
    let db = Db::sqlite(&path).await.unwrap();
    // The tables as the log makes them, then the rows as it would have written them.
    drop(PublicLog::open(db.clone(), [0; 32], signer(), None).await);
    db.close().await;
    let begun = Timer::now();
    let leaves: Vec<Hash> = (0..size).map(|epoch| leaf(epoch).leaf()).collect();
    load(&path, &leaves, &signer()).await;
    eprintln!("{size} leaves after {:.0} s", begun.elapsed().as_secs_f64());
    let root = root_of(&leaves);
    let db = Db::sqlite(&path).await.unwrap();
    let log = PublicLog::open(db.clone(), [0; 32], signer(), None)
        .await
        .unwrap();
    let mut places = Places(size);
    let inclusion = rate(async || {
        let place = places.below(size);
        let proof = log.inclusion(place, size).await.unwrap().unwrap();
        let leaf = &leaves[place as usize];
        assert!(verify_inclusion(leaf, place, size, &proof, &root));
    })
    .await;
    // Some old sizes whose roots are worked out ahead.
    let mut frontier = Frontier::new();
    let mut olds: Vec<(u64, Hash)> = Vec::new();
    let mut chosen: Vec<u64> = (0..64).map(|_| places.below(size - 1) + 1).collect();
    chosen.sort_unstable();
    for (count, leaf) in (1..).zip(&leaves) {
        frontier.push(*leaf);
        if chosen.binary_search(&count).is_ok() {
            olds.push((count, frontier.root()));
        }
    }
    let consistency = rate(async || {
        let (old, old_root) = olds[places.below(olds.len() as u64) as usize];
        let proof = log.consistency(old, size).await.unwrap().unwrap();
        assert!(verify_consistency(old, &old_root, size, &root, &proof));
    })
    .await;
    db.close().await;
    vec![
        ("inclusion_proof", inclusion),
        ("consistency_proof", consistency),
    ]
}

/// Writes the nodes of all levels, and the last epoch with its checkpoint.
async fn load(path: &Path, leaves: &[Hash], signer: &Signer) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("synchronous", "OFF");
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    for table in ["public_node", "epoch"] {
        let clear = AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(clear).execute(&mut *tx).await.unwrap();
    }
    let mut nodes = leaves.to_vec();
    for level in 0_i64.. {
        for (run, hashes) in nodes.chunks(128).enumerate() {
            let rows = vec!["(?, ?, ?)"; hashes.len()].join(", ");
            let text = format!("INSERT INTO public_node (level, n, hash) VALUES {rows}");
            let mut insert = sqlx::query(AssertSqlSafe(text));
            for (at, hash) in hashes.iter().enumerate() {
                let n = (run * 128 + at) as i64;
                insert = insert.bind(level).bind(n).bind(hash.as_slice());
            }
            insert.execute(&mut *tx).await.unwrap();
        }
        if nodes.len() < WIDTH {
            break;
        }
        nodes = nodes.chunks_exact(WIDTH).map(root_of).collect();
    }
    let size = leaves.len() as u64;
    let checkpoint = Checkpoint {
        origin: signer.verifier().name().to_owned(),
        size,
        root: root_of(leaves),
    };
    let last = leaf(size - 1);
    sqlx::query("INSERT INTO epoch (n, at_us, root, checkpoint) VALUES ($1, $2, $3, $4)")
        .bind(last.epoch as i64)
        .bind(last.at)
        .bind(last.root.as_slice())
        .bind(checkpoint.sign(signer).unwrap().format())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    connection.close().await.unwrap();
}
