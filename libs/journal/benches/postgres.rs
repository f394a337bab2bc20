//! How fast the journal commits on PostgreSQL, beside single-row inserts of the same size by as many
//! clients of pgbench on the same server in the same run: on one log, over 1,000 logs, and as two
//! replicas, each with a pool and a writer of its own: over 1,000 logs of which each has its own half, as
//! when requests are routed by tender, and both on one log.
//!
//! Prints `name<TAB>value<TAB>unit<TAB>ratio<TAB>against`; prints nothing where PostgreSQL is not
//! installed. Data go under `$SUNBID_BENCH_DIR`, or else the system's temporary folder: it must be
//! a disk that syncs, not one in memory.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Timer};

use sunbid_journal::trial::Cluster;
use sunbid_journal::{
    Command, CommandId, Db, Journal, LogId, NewEvent, Outcome, Postgres, Reads, StreamId,
};
use sunbid_proofs::sha256;
use sunbid_terms::{Clock, Instant};

const CALLERS: u64 = 64;
const BODY: usize = 1024;
const ROUNDS: usize = 3;
const SECONDS: u64 = 4;

const PLAIN: &str = "CREATE TABLE plain (n BIGSERIAL PRIMARY KEY, body BYTEA NOT NULL)";
const INSERT: &str =
    "INSERT INTO plain (body) VALUES (decode(repeat(md5(:client_id::text), 64), 'hex'));\n";

struct Steady(AtomicU64);

impl Clock for Steady {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.fetch_add(1, Ordering::Relaxed) as i64)
    }
}

fn main() {
    let base = std::env::var_os("SUNBID_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let Some(cluster) = Cluster::start_in(&base, &[]).unwrap() else {
        eprintln!("PostgreSQL is not installed");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut results: Vec<[f64; 5]> = Vec::new();
    for _ in 0..ROUNDS {
        results.push([
            runtime.block_on(plain(&cluster)),
            runtime.block_on(callers(&cluster, 1, 1)),
            runtime.block_on(callers(&cluster, 1, 1000)),
            runtime.block_on(callers(&cluster, 2, 1000)),
            runtime.block_on(callers(&cluster, 2, 1)),
        ]);
    }
    let median = |column: usize| {
        let mut values: Vec<f64> = results.iter().map(|round| round[column]).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let [plain, one, logs, routed, shared] = [0, 1, 2, 3, 4].map(median);
    let line = |name: &str, value: f64| {
        let ratio = value / plain;
        println!("{name}\t{value:.0}\t/s\t{ratio:.2}\tpgbench_64_clients");
    };
    line("pgbench_64_clients", plain);
    line("postgres_journal_64_callers", one);
    line("postgres_journal_1000_logs", logs);
    line("postgres_journal_2_replicas_routed", routed);
    line("postgres_journal_2_replicas_one_log", shared);
}

/// What the server gives clients that each insert one row a transaction.
async fn plain(cluster: &Cluster) -> f64 {
    let address = cluster.database().await.unwrap();
    let database = address.rsplit('/').next().unwrap();
    let db = open(&address).await;
    db.exec(PLAIN, &[]).await.unwrap();
    db.close().await;
    let script = std::env::temp_dir().join(format!("sunbid-{}.sql", std::process::id()));
    std::fs::write(&script, INSERT).unwrap();
    let (clients, seconds) = (CALLERS.to_string(), SECONDS.to_string());
    let file = script.display().to_string();
    let arguments = [
        "-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f", &file,
    ];
    let told = cluster.pgbench(&arguments, database).unwrap();
    std::fs::remove_file(&script).unwrap();
    let rate = told.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split(' ').next());
    rate.unwrap().parse().unwrap()
}

async fn open(address: &str) -> Db {
    let settings = Postgres::parse(address).unwrap();
    Db::postgres(&settings).await.unwrap()
}

/// 64 callers, each sending its next command when the last is durable.
async fn callers(cluster: &Cluster, replicas: u64, logs: u64) -> f64 {
    let address = cluster.database().await.unwrap();
    let mut journals = Vec::new();
    for _ in 0..replicas {
        let clock = Arc::new(Steady(AtomicU64::new(0)));
        let journal = Journal::open(open(&address).await, clock).await;
        journals.push(journal.unwrap());
    }
    let begun = Timer::now();
    let over = move || begun.elapsed() > Duration::from_secs(SECONDS);
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let journals = journals.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while !over() {
                    let n = done * CALLERS + caller;
                    // A log has its replica; of one log each replica takes every other command.
                    let journal = &journals[(n % replicas) as usize];
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
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    let report = journals[0].check().await.unwrap();
    assert!(report.is_ok() && report.entries == done, "{report:?}");
    for journal in journals {
        journal.stop().await;
        journal.db().close().await;
    }
    rate
}

/// 1 KiB that differs from entry to entry.
fn body(n: u64) -> Vec<u8> {
    let mut bytes = vec![0; BODY];
    for (place, chunk) in (n..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&place.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    }
    bytes
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
                    body: body(n),
                }],
                states: vec![(stream, Some(n.to_be_bytes().to_vec()))],
                reply: Box::new(move |_| n.to_be_bytes().to_vec()),
                ..Outcome::default()
            })
        }),
    }
}
