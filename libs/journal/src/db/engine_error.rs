//! What an engine's error means to whoever called. The only place that knows the codes.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::error::ReadError;

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref(), text),
            sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::RowNotFound => Self::Corrupt(text),
            sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) => Self::Statement(text),
            _ => Self::Unavailable(text),
        }
    }
}

fn of_database(error: &(dyn DatabaseError + 'static), text: String) -> ReadError {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return of_postgres(error.code(), text);
    }
    let code = error.code().and_then(|code| code.parse::<i64>().ok());
    of_sqlite(code.unwrap_or(0), text)
}

/// The server only reads: a standby, or a primary that was demoted.
pub(super) const READ_ONLY: &str = "25006";

/// https://www.postgresql.org/docs/current/errcodes-appendix.html
fn of_postgres(code: &str, text: String) -> ReadError {
    match (code, code.get(..2).unwrap_or_default()) {
        ("53100", _) => ReadError::StorageFull(text),
        ("40001" | "40P01" | "55P03", _) => ReadError::Contention(text),
        ("XX001" | "XX002", _) => ReadError::Corrupt(text),
        (_, "23") => ReadError::Constraint(text),
        // Ended while it was idle, or another server writes now, or the door is shut for the moment.
        (READ_ONLY | "25P03", _) => ReadError::Unavailable(text),
        (_, "08" | "28" | "3D" | "53" | "57" | "58") => ReadError::Unavailable(text),
        _ => ReadError::Statement(text),
    }
}

/// https://www.sqlite.org/rescode.html; the low byte is the primary code.
fn of_sqlite(code: i64, text: String) -> ReadError {
    // The shared index of the WAL could not grow: the first thing that fails on a full disk.
    const IOERR_SHMSIZE: i64 = 10 | (19 << 8);
    match (code, code & 0xff) {
        (IOERR_SHMSIZE, _) | (_, 13) => ReadError::StorageFull(text),
        (_, 5 | 6) => ReadError::Contention(text),
        (_, 11 | 26) => ReadError::Corrupt(text),
        (_, 19) => ReadError::Constraint(text),
        (_, 7 | 8 | 10 | 14) => ReadError::Unavailable(text),
        _ => ReadError::Statement(text),
    }
}
