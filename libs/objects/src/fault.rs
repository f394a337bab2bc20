//! Why a file cannot be had. What is lost or changed for good is told apart from a store that is away:
//! the first is named to whoever asks, the second is asked again.

use std::io;

/// Why a file cannot be had, or cannot be put.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The store works and does not have it.
    #[error("it is lost: the store does not have it")]
    Lost,
    /// The store has other bytes than were put there.
    #[error("it has changed: {found} bytes are stored, {expected} were put there")]
    Length { expected: u64, found: u64 },
    /// The store has as many bytes as were put there, and others.
    #[error("it has changed: the stored bytes have another digest than those put there")]
    Changed,
    /// The store does not answer, or not as it should; the next try may succeed.
    #[error("the object store is away: {0}")]
    Away(String),
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// A defect of this machine.
    #[error("the file cannot be used: {0}")]
    Unusable(String),
}

impl StoreFault {
    /// Whether the file itself is lost or changed.
    pub const fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Lost | Self::Length { .. } | Self::Changed)
    }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Lost,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(error.to_string())
            }
            _ => Self::Unusable(error.to_string()),
        }
    }
}

/// What an error of a local folder means.
pub fn of_folder(error: object_store::Error) -> StoreFault {
    match error {
        object_store::Error::NotFound { .. } => StoreFault::Lost,
        other => StoreFault::Unusable(causes(&other)),
    }
}

/// What an error of a remote store means. Refused credentials count as away too: they are the
/// operator's business, and no file is the worse for them.
pub fn of_remote(error: object_store::Error) -> StoreFault {
    match error {
        object_store::Error::NotFound { .. } => StoreFault::Lost,
        other => StoreFault::Away(causes(&other)),
    }
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
