//! What can go wrong, by what the caller can do about it.

use sunbid_proofs::{LogId, NoteError};

use crate::command::Refusal;

/// Reading failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error("the database is not reachable now: {0}")]
    Unavailable(String),
    #[error("the disk of the database is full: {0}")]
    StorageFull(String),
    #[error("the database refused a statement: {0}")]
    Statement(String),
    #[error("the statement would break a constraint of the database: {0}")]
    Constraint(String),
    #[error("another process holds or changed the same rows: {0}")]
    Contention(String),
    #[error("the database holds something it should not: {0}")]
    Corrupt(String),
}

/// A command did not take effect; unless the variant says otherwise nothing was written.
#[derive(thiserror::Error)]
pub enum CommitError {
    /// The service's own refusal, untouched. Events that the decision wrote with it are committed.
    #[error("the command was refused")]
    Refused(Refusal),
    #[error("this command id was used before with another content")]
    CommandReused,
    #[error("the log {0} is closed")]
    Closed(LogId),
    #[error("a decision changed state or closed the log without an event that says why")]
    Unrecorded,
    #[error("the command is not acceptable: {0}")]
    Invalid(String),
    /// The command's own statements failed, others of the same transaction did not.
    #[error("a statement of the command failed: {0}")]
    Statement(String),
    #[error("the decision stopped with a panic: {0}")]
    Panicked(String),
    #[error("another process wrote to the same log at the same moment; send the command again")]
    Conflict,
    #[error("the disk of the database is full: {0}")]
    StorageFull(String),
    /// The command may or may not have taken effect; sending it again with its id is safe.
    #[error("the database is not reachable now: {0}")]
    Unavailable(String),
    #[error("the database holds something it should not: {0}")]
    Corrupt(String),
    #[error("the journal was stopped")]
    Stopped,
}

/// A refusal is the service's own type, so only the fact of it shows here.
impl std::fmt::Debug for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CommitError({self})")
    }
}

/// The journal cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Database(#[from] ReadError),
    #[error("migration {name} version {version} was applied with another text before")]
    MigrationChanged { name: String, version: i64 },
    #[error(
        "the database knows migration {name} version {found}, this program only up to {known}: \
         it is older than its data"
    )]
    NewerData {
        name: String,
        found: i64,
        known: i64,
    },
    #[error(
        "the public log has {size} leaves but a witness saw {witnessed} that do not fit: this is \
         an old or altered copy of the data, and running on would fork the log"
    )]
    BehindWitness { size: u64, witnessed: u64 },
    #[error("the signing key of the public log is not usable: {0}")]
    Key(#[from] NoteError),
}
