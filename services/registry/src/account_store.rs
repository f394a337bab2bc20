//! Tables of people who sign in without a certificate: every statement, and rows in and out. Here are
//! the only secrets of theirs that are kept.

use sunbid_journal::{Db, ReadError, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::{Instant, MICROS};
use webauthn_rs::prelude::Passkey;

const PUT_ACCOUNT: &str = "INSERT INTO account (subject, version, password, passkeys) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (subject) DO UPDATE SET version = excluded.version, \
     password = excluded.password, passkeys = excluded.passkeys";
const PUT_PASSKEYS: &str = "UPDATE account SET passkeys = $3 WHERE subject = $1 AND version = $2";
const FIND_ACCOUNT: &str = "SELECT version, password, passkeys FROM account WHERE subject = $1";
const PUT_IDENTITY: &str = "INSERT INTO identity (digest, subject) VALUES ($1, $2)";
const FIND_IDENTITY: &str = "SELECT subject FROM identity WHERE digest = $1";
const DROP_IDENTITIES: &str = "DELETE FROM identity WHERE subject = $1";

// Counted before the work and in one statement, so that many guesses at once are many. The first four
// failures cost nothing; from then on each costs 5 s times the square of their number, 15 minutes at
// most. A day without any forgets them.
const COUNT_ATTEMPT: &str = "INSERT INTO attempt (account, failures, blocked_until_us, last_us) \
     VALUES ($1, 1, 0, $2) ON CONFLICT (account) DO UPDATE SET \
     failures = CASE WHEN attempt.last_us < $3 THEN 1 ELSE attempt.failures + 1 END, \
     blocked_until_us = CASE WHEN attempt.last_us < $3 OR attempt.failures < 4 THEN 0 \
     WHEN attempt.failures >= 16 THEN $2 + 900000000 \
     ELSE $2 + 5000000 * (attempt.failures - 3) * (attempt.failures - 3) END, \
     last_us = $2 WHERE attempt.blocked_until_us <= $2";
const CLEAR_ATTEMPTS: &str = "DELETE FROM attempt WHERE account = $1";
const FORGET_ATTEMPTS: &str = "DELETE FROM attempt WHERE last_us < $1";

/// After so long without another, failures are forgotten, microseconds.
const FORGOTTEN: i64 = 86_400 * MICROS;

/// Every statement by name, for the test that has both engines prepare them.
#[cfg(test)]
const SQL: &[(&str, &str)] = &[
    ("PUT_ACCOUNT", PUT_ACCOUNT),
    ("PUT_PASSKEYS", PUT_PASSKEYS),
    ("FIND_ACCOUNT", FIND_ACCOUNT),
    ("PUT_IDENTITY", PUT_IDENTITY),
    ("FIND_IDENTITY", FIND_IDENTITY),
    ("DROP_IDENTITIES", DROP_IDENTITIES),
    ("COUNT_ATTEMPT", COUNT_ATTEMPT),
    ("CLEAR_ATTEMPTS", CLEAR_ATTEMPTS),
    ("FORGET_ATTEMPTS", FORGET_ATTEMPTS),
];

/// What is kept of an account.
#[derive(Clone, Default)]
pub struct Kept {
    pub version: u64,
    /// Empty where there is none.
    pub password: String,
    pub passkeys: Vec<Passkey>,
}

fn text(value: &str) -> Val {
    Val::Text(value.to_owned())
}

fn int(value: u64) -> Val {
    Val::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

pub fn put_account(subject: &str, kept: &Kept) -> Result<Write, Problem> {
    let passkeys = serde_json::to_vec(&kept.passkeys).map_err(Problem::internal)?;
    Ok(Write {
        sql: PUT_ACCOUNT,
        values: vec![
            text(subject),
            int(kept.version),
            text(&kept.password),
            Val::Blob(passkeys),
        ],
    })
}

/// Passkeys whose counters went on; nothing where the account has changed meanwhile.
pub fn put_passkeys(subject: &str, kept: &Kept) -> Result<Write, Problem> {
    let passkeys = serde_json::to_vec(&kept.passkeys).map_err(Problem::internal)?;
    Ok(Write {
        sql: PUT_PASSKEYS,
        values: vec![text(subject), int(kept.version), Val::Blob(passkeys)],
    })
}

pub async fn find_account(db: &Db, subject: &str) -> Result<Option<Kept>, Problem> {
    let rows = db.rows(FIND_ACCOUNT, &[text(subject)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Kept {
        version: u64::try_from(row.int(0)?).map_err(Problem::internal)?,
        password: row.text(1)?,
        passkeys: serde_json::from_slice(&row.blob(2)?).map_err(Problem::internal)?,
    }))
}

pub fn put_identity(digest: &[u8; 32], subject: &str) -> Write {
    Write {
        sql: PUT_IDENTITY,
        values: vec![Val::Blob(digest.to_vec()), text(subject)],
    }
}

pub async fn find_identity(db: &Db, digest: &[u8; 32]) -> Result<Option<String>, ReadError> {
    let rows = db
        .rows(FIND_IDENTITY, &[Val::Blob(digest.to_vec())])
        .await?;
    rows.first().map(|row| row.text(0)).transpose()
}

pub fn drop_identities(subject: &str) -> Write {
    Write {
        sql: DROP_IDENTITIES,
        values: vec![text(subject)],
    }
}

/// Counts a try as if it failed; whether it may be made.
pub async fn count_attempt(db: &Db, account: &[u8], now: Instant) -> Result<bool, ReadError> {
    let values = [
        Val::Blob(account.to_vec()),
        Val::Int(now.micros()),
        Val::Int(now.plus_micros(-FORGOTTEN).micros()),
    ];
    Ok(db.exec(COUNT_ATTEMPT, &values).await? > 0)
}

pub fn clear_attempts(account: &[u8]) -> Write {
    Write {
        sql: CLEAR_ATTEMPTS,
        values: vec![Val::Blob(account.to_vec())],
    }
}

pub fn forget_attempts(now: Instant) -> Write {
    Write {
        sql: FORGET_ATTEMPTS,
        values: vec![Val::Int(now.plus_micros(-FORGOTTEN).micros())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_engines_accept_every_statement_and_slow_down_guessing() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            db.migrate(crate::store::MIGRATIONS).await.unwrap();
            for (name, sql) in SQL {
                db.prepare(sql)
                    .await
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            slows_down(&db).await;
        }
    }

    async fn slows_down(db: &Db) {
        let mut now = Instant::from_seconds(1_800_000_000);
        let count = async |now| count_attempt(db, b"account", now).await.unwrap();
        for _ in 0..5 {
            assert!(count(now).await);
        }
        // The fifth failure is the first that costs: 5 s, then 20, then 45.
        for seconds in [5, 20, 45] {
            assert!(!count(now).await);
            assert!(!count(now.plus_seconds(seconds).plus_micros(-1)).await);
            now = now.plus_seconds(seconds);
            assert!(count(now).await);
        }
        assert!(count_attempt(db, b"another", now).await.unwrap());
        for _ in 0..20 {
            now = now.plus_seconds(900);
            assert!(count(now).await, "never longer than 15 minutes");
        }
        assert!(!count(now.plus_seconds(899)).await);
        now = now.plus_seconds(86_401);
        for _ in 0..5 {
            assert!(count(now).await, "forgotten after a day");
        }
        let clear = clear_attempts(b"account");
        db.exec(clear.sql, &clear.values).await.unwrap();
        assert!(count(now).await);
        let forget = forget_attempts(now.plus_seconds(86_401));
        assert_eq!(db.exec(forget.sql, &forget.values).await.unwrap(), 2);
    }
}
