//! What tests of services share: which database they run over.

use std::{io, sync::Arc};

use sunbid_journal::trial;

use crate::setting::Database;

/// Names the engine that front-door tests run over: `postgres`, or SQLite where it is not set.
pub const ENGINE_VARIABLE: &str = "SUNBID_TEST_ENGINE";

/// A fresh database: SQLite files, or where [`ENGINE_VARIABLE`] says so one of PostgreSQL, which
/// must then be there.
pub async fn database() -> io::Result<Database> {
    match std::env::var(ENGINE_VARIABLE).as_deref() {
        Ok("postgres") => {
            let settings = trial::fresh_database().await?;
            let missing = || io::Error::other("PostgreSQL is asked for and not installed");
            let settings = settings.ok_or_else(missing)?;
            Ok(Database::Postgres(Arc::new(settings)))
        }
        Ok("") | Err(_) => Ok(Database::Embedded),
        Ok(other) => Err(io::Error::other(format!(
            "{ENGINE_VARIABLE}={other:?} is no engine; say postgres or nothing"
        ))),
    }
}
