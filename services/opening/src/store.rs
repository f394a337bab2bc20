//! The service's own tables: which sessions there are and where they stand, and published records.

use prost::Message;
use sunbid_contracts::opening::v1::{OpeningRecord, SessionState as Stage};
use sunbid_journal::{Db, Migration, ReadError, Val};
use sunbid_terms::Instant;

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "opening",
        sql: include_str!("../../../migrations/opening/0001_opening.sql"),
    },
    Migration {
        version: 2,
        name: "opening",
        sql: include_str!("../../../migrations/opening/0002_holder_seen.sql"),
    },
];

pub const KEEP_SESSION: &str = "INSERT INTO session (tender, stage, deadline_us) VALUES ($1, $2, $3) \
     ON CONFLICT (tender) DO UPDATE SET stage = excluded.stage, deadline_us = excluded.deadline_us";
pub const KEEP_RECORD: &str = "INSERT INTO opening_record (tender, record) VALUES ($1, $2) \
     ON CONFLICT (tender) DO NOTHING";
const SESSIONS: &str = "SELECT tender FROM session WHERE stage = $1 AND deadline_us >= $2 ORDER BY deadline_us, tender";
const COMING: &str = "SELECT tender, deadline_us FROM session WHERE stage = $1 AND deadline_us >= $2 \
     AND deadline_us < $3 ORDER BY deadline_us, tender LIMIT $4";
const OLDEST: &str = "SELECT MIN(deadline_us) FROM session WHERE stage = $1";
const SEE_HOLDER: &str = "INSERT INTO holder_seen (organization, seen_us) VALUES ($1, $2) \
     ON CONFLICT (organization) DO UPDATE SET seen_us = excluded.seen_us \
     WHERE excluded.seen_us > holder_seen.seen_us";
const SEEN_HOLDERS: &str = "SELECT organization, seen_us FROM holder_seen";
const RECORD: &str = "SELECT record FROM opening_record WHERE tender = $1";

/// Every statement, for the test that prepares them.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("keep_session", KEEP_SESSION),
    ("keep_record", KEEP_RECORD),
    ("sessions", SESSIONS),
    ("coming", COMING),
    ("oldest", OLDEST),
    ("see_holder", SEE_HOLDER),
    ("seen_holders", SEEN_HOLDERS),
    ("record", RECORD),
];

/// Tenders whose session is in one of the stages, with a deadline not before `since`.
pub async fn sessions(db: &Db, stages: &[Stage], since: Instant) -> Result<Vec<String>, ReadError> {
    let mut tenders = Vec::new();
    for stage in stages {
        let values = [Val::Int(i64::from(*stage as i32)), Val::Int(since.micros())];
        for row in db.rows(SESSIONS, &values).await? {
            tenders.push(row.text(0)?);
        }
    }
    Ok(tenders)
}

/// Scheduled openings between two times, the earliest first, with their deadlines.
pub async fn coming(
    db: &Db,
    from: Instant,
    until: Instant,
    limit: u32,
) -> Result<Vec<(String, i64)>, ReadError> {
    let values = [
        Val::Int(i64::from(Stage::Scheduled as i32)),
        Val::Int(from.micros()),
        Val::Int(until.micros()),
        Val::Int(i64::from(limit)),
    ];
    let rows = db.rows(COMING, &values).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, row.int(1)?)))
        .collect()
}

/// The earliest deadline of sessions in a stage.
pub async fn oldest(db: &Db, stage: Stage) -> Result<Option<i64>, ReadError> {
    let rows = db
        .rows(OLDEST, &[Val::Int(i64::from(stage as i32))])
        .await?;
    rows.first().map_or(Ok(None), |row| row.opt_int(0))
}

/// An institution's daemon is connected.
pub async fn see_holder(db: &Db, organization: &str, now: Instant) -> Result<(), ReadError> {
    let values = [Val::Text(organization.to_owned()), Val::Int(now.micros())];
    db.exec(SEE_HOLDER, &values).await.map(drop)
}

/// When each was last connected.
pub async fn seen_holders(db: &Db) -> Result<Vec<(String, i64)>, ReadError> {
    let rows = db.rows(SEEN_HOLDERS, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, row.int(1)?)))
        .collect()
}

/// The published record of a tender, if there is one.
pub async fn record(db: &Db, tender: &str) -> Result<Option<OpeningRecord>, ReadError> {
    let rows = db.rows(RECORD, &[Val::Text(tender.to_owned())]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    OpeningRecord::decode(row.blob(0)?.as_slice())
        .map(Some)
        .map_err(|error| ReadError::Corrupt(format!("the record of {tender}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_understood_and_rows_come_back() {
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
        let row = |stage: Stage| {
            [
                Val::Text("tenders/a".into()),
                Val::Int(i64::from(stage as i32)),
                Val::Int(7),
            ]
        };
        db.exec(KEEP_SESSION, &row(Stage::Scheduled)).await.unwrap();
        db.exec(KEEP_SESSION, &row(Stage::Closing)).await.unwrap();
        let found = |stages: &'static [Stage], since| {
            let db = db.clone();
            async move {
                sessions(&db, stages, Instant::from_micros(since))
                    .await
                    .unwrap()
            }
        };
        assert_eq!(
            found(&[Stage::Scheduled, Stage::Closing], 7).await,
            ["tenders/a"]
        );
        assert!(found(&[Stage::Closing], 8).await.is_empty());
        let record = OpeningRecord {
            tender: "tenders/a".into(),
            ..OpeningRecord::default()
        };
        let values = [
            Val::Text("tenders/a".into()),
            Val::Blob(record.encode_to_vec()),
        ];
        db.exec(KEEP_RECORD, &values).await.unwrap();
        assert_eq!(super::record(&db, "tenders/a").await.unwrap(), Some(record));
        assert_eq!(super::record(&db, "tenders/b").await.unwrap(), None);
    }
}
