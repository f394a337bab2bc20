//! The service's own tables, every statement named; portable between SQLite and PostgreSQL.

use sunbid_domain::bid::intake::{Now, Proof};
use sunbid_journal::{Db, Many, Migration, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::Instant;

/// The service's migrations.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: crate::NAME,
        sql: include_str!("../../../migrations/bid/0001_bid.sql"),
    },
    Migration {
        version: 2,
        name: crate::NAME,
        sql: include_str!("../../../migrations/bid/0002_unclaimed_uploads.sql"),
    },
    Migration {
        version: 3,
        name: crate::NAME,
        sql: include_str!("../../../migrations/bid/0003_secret.sql"),
    },
    Migration {
        version: 4,
        name: crate::NAME,
        sql: include_str!("../../../migrations/bid/0004_intake.sql"),
    },
];

pub const SET_BIDDING: &str = "INSERT INTO bidding (tender, deadline_us, held, finished) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (tender) DO UPDATE SET \
     deadline_us = excluded.deadline_us, held = excluded.held, finished = excluded.finished";
pub const OPEN_BIDDING: &str = "SELECT tender, deadline_us, held FROM bidding \
     WHERE finished = FALSE ORDER BY deadline_us";
pub static ADD_OWN_BID: Many = Many {
    sql: "INSERT INTO own_bid (organization, tender, lot_id) VALUES {rows} \
          ON CONFLICT (organization, tender, lot_id) DO NOTHING",
    columns: 3,
};
pub const OWN_BIDS: &str = "SELECT tender, lot_id FROM own_bid \
     WHERE organization = $1 AND (tender, lot_id) > ($2, $3) ORDER BY tender, lot_id LIMIT $4";
pub static ADD_SMALL_PAYLOAD: Many = Many {
    sql: "INSERT INTO small_payload (root, payload) VALUES {rows} ON CONFLICT (root) DO NOTHING",
    columns: 2,
};
pub const SMALL_PAYLOAD: &str = "SELECT payload FROM small_payload WHERE root = $1";
pub const UPLOAD: &str = "SELECT payload_bytes, committed_bytes, complete, file, claimed, touched_us \
     FROM upload WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const BEGIN_UPLOAD: &str = "INSERT INTO upload (organization, tender, lot_id, root, \
     payload_bytes, committed_bytes, complete, file, claimed, touched_us) \
     VALUES ($1, $2, $3, $4, $5, 0, FALSE, $6, FALSE, $7) \
     ON CONFLICT (organization, tender, lot_id, root) DO UPDATE SET \
     payload_bytes = excluded.payload_bytes, committed_bytes = 0, complete = FALSE, \
     touched_us = excluded.touched_us";
pub const ADVANCE_UPLOAD: &str = "UPDATE upload \
     SET committed_bytes = $5, complete = $6, touched_us = $7 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const TOUCH_UPLOAD: &str = "UPDATE upload SET touched_us = $5 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 AND complete = TRUE";
pub const CLAIM_UPLOAD: &str = "UPDATE upload SET claimed = TRUE \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const OPEN_UPLOADS: &str = "SELECT payload_bytes, touched_us FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root <> $4 AND claimed = FALSE";
pub const STALE_UPLOADS: &str = "SELECT u.organization, u.tender, u.lot_id, u.root FROM upload u \
     WHERE u.claimed = FALSE AND (u.touched_us <= $1 OR EXISTS \
     (SELECT 1 FROM bidding b WHERE b.tender = u.tender AND b.finished = TRUE)) LIMIT 500";
pub const GIVE_UP_UPLOAD: &str = "UPDATE upload SET committed_bytes = 0, complete = FALSE \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND claimed = FALSE AND touched_us = $5";
pub const OTHERS_WITH_ROOT: &str = "SELECT COUNT(*) FROM upload \
     WHERE root = $4 AND NOT (organization = $1 AND tender = $2 AND lot_id = $3)";
pub const DROP_UPLOAD: &str = "DELETE FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND claimed = FALSE AND complete = FALSE";

pub const ADD_SECRET: &str =
    "INSERT INTO secret (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
pub const SECRET: &str = "SELECT secret FROM secret WHERE name = $1";

pub const LAST_PROOF: &str =
    "SELECT at_us, boot, steady_us, beat FROM intake_proof WHERE name = 'intake'";
