//! A holder's way through a ceremony, one type per state: what it may do next is the only thing
//! the state offers. Pure: messages come in as lists of what was posted, and go out to be posted.
//! A state is used up by its step, so that no holder answers twice in a round.

use std::collections::BTreeMap;

use frost_ristretto255::keys::SigningShare;
use frost_ristretto255::keys::dkg;
use frost_ristretto255::keys::dkg::{round1, round2};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::group::{SecretScalar, decode_scalar};
use crate::identity::IdentityKey;
use crate::tender_key::{KeyShare, TenderKey};

use super::complaint::complain;
use super::fault::{CeremonyError, CeremonyFault, Fault};
use super::message::{Message, Round, collect};
use super::package::{Package, identifier};
use super::posted::{Posted, check_commitments, check_packages, commitment};
use super::share_envelope::{Route, ShareEnvelope};
use super::terms::CeremonyTerms;
use super::transcript::Certificate;

/// What every state carries.
struct Seat {
    terms: CeremonyTerms,
    holder: u16,
}

impl Seat {
    fn sign(&self, round: Round, content: Vec<u8>, identity: &IdentityKey) -> Message {
        Message::sign(&self.terms, round, self.holder, content, identity)
    }

    /// Refuses a board that carries something else in this holder's name.
    fn check_mine(
        &self,
        round: Round,
        own: &Message,
        posted: &[Message],
    ) -> Result<(), CeremonyError> {
        match collect(&self.terms, round, posted)?
            .iter()
            .find(|m| m.holder == self.holder)
        {
            Some(message) if *message == own => Ok(()),
            _ => Err(CeremonyError::NotMine { round }),
        }
    }
}

/// Round 1 is posted; the holder waits for everybody's commitments.
pub struct Committed {
    seat: Seat,
    secret: round1::SecretPackage,
    package: Package,
    commitment: Message,
}

/// Round 2 is posted; the holder waits for everybody's packages.
pub struct Revealed {
    seat: Seat,
    secret: round1::SecretPackage,
    commitments: Vec<Message>,
    package: Message,
}

/// Round 3 is posted; the holder waits for everybody's shares.
pub struct Shared {
    seat: Seat,
    secret: round2::SecretPackage,
    commitments: Vec<Message>,
    packages: Vec<Message>,
    shares: Message,
}

/// How a ceremony ends for a holder.
#[derive(Debug)]
pub enum Outcome {
    /// All is well on this holder's side.
    Certified(Box<Certified>),
    /// At least one share was wrong; the complaints are to be posted, and the ceremony is over.
    Complaining(Vec<Message>),
}

/// What an honest holder has after an honest ceremony.
#[derive(Debug)]
pub struct Certified {
    /// To be written to the share file.
    pub share: KeyShare,
    /// The key as this holder computed it; it counts only with the certificates of all n.
    pub key: TenderKey,
    /// To be posted.
    pub certificate: Certificate,
}

/// Takes a holder's seat and makes its package; gives the message of round 1.
///
/// # Errors
/// [`CeremonyError::NotThisHolder`] when the keys are not those the terms name.
pub fn join(
    terms: &CeremonyTerms,
    holder: u16,
    identity: &IdentityKey,
    encryption: &SecretScalar,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Committed, Message), CeremonyError> {
    let named = terms
        .holder(holder)
        .ok_or(CeremonyError::NotThisHolder { holder })?;
    if named.identity != *identity.public() || named.encryption != encryption.public() {
        return Err(CeremonyError::NotThisHolder { holder });
    }
    let count = terms.holders().len() as u16;
    let (secret, generated) = dkg::part1(identifier(holder)?, count, terms.threshold(), rng)
        .map_err(|_| CeremonyError::Generation)?;
    let package = Package::from_generated(&generated)?;
    let seat = Seat {
        terms: terms.clone(),
        holder,
    };
    let content = commitment(terms, holder, &package.encode()).to_vec();
    let message = seat.sign(Round::Commitment, content, identity);
    Ok((
        Committed {
            seat,
            secret,
            package,
            commitment: message.clone(),
        },
        message,
    ))
}

impl Committed {
    /// With everybody's commitments there, reveals the package: the message of round 2.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn reveal(
        self,
        commitments: &[Message],
        identity: &IdentityKey,
    ) -> Result<(Revealed, Message), CeremonyError> {
        let Self {
            seat,
            secret,
            package,
            commitment,
        } = self;
        check_commitments(&seat.terms, commitments)?;
        seat.check_mine(Round::Commitment, &commitment, commitments)?;
        let message = seat.sign(Round::Package, package.encode(), identity);
        let commitments = commitments.to_vec();
        Ok((
            Revealed {
                seat,
                secret,
                commitments,
                package: message.clone(),
            },
            message,
        ))
    }
}

