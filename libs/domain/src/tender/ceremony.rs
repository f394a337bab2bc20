//! A key ceremony between its record and the sealing library: the record's messages as the library
//! reads them, and what anybody can recompute from the record alone.
//! Used by the service that keeps the record, by holders, by the opening and by verifiers.

use sunbid_contracts::tender::v1::{Ceremony, CeremonyMessage, CeremonyState, Holder};
use sunbid_proofs::hash::Hash;
use sunbid_sealing::{
    Element, Partial, PartialError, TenderKey,
    ceremony::{
        Canary, CanaryError, CeremonyFault, CeremonyTerms, Certificate, HolderKeys, Message, Round,
        TermsError, Transcript, verify_canary, verify_transcript,
    },
};

/// Rounds as records number them.
pub const COMMITMENT: i32 = 1;
pub const PACKAGE: i32 = 2;
pub const SHARES: i32 = 3;
pub const CERTIFICATE: i32 = 4;
pub const REHEARSAL: i32 = 5;
pub const COMPLAINT: i32 = 6;

/// Why a ceremony's record is not one.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the ceremony's {0} does not have the length it must have")]
    Length(&'static str),
    #[error("the key of holder {index} is refused: {cause}")]
    Key { index: i32, cause: String },
    #[error("holder {index} stands at place {place}")]
    Order { index: i32, place: usize },
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error("the ceremony's identifier is not the one its terms give")]
    Identifier,
    #[error("the message of holder {index} in round {round} is malformed: {cause}")]
    Message {
        index: i32,
        round: i32,
        cause: String,
    },
    #[error("the rehearsal envelope is malformed: {0}")]
    Rehearsal(String),
    #[error(transparent)]
    Fault(#[from] CeremonyFault),
    #[error(transparent)]
    Partial(#[from] PartialError),
    #[error(transparent)]
    Canary(#[from] CanaryError),
}

fn array<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Length(what))
}

/// The terms that a record states; its identifier must be theirs.
pub fn terms(ceremony: &Ceremony) -> Result<CeremonyTerms, RecordError> {
    let terms = make_terms(
        array(&ceremony.tender_hash, "tender hash")?,
        ceremony.threshold,
        &ceremony.holders,
        array(&ceremony.nonce, "nonce")?,
    )?;
    if ceremony.cid != terms.id() {
        return Err(RecordError::Identifier);
    }
    Ok(terms)
}

pub(super) fn make_terms(
    tender_hash: Hash,
    threshold: i32,
    holders: &[Holder],
    nonce: [u8; 32],
) -> Result<CeremonyTerms, RecordError> {
    let mut keys = Vec::with_capacity(holders.len());
    for (place, holder) in (1_usize..).zip(holders) {
        let index = holder.index;
        if usize::try_from(index) != Ok(place) {
            return Err(RecordError::Order { index, place });
        }
        let encryption = Element::decode(&array(&holder.encryption_key, "encryption key")?)
            .map_err(|cause| RecordError::Key {
                index,
                cause: cause.to_string(),
            })?;
        keys.push(HolderKeys {
            identity: array(&holder.identity_key, "identity key")?,
            encryption,
        });
    }
    // A threshold outside of u16 is above any number of holders, and so refused below.
    let threshold = u16::try_from(threshold).unwrap_or(u16::MAX);
    Ok(CeremonyTerms::new(tender_hash, threshold, keys, nonce)?)
}

/// A record's message of rounds 1 to 3, or a complaint, as the library reads it.
pub fn message(record: &CeremonyMessage) -> Result<Message, RecordError> {
    let fault = |cause: &str| RecordError::Message {
        index: record.index,
        round: record.round,
        cause: cause.to_owned(),
    };
    let round = match record.round {
        COMMITMENT => 1,
        PACKAGE => 2,
        SHARES => 3,
        COMPLAINT => 4_u8,
        _ => return Err(fault("it is of no round that has such messages")),
    };
    let holder = u16::try_from(record.index).map_err(|_| fault("no holder has this index"))?;
    let length = u32::try_from(record.payload.len()).map_err(|_| fault("it is too long"))?;
    let bytes = [
        [round].as_slice(),
        &holder.to_be_bytes(),
        &length.to_be_bytes(),
        &record.payload,
        &record.signature,
    ]
    .concat();
    Message::parse(&bytes).map_err(|cause| fault(&cause.to_string()))
}

/// A holder's message as it is posted. The library's messages carry their signature last.
pub fn posted_message(message: &Message) -> CeremonyMessage {
    let encoded = message.encode();
    let signature = encoded
        .split_last_chunk::<64>()
        .map(|(_, last)| last.to_vec());
    CeremonyMessage {
        round: match message.round() {
            Round::Commitment => COMMITMENT,
            Round::Package => PACKAGE,
            Round::Shares => SHARES,
            Round::Complaint => COMPLAINT,
        },
        index: i32::from(message.holder()),
        payload: message.content().to_vec(),
        signature: signature.unwrap_or_default(),
    }
}

