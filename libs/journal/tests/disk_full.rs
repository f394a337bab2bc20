//! A full disk: clean refusals, no false acknowledgement, and work goes on without a restart as
//! soon as there is room again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{SetClock, command, event, log};
use sunbid_journal::{CommitError, Db, Journal};

const BODY: usize = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_at_its_limit_recovers() {
    let place = common::sqlite(Default::default()).await;
    let journal = &place.journal;
    journal
        .commit(command("a", 0, event(&[0; BODY])))
        .await
        .unwrap();
    let mut acked = 1;
    let mut refused = 0;
    for round in 1..4_u64 {
        // The limit holds for the connection; running into it makes the pool replace that one.
        let pages = place.db.rows("PRAGMA page_count", &[]).await.unwrap();
        assert!(pages[0].int(0).unwrap() > 0);
        place
            .db
            .exec("PRAGMA max_page_count = 1", &[])
            .await
            .unwrap();
        let full = journal
            .commit(command("a", round * 100, event(&[1; BODY * 8])))
            .await;
        assert!(matches!(full, Err(CommitError::StorageFull(_))), "{full:?}");
        refused += 1;
        for id in 1..4 {
            journal
                .commit(command("a", round * 100 + id, event(&[2; BODY])))
                .await
                .unwrap();
            acked += 1;
        }
    }
    assert_eq!(refused, 3);
    assert_eq!(journal.head(log("a")).await.unwrap().unwrap().size, acked);
    assert!(journal.check().await.unwrap().is_ok());
}

/// A small file system in memory; nothing if this process may not mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(path)
            .output();
        done.is_ok_and(|done| done.status.success())
            .then(|| Self(path.to_owned()))
    }

    fn grow(&self) {
        let status = Command::new("mount")
            .args(["-o", "remount,size=32m"])
            .arg(&self.0)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the connections to the database may still be closing.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_recovers_when_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path()) else {
        eprintln!("full disk skipped: this user may not mount one");
        return;
    };
    let db = Db::sqlite(&dir.path().join("journal.db")).await.unwrap();
    let journal = Journal::open(db, Arc::new(SetClock::default()))
        .await
        .unwrap();
    let (mut acked, mut refused) = (0, 0);
    let mut id = 0;
    while refused < 200 {
        id += 1;
        assert!(id < 10_000, "the disk never filled");
        match journal.commit(command("a", id, event(&[3; BODY]))).await {
            Ok(_) => acked += 1,
            Err(CommitError::StorageFull(_) | CommitError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    disk.grow();
    for again in 0..50 {
        journal
            .commit(command("a", 20_000 + again, event(&[4; BODY])))
            .await
            .unwrap();
        acked += 1;
    }
    assert_eq!(journal.head(log("a")).await.unwrap().unwrap().size, acked);
    let report = journal.check().await.unwrap();
    assert!(report.is_ok() && report.entries == acked, "{report:?}");
    journal.stop().await;
    journal.db().close().await;
}
