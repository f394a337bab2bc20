//! Values as SQLite's `quote()` writes them, which tells types apart as well: rows are compared as such
//! texts.

use sunbid_journal::{Db, ReadError};

pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub(crate) fn blob(value: &[u8]) -> String {
    format!("X'{}'", hex::encode_upper(value))
}

pub(crate) fn bool(value: bool) -> String {
    i64::from(value).to_string()
}

/// A row of values.
pub(crate) fn row(values: &[String]) -> String {
    values.join(",")
}

/// The rows of a statement that gives one text each.
pub(crate) async fn rows(db: &Db, sql: &'static str) -> Result<Vec<String>, ReadError> {
    let rows = db.rows(sql, &[]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table'";

/// The tables that are there: data that an earlier program left do not have the newest yet.
pub(crate) async fn tables(db: &Db) -> Result<Vec<String>, ReadError> {
    rows(db, TABLES).await
}

pub(crate) fn has(tables: &[String], table: &str) -> bool {
    tables.iter().any(|name| name == table)
}
