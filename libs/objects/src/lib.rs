//! The one door to files: sealed payloads and tender documents, in a local folder or in a store that
//! speaks S3. Bytes that are not those that were put there are named, and never handed out. Knows
//! nothing of tenders or bids.

mod connect;
mod fault;
mod local;
mod pieces;
mod reading;
mod room;
mod store;
#[cfg(feature = "trial")]
pub mod trial;

pub use connect::{Credentials, OpenFault, Remote};
pub use fault::StoreFault;
pub use local::{free_bytes, sync_folder};
pub use pieces::LEAST_PIECE;
pub use reading::{Check, Checked, Sha256Check};
pub use room::Room;
pub use store::Store;

/// A SHA-256.
pub type Hash = [u8; 32];
