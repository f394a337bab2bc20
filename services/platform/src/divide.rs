//! Dividing an installation into a folder for each service, so that each runs as a process of its own: its
//! settings, its database, its own keys and nobody else's. The installation stands still meanwhile and
//! does not start again afterwards.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sunbid_journal::{DataDir, DataDirError, DataDirLock};
use sunbid_service::{Keys, clock::SystemClock, keys::KeyFault};
use sunbid_terms::Clock;

use crate::{
    config::{Config, ConfigFault, FILE, Mutual, Tls},
    serve::{KEEP_FILES, PROCESSES, SANDBOX_CLOCK, SERVICES},
};

/// Name of the folder and of the certificate of the front door.
pub use sunbid_service::address::FRONT;

/// Name of the file with the database's password within the folder of a service.
const PASSWORD: &str = "database-password";

/// Names of what a service that keeps files needs for an object store, within its folder.
const ACCESS_KEY: &str = "objects-access-key";
const OBJECTS_AUTHORITY: &str = "objects-authority.pem";

/// Name under which a divided installation keeps its old settings.
const DIVIDED: &str = "platform.toml.divided";

/// Keys whose private half one service alone needs, besides its own.
const OWNERS: [(&str, &str); 6] = [
    ("token.pk8", "registry"),
    ("challenges.secret", "registry"),
    ("accounts.secret", "registry"),
    ("receipt.pk8", "bid"),
    ("log.secret", "audit"),
    ("blinding.secret", "audit"),
];

/// How an installation is divided.
#[derive(Clone, Debug)]
pub struct Division {
    /// Folder that takes the folders of the services.
    pub out: PathBuf,
    /// Folder with authority.pem, and NAME.pem and NAME.key.pem for each service and the front door.
    pub certificates: PathBuf,
    /// Where each service will be.
    pub places: BTreeMap<&'static str, SocketAddr>,
}

