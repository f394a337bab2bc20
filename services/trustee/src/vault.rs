//! Secrets at rest: a vault key under the institution's passphrase (Argon2id), and under that key
//! every other secret (AES-256-GCM, bound to its name). Key shares have their own file form,
//! which is the sealing library's.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use crate::TrusteeFault;

const MAGIC: &[u8; 8] = b"SUNVLT01";
const SALT: usize = 16;
const FEWEST_CHARACTERS: usize = 12;

/// How hard a passphrase is to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) share_file: sunbid_sealing::Effort,
}

impl Effort {
    /// RFC 9106's second recommendation: 64 MiB, three passes.
    pub const PRODUCTION: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        share_file: sunbid_sealing::Effort::PRODUCTION,
    };
}

/// An open vault.
pub struct Vault {
    key: LessSafeKey,
    passphrase: Zeroizing<Vec<u8>>,
    effort: Effort,
}

impl Vault {
    /// Makes a vault; the bytes are its file.
    pub fn create(passphrase: &[u8], effort: Effort) -> Result<(Self, Vec<u8>), TrusteeFault> {
        if String::from_utf8_lossy(passphrase).chars().count() < FEWEST_CHARACTERS {
            return Err(TrusteeFault::ShortPassphrase);
        }
        let salt: [u8; SALT] = random()?;
        let inner: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        let outer = derive(passphrase, &salt, effort)?;
        let sealed = seal(&outer, b"vault", inner.as_slice())?;
        let file = [MAGIC.as_slice(), &salt, &sealed].concat();
        Ok((Self::with(&inner, passphrase, effort)?, file))
    }

    /// Opens the vault of a file.
    pub fn open(file: &[u8], passphrase: &[u8], effort: Effort) -> Result<Self, TrusteeFault> {
        let rest = file
            .strip_prefix(MAGIC.as_slice())
            .ok_or(TrusteeFault::Passphrase)?;
        let (salt, sealed) = rest
            .split_at_checked(SALT)
            .ok_or(TrusteeFault::Passphrase)?;
        let outer = derive(passphrase, salt, effort)?;
        let inner = open(&outer, b"vault", sealed)?;
        let inner: Zeroizing<[u8; 32]> = Zeroizing::new(
            inner
                .as_slice()
                .try_into()
                .map_err(|_| TrusteeFault::Passphrase)?,
        );
        Self::with(&inner, passphrase, effort)
    }

    fn with(inner: &[u8; 32], passphrase: &[u8], effort: Effort) -> Result<Self, TrusteeFault> {
        Ok(Self {
            key: cipher(inner)?,
            passphrase: Zeroizing::new(passphrase.to_vec()),
            effort,
        })
    }

    /// Encrypts a secret under its name.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, TrusteeFault> {
        seal(&self.key, name.as_bytes(), secret)
    }

    /// Decrypts the secret called `name`.
    pub fn open_secret(&self, name: &str, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, TrusteeFault> {
        open(&self.key, name.as_bytes(), file)
    }

    /// The passphrase, for the share files of the sealing library.
    pub fn passphrase(&self) -> &[u8] {
        &self.passphrase
    }

    pub const fn effort(&self) -> Effort {
        self.effort
    }
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], TrusteeFault> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| TrusteeFault::Randomness)?;
    Ok(bytes)
}

fn derive(passphrase: &[u8], salt: &[u8], effort: Effort) -> Result<LessSafeKey, TrusteeFault> {
    let parameters = Params::new(effort.memory_kib, effort.passes, 1, Some(32))
        .map_err(|_| TrusteeFault::Passphrase)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(passphrase, salt, key.as_mut_slice())
        .map_err(|_| TrusteeFault::Passphrase)?;
    cipher(&key)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, TrusteeFault> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| TrusteeFault::Passphrase)?;
    Ok(LessSafeKey::new(key))
}

fn seal(key: &LessSafeKey, name: &[u8], secret: &[u8]) -> Result<Vec<u8>, TrusteeFault> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut sealed = secret.to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(name),
        &mut sealed,
    )
    .map_err(|_| TrusteeFault::Passphrase)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &LessSafeKey, name: &[u8], file: &[u8]) -> Result<Zeroizing<Vec<u8>>, TrusteeFault> {
    let (nonce, sealed) = file
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(TrusteeFault::Passphrase)?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(name),
            &mut opened,
        )
        .map_err(|_| TrusteeFault::Passphrase)?
        .len();
    opened.truncate(length);
    Ok(opened)
}

#[cfg(test)]
pub(crate) const TEST_EFFORT: Effort = Effort {
    memory_kib: 64,
    passes: 1,
    share_file: sunbid_sealing::Effort::FOR_TESTS,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_opens_with_its_passphrase_alone_and_secrets_under_their_names() {
        let (vault, file) = Vault::create(b"a long passphrase", TEST_EFFORT).unwrap();
        let sealed = vault.seal("identity", b"secret").unwrap();
        let again = Vault::open(&file, b"a long passphrase", TEST_EFFORT).unwrap();
        assert_eq!(
            again.open_secret("identity", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert!(again.open_secret("encryption", &sealed).is_err());
        assert!(Vault::open(&file, b"another passphrase", TEST_EFFORT).is_err());
        assert!(Vault::create(b"short", TEST_EFFORT).is_err());
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(Vault::open(&changed, b"a long passphrase", TEST_EFFORT).is_err());
        }
        assert!(Vault::open(&[], b"a long passphrase", TEST_EFFORT).is_err());
    }
}
