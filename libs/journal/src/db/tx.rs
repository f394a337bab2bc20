//! A transaction. Dropped without a commit, it never happened.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor, Postgres, SqlSafeStr, SqlStr, Sqlite, Transaction};

use crate::db::postgres::Server;
use crate::db::row::{Row, Val, lite_arguments, pg_arguments};
use crate::db::statement::{Dialect, Many, Texts, looked_up_in, written_in};
use crate::error::ReadError;

/// An open transaction on either engine.
#[derive(Debug)]
pub struct Tx {
    engine: Engine,
    texts: Arc<Texts>,
}

#[derive(Debug)]
enum Engine {
    Lite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>, Server),
}

impl Tx {
    pub(super) fn lite(tx: Transaction<'static, Sqlite>, texts: &Arc<Texts>) -> Self {
        Self {
            engine: Engine::Lite(tx),
            texts: Arc::clone(texts),
        }
    }

    pub(super) fn pg(
        tx: Transaction<'static, Postgres>,
        server: &Server,
        texts: &Arc<Texts>,
    ) -> Self {
        Self {
            engine: Engine::Pg(tx, server.clone()),
            texts: Arc::clone(texts),
        }
    }

    pub async fn rows(&mut self, sql: &'static str, values: &[Val]) -> Result<Vec<Row>, ReadError> {
        self.query(sql.into_sql_str(), values).await
    }

    pub async fn exec(&mut self, sql: &'static str, values: &[Val]) -> Result<u64, ReadError> {
        self.run(sql.into_sql_str(), values).await
    }

    /// Runs a file of statements, without values.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), ReadError> {
        match &mut self.engine {
            Engine::Lite(tx) => tx.execute(sqlx::raw_sql(sql)).await.map(drop)?,
            Engine::Pg(tx, _) => tx.execute(sqlx::raw_sql(sql)).await.map(drop)?,
        }
        Ok(())
    }

    /// Writes many rows with few statements. `values` holds whole rows, one after the other.
    pub(crate) async fn write_many(
        &mut self,
        many: &Many,
        values: &[Val],
    ) -> Result<(), ReadError> {
        let mut rest = values;
        for rows in written_in(values.len() / many.columns) {
            let (now, later) = rest.split_at(rows * many.columns);
            rest = later;
            let text = self.text(many, rows);
            self.run(AssertSqlSafe(text).into_sql_str(), now).await?;
        }
        Ok(())
    }

    /// Asks the database whether it would take the statement for two rows.
    pub(super) async fn prepare_many(&mut self, many: &Many) -> Result<(), ReadError> {
        let text = AssertSqlSafe(self.text(many, 2)).into_sql_str();
        match &mut self.engine {
            Engine::Lite(tx) => drop(tx.prepare(text).await?),
            Engine::Pg(tx, _) => drop(tx.prepare(text).await?),
        }
        Ok(())
    }

    /// Looks many rows up with few statements; the last of `values` is repeated to fill a
    /// statement, which finds nothing new.
    pub(crate) async fn find_many(
        &mut self,
        many: &Many,
        values: &[Val],
    ) -> Result<Vec<Row>, ReadError> {
        let mut found = Vec::new();
        let mut rest = values;
        for (rows, padded) in looked_up_in(values.len() / many.columns) {
            let (now, later) = rest.split_at(rows * many.columns);
            rest = later;
            let mut values = now.to_vec();
            for _ in rows..padded {
                values.extend_from_slice(&now[now.len() - many.columns..]);
            }
            let text = self.text(many, padded);
            found.extend(
                self.query(AssertSqlSafe(text).into_sql_str(), &values)
                    .await?,
            );
        }
        Ok(found)
    }

    /// Whether this is an engine that gives up the whole transaction when a statement fails.
    pub(crate) const fn fails_as_a_whole(&self) -> bool {
        matches!(self.engine, Engine::Pg(..))
    }

    pub async fn commit(self) -> Result<(), ReadError> {
        match self.engine {
            Engine::Lite(tx) => tx.commit().await?,
            Engine::Pg(tx, server) => server.answer(tx.commit()).await?,
        }
        Ok(())
    }

    pub async fn rollback(self) -> Result<(), ReadError> {
        match self.engine {
            Engine::Lite(tx) => tx.rollback().await?,
            Engine::Pg(tx, server) => server.answer(tx.rollback()).await?,
        }
        Ok(())
    }

    fn text(&self, many: &Many, rows: usize) -> Arc<str> {
        let dialect = match self.engine {
            Engine::Lite(_) => Dialect::Lite,
            Engine::Pg(..) => Dialect::Pg,
        };
        self.texts.text(many, rows, dialect)
    }

    async fn query(&mut self, sql: SqlStr, values: &[Val]) -> Result<Vec<Row>, ReadError> {
        match &mut self.engine {
            Engine::Lite(tx) => {
                let query = sqlx::query_with(sql, lite_arguments(values)?);
                let rows = query.fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Lite).collect())
            }
            Engine::Pg(tx, server) => {
                let query = sqlx::query_with(sql, pg_arguments(values)?);
                let rows = server.answer(query.fetch_all(&mut **tx)).await?;
                Ok(rows.into_iter().map(Row::Pg).collect())
            }
        }
    }

    async fn run(&mut self, sql: SqlStr, values: &[Val]) -> Result<u64, ReadError> {
        match &mut self.engine {
            Engine::Lite(tx) => {
                let query = sqlx::query_with(sql, lite_arguments(values)?);
                Ok(query.execute(&mut **tx).await?.rows_affected())
            }
            Engine::Pg(tx, server) => {
                let query = sqlx::query_with(sql, pg_arguments(values)?);
                let done = server.answer(query.execute(&mut **tx)).await?;
                Ok(done.rows_affected())
            }
        }
    }
}
