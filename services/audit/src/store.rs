//! The audit's own tables: what it has verified of every log, and the faults it found.

use sunbid_journal::{Db, Migration, ReadError, Val};
use sunbid_proofs::LogId;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "audit",
    sql: include_str!("../../../migrations/audit/0001_audit.sql"),
}];

const MIRRORS: &str = "SELECT service, log_id, scope, size, frontier, last_us, closed FROM mirror";
const KEEP: &str = "INSERT INTO mirror (service, log_id, scope, size, frontier, last_us, closed) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (service, log_id) DO UPDATE SET \
     size = excluded.size, frontier = excluded.frontier, last_us = excluded.last_us, \
     closed = excluded.closed WHERE excluded.size >= mirror.size";
const FAULTS: &str =
    "SELECT service, log_id, seq, fault FROM fault ORDER BY found_us, service, seq";
const ADD_FAULT: &str = "INSERT INTO fault (service, log_id, seq, fault, found_us) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (service, log_id, seq) DO NOTHING";

/// Every statement, for the test that prepares them.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("mirrors", MIRRORS),
    ("keep", KEEP),
    ("faults", FAULTS),
    ("add_fault", ADD_FAULT),
];

/// A row of `mirror`.
#[derive(Clone, Debug)]
pub struct MirrorRow {
    pub service: String,
    pub log: LogId,
    pub scope: String,
    pub size: u64,
    pub frontier: Vec<u8>,
    pub last_us: i64,
    pub closed: bool,
}

/// A row of `fault`.
#[derive(Clone, Debug)]
pub struct FaultRow {
    pub service: String,
    pub log: LogId,
    pub seq: i64,
    pub fault: String,
}

fn log_id(bytes: &[u8]) -> Result<LogId, ReadError> {
    LogId::from_slice(bytes)
        .ok_or_else(|| ReadError::Corrupt("a log id is not 16 bytes".to_owned()))
}

pub async fn mirrors(db: &Db) -> Result<Vec<MirrorRow>, ReadError> {
    let rows = db.rows(MIRRORS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(MirrorRow {
                service: row.text(0)?,
                log: log_id(&row.blob(1)?)?,
                scope: row.text(2)?,
                size: u64::try_from(row.int(3)?).unwrap_or_default(),
                frontier: row.blob(4)?,
                last_us: row.int(5)?,
                closed: row.bool(6)?,
            })
        })
        .collect()
}

pub async fn keep(db: &Db, row: &MirrorRow) -> Result<(), ReadError> {
    let values = [
        Val::Text(row.service.clone()),
        Val::Blob(row.log.as_bytes().to_vec()),
        Val::Text(row.scope.clone()),
        Val::Int(i64::try_from(row.size).unwrap_or(i64::MAX)),
        Val::Blob(row.frontier.clone()),
        Val::Int(row.last_us),
        Val::Bool(row.closed),
    ];
    db.exec(KEEP, &values).await.map(drop)
}

pub async fn faults(db: &Db) -> Result<Vec<FaultRow>, ReadError> {
    let rows = db.rows(FAULTS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(FaultRow {
                service: row.text(0)?,
                log: log_id(&row.blob(1)?)?,
                seq: row.int(2)?,
                fault: row.text(3)?,
            })
        })
        .collect()
}

pub async fn add_fault(db: &Db, row: &FaultRow, found_us: i64) -> Result<(), ReadError> {
    let values = [
        Val::Text(row.service.clone()),
        Val::Blob(row.log.as_bytes().to_vec()),
        Val::Int(row.seq),
        Val::Text(row.fault.clone()),
        Val::Int(found_us),
    ];
    db.exec(ADD_FAULT, &values).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            check(db).await;
        }
    }

    async fn check(db: Db) {
        db.migrate(MIGRATIONS).await.unwrap();
        for (name, sql) in SQL {
            db.prepare(sql)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