pub const FIRST_PROOF: &str = "INSERT INTO intake_proof (name, at_us, boot, steady_us, beat) \
     VALUES ('intake', $1, $2, $3, 1) ON CONFLICT (name) DO NOTHING";
/// By whoever saw the proof before; another process that was faster has a newer one.
pub const RENEW_PROOF: &str = "UPDATE intake_proof \
     SET at_us = $1, boot = $2, steady_us = $3, beat = beat + 1 WHERE name = 'intake' AND beat = $4";
pub const PUT_OUTAGE: &str =
    "INSERT INTO intake_outage (seq, body, settled) VALUES ($1, $2, FALSE)";
pub const UNSETTLED: &str =
    "SELECT seq, body FROM intake_outage WHERE settled = FALSE ORDER BY seq LIMIT 1";
pub const SETTLE: &str = "UPDATE intake_outage SET settled = TRUE WHERE seq = $1";
pub const PUT_ENTRY: &str = "INSERT INTO intake_entry (seq, body) VALUES ($1, $2)";
pub const ENTRIES: &str =
    "SELECT seq, body FROM intake_entry WHERE seq < $1 ORDER BY seq DESC LIMIT $2";

/// Every statement, for the test that prepares them all.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("SET_BIDDING", SET_BIDDING),
    ("OPEN_BIDDING", OPEN_BIDDING),
    ("OWN_BIDS", OWN_BIDS),
    ("SMALL_PAYLOAD", SMALL_PAYLOAD),
    ("UPLOAD", UPLOAD),
    ("BEGIN_UPLOAD", BEGIN_UPLOAD),
    ("ADVANCE_UPLOAD", ADVANCE_UPLOAD),
    ("TOUCH_UPLOAD", TOUCH_UPLOAD),
    ("CLAIM_UPLOAD", CLAIM_UPLOAD),
    ("OPEN_UPLOADS", OPEN_UPLOADS),
    ("STALE_UPLOADS", STALE_UPLOADS),
    ("GIVE_UP_UPLOAD", GIVE_UP_UPLOAD),
    ("OTHERS_WITH_ROOT", OTHERS_WITH_ROOT),
    ("DROP_UPLOAD", DROP_UPLOAD),
    ("ADD_SECRET", ADD_SECRET),
    ("SECRET", SECRET),
    ("LAST_PROOF", LAST_PROOF),
    ("FIRST_PROOF", FIRST_PROOF),
    ("RENEW_PROOF", RENEW_PROOF),
    ("PUT_OUTAGE", PUT_OUTAGE),
    ("UNSETTLED", UNSETTLED),
    ("SETTLE", SETTLE),
    ("PUT_ENTRY", PUT_ENTRY),
    ("ENTRIES", ENTRIES),
];

