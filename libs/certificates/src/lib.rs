//! Who holds a key: X.509 chains up to configured roots, the organisation a certificate names,
//! signatures by its key, and the exact bytes that are ever signed with it.
//! Pure: no files, no network and no clock; the time of a question is part of the question.

pub mod chain;
pub mod fault;
pub mod holder;
pub mod holder_keys;
pub mod machine;
pub mod pem;
pub mod possession;
pub mod revocation;
pub mod roots;
pub mod signature;
pub mod signer;
pub mod supplier;
#[cfg(any(test, feature = "trial"))]
pub mod trial;

pub use chain::{verify_chain, verify_now};
pub use fault::{CertificateFault, RootsError};
pub use holder::{Holder, PublicKeyAlgorithm, fingerprint, not_after};
pub use holder_keys::{HolderKeys, HolderKeysFault};
pub use revocation::{RevocationListError, RevocationLists, WithoutFreshList};
pub use roots::Roots;
pub use signature::{SignatureFault, verify_signature};
pub use signer::{Signer, SignerError};

#[cfg(test)]
mod revocation_tests;
#[cfg(test)]
mod tests;

/// The largest certificate that is looked at, in bytes; real ones have one to three thousand.
pub const MOST_CERTIFICATE_BYTES: usize = 16 * 1024;

/// The most intermediate certificates that are looked at.
pub const MOST_INTERMEDIATES: usize = 4;