/// Why an installation was not divided.
#[derive(Debug, thiserror::Error)]
pub enum DivideError {
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Held(#[from] DataDirError),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is there already; divide into a new folder")]
    Exists(PathBuf),
    #[error("it is not said where {0} will be")]
    NoPlace(&'static str),
    #[error("{0} is one part of a divided installation already")]
    Divided(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DivideError {
    let path = path.to_owned();
    move |source| DivideError::Io { path, source }
}

/// Divides the installation in `data`.
pub fn divide(data: &Path, division: &Division) -> Result<(), DivideError> {
    let config = Config::read(data)?;
    if config.mutual.is_some() {
        return Err(DivideError::Divided(data.to_owned()));
    }
    if division.out.exists() {
        return Err(DivideError::Exists(division.out.clone()));
    }
    let _locks = stand_still(data)?;
    // The halves that the others get are of these keys; where they are missing they are made now.
    let keys = Keys::open(&data.join("keys"))?;
    keys.public("token")?;
    keys.public("receipt")?;
    keys.log_signer(&config.origin)?;
    keys.service_keys(&SERVICES)?;
    for name in SERVICES.into_iter().chain([FRONT]) {
        make_folder(data, &config, &keys, division, name)?;
    }
    // Two running copies of one institution would sign two histories.
    let (old, new) = (data.join(FILE), data.join(DIVIDED));
    fs::rename(&old, &new).map_err(at(&old))
}

/// Holds the installation, and each address that a process on its database was on, so that none runs.
fn stand_still(data: &Path) -> Result<Vec<DataDirLock>, DivideError> {
    let now = SystemClock.now();
    let mut locks = vec![DataDir::lock(data, now)?];
    let processes = data.join(PROCESSES);
    if processes.exists() {
        for entry in fs::read_dir(&processes).map_err(at(&processes))? {
            let entry = entry.map_err(at(&processes))?;
            locks.push(DataDir::lock(&entry.path(), now)?);
        }
    }
    Ok(locks)
}

fn make_folder(
    data: &Path,
    config: &Config,
    keys: &Keys,
    division: &Division,
    name: &'static str,
) -> Result<(), DivideError> {
    let folder = division.out.join(name);
    fs::create_dir_all(folder.join("certificates")).map_err(at(&folder))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(at(&folder))?;
    for (from, to) in [
        ("authority.pem".to_owned(), "authority.pem"),
        (format!("{name}.pem"), "own.pem"),
        (format!("{name}.key.pem"), "own.key.pem"),
    ] {
        let to = folder.join("certificates").join(to);
        copy(&division.certificates.join(from), &to)?;
    }
    let provider = config
        .provider
        .iter()
        .filter(|_| name == "registry")
        .flat_map(|provider| {
            provider
                .authorities
                .iter()
                .chain(&provider.client_secret_file)
        });
    for file in config
        .roots
        .iter()
        .chain(&config.revocation.lists)
        .chain(provider)
    {
        // The same for all processes, where it is; on another machine it is brought along.
        if file.is_absolute() {
            continue;
        }
        let to = folder.join(file);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        copy(&data.join(file), &to)?;
    }
    if name != FRONT {
        give_keys(data, config, keys, &folder, name)?;
        give_state(data, &folder, name)?;
        if let Some(password) = &config.database_password_file {
            copy(&data.join(password), &folder.join(PASSWORD))?;
        }
    }
    if let Some(objects) = config
        .objects
        .as_ref()
        .filter(|_| KEEP_FILES.contains(&name))
    {
        if let Some(key) = &objects.credentials_file {
            copy(&data.join(key), &folder.join(ACCESS_KEY))?;
        }
        if let Some(authority) = &objects.authority {
            copy(&data.join(authority), &folder.join(OBJECTS_AUTHORITY))?;
        }
    }
    settings(data, config, division, name)?.write(&folder)?;
    Ok(())
}

fn settings(
    data: &Path,
    config: &Config,
    division: &Division,
    name: &'static str,
) -> Result<Config, DivideError> {
    let mut peers = BTreeMap::new();
    for service in SERVICES.into_iter().filter(|service| *service != name) {
        let place = division.places.get(service);
        let place = place.ok_or(DivideError::NoPlace(service))?;
        peers.insert(service.to_owned(), place.to_string());
    }
    let mut own = config.clone();
    own.peers = peers;
    // Two processes of one machine cannot show theirs at one address.
    own.telemetry.metrics = None;
    own.mutual = Some(Mutual {
        authority: "certificates/authority.pem".into(),
        certificate: "certificates/own.pem".into(),
        key: "certificates/own.key.pem".into(),
    });
    own.database_password_file = config
        .database_password_file
        .as_ref()
        .map(|_| PASSWORD.into());
    if name == FRONT {
        own.database = None;
        own.database_password_file = None;
        own.require_synchronous_standby = false;
        own.accept_loss_on_failure = false;
        own.tls.get_or_insert_with(|| Tls {
            certificate: "certificates/own.pem".into(),
            key: "certificates/own.key.pem".into(),
        });
        if let Some(tls) = &mut own.tls {
            // A certificate of its own stays where it is.
            tls.certificate = absolute(
                data,
                config.tls.as_ref().map(|tls| &tls.certificate),
                &tls.certificate,
            )?;
            tls.key = absolute(data, config.tls.as_ref().map(|tls| &tls.key), &tls.key)?;
        }
    } else {
        let place = division.places.get(name);
        own.listen = *place.ok_or(DivideError::NoPlace(name))?;
        own.tls = None;
        own.behind_tls_proxy = false;
    }
    if name != "deposit" {
        own.bank = None;
    }
    match &mut own.objects {
        Some(objects) if KEEP_FILES.contains(&name) => {
            let own = |given: &Option<PathBuf>, name: &str| given.as_ref().map(|_| name.into());
            objects.credentials_file = own(&objects.credentials_file, ACCESS_KEY);
            objects.authority = own(&objects.authority, OBJECTS_AUTHORITY);
        }
        objects => *objects = None,
    }
    if config.sandbox {
        let clock = config.sandbox_clock.clone();
        let clock = data.join(clock.unwrap_or_else(|| SANDBOX_CLOCK.into()));
        own.sandbox_clock = Some(std::path::absolute(&clock).map_err(at(&clock))?);
    }
    Ok(own)
}

fn absolute(data: &Path, given: Option<&PathBuf>, else_: &Path) -> Result<PathBuf, DivideError> {
    match given {
        Some(given) => std::path::absolute(data.join(given)).map_err(at(given)),
        None => Ok(else_.to_owned()),
    }
}

/// A service's own keys, and the public halves of the others'.
fn give_keys(
    data: &Path,
    config: &Config,
    keys: &Keys,
    folder: &Path,
    name: &str,
) -> Result<(), DivideError> {
    let own = Keys::open(&folder.join("keys"))?;
    let mine = [
        format!("service-{name}.pk8"),
        format!("pages-{name}.secret"),
    ];
    let owned = OWNERS.iter().filter(|(_, owner)| *owner == name);
    for file in owned.map(|(file, _)| (*file).to_owned()).chain(mine) {
        let from = data.join("keys").join(&file);
        if from.exists() {
            copy(&from, &folder.join("keys").join(&file))?;
        }
    }
    keys.share("token", &own)?;
    keys.share("receipt", &own)?;
    for service in SERVICES {
        keys.share(&format!("service-{service}"), &own)?;
    }
    keys.share_log_verifier(&config.origin, &own)?;
    Ok(())
}

/// A service's database, and what it keeps in files beside it.
fn give_state(data: &Path, folder: &Path, name: &str) -> Result<(), DivideError> {
    for entry in fs::read_dir(data).map_err(at(data))? {
        let entry = entry.map_err(at(data))?;
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let own = *file == *name
            || file.starts_with(&format!("{name}.db"))
            || (name == "audit" && file == "witnessed.txt");
        if own {
            copy(&entry.path(), &folder.join(&*file))?;
        }
    }
    Ok(())
}

/// Copies a file or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), DivideError> {
    if !from.is_dir() {
        fs::copy(from, to).map_err(at(from))?;
        return Ok(());
    }
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
