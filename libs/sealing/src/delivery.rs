//! Restricted parts (class 1 and 2): a holder's part in opening, encrypted to the reader's key,
//! with a public proof that the right value went to the right reader.
//! The public learns that it was delivered, never what. A class 2 part is bound to the signed
//! stage-1 decision in place of the closing record: without that decision it stays sealed.

use curve25519_dalek::traits::{MultiscalarMul, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRngCore;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::combine::CombineError;
use crate::group::{
    Element, GroupError, NoRandomness, SecretScalar, SharedSecret, decode_scalar, random_bytes,
};
use crate::header::{CheckedHeader, Class};
use crate::reading::{ReadError, Reading};
use crate::tender_key::{KeyShare, TenderKey, interpolate_secret};
use crate::transcript::{self, Tag};

/// A holder's part in opening one restricted envelope, readable by one key. Not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    holder: u16,
    hint: Element,
    masked: Element,
    challenge: Scalar,
    share_response: Scalar,
    hint_response: Scalar,
}

/// Why a delivery is not made, read or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// The bytes are not canonical.
    #[error("The delivery is not canonical. {0}")]
    Form(#[from] ReadError),
    /// An element or scalar in it is refused.
    #[error("The delivery's values are refused. {0}")]
    Values(#[from] GroupError),
    /// There is no such holder, or the share is not of this key.
    #[error("The key has no holder {holder} with this share.")]
    Holder {
        /// The index.
        holder: u16,
    },
    /// The proof is false.
    #[error("The delivery of holder {holder} does not prove what it claims.")]
    Proof {
        /// The holder named in the record.
        holder: u16,
    },
    /// The envelope is sealed to another key.
    #[error("The envelope is sealed to another tender key.")]
    OtherKey,
    /// The part is public; it is opened by partials.
    #[error("A public part is opened by partials, not by deliveries.")]
    NotRestricted,
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// The elements a delivery speaks about.
struct Subjects<'a> {
    public: &'a Element,
    ephemeral: &'a Element,
    reader: &'a Element,
    hint: &'a Element,
    masked: &'a Element,
}

impl Delivery {
    /// Length of the record in bytes.
    pub const LENGTH: usize = 162;

    /// Makes a holder's delivery to the reader's key. `warrant` is the closing record's hash for
    /// class 1, the stage-1 decision's for class 2.
    ///
    /// # Errors
    /// When the part is public, belongs to another key, or the share is not of this key.
    pub fn make(
        key: &TenderKey,
        share: &KeyShare,
        header: &CheckedHeader,
        warrant: &[u8; 32],
        reader: &Element,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, DeliveryError> {
        check_delivery(key, header)?;
        let holder = share.holder();
        if key.share(holder) != Some(share.public()) {
            return Err(DeliveryError::Holder { holder });
        }
        let mask = SecretScalar::random(rng)?;
        let hint = mask.public();
        let secret_part = Zeroizing::new(*share.secret().times(&header.ephemeral).point());
        let masked = Element::from_point(*secret_part + *mask.scalar() * reader.point())?;
        let subjects = Subjects {
            public: share.public(),
            ephemeral: &header.ephemeral,
            reader,
            hint: &hint,
            masked: &masked,
        };
        let context = [header.id().as_slice(), &holder.to_be_bytes(), warrant].concat();
        let share_nonce = nonce(share.secret(), &context, share.public(), &masked, rng)?;
        let hint_nonce = nonce(&mask, &context, &hint, &masked, rng)?;
        let commitments = [
            RistrettoPoint::mul_base(&share_nonce),
            RistrettoPoint::mul_base(&hint_nonce),
            RistrettoPoint::multiscalar_mul(
                [&*share_nonce, &*hint_nonce],
                [header.ephemeral.point(), reader.point()],
            ),
        ];
        let challenge = challenge(header.id(), holder, warrant, &subjects, &commitments);
        let share_response = *share_nonce + challenge * share.secret().scalar();
        let hint_response = *hint_nonce + challenge * mask.scalar();
        Ok(Self {
            holder,
            hint,
            masked,
            challenge,
            share_response,
            hint_response,
        })
    }

    /// Reads the record.
    ///
    /// # Errors
    /// When the bytes are not canonical or the index is zero.
    pub fn parse(bytes: &[u8]) -> Result<Self, DeliveryError> {
        let mut reading = Reading::new(bytes);
        let holder = reading.short("holder")?;
        let hint = Element::decode(&reading.array("K")?)?;
        let masked = Element::decode(&reading.array("C")?)?;
        let challenge = decode_scalar(&reading.array("e")?)?;
        let share_response = decode_scalar(&reading.array("share response")?)?;
        let hint_response = decode_scalar(&reading.array("hint response")?)?;
        reading.end()?;
        if holder == 0 {
            return Err(DeliveryError::Holder { holder });
        }
        Ok(Self {
            holder,
            hint,
            masked,
            challenge,
            share_response,
            hint_response,
        })
    }

    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut out = [0; Self::LENGTH];
        let (holder, rest) = out.split_at_mut(2);
        holder.copy_from_slice(&self.holder.to_be_bytes());
        let values = [
            self.hint.as_bytes(),
            self.masked.as_bytes(),
            self.challenge.as_bytes(),
            self.share_response.as_bytes(),
            self.hint_response.as_bytes(),
        ];
        for (to, from) in rest.chunks_exact_mut(32).zip(values) {
            to.copy_from_slice(from);
        }
        out
    }

    /// Whose delivery the record says it is.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }

    /// Checks, without any secret, that the holder's true part went to the reader's key.
    ///
    /// # Errors
    /// [`DeliveryError`] naming the holder.
    pub fn verify(
        &self,
        key: &TenderKey,
        header: &CheckedHeader,
        warrant: &[u8; 32],
        reader: &Element,
    ) -> Result<VerifiedDelivery, DeliveryError> {
        check_delivery(key, header)?;
        let holder = self.holder;
        let public = key.share(holder).ok_or(DeliveryError::Holder { holder })?;
        let minus = -self.challenge;
        let (share_response, hint_response) = (&self.share_response, &self.hint_response);
        let commitments = [
            RistrettoPoint::vartime_double_scalar_mul_basepoint(
                &minus,
                public.point(),
                share_response,
            ),
            RistrettoPoint::vartime_double_scalar_mul_basepoint(
                &minus,
                self.hint.point(),
                hint_response,
            ),
            RistrettoPoint::vartime_multiscalar_mul(
                [share_response, hint_response, &minus],
                [
                    header.ephemeral.point(),
                    reader.point(),
                    self.masked.point(),
                ],
            ),
        ];
        let subjects = Subjects {
            public,
            ephemeral: &header.ephemeral,
            reader,
            hint: &self.hint,
            masked: &self.masked,
        };
        if challenge(header.id(), holder, warrant, &subjects, &commitments) != self.challenge {
            return Err(DeliveryError::Proof { holder });
        }
        Ok(VerifiedDelivery {
            holder,
            hint: *self.hint.point(),
            masked: *self.masked.point(),
            envelope: *header.id(),
        })
    }
}

/// A delivery whose proof holds, for one envelope and one reader.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedDelivery {
    holder: u16,
    hint: RistrettoPoint,
    masked: RistrettoPoint,
    envelope: [u8; 32],
}

