//! Why a backup is not made or not restored; each says which file, and what is wrong with it.

use std::{
    io,
    path::{Path, PathBuf},
};

use sunbid_proofs::NoteError;
use sunbid_terms::Instant;

#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the database {database} cannot be read: {source}")]
    Database {
        database: String,
        source: sqlx::Error,
    },
    #[error("the database {database} is not as its backup needs it: {what}")]
    Form { database: String, what: String },
    #[error(
        "commits of the database {0} were overwritten before they were copied; a new base copy is needed"
    )]
    Gap(String),
    #[error("the backup cannot be signed: {0}")]
    Sign(NoteError),
    #[error("another process writes the backup {0}")]
    Held(PathBuf),
    #[error("the backup is damaged: {file}: {what}")]
    Damaged { file: PathBuf, what: String },
    #[error("{0} holds no backup")]
    None(PathBuf),
    #[error("nothing was backed up as early as {asked}; the earliest is of {earliest}")]
    TooEarly { asked: Instant, earliest: Instant },
    #[error("{0} exists already; a restore never writes over anything")]
    Exists(PathBuf),
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> BackupFault + use<> {
    let path = path.to_owned();
    move |source| BackupFault::Io {
        path: path.clone(),
        source,
    }
}

pub(crate) fn damaged(file: &Path, what: impl Into<String>) -> BackupFault {
    BackupFault::Damaged {
        file: file.to_owned(),
        what: what.into(),
    }
}
