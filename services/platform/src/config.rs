//! What an installation is told: one TOML file in its data folder, written by `init`, each key with
//! its effect. A wrong key or value is named; nothing is guessed.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sunbid_journal::{AddressFault, Postgres};
use sunbid_objects::{OpenFault, StoreFault};
use sunbid_registry::settings::{
    self, PasskeySettings, PasswordSettings, ProviderSettings, RegistrySettings,
};
use sunbid_service::{limits::Limits, setting::Database};

use crate::{
    objects::Objects,
    overrides::{self, Override},
    serve::SERVICES,
};

/// Name of the file in the data folder.
pub const FILE: &str = "platform.toml";

/// Settings of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The installation's name in tokens, logs and checkpoints, such as "ggzy.example.cn". Never
    /// changed: every signature made so far carries it.
    pub origin: String,
    /// Address to serve on. Only loopback addresses are taken unless `tls` or `mutual` is there, or
    /// `behind_tls_proxy` is set.
    pub listen: SocketAddr,
    /// A TLS-terminating proxy on this machine stands between this port and the network.
    #[serde(default)]
    pub behind_tls_proxy: bool,
    /// A trial installation whose clock can be moved. Its data never become production data.
    #[serde(default)]
    pub sandbox: bool,
    /// Certificate roots that subjects' certificates must end in: PEM files, relative to this file.
    pub roots: Vec<PathBuf>,
    /// What the roots' authorities, and those below them, have taken back.
    #[serde(default)]
    pub revocation: Revocation,
    /// People who sign in without a certificate.
    #[serde(default)]
    pub accounts: Accounts,
    /// Where passkeys are used; without it nobody signs in with a password.
    #[serde(default)]
    pub passkeys: Option<Passkeys>,
    /// The OpenID Connect provider that people sign in through.
    #[serde(default)]
    pub provider: Option<OpenIdProvider>,
    /// Seconds between two leaves of the public log.
    #[serde(default = "epoch_seconds")]
    pub epoch_seconds: u32,
    /// What one caller may take of what all share.
    #[serde(default)]
    pub limits: Limits,
    /// What an operator sees of it.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// A PostgreSQL database for all services, `postgres://USER@HOST[:PORT][,HOST...]/DATABASE`;
    /// without it, a SQLite file for each service in this folder. Never with a password in it.
    #[serde(default)]
    pub database: Option<String>,
    /// File with the database's password, relative to this file and readable by its owner alone;
    /// the variable `SUNBID_DATABASE_PASSWORD` is asked first.
    #[serde(default)]
    pub database_password_file: Option<PathBuf>,
    /// Connections to the database of each service in each process.
    #[serde(default = "database_connections")]
    pub database_connections: u32,
    /// Starts only where a standby acknowledges every commit together with the database.
    #[serde(default)]
    pub require_synchronous_standby: bool,
    /// Takes a database that may lose what it acknowledged (`synchronous_commit = off`). For trials.
    #[serde(default)]
    pub accept_loss_on_failure: bool,
    /// A store that speaks S3 for sealed payloads and tender documents; without it, they are files in this
    /// folder.
    #[serde(default)]
    pub objects: Option<Objects>,
    /// Where the bank is reached; without it no deposits are taken.
    #[serde(default)]
    pub bank: Option<Bank>,
    /// Clock file that the processes of a divided sandbox share, relative to this file; each process's
    /// own folder has one where it is not given. For sandboxes only.
    #[serde(default)]
    pub sandbox_clock: Option<PathBuf>,
    /// The certificate that callers see; without it the port is not encrypted.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// The certificate that services show each other, for processes that run apart.
    #[serde(default)]
    pub mutual: Option<Mutual>,
    /// Where the services of other processes are, "host:port" by service, for processes that run
    /// apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, String>,
}

/// Metrics and traces. Neither is there unless an address is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where metrics are read, a loopback address: `http://ADDRESS/metrics`.
    pub metrics: Option<SocketAddr>,
    /// Where spans are sent: an OTLP/gRPC collector on this machine, `http://127.0.0.1:4317`.
    pub endpoint: Option<String>,
    /// Of a hundred calls that may be traced, how many are. What callers ask for changes nothing.
    pub sample_percent: u32,
    /// Goes on with traces that callers began; otherwise a trace begins here and points at theirs.
    pub join_callers: bool,
    /// Traces suppliers' and the public's calls too, which tells whoever reads spans who bids. For
    /// sandboxes only.
    pub trace_sealed_calls: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            metrics: None,
            endpoint: None,
            sample_percent: 10,
            join_callers: false,
            trace_sealed_calls: false,
        }
    }
}

