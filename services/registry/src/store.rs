//! The registry's own tables: every statement, and rows in and out. Nothing is decided here.

use prost::Message;
use sunbid_contracts::registry::v1::{Organization, Subject};
use sunbid_journal::{Db, Migration, ReadError, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::Instant;

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "registry",
        sql: include_str!("../../../migrations/registry/0001_registry.sql"),
    },
    Migration {
        version: 2,
        name: "accounts",
        sql: include_str!("../../../migrations/registry/0002_accounts.sql"),
    },
];

const PUT_ORGANIZATION: &str = "INSERT INTO organization (name, state, kinds, body) \
     VALUES ($1, $2, $3, $4) \
     ON CONFLICT (name) DO UPDATE SET state = excluded.state, body = excluded.body";
const PUT_SUBJECT: &str = "INSERT INTO subject (name, organization, fingerprint, refused_until_us, body) \
     VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (name) DO UPDATE SET refused_until_us = excluded.refused_until_us, \
     body = excluded.body";
const PUT_SESSION: &str = "INSERT INTO session (session_id, subject, organization, expire_us, ended) \
     VALUES ($1, $2, $3, $4, FALSE)";
const EXTEND_SESSION: &str = "UPDATE session SET expire_us = $2 WHERE session_id = $1";
const FIND_SESSION: &str =
    "SELECT subject FROM session WHERE session_id = $1 AND NOT ended AND expire_us > $2";
const END_SESSION: &str = "UPDATE session SET ended = TRUE WHERE session_id = $1";
const END_SESSIONS_OF_SUBJECT: &str = "UPDATE session SET ended = TRUE WHERE subject = $1";
const END_SESSIONS_OF_ORGANIZATION: &str =
    "UPDATE session SET ended = TRUE WHERE organization = $1";
const DROP_EXPIRED_SESSIONS: &str = "DELETE FROM session WHERE expire_us <= $1";
const SUBJECTS_WITH_SESSIONS: &str = "SELECT body FROM subject WHERE name > $1 AND name IN \
     (SELECT subject FROM session WHERE expire_us > $2 AND NOT ended) ORDER BY name LIMIT $3";
const FIND_SUBJECT: &str = "SELECT body FROM subject WHERE fingerprint = $1";
const ANY_ORGANIZATION: &str = "SELECT name FROM organization LIMIT 1";
const LIST_ORGANIZATIONS: &str = "SELECT body FROM organization \
     WHERE name > $1 AND state >= $2 AND state <= $3 AND (kinds & $4) = $4 \
     ORDER BY name LIMIT $5";
const LIST_SUBJECTS: &str = "SELECT body FROM subject \
     WHERE organization = $1 AND name > $2 ORDER BY name LIMIT $3";
const LIST_ENDED_SESSIONS: &str = "SELECT session_id FROM session \
     WHERE ended AND expire_us > $1 AND session_id > $2 ORDER BY session_id LIMIT $3";
const LIST_REFUSED_SUBJECTS: &str = "SELECT name FROM subject \
     WHERE refused_until_us > $1 AND name > $2 ORDER BY name LIMIT $3";

/// Every statement by name, for the test that has both engines prepare them.
pub const SQL: &[(&str, &str)] = &[
    ("PUT_ORGANIZATION", PUT_ORGANIZATION),
    ("PUT_SUBJECT", PUT_SUBJECT),
    ("PUT_SESSION", PUT_SESSION),
    ("EXTEND_SESSION", EXTEND_SESSION),
    ("FIND_SESSION", FIND_SESSION),
    ("END_SESSION", END_SESSION),
    ("END_SESSIONS_OF_SUBJECT", END_SESSIONS_OF_SUBJECT),
    ("END_SESSIONS_OF_ORGANIZATION", END_SESSIONS_OF_ORGANIZATION),
    ("DROP_EXPIRED_SESSIONS", DROP_EXPIRED_SESSIONS),
    ("SUBJECTS_WITH_SESSIONS", SUBJECTS_WITH_SESSIONS),
    ("FIND_SUBJECT", FIND_SUBJECT),
    ("ANY_ORGANIZATION", ANY_ORGANIZATION),
    ("LIST_ORGANIZATIONS", LIST_ORGANIZATIONS),
    ("LIST_SUBJECTS", LIST_SUBJECTS),
    ("LIST_ENDED_SESSIONS", LIST_ENDED_SESSIONS),
    ("LIST_REFUSED_SUBJECTS", LIST_REFUSED_SUBJECTS),
];

fn write(sql: &'static str, values: Vec<Val>) -> Write {
    Write { sql, values }
}

fn text(value: &str) -> Val {
    Val::Text(value.to_owned())
}

/// The bit of a kind in the column `kinds`; no bit for the unspecified kind, which filters nothing.
fn bit(kind: i32) -> i64 {
    match u32::try_from(kind) {
        Ok(kind @ 1..=62) => 1 << kind,
        _ => 0,
    }
}

pub fn put_organization(organization: &Organization) -> Write {
    let kinds = organization
        .kinds
        .iter()
        .fold(0, |all, kind| all | bit(*kind));
    write(
        PUT_ORGANIZATION,
        vec![
            text(&organization.name),
            Val::Int(i64::from(organization.state)),
            Val::Int(kinds),
            Val::Blob(organization.encode_to_vec()),
        ],
    )
}

