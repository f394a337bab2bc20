//! A database in use, held so that nothing is overwritten before it was copied: one connection keeps
//! a reading transaction, without which SQLite could begin its write-ahead log anew; another takes the
//! place of the writer for a moment. Neither ever writes.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    fault::{BackupFault, at},
    wal::{self, Mark, Scan, WalFault},
};

/// How long the gate waits for a writer to finish.
const PATIENCE: Duration = Duration::from_secs(60);
/// Beyond this many frames the log's pages are written into the database, so that it begins anew.
const LONG_LOG: u64 = 2_000;

pub(crate) struct Live {
    pub name: String,
    pub path: PathBuf,
    hold: SqliteConnection,
    gate: SqliteConnection,
    mark: Option<Mark>,
}

impl Live {
    pub async fn open(name: &str, path: &Path) -> Result<Self, BackupFault> {
        let fault = |source| BackupFault::Database {
            database: name.to_owned(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(PATIENCE)
            .pragma("wal_autocheckpoint", "0");
        let mut hold = options.connect().await.map_err(fault)?;
        let gate = options.connect().await.map_err(fault)?;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut hold)
            .await
            .map_err(fault)?;
        if mode != "wal" {
            return Err(BackupFault::Form {
                database: name.to_owned(),
                what: format!("it keeps no write-ahead log but is in mode {mode:?}"),
            });
        }
        let mut live = Self {
            name: name.to_owned(),
            path: path.to_owned(),
            hold,
            gate,
            mark: None,
        };
        live.begin_holding().await?;
        Ok(live)
    }

    fn fault(&self) -> impl Fn(sqlx::Error) -> BackupFault + use<> {
        let database = self.name.clone();
        move |source| BackupFault::Database {
            database: database.clone(),
            source,
        }
    }

    async fn begin_holding(&mut self) -> Result<(), BackupFault> {
        let fault = self.fault();
        self.hold.execute("BEGIN").await.map_err(&fault)?;
        // A transaction begins with its first reading.
        sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
            .fetch_one(&mut self.hold)
            .await
            .map(drop)
            .map_err(fault)
    }

    /// From here until [`Self::open_gate`] nobody writes.
    pub async fn close_gate(&mut self) -> Result<(), BackupFault> {
        let fault = self.fault();
        self.gate
            .execute("BEGIN IMMEDIATE")
            .await
            .map(drop)
            .map_err(fault)
    }

    pub async fn open_gate(&mut self) -> Result<(), BackupFault> {
        let fault = self.fault();
        self.gate.execute("ROLLBACK").await.map(drop).map_err(fault)
    }

    /// What was committed since the last time. The gate is closed.
    pub fn read_on(&mut self) -> Result<Vec<u8>, BackupFault> {
        let mut path = self.path.clone().into_os_string();
        path.push("-wal");
        let path = PathBuf::from(path);
        let file = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&path)(error)),
        };
        let Scan { frames, mark } =
            wal::scan(file.as_ref(), self.mark).map_err(|fault| match fault {
                WalFault::Io(source) => at(&path)(source),
                WalFault::Gap => BackupFault::Gap(self.name.clone()),
                WalFault::Form(what) => BackupFault::Form {
                    database: self.name.clone(),
                    what: what.to_owned(),
                },
            })?;
        self.mark = Some(mark);
        Ok(frames)
    }

    /// Pages of the frames that were read last, in bytes.
    pub fn page_size(&self) -> u32 {
        match self.mark {
            Some(Mark::Frames(frames)) => frames.page_size,
            _ => 0,
        }
    }

    /// Lets SQLite forget what was copied, and holds what comes from now on. The gate is closed, so
    /// that nothing comes in between.
    pub async fn hold_from_here(&mut self) -> Result<(), BackupFault> {
        let fault = self.fault();
        self.hold.execute("ROLLBACK").await.map_err(&fault)?;
        let long = matches!(self.mark, Some(Mark::Frames(frames)) if frames.count > LONG_LOG);
        if long {
            // Whoever still reads an older state prevents it; then the next time.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .fetch_one(&mut self.hold)
                .await
                .map_err(fault)?;
        }
        self.begin_holding().await
    }

    pub async fn close(self) {
        // Nothing was written: how the connections end is all the same.
        let _ = self.hold.close().await;
        let _ = self.gate.close().await;
    }
}
