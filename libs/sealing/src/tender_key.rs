//! The public key of one tender: what suppliers seal to and what partials are checked against.
//! Made by the ceremony; whoever holds t of its n shares can open, nobody short of that.

use curve25519_dalek::traits::{MultiscalarMul, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::{Element, GroupError, SecretScalar};
use crate::reading::{ReadError, Reading};

const MAGIC: &str = "SEALKEY1";

/// The part of a tender key that a sealer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKey {
    id: [u8; 32],
    element: Element,
}

impl SealingKey {
    /// Puts together a key published as its name and its element.
    #[must_use]
    pub const fn new(id: [u8; 32], element: Element) -> Self {
        Self { id, element }
    }

    /// The key's name: the hash of the packages it was made from.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Y.
    #[must_use]
    pub const fn element(&self) -> &Element {
        &self.element
    }
}

/// A tender key with the public share of every holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenderKey {
    sealing: SealingKey,
    threshold: u16,
    shares: Vec<Element>,
}

/// Why a tender key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TenderKeyError {
    /// n/2 < t < n does not hold.
    #[error(
        "A key of {holders} holders cannot have the threshold {threshold}: more than half, and fewer than all, must be needed."
    )]
    Threshold {
        /// t.
        threshold: u16,
        /// n.
        holders: usize,
    },
    /// The public shares are not shares of the key.
    #[error("The public shares do not belong to the public key.")]
    Inconsistent,
    /// An element is refused.
    #[error(transparent)]
    Element(#[from] GroupError),
    /// The bytes are not canonical.
    #[error(transparent)]
    Form(#[from] ReadError),
}

/// Refuses a threshold that would let two disjoint groups act, or need every holder.
pub(crate) fn check_threshold(threshold: u16, holders: usize) -> Result<(), TenderKeyError> {
    let needed = usize::from(threshold);
    if holders > usize::from(u8::MAX) || needed * 2 <= holders || needed >= holders {
        return Err(TenderKeyError::Threshold { threshold, holders });
    }
    Ok(())
}

impl TenderKey {
    /// Puts together a key from its published values and checks that they belong together:
    /// every public share must lie on the one polynomial of degree t-1 through Y.
    ///
    /// # Errors
    /// [`TenderKeyError`].
    pub fn new(
        sealing: SealingKey,
        threshold: u16,
        shares: Vec<Element>,
    ) -> Result<Self, TenderKeyError> {
        check_threshold(threshold, shares.len())?;
        let needed = usize::from(threshold);
        // Degree t-1 through Y at 0 and the first t-1 shares; each further one must fit.
        let known: Vec<(u16, &Element)> = std::iter::once(&sealing.element)
            .chain(&shares)
            .take(needed)
            .zip(0..)
            .map(|(e, i)| (i, e))
            .collect();
        let indices: Vec<u16> = known.iter().map(|(index, _)| *index).collect();
        for (share, index) in shares.iter().zip(1_u16..).skip(needed - 1) {
            let weights = weights_at(&indices, index);
            let fitted = RistrettoPoint::vartime_multiscalar_mul(
                weights,
                known.iter().map(|(_, element)| element.point()),
            );
            if fitted != *share.point() {
                return Err(TenderKeyError::Inconsistent);
            }
        }
        Ok(Self {
            sealing,
            threshold,
            shares,
        })
    }

    /// What a sealer needs.
    #[must_use]
    pub const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        self.sealing.id()
    }

    /// t: how many holders must act.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// n: how many holders there are.
    #[must_use]
    pub fn holders(&self) -> u16 {
        // Bounded by the constructor.
        self.shares.len() as u16
    }

    /// The public share of a holder; holders count from 1.
    #[must_use]
    pub fn share(&self, holder: u16) -> Option<&Element> {
        usize::from(holder)
            .checked_sub(1)
            .and_then(|position| self.shares.get(position))
    }

    /// Canonical bytes, for keeping and publishing.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.as_bytes().to_vec();
        out.extend_from_slice(self.id());
        out.extend_from_slice(self.sealing.element.as_bytes());
        out.extend_from_slice(&self.threshold.to_be_bytes());
        out.extend_from_slice(&self.holders().to_be_bytes());
        for share in &self.shares {
            out.extend_from_slice(share.as_bytes());
        }
        out
    }

    /// Reads the canonical bytes and checks that the values belong together. Whether the key is
    /// the one of a ceremony, only the ceremony's transcript tells.
    ///
    /// # Errors
    /// [`TenderKeyError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TenderKeyError> {
        let mut reading = Reading::new(bytes);
        reading.magic(MAGIC)?;
        let id = reading.array("key_id")?;
        let element = Element::decode(&reading.array("Y")?)?;
        let threshold = reading.short("threshold")?;
        let holders = reading.short("holders")?;
        let shares = (0..holders)
            .map(|_| Ok(Element::decode(&reading.array("share")?)?))
            .collect::<Result<_, TenderKeyError>>()?;
        reading.end()?;
        Self::new(SealingKey::new(id, element), threshold, shares)
    }
}

