//! A holder's long-term signing identity: Ed25519, for ceremonies and closing records.
//! It never touches a tender's key. ring keeps the private key and does not wipe it; the seed
//! given here is the caller's to wipe.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use thiserror::Error;

/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// A holder's signing key.
pub struct IdentityKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// The seed makes no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The seed makes no Ed25519 key.")]
pub struct IdentityRefused;

impl IdentityKey {
    /// Derives the key pair of a 32-byte seed.
    ///
    /// # Errors
    /// [`IdentityRefused`] when ring refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, IdentityRefused> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| IdentityRefused)?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| IdentityRefused)?;
        Ok(Self { pair, public })
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut out = [0; 64];
        // An Ed25519 signature has 64 bytes.
        for (to, from) in out.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        out
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IdentityKey({})", hex::encode(self.public))
    }
}

/// Whether the identity signed the message.
#[must_use]
pub fn is_signed_by(identity: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, identity)
        .verify(message, signature)
        .is_ok()
}