impl Revealed {
    /// With everybody's packages there, posts a share for every other holder: round 3.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn share(
        self,
        packages: &[Message],
        identity: &IdentityKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Shared, Message), CeremonyError> {
        let Self {
            seat,
            secret,
            commitments,
            package,
        } = self;
        let parsed = check_packages(&seat.terms, &commitments, packages)?;
        seat.check_mine(Round::Package, &package, packages)?;
        let others = others(&seat, &parsed)?;
        let (secret, generated) =
            dkg::part2(secret, &others).map_err(|_| CeremonyError::Generation)?;
        let mut content = Vec::new();
        for recipient in seat
            .terms
            .indices()
            .filter(|recipient| *recipient != seat.holder)
        {
            let route =
                Route::new(&seat.terms, seat.holder, recipient).ok_or(CeremonyError::Generation)?;
            let share = generated
                .get(&identifier(recipient)?)
                .ok_or(CeremonyError::Generation)?;
            let share = Zeroizing::new(share.signing_share().serialize());
            content.extend_from_slice(&ShareEnvelope::seal(route, &share, rng)?.encode());
        }
        let shares = seat.sign(Round::Shares, content, identity);
        let packages = packages.to_vec();
        Ok((
            Shared {
                seat,
                secret,
                commitments,
                packages,
                shares: shares.clone(),
            },
            shares,
        ))
    }
}

impl Shared {
    /// With everybody's shares there, either complains or certifies.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn conclude(
        self,
        shares: &[Message],
        identity: &IdentityKey,
        encryption: &SecretScalar,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Outcome, CeremonyError> {
        let Self {
            seat,
            secret,
            commitments,
            packages,
            shares: own,
        } = self;
        let posted = Posted::check(&seat.terms, &commitments, &packages, shares)?;
        seat.check_mine(Round::Shares, &own, shares)?;
        let mut received = BTreeMap::new();
        let mut complaints = Vec::new();
        for sender in seat.terms.indices().filter(|sender| *sender != seat.holder) {
            let missing = CeremonyFault {
                holder: sender,
                what: Fault::Missing {
                    round: Round::Shares,
                },
            };
            let route = Route::new(&seat.terms, sender, seat.holder).ok_or(missing)?;
            let envelope = posted.envelope(sender, seat.holder).ok_or(missing)?;
            let package = posted.package(sender).ok_or(missing)?;
            let shared = encryption.times(&envelope.ephemeral);
            match envelope.open(route, &shared) {
                Some(share) if package.promises(seat.holder, &share) => {
                    let share = SigningShare::deserialize(share.as_bytes())
                        .map_err(|_| CeremonyError::Generation)?;
                    received.insert(identifier(sender)?, round2::Package::new(share));
                }
                _ => {
                    let content = complain(route, envelope, encryption, rng)?;
                    complaints.push(seat.sign(Round::Complaint, content, identity));
                }
            }
        }
        if !complaints.is_empty() {
            return Ok(Outcome::Complaining(complaints));
        }
        let others = others(&seat, &posted.packages)?;
        let (own_package, _) =
            dkg::part3(&secret, &others, &received).map_err(|_| CeremonyError::Generation)?;
        let bytes = Zeroizing::new(own_package.signing_share().serialize());
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
            bytes
                .as_slice()
                .try_into()
                .map_err(|_| CeremonyError::Generation)?,
        );
        let scalar = decode_scalar(&bytes).map_err(|_| CeremonyError::Generation)?;
        let scalar = SecretScalar::from_scalar(scalar).map_err(|_| CeremonyError::Generation)?;
        let share = KeyShare::of_key(&posted.key, seat.holder, scalar)
            .map_err(|_| CeremonyError::Generation)?;
        let certificate = Certificate {
            holder: seat.holder,
            signature: identity.sign(&posted.certified),
        };
        let key = posted.key;
        Ok(Outcome::Certified(Box::new(Certified {
            share,
            key,
            certificate,
        })))
    }
}

/// The other holders' packages, as the key generation wants them.
fn others(
    seat: &Seat,
    packages: &[Package],
) -> Result<BTreeMap<frost_ristretto255::Identifier, round1::Package>, CeremonyError> {
    seat.terms
        .indices()
        .zip(packages)
        .filter(|(holder, _)| *holder != seat.holder)
        .map(|(holder, package)| Ok((identifier(holder)?, package.to_generated()?)))
        .collect()
}
