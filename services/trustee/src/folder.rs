//! An institution's own folder: settings, certificate, vault, shares, and what it has said so far.
//! Everything it says is written here before it is sent, so that a crash never makes it say two
//! things.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use prost::Message as _;

use serde::{Deserialize, Serialize};
use sunbid_certificates::{Roots, Signer, pem};
use sunbid_contracts::tender::v1::CeremonyMessage;
use sunbid_sealing::{
    IdentityKey, KeyShare, OsRng, SecretScalar, open_share_file, write_share_file,
};
use zeroize::Zeroizing;

use crate::{
    Effort, TrusteeFault,
    vault::{Vault, random},
};

/// Messages said together in one round of a ceremony, as they stand on disk.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Said {
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<CeremonyMessage>,
}

const SETTINGS: &str = "trustee.toml";
const VAULT: &str = "vault";

/// What the daemon was told when its folder was made, pinned for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the platform.
    pub endpoint: String,
    /// PEM: an authority that the platform's own certificate may end in besides the web's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The platform's name in every signature.
    pub origin: String,
    /// C2SP verifier key of the platform's public log.
    pub log_verifier_key: String,
    /// Ed25519 key of the platform's receipts, hexadecimal.
    pub receipt_key: String,
    /// The platform is a sandbox.
    pub sandbox: bool,
}

/// What an institution publishes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// Ed25519, 32 bytes.
    pub identity: Vec<u8>,
    /// ristretto255, 32 bytes.
    pub encryption: Vec<u8>,
}

/// An open folder.
pub struct Folder {
    path: PathBuf,
    pub settings: Settings,
    vault: Vault,
    pub identity: IdentityKey,
    pub encryption: SecretScalar,
    /// The Ed25519 seed behind `identity`, for the witness's note key.
    pub identity_seed: Zeroizing<[u8; 32]>,
    /// DER.
    pub certificate: Vec<u8>,
    pub signer: Signer,
    /// Roots of suppliers' and institutions' certificates.
    pub roots: Roots,
    // Shares once decrypted, by ceremony: guessing is made slow, and an opening has no time for it.
    // Locked for the length of a copy.
    shares: Mutex<HashMap<[u8; 32], KeyShare>>,
    // The folder is one daemon's; released when the process ends.
    _lock: File,
}

