//! A process that is killed in the middle of a storm of commits: whatever it acknowledged is there
//! when the next one opens the database, and the audit finds nothing wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{SetClock, command, event, log};
use sunbid_journal::{Db, Journal};

const DIR: &str = "SUNBID_STORM_DIR";
const FIRST: &str = "SUNBID_STORM_FIRST";
const CALLERS: u64 = 16;
const LIVES: u64 = 8;

async fn open(dir: &Path) -> Journal {
    let db = Db::sqlite(&dir.join("journal.db")).await.unwrap();
    Journal::open(db, Arc::new(SetClock::default()))
        .await
        .unwrap()
}

/// Not a test of its own: the process that gets killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test below"]
async fn storm() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else {
        return;
    };
    let first: u64 = first.parse().unwrap();
    let journal = open(Path::new(&dir)).await;
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let id = first + n * CALLERS + caller;
                    let name = ["a", "b", "c"][id as usize % 3];
                    let done = journal
                        .commit(command(name, id, event(&id.to_be_bytes())))
                        .await;
                    if done.is_ok() {
                        // One write, so that a line is whole or absent.
                        let line = format!("\nacked {id} end\n");
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked: BTreeSet<u64> = BTreeSet::new();
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storm", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(FIRST, (life * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each life ends after another number of acknowledgements, at no special moment of the
        // writer; what is still in the pipe was acknowledged too.
        let enough = 1 + life * 37;
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let id = line
                .strip_prefix("acked ")
                .and_then(|rest| rest.strip_suffix(" end"));
            if let Some(id) = id {
                acked.insert(id.parse().unwrap());
                seen += 1;
                if seen == enough {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= enough, "life {life} acknowledged {seen}");
        let journal = open(dir.path()).await;
        let report = journal.check().await.unwrap();
        assert!(report.is_ok(), "life {life}: {:?}", report.wrong);
        let mut found = BTreeSet::new();
        for name in ["a", "b", "c"] {
            let mut from = 0;
            loop {
                let entries = journal.read(log(name), from, 1000).await.unwrap();
                let Some(last) = entries.last() else {
                    break;
                };
                from = last.seq + 1;
                for entry in &entries {
                    let id = u64::from_be_bytes(entry.body().unwrap().try_into().unwrap());
                    assert!(found.insert(id), "command {id} had its effect twice");
                }
            }
        }
        let lost: Vec<_> = acked.difference(&found).collect();
        assert!(lost.is_empty(), "life {life} lost {lost:?}");
        journal.stop().await;
        journal.db().close().await;
    }
}
