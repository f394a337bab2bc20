//! The journal alone on the same disk: what submissions are compared with, and what fills the
//! journal of a platform that starts.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant as Timer},
};

use anyhow::Context as _;
use sunbid_journal::{Command, CommandId, Db, Journal, LogId, NewEvent, Outcome, Reads, StreamId};
use sunbid_proofs::sha256;
use sunbid_service::clock::SystemClock;
use tokio::task::JoinSet;

const CALLERS: u64 = 64;
const BODY: usize = 1024;
/// How long the journal's own rate is measured.
const SPAN: Duration = Duration::from_secs(3);
/// Scope of the log with the entries; no service has it.
const SCOPE: &str = "bench";

/// Durable appends of 1 KiB a second, 64 callers, in a new journal.
pub async fn append_rate() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let db = Db::sqlite(&folder.path().join("yardstick.db")).await?;
    let journal = Journal::open(db, Arc::new(SystemClock)).await?;
    let begun = Timer::now();
    let done = append(&journal, move |_| begun.elapsed() < SPAN).await?;
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    close(journal).await;
    Ok(rate)
}

/// Appends `entries` entries of 1 KiB to the journal of a service of a stopped platform
/// whose clock was not moved.
pub async fn fill(data: &Path, service: &str, entries: u64) -> anyhow::Result<()> {
    let db = Db::sqlite(&data.join(format!("{service}.db"))).await?;
    let journal = Journal::open(db, Arc::new(SystemClock)).await?;
    let done = append(&journal, move |n| n < entries).await?;
    let head = journal.head(LogId::of("bench", SCOPE)).await?;
    let size = head.context("the filled log has a head")?.size;
    anyhow::ensure!(
        size == done,
        "{done} entries were written, {size} are there"
    );
    close(journal).await;
    Ok(())
}

async fn close(journal: Journal) {
    journal.stop().await;
    journal.db().close().await;
}

/// Each caller sends its next entry when its last is durable, as long as `go_on` says so.
async fn append(
    journal: &Journal,
    go_on: impl Fn(u64) -> bool + Copy + Send + 'static,
) -> anyhow::Result<u64> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let journal = journal.clone();
        callers.spawn(async move {
            let mut done = 0;
            while go_on(done * CALLERS + caller) {
                let committed = journal.commit(entry(done * CALLERS + caller)).await;
                committed.map_err(|fault| anyhow::anyhow!("{fault}"))?;
                done += 1;
            }
            Ok::<u64, anyhow::Error>(done)
        });
    }
    let mut done = 0;
    while let Some(caller) = callers.join_next().await {
        done += caller??;
    }
    Ok(done)
}

fn entry(n: u64) -> Command {
    let stream = StreamId::of("main");
    let id = CommandId::of(&[&n.to_be_bytes()]);
    Command {
        log: LogId::of("bench", SCOPE),
        scope: SCOPE.to_owned(),
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

/// 1 KiB that differs from entry to entry.
fn body(n: u64) -> Vec<u8> {
    let mut bytes = vec![0; BODY];
    for (place, chunk) in (n..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&place.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    }
    bytes
}