/// `refused_until`: for a revoked subject, when the last token it may have got ends.
pub fn put_subject(organization: &str, subject: &Subject, refused_until: Instant) -> Write {
    // What has no certificate is found by its name alone; the column wants something of its own.
    let fingerprint = if subject.certificate.is_empty() {
        sunbid_certificates::fingerprint(subject.name.as_bytes())
    } else {
        sunbid_certificates::fingerprint(&subject.certificate)
    };
    write(
        PUT_SUBJECT,
        vec![
            text(&subject.name),
            text(organization),
            Val::Blob(fingerprint.to_vec()),
            Val::Int(refused_until.micros()),
            Val::Blob(subject.encode_to_vec()),
        ],
    )
}

pub fn put_session(id: &[u8], subject: &str, organization: &str, expire_us: i64) -> Write {
    write(
        PUT_SESSION,
        vec![
            Val::Blob(id.to_vec()),
            text(subject),
            text(organization),
            Val::Int(expire_us),
        ],
    )
}

pub fn extend_session(id: &[u8], expire_us: i64) -> Write {
    write(
        EXTEND_SESSION,
        vec![Val::Blob(id.to_vec()), Val::Int(expire_us)],
    )
}

/// The subject of a session that has not ended.
pub async fn find_session(db: &Db, id: &[u8], now: Instant) -> Result<Option<String>, ReadError> {
    let values = [Val::Blob(id.to_vec()), Val::Int(now.micros())];
    let rows = db.rows(FIND_SESSION, &values).await?;
    rows.first().map(|row| row.text(0)).transpose()
}

pub fn end_session(id: &[u8]) -> Write {
    write(END_SESSION, vec![Val::Blob(id.to_vec())])
}

pub fn end_sessions_of_subject(subject: &str) -> Write {
    write(END_SESSIONS_OF_SUBJECT, vec![text(subject)])
}

pub fn end_sessions_of_organization(organization: &str) -> Write {
    write(END_SESSIONS_OF_ORGANIZATION, vec![text(organization)])
}

pub fn drop_expired_sessions(now: Instant) -> Write {
    write(DROP_EXPIRED_SESSIONS, vec![Val::Int(now.micros())])
}

/// The subject of a certificate.
pub async fn find_subject(db: &Db, fingerprint: &[u8; 32]) -> Result<Option<Subject>, Problem> {
    let values = [Val::Blob(fingerprint.to_vec())];
    bodies(db, FIND_SUBJECT, &values)
        .await
        .map(|mut all| all.pop())
}

pub async fn any_organization(db: &Db) -> Result<bool, ReadError> {
    Ok(!db.rows(ANY_ORGANIZATION, &[]).await?.is_empty())
}

/// Organisations behind `after`; 0 as `state` or `kind` is no filter.
pub async fn organizations(
    db: &Db,
    after: &str,
    state: i32,
    kind: i32,
    limit: u32,
) -> Result<Vec<Organization>, Problem> {
    let (lowest, highest) = match state {
        0 => (0, i64::MAX),
        one => (i64::from(one), i64::from(one)),
    };
    let values = [
        text(after),
        Val::Int(lowest),
        Val::Int(highest),
        Val::Int(bit(kind)),
        Val::Int(i64::from(limit)),
    ];
    bodies(db, LIST_ORGANIZATIONS, &values).await
}

/// Subjects of an organisation behind `after`.
pub async fn subjects(
    db: &Db,
    organization: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Subject>, Problem> {
    let values = [text(organization), text(after), Val::Int(i64::from(limit))];
    bodies(db, LIST_SUBJECTS, &values).await
}

/// Subjects behind `after` that have open sessions.
pub async fn subjects_with_sessions(
    db: &Db,
    now: Instant,
    after: &str,
    limit: u32,
) -> Result<Vec<Subject>, Problem> {
    let values = [
        text(after),
        Val::Int(now.micros()),
        Val::Int(i64::from(limit)),
    ];
    bodies(db, SUBJECTS_WITH_SESSIONS, &values).await
}

/// Ended sessions behind `after` whose tokens have not expired.
pub async fn ended_sessions(
    db: &Db,
    now: Instant,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let values = [
        Val::Int(now.micros()),
        Val::Blob(after.to_vec()),
        Val::Int(i64::from(limit)),
    ];
    let rows = db.rows(LIST_ENDED_SESSIONS, &values).await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Revoked subjects behind `after` that may still hold a token.
pub async fn refused_subjects(
    db: &Db,
    now: Instant,
    after: &str,
    limit: u32,
) -> Result<Vec<String>, ReadError> {
    let values = [
        Val::Int(now.micros()),
        text(after),
        Val::Int(i64::from(limit)),
    ];
    let rows = db.rows(LIST_REFUSED_SUBJECTS, &values).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

async fn bodies<M: Message + Default>(
    db: &Db,
    sql: &'static str,
    values: &[Val],
) -> Result<Vec<M>, Problem> {
    let rows = db.rows(sql, values).await?;
    rows.iter()
        .map(|row| M::decode(row.blob(0)?.as_slice()).map_err(Problem::internal))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_engines_accept_every_statement() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            prepare_all(db).await;
        }
    }

    async fn prepare_all(db: Db) {
        db.migrate(MIGRATIONS).await.unwrap();
        for (name, sql) in SQL {
            db.prepare(sql)
                .await
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn kinds_are_bits_and_nothing_filters_nothing() {
        assert_eq!([bit(0), bit(1), bit(5), bit(-1), bit(99)], [0, 2, 32, 0, 0]);
    }
}
