//! One database of one service, on SQLite or PostgreSQL, behind one set of calls.
//!
//! All SQL is portable: `$1` placeholders, BYTEA, BIGINT, BOOLEAN and TEXT columns only. On SQLite
//! there is one writing connection and a few reading ones; a commit is on the disk when it returns.

mod engine_error;
mod migrate;
mod postgres;
mod row;
mod statement;
mod tx;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

use crate::error::ReadError;

pub use migrate::Migration;
use postgres::Server;
pub use postgres::{AddressFault, Postgres};
pub use row::{Row, Val};
pub use statement::Many;
use statement::Texts;
pub use tx::Tx;

/// Connections that only read a SQLite file.
const READERS: u32 = 4;
/// Prepared statements kept per connection: the journal needs about 60, a service some dozens.
const STATEMENTS: usize = 256;
/// How long a statement waits for another process's lock on the same SQLite file.
const BUSY: Duration = Duration::from_secs(5);
/// Asked of PostgreSQL alone.
const SERVER_TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
/// How long a caller waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(15);

/// A handle to the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Engine,
    texts: Arc<Texts>,
}

#[derive(Clone, Debug)]
enum Engine {
    Lite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Pg(Server),
}

impl Db {
    /// Opens the SQLite file, creating it if need be.
    pub async fn sqlite(path: &Path) -> Result<Self, ReadError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .statement_cache_capacity(STATEMENTS);
        // When SQLite runs out of disk it rolls back by itself; sqlx still counts the transaction
        // as open and would refuse every later one. Such a connection is replaced, not reused.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                let clean = !connection.is_in_transaction();
                Box::pin(async move { Ok(clean) })
            })
            .connect_with(options.clone())
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .max_lifetime(None)
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                let clean = !connection.is_in_transaction();
                Box::pin(async move { Ok(clean) })
            })
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::of(Engine::Lite { writer, readers }))
    }

    /// Opens a PostgreSQL database, if it keeps what it acknowledges.
    pub async fn postgres(settings: &Postgres) -> Result<Self, ReadError> {
        Ok(Self::of(Engine::Pg(Server::open(settings).await?)))
    }

    fn of(engine: Engine) -> Self {
        Self {
            engine,
            texts: Arc::new(Texts::default()),
        }
    }

    /// Whether several processes may write this database at the same time.
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Pg(_))
    }

    /// Starts a transaction that writes. On SQLite it waits for the one before it.
    pub async fn begin(&self) -> Result<Tx, ReadError> {
        match &self.engine {
            Engine::Lite { writer, .. } => {
                let tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Tx::lite(tx, &self.texts))
            }
            Engine::Pg(server) => {
                let tx = server.answer(server.pool.begin()).await?;
                Ok(Tx::pg(tx, server, &self.texts))
            }
        }
    }

    /// Starts a transaction that reads one unchanging state of the database.
    pub async fn snapshot(&self) -> Result<Tx, ReadError> {
        match &self.engine {
            Engine::Lite { readers, .. } => Ok(Tx::lite(
                readers.begin_with("BEGIN DEFERRED").await?,
                &self.texts,
            )),
            Engine::Pg(server) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                let tx = server.answer(server.pool.begin_with(begin)).await?;
                Ok(Tx::pg(tx, server, &self.texts))
            }
        }
    }

    /// Reads with one statement; on SQLite it cannot write.
    pub async fn rows(&self, sql: &'static str, values: &[Val]) -> Result<Vec<Row>, ReadError> {
        match &self.engine {
            Engine::Lite { readers, .. } => {
                let rows = sqlx::query_with(sql, row::lite_arguments(values)?);
                let rows = rows.fetch_all(readers).await?;
                Ok(rows.into_iter().map(Row::Lite).collect())
            }
            Engine::Pg(server) => {
                let rows = sqlx::query_with(sql, row::pg_arguments(values)?);
                let rows = server.answer(rows.fetch_all(&server.pool)).await?;
                Ok(rows.into_iter().map(Row::Pg).collect())
            }
        }
    }

    /// Runs one statement in a transaction of its own; how many rows it touched. Not for anything
    /// that a log must record: that goes through [`crate::Journal::commit`].
    pub async fn exec(&self, sql: &'static str, values: &[Val]) -> Result<u64, ReadError> {
        match &self.engine {
            Engine::Lite { writer, .. } => {
                let done = sqlx::query_with(sql, row::lite_arguments(values)?);
                Ok(done.execute(writer).await?.rows_affected())
            }
            Engine::Pg(server) => {
                let done = sqlx::query_with(sql, row::pg_arguments(values)?);
                let done = server.answer(done.execute(&server.pool)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Asks the database to prepare a statement: whether it would be accepted. For tests that walk
    /// all statements of a service over both engines.
    pub async fn prepare(&self, sql: &'static str) -> Result<(), ReadError> {
        use sqlx::{Executor, SqlSafeStr};
        match &self.engine {
            Engine::Lite { writer, .. } => {
                writer.acquire().await?.prepare(sql.into_sql_str()).await?;
            }
            Engine::Pg(server) => {
                let mut connection = server.pool.acquire().await?;
                connection.prepare(sql.into_sql_str()).await?;
            }
        }
        Ok(())
    }

    /// The time of the database's server, microseconds since 1970 UTC; nothing where it has none of its own.
    /// For telling how far clocks are apart, and for nothing else: no decision rests on it.
    pub async fn server_time_us(&self) -> Result<Option<i64>, ReadError> {
        if !self.is_shared() {
            return Ok(None);
        }
        let rows = self.rows(SERVER_TIME, &[]).await?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// [`Db::prepare`] for a statement over several rows.
    pub async fn prepare_many(&self, many: &'static Many) -> Result<(), ReadError> {
        let mut tx = self.begin().await?;
        tx.prepare_many(many).await?;
        tx.rollback().await
    }

    /// Closes all connections, waiting for what runs.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Lite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Pg(server) => server.pool.close().await,
        }
    }
}