/// Revocation lists of the authorities whose certificates are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Revocation {
    /// The lists, DER or PEM, relative to the settings' file. None: nothing is ever revoked by its
    /// authority.
    pub lists: Vec<PathBuf>,
    /// What holds, once there are lists, for certificates of an authority that has none here or whose
    /// list has run out.
    pub without_fresh_list: Without,
    /// Seconds between two looks whether the files have changed. SIGHUP reads them at once.
    pub reload_seconds: u32,
}

/// What holds for certificates whose revocation cannot be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Without {
    /// They are refused.
    #[default]
    Refuse,
    /// They are taken, and the log says so.
    Accept,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            lists: Vec::new(),
            without_fresh_list: Without::Refuse,
            reload_seconds: 60,
        }
    }
}

impl Telemetry {
    fn check(&self, sandbox: bool) -> Result<(), String> {
        if let Some(metrics) = self.metrics
            && !metrics.ip().is_loopback()
        {
            return Err(format!(
                "telemetry.metrics = \"{metrics}\" is no loopback address; let a collector on this machine hand \
                 metrics on"
            ));
        }
        if let Some(endpoint) = &self.endpoint {
            let place = endpoint
                .strip_prefix("http://")
                .map(|place| place.trim_end_matches('/'));
            let local = match place.and_then(|place| place.rsplit_once(':')) {
                Some(("localhost", port)) => port.parse::<u16>().is_ok(),
                _ => place
                    .and_then(|place| place.parse::<SocketAddr>().ok())
                    .is_some_and(|address| address.ip().is_loopback()),
            };
            if !local {
                return Err(format!(
                    "telemetry.endpoint = {endpoint:?} is no \"http://127.0.0.1:PORT\"; let a collector on this \
                     machine hand spans on"
                ));
            }
        }
        if self.sample_percent > 100 {
            return Err("telemetry.sample_percent must be from 0 to 100".to_owned());
        }
        if self.trace_sealed_calls && !sandbox {
            return Err(
                "telemetry.trace_sealed_calls is for sandboxes only: it would tell who bids"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// How passwords are kept and how long sessions of people last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// Memory that Argon2id takes for one password, KiB; at least 19456.
    pub argon2_memory_kib: u32,
    /// Its passes; at least 2.
    pub argon2_passes: u32,
    /// Its lanes.
    pub argon2_lanes: u32,
    /// Passwords that are worked on at a time; more wait, and many more are refused.
    pub passwords_at_a_time: u32,
    /// Minutes after which a session ends that was not refreshed.
    pub session_idle_minutes: u32,
    /// Hours after which a session ends in any case.
    pub session_hours: u32,
    /// Hours that a code for a new or forgotten password is good.
    pub code_hours: u32,
}

impl Default for Accounts {
    fn default() -> Self {
        let passwords = PasswordSettings::default();
        Self {
            argon2_memory_kib: passwords.memory_kib,
            argon2_passes: passwords.passes,
            argon2_lanes: passwords.lanes,
            passwords_at_a_time: passwords.at_a_time,
            session_idle_minutes: 30,
            session_hours: 12,
            code_hours: 72,
        }
    }
}

impl Accounts {
    fn passwords(&self) -> PasswordSettings {
        PasswordSettings {
            memory_kib: self.argon2_memory_kib,
            passes: self.argon2_passes,
            lanes: self.argon2_lanes,
            at_a_time: self.passwords_at_a_time,
        }
    }

    fn check(&self) -> Result<(), String> {
        self.passwords().check()?;
        settings::lifetimes(
            self.session_idle_minutes,
            self.session_hours,
            self.code_hours,
        )?;
        Ok(())
    }
}

/// Where passkeys are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkeys {
    /// The portal's domain. Never changed: passkeys are bound to it.
    pub domain: String,
    /// The addresses that browsers show, such as "https://ggzy.example.cn".
    pub origins: Vec<String>,
}

/// An OpenID Connect provider, such as the city's unified identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenIdProvider {
    /// Its issuer identifier, an https address.
    pub issuer: String,
    /// Under which it knows this platform.
    pub client_id: String,
    /// File with the secret that goes with it, relative to this file, readable by its owner alone.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// PEM files of the authorities of its TLS certificate; none: those that the web trusts.
    #[serde(default)]
    pub authorities: Vec<PathBuf>,
    /// Where it may send people back to; "http://127.0.0.1/back" stands for any port on their machines.
    pub redirect_uris: Vec<String>,
}

/// A certificate that callers see. SIGHUP reads the files anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the certificate and, after it, its intermediates; relative to the settings' file.
    pub certificate: PathBuf,
    /// PEM: its PKCS#8 key, readable by its owner alone; relative to the settings' file.
    pub key: PathBuf,
}

