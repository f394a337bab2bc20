//! Who makes a key for which tender: the terms every message of a ceremony is bound to.

use thiserror::Error;

use crate::group::{Element, GroupError};
use crate::reading::{ReadError, Reading};
use crate::tender_key::{TenderKeyError, check_threshold};
use crate::transcript::{self, Tag};

const MAGIC: &str = "SEALTRM1";

/// A holder's long-term public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderKeys {
    /// Ed25519, for signing.
    pub identity: [u8; 32],
    /// ristretto255, for receiving shares.
    pub encryption: Element,
}

/// The terms of one ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeremonyTerms {
    tender_document: [u8; 32],
    threshold: u16,
    holders: Vec<HolderKeys>,
    nonce: [u8; 32],
    id: [u8; 32],
}

/// Why terms are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TermsError {
    /// n/2 < t < n does not hold.
    #[error(transparent)]
    Threshold(#[from] TenderKeyError),
    /// Two holders have a key in common.
    #[error("Holder {holder} has a key that an earlier holder has.")]
    SharedKey {
        /// The later one.
        holder: u16,
    },
    /// The bytes are not canonical.
    #[error(transparent)]
    Form(#[from] ReadError),
    /// An encryption key is refused.
    #[error(transparent)]
    Key(#[from] GroupError),
}

impl CeremonyTerms {
    /// Sets the terms: the hash of the tender document, t, the holders in their order (they count
    /// from 1), and a nonce that is new for every attempt.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn new(
        tender_document: [u8; 32],
        threshold: u16,
        holders: Vec<HolderKeys>,
        nonce: [u8; 32],
    ) -> Result<Self, TermsError> {
        check_threshold(threshold, holders.len())?;
        for (position, keys) in holders.iter().enumerate() {
            if holders.iter().take(position).any(|earlier| {
                earlier.identity == keys.identity || earlier.encryption == keys.encryption
            }) {
                // Bounded by the check of the threshold.
                return Err(TermsError::SharedKey {
                    holder: position as u16 + 1,
                });
            }
        }
        let count = (holders.len() as u16).to_be_bytes();
        let threshold_bytes = threshold.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&tender_document, &count, &threshold_bytes];
        for keys in &holders {
            parts.extend([keys.identity.as_slice(), keys.encryption.as_bytes()]);
        }
        parts.push(&nonce);
        let id = transcript::hash(Tag::CeremonyId, &parts);
        Ok(Self {
            tender_document,
            threshold,
            holders,
            nonce,
            id,
        })
    }

    /// The ceremony's name.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// The hash of the tender document the key is made for.
    #[must_use]
    pub const fn tender_document(&self) -> &[u8; 32] {
        &self.tender_document
    }

    /// t.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The holders' keys, in order.
    #[must_use]
    pub fn holders(&self) -> &[HolderKeys] {
        &self.holders
    }

    /// The holders' public identity keys, in order.
    #[must_use]
    pub fn identities(&self) -> Vec<[u8; 32]> {
        self.holders.iter().map(|keys| keys.identity).collect()
    }

    pub(crate) fn holder(&self, holder: u16) -> Option<&HolderKeys> {
        usize::from(holder)
            .checked_sub(1)
            .and_then(|position| self.holders.get(position))
    }

    /// 1 to n.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.holders.len() as u16
    }

    /// Canonical bytes, for publishing.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.as_bytes().to_vec();
        out.extend_from_slice(&self.tender_document);
        out.extend_from_slice(&self.threshold.to_be_bytes());
        out.extend_from_slice(&(self.holders.len() as u16).to_be_bytes());
        for keys in &self.holders {
            out.extend_from_slice(&keys.identity);
            out.extend_from_slice(keys.encryption.as_bytes());
        }
        out.extend_from_slice(&self.nonce);
        out
    }

    pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Self, TermsError> {
        reading.magic(MAGIC)?;
        let tender_document = reading.array("tender document")?;
        let threshold = reading.short("threshold")?;
        let count = reading.short("holders")?;
        let holders = (0..count)
            .map(|_| {
                let identity = reading.array("identity key")?;
                let encryption = Element::decode(&reading.array("encryption key")?)?;
                Ok(HolderKeys {
                    identity,
                    encryption,
                })
            })
            .collect::<Result<_, TermsError>>()?;
        let nonce = reading.array("nonce")?;
        Self::new(tender_document, threshold, holders, nonce)
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TermsError> {
        let mut reading = Reading::new(bytes);
        let terms = Self::read(&mut reading)?;
        reading.end()?;
        Ok(terms)
    }
}