/// The last proof that bids could be taken, and its beat; none before the first.
pub async fn last_proof(db: &Db) -> Result<Option<(Proof, i64)>, Problem> {
    let rows = db.rows(LAST_PROOF, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let proof = Proof {
        at: Instant::from_micros(row.int(0)?),
        boot: row.text(1)?,
        steady_us: row.int(2)?,
    };
    Ok(Some((proof, row.int(3)?)))
}

fn proven(now: &Now) -> [Val; 3] {
    [
        Val::Int(now.at.micros()),
        Val::Text(now.boot.clone()),
        Val::Int(now.steady_us),
    ]
}

/// The first proof of all.
pub fn first_proof(now: &Now) -> Write {
    Write {
        sql: FIRST_PROOF,
        values: proven(now).to_vec(),
    }
}

/// A proof after the one of this beat.
pub fn proof_after(now: &Now, beat: i64) -> Write {
    let mut values = proven(now).to_vec();
    values.push(Val::Int(beat));
    Write {
        sql: RENEW_PROOF,
        values,
    }
}

/// Renews the proof of this beat.
pub async fn renew_proof(db: &Db, now: &Now, beat: i64) -> Result<(), Problem> {
    let write = proof_after(now, beat);
    db.exec(write.sql, &write.values).await?;
    Ok(())
}

/// An outage that every tender is still to be judged by.
pub fn put_outage(seq: i64, body: &[u8]) -> Write {
    Write {
        sql: PUT_OUTAGE,
        values: vec![Val::Int(seq), Val::Blob(body.to_vec())],
    }
}

/// The first outage that waits for its tenders.
pub async fn unsettled(db: &Db) -> Result<Option<(i64, Vec<u8>)>, Problem> {
    let rows = db.rows(UNSETTLED, &[]).await?;
    let first = rows.first();
    first.map(|row| Ok((row.int(0)?, row.blob(1)?))).transpose()
}

/// Every tender was judged by the outage.
pub async fn settle(db: &Db, seq: i64) -> Result<(), Problem> {
    db.exec(SETTLE, &[Val::Int(seq)]).await?;
    Ok(())
}

/// Tenders that bids are still taken for, or held.
pub async fn open_tenders(db: &Db) -> Result<Vec<String>, Problem> {
    let rows = db.rows(OPEN_BIDDING, &[]).await?;
    rows.iter().map(|row| Ok(row.text(0)?)).collect()
}

/// An entry of the intake log as it is listed.
pub fn put_entry(seq: i64, body: &[u8]) -> Write {
    Write {
        sql: PUT_ENTRY,
        values: vec![Val::Int(seq), Val::Blob(body.to_vec())],
    }
}

/// Entries of the intake log before one, newest first.
pub async fn entries(db: &Db, before: i64, limit: u32) -> Result<Vec<(i64, Vec<u8>)>, Problem> {
    let values = [Val::Int(before), Val::Int(i64::from(limit))];
    let rows = db.rows(ENTRIES, &values).await?;
    rows.iter()
        .map(|row| Ok((row.int(0)?, row.blob(1)?)))
        .collect()
}

/// The database's secret of this name: `fresh` if there was none before.
pub async fn secret(db: &Db, name: &str, fresh: &[u8; 32]) -> Result<Vec<u8>, Problem> {
    let name = Val::Text(name.to_owned());
    db.exec(ADD_SECRET, &[name.clone(), Val::Blob(fresh.to_vec())])
        .await?;
    let rows = db.rows(SECRET, &[name]).await?;
    let row = rows.first();
    Ok(row
        .ok_or_else(|| Problem::internal("the secret that was made is not there"))?
        .blob(0)?)
}

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
    /// A submission was built on it: it stays for good.
    pub claimed: bool,
    /// When bytes last came, or a submission last asked for them.
    pub touched: Instant,
}

impl UploadKey {
    pub fn values(&self) -> Vec<Val> {
        vec![
            Val::Text(self.organization.clone()),
            Val::Text(self.tender.clone()),
            Val::Text(self.lot_id.clone()),
            Val::Blob(self.root.to_vec()),
        ]
    }

    fn values_and(&self, more: impl IntoIterator<Item = Val>) -> Vec<Val> {
        let mut values = self.values();
        values.extend(more);
        values
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
            claimed: row.bool(4)?,
            touched: Instant::from_micros(row.int(5)?),
        }))
    }

    /// Begins the upload, or begins it again; an upload keeps the file it began with.
    pub async fn begin(
        &self,
        db: &Db,
        payload_bytes: u64,
        file: &str,
        now: Instant,
    ) -> Result<(), Problem> {
        let values = self.values_and([
            Val::Int(signed(payload_bytes)),
            Val::Text(file.to_owned()),
            Val::Int(now.micros()),
        ]);
        db.exec(BEGIN_UPLOAD, &values).await?;
        Ok(())
    }

    pub async fn advance(
        &self,
        db: &Db,
        committed: u64,
        complete: bool,
        now: Instant,
    ) -> Result<(), Problem> {
        let values = self.values_and([
            Val::Int(signed(committed)),
            Val::Bool(complete),
            Val::Int(now.micros()),
        ]);
        db.exec(ADVANCE_UPLOAD, &values).await?;
        Ok(())
    }

    /// Keeps a whole upload for another while; whether it is still there.
    pub async fn touch(&self, db: &Db, now: Instant) -> Result<bool, Problem> {
        let values = self.values_and([Val::Int(now.micros())]);
        Ok(db.exec(TOUCH_UPLOAD, &values).await? == 1)
    }

    /// The organisation's other uploads for the lot that no submission claimed: how many bytes each
    /// announced and when it last moved.
    pub async fn others_open(&self, db: &Db) -> Result<Vec<(u64, Instant)>, Problem> {
        db.rows(OPEN_UPLOADS, &self.values())
            .await?
            .iter()
            .map(|row| Ok((unsigned(row.int(0)?), Instant::from_micros(row.int(1)?))))
            .collect()
    }

    /// Says that nothing of the upload is there any more, unless it moved or was claimed since it was
    /// read; whether that is so.
    pub async fn give_up(&self, db: &Db, read: &UploadRow) -> Result<bool, Problem> {
        let values = self.values_and([Val::Int(read.touched.micros())]);
        Ok(db.exec(GIVE_UP_UPLOAD, &values).await? == 1)
    }

    /// Whether another upload has the same bytes, and so the same file.
    pub async fn shares_its_file(&self, db: &Db) -> Result<bool, Problem> {
        let rows = db.rows(OTHERS_WITH_ROOT, &self.values()).await?;
        Ok(rows.first().map(|row| row.int(0)).transpose()? != Some(0))
    }

    /// Forgets an upload that was given up.
    pub async fn drop_given_up(&self, db: &Db) -> Result<(), Problem> {
        db.exec(DROP_UPLOAD, &self.values()).await?;
        Ok(())
    }
}

