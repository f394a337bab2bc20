//! The service's own tables, every statement named; portable between SQLite and PostgreSQL.

mod uploads;

use sunbid_journal::{Db, Migration, Val};
use sunbid_service::Problem;

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
        sql: include_str!("../../../migrations/bid/0004_objects.sql"),
    },
];

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
pub const ADD_SECRET: &str =
    "INSERT INTO secret (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
pub const SECRET: &str = "SELECT secret FROM secret WHERE name = $1";

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
];

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
    }
}
