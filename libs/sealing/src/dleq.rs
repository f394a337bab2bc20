//! The proof that two elements have the same discrete logarithm to two bases.
//! One routine serves the sealer, the holders and complaints. Both bases' statements, the context
//! and the suite are hashed (strong Fiat-Shamir); the nonce is hedged, so that a source of
//! randomness that repeats itself does not give the secret away.

use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::group::{Element, GroupError, NoRandomness, SecretScalar, decode_scalar, random_bytes};
use crate::transcript::{self, Tag};

/// A challenge and a response: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DleqProof {
    challenge: Scalar,
    response: Scalar,
}

/// What is proved: `a = xG` and `b = xH` for one x.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    pub(crate) a: &'a Element,
    pub(crate) h: &'a Element,
    pub(crate) b: &'a Element,
}

impl DleqProof {
    /// Length of the encoded proof in bytes.
    pub const LENGTH: usize = 64;

    pub(crate) fn prove(
        tag: Tag,
        context: &[u8],
        secret: &SecretScalar,
        statement: Statement<'_>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, NoRandomness> {
        let fresh = random_bytes::<32>(rng)?;
        let secret_bytes = secret.to_bytes();
        let nonce = Zeroizing::new(transcript::hash_to_scalar(
            Tag::Nonce,
            &[
                fresh.as_slice(),
                secret_bytes.as_slice(),
                tag.name().as_bytes(),
                context,
                statement.a.as_bytes(),
                statement.b.as_bytes(),
            ],
        ));
        let first = RistrettoPoint::mul_base(&nonce);
        let second = *nonce * statement.h.point();
        let challenge = challenge(tag, context, statement, &first, &second);
        let response = *nonce + challenge * secret.scalar();
        Ok(Self {
            challenge,
            response,
        })
    }

    /// Whether the proof holds for the statement. Works on public values only.
    pub(crate) fn holds(&self, tag: Tag, context: &[u8], statement: Statement<'_>) -> bool {
        let minus = -self.challenge;
        let first = RistrettoPoint::vartime_double_scalar_mul_basepoint(
            &minus,
            statement.a.point(),
            &self.response,
        );
        let second = RistrettoPoint::vartime_multiscalar_mul(
            [self.response, minus],
            [statement.h.point(), statement.b.point()],
        );
        challenge(tag, context, statement, &first, &second) == self.challenge
    }

    /// Challenge and response, 32 little-endian bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let (challenge, response) = bytes.split_at_mut(32);
        challenge.copy_from_slice(self.challenge.as_bytes());
        response.copy_from_slice(self.response.as_bytes());
        bytes
    }

    /// Decodes the two canonical scalars.
    ///
    /// # Errors
    /// [`GroupError::Scalar`] when one of them is not below the group order.
    pub fn decode(challenge: &[u8; 32], response: &[u8; 32]) -> Result<Self, GroupError> {
        Ok(Self {
            challenge: decode_scalar(challenge)?,
            response: decode_scalar(response)?,
        })
    }
}

fn challenge(
    tag: Tag,
    context: &[u8],
    statement: Statement<'_>,
    first: &RistrettoPoint,
    second: &RistrettoPoint,
) -> Scalar {
    transcript::hash_to_scalar(
        tag,
        &[
            context,
            statement.a.as_bytes(),
            statement.h.as_bytes(),
            statement.b.as_bytes(),
            first.compress().as_bytes(),
            second.compress().as_bytes(),
        ],
    )
}
