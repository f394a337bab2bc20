//! Values that go into statements and rows that come out, the same for both engines.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Encode, Postgres, Row as _, Type, TypeInfo, ValueRef};

use crate::error::ReadError;

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Val {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
    Bool(bool),
    Null,
}

/// A row of a result. Columns are read by their place, from 0.
#[derive(Debug)]
pub enum Row {
    #[doc(hidden)]
    Lite(SqliteRow),
    #[doc(hidden)]
    Pg(PgRow),
}

macro_rules! read {
    ($row:expr, $index:expr, $kind:ty) => {
        match $row {
            Row::Lite(row) => row.try_get_unchecked::<Option<$kind>, _>($index)?,
            Row::Pg(row) => row.try_get::<Option<$kind>, _>($index)?,
        }
    };
}

impl Row {
    pub fn int(&self, index: usize) -> Result<i64, ReadError> {
        present(self.opt_int(index)?, index)
    }

    pub fn text(&self, index: usize) -> Result<String, ReadError> {
        present(self.opt_text(index)?, index)
    }

    pub fn blob(&self, index: usize) -> Result<Vec<u8>, ReadError> {
        present(self.opt_blob(index)?, index)
    }

    pub fn bool(&self, index: usize) -> Result<bool, ReadError> {
        present(self.opt_bool(index)?, index)
    }

    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, ReadError> {
        // A literal such as `SELECT 1` is a short integer on PostgreSQL.
        if let Self::Pg(row) = self
            && row.try_get_raw(index)?.type_info().name() == "INT4"
        {
            return Ok(row.try_get::<Option<i32>, _>(index)?.map(i64::from));
        }
        Ok(read!(self, index, i64))
    }

    pub fn opt_text(&self, index: usize) -> Result<Option<String>, ReadError> {
        Ok(read!(self, index, String))
    }

    pub fn opt_blob(&self, index: usize) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(read!(self, index, Vec<u8>))
    }

    pub fn opt_bool(&self, index: usize) -> Result<Option<bool>, ReadError> {
        Ok(read!(self, index, bool))
    }

    /// A count or a place, which is never negative.
    pub(crate) fn count(&self, index: usize) -> Result<u64, ReadError> {
        let number = self.int(index)?;
        u64::try_from(number)
            .map_err(|_| ReadError::Corrupt(format!("column {index} holds {number}, below zero")))
    }
}

fn present<T>(value: Option<T>, index: usize) -> Result<T, ReadError> {
    value.ok_or_else(|| ReadError::Corrupt(format!("column {index} is NULL")))
}

fn encoding(error: BoxDynError) -> ReadError {
    ReadError::Statement(error.to_string())
}

pub(super) fn lite_arguments(values: &[Val]) -> Result<SqliteArguments, ReadError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Val::Int(value) => arguments.add(*value),
            Val::Text(value) => arguments.add(value.clone()),
            Val::Blob(value) => arguments.add(value.clone()),
            Val::Bool(value) => arguments.add(*value),
            Val::Null => arguments.add(None::<i64>),
        }
        .map_err(encoding)?;
    }
    Ok(arguments)
}

pub(super) fn pg_arguments(values: &[Val]) -> Result<PgArguments, ReadError> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), values.iter().map(size_of_value).sum());
    for value in values {
        match value {
            Val::Int(value) => arguments.add(*value),
            Val::Text(value) => arguments.add(value.as_str()),
            Val::Blob(value) => arguments.add(value.as_slice()),
            Val::Bool(value) => arguments.add(*value),
            Val::Null => arguments.add(Untyped),
        }
        .map_err(encoding)?;
    }
    Ok(arguments)
}

const fn size_of_value(value: &Val) -> usize {
    match value {
        Val::Int(_) | Val::Bool(_) | Val::Null => 8,
        Val::Text(text) => text.len(),
        Val::Blob(bytes) => bytes.len(),
    }
}

/// A NULL whose type the server infers from its place.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}
