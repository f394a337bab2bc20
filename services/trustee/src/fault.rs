//! What can go wrong for a holder. What would break a promise stops the duty with its evidence; what
//! is only the network's fault is tried again.

use std::{io, path::PathBuf};

use sunbid_domain::{
    opening::{bid_log::LogFault, closing::ClosingFault},
    tender::ceremony::RecordError,
};
use sunbid_sealing::{
    DeliveryError, NoRandomness, PartialError, ShareFileError,
    ceremony::{CanaryError, CeremonyError},
};

use tonic::Code;

#[derive(Debug, thiserror::Error)]
pub enum TrusteeFault {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {cause}")]
    Form { path: PathBuf, cause: String },
    #[error("{0} holds a trustee's folder already")]
    Exists(PathBuf),
    #[error("the passphrase does not open this folder's vault")]
    Passphrase,
    #[error("the passphrase is too short: at least 12 characters")]
    ShortPassphrase,
    #[error("trial behaviour is for sandboxes only")]
    NotASandbox,
    #[error("the platform is not the one this folder was made for: {0}")]
    OtherPlatform(String),
    #[error("the platform: {0}")]
    Platform(Box<tonic::Status>),
    #[error("the address of the platform cannot be used: {0}")]
    Endpoint(#[from] tonic::transport::Error),
    #[error("the key cannot sign: {0}")]
    Signer(#[from] sunbid_certificates::SignerError),
    #[error("the system gives no randomness")]
    Randomness,
    #[error("the ceremony's record: {0}")]
    Record(#[from] RecordError),
    #[error("the ceremony: {0}")]
    Ceremony(#[from] CeremonyError),
    #[error("the rehearsal: {0}")]
    Canary(#[from] CanaryError),
    #[error("the ceremony invites this institution with keys that are not its own")]
    NotOurKeys,
    #[error("the share file: {0}")]
    ShareFile(#[from] ShareFileError),
    #[error("the bid log: {0}")]
    Log(#[from] LogFault),
    #[error("the closing: {0}")]
    Closing(#[from] ClosingFault),
    #[error("{0} is not the document that its key ceremony was held for")]
    OtherDocument(String),
    #[error("the closing that is to be signed is not the one the records make")]
    OtherClosing,
    #[error(
        "another closing of this tender was signed before; this one is refused, and both are kept"
    )]
    SecondClosing,
    #[error("by this machine's clock the deadline has not passed; nothing is signed before it")]
    TooEarly,
    #[error("the closed bid log differs from what was published in {0}; nothing is signed for it")]
    NotAsPublished(String),
    #[error("too few holders have signed this closing for shares to be given: {0}")]
    NoQuorum(String),
    #[error("a share: {0}")]
    Partial(#[from] PartialError),
    #[error("a delivery: {0}")]
    Delivery(#[from] DeliveryError),
    #[error("the public log: {0}")]
    PublicLog(String),
    #[error("a task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl TrusteeFault {
    /// Whether the same may go well a moment later: the network's or the platform's passing trouble,
    /// or a token that ended.
    pub(crate) fn may_pass(&self) -> bool {
        let Self::Platform(status) = self else {
            return matches!(self, Self::TooEarly | Self::Task(_));
        };
        !matches!(
            status.code(),
            Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::NotFound
                | Code::AlreadyExists
                | Code::OutOfRange
                | Code::Unimplemented
        )
    }
}

impl From<tonic::Status> for TrusteeFault {
    fn from(status: tonic::Status) -> Self {
        Self::Platform(Box::new(status))
    }
}

impl From<NoRandomness> for TrusteeFault {
    fn from(_: NoRandomness) -> Self {
        Self::Randomness
    }
}
