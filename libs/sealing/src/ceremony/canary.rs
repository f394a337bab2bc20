//! The rehearsal on day 0: one public envelope that all n holders open before the tender is
//! announced, so that a broken share is found while it harms nobody.
//! Its subject is one that no bid has, so that no bid can be passed off as a canary.

use rand_core::CryptoRngCore;
use thiserror::Error;

use crate::combine::{CombineError, combine};
use crate::header::{CheckedHeader, Class, Header, HeaderError, Subject};
use crate::label::{Label, LabelTooLong};
use crate::open::{OpenError, open_short};
use crate::partial::{Partial, PartialError};
use crate::pipeline::Workers;
use crate::seal::{SealError, seal};
use crate::tender_key::{KeyShare, TenderKey};
use crate::transcript::{self, Tag};

use super::terms::CeremonyTerms;

const TENDER: &str = "SEALBID-V1 canary";

/// A rehearsal envelope with its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Its header.
    pub header: Header,
    /// Its sealed payload.
    pub payload: Vec<u8>,
}

/// Why a rehearsal failed.
#[derive(Debug, Error)]
pub enum CanaryError {
    /// The envelope is not this ceremony's rehearsal.
    #[error("The envelope is not the rehearsal of this ceremony. {0}")]
    Header(#[from] HeaderError),
    /// The subject cannot be written.
    #[error(transparent)]
    Label(#[from] LabelTooLong),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A holder's partial is wrong.
    #[error("The rehearsal found a broken share. {0}")]
    Partial(#[from] PartialError),
    /// A holder has not answered.
    #[error("Holder {holder} has not answered the rehearsal.")]
    Missing {
        /// Counting from 1.
        holder: u16,
    },
    /// The partials do not combine.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// The payload does not open, or holds something else than the ceremony's name.
    #[error("The rehearsal envelope does not hold the ceremony's name.")]
    Content,
    /// The payload does not open.
    #[error("The rehearsal envelope does not open. {0}")]
    Open(#[from] OpenError),
}

fn subject() -> Result<Subject, LabelTooLong> {
    Ok(Subject {
        tender: Label::new(TENDER)?,
        lot: Label::new("")?,
        part: 0,
        class: Class::Public,
        bidder: Label::new("")?,
        revision: 0,
        not_before: 0,
    })
}

/// The canary's stand-in for a closing record.
fn warrant(terms: &CeremonyTerms, key: &TenderKey, header: &CheckedHeader) -> [u8; 32] {
    transcript::hash(Tag::Canary, &[terms.id(), key.id(), header.id()])
}

fn check(key: &TenderKey, canary: &Canary) -> Result<CheckedHeader, CanaryError> {
    let header = canary.header.clone().check()?;
    header.agrees_with(key.id(), &subject()?)?;
    Ok(header)
}

/// Seals the ceremony's name to its key.
///
/// # Errors
/// [`CanaryError`].
pub fn make_canary(
    terms: &CeremonyTerms,
    key: &TenderKey,
    rng: &mut dyn CryptoRngCore,
) -> Result<Canary, CanaryError> {
    let name = terms.id();
    let mut payload = Vec::new();
    let length = name.len() as u64;
    let sealed = seal(
        key.sealing(),
        &subject()?,
        length,
        name.as_slice(),
        &mut payload,
        Workers::ONE,
        rng,
    )?;
    Ok(Canary {
        header: sealed.header,
        payload,
    })
}

/// A holder's answer; refused for anything that is not a canary of this key.
///
/// # Errors
/// [`CanaryError`].
pub fn answer_canary(
    terms: &CeremonyTerms,
    key: &TenderKey,
    share: &KeyShare,
    canary: &Canary,
    rng: &mut dyn CryptoRngCore,
) -> Result<Partial, CanaryError> {
    let header = check(key, canary)?;
    Ok(Partial::make(
        key,
        share,
        &header,
        &warrant(terms, key, &header),
        rng,
    )?)
}

/// Checks that all n holders opened the canary, each with the share it certified.
///
/// # Errors
/// [`CanaryError`], naming the holder where there is one.
pub fn verify_canary(
    terms: &CeremonyTerms,
    key: &TenderKey,
    canary: &Canary,
    partials: &[Partial],
) -> Result<(), CanaryError> {
    let header = check(key, canary)?;
    let close = warrant(terms, key, &header);
    let verified = partials
        .iter()
        .map(|partial| partial.verify(key, &header, &close))
        .collect::<Result<Vec<_>, _>>()?;
    for holder in terms.indices() {
        if verified.iter().all(|partial| partial.holder() != holder) {
            return Err(CanaryError::Missing { holder });
        }
    }
    let secret = combine(key, &header, &verified)?;
    let content = open_short(&header, &secret, &canary.payload)?;
    if content.as_slice() != terms.id() {
        return Err(CanaryError::Content);
    }
    Ok(())
}
