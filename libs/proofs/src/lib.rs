//! The proof formats of the audit log: records, Merkle trees, signed notes, checkpoints, tiles.
//! Pure: no I/O, no clock, no storage. Whoever checks a disclosed log needs this crate and no other.
//!
//! Every parser is canonical: what it accepts, it would write again byte for byte.

pub mod blind;
pub mod checkpoint;
pub mod cosignature;
pub mod hash;
pub mod head_proof;
pub mod id;
pub mod loss;
pub mod merkle;
pub mod note;
pub mod receipt;
pub mod record;
pub mod tile;

pub use blind::{blind, blinded_leaf, epoch_key};
pub use checkpoint::Checkpoint;
pub use cosignature::Cosignature;
pub use hash::{Hash, sha256};
pub use head_proof::{EpochLeaf, HeadProof, HeadProofError};
pub use id::{CommandId, LogId, StreamId};
pub use note::{Note, NoteError, Signature, Signer, Verifier};
pub use record::{Record, RecordHeader};