impl VerifiedDelivery {
    /// Whose delivery it is.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }
}

/// Opens t verified deliveries with the reader's secret key.
///
/// # Errors
/// [`CombineError`], as for partials.
pub fn combine_deliveries(
    key: &TenderKey,
    header: &CheckedHeader,
    reader: &SecretScalar,
    deliveries: &[VerifiedDelivery],
) -> Result<SharedSecret, CombineError> {
    let needed = usize::from(key.threshold());
    // Wiped when dropped: these are the holders' parts in the clear.
    let mut chosen: Zeroizing<Vec<(u16, RistrettoPoint)>> =
        Zeroizing::new(Vec::with_capacity(needed));
    for delivery in deliveries {
        if delivery.envelope != *header.id() {
            return Err(CombineError::OtherEnvelope {
                holder: delivery.holder,
            });
        }
        if chosen.len() < needed && chosen.iter().all(|(holder, _)| *holder != delivery.holder) {
            chosen.push((
                delivery.holder,
                delivery.masked - *reader.scalar() * delivery.hint,
            ));
        }
    }
    if chosen.len() < needed {
        return Err(CombineError::TooFew {
            valid: chosen.len(),
            threshold: key.threshold(),
        });
    }
    Ok(SharedSecret::from_point(interpolate_secret(&chosen)))
}

fn check_delivery(key: &TenderKey, header: &CheckedHeader) -> Result<(), DeliveryError> {
    if key.id() != header.key_id() {
        return Err(DeliveryError::OtherKey);
    }
    match header.subject().class {
        Class::Evaluators | Class::AfterDecision => Ok(()),
        Class::Public => Err(DeliveryError::NotRestricted),
    }
}

fn nonce(
    secret: &SecretScalar,
    context: &[u8],
    public: &Element,
    masked: &Element,
    rng: &mut dyn CryptoRngCore,
) -> Result<Zeroizing<Scalar>, NoRandomness> {
    let fresh = random_bytes::<32>(rng)?;
    let secret = secret.to_bytes();
    Ok(Zeroizing::new(transcript::hash_to_scalar(
        Tag::Nonce,
        &[
            fresh.as_slice(),
            secret.as_slice(),
            Tag::Deliver.name().as_bytes(),
            context,
            public.as_bytes(),
            masked.as_bytes(),
        ],
    )))
}

fn challenge(
    envelope: &[u8; 32],
    holder: u16,
    warrant: &[u8; 32],
    subjects: &Subjects<'_>,
    commitments: &[RistrettoPoint; 3],
) -> Scalar {
    let [first, second, third] = commitments.map(|point| point.compress().to_bytes());
    transcript::hash_to_scalar(
        Tag::Deliver,
        &[
            envelope,
            &holder.to_be_bytes(),
            warrant,
            subjects.public.as_bytes(),
            subjects.ephemeral.as_bytes(),
            subjects.reader.as_bytes(),
            subjects.hint.as_bytes(),
            subjects.masked.as_bytes(),
            &first,
            &second,
            &third,
        ],
    )
}
