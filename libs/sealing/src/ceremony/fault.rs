//! What went wrong in a ceremony, and whose fault it is.

use thiserror::Error;

use crate::group::{GroupError, NoRandomness};
use crate::keys::CipherRefused;
use crate::reading::ReadError;

use super::message::Round;

/// A fault that ends a ceremony, with the holder it is laid to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Holder {holder}: {what}")]
pub struct CeremonyFault {
    /// Counting from 1; 0 when no single holder is at fault.
    pub holder: u16,
    /// What it did or did not do.
    pub what: Fault,
}

/// What a holder did or did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is no such holder.
    #[error("The ceremony has no such holder.")]
    Unknown,
    /// Nothing was posted.
    #[error("No message was posted in round {round}.")]
    Missing {
        /// The round that lacks it.
        round: Round,
    },
    /// More than one message was posted.
    #[error("More than one message was posted in round {round}.")]
    Repeated {
        /// The round.
        round: Round,
    },
    /// A message of one round was given for another.
    #[error("A message of round {found} was given for round {expected}.")]
    WrongRound {
        /// The round it was given for.
        expected: Round,
        /// The round it says.
        found: Round,
    },
    /// The signature is not the holder's, or is for another ceremony, round, holder or content.
    #[error("The message of round {round} is not signed for this ceremony by its holder.")]
    Signature {
        /// The round it says.
        round: Round,
    },
    /// The content has the wrong length or a value in it is refused.
    #[error("The message of round {round} is malformed. {cause}")]
    Form {
        /// The round it says.
        round: Round,
        /// Why.
        cause: FormError,
    },
    /// The package is not the one committed to.
    #[error("The package is not the one committed to.")]
    Commitment,
    /// The package does not prove knowledge of its secret under the holder's own index.
    #[error("The package does not prove knowledge of its own secret.")]
    ProofOfKnowledge,
    /// The packages sum up to no key.
    #[error("The packages sum up to no key.")]
    NoKey,
    /// The proof in an encrypted share is false.
    #[error("The encrypted share for holder {recipient} carries a false proof.")]
    ShareProof {
        /// For whom the share is.
        recipient: u16,
    },
    /// A complaint was upheld: the share is not the one the package promises.
    #[error("The share for holder {recipient} is not the one the package promises.")]
    BadShare {
        /// Who complained.
        recipient: u16,
    },
    /// A complaint was dismissed: the share is right, or the complaint proves nothing.
    #[error("The complaint about holder {accused} is false.")]
    FalseComplaint {
        /// Who was accused.
        accused: u16,
    },
    /// The certificate is missing.
    #[error("The certificate is missing.")]
    NoCertificate,
    /// The certificate does not fit what was posted: the holder saw something else, or signed
    /// nothing.
    #[error("The certificate is not the holder's for what was posted.")]
    Certificate,
}

/// Why the content of a message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// Too short or too long.
    #[error(transparent)]
    Length(#[from] ReadError),
    /// A value is refused.
    #[error(transparent)]
    Value(#[from] GroupError),
}

/// Why a holder cannot take its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CeremonyError {
    /// Somebody is at fault; the ceremony is over.
    #[error(transparent)]
    Fault(#[from] CeremonyFault),
    /// The holder's own keys are not those the terms name.
    #[error("The keys given are not those of holder {holder}.")]
    NotThisHolder {
        /// The index given.
        holder: u16,
    },
    /// What the terms' transcript carries in this holder's name is not what it posted.
    #[error("What was posted in round {round} in this holder's name is not what it posted.")]
    NotMine {
        /// The round.
        round: Round,
    },
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The key generation refused its own values.
    #[error("The key generation refused its own values.")]
    Generation,
    /// The cipher refused.
    #[error(transparent)]
    Cipher(#[from] CipherRefused),
}
