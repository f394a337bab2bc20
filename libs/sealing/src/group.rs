//! Elements and scalars of ristretto255 (RFC 9496) as values that cannot be wrong.
//! An [`Element`] was decoded canonically and is not the identity; a [`SecretScalar`] is wiped when
//! dropped and never printed. Nothing else in this library decodes group bytes.

use std::fmt;
use std::sync::OnceLock;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRngCore;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::transcript::{self, Tag};

/// Why bytes are not a group element or a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// RFC 9496 refuses the bytes.
    #[error("The 32 bytes are not the canonical encoding of a ristretto255 element.")]
    Element,
    /// The identity proves and hides nothing.
    #[error("The ristretto255 element is the identity.")]
    Identity,
    /// The number is not below the group order.
    #[error("The 32 bytes are not a scalar below the group order.")]
    Scalar,
    /// A secret must not be zero.
    #[error("The secret scalar is zero.")]
    Zero,
}

/// The system's source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The source of randomness gave no bytes.")]
pub struct NoRandomness;

/// A group element other than the identity, with its canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element {
    point: RistrettoPoint,
    bytes: [u8; 32],
}

impl Element {
    /// Decodes the canonical 32 bytes.
    ///
    /// # Errors
    /// [`GroupError::Element`] or [`GroupError::Identity`].
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, GroupError> {
        let point = CompressedRistretto(*bytes)
            .decompress()
            .ok_or(GroupError::Element)?;
        if point.is_identity() {
            return Err(GroupError::Identity);
        }
        Ok(Self {
            point,
            bytes: *bytes,
        })
    }

    pub(crate) fn from_point(point: RistrettoPoint) -> Result<Self, GroupError> {
        if point.is_identity() {
            return Err(GroupError::Identity);
        }
        Ok(Self {
            point,
            bytes: point.compress().to_bytes(),
        })
    }

    /// The canonical 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) const fn point(&self) -> &RistrettoPoint {
        &self.point
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Element({})", hex::encode(self.bytes))
    }
}

/// A secret number below the group order and not zero; wiped when dropped.
#[derive(Clone)]
pub struct SecretScalar(Zeroizing<Scalar>);

impl SecretScalar {
    /// 64 random bytes modulo the group order.
    ///
    /// # Errors
    /// [`NoRandomness`] when the source fails.
    pub fn random(rng: &mut dyn CryptoRngCore) -> Result<Self, NoRandomness> {
        let wide = random_bytes::<64>(rng)?;
        let scalar = Scalar::from_bytes_mod_order_wide(&wide);
        // A source that gives zeros is broken; going on would seal to a key everybody knows.
        Self::from_scalar(scalar).map_err(|_| NoRandomness)
    }

    pub(crate) fn from_scalar(scalar: Scalar) -> Result<Self, GroupError> {
        let scalar = Zeroizing::new(scalar);
        if *scalar == Scalar::ZERO {
            return Err(GroupError::Zero);
        }
        Ok(Self(scalar))
    }

    /// Decodes 32 canonical little-endian bytes.
    ///
    /// # Errors
    /// [`GroupError::Scalar`] or [`GroupError::Zero`].
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, GroupError> {
        Self::from_scalar(decode_scalar(bytes)?)
    }

    /// The 32 little-endian bytes, wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public element of this secret.
    #[must_use]
    pub fn public(&self) -> Element {
        let point = RistrettoPoint::mul_base(&self.0);
        // Not the identity: the group has prime order and the scalar is not zero.
        Element {
            point,
            bytes: point.compress().to_bytes(),
        }
    }

    /// This secret times an element.
    pub(crate) fn times(&self, element: &Element) -> Element {
        let point = *self.0 * element.point;
        // Not the identity, for the same reason.
        Element {
            point,
            bytes: point.compress().to_bytes(),
        }
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.0
    }
}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretScalar(hidden)")
    }
}

/// What sealer and holders arrive at together: the key of one envelope is derived from it.
/// Wiped when dropped.
#[derive(Clone)]
pub struct SharedSecret(Zeroizing<[u8; 32]>);

impl SharedSecret {
    pub(crate) fn from_point(mut point: RistrettoPoint) -> Self {
        let secret = Self(Zeroizing::new(point.compress().to_bytes()));
        point.zeroize();
        secret
    }

    /// The canonical element bytes, for a record that publishes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SharedSecret(hidden)")
    }
}

pub(crate) fn decode_scalar(bytes: &[u8; 32]) -> Result<Scalar, GroupError> {
    Option::from(Scalar::from_canonical_bytes(*bytes)).ok_or(GroupError::Scalar)
}

/// The second base of TDH2; nobody knows its discrete logarithm.
pub(crate) fn second_base() -> &'static Element {
    static BASE: OnceLock<Element> = OnceLock::new();
    BASE.get_or_init(|| {
        let point = transcript::hash_to_point(Tag::SecondBase, &[]);
        // A constant of the suite, fixed by a test; it is not the identity.
        Element {
            point,
            bytes: point.compress().to_bytes(),
        }
    })
}

pub(crate) fn random_bytes<const N: usize>(
    rng: &mut dyn CryptoRngCore,
) -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    rng.try_fill_bytes(bytes.as_mut_slice())
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_base_is_the_published_one() {
        assert_eq!(
            hex::encode(second_base().as_bytes()),
            "f67c32e71078115a86b2f4f8f506dc671075c5d2beb29e0653973ab979640017"
        );
    }

    #[test]
    fn identity_and_loose_encodings_are_refused() {
        assert_eq!(Element::decode(&[0; 32]), Err(GroupError::Identity));
        let mut field_order = [0xff; 32];
        field_order[0] = 0xed;
        field_order[31] = 0x7f;
        assert_eq!(Element::decode(&field_order), Err(GroupError::Element));
        let mut high_bit = *second_base().as_bytes();
        high_bit[31] |= 0x80;
        assert_eq!(Element::decode(&high_bit), Err(GroupError::Element));
        assert_eq!(decode_scalar(&[0xff; 32]), Err(GroupError::Scalar));
        assert!(matches!(
            SecretScalar::decode(&[0; 32]),
            Err(GroupError::Zero)
        ));
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = SecretScalar::decode(&{
            let mut one = [0; 32];
            one[0] = 1;
            one
        })
        .unwrap();
        assert_eq!(format!("{secret:?}"), "SecretScalar(hidden)");
    }
}
