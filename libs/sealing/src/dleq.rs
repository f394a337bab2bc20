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

#[cfg(test)]
mod tests {
    use rand_core::{CryptoRng, RngCore};

    use super::*;
    use crate::group::second_base;

    /// Gives the same bytes for ever.
    struct Stuck;

    impl RngCore for Stuck {
        fn next_u32(&mut self) -> u32 {
            0x0707_0707
        }
        fn next_u64(&mut self) -> u64 {
            0x0707_0707_0707_0707
        }
        fn fill_bytes(&mut self, out: &mut [u8]) {
            out.fill(7);
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
            out.fill(7);
            Ok(())
        }
    }

    impl CryptoRng for Stuck {}

    fn scalar(number: u64) -> Scalar {
        Scalar::from(number)
    }

    fn element(point: RistrettoPoint) -> Element {
        Element::from_point(point).unwrap()
    }

    /// The challenge of a verifier that forgot one item: 0 context, 1 A, 2 H, 3 B, 4 W1, 5 W2.
    fn forgetful(forgotten: usize, parts: [&[u8]; 6]) -> Scalar {
        let kept: Vec<&[u8]> = parts
            .into_iter()
            .enumerate()
            .filter(|(position, _)| *position != forgotten)
            .map(|(_, part)| part)
            .collect();
        transcript::hash_to_scalar(Tag::Partial, &kept)
    }

    /// For each item of the transcript: the forgery that works when it is forgotten, and does not
    /// work here.
    #[test]
    fn forgetting_any_item_would_let_a_forgery_through() {
        let base = RistrettoPoint::mul_base(&Scalar::ONE);
        let honest_h = *second_base().point();
        let (x, k) = (scalar(11), scalar(1234));
        let stray = RistrettoPoint::mul_base(&scalar(99)) + honest_h;
        let bytes = |point: &RistrettoPoint| point.compress().to_bytes();
        for forgotten in 0..6 {
            let context: &[u8] = if forgotten == 0 { b"other" } else { b"context" };
            let (mut a, mut h, mut b) = (x * base, honest_h, x * honest_h);
            let (mut w1, mut w2) = (k * base, k * honest_h);
            match forgotten {
                // Nobody looks at the commitment, so its element need not fit.
                4 => a = stray,
                5 => b = stray,
                _ => {}
            }
            if matches!(forgotten, 1..=3) {
                // One commitment is arbitrary; the forgotten element is solved for afterwards.
                if forgotten == 1 {
                    w1 = stray
                } else {
                    w2 = stray
                }
            }
            let encoded = [bytes(&a), bytes(&h), bytes(&b), bytes(&w1), bytes(&w2)];
            let [ea, eh, eb, ew1, ew2] = &encoded;
            let c = forgetful(forgotten, [context, ea, eh, eb, ew1, ew2]);
            let response = k + c * x;
            match forgotten {
                1 => a = c.invert() * (response * base - w1),
                2 => h = response.invert() * (w2 + c * b),
                3 => b = c.invert() * (response * h - w2),
                _ => {}
            }
            let (ea, eh, eb) = (element(a), element(h), element(b));
            let proof = DleqProof {
                challenge: c,
                response,
            };
            let statement = Statement {
                a: &ea,
                h: &eh,
                b: &eb,
            };
            assert!(
                !proof.holds(Tag::Partial, b"context", statement),
                "item {forgotten}"
            );
            // The forgery is a real one: the verifier that forgets accepts it.
            let first = bytes(&(response * base - c * a));
            let second = bytes(&(response * h - c * b));
            let again = forgetful(
                forgotten,
                [
                    b"context",
                    ea.as_bytes(),
                    eh.as_bytes(),
                    eb.as_bytes(),
                    &first,
                    &second,
                ],
            );
            assert_eq!(again, c, "item {forgotten}");
        }
    }

    #[test]
    fn a_source_that_repeats_itself_does_not_give_the_secret_away() {
        let secret = SecretScalar::from_scalar(scalar(42)).unwrap();
        let (a, b) = (secret.public(), secret.times(second_base()));
        let statement = Statement {
            a: &a,
            h: second_base(),
            b: &b,
        };
        let one = DleqProof::prove(Tag::Seal, b"one", &secret, statement, &mut Stuck).unwrap();
        let two = DleqProof::prove(Tag::Seal, b"two", &secret, statement, &mut Stuck).unwrap();
        assert!(one.holds(Tag::Seal, b"one", statement));
        assert!(!one.holds(Tag::Seal, b"two", statement));
        assert!(!one.holds(Tag::Partial, b"one", statement));
        let guess = (one.response - two.response) * (one.challenge - two.challenge).invert();
        assert_ne!(guess, scalar(42));
    }
}
