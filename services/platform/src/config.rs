//! What an installation is told: one TOML file in its data folder, written by `init`, each key with
//! its effect. A wrong key or value is named; nothing is guessed.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sunbid_service::limits::Limits;

/// Name of the file in the data folder.
pub const FILE: &str = "platform.toml";

/// Settings of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The installation's name in tokens, logs and checkpoints, such as "ggzy.example.cn". Never
    /// changed: every signature made so far carries it.
    pub origin: String,
    /// Address to serve on. Only loopback addresses are taken unless `behind_tls_proxy` is set.
    pub listen: SocketAddr,
    /// A TLS-terminating proxy on this machine stands between this port and the network.
    #[serde(default)]
    pub behind_tls_proxy: bool,
    /// A trial installation whose clock can be moved. Its data never become production data.
    #[serde(default)]
    pub sandbox: bool,
    /// Certificate roots that subjects' certificates must end in: PEM files, relative to this file.
    pub roots: Vec<PathBuf>,
    /// Seconds between two leaves of the public log.
    #[serde(default = "epoch_seconds")]
    pub epoch_seconds: u32,
    /// What one caller may take of what all share.
    #[serde(default)]
    pub limits: Limits,
    /// Where the bank is reached; without it no deposits are taken.
    #[serde(default)]
    pub bank: Option<Bank>,
}

/// The bank that keeps the deposits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// Address of the bank's interface, "host:port".
    pub address: String,
    /// Number of the account that all deposits are kept in.
    pub trust_account: String,
    /// Its owner's name.
    pub trust_name: String,
}

const fn epoch_seconds() -> u32 {
    60
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    #[error("{path} cannot be read: {source}; make an installation with `sunbid platform init`")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path}: {cause}")]
    Form { path: PathBuf, cause: String },
    #[error(
        "{path}: listen = \"{listen}\" is reachable from the network; serve on a loopback address, \
         or put a TLS proxy in front and set behind_tls_proxy = true"
    )]
    OpenToTheNetwork { path: PathBuf, listen: SocketAddr },
    #[error(
        "{0} is a sandbox, whose clock can be moved; a production start refuses it (start it with --sandbox)"
    )]
    IsSandbox(PathBuf),
    #[error("{0} is a production installation; --sandbox refuses it")]
    IsProduction(PathBuf),
}

impl Config {
    /// Reads the settings of the installation in `data`.
    pub fn read(data: &Path) -> Result<Self, ConfigFault> {
        let path = data.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| ConfigFault::Read {
            path: path.clone(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigFault::Form {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        config.check(&path)?;
        Ok(config)
    }

    /// Writes the settings, whole or not at all.
    pub fn write(&self, data: &Path) -> Result<(), ConfigFault> {
        let path = data.join(FILE);
        self.check(&path)?;
        let text = toml::to_string_pretty(self).map_err(|error| ConfigFault::Form {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        let beside = data.join("platform.toml.new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|source| ConfigFault::Write { path, source })
    }

    /// Refuses to mix trial and production.
    pub fn require_mode(&self, data: &Path, sandbox: bool) -> Result<(), ConfigFault> {
        match (self.sandbox, sandbox) {
            (true, false) => Err(ConfigFault::IsSandbox(data.to_owned())),
            (false, true) => Err(ConfigFault::IsProduction(data.to_owned())),
            _ => Ok(()),
        }
    }

    fn check(&self, path: &Path) -> Result<(), ConfigFault> {
        let form = |cause: &str| ConfigFault::Form {
            path: path.to_owned(),
            cause: cause.to_owned(),
        };
        let named = !self.origin.is_empty()
            && self.origin.len() <= 100
            && self
                .origin
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
        if !named {
            return Err(form("origin must be letters, digits, '-', '.', '_' or '/'"));
        }
        if self.sandbox != self.origin.starts_with("sandbox.") {
            return Err(form(
                "origin begins with \"sandbox.\" exactly when sandbox = true",
            ));
        }
        if !(1..=3600).contains(&self.epoch_seconds) {
            return Err(form("epoch_seconds must be from 1 to 3600"));
        }
        self.limits.check().map_err(|cause| form(&cause))?;
        if self.roots.is_empty() {
            return Err(form("roots must name at least one certificate file"));
        }
        if !self.listen.ip().is_loopback() && !self.behind_tls_proxy {
            return Err(ConfigFault::OpenToTheNetwork {
                path: path.to_owned(),
                listen: self.listen,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            origin: "sandbox.example".into(),
            listen: "127.0.0.1:7700".parse().unwrap(),
            behind_tls_proxy: false,
            sandbox: true,
            roots: vec!["roots/trial.pem".into()],
            epoch_seconds: 1,
            limits: Limits::default(),
            bank: None,
        }
    }

    #[test]
    fn reads_what_it_writes_and_names_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        config().write(folder.path()).unwrap();
        assert_eq!(Config::read(folder.path()).unwrap(), config());
        assert!(config().require_mode(folder.path(), true).is_ok());
        assert!(matches!(
            config().require_mode(folder.path(), false),
            Err(ConfigFault::IsSandbox(_))
        ));
        let open = Config {
            listen: "0.0.0.0:7700".parse().unwrap(),
            ..config()
        };
        assert!(matches!(
            open.write(folder.path()),
            Err(ConfigFault::OpenToTheNetwork { .. })
        ));
        let disguised = Config {
            origin: "ggzy.example".into(),
            ..config()
        };
        assert!(disguised.write(folder.path()).is_err());
        let mut none = config();
        none.limits.connections = 0;
        let fault = none.write(folder.path()).unwrap_err().to_string();
        assert!(fault.contains("limits.connections"), "{fault}");
        fs::write(folder.path().join(FILE), "origin = \"x\"\nlisten_on = 3").unwrap();
        let fault = Config::read(folder.path()).unwrap_err().to_string();
        assert!(fault.contains("listen_on"), "{fault}");
    }

    /// The settings that the deployment ships, with every key in them.
    #[test]
    fn the_documented_settings_are_taken_as_they_stand() {
        let text = include_str!("../../../deploy/platform.toml");
        let config: Config = toml::from_str(text).unwrap();
        config.check(Path::new("deploy/platform.toml")).unwrap();
        assert_eq!(config.limits, Limits::default());
        let (documented, known): (toml::Table, _) = (
            toml::from_str(text).unwrap(),
            toml::Table::try_from(&config).unwrap(),
        );
        let keys = |table: &toml::Table| {
            let mut keys: Vec<String> = table.keys().cloned().collect();
            for (name, value) in table {
                let inner = value.as_table().into_iter().flat_map(|inner| inner.keys());
                keys.extend(inner.map(|key| format!("{name}.{key}")));
            }
            keys.sort();
            keys
        };
        assert_eq!(keys(&documented), keys(&known));
    }
}