/// What services show each other, and whom they take for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutual {
    /// PEM: the platform's own authority, which nobody else has certificates of.
    pub authority: PathBuf,
    /// PEM: this process's certificate, made out to `SERVICE.sunbid.internal`.
    pub certificate: PathBuf,
    /// PEM: its PKCS#8 key, readable by its owner alone.
    pub key: PathBuf,
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

impl OpenIdProvider {
    fn read(&self, data: &Path) -> Result<ProviderSettings, ConfigFault> {
        let fault = |key, path: &Path, cause: String| ConfigFault::Provider {
            key,
            path: path.to_owned(),
            cause,
        };
        let mut client_secret = None;
        if let Some(file) = &self.client_secret_file {
            const KEY: &str = "client_secret_file";
            let path = data.join(file);
            let failed = |error: io::Error| fault(KEY, &path, error.to_string());
            if fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
                let cause = "it may be read by others; allow its owner alone (chmod 600)";
                return Err(fault(KEY, &path, cause.to_owned()));
            }
            let text = fs::read_to_string(&path).map_err(failed)?;
            client_secret = Some(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        let mut authorities = Vec::new();
        for file in &self.authorities {
            let path = data.join(file);
            let failed = |cause: String| fault("authorities", &path, cause);
            let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            let ders = sunbid_certificates::pem::certificates(&text);
            authorities.extend(ders.map_err(|error| failed(error.to_string()))?);
        }
        Ok(ProviderSettings {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            authorities,
            redirect_uris: self.redirect_uris.clone(),
        })
    }
}

const fn epoch_seconds() -> u32 {
    60
}

/// Connections of each service, where nothing else is said: two processes with all services stay
/// below the 100 that PostgreSQL takes as it comes.
pub const DATABASE_CONNECTIONS: u32 = 6;

const fn database_connections() -> u32 {
    DATABASE_CONNECTIONS
}

/// Holds the database's password, where no file does.
pub const PASSWORD_VARIABLE: &str = "SUNBID_DATABASE_PASSWORD";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    #[error("{path} cannot be read: {source}; make an installation with `sunbid platform init`")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path}: {cause}")]
    Form { path: PathBuf, cause: String },
    #[error("{path}: database is no address that can be used: {fault}")]
    Database { path: PathBuf, fault: AddressFault },
    #[error("{key} {path} cannot be read: {source}")]
    Secret {
        key: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{key} {path} may be read by others; allow its owner alone (chmod 600)")]
    OpenSecret { key: &'static str, path: PathBuf },
    #[error(
        "{0}: objects.credentials_file names no file with an access key's id in its first line and its \
         secret in the second, and SUNBID_OBJECTS_ACCESS_KEY_ID and SUNBID_OBJECTS_SECRET_ACCESS_KEY \
         are not set either"
    )]
    NoAccessKey(PathBuf),
    #[error("{path}: objects: {fault}")]
    Objects { path: PathBuf, fault: OpenFault },
    #[error("{path}: the data folder cannot be used: {fault}")]
    Folder { path: PathBuf, fault: StoreFault },
    #[error("provider.{key} {path} cannot be used: {cause}")]
    Provider {
        key: &'static str,
        path: PathBuf,
        cause: String,
    },
    #[error(
        "{path}: listen = \"{listen}\" is reachable from the network; serve on a loopback address, \
         name a certificate in [tls], or put a TLS proxy in front and set behind_tls_proxy = true"
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
        Self::read_with(data, &[])
    }

    /// Reads the settings of the installation in `data`; `overrides` come before the file.
    pub fn read_with(data: &Path, overrides: &[Override]) -> Result<Self, ConfigFault> {
        let path = data.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| ConfigFault::Read {
            path: path.clone(),
            source,
        })?;
        let form = |cause: String| ConfigFault::Form {
            path: path.clone(),
            cause,
        };
        let config: Self = if overrides.is_empty() {
            toml::from_str(&text).map_err(|error| form(error.to_string()))?
        } else {
            let mut table: toml::Table =
                toml::from_str(&text).map_err(|error| form(error.to_string()))?;
            overrides::put(&mut table, overrides).map_err(form)?;
            table.try_into().map_err(|error| form(error.to_string()))?
        };
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

    /// Where services keep their state, with the password from where it is kept.
    pub fn storage(&self, data: &Path) -> Result<Database, ConfigFault> {
        let Some(address) = &self.database else {
            return Ok(Database::Embedded);
        };
        let mut settings = Postgres::parse(address)
            .map_err(|fault| ConfigFault::Database {
                path: data.join(FILE),
                fault,
            })?
            .with_connections(self.database_connections);
        if let Some(password) = self.password(data)? {
            settings = settings.with_password(&password);
        }
        if self.require_synchronous_standby {
            settings = settings.requiring_standby();
        }
        if self.accept_loss_on_failure {
            settings = settings.accepting_loss();
        }
        Ok(Database::Postgres(Arc::new(settings)))
    }

    fn password(&self, data: &Path) -> Result<Option<String>, ConfigFault> {
        if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
            return Ok(Some(password));
        }
        let Some(file) = &self.database_password_file else {
            return Ok(None);
        };
        let text = secret("database_password_file", data.join(file))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// What the registry is told, with the provider's secret from where it is kept.
    pub fn registry(&self, data: &Path) -> Result<RegistrySettings, ConfigFault> {
        let accounts = &self.accounts;
        let lifetimes = settings::lifetimes(
            accounts.session_idle_minutes,
            accounts.session_hours,
            accounts.code_hours,
        );
        let lifetimes = lifetimes.map_err(|cause| ConfigFault::Form {
            path: data.join(FILE),
            cause,
        })?;
        let provider = self.provider.as_ref();
        Ok(RegistrySettings {
            passwords: accounts.passwords(),
            lifetimes,
            passkeys: self.passkeys.as_ref().map(|passkeys| PasskeySettings {
                domain: passkeys.domain.clone(),
                origins: passkeys.origins.clone(),
            }),
            provider: provider.map(|known| known.read(data)).transpose()?,
        })
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
        if !(1..=3600).contains(&self.revocation.reload_seconds) {
            return Err(form("revocation.reload_seconds must be from 1 to 3600"));
        }
        self.accounts
            .check()
            .map_err(|cause| form(&format!("accounts: {cause}")))?;
        self.limits.check().map_err(|cause| form(&cause))?;
        self.telemetry
            .check(self.sandbox)
            .map_err(|cause| form(&cause))?;
        if !(2..=100).contains(&self.database_connections) {
            return Err(form("database_connections must be from 2 to 100"));
        }
        if let Some(address) = &self.database {
            Postgres::parse(address).map_err(|fault| ConfigFault::Database {
                path: path.to_owned(),
                fault,
            })?;
        }
        if let Some(objects) = &self.objects {
            objects.check().map_err(|cause| form(&cause))?;
        }
        if self.roots.is_empty() {
            return Err(form("roots must name at least one certificate file"));
        }
        if self.sandbox_clock.is_some() && !self.sandbox {
            return Err(form("sandbox_clock is for sandboxes only"));
        }
        for (service, address) in &self.peers {
            if !SERVICES.contains(&service.as_str()) {
                let known = SERVICES.join(", ");
                return Err(form(&format!(
                    "peers.{service} is no service; there are {known}"
                )));
            }
            let parts = address.rsplit_once(':');
            if parts.is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
                return Err(form(&format!(
                    "peers.{service} = {address:?} is no \"host:port\""
                )));
            }
        }
        let covered = self.tls.is_some() || self.mutual.is_some() || self.behind_tls_proxy;
        if !self.listen.ip().is_loopback() && !covered {
            return Err(ConfigFault::OpenToTheNetwork {
                path: path.to_owned(),
                listen: self.listen,
            });
        }
        Ok(())
    }
}