/// A holder's certificate as it is posted.
pub fn posted_certificate(certificate: &Certificate) -> CeremonyMessage {
    CeremonyMessage {
        round: CERTIFICATE,
        index: i32::from(certificate.holder),
        payload: Vec::new(),
        signature: certificate.signature.to_vec(),
    }
}

/// A holder's answer to the rehearsal as it is posted.
pub fn posted_rehearsal(partial: &Partial) -> CeremonyMessage {
    CeremonyMessage {
        round: REHEARSAL,
        index: i32::from(partial.holder()),
        payload: partial.encode().to_vec(),
        signature: Vec::new(),
    }
}

fn certificate(record: &CeremonyMessage) -> Result<Certificate, RecordError> {
    let fault = |cause: &str| RecordError::Message {
        index: record.index,
        round: record.round,
        cause: cause.to_owned(),
    };
    if !record.payload.is_empty() {
        return Err(fault("a certificate carries nothing but its signature"));
    }
    Ok(Certificate {
        holder: u16::try_from(record.index).map_err(|_| fault("no holder has this index"))?,
        signature: array(&record.signature, "certificate")?,
    })
}

/// The messages of one round in the order they came.
pub fn of_round(ceremony: &Ceremony, round: i32) -> impl Iterator<Item = &CeremonyMessage> {
    ceremony
        .messages
        .iter()
        .filter(move |message| message.round == round)
}

/// The messages of one round as the library reads them: what a holder's next step is handed.
pub fn messages(ceremony: &Ceremony, round: i32) -> Result<Vec<Message>, RecordError> {
    of_round(ceremony, round).map(message).collect()
}

/// Everything posted so far as the library checks it.
pub fn transcript(ceremony: &Ceremony) -> Result<Transcript, RecordError> {
    Ok(Transcript {
        terms: terms(ceremony)?,
        commitments: messages(ceremony, COMMITMENT)?,
        packages: messages(ceremony, PACKAGE)?,
        shares: messages(ceremony, SHARES)?,
        complaints: messages(ceremony, COMPLAINT)?,
        certificates: of_round(ceremony, CERTIFICATE)
            .map(certificate)
            .collect::<Result<_, _>>()?,
    })
}

/// The key that a complete record makes, recomputed from what was posted, trusting nobody.
pub fn tender_key(ceremony: &Ceremony) -> Result<TenderKey, RecordError> {
    Ok(verify_transcript(&transcript(ceremony)?)?)
}

/// Checks a whole record, the rehearsal included, and gives its key.
pub fn verify(ceremony: &Ceremony) -> Result<TenderKey, RecordError> {
    let transcript = transcript(ceremony)?;
    let key = verify_transcript(&transcript)?;
    let canary = rehearsal(&ceremony.rehearsal_envelope)?;
    verify_canary(&transcript.terms, &key, &canary, &partials(ceremony)?)?;
    Ok(key)
}

/// The answers to the rehearsal.
pub fn partials(ceremony: &Ceremony) -> Result<Vec<Partial>, RecordError> {
    of_round(ceremony, REHEARSAL)
        .map(|m| Ok(Partial::parse(&m.payload)?))
        .collect()
}

/// The rehearsal envelope as records carry it.
pub fn encode_rehearsal(canary: &Canary) -> Vec<u8> {
    let header = canary.header.encode();
    // A header has some hundreds of bytes.
    [
        &(header.len() as u32).to_be_bytes(),
        header.as_slice(),
        &canary.payload,
    ]
    .concat()
}

/// Reads the rehearsal envelope of a record. Nothing is checked by this.
pub fn rehearsal(bytes: &[u8]) -> Result<Canary, RecordError> {
    let short = || RecordError::Rehearsal("it is too short".to_owned());
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (header, payload) = rest.split_at_checked(length).ok_or_else(short)?;
    let header = sunbid_sealing::Header::parse(header)
        .map_err(|cause| RecordError::Rehearsal(cause.to_string()))?;
    Ok(Canary {
        header,
        payload: payload.to_vec(),
    })
}

/// Whose message, and in which round, a ceremony waits for from an institution; none if it waits
/// for nothing of it.
pub fn waits_for(ceremony: &Ceremony, organization: &str) -> Option<(i32, i32)> {
    let round = match ceremony.state() {
        CeremonyState::Committing => COMMITMENT,
        CeremonyState::Packages => PACKAGE,
        CeremonyState::Shares => SHARES,
        CeremonyState::Certifying => CERTIFICATE,
        CeremonyState::Rehearsal => REHEARSAL,
        _ => return None,
    };
    ceremony
        .holders
        .iter()
        .filter(|holder| holder.organization == organization)
        .find(|holder| of_round(ceremony, round).all(|m| m.index != holder.index))
        .map(|holder| (round, holder.index))
}
