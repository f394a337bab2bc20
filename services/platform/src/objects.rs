//! The settings of an object store, and the store that they make. Its access key is in a file that only
//! its owner can read, or in the environment; never in the settings, never in a log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sunbid_objects::{Credentials, Remote, Store};

use crate::config::{Config, ConfigFault, FILE, secret};

/// The store of sealed payloads and tender documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// Where it is, "https://host[:port]"; without it, where Amazon has the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket, made before the first start.
    pub bucket: String,
    /// The region, as requests are signed for it.
    #[serde(default = "region")]
    pub region: String,
    /// What every key begins with, so that installations may share a bucket.
    #[serde(default)]
    pub prefix: String,
    /// The bucket stands in the path of an address and not in its host name.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// Takes an endpoint without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// PEM: the only authorities that the store's certificate may come from, relative to this file; the
    /// web's where it is not given.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// File with the access key's id in its first line and its secret in the second, relative to this
    /// file and readable by its owner alone; the variables `SUNBID_OBJECTS_ACCESS_KEY_ID` and
    /// `SUNBID_OBJECTS_SECRET_ACCESS_KEY` are asked first.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

const fn yes() -> bool {
    true
}

/// Hold the access key to the object store, where no file does.
pub const ACCESS_KEY_VARIABLES: [&str; 2] = [
    "SUNBID_OBJECTS_ACCESS_KEY_ID",
    "SUNBID_OBJECTS_SECRET_ACCESS_KEY",
];

impl Config {
    /// Where sealed payloads and tender documents are kept. The store itself is not asked yet.
    pub fn files(&self, data: &Path) -> Result<Store, ConfigFault> {
        let path = data.join(FILE);
        let Some(objects) = &self.objects else {
            return Store::in_folder(data).map_err(|fault| ConfigFault::Folder { path, fault });
        };
        let mut authority = None;
        if let Some(file) = &objects.authority {
            let file = data.join(file);
            let read = fs::read(&file).map_err(|source| ConfigFault::Secret {
                key: "objects.authority",
                path: file,
                source,
            });
            authority = Some(read?);
        }
        let settings = Remote {
            endpoint: objects.endpoint.clone(),
            bucket: objects.bucket.clone(),
            region: objects.region.clone(),
            prefix: objects.prefix.trim_matches('/').to_owned(),
            path_style: objects.path_style,
            allow_http: objects.allow_http,
            authority,
            credentials: objects.credentials(data)?,
        };
        Store::remote(data, &settings).map_err(|fault| ConfigFault::Objects { path, fault })
    }
}

impl Objects {
    fn credentials(&self, data: &Path) -> Result<Credentials, ConfigFault> {
        let given = ACCESS_KEY_VARIABLES.map(|name| std::env::var(name).ok());
        if let [Some(access_key_id), Some(secret_access_key)] = given {
            return Ok(Credentials {
                access_key_id,
                secret_access_key,
            });
        }
        let none = || ConfigFault::NoAccessKey(data.join(FILE));
        let file = data.join(self.credentials_file.as_ref().ok_or_else(none)?);
        let text = secret("objects.credentials_file", file)?;
        let mut lines = text.lines().map(str::trim);
        match (lines.next(), lines.next()) {
            (Some(id), Some(key)) if !id.is_empty() && !key.is_empty() => Ok(Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: key.to_owned(),
            }),
            _ => Err(none()),
        }
    }

    /// Says which key is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.bucket.is_empty() || self.bucket.contains('/') {
            return Err("objects.bucket must be the name of a bucket".to_owned());
        }
        if self.region.is_empty() {
            return Err("objects.region must not be empty".to_owned());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        if !self.prefix.chars().all(plain) || self.prefix.contains("//") {
            return Err("objects.prefix must be letters, digits, '-', '.', '_' or '/'".to_owned());
        }
        match self.endpoint.as_deref() {
            None => Ok(()),
            Some(endpoint) if endpoint.starts_with("https://") => Ok(()),
            Some(endpoint) if endpoint.starts_with("http://") && self.allow_http => Ok(()),
            Some(endpoint) if endpoint.starts_with("http://") => Err(format!(
                "objects.endpoint = {endpoint:?} is not encrypted; use https://, or set \
                 objects.allow_http = true where nobody else is on the line"
            )),
            Some(endpoint) => Err(format!(
                "objects.endpoint = {endpoint:?} is no \"https://host[:port]\""
            )),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::tests::config;

    pub fn objects() -> Objects {
        Objects {
            endpoint: Some("https://files.example:9000".into()),
            bucket: "sunbid".into(),
            region: region(),
            prefix: String::new(),
            path_style: true,
            allow_http: false,
            authority: None,
            credentials_file: Some("access-key".into()),
        }
    }

    #[test]
    fn an_object_store_is_named_with_a_key_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let on = |objects| Config {
            objects: Some(objects),
            ..config()
        };
        let with = |endpoint: &str, bucket: &str, prefix: &str| Objects {
            endpoint: Some(endpoint.into()),
            bucket: bucket.into(),
            prefix: prefix.into(),
            ..objects()
        };
        for (wrong, named) in [
            (with("http://files.example", "b", ""), "objects.endpoint"),
            (with("files.example", "b", ""), "objects.endpoint"),
            (with("https://files.example", "", ""), "objects.bucket"),
            (with("https://files.example", "b", "a b"), "objects.prefix"),
        ] {
            let fault = on(wrong).write(folder.path()).unwrap_err().to_string();
            assert!(fault.contains(named), "{fault}");
        }
        let good = on(objects());
        good.write(folder.path()).unwrap();
        assert_eq!(Config::read(folder.path()).unwrap(), good);
        let fault = |config: &Config| config.files(folder.path()).unwrap_err().to_string();
        assert!(fault(&good).contains("objects.credentials_file"));
        let key = folder.path().join("access-key");
        fs::write(&key, "id\nhunter2\n").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(fault(&good).contains("chmod 600"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let store = good.files(folder.path()).unwrap();
        assert!(store.is_remote());
        assert!(!format!("{store:?}").contains("hunter2"));
        fs::write(&key, "id alone\n").unwrap();
        assert!(fault(&good).contains("objects.credentials_file"));
        let nobody = on(Objects {
            authority: Some("nobody.pem".into()),
            ..objects()
        });
        assert!(fault(&nobody).contains("objects.authority"));
        assert!(!config().files(folder.path()).unwrap().is_remote());
    }
}