/// Uploads without a claim that last moved at `cut` or before, or whose tender takes nothing further;
/// some at a time.
pub async fn stale_uploads(db: &Db, cut: Instant) -> Result<Vec<UploadKey>, Problem> {
    db.rows(STALE_UPLOADS, &[Val::Int(cut.micros())])
        .await?
        .iter()
        .map(|row| {
            let root = row
                .blob(3)?
                .try_into()
                .map_err(|_| Problem::internal("a root of odd length"))?;
            Ok(UploadKey {
                organization: row.text(0)?,
                tender: row.text(1)?,
                lot_id: row.text(2)?,
                root,
            })
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
        for many in [&ADD_OWN_BID, &ADD_SMALL_PAYLOAD] {
            db.prepare_many(many).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_upload_begins_advances_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let at = Instant::from_micros;
        let key = UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [1; 32],
        };
        assert_eq!(key.find(&db).await.unwrap(), None);
        key.begin(&db, 9, "first", at(1)).await.unwrap();
        assert!(!key.touch(&db, at(1)).await.unwrap());
        key.advance(&db, 9, true, at(2)).await.unwrap();
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!((row.committed_bytes, row.complete), (9, true));
        assert!(key.touch(&db, at(3)).await.unwrap());
        assert!(!key.give_up(&db, &row).await.unwrap(), "it moved since");
        key.begin(&db, 10, "second", at(4)).await.unwrap();
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!(
            (row.payload_bytes, row.committed_bytes, row.complete),
            (10, 0, false)
        );
        assert_eq!((row.file.as_str(), row.touched), ("first", at(4)));
    }

    #[tokio::test]
    async fn only_what_no_submission_claimed_becomes_stale() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let at = Instant::from_micros;
        let key = |number| UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [number; 32],
        };
        for number in 1..4 {
            key(number).begin(&db, 9, "file", at(1)).await.unwrap();
            let key = key(number);
            key.advance(&db, 9, true, at(number.into())).await.unwrap();
        }
        db.exec(CLAIM_UPLOAD, &key(1).values()).await.unwrap();
        let open = key(3).others_open(&db).await.unwrap();
        assert_eq!(open, vec![(9, at(2))]);
        assert_eq!(stale_uploads(&db, at(2)).await.unwrap(), vec![key(2)]);
        let finished = [
            Val::Text("tenders/t".into()),
            Val::Int(1),
            Val::Bool(false),
            Val::Bool(true),
        ];
        db.exec(SET_BIDDING, &finished).await.unwrap();
        assert_eq!(
            stale_uploads(&db, at(0)).await.unwrap(),
            vec![key(2), key(3)]
        );
        for number in 1..4 {
            let row = key(number).find(&db).await.unwrap().unwrap();
            let gone = key(number).give_up(&db, &row).await.unwrap();
            assert_eq!(gone, number != 1);
            key(number).drop_given_up(&db).await.unwrap();
            assert_eq!(key(number).find(&db).await.unwrap().is_none(), number != 1);
        }
        let copy = UploadKey {
            organization: "organizations/y".into(),
            ..key(1)
        };
        assert!(!key(1).shares_its_file(&db).await.unwrap());
        copy.begin(&db, 9, "file", at(9)).await.unwrap();
        assert!(key(1).shares_its_file(&db).await.unwrap());
    }
}
