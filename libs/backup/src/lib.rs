//! Copies of an installation on SQLite, from which any point in time can be had again: a base copy of
//! every database, then every page that a commit wrote, in one cut through all databases at a time.
//! Knows nothing of what the services keep; never writes into a database that it copies, and never
//! restores bytes that are not the ones the signed points name.

mod archiver;
mod fault;
mod files;
mod live;
mod point;
mod restore;
mod wal;

pub use archiver::{Archiver, Installation};
pub use fault::BackupFault;
pub use point::{BaseCopy, FileCopy, Point, Segment, signer_name};
pub use restore::{Backup, Chosen, Restored};
