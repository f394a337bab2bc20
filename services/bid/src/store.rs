//! The service's own tables, every statement named; portable between SQLite and PostgreSQL.

mod uploads;

use sunbid_domain::bid::intake::{Now, Proof};
use sunbid_journal::{Db, Many, Migration, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::Instant;

pub use uploads::*;

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
    Migration {
        version: 5,
        name: crate::NAME,
        sql: include_str!("../../../migrations/bid/0005_objects.sql"),
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
    ("OTHERS_BY_ROOT", OTHERS_BY_ROOT),
    ("PAYLOAD_FILES", PAYLOAD_FILES),
    ("ADVANCE_BY_PIECE", ADVANCE_BY_PIECE),
    ("ADD_PIECE", ADD_PIECE),
    ("PIECES", PIECES),
    ("DROP_PIECES", DROP_PIECES),
    ("DISCARD", DISCARD),
    ("DISCARD_BEFORE", DISCARD_BEFORE),
    ("DISCARDED", DISCARDED),
    ("DROP_DISCARDED", DROP_DISCARDED),
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

/// A proof after the one of this beat; meets no row where there was another since.
pub fn proof_after(now: &Now, beat: i64) -> Write {
    let mut values = proven(now).to_vec();
    values.push(Val::Int(beat));
    Write {
        sql: RENEW_PROOF,
        values,
    }
}

/// Renews the proof of this beat; false where there was another since.
pub async fn renew_proof(db: &Db, now: &Now, beat: i64) -> Result<bool, Problem> {
    let write = proof_after(now, beat);
    Ok(db.exec(write.sql, &write.values).await? == 1)
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
}
