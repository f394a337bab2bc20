//! A bid as one thing: the bundle of all its envelopes, which the supplier signs once.
//! The certificate and its signature algorithm are not this library's; it only says which bytes
//! are signed.

use thiserror::Error;

use crate::header::CheckedHeader;
use crate::label::Label;
use crate::transcript::{self, Tag};

const SIGNATURE_PREFIX: &[u8] = b"SEALBID-V1 supplier signature\0";

/// All envelopes of one revision of one supplier's bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    tender: Label,
    bidder: Label,
    revision: u32,
    envelopes: Vec<[u8; 32]>,
}

/// Why envelopes are not one bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// There is nothing in it.
    #[error("A bid has at least one envelope.")]
    Empty,
    /// The envelopes speak of different things.
    #[error("The envelopes of a bid differ in their {field}.")]
    Differs {
        /// Which field.
        field: &'static str,
    },
    /// Two envelopes are the same part.
    #[error("Part {part} of a lot is there twice.")]
    Repeated {
        /// The part's number.
        part: u8,
    },
    /// Two envelopes share their ephemeral element: opening one would open the other.
    #[error("Two envelopes were sealed with the same ephemeral secret.")]
    ReusedSecret,
}

impl Bundle {
    /// Puts together a bid's envelopes, ordered by lot and part whatever order they come in.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn of(headers: &[&CheckedHeader]) -> Result<Self, BundleError> {
        let mut headers = headers.to_vec();
        headers.sort_by(|left, right| {
            let (left, right) = (left.subject(), right.subject());
            left.lot.cmp(&right.lot).then(left.part.cmp(&right.part))
        });
        let first = headers.first().ok_or(BundleError::Empty)?;
        for (position, header) in headers.iter().enumerate() {
            let (one, other) = (first.subject(), header.subject());
            let same = [
                ("key", first.key_id() == header.key_id()),
                ("tender", one.tender == other.tender),
                ("bidder", one.bidder == other.bidder),
                ("revision", one.revision == other.revision),
            ];
            if let Some((field, _)) = same.iter().find(|(_, same)| !same) {
                return Err(BundleError::Differs { field });
            }
            for earlier in headers.iter().take(position) {
                let earlier_subject = earlier.subject();
                if earlier_subject.lot == other.lot && earlier_subject.part == other.part {
                    return Err(BundleError::Repeated { part: other.part });
                }
                if earlier.ephemeral == header.ephemeral {
                    return Err(BundleError::ReusedSecret);
                }
            }
        }
        let subject = first.subject();
        Ok(Self {
            tender: subject.tender.clone(),
            bidder: subject.bidder.clone(),
            revision: subject.revision,
            envelopes: headers.iter().map(|header| *header.id()).collect(),
        })
    }

    /// The bundle's hash: what is logged, closed on and signed.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let revision = self.revision.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![self.tender.as_bytes(), self.bidder.as_bytes(), &revision];
        parts.extend(self.envelopes.iter().map(<[u8; 32]>::as_slice));
        transcript::hash(Tag::Bundle, &parts)
    }

    /// The envelopes' names, by lot and part.
    #[must_use]
    pub fn envelopes(&self) -> &[[u8; 32]] {
        &self.envelopes
    }
}

/// The bytes a supplier signs, with the key of the certificate given in DER.
#[must_use]
pub fn supplier_message(certificate: &[u8], bundle: &[u8; 32]) -> Vec<u8> {
    [SIGNATURE_PREFIX, certificate, bundle].concat()
}
