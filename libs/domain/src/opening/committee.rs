//! The key ceremony as the tender's log keeps it, in the terms of the sealing library: who holds,
//! what was posted, and the key that anyone can recompute from it.
//!
//! Rounds 1 to 3 carry the sealing library's messages. In round 4 an empty payload is a certificate
//! and its signature; any other payload is a complaint. Round 5 carries a holder's partial on the
//! rehearsal envelope.

use sunbid_contracts::tender::v1::{Ceremony, CeremonyMessage};
use sunbid_sealing::ceremony::{
    CeremonyFault, CeremonyTerms, Certificate, HolderKeys, Message, Round, TermsError, Transcript,
    verify_transcript,
};
use sunbid_sealing::{Element, GroupError, Partial, PartialError, ReadError, TenderKey};

/// Number of the round of certificates and complaints.
pub const CERTIFICATES: i32 = 4;
/// Number of the round of the rehearsal.
pub const REHEARSAL: i32 = 5;

/// Why a ceremony on record is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeFault {
    #[error("the ceremony's {what} has {found} bytes instead of {expected}")]
    Length {
        what: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("the holders are not numbered from 1 in their order")]
    Numbering,
    #[error("{0} is not a number of holders")]
    Threshold(i32),
    #[error("the encryption key of holder {index} is refused: {cause}")]
    Key { index: i32, cause: GroupError },
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error("the ceremony's id is not the hash of its terms")]
    Id,
    #[error("a message of round {0} has no place in a ceremony")]
    Round(i32),
    #[error(transparent)]
    Form(#[from] ReadError),
    #[error(transparent)]
    Ceremony(#[from] CeremonyFault),
    #[error("the rehearsal answer of holder {index} is refused: {cause}")]
    Rehearsal { index: i32, cause: PartialError },
}

/// The terms that every message is bound to; refused unless the ceremony's id is theirs.
pub fn terms(ceremony: &Ceremony) -> Result<CeremonyTerms, CommitteeFault> {
    let holders = ceremony
        .holders
        .iter()
        .zip(1..)
        .map(|(holder, number)| {
            if holder.index != number {
                return Err(CommitteeFault::Numbering);
            }
            let encryption = Element::decode(&array(&holder.encryption_key, "encryption key")?)
                .map_err(|cause| CommitteeFault::Key {
                    index: number,
                    cause,
                })?;
            Ok(HolderKeys {
                identity: array(&holder.identity_key, "identity key")?,
                encryption,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let threshold = u16::try_from(ceremony.threshold)
        .map_err(|_| CommitteeFault::Threshold(ceremony.threshold))?;
    let document = array(&ceremony.tender_hash, "tender hash")?;
    let terms = CeremonyTerms::new(
        document,
        threshold,
        holders,
        array(&ceremony.nonce, "nonce")?,
    )?;
    if terms.id().as_slice() != ceremony.cid {
        return Err(CommitteeFault::Id);
    }
    Ok(terms)
}

/// The messages of one of the rounds 1 to 3, in order of arrival.
pub fn posted(ceremony: &Ceremony, round: Round) -> Result<Vec<Message>, CommitteeFault> {
    let number = number(round);
    ceremony
        .messages
        .iter()
        .filter(|m| m.round == number && !(m.round == CERTIFICATES && m.payload.is_empty()))
        .map(|m| message(m, round))
        .collect()
}

/// Everything posted, for anyone to verify.
pub fn transcript(ceremony: &Ceremony) -> Result<Transcript, CommitteeFault> {
    let certificates = ceremony
        .messages
        .iter()
        .filter(|m| m.round == CERTIFICATES && m.payload.is_empty())
        .map(|m| {
            Ok(Certificate {
                holder: holder(m.index)?,
                signature: array(&m.signature, "signature")?,
            })
        })
        .collect::<Result<_, CommitteeFault>>()?;
    Ok(Transcript {
        terms: terms(ceremony)?,
        commitments: posted(ceremony, Round::Commitment)?,
        packages: posted(ceremony, Round::Package)?,
        shares: posted(ceremony, Round::Shares)?,
        complaints: posted(ceremony, Round::Complaint)?,
        certificates,
    })
}

/// The tender's key, recomputed from what was posted; trusts nobody.
pub fn tender_key(ceremony: &Ceremony) -> Result<TenderKey, CommitteeFault> {
    Ok(verify_transcript(&transcript(ceremony)?)?)
}

/// The holders' answers to the rehearsal.
pub fn rehearsal(ceremony: &Ceremony) -> Result<Vec<Partial>, CommitteeFault> {
    ceremony
        .messages
        .iter()
        .filter(|m| m.round == REHEARSAL)
        .map(|m| {
            Partial::parse(&m.payload).map_err(|cause| CommitteeFault::Rehearsal {
                index: m.index,
                cause,
            })
        })
        .collect()
}

/// A message of the sealing library in the form that contracts carry.
pub fn carried(message: &Message) -> CeremonyMessage {
    let encoded = message.encode();
    let signature = encoded
        .get(encoded.len().saturating_sub(64)..)
        .unwrap_or_default();
    CeremonyMessage {
        round: number(message.round()),
        index: i32::from(message.holder()),
        payload: message.content().to_vec(),
        signature: signature.to_vec(),
    }
}

/// A certificate in the form that contracts carry.
pub fn carried_certificate(certificate: &Certificate) -> CeremonyMessage {
    CeremonyMessage {
        round: CERTIFICATES,
        index: i32::from(certificate.holder),
        payload: Vec::new(),
        signature: certificate.signature.to_vec(),
    }
}

/// What a holder signs under its answer to the rehearsal.
pub fn rehearsal_statement(cid: &[u8; 32], index: u16, payload: &[u8]) -> Vec<u8> {
    [
        b"SEALBID-V1 ceremony message\0".as_slice(),
        cid,
        &[5],
        &index.to_be_bytes(),
        payload,
    ]
    .concat()
}

fn message(carried: &CeremonyMessage, round: Round) -> Result<Message, CommitteeFault> {
    let length = u32::try_from(carried.payload.len()).unwrap_or(u32::MAX);
    let number = u8::try_from(carried.round).map_err(|_| CommitteeFault::Round(carried.round))?;
    let signature: [u8; 64] = array(&carried.signature, "signature")?;
    let mut bytes = vec![number];
    bytes.extend_from_slice(&holder(carried.index)?.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&carried.payload);
    bytes.extend_from_slice(&signature);
    let message = Message::parse(&bytes)?;
    if message.round() == round {
        Ok(message)
    } else {
        Err(CommitteeFault::Round(carried.round))
    }
}

const fn number(round: Round) -> i32 {
    match round {
        Round::Commitment => 1,
        Round::Package => 2,
        Round::Shares => 3,
        Round::Complaint => CERTIFICATES,
    }
}

fn holder(index: i32) -> Result<u16, CommitteeFault> {
    u16::try_from(index).map_err(|_| CommitteeFault::Numbering)
}

fn array<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], CommitteeFault> {
    bytes.try_into().map_err(|_| CommitteeFault::Length {
        what,
        expected: N,
        found: bytes.len(),
    })
}
