//! A holder's signed message in one round of one ceremony.
//! The signature covers ceremony, round, holder and content, so a message of another ceremony,
//! another round or another holder is refused however well-formed its content is.

use std::fmt;

use crate::identity::{IdentityKey, Signature, is_signed_by};
use crate::reading::{ReadError, Reading};

use super::fault::{CeremonyFault, Fault};
use super::terms::CeremonyTerms;

const SIGNATURE_PREFIX: &[u8] = b"SEALBID-V1 ceremony message\0";

/// The rounds of a ceremony in which messages are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Round {
    /// 1: the hash of the package.
    Commitment,
    /// 2: the package.
    Package,
    /// 3: an encrypted share for every other holder.
    Shares,
    /// 4: a complaint about one share, if any.
    Complaint,
}

impl Round {
    const fn id(self) -> u8 {
        match self {
            Self::Commitment => 1,
            Self::Package => 2,
            Self::Shares => 3,
            Self::Complaint => 4,
        }
    }

    const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Commitment),
            2 => Some(Self::Package),
            3 => Some(Self::Shares),
            4 => Some(Self::Complaint),
            _ => None,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(formatter)
    }
}

/// A posted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub(crate) round: Round,
    pub(crate) holder: u16,
    pub(crate) content: Vec<u8>,
    pub(crate) signature: Signature,
}

impl Message {
    /// Signs a holder's content for one round. The steps of a holder do this themselves; it is
    /// public so that a board can be tested with holders that misbehave.
    #[must_use]
    pub fn sign(
        terms: &CeremonyTerms,
        round: Round,
        holder: u16,
        content: Vec<u8>,
        identity: &IdentityKey,
    ) -> Self {
        let signature = identity.sign(&signed_bytes(terms.id(), round, holder, &content));
        Self {
            round,
            holder,
            content,
            signature,
        }
    }

    /// The round it says.
    #[must_use]
    pub const fn round(&self) -> Round {
        self.round
    }

    /// The holder it says; counting from 1.
    #[must_use]
    pub const fn holder(&self) -> u16 {
        self.holder
    }

    /// What was posted.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Canonical bytes: round, holder, length, content, signature.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.round.id()];
        out.extend_from_slice(&self.holder.to_be_bytes());
        // At most 255 encrypted shares of 176 bytes; reading bounds it by its own u32.
        out.extend_from_slice(&(self.content.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.content);
        out.extend_from_slice(&self.signature);
        out
    }

    pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Self, ReadError> {
        let round = Round::from_id(reading.byte("round")?).ok_or(ReadError::Magic {
            expected: "a round from 1 to 4",
        })?;
        let holder = reading.short("holder")?;
        let length = reading.word("content length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let content = reading.take(length, "content")?.to_vec();
        let signature = reading.array("signature")?;
        Ok(Self {
            round,
            holder,
            content,
            signature,
        })
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reading = Reading::new(bytes);
        let message = Self::read(&mut reading)?;
        reading.end()?;
        Ok(message)
    }

    /// Checks that the holder named in it signed it for this ceremony. A board checks this before
    /// it takes a message.
    ///
    /// # Errors
    /// [`CeremonyFault`].
    pub fn check(&self, terms: &CeremonyTerms) -> Result<(), CeremonyFault> {
        let fault = |what| CeremonyFault {
            holder: self.holder,
            what,
        };
        let keys = terms.holder(self.holder).ok_or(fault(Fault::Unknown))?;
        let signed = signed_bytes(terms.id(), self.round, self.holder, &self.content);
        if !is_signed_by(&keys.identity, &signed, &self.signature) {
            return Err(fault(Fault::Signature { round: self.round }));
        }
        Ok(())
    }
}

fn signed_bytes(ceremony: &[u8; 32], round: Round, holder: u16, content: &[u8]) -> Vec<u8> {
    [
        SIGNATURE_PREFIX,
        ceremony,
        &[round.id()],
        &holder.to_be_bytes(),
        content,
    ]
    .concat()
}

/// One message of every holder for the round, in the order of the holders.
pub(crate) fn collect<'a>(
    terms: &CeremonyTerms,
    round: Round,
    messages: &'a [Message],
) -> Result<Vec<&'a Message>, CeremonyFault> {
    for message in messages {
        let fault = |what| CeremonyFault {
            holder: message.holder,
            what,
        };
        message.check(terms)?;
        if message.round != round {
            return Err(fault(Fault::WrongRound {
                expected: round,
                found: message.round,
            }));
        }
    }
    terms
        .indices()
        .map(|holder| {
            let fault = |what| CeremonyFault { holder, what };
            let mut own = messages.iter().filter(|message| message.holder == holder);
            let message = own.next().ok_or(fault(Fault::Missing { round }))?;
            match own.next() {
                None => Ok(message),
                Some(_) => Err(fault(Fault::Repeated { round })),
            }
        })
        .collect()
}

/// Whether two messages prove that a holder told different people different things: both are
/// validly signed by it for the same round of the same ceremony, and their contents differ.
#[must_use]
pub fn equivocates(terms: &CeremonyTerms, one: &Message, other: &Message) -> bool {
    one.round == other.round
        && one.round != Round::Complaint
        && one.holder == other.holder
        && one.content != other.content
        && one.check(terms).is_ok()
        && other.check(terms).is_ok()
}