/// One holder's secret share of a tender key. Wiped when dropped.
#[derive(Clone, Debug)]
pub struct KeyShare {
    holder: u16,
    secret: SecretScalar,
    public: Element,
}

impl KeyShare {
    pub(crate) fn new(holder: u16, secret: SecretScalar) -> Self {
        let public = secret.public();
        Self {
            holder,
            secret,
            public,
        }
    }

    /// Takes a share kept elsewhere and checks that it is the holder's share of the key.
    ///
    /// # Errors
    /// [`TenderKeyError::Inconsistent`] when it is not.
    pub fn of_key(
        key: &TenderKey,
        holder: u16,
        secret: SecretScalar,
    ) -> Result<Self, TenderKeyError> {
        let share = Self::new(holder, secret);
        if key.share(holder) != Some(&share.public) {
            return Err(TenderKeyError::Inconsistent);
        }
        Ok(share)
    }

    /// Whose share it is; holders count from 1.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }

    /// The public element of the share.
    #[must_use]
    pub const fn public(&self) -> &Element {
        &self.public
    }

    /// The secret itself, wiped when dropped: for a holder's own safekeeping and for vectors.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.to_bytes()
    }

    pub(crate) const fn secret(&self) -> &SecretScalar {
        &self.secret
    }
}

/// Lagrange weights that evaluate at `at` a polynomial known at `indices` (distinct).
fn weights_at(indices: &[u16], at: u16) -> Vec<Scalar> {
    let difference = |left: u16, right: u16| Scalar::from(left) - Scalar::from(right);
    let product = |from: u16, own: u16| -> Scalar {
        indices
            .iter()
            .filter(|other| **other != own)
            .map(|other| difference(from, *other))
            .product()
    };
    // Not zero: the indices are distinct and far below the group order.
    let mut inverses: Vec<Scalar> = indices.iter().map(|own| product(*own, *own)).collect();
    // One inversion for all of them: inverting is the dear part.
    Scalar::batch_invert(&mut inverses);
    indices
        .iter()
        .zip(inverses)
        .map(|(own, inverse)| product(at, *own) * inverse)
        .collect()
}

/// Evaluates at 0 what is known at distinct holder indices; for values that stay secret.
pub(crate) fn interpolate_secret(values: &[(u16, RistrettoPoint)]) -> RistrettoPoint {
    let indices: Vec<u16> = values.iter().map(|(index, _)| *index).collect();
    RistrettoPoint::multiscalar_mul(
        weights_at(&indices, 0),
        values.iter().map(|(_, point)| point),
    )
}

/// The same for values that are published anyway; faster.
pub(crate) fn interpolate_public(values: &[(u16, RistrettoPoint)]) -> RistrettoPoint {
    let indices: Vec<u16> = values.iter().map(|(index, _)| *index).collect();
    RistrettoPoint::vartime_multiscalar_mul(
        weights_at(&indices, 0),
        values.iter().map(|(_, point)| point),
    )
}
