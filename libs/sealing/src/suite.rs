//! The suite boundary: which set of primitives an envelope was made with.
//! Suite 1 is the only one this library speaks. A number it does not speak is refused by name,
//! never guessed at and never treated as suite 1.

use thiserror::Error;

/// The name of suite 1; every hash of this library starts with it.
pub const SUITE: &str = "SEALBID-V1-RISTRETTO255-SHA512-HKDFSHA256-AES256GCM";

/// A suite this library can seal, check and open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// ristretto255, SHA-512, HKDF-SHA-256, AES-256-GCM.
    Ristretto255,
}

/// Why a suite number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SuiteError {
    /// The number is kept for a suite that is specified but not spoken here.
    #[error("Suite {id:#06x} ({name}) is reserved and not available in this version.")]
    Reserved {
        /// The number that was read.
        id: u16,
        /// What it stands for.
        name: &'static str,
    },
    /// The number stands for nothing.
    #[error("Suite {id:#06x} is unknown.")]
    Unknown {
        /// The number that was read.
        id: u16,
    },
}

/// The number kept for SM2, SM3 and SM4-GCM.
pub const RESERVED_SM: u16 = 0x8001;

impl Suite {
    /// The number written in a header.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Ristretto255 => 1,
        }
    }

    /// The name hashed into every transcript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ristretto255 => SUITE,
        }
    }

    /// The suite of a number read from a header.
    ///
    /// # Errors
    /// Names the suite when its number is reserved, the number when it is unknown.
    pub const fn from_id(id: u16) -> Result<Self, SuiteError> {
        match id {
            1 => Ok(Self::Ristretto255),
            RESERVED_SM => Err(SuiteError::Reserved {
                id,
                name: "SM2, SM3 and SM4-GCM",
            }),
            _ => Err(SuiteError::Unknown { id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_suite_one_is_spoken() {
        for id in 0..=u16::MAX {
            match Suite::from_id(id) {
                Ok(suite) => assert_eq!((suite.id(), id), (1, 1)),
                Err(refusal) => assert!(refusal.to_string().contains(&format!("{id:#06x}"))),
            }
        }
        assert!(
            Suite::from_id(RESERVED_SM)
                .unwrap_err()
                .to_string()
                .contains("SM2")
        );
    }
}
