//! The platform's own keys as files that only its user can read: made on first use, never replaced.
//! A service that runs apart has its own keys and the public halves of the others'.
//! Not for holders' shares: those are never on the platform's machine.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};

/// How files of public halves end.
const PUBLIC: &str = "pub";
/// File with the verifier of the public log.
const LOG_VERIFIER: &str = "log.verifier";

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error("the key file {path} cannot be used: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the key file {0} does not hold a key of the form this version writes")]
    Form(PathBuf),
    #[error("the key file {0} may be read by others; allow its owner alone (chmod 600)")]
    Open(PathBuf),
    #[error("the operating system gives no randomness")]
    Randomness,
}

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Uses `folder`, making it where it is missing.
    pub fn open(folder: &Path) -> Result<Self, KeyFault> {
        let fault = |source| KeyFault::Io {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(fault)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(fault)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The Ed25519 key called `name`.
    pub fn pair(&self, name: &str) -> Result<Arc<Ed25519KeyPair>, KeyFault> {
        let path = self.folder.join(format!("{name}.pk8"));
        let document = self.document(name)?;
        Ed25519KeyPair::from_pkcs8(&document)
            .map(Arc::new)
            .map_err(|_| KeyFault::Form(path))
    }

    /// The PKCS#8 document of the Ed25519 key called `name`.
    pub fn document(&self, name: &str) -> Result<Vec<u8>, KeyFault> {
        self.file(&format!("{name}.pk8"), || {
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map(|document| document.as_ref().to_vec())
                .map_err(|_| KeyFault::Randomness)
        })
    }

    /// The public half of the key called `name`, 32 bytes.
    pub fn public(&self, name: &str) -> Result<Vec<u8>, KeyFault> {
        let shared = self.folder.join(format!("{name}.{PUBLIC}"));
        match fs::read(&shared) {
            Ok(key) if key.len() == 32 => return Ok(key),
            Ok(_) => return Err(KeyFault::Form(shared)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(KeyFault::Io {
                    path: shared,
                    source,
                });
            }
        }
        Ok(self.pair(name)?.public_key().as_ref().to_vec())
    }

    /// Gives the public half of the key called `name` to a folder that must not have the key.
    pub fn share(&self, name: &str, with: &Self) -> Result<(), KeyFault> {
        with.put(&format!("{name}.{PUBLIC}"), &self.public(name)?)
    }

    /// Gives the verifier of the public log to a folder that must not have its key.
    pub fn share_log_verifier(&self, origin: &str, with: &Self) -> Result<(), KeyFault> {
        with.put(LOG_VERIFIER, self.log_verifier(origin)?.as_bytes())
    }

    fn put(&self, file: &str, bytes: &[u8]) -> Result<(), KeyFault> {
        let path = self.folder.join(file);
        fs::write(&path, bytes).map_err(|source| KeyFault::Io { path, source })
    }

    /// The 32 secret bytes called `name`.
    pub fn secret(&self, name: &str) -> Result<[u8; 32], KeyFault> {
        let file = format!("{name}.secret");
        let bytes = self.file(&file, || {
            let mut fresh = [0; 32];
            SystemRandom::new()
                .fill(&mut fresh)
                .map_err(|_| KeyFault::Randomness)?;
            Ok(fresh.to_vec())
        })?;
        bytes
            .try_into()
            .map_err(|_| KeyFault::Form(self.folder.join(file)))
    }

    /// Public keys of the named services.
    pub fn service_keys(&self, names: &[&str]) -> Result<HashMap<String, Vec<u8>>, KeyFault> {
        names
            .iter()
            .map(|name| Ok(((*name).to_owned(), self.public(&format!("service-{name}"))?)))
            .collect()
    }

    /// The signer of the public log of the platform called `origin`.
    pub fn log_signer(&self, origin: &str) -> Result<sunbid_proofs::Signer, KeyFault> {
        sunbid_proofs::Signer::from_seed(&format!("{origin}/log"), &self.secret("log")?)
            .map_err(|_| KeyFault::Form(self.folder.join("log.secret")))
    }

    /// The verifier of the public log of the platform called `origin`, a C2SP verifier key.
    pub fn log_verifier(&self, origin: &str) -> Result<String, KeyFault> {
        let shared = self.folder.join(LOG_VERIFIER);
        match fs::read_to_string(&shared) {
            Ok(verifier) => Ok(verifier.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.log_signer(origin)?.verifier().to_string())
            }
            Err(source) => Err(KeyFault::Io {
                path: shared,
                source,
            }),
        }
    }

    fn file(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Vec<u8>, KeyFault>,
    ) -> Result<Vec<u8>, KeyFault> {
        let path = self.folder.join(name);
        let fault = |source| KeyFault::Io {
            path: path.clone(),
            source,
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                return Err(KeyFault::Open(path));
            }
            Ok(_) => return fs::read(&path).map_err(fault),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
        let fresh = make()?;
        // Written beside and linked, so that a key file is whole or absent, and of several processes
        // that start at once all use the key of the first.
        let beside = format!("{name}.{}.new", uuid::Uuid::new_v4());
        let beside = self.folder.join(beside);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(fault)?;
        let written = file.write_all(&fresh).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&beside, &path));
        fs::remove_file(&beside).map_err(fault)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return fs::read(&path).map_err(fault);
            }
            Err(error) => return Err(fault(error)),
        }
        fs::File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(fault)?;
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        assert_eq!(keys.public("token").unwrap(), keys.public("token").unwrap());
        assert_ne!(
            keys.public("token").unwrap(),
            keys.public("receipt").unwrap()
        );
        assert_eq!(
            keys.secret("blinding").unwrap(),
            keys.secret("blinding").unwrap()
        );
        let file = folder.path().join("token.pk8");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(keys.pair("token"), Err(KeyFault::Open(_))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, b"rubbish").unwrap();
        assert!(matches!(keys.pair("token"), Err(KeyFault::Form(_))));
    }

    #[test]
    fn a_shared_half_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let own = Keys::open(&folder.path().join("own")).unwrap();
        let other = Keys::open(&folder.path().join("other")).unwrap();
        own.share("token", &other).unwrap();
        own.share_log_verifier("sandbox.x", &other).unwrap();
        assert_eq!(other.public("token").unwrap(), own.public("token").unwrap());
        assert_eq!(
            other.log_verifier("sandbox.x").unwrap(),
            own.log_signer("sandbox.x").unwrap().verifier().to_string()
        );
        let names: Vec<_> = fs::read_dir(folder.path().join("other"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            names
                .iter()
                .all(|name| name != "token.pk8" && name != "log.secret")
        );
    }
}
