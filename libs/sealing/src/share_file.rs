//! A holder's share at rest: encrypted under a passphrase, erased by its owner after the award.
//! The file says how much work guessing costs; a file that asks for less than the floor is refused,
//! so that nobody can have a share written or read under a cheaper key. There is no recovery.

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRngCore;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::{GroupError, NoRandomness, SecretScalar, random_bytes};
use crate::keys::{self, CipherRefused};
use crate::reading::{ReadError, Reading};
use crate::tender_key::KeyShare;

const MAGIC: &str = "SEALSHR1";
const SALT: usize = 32;

/// What one guess of the passphrase costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Effort {
    /// RFC 9106's second recommendation, 64 MiB in 3 passes, in one lane: the implementation used
    /// computes lanes one after the other, and more lanes would only help a guesser.
    pub const PRODUCTION: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// Costs nothing and protects nothing. For tests that write many files; a file made with it
    /// opens only where this is given as the floor.
    pub const FOR_TESTS: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    /// More than any holder needs; a file that asks for more would only exhaust the machine.
    const CEILING: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 64,
        lanes: 16,
    };

    /// Whether this is at least as much work as the floor in memory and passes.
    const fn reaches(self, floor: Self) -> bool {
        self.memory_kib >= floor.memory_kib && self.passes >= floor.passes
    }

    fn key(self, passphrase: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, ShareFileError> {
        let refused = |_| ShareFileError::Effort {
            memory_kib: self.memory_kib,
            passes: self.passes,
            lanes: self.lanes,
        };
        let parameters =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(refused)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase, salt, key.as_mut_slice())
            .map_err(refused)?;
        Ok(key)
    }
}

/// Why a share file is not written or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShareFileError {
    /// The bytes are not canonical.
    #[error("The share file is not canonical. {0}")]
    Form(#[from] ReadError),
    /// The file asks for less work than allowed, for more than any machine should do, or for
    /// parameters that Argon2id does not have.
    #[error(
        "The share file asks for {memory_kib} KiB, {passes} passes and {lanes} lanes, which is refused."
    )]
    Effort {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The passphrase, the ceremony or the holder is another, or the file was changed.
    #[error("The share file does not open with this passphrase for this ceremony and holder.")]
    Refused,
    /// What it held is no share.
    #[error("The share file holds no share. {0}")]
    Share(#[from] GroupError),
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl From<CipherRefused> for ShareFileError {
    fn from(_: CipherRefused) -> Self {
        Self::Refused
    }
}

/// Writes a share under a passphrase, for one ceremony.
///
/// # Errors
/// [`ShareFileError`] when the effort is not possible or randomness fails.
pub fn write_share_file(
    share: &KeyShare,
    ceremony: &[u8; 32],
    passphrase: &[u8],
    effort: Effort,
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<u8>, ShareFileError> {
    let salt = *random_bytes::<SALT>(rng)?;
    let key = effort.key(passphrase, &salt)?;
    let aad = associated(ceremony, share.holder());
    // The salt is new for every file, so the key is used once.
    let sealed = keys::seal_once(&key, &aad, share.secret().to_bytes().as_slice())?;
    let mut out = MAGIC.as_bytes().to_vec();
    for parameter in [effort.memory_kib, effort.passes, effort.lanes] {
        out.extend_from_slice(&parameter.to_be_bytes());
    }
    out.extend_from_slice(&salt);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens a share file; `floor` is the least work its writer may have chosen,
/// [`Effort::PRODUCTION`] outside tests.
///
/// # Errors
/// [`ShareFileError`].
pub fn open_share_file(
    file: &[u8],
    ceremony: &[u8; 32],
    holder: u16,
    passphrase: &[u8],
    floor: Effort,
) -> Result<KeyShare, ShareFileError> {
    let mut reading = Reading::new(file);
    reading.magic(MAGIC)?;
    let effort = Effort {
        memory_kib: reading.word("memory")?,
        passes: reading.word("passes")?,
        lanes: reading.word("lanes")?,
    };
    let salt: [u8; SALT] = reading.array("salt")?;
    let sealed: [u8; 48] = reading.array("share")?;
    reading.end()?;
    let Effort {
        memory_kib,
        passes,
        lanes,
    } = effort;
    if !effort.reaches(floor) || !Effort::CEILING.reaches(effort) || lanes > Effort::CEILING.lanes {
        return Err(ShareFileError::Effort {
            memory_kib,
            passes,
            lanes,
        });
    }
    let key = effort.key(passphrase, &salt)?;
    let opened = keys::open_once(&key, &associated(ceremony, holder), &sealed)?;
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
        opened
            .as_slice()
            .try_into()
            .map_err(|_| ShareFileError::Refused)?,
    );
    Ok(KeyShare::new(holder, SecretScalar::decode(&bytes)?))
}

fn associated(ceremony: &[u8; 32], holder: u16) -> Vec<u8> {
    [ceremony.as_slice(), &holder.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    const CEREMONY: [u8; 32] = [7; 32];

    fn share() -> KeyShare {
        KeyShare::new(3, SecretScalar::random(&mut OsRng).unwrap())
    }

    #[test]
    fn a_share_comes_back_only_to_its_passphrase_ceremony_and_holder() {
        let share = share();
        let floor = Effort::FOR_TESTS;
        let file = write_share_file(&share, &CEREMONY, b"long words", floor, &mut OsRng).unwrap();
        let back = open_share_file(&file, &CEREMONY, 3, b"long words", floor).unwrap();
        assert_eq!(back.public(), share.public());
        for (ceremony, holder, passphrase) in [
            (CEREMONY, 3, b"other word".as_slice()),
            (CEREMONY, 2, b"long words"),
            ([8; 32], 3, b"long words"),
        ] {
            let refused = open_share_file(&file, &ceremony, holder, passphrase, floor);
            assert_eq!(refused.unwrap_err(), ShareFileError::Refused);
        }
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 1;
            // A changed parameter may ask for real work; only cheap ones are tried here.
            if !(8..20).contains(&position) {
                assert!(open_share_file(&changed, &CEREMONY, 3, b"long words", floor).is_err());
            }
            assert!(open_share_file(&file[..position], &CEREMONY, 3, b"", floor).is_err());
        }
    }

    #[test]
    fn lowered_and_absurd_efforts_are_refused_before_any_work() {
        let cheap =
            write_share_file(&share(), &CEREMONY, b"words", Effort::FOR_TESTS, &mut OsRng).unwrap();
        let floor = Effort::PRODUCTION;
        let refused = open_share_file(&cheap, &CEREMONY, 3, b"words", floor).unwrap_err();
        assert_eq!(
            refused,
            ShareFileError::Effort {
                memory_kib: 8,
                passes: 1,
                lanes: 1
            }
        );
        for (position, value) in [
            (8, u32::MAX),
            (12, u32::MAX),
            (16, u32::MAX),
            (12, 0),
            (8, 0),
        ] {
            let mut file = cheap.clone();
            file[position..position + 4].copy_from_slice(&value.to_be_bytes());
            let refused = open_share_file(&file, &CEREMONY, 3, b"words", Effort::FOR_TESTS);
            assert!(matches!(refused, Err(ShareFileError::Effort { .. })));
        }
    }
}
