//! Sealed bids, suite 1: how a bid is sealed, opened and checked.
//!
//! Pure: no network, no storage, no clock. Randomness is handed in. What it promises is this and
//! no more: **nobody short of t of the n named institutions can read a sealed bid before they act
//! together**. It is not "nobody": t holders who agree can read early, and leave no trace.
//!
//! A supplier [`seal`]s each part of a bid to the tender's key; the key comes from a
//! [`ceremony`] among the holders, and no one ever has it whole. After the closing
//! record, each holder gives a [`Partial`] per live envelope; any t of them [`combine`] to the
//! secret with which everybody [`open`]s. Restricted parts go to the evaluators by delivery
//! instead, with a public proof. Every failure names its owner.

mod bundle;
pub mod ceremony;
mod closing;
mod combine;
mod delivery;
mod dleq;
mod group;
mod header;
mod identity;
mod keys;
mod label;
mod open;
mod padding;
mod partial;
mod pipeline;
mod reading;
mod rescue;
mod seal;
mod share_file;
mod suite;
mod tender_key;
mod transcript;
mod tree;

pub use bundle::{Bundle, BundleError, supplier_message};
pub use closing::{
    CloseSignature, Closing, ClosingEntry, ClosingError, NoQuorum, Status, check_quorum,
};
pub use combine::{BadPartial, Combination, CombineError, combine, combine_reporting};
pub use delivery::{Delivery, DeliveryError, VerifiedDelivery, combine_deliveries};
pub use dleq::DleqProof;
pub use group::{Element, GroupError, NoRandomness, SecretScalar, SharedSecret};
pub use header::{CheckedHeader, Class, Header, HeaderError, Subject};
pub use identity::{IdentityKey, IdentityRefused, Signature, is_signed_by};
pub use keys::CipherRefused;
pub use label::{Label, LabelTooLong};
pub use open::{
    OpenError, StoreFault, SupplierFault, check_payload, open, open_checked, open_short,
};
pub use padding::{CHUNK, MAXIMUM_CONTENT, TAG, padded_length, padded_of_sealed};
pub use partial::{Partial, PartialError, VerifiedPartial};
pub use pipeline::Workers;
pub use rand_core::{CryptoRngCore, OsRng};
pub use reading::ReadError;
pub use rescue::{Rescue, RescueError};
pub use seal::{SealError, Sealed, seal};
pub use share_file::{Effort, ShareFileError, open_share_file, write_share_file};
pub use suite::{RESERVED_SM, SUITE, Suite, SuiteError};
pub use tender_key::{KeyShare, SealingKey, TenderKey, TenderKeyError};
pub use tree::{PayloadTree, leaf_hash};
