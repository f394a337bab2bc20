//! Migrations: files of portable SQL that are applied once, in order, each in a transaction.

use sunbid_proofs::sha256;

use crate::db::{Db, Val};
use crate::error::{OpenError, ReadError};

/// One file of one set of migrations.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1, in order.
    pub version: i64,
    /// The set: the service's name.
    pub name: &'static str,
    pub sql: &'static str,
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_version (name TEXT NOT NULL, \
     version BIGINT NOT NULL, digest BYTEA NOT NULL, PRIMARY KEY (name, version))";
const APPLIED: &str = "SELECT version, digest FROM schema_version WHERE name = $1";
const REMEMBER: &str = "INSERT INTO schema_version (name, version, digest) VALUES ($1, $2, $3)";

/// Several processes may start at once on one PostgreSQL database; all but one find the work done.
const ATTEMPTS: u32 = 10;

impl Db {
    /// Applies the migrations that are not yet. Refuses a database that a newer program has
    /// migrated further, and a file that changed after it was applied.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<(), OpenError> {
        let mut attempt = 1;
        loop {
            match self.migrate_once(migrations).await {
                Err(OpenError::Database(ReadError::Constraint(_) | ReadError::Contention(_)))
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    tokio::task::yield_now().await;
                }
                done => return done,
            }
        }
    }

    async fn migrate_once(&self, migrations: &[Migration]) -> Result<(), OpenError> {
        self.exec(CREATE, &[]).await?;
        for migration in migrations {
            let digest = sha256(&[migration.sql.as_bytes()]);
            let name = Val::Text(migration.name.to_owned());
            let known = migrations
                .iter()
                .filter(|other| other.name == migration.name)
                .map(|other| other.version)
                .fold(0, i64::max);
            let mut done = false;
            for row in self.rows(APPLIED, std::slice::from_ref(&name)).await? {
                let found = row.int(0)?;
                if found > known {
                    return Err(OpenError::NewerData {
                        name: migration.name.to_owned(),
                        found,
                        known,
                    });
                }
                if found == migration.version {
                    if row.blob(1)? != digest {
                        return Err(OpenError::MigrationChanged {
                            name: migration.name.to_owned(),
                            version: migration.version,
                        });
                    }
                    done = true;
                }
            }
            if !done {
                let mut tx = self.begin().await?;
                // First the row: a second process waits here and then finds it taken.
                let version = Val::Int(migration.version);
                tx.exec(REMEMBER, &[name, version, Val::Blob(digest.to_vec())])
                    .await?;
                tx.script(migration.sql).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}
