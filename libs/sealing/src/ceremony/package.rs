//! A holder's package: commitments to its polynomial and a proof that it knows its secret.
//! Written as its values one after the other, `C_0..C_{t-1} | R | mu`, so that any language can
//! speak it. The only place that translates to and from the key generation library's types.

use std::collections::BTreeMap;

use curve25519_dalek::traits::{Identity, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use frost_ristretto255::keys::dkg::round1;
use frost_ristretto255::keys::{PublicKeyPackage, VerifiableSecretSharingCommitment};
use frost_ristretto255::{Ciphersuite, Identifier, Ristretto255Sha512, Signature};

use crate::group::{Element, GroupError, decode_scalar};
use crate::reading::Reading;
use crate::tender_key::{SealingKey, TenderKey};
use crate::transcript::{self, Tag};

use super::fault::{CeremonyError, CeremonyFault, Fault, FormError};
use super::terms::CeremonyTerms;

/// A package as read: the right number of canonical values, no identity among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    coefficients: Vec<Element>,
    commitment: Element,
    response: Scalar,
}

impl Package {
    /// Reads exactly t commitments and one proof; more would raise the threshold.
    pub(crate) fn parse(content: &[u8], threshold: u16) -> Result<Self, FormError> {
        let mut reading = Reading::new(content);
        let coefficients = (0..threshold)
            .map(|_| Ok(Element::decode(&reading.array("commitment")?)?))
            .collect::<Result<_, FormError>>()?;
        let commitment = Element::decode(&reading.array("R")?)?;
        let response = decode_scalar(&reading.array("mu")?)?;
        reading.end()?;
        Ok(Self {
            coefficients,
            commitment,
            response,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.coefficient_bytes();
        out.extend_from_slice(&self.proof_bytes());
        out
    }

    fn coefficient_bytes(&self) -> Vec<u8> {
        self.coefficients
            .iter()
            .flat_map(|element| *element.as_bytes())
            .collect()
    }

    fn proof_bytes(&self) -> Vec<u8> {
        [
            self.commitment.as_bytes().as_slice(),
            self.response.as_bytes(),
        ]
        .concat()
    }

    pub(crate) fn from_generated(package: &round1::Package) -> Result<Self, CeremonyError> {
        let generation = |_| CeremonyError::Generation;
        let coefficients = package.commitment().serialize().map_err(generation)?;
        let proof = package
            .proof_of_knowledge()
            .serialize()
            .map_err(generation)?;
        let threshold = coefficients.len() as u16;
        let content = [coefficients.concat(), proof].concat();
        Self::parse(&content, threshold).map_err(|_| CeremonyError::Generation)
    }

    pub(crate) fn to_generated(&self) -> Result<round1::Package, CeremonyError> {
        let proof = Signature::deserialize(&self.proof_bytes());
        Ok(round1::Package::new(
            self.generated_commitment()?,
            proof.map_err(|_| CeremonyError::Generation)?,
        ))
    }

    fn generated_commitment(&self) -> Result<VerifiableSecretSharingCommitment, CeremonyError> {
        VerifiableSecretSharingCommitment::deserialize(
            self.coefficients.iter().map(Element::as_bytes),
        )
        .map_err(|_| CeremonyError::Generation)
    }

    /// Whether the proof of knowledge holds under the holder's own index. The same equation as in
    /// the key generation library, which keeps its own to itself.
    pub(crate) fn proof_holds(&self, holder: u16) -> bool {
        let (Some(secret), Ok(identifier)) = (self.coefficients.first(), identifier(holder)) else {
            return false;
        };
        let preimage = [
            identifier.serialize().as_slice(),
            secret.as_bytes(),
            self.commitment.as_bytes(),
        ]
        .concat();
        let Some(challenge) = Ristretto255Sha512::HDKG(&preimage) else {
            return false;
        };
        let expected = RistrettoPoint::vartime_double_scalar_mul_basepoint(
            &-challenge,
            secret.point(),
            &self.response,
        );
        expected == *self.commitment.point()
    }

    /// The public element of the share this package promises to a holder.
    pub(crate) fn share_at(&self, holder: u16) -> RistrettoPoint {
        let at = Scalar::from(holder);
        let mut power = Scalar::ONE;
        let powers: Vec<Scalar> = self
            .coefficients
            .iter()
            .map(|_| {
                let current = power;
                power *= at;
                current
            })
            .collect();
        RistrettoPoint::vartime_multiscalar_mul(
            powers,
            self.coefficients.iter().map(Element::point),
        )
    }

    /// Whether a share is the one this package promises to a holder.
    pub(crate) fn promises(&self, holder: u16, share: &Scalar) -> bool {
        let promised = self.share_at(holder);
        promised != RistrettoPoint::identity() && RistrettoPoint::mul_base(share) == promised
    }
}

pub(crate) fn identifier(holder: u16) -> Result<Identifier, CeremonyError> {
    Identifier::try_from(holder).map_err(|_| CeremonyError::Generation)
}

/// The key that packages, in the order of the holders, make. Anyone can compute it.
pub(crate) fn tender_key(
    terms: &CeremonyTerms,
    packages: &[Package],
) -> Result<TenderKey, CeremonyFault> {
    let no_key = CeremonyFault {
        holder: 0,
        what: Fault::NoKey,
    };
    let commitments = terms
        .indices()
        .zip(packages)
        .map(|(holder, package)| Ok((identifier(holder)?, package.generated_commitment()?)))
        .collect::<Result<BTreeMap<_, _>, CeremonyError>>()
        .map_err(|_| no_key)?;
    let references = commitments
        .iter()
        .map(|(holder, commitment)| (*holder, commitment))
        .collect();
    let public = PublicKeyPackage::from_dkg_commitments(&references).map_err(|_| no_key)?;
    let whole = public.verifying_key().serialize().map_err(|_| no_key)?;
    let shares = terms
        .indices()
        .map(|holder| {
            let identifier = identifier(holder).map_err(|_| no_key)?;
            let share = public.verifying_shares().get(&identifier).ok_or(no_key)?;
            decode(&share.serialize().map_err(|_| no_key)?).map_err(|_| no_key)
        })
        .collect::<Result<_, CeremonyFault>>()?;
    let element = decode(&whole).map_err(|_| no_key)?;
    let sealing = SealingKey::new(key_id(terms, packages), element);
    TenderKey::new(sealing, terms.threshold(), shares).map_err(|_| no_key)
}

/// The key's name binds the ceremony, the threshold and every package; an entry's fields are
/// hashed as parts of their own.
fn key_id(terms: &CeremonyTerms, packages: &[Package]) -> [u8; 32] {
    let entries: Vec<_> = terms
        .indices()
        .zip(packages)
        .map(|(holder, package)| {
            (
                holder.to_be_bytes(),
                package.coefficient_bytes(),
                package.proof_bytes(),
            )
        })
        .collect();
    let threshold = terms.threshold().to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![terms.id(), &threshold];
    for (holder, coefficients, proof) in &entries {
        parts.extend([holder.as_slice(), coefficients, proof]);
    }
    transcript::hash(Tag::TenderKey, &parts)
}

fn decode(bytes: &[u8]) -> Result<Element, GroupError> {
    Element::decode(bytes.try_into().map_err(|_| GroupError::Element)?)
}
