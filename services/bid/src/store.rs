//! The service's own tables, every statement named; portable between SQLite and PostgreSQL.

use sunbid_journal::{Db, Migration, Val};
use sunbid_service::Problem;

/// The service's migrations.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: crate::NAME,
    sql: include_str!("../../../migrations/bid/0001_bid.sql"),
}];

pub const SET_BIDDING: &str = "INSERT INTO bidding (tender, deadline_us, held, finished) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (tender) DO UPDATE SET \
     deadline_us = excluded.deadline_us, held = excluded.held, finished = excluded.finished";
pub const OPEN_BIDDING: &str = "SELECT tender, deadline_us, held FROM bidding \
     WHERE finished = FALSE ORDER BY deadline_us";
pub const ADD_OWN_BID: &str = "INSERT INTO own_bid (organization, tender, lot_id) \
     VALUES ($1, $2, $3) ON CONFLICT (organization, tender, lot_id) DO NOTHING";
pub const OWN_BIDS: &str = "SELECT tender, lot_id FROM own_bid \
     WHERE organization = $1 AND (tender, lot_id) > ($2, $3) ORDER BY tender, lot_id LIMIT $4";
pub const ADD_SMALL_PAYLOAD: &str =
    "INSERT INTO small_payload (root, payload) VALUES ($1, $2) ON CONFLICT (root) DO NOTHING";
pub const SMALL_PAYLOAD: &str = "SELECT payload FROM small_payload WHERE root = $1";
pub const UPLOAD: &str = "SELECT payload_bytes, committed_bytes, complete, file FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const BEGIN_UPLOAD: &str = "INSERT INTO upload \
     (organization, tender, lot_id, root, payload_bytes, committed_bytes, complete, file) \
     VALUES ($1, $2, $3, $4, $5, 0, FALSE, $6) \
     ON CONFLICT (organization, tender, lot_id, root) DO UPDATE SET \
     payload_bytes = excluded.payload_bytes, committed_bytes = 0, complete = FALSE";
pub const ADVANCE_UPLOAD: &str = "UPDATE upload SET committed_bytes = $5, complete = $6 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const STALE_UPLOADS: &str = "SELECT u.organization, u.tender, u.lot_id, u.root, u.file \
     FROM upload u JOIN bidding b ON b.tender = u.tender \
     WHERE b.finished = TRUE AND u.complete = FALSE LIMIT 500";
pub const DROP_UPLOAD: &str = "DELETE FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 AND complete = FALSE";

/// Every statement, for the test that prepares them all.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("SET_BIDDING", SET_BIDDING),
    ("OPEN_BIDDING", OPEN_BIDDING),
    ("ADD_OWN_BID", ADD_OWN_BID),
    ("OWN_BIDS", OWN_BIDS),
    ("ADD_SMALL_PAYLOAD", ADD_SMALL_PAYLOAD),
    ("SMALL_PAYLOAD", SMALL_PAYLOAD),
    ("UPLOAD", UPLOAD),
    ("BEGIN_UPLOAD", BEGIN_UPLOAD),
    ("ADVANCE_UPLOAD", ADVANCE_UPLOAD),
    ("STALE_UPLOADS", STALE_UPLOADS),
    ("DROP_UPLOAD", DROP_UPLOAD),
];

/// Which upload: an organisation's payload for a lot. Two organisations never share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadKey {
    pub organization: String,
    pub tender: String,
    pub lot_id: String,
    pub root: [u8; 32],
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    pub payload_bytes: u64,
    pub committed_bytes: u64,
    pub complete: bool,
    pub file: String,
}

impl UploadKey {
    fn values(&self) -> Vec<Val> {
        vec![
            Val::Text(self.organization.clone()),
            Val::Text(self.tender.clone()),
            Val::Text(self.lot_id.clone()),
            Val::Blob(self.root.to_vec()),
        ]
    }

    pub async fn find(&self, db: &Db) -> Result<Option<UploadRow>, Problem> {
        let rows = db.rows(UPLOAD, &self.values()).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(UploadRow {
            payload_bytes: unsigned(row.int(0)?),
            committed_bytes: unsigned(row.int(1)?),
            complete: row.bool(2)?,
            file: row.text(3)?,
        }))
    }

    /// Begins the upload, or begins it again; an upload keeps the file it began with.
    pub async fn begin(&self, db: &Db, payload_bytes: u64, file: &str) -> Result<(), Problem> {
        let mut values = self.values();
        values.extend([Val::Int(signed(payload_bytes)), Val::Text(file.to_owned())]);
        db.exec(BEGIN_UPLOAD, &values).await?;
        Ok(())
    }

    pub async fn advance(&self, db: &Db, committed: u64, complete: bool) -> Result<(), Problem> {
        let mut values = self.values();
        values.extend([Val::Int(signed(committed)), Val::Bool(complete)]);
        db.exec(ADVANCE_UPLOAD, &values).await?;
        Ok(())
    }

    pub async fn drop_incomplete(&self, db: &Db) -> Result<(), Problem> {
        db.exec(DROP_UPLOAD, &self.values()).await?;
        Ok(())
    }
}

/// Incomplete uploads of tenders that take nothing further, with their files; some at a time.
pub async fn stale_uploads(db: &Db) -> Result<Vec<(UploadKey, String)>, Problem> {
    db.rows(STALE_UPLOADS, &[])
        .await?
        .iter()
        .map(|row| {
            let root = row
                .blob(3)?
                .try_into()
                .map_err(|_| Problem::internal("a root of odd length"))?;
            let key = UploadKey {
                organization: row.text(0)?,
                tender: row.text(1)?,
                lot_id: row.text(2)?,
                root,
            };
            Ok((key, row.text(4)?))
        })
        .collect()
}

/// Sizes in the database are never negative.
pub fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Sizes are far below 2^63.
pub fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_accepted_after_the_migrations() {
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

    #[tokio::test]
    async fn an_upload_begins_advances_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let key = UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [1; 32],
        };
        assert_eq!(key.find(&db).await.unwrap(), None);
        key.begin(&db, 9, "first").await.unwrap();
        key.advance(&db, 9, true).await.unwrap();
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!((row.committed_bytes, row.complete), (9, true));
        key.begin(&db, 10, "second").await.unwrap();
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!(
            (row.payload_bytes, row.committed_bytes, row.complete),
            (10, 0, false)
        );
        assert_eq!(row.file, "first");
        assert_eq!(stale_uploads(&db).await.unwrap(), vec![]);
        let finished = [
            Val::Text("tenders/t".into()),
            Val::Int(1),
            Val::Bool(false),
            Val::Bool(true),
        ];
        db.exec(SET_BIDDING, &finished).await.unwrap();
        assert_eq!(
            stale_uploads(&db).await.unwrap(),
            vec![(key.clone(), "first".into())]
        );
        key.drop_incomplete(&db).await.unwrap();
        assert_eq!(key.find(&db).await.unwrap(), None);
    }
}
