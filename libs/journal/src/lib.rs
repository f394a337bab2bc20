//! State and record in one transaction: the only way a service of this platform changes anything.
//!
//! [`Journal::commit`] runs a pure decision against the state of a log, writes the new state and the
//! records of why in the same transaction, and answers. Many callers share one transaction and one
//! fsync. The same SQL runs on SQLite and PostgreSQL. There is no other way to write a log.

mod audit;
mod command;
mod data_dir;
mod db;
mod error;
mod journal;
mod lease;
mod observed;
mod public_log;
mod rows;
#[cfg(feature = "trial")]
pub mod trial;
mod writer;

pub use audit::{CheckReport, Wrong};
pub use command::{
    Addition, Behind, Command, Committed, Decide, Entry, EntryRef, Head, NewEvent, Outcome, Reads,
    Refusal, Reply, StreamState, View, Write, cursor_write,
};
pub use data_dir::{DataDir, DataDirError, DataDirLock};
pub use db::{AddressFault, Db, Many, Migration, Postgres, Row, Tx, Val};
pub use error::{CommitError, OpenError, ReadError};
pub use journal::{Journal, Settings};
pub use lease::{Fence, Lease};
pub use observed::Batch;
pub use public_log::{Disclosure, LogHead, PublicLog, PublicLogError, Witnessed};
pub use sunbid_proofs::{CommandId, Hash, LogId, StreamId};