/// Makes a folder with new keys; gives the public halves, to be registered.
pub fn initialise(
    path: &Path,
    settings: &Settings,
    roots: &[Vec<u8>],
    certificate_pem: &str,
    key_pem: &str,
    passphrase: &[u8],
    effort: Effort,
) -> Result<PublicKeys, TrusteeFault> {
    if path.join(SETTINGS).exists() {
        return Err(TrusteeFault::Exists(path.to_owned()));
    }
    fs::create_dir_all(path.join("tenders")).map_err(at(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(at(path))?;
    let (vault, file) = Vault::create(passphrase, effort)?;
    write(&path.join(VAULT), &file)?;
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let encryption = SecretScalar::random(&mut OsRng)?;
    write(
        &path.join("identity.sealed"),
        &vault.seal("identity", seed.as_slice())?,
    )?;
    let sealed = vault.seal("encryption", encryption.to_bytes().as_slice())?;
    write(&path.join("encryption.sealed"), &sealed)?;
    write(&path.join("certificate.pem"), certificate_pem.as_bytes())?;
    write(
        &path.join("key.sealed"),
        &vault.seal("key", key_pem.as_bytes())?,
    )?;
    let roots: String = roots.iter().map(|root| pem::certificate(root)).collect();
    write(&path.join("roots.pem"), roots.as_bytes())?;
    let text =
        toml::to_string_pretty(settings).map_err(|error| form(&path.join(SETTINGS), error))?;
    // Written last: a folder with settings is whole.
    write(&path.join(SETTINGS), text.as_bytes())?;
    public_keys(path, passphrase, effort)
}

/// Erases an institution's share of the key that the ceremony `cid` made. With fewer than t shares
/// left, whatever was sealed to that key and not opened stays sealed for ever. The daemon must not be
/// running. Copies of the folder made elsewhere are their maker's to erase.
pub fn forget(
    path: &Path,
    passphrase: &[u8],
    effort: Effort,
    cid: &[u8; 32],
) -> Result<(), TrusteeFault> {
    Folder::open(path, passphrase, effort)?.forget(cid)
}

/// The public halves of a folder's keys.
pub fn public_keys(
    path: &Path,
    passphrase: &[u8],
    effort: Effort,
) -> Result<PublicKeys, TrusteeFault> {
    let folder = Folder::open(path, passphrase, effort)?;
    Ok(PublicKeys {
        identity: folder.identity.public().to_vec(),
        encryption: folder.encryption.public().as_bytes().to_vec(),
    })
}

impl Folder {
    /// Opens the folder and keeps every other daemon out of it.
    pub fn open(path: &Path, passphrase: &[u8], effort: Effort) -> Result<Self, TrusteeFault> {
        let text = read(&path.join(SETTINGS))?;
        let settings = toml::from_str(&String::from_utf8_lossy(&text))
            .map_err(|error| form(&path.join(SETTINGS), error))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        lock.try_lock()
            .map_err(|_| form(&lock_path, "another daemon uses this folder"))?;
        let vault = Vault::open(&read(&path.join(VAULT))?, passphrase, effort)?;
        let secret = |name: &str| -> Result<Zeroizing<Vec<u8>>, TrusteeFault> {
            vault.open_secret(name, &read(&path.join(format!("{name}.sealed")))?)
        };
        let array = |bytes: Zeroizing<Vec<u8>>| -> Result<Zeroizing<[u8; 32]>, TrusteeFault> {
            Ok(Zeroizing::new(
                bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_| TrusteeFault::Passphrase)?,
            ))
        };
        let identity_seed = array(secret("identity")?)?;
        let identity =
            IdentityKey::from_seed(&identity_seed).map_err(|_| TrusteeFault::Passphrase)?;
        let encryption = SecretScalar::decode(&*array(secret("encryption")?)?)
            .map_err(|error| form(path, error))?;
        let signer = Signer::from_pem(&String::from_utf8_lossy(&secret("key")?))?;
        let certificates = |name: &str| {
            let file = path.join(name);
            pem::certificates(&String::from_utf8_lossy(&read(&file)?))
                .map_err(|error| form(&file, error))
        };
        let certificate = certificates("certificate.pem")?.into_iter().next();
        let certificate = certificate.ok_or_else(|| form(path, "certificate.pem is empty"))?;
        let roots = Roots::new(certificates("roots.pem")?)
            .map_err(|error| form(&path.join("roots.pem"), error))?;
        Ok(Self {
            path: path.to_owned(),
            settings,
            vault,
            identity,
            encryption,
            identity_seed,
            certificate,
            signer,
            roots,
            shares: Mutex::default(),
            _lock: lock,
        })
    }

    /// Whether all of these roots, DER, are among this institution's own.
    pub fn knows_roots(&self, roots: &[Vec<u8>]) -> bool {
        let own = self.roots.ders();
        roots.iter().all(|root| own.contains(root))
    }

    /// The randomness of a ceremony: made once, so that after a crash every message is the same.
    pub fn ceremony_seed(&self, cid: &[u8]) -> Result<Zeroizing<[u8; 32]>, TrusteeFault> {
        let file = self.tender_file(cid, "seed");
        let name = format!("seed {}", hex::encode(cid));
        if file.exists() {
            let bytes = self.vault.open_secret(&name, &read(&file)?)?;
            let seed = bytes
                .as_slice()
                .try_into()
                .map_err(|_| TrusteeFault::Passphrase)?;
            return Ok(Zeroizing::new(seed));
        }
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        write(&file, &self.vault.seal(&name, seed.as_slice())?)?;
        Ok(seed)
    }

    /// The randomness of a ceremony is of no further use once all is said.
    pub fn forget_seed(&self, cid: &[u8]) -> Result<(), TrusteeFault> {
        erase(&self.tender_file(cid, "seed"))
    }

    /// What this institution has said in a round of a ceremony.
    pub fn said(&self, cid: &[u8], round: i32) -> Result<Option<Said>, TrusteeFault> {
        let file = self.tender_file(cid, &format!("said-{round}"));
        if !file.exists() {
            return Ok(None);
        }
        Said::decode(read(&file)?.as_slice())
            .map(Some)
            .map_err(|error| form(&file, error))
    }

    /// Notes what is about to be said in a round: from then on it is this and nothing else.
    pub fn keep_said(&self, cid: &[u8], round: i32, said: &Said) -> Result<(), TrusteeFault> {
        write(
            &self.tender_file(cid, &format!("said-{round}")),
            &said.encode_to_vec(),
        )
    }

    /// Keeps a share under the passphrase.
    pub fn keep_share(&self, cid: &[u8; 32], share: &KeyShare) -> Result<(), TrusteeFault> {
        let file = self.tender_file(cid, "share");
        if !file.exists() {
            let effort = self.vault.effort().share_file;
            let bytes = write_share_file(share, cid, self.vault.passphrase(), effort, &mut OsRng)?;
            write(&file, &bytes)?;
        }
        self.shares().insert(*cid, share.clone());
        Ok(())
    }

    /// The share of a ceremony.
    pub fn share(&self, cid: &[u8; 32], holder: u16) -> Result<KeyShare, TrusteeFault> {
        if let Some(share) = self
            .shares()
            .get(cid)
            .filter(|share| share.holder() == holder)
        {
            return Ok(share.clone());
        }
        let bytes = read(&self.tender_file(cid, "share"))?;
        let floor = self.vault.effort().share_file;
        let share = open_share_file(&bytes, cid, holder, self.vault.passphrase(), floor)?;
        self.shares().insert(*cid, share.clone());
        Ok(share)
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<[u8; 32], KeyShare>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Erases the share of a ceremony and the seed it came from, for ever.
    pub fn forget(&self, cid: &[u8; 32]) -> Result<(), TrusteeFault> {
        self.shares().remove(cid);
        erase(&self.tender_file(cid, "share"))?;
        self.forget_seed(cid)
    }

    /// Notes the one closing of a key that this institution signs. A second, different one is
    /// refused for ever.
    pub fn commit_to_closing(&self, key_id: &[u8], close: &[u8; 32]) -> Result<(), TrusteeFault> {
        let file = self.tender_file(key_id, "closing");
        if file.exists() {
            return if read(&file)? == close {
                Ok(())
            } else {
                Err(TrusteeFault::SecondClosing)
            };
        }
        write(&file, close)
    }

    /// The newest checkpoint this institution has cosigned: size and root.
    pub fn witnessed(&self) -> Result<Option<(u64, [u8; 32])>, TrusteeFault> {
        let file = self.path.join("witnessed");
        if !file.exists() {
            return Ok(None);
        }
        let bytes = read(&file)?;
        let parts = bytes.split_first_chunk::<8>().and_then(|(size, root)| {
            Some((u64::from_be_bytes(*size), <[u8; 32]>::try_from(root).ok()?))
        });
        parts
            .map(Some)
            .ok_or_else(|| form(&file, "is not a size and a root"))
    }

    pub fn keep_witnessed(&self, size: u64, root: &[u8; 32]) -> Result<(), TrusteeFault> {
        write(
            &self.path.join("witnessed"),
            &[size.to_be_bytes().as_slice(), root].concat(),
        )
    }

    /// Keeps what contradicts itself, for whoever has to judge it.
    pub fn keep_evidence(&self, what: &str, bytes: &[u8]) -> Result<PathBuf, TrusteeFault> {
        let digest = sunbid_proofs::sha256(&[bytes]);
        let file = self
            .path
            .join(format!("evidence-{what}-{}", hex::encode(&digest[..8])));
        write(&file, bytes)?;
        Ok(file)
    }

    fn tender_file(&self, id: &[u8], what: &str) -> PathBuf {
        self.path
            .join("tenders")
            .join(format!("{}.{what}", hex::encode(id)))
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> TrusteeFault + use<> {
    let path = path.to_owned();
    move |source| TrusteeFault::Io {
        path: path.clone(),
        source,
    }
}

fn form(path: &Path, cause: impl std::fmt::Display) -> TrusteeFault {
    TrusteeFault::Form {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TrusteeFault> {
    fs::read(path).map_err(at(path))
}

/// Removes a file durably; one that is not there is removed already.
fn erase(path: &Path) -> Result<(), TrusteeFault> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

fn sync_parent(path: &Path) -> Result<(), TrusteeFault> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(at(parent))
}

/// Writes a file whole or not at all, readable by its owner alone, and durably.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TrusteeFault> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(at(&beside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(at(&beside))?;
    fs::rename(&beside, path).map_err(at(path))?;
    sync_parent(path)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::vault::TEST_EFFORT;
    use sunbid_certificates::trial::{TrialAuthority, TrialIdentity, TrialSubject};
    use sunbid_terms::Instant;

    pub(crate) const PASSPHRASE: &[u8] = b"a long passphrase";

    pub(crate) fn authority() -> TrialAuthority {
        let at = Instant::from_seconds;
        TrialAuthority::new("trial", at(0), at(4_000_000_000)).unwrap()
    }

    pub(crate) fn identity(authority: &TrialAuthority, code: &str) -> TrialIdentity {
        authority
            .issue(&TrialSubject {
                credit_code: code,
                organization: "机构",
                common_name: "守护进程",
                not_before: Instant::from_seconds(0),
                not_after: Instant::from_seconds(4_000_000_000),
            })
            .unwrap()
    }

    /// Makes a folder with fresh keys.
    pub(crate) fn folder(path: &Path) -> PublicKeys {
        folder_under(path, &authority())
    }

    /// The same, with this authority's root.
    pub(crate) fn folder_under(path: &Path, authority: &TrialAuthority) -> PublicKeys {
        let identity = identity(authority, "91110108551385082Q");
        let settings = Settings {
            endpoint: "http://127.0.0.1:1".into(),
            authority: None,
            origin: "sandbox.test".into(),
            log_verifier_key: "x".into(),
            receipt_key: String::new(),
            sandbox: true,
        };
        let roots = [authority.certificate().to_vec()];
        let (certificate, key) = (identity.certificate_pem, identity.key_pem);
        initialise(
            path,
            &settings,
            &roots,
            &certificate,
            &key,
            b"a long passphrase",
            TEST_EFFORT,
        )
        .unwrap()
    }

    #[test]
    fn a_folder_keeps_its_keys_and_its_word() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trustee");
        let keys = folder(&path);
        assert_eq!(
            public_keys(&path, b"a long passphrase", TEST_EFFORT).unwrap(),
            keys
        );
        assert!(public_keys(&path, b"another passphrase", TEST_EFFORT).is_err());
        let open = Folder::open(&path, b"a long passphrase", TEST_EFFORT).unwrap();
        assert!(
            Folder::open(&path, b"a long passphrase", TEST_EFFORT).is_err(),
            "two daemons"
        );
        open.commit_to_closing(&[1; 32], &[2; 32]).unwrap();
        open.commit_to_closing(&[1; 32], &[2; 32]).unwrap();
        assert!(matches!(
            open.commit_to_closing(&[1; 32], &[3; 32]),
            Err(TrusteeFault::SecondClosing)
        ));
        assert_eq!(open.witnessed().unwrap(), None);
        open.keep_witnessed(7, &[9; 32]).unwrap();
        assert_eq!(open.witnessed().unwrap(), Some((7, [9; 32])));
        let seed = open.ceremony_seed(&[5; 32]).unwrap();
        assert_eq!(open.ceremony_seed(&[5; 32]).unwrap(), seed);
        let said = Said {
            messages: vec![CeremonyMessage {
                round: 1,
                ..Default::default()
            }],
        };
        assert_eq!(open.said(&[5; 32], 1).unwrap(), None);
        open.keep_said(&[5; 32], 1, &said).unwrap();
        drop(open);
        let again = Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap();
        assert_eq!(again.said(&[5; 32], 1).unwrap(), Some(said));
        assert!(matches!(
            again.commit_to_closing(&[1; 32], &[3; 32]),
            Err(TrusteeFault::SecondClosing)
        ));
        again.forget(&[5; 32]).unwrap();
        again.forget(&[5; 32]).unwrap();
        assert_ne!(again.ceremony_seed(&[5; 32]).unwrap(), seed);
    }
}