/// What is in a file that only its owner may read.
pub fn secret(key: &'static str, path: PathBuf) -> Result<String, ConfigFault> {
    let read = fs::metadata(&path).and_then(|file| Ok((file, fs::read_to_string(&path)?)));
    match read {
        Ok((file, _)) if file.permissions().mode() & 0o077 != 0 => {
            Err(ConfigFault::OpenSecret { key, path })
        }
        Ok((_, text)) => Ok(text),
        Err(source) => Err(ConfigFault::Secret { key, path, source }),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn config() -> Config {
        Config {
            origin: "sandbox.example".into(),
            listen: "127.0.0.1:7700".parse().unwrap(),
            behind_tls_proxy: false,
            sandbox: true,
            roots: vec!["roots/trial.pem".into()],
            revocation: Revocation::default(),
            accounts: Accounts::default(),
            passkeys: None,
            provider: None,
            epoch_seconds: 1,
            limits: Limits::default(),
            telemetry: Telemetry::default(),
            database: None,
            database_password_file: None,
            database_connections: DATABASE_CONNECTIONS,
            require_synchronous_standby: false,
            accept_loss_on_failure: false,
            objects: None,
            bank: None,
            sandbox_clock: None,
            tls: None,
            mutual: None,
            peers: BTreeMap::new(),
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let on = |address: &str| Config {
            database: Some(address.to_owned()),
            database_password_file: Some("secret".into()),
            ..config()
        };
        for wrong in ["sqlite://x", "postgres://u:hunter2@h/d", "postgres://h"] {
            let fault = on(wrong).write(folder.path()).unwrap_err().to_string();
            assert!(fault.contains("database"), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
        let good = on("postgres://sunbid@one,two/sunbid");
        good.write(folder.path()).unwrap();
        assert_eq!(Config::read(folder.path()).unwrap(), good);
        let secret = folder.path().join("secret");
        let missing = good.storage(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("database_password_file"), "{missing}");
        fs::write(&secret, "hunter2\n").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            good.storage(folder.path()),
            Err(ConfigFault::OpenSecret { .. })
        ));
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let storage = good.storage(folder.path()).unwrap();
        assert!(matches!(storage, Database::Postgres(_)));
        assert!(!format!("{storage:?}").contains("hunter2"));
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

    #[test]
    fn the_command_line_comes_before_the_environment_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        config().write(folder.path()).unwrap();
        let given = |key: &str, value: &str| Override {
            key: key.to_owned(),
            value: value.to_owned(),
            from: format!("SUNBID_{}", key.to_uppercase()),
        };
        let read = |overrides: &[Override]| Config::read_with(folder.path(), overrides);
        let changed = read(&[
            given("listen", "127.0.0.1:7801"),
            given("epoch_seconds", "30"),
            given("peers", "bid=10.0.0.5:7704,audit=audit.example:7706"),
            given("mutual.authority", "a.pem"),
            given("mutual.certificate", "b.pem"),
            given("mutual.key", "c.pem"),
        ])
        .unwrap();
        assert_eq!(changed.listen.port(), 7801);
        assert_eq!(changed.epoch_seconds, 30);
        assert_eq!(changed.origin, config().origin);
        assert_eq!(changed.peers.get("bid").unwrap(), "10.0.0.5:7704");
        assert_eq!(changed.mutual.unwrap().key, Path::new("c.pem"));
        for (key, wrong) in [
            ("epoch_seconds", "often"),
            ("epoch_seconds", "0"),
            ("listen", "everywhere"),
            ("behind_tls_proxy", "maybe"),
            ("peers", "bid"),
            ("peers", "emperor=1.2.3.4:5"),
            ("peers", "bid=nowhere"),
            ("tls.key", "alone.pem"),
        ] {
            let fault = read(&[given(key, wrong)]).unwrap_err().to_string();
            let named = key.split('.').next().unwrap();
            assert!(fault.contains(named), "{key} = {wrong}: {fault}");
        }
    }

    /// Every key of a settings' file; those within a table, but for names of services, by its own.
    fn nested(table: &toml::Table) -> Vec<String> {
        let mut keys = Vec::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(table) if key != "peers" => {
                    keys.extend(table.keys().map(|inner| format!("{key}.{inner}")));
                }
                _ => keys.push(key.clone()),
            }
        }
        keys.sort();
        keys
    }

    /// The settings that the deployment ships, the platform's with every key in them.
    #[test]
    fn the_sample_settings_are_taken_as_they_stand() {
        let read = |text: &str| {
            let config: Config = toml::from_str(text).unwrap();
            config.check(Path::new("deploy")).unwrap();
            config
        };
        let whole = include_str!("../../../deploy/platform.toml");
        let documented: toml::Table = toml::from_str(whole).unwrap();
        let whole = read(whole);
        assert_eq!(
            nested(&documented),
            nested(&toml::Table::try_from(&whole).unwrap())
        );
        assert_eq!(whole.limits, Limits::default());
        assert!(whole.tls.is_some() && whole.bank.is_some() && whole.mutual.is_none());
        let service = read(include_str!("../../../deploy/service.toml"));
        assert!(service.mutual.is_some() && service.tls.is_none());
        let front = read(include_str!("../../../deploy/front.toml"));
        assert!(front.mutual.is_some() && front.tls.is_some());
        for (config, own) in [(&service, Some("bid")), (&front, None)] {
            let others = SERVICES.iter().filter(|service| Some(**service) != own);
            assert!(
                others
                    .clone()
                    .all(|other| config.peers.contains_key(*other))
            );
            assert_eq!(config.peers.len(), others.count());
        }
    }

    /// Nothing is shown beyond this machine, and bidders' calls are traced nowhere but in a sandbox.
    #[test]
    fn telemetry_stays_here_and_tells_nothing_of_bidders() {
        let check = |change: fn(&mut Telemetry), sandbox| {
            let mut telemetry = Telemetry::default();
            change(&mut telemetry);
            telemetry.check(sandbox)
        };
        let metrics = check(|t| t.metrics = "0.0.0.0:7790".parse().ok(), true);
        assert!(metrics.unwrap_err().contains("telemetry.metrics"));
        for good in [
            "http://127.0.0.1:4317",
            "http://[::1]:4317/",
            "http://localhost:4317",
        ] {
            let telemetry = Telemetry {
                endpoint: Some(good.to_owned()),
                ..Telemetry::default()
            };
            assert_eq!(telemetry.check(false), Ok(()), "{good}");
        }
        for wrong in [
            "http://10.0.0.1:4317",
            "https://127.0.0.1:4317",
            "127.0.0.1:4317",
            "",
        ] {
            let telemetry = Telemetry {
                endpoint: Some(wrong.to_owned()),
                ..Telemetry::default()
            };
            let fault = telemetry.check(false).unwrap_err();
            assert!(fault.contains("telemetry.endpoint"), "{fault}");
        }
        assert!(check(|t| t.sample_percent = 101, true).is_err());
        let sealed = |sandbox| check(|t| t.trace_sealed_calls = true, sandbox);
        assert_eq!(sealed(true), Ok(()));
        assert!(sealed(false).unwrap_err().contains("trace_sealed_calls"));
    }

    /// Every setting can be given on the command line, and nothing else.
    #[test]
    fn every_setting_is_described() {
        let file = PathBuf::from("x");
        let full = Config {
            database: Some("postgres://sunbid@db/sunbid".into()),
            database_password_file: Some(file.clone()),
            objects: Some(Objects {
                endpoint: Some(String::new()),
                authority: Some(file.clone()),
                credentials_file: Some(file.clone()),
                ..crate::objects::tests::objects()
            }),
            bank: Some(Bank {
                address: String::new(),
                trust_account: String::new(),
                trust_name: String::new(),
            }),
            telemetry: Telemetry {
                metrics: "127.0.0.1:1".parse().ok(),
                endpoint: Some("http://127.0.0.1:4317".into()),
                ..Telemetry::default()
            },
            sandbox_clock: Some(file.clone()),
            passkeys: Some(Passkeys {
                domain: String::new(),
                origins: vec![],
            }),
            provider: Some(OpenIdProvider {
                issuer: String::new(),
                client_id: String::new(),
                client_secret_file: Some(file.clone()),
                authorities: vec![],
                redirect_uris: vec![],
            }),
            tls: Some(Tls {
                certificate: file.clone(),
                key: file.clone(),
            }),
            mutual: Some(Mutual {
                authority: file.clone(),
                certificate: file.clone(),
                key: file,
            }),
            peers: BTreeMap::from([("bid".into(), "x:1".into())]),
            ..config()
        };
        let mut keys = nested(&toml::Table::try_from(full).unwrap());
        keys.retain(|key| !["origin", "sandbox"].contains(&key.as_str()));
        let mut described: Vec<_> = overrides::SETTINGS.iter().map(|row| row.key).collect();
        described.sort_unstable();
        assert_eq!(keys, described);
    }
}
