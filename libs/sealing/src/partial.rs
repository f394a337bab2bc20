//! A holder's part in opening one envelope, with the proof that it was made with the right share.
//! A record of 98 bytes: holder, D, proof. It says nothing about any other envelope, and is bound
//! to the closing record the holder acted on. This file only makes and checks partials; whether
//! the deadline has passed and the closing is signed is for the holder's service to decide first.

use curve25519_dalek::RistrettoPoint;
use rand_core::CryptoRngCore;
use thiserror::Error;

use crate::dleq::{DleqProof, Statement};
use crate::group::{Element, GroupError, NoRandomness};
use crate::header::{CheckedHeader, Class};
use crate::reading::{ReadError, Reading};
use crate::tender_key::{KeyShare, TenderKey};
use crate::transcript::{self, Tag};

/// A holder's published part in opening one envelope. Not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    holder: u16,
    element: Element,
    proof: DleqProof,
}

/// Why a partial is not made, read or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PartialError {
    /// The bytes are not canonical.
    #[error("The partial is not canonical. {0}")]
    Form(#[from] ReadError),
    /// An element or scalar in it is refused.
    #[error("The partial's values are refused. {0}")]
    Values(#[from] GroupError),
    /// There is no such holder.
    #[error("The key has no holder {holder}.")]
    Holder {
        /// The index read.
        holder: u16,
    },
    /// The proof is false.
    #[error("The partial of holder {holder} does not prove what it claims.")]
    Proof {
        /// The holder named in the record.
        holder: u16,
    },
    /// The envelope is sealed to another key.
    #[error("The envelope is sealed to another tender key.")]
    OtherKey,
    /// A public partial would show a restricted part to everybody.
    #[error("A part of class {class} is never opened by public partials.")]
    Restricted {
        /// The envelope's class.
        class: u8,
    },
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl Partial {
    /// Length of the record in bytes.
    pub const LENGTH: usize = 98;

    /// Makes a holder's partial for an envelope of class 0, under the closing record `close`.
    ///
    /// # Errors
    /// When the envelope is restricted, belongs to another key, or the share is not of this key.
    pub fn make(
        key: &TenderKey,
        share: &KeyShare,
        header: &CheckedHeader,
        close: &[u8; 32],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, PartialError> {
        check_opening(key, header)?;
        if key.share(share.holder()) != Some(share.public()) {
            return Err(PartialError::Holder {
                holder: share.holder(),
            });
        }
        Self::on_element(share, &header.ephemeral, header.id(), close, rng).map_err(Into::into)
    }

    /// The same for any ciphertext element; complaints use it too.
    pub(crate) fn on_element(
        share: &KeyShare,
        ephemeral: &Element,
        envelope: &[u8; 32],
        close: &[u8; 32],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, NoRandomness> {
        let element = share.secret().times(ephemeral);
        let statement = Statement {
            a: share.public(),
            h: ephemeral,
            b: &element,
        };
        let context = context(envelope, share.holder(), close);
        let proof = DleqProof::prove(Tag::Partial, &context, share.secret(), statement, rng)?;
        Ok(Self {
            holder: share.holder(),
            element,
            proof,
        })
    }

    pub(crate) fn holds(
        &self,
        public: &Element,
        ephemeral: &Element,
        envelope: &[u8; 32],
        close: &[u8; 32],
    ) -> bool {
        let statement = Statement {
            a: public,
            h: ephemeral,
            b: &self.element,
        };
        self.proof.holds(
            Tag::Partial,
            &context(envelope, self.holder, close),
            statement,
        )
    }

    /// Reads the record.
    ///
    /// # Errors
    /// When the bytes are not canonical or the index is zero.
    pub fn parse(bytes: &[u8]) -> Result<Self, PartialError> {
        let mut reading = Reading::new(bytes);
        let holder = reading.short("holder")?;
        let element = Element::decode(&reading.array("D")?)?;
        let proof = DleqProof::decode(&reading.array("c")?, &reading.array("s")?)?;
        reading.end()?;
        if holder == 0 {
            return Err(PartialError::Holder { holder });
        }
        Ok(Self {
            holder,
            element,
            proof,
        })
    }

    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut out = [0; Self::LENGTH];
        let (holder, rest) = out.split_at_mut(2);
        let (element, proof) = rest.split_at_mut(32);
        holder.copy_from_slice(&self.holder.to_be_bytes());
        element.copy_from_slice(self.element.as_bytes());
        proof.copy_from_slice(&self.proof.to_bytes());
        out
    }

    /// Whose partial the record says it is.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }

    pub(crate) const fn element(&self) -> &Element {
        &self.element
    }

    /// Checks the proof against the holder's public share.
    ///
    /// # Errors
    /// [`PartialError`] naming the holder.
    pub fn verify(
        &self,
        key: &TenderKey,
        header: &CheckedHeader,
        close: &[u8; 32],
    ) -> Result<VerifiedPartial, PartialError> {
        check_opening(key, header)?;
        let holder = self.holder;
        let public = key.share(holder).ok_or(PartialError::Holder { holder })?;
        if !self.holds(public, &header.ephemeral, header.id(), close) {
            return Err(PartialError::Proof { holder });
        }
        Ok(VerifiedPartial {
            holder,
            point: *self.element.point(),
            envelope: *header.id(),
        })
    }
}

/// A partial whose proof holds, for one envelope.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedPartial {
    pub(crate) holder: u16,
    pub(crate) point: RistrettoPoint,
    pub(crate) envelope: [u8; 32],
}

impl VerifiedPartial {
    /// Whose partial it is.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }
}

fn check_opening(key: &TenderKey, header: &CheckedHeader) -> Result<(), PartialError> {
    if key.id() != header.key_id() {
        return Err(PartialError::OtherKey);
    }
    match header.subject().class {
        Class::Public => Ok(()),
        class => Err(PartialError::Restricted { class: class.id() }),
    }
}

fn context(envelope: &[u8; 32], holder: u16, close: &[u8; 32]) -> [u8; 32] {
    transcript::hash(
        Tag::PartialContext,
        &[envelope, &holder.to_be_bytes(), close],
    )
}
