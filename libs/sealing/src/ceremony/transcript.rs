//! The whole of a ceremony as published, and the check that anybody can make of it.

use thiserror::Error;

use crate::identity::{Signature, is_signed_by};
use crate::reading::{ReadError, Reading};
use crate::tender_key::TenderKey;

use super::complaint::judge;
use super::fault::{CeremonyFault, Fault};
use super::message::Message;
use super::posted::Posted;
use super::terms::{CeremonyTerms, TermsError};

const MAGIC: &str = "SEALDKG1";

/// A holder's signature on everything that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Counting from 1.
    pub holder: u16,
    /// Over the hash of the ceremony, the key and all posted bytes.
    pub signature: Signature,
}

/// Everything posted in a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Who, for which tender.
    pub terms: CeremonyTerms,
    /// Round 1.
    pub commitments: Vec<Message>,
    /// Round 2.
    pub packages: Vec<Message>,
    /// Round 3.
    pub shares: Vec<Message>,
    /// Round 4; a ceremony with any complaint has no key.
    pub complaints: Vec<Message>,
    /// One of every holder.
    pub certificates: Vec<Certificate>,
}

/// Why a published transcript cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TranscriptError {
    /// The bytes are not canonical.
    #[error("The transcript is not canonical. {0}")]
    Form(#[from] ReadError),
    /// The terms are refused.
    #[error("The transcript's terms are refused. {0}")]
    Terms(#[from] TermsError),
}

/// Recomputes a tender's key from what was posted, trusting nobody.
///
/// # Errors
/// [`CeremonyFault`], naming the holder at fault.
pub fn verify_transcript(transcript: &Transcript) -> Result<TenderKey, CeremonyFault> {
    let Transcript {
        terms,
        commitments,
        packages,
        shares,
        complaints,
        certificates,
    } = transcript;
    let posted = Posted::check(terms, commitments, packages, shares)?;
    if let Some(complaint) = complaints.first() {
        return Err(judge(terms, &posted, complaint));
    }
    for certificate in certificates {
        let fault = |what| CeremonyFault {
            holder: certificate.holder,
            what,
        };
        let keys = terms
            .holder(certificate.holder)
            .ok_or(fault(Fault::Unknown))?;
        if !is_signed_by(&keys.identity, &posted.certified, &certificate.signature) {
            return Err(fault(Fault::Certificate));
        }
    }
    for holder in terms.indices() {
        if certificates
            .iter()
            .all(|certificate| certificate.holder != holder)
        {
            return Err(CeremonyFault {
                holder,
                what: Fault::NoCertificate,
            });
        }
    }
    Ok(posted.key)
}

impl Transcript {
    /// Canonical bytes, for publishing: the terms, then four lists of messages and the
    /// certificates, each with its count.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.as_bytes().to_vec();
        out.extend_from_slice(&self.terms.encode());
        for messages in [
            &self.commitments,
            &self.packages,
            &self.shares,
            &self.complaints,
        ] {
            out.extend_from_slice(&(messages.len() as u32).to_be_bytes());
            for message in messages {
                out.extend_from_slice(&message.encode());
            }
        }
        out.extend_from_slice(&(self.certificates.len() as u32).to_be_bytes());
        for certificate in &self.certificates {
            out.extend_from_slice(&certificate.holder.to_be_bytes());
            out.extend_from_slice(&certificate.signature);
        }
        out
    }

    /// Reads the canonical bytes. Nothing is verified by this.
    ///
    /// # Errors
    /// [`TranscriptError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TranscriptError> {
        let mut reading = Reading::new(bytes);
        reading.magic(MAGIC)?;
        let terms = CeremonyTerms::read(&mut reading)?;
        let mut messages = || -> Result<Vec<Message>, ReadError> {
            let count = reading.word("message count")?;
            (0..count).map(|_| Message::read(&mut reading)).collect()
        };
        let (commitments, packages) = (messages()?, messages()?);
        let (shares, complaints) = (messages()?, messages()?);
        let count = reading.word("certificate count")?;
        let certificates = (0..count)
            .map(|_| {
                let holder = reading.short("holder")?;
                Ok(Certificate {
                    holder,
                    signature: reading.array("signature")?,
                })
            })
            .collect::<Result<_, ReadError>>()?;
        reading.end()?;
        Ok(Self {
            terms,
            commitments,
            packages,
            shares,
            complaints,
            certificates,
        })
    }
}
