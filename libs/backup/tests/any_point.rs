//! Databases are written while they are backed up; each point restored is what they were at that
//! moment, all at the same one. A damaged backup is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use sqlx::{
    ConnectOptions, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use sunbid_backup::{Archiver, Backup, BackupFault, Installation, Point};
use sunbid_proofs::Signer;
use sunbid_terms::{Clock, Instant};

/// Counts, so that every point has a time of its own.
#[derive(Debug, Default)]
struct Counting(AtomicI64);

impl Clock for Counting {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(std::time::Duration::from_secs(60))
        .connect()
        .await
        .unwrap()
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// Writes into one database what another has, as a follower does; rows come, change and go.
async fn write(from: &Path, to: &Path, stop: Arc<AtomicBool>, source: bool) {
    let (mut from, mut to) = (connect(from).await, connect(to).await);
    while !stop.load(Ordering::SeqCst) {
        if source {
            to.execute("BEGIN IMMEDIATE").await.unwrap();
            let next = number(&mut to, "SELECT COALESCE(MAX(n), 0) + 1 FROM entry").await;
            sqlx::query("INSERT INTO entry (n, body) VALUES ($1, randomblob(3000))")
                .bind(next)
                .execute(&mut to)
                .await
                .unwrap();
            sqlx::query("UPDATE entry SET body = randomblob(500) WHERE n = $1")
                .bind(next / 2)
                .execute(&mut to)
                .await
                .unwrap();
            sqlx::query("DELETE FROM entry WHERE n = $1")
                .bind(next - 400)
                .execute(&mut to)
                .await
                .unwrap();
            to.execute("COMMIT").await.unwrap();
        } else {
            let seen = number(&mut from, "SELECT COALESCE(MAX(n), 0) FROM entry").await;
            sqlx::query("UPDATE cursor SET n = $1")
                .bind(seen)
                .execute(&mut to)
                .await
                .unwrap();
        }
        tokio::task::yield_now().await;
    }
}

async fn contents(folder: &Path) -> (i64, i64, Vec<(i64, Vec<u8>)>) {
    let mut source = connect(&folder.join("source.db")).await;
    let mut follower = connect(&folder.join("follower.db")).await;
    let rows = sqlx::query_as("SELECT n, body FROM entry ORDER BY n")
        .fetch_all(&mut source)
        .await
        .unwrap();
    let last = number(&mut source, "SELECT COALESCE(MAX(n), 0) FROM entry").await;
    let seen = number(&mut follower, "SELECT n FROM cursor").await;
    source.close().await.unwrap();
    follower.close().await.unwrap();
    (last, seen, rows)
}

fn signer() -> Signer {
    Signer::from_seed("sandbox.test/backup", &[7; 32]).unwrap()
}

async fn installation(root: &Path) -> Installation {
    fs::create_dir_all(root.join("bid/sealed/ab")).unwrap();
    fs::create_dir_all(root.join("roots")).unwrap();
    fs::create_dir_all(root.join("keys")).unwrap();
    fs::write(root.join("keys/log.secret"), [7; 32]).unwrap();
    fs::write(root.join("platform.toml"), "origin = \"sandbox.test\"\n").unwrap();
    fs::write(root.join("witnessed.txt"), "1 00\n").unwrap();
    fs::write(root.join("bid/sealed/ab/abcd"), b"sealed").unwrap();
    let mut source = connect(&root.join("source.db")).await;
    source
        .execute("CREATE TABLE entry (n BIGINT NOT NULL PRIMARY KEY, body BLOB NOT NULL)")
        .await
        .unwrap();
    let mut follower = connect(&root.join("follower.db")).await;
    follower
        .execute("CREATE TABLE cursor (n BIGINT NOT NULL)")
        .await
        .unwrap();
    follower
        .execute("INSERT INTO cursor (n) VALUES (0)")
        .await
        .unwrap();
    source.close().await.unwrap();
    follower.close().await.unwrap();
    Installation {
        origin: "sandbox.test".into(),
        root: root.to_owned(),
        databases: vec!["source".into(), "follower".into()],
        secret_files: Vec::new(),
        secrets: vec![("keys.sealed".into(), b"sealed keys".to_vec())],
    }
}

/// A backup with many points of databases that two tasks write meanwhile, and what a reader saw of
/// both at the same moments.
async fn written(home: &Path, points: usize) -> Vec<Point> {
    let root = home.join("platform");
    let installation = installation(&root).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (source, follower) = (root.join("source.db"), root.join("follower.db"));
    let writers = [
        tokio::spawn({
            let (source, stop) = (source.clone(), stop.clone());
            async move { write(&source, &source, stop, true).await }
        }),
        tokio::spawn(async move { write(&source, &follower, stop.clone(), false).await }),
    ];
    let (mut archiver, first) = Archiver::begin(
        installation,
        &home.join("backup"),
        signer(),
        Arc::new(Counting::default()),
    )
    .await
    .unwrap();
    let mut made = vec![first];
    while made.len() < points {
        let number = made.len();
        if number == points / 2 {
            fs::write(root.join("bid/sealed/ab/beef"), b"later").unwrap();
            fs::write(root.join("witnessed.txt"), "9 00\n").unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        made.extend(archiver.point().await.unwrap());
    }
    for writer in &writers {
        writer.abort();
    }
    for writer in writers {
        let _ = writer.await;
    }
    made.extend(archiver.point().await.unwrap());
    archiver.end().await;
    made
}

async fn restored(home: &Path, point: &Point, name: &str) -> std::path::PathBuf {
    let backup = Backup::open(&home.join("backup"), signer().verifier()).unwrap();
    let (backup, chosen) = backup.choose(Some(point.time()), None).unwrap();
    assert_eq!(
        (chosen.generation, chosen.number),
        (point.generation, point.number)
    );
    let target = home.join(name);
    backup.restore(&chosen, &target).await.unwrap();
    target
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_point_is_one_moment_of_all_databases() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let points = written(home, 48).await;
    let live = contents(&home.join("platform")).await;
    assert!(live.0 > 20, "the writers hardly wrote: {}", live.0);
    let mut before = 0;
    for (index, point) in points.iter().enumerate() {
        let last = index + 1 == points.len();
        if index % 9 != 0 && !last {
            continue;
        }
        let target = restored(home, point, &format!("at-{index}")).await;
        let (newest, seen, rows) = contents(&target).await;
        assert!(seen <= newest, "the follower is ahead: {seen} of {newest}");
        assert!(
            newest >= before,
            "point {index} is older than the one before"
        );
        assert_eq!(rows.len() as i64, newest.min(400));
        before = newest;
        if last {
            assert_eq!((newest, seen, rows), live);
        }
        assert_eq!(
            fs::read(target.join("bid/sealed/ab/abcd")).unwrap(),
            b"sealed"
        );
        assert_eq!(
            target.join("bid/sealed/ab/beef").exists(),
            index >= points.len() / 2
        );
        // What witnesses saw never goes back.
        assert_eq!(
            fs::read_to_string(target.join("witnessed.txt")).unwrap(),
            "9 00\n"
        );
        assert_eq!(
            fs::read(target.join("keys.sealed")).unwrap(),
            b"sealed keys"
        );
        assert!(!target.join("keys").exists());
        fs::remove_dir_all(target).unwrap();
    }
    let backup = Backup::open(&home.join("backup"), signer().verifier()).unwrap();
    assert_eq!(backup.verify().unwrap(), points.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_named_and_not_restored() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let points = written(home, 12).await;
    let last = points.last().unwrap();
    let folder = home.join("backup/generations/00000001");
    let payload = &points[0]
        .files
        .iter()
        .find(|file| file.path.ends_with("abcd"))
        .unwrap()
        .sha256;
    let files = [
        folder.join("base/source.db"),
        folder.join("base/follower.db"),
        folder.join("frames"),
        folder.join("points"),
        home.join("backup/files").join(&payload[..2]).join(payload),
    ];
    for (index, path) in files.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        for place in [whole.len() / 2, whole.len() / 3] {
            let byte = whole[place];
            file.write_all_at(&[byte ^ 1], place as u64).unwrap();
            let target = home.join(format!("damaged-{index}"));
            let fault = async {
                let backup = Backup::open(&home.join("backup"), signer().verifier())?;
                assert!(backup.verify().is_err());
                let (backup, chosen) = backup.choose(Some(last.time()), None)?;
                backup.restore(&chosen, &target).await
            };
            let fault = fault.await.unwrap_err();
            let named = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(fault.to_string().contains(&named), "{fault}");
            assert!(!target.exists());
            file.write_all_at(&[byte], place as u64).unwrap();
        }
    }
    let other = Signer::from_seed("sandbox.test/backup", &[8; 32]).unwrap();
    let backup = Backup::open(&home.join("backup"), other.verifier()).unwrap();
    assert!(matches!(
        backup.choose(None, None),
        Err(BackupFault::Damaged { .. })
    ));
    let backup = Backup::open(&home.join("backup"), signer().verifier()).unwrap();
    let early = backup.choose(Some(Instant::from_micros(-1)), None);
    assert!(matches!(early, Err(BackupFault::TooEarly { .. })));
    restored(home, last, "whole").await;
}
