//! Who types: a profile is a folder with the platform's address, a certificate and its key.
//! The key never leaves this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sunbid_certificates::{Signer, pem};

use crate::anchors::Anchors;

/// The platform's keys and roots within a profile's folder.
const ANCHORS: &str = "anchors.json";

/// Settings of a profile, `profile.toml` in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the platform, such as "http://127.0.0.1:7700".
    pub endpoint: String,
    /// PEM file with the certificate and, after it, its intermediates; relative to the folder.
    pub certificate: PathBuf,
    /// PEM file with the PKCS#8 key; relative to the folder.
    pub key: PathBuf,
    /// PEM file of an authority that the platform's own certificate may end in besides the web's;
    /// relative to the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
}

/// A profile, read.
pub struct Profile {
    pub endpoint: String,
    /// PEM.
    pub authority: Option<String>,
    /// DER.
    pub certificate: Vec<u8>,
    /// DER.
    pub intermediates: Vec<Vec<u8>>,
    pub signer: Signer,
    pub folder: PathBuf,
    /// What the platform must be; pinned at first use where the profile was made without.
    pub anchors: Option<Anchors>,
}

/// Where profiles are kept unless a folder is named: `$SUNBID_HOME` or `~/.sunbid`.
pub fn home() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("SUNBID_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither SUNBID_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".sunbid"))
}

/// The folder of a profile: a path as it is, a bare name under [`home`].
pub fn folder(name: &str) -> anyhow::Result<PathBuf> {
    if name.contains(std::path::MAIN_SEPARATOR) {
        return Ok(name.into());
    }
    Ok(home()?.join("profiles").join(name))
}

impl Profile {
    /// Reads the profile called `name`.
    pub fn read(name: &str) -> anyhow::Result<Self> {
        let folder = folder(name)?;
        let file = folder.join("profile.toml");
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "there is no profile {name:?} ({}); make one with `sunbid profile add`",
                file.display()
            )
        })?;
        let settings: Settings =
            toml::from_str(&text).with_context(|| file.display().to_string())?;
        let read = |path: &Path| {
            let path = folder.join(path);
            fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let mut certificates = pem::certificates(&read(&settings.certificate)?)?;
        if certificates.is_empty() {
            bail!("{} holds no certificate", settings.certificate.display());
        }
        let certificate = certificates.remove(0);
        let signer = Signer::from_pem(&read(&settings.key)?)?;
        let pinned = folder.join(ANCHORS);
        let anchors = if pinned.exists() {
            Some(Anchors::read(&pinned)?)
        } else {
            None
        };
        let authority = settings.authority.as_deref().map(read).transpose()?;
        Ok(Self {
            endpoint: settings.endpoint,
            authority,
            certificate,
            intermediates: certificates,
            signer,
            folder,
            anchors,
        })
    }

    /// Keeps what the platform is known by from now on.
    pub fn pin(&self, anchors: &Anchors) -> anyhow::Result<()> {
        anchors.write(&self.folder.join(ANCHORS))
    }

    /// Makes a profile's folder from PEM texts; its key can be read by its owner alone. Without
    /// anchors the platform is taken at its word at first use.
    pub fn write(
        folder: &Path,
        endpoint: &str,
        authority_pem: Option<&str>,
        certificates_pem: &str,
        key_pem: &str,
        anchors: Option<&Anchors>,
    ) -> anyhow::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        if folder.join("profile.toml").exists() {
            bail!("{} holds a profile already", folder.display());
        }
        pem::certificates(certificates_pem)?;
        Signer::from_pem(key_pem)?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("certificate.pem"), certificates_pem)?;
        let mut key = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join("key.pem"))?;
        std::io::Write::write_all(&mut key, key_pem.as_bytes())?;
        if let Some(anchors) = anchors {
            anchors.write(&folder.join(ANCHORS))?;
        }
        if let Some(authority) = authority_pem {
            pem::certificates(authority)?;
            fs::write(folder.join("authority.pem"), authority)?;
        }
        let settings = Settings {
            endpoint: endpoint.to_owned(),
            authority: authority_pem.map(|_| "authority.pem".into()),
            certificate: "certificate.pem".into(),
            key: "key.pem".into(),
        };
        fs::write(
            folder.join("profile.toml"),
            toml::to_string_pretty(&settings)?,
        )?;
        Ok(())
    }
}
