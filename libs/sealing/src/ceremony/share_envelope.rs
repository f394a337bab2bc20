//! A share for one holder, encrypted to its key and posted for all to see.
//! The same construction as a bid's envelope with one holder: the proof binds ceremony, sender and
//! recipient, so that a copied or changed envelope is refused before anybody decrypts it.
//! 176 bytes: U, second element, sealed share, proof.

use curve25519_dalek::Scalar;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::dleq::{DleqProof, Statement};
use crate::group::{Element, SecretScalar, SharedSecret, decode_scalar, second_base};
use crate::keys::{self, CipherRefused};
use crate::reading::Reading;
use crate::transcript::{self, Tag};

use super::fault::{CeremonyError, FormError};
use super::terms::CeremonyTerms;

const SEALED: usize = 48;

/// Who sends a share to whom, in which ceremony.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) ceremony: &'a [u8; 32],
    pub(crate) sender: u16,
    pub(crate) recipient: u16,
    pub(crate) recipient_key: &'a Element,
}

impl<'a> Route<'a> {
    pub(crate) fn new(terms: &'a CeremonyTerms, sender: u16, recipient: u16) -> Option<Self> {
        let recipient_key = &terms.holder(recipient)?.encryption;
        Some(Self {
            ceremony: terms.id(),
            sender,
            recipient,
            recipient_key,
        })
    }

    fn context(self) -> [u8; 32] {
        transcript::hash(
            Tag::CeremonyShare,
            &[
                self.ceremony,
                &self.sender.to_be_bytes(),
                &self.recipient.to_be_bytes(),
                self.recipient_key.as_bytes(),
            ],
        )
    }
}

/// An encrypted share as read; its proof is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareEnvelope {
    pub(crate) ephemeral: Element,
    second: Element,
    sealed: [u8; SEALED],
    proof: DleqProof,
}

impl ShareEnvelope {
    pub(crate) const LENGTH: usize = 32 + 32 + SEALED + DleqProof::LENGTH;

    pub(crate) fn seal(
        route: Route<'_>,
        share: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, CeremonyError> {
        let secret = SecretScalar::random(rng)?;
        let (ephemeral, second) = (secret.public(), secret.times(second_base()));
        let shared = SharedSecret::from_point(*secret.times(route.recipient_key).point());
        let key = key(route, &shared, &ephemeral)?;
        let sealed = keys::seal_once(&key, &route.context(), share)?;
        let sealed = sealed.try_into().map_err(|_| CeremonyError::Generation)?;
        let body = body(route, &ephemeral, &second, &sealed);
        let statement = Statement {
            a: &ephemeral,
            h: second_base(),
            b: &second,
        };
        let proof = DleqProof::prove(Tag::CeremonyShare, &body, &secret, statement, rng)?;
        Ok(Self {
            ephemeral,
            second,
            sealed,
            proof,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [
            self.ephemeral.as_bytes().as_slice(),
            self.second.as_bytes(),
            &self.sealed,
            &self.proof.to_bytes(),
        ]
        .concat()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let mut reading = Reading::new(bytes);
        let ephemeral = Element::decode(&reading.array("U")?)?;
        let second = Element::decode(&reading.array("Ubar")?)?;
        let sealed = reading.array("sealed share")?;
        let proof = DleqProof::decode(&reading.array("c")?, &reading.array("s")?)?;
        reading.end()?;
        Ok(Self {
            ephemeral,
            second,
            sealed,
            proof,
        })
    }

    pub(crate) fn proof_holds(&self, route: Route<'_>) -> bool {
        let statement = Statement {
            a: &self.ephemeral,
            h: second_base(),
            b: &self.second,
        };
        let body = body(route, &self.ephemeral, &self.second, &self.sealed);
        self.proof.holds(Tag::CeremonyShare, &body, statement)
    }

    /// The envelope's name, which a complaint is bound to.
    pub(crate) fn id(&self, route: Route<'_>) -> [u8; 32] {
        transcript::hash(Tag::EnvelopeId, &[&route.context(), &self.encode()])
    }

    /// The share, if the shared element opens the envelope and what is in it is a scalar.
    pub(crate) fn open(&self, route: Route<'_>, shared: &Element) -> Option<Zeroizing<Scalar>> {
        let shared = SharedSecret::from_point(*shared.point());
        let key = key(route, &shared, &self.ephemeral).ok()?;
        let opened = keys::open_once(&key, &route.context(), &self.sealed).ok()?;
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(opened.as_slice().try_into().ok()?);
        decode_scalar(&bytes).ok().map(Zeroizing::new)
    }
}

fn key(
    route: Route<'_>,
    shared: &SharedSecret,
    ephemeral: &Element,
) -> Result<Zeroizing<[u8; 32]>, CipherRefused> {
    keys::expand(
        &route.context(),
        shared.as_bytes(),
        " share ",
        ephemeral.as_bytes(),
    )
}

fn body(route: Route<'_>, ephemeral: &Element, second: &Element, sealed: &[u8; SEALED]) -> Vec<u8> {
    [
        route.context().as_slice(),
        ephemeral.as_bytes(),
        second.as_bytes(),
        sealed,
    ]
    .concat()
}
