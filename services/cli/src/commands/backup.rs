//! Backing an installation up while it runs, and making an installation again from any point of the
//! backup. On SQLite; on PostgreSQL its own tools do it (deploy/restore.md). Keys leave the
//! machine only under a passphrase, or as they are where that is asked for.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use sunbid_backup::{Archiver, Backup, BackupFault, Chosen, Installation, Point, signer_name};
use sunbid_platform::{
    Config,
    serve::{SANDBOX_CLOCK, SERVICES},
};
use sunbid_proofs::{Signer, Verifier, note::ED25519_NOTE};
use sunbid_service::{
    Keys,
    clock::{SandboxClock, SystemClock},
};
use sunbid_terms::{Clock, Instant};
use sunbid_trustee::{Effort, Vault};

use crate::{anchors::Anchors, context::Context, process};

/// The platform's keys in a backup: the vault's file and, under it, all files of the folder.
const SEALED_KEYS: &str = "keys.sealed";
const SEALED_VAULT: &str = "keys.vault";
const PLAIN_KEYS: &str = "keys.plain";
const KEYS: &str = "keys";

#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Folder of the installation; it may be running.
    pub data: PathBuf,
    /// Folder of the backup, on another disk or machine.
    pub backup: PathBuf,
    /// Go on: add a point whenever something changed, until SIGINT or SIGTERM.
    #[arg(long)]
    pub follow: bool,
    /// Seconds between two points with --follow: as much as may be lost with the machine.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// Hours after which a new base copy is made; older generations may be deleted then, folder by
    /// folder.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8760))]
    pub base_every: u64,
    /// File with the passphrase that the platform's keys are encrypted under in the backup;
    /// SUNBID_BACKUP_PASSPHRASE where not given.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// Keep the keys out of the backup; they are kept elsewhere, and needed for a restore.
    #[arg(long, conflicts_with = "plain_keys")]
    pub without_keys: bool,
    /// Keep the keys in the backup as they are: whoever reads the backup has them.
    #[arg(long)]
    pub plain_keys: bool,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Folder of the backup.
    pub backup: PathBuf,
    /// Folder of the installation to be made; it must not exist.
    pub data: PathBuf,
    /// The time to go back to, such as "2027-03-02 09:00:00" (Beijing time); the newest point where
    /// not given.
    #[arg(long, value_parser = super::moment)]
    pub to: Option<i64>,
    /// The generation to take; where not given, the newest that reaches back far enough.
    #[arg(long)]
    pub generation: Option<u64>,
    /// The platform's keys, got from elsewhere (JSON, as `sunbid profile anchors` writes them): the
    /// backup must be signed with its log key.
    #[arg(long)]
    pub anchors: Option<PathBuf>,
    /// Take the backup at its own word; the key that it names is printed.
    #[arg(long, conflicts_with = "anchors", required_unless_present = "anchors")]
    pub trust_backup: bool,
    /// File with the passphrase of the keys; SUNBID_BACKUP_PASSPHRASE where not given.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// Show the points that can be restored, and restore nothing.
    #[arg(long)]
    pub list: bool,
    /// Compare everything in the backup with its digests, and restore nothing.
    #[arg(long, conflicts_with = "list")]
    pub verify: bool,
}

pub async fn backup(context: &Context, arguments: BackupArguments) -> anyhow::Result<()> {
    process::log(context.output.json);
    let config = Config::read(&arguments.data)?;
    ensure!(
        config.database.is_none(),
        "this installation keeps its state in PostgreSQL: back it up with pg_basebackup and \
         archive_command, and its folder with any tool (deploy/restore.md)"
    );
    ensure!(
        config.mutual.is_none(),
        "this is the folder of a service that runs apart; only an installation whose services run \
         together has one moment for all of them"
    );
    let clock: Arc<dyn Clock> = if config.sandbox {
        let own = config.sandbox_clock.clone();
        let file = own.unwrap_or_else(|| SANDBOX_CLOCK.into());
        Arc::new(SandboxClock::open(&arguments.data.join(file))?)
    } else {
        Arc::new(SystemClock)
    };
    let renew = Duration::from_secs(arguments.base_every * 3600);
    loop {
        let installation = installation(&arguments, &config)?;
        let signer = signer(&arguments.data, &config)?;
        let begun = Archiver::begin(installation, &arguments.backup, signer, clock.clone()).await;
        let (mut archiver, first) = begun?;
        say(context, &first);
        if !arguments.follow {
            archiver.end().await;
            return Ok(());
        }
        let stop = process::asked_to_stop();
        tokio::pin!(stop);
        let renewed = tokio::time::sleep(renew);
        tokio::pin!(renewed);
        let mut ticks = tokio::time::interval(Duration::from_secs(arguments.every));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopped = tokio::select! {
                () = &mut stop => true,
                () = &mut renewed => break,
                _ = ticks.tick() => false,
            };
            match archiver.point().await {
                Ok(_) => {}
                // Nothing is lost: a base copy has it.
                Err(BackupFault::Gap(database)) => {
                    tracing::warn!(
                        database,
                        "commits were overwritten; a new base copy is made"
                    );
                    break;
                }
                Err(fault) => return Err(fault.into()),
            }
            if stopped {
                archiver.end().await;
                return Ok(());
            }
        }
        archiver.end().await;
    }
}

fn say(context: &Context, point: &Point) {
    if context.output.json {
        println!(
            "{}",
            serde_json::json!({
                "generation": point.generation, "point": point.number, "time_us": point.time_us,
            })
        );
    } else {
        println!(
            "generation {} point {} of {}",
            point.generation,
            point.number,
            point.time()
        );
    }
}

fn signer(data: &Path, config: &Config) -> anyhow::Result<Signer> {
    let keys = Keys::open(&data.join(KEYS))?;
    Ok(Signer::from_seed(
        &signer_name(&config.origin),
        &keys.secret("log")?,
    )?)
}

fn installation(arguments: &BackupArguments, config: &Config) -> anyhow::Result<Installation> {
    let data = &arguments.data;
    // Keys that stand elsewhere in the folder are no less secret.
    let mut named: Vec<PathBuf> = Vec::new();
    named.extend(config.tls.iter().map(|tls| tls.key.clone()));
    named.extend(config.database_password_file.clone());
    named.extend(
        config
            .provider
            .iter()
            .filter_map(|provider| provider.client_secret_file.clone()),
    );
    named.retain(|file| file.is_relative());
    let mut files = named.clone();
    for entry in fs::read_dir(data.join(KEYS))? {
        files.push(Path::new(KEYS).join(entry?.file_name()));
    }
    let secrets = if arguments.without_keys {
        Vec::new()
    } else {
        let bundle = pack(data, &files)?;
        if arguments.plain_keys {
            vec![(PLAIN_KEYS.to_owned(), bundle)]
        } else {
            let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
            let (vault, file) = Vault::create(passphrase.as_bytes(), Effort::PRODUCTION)?;
            let sealed = vault.seal(SEALED_KEYS, &bundle)?;
            vec![
                (SEALED_VAULT.to_owned(), file),
                (SEALED_KEYS.to_owned(), sealed),
            ]
        }
    };
    Ok(Installation {
        origin: config.origin.clone(),
        root: data.clone(),
        databases: SERVICES.iter().map(|name| (*name).to_owned()).collect(),
        secret_files: named,
        secrets,
    })
}

/// Files with their bytes in hexadecimal, by their names.
fn pack(data: &Path, files: &[PathBuf]) -> anyhow::Result<Vec<u8>> {
    let mut bundle = serde_json::Map::new();
    for file in files {
        let path = data.join(file);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let name = file.to_string_lossy().into_owned();
        bundle.insert(name, hex::encode(bytes).into());
    }
    Ok(serde_json::to_vec(&bundle)?)
}

fn unpack(bundle: &[u8], data: &Path) -> anyhow::Result<()> {
    let files: std::collections::BTreeMap<String, String> = serde_json::from_slice(bundle)?;
    for (name, bytes) in files {
        let path = data.join(&name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, hex::decode(bytes)?).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn passphrase(file: Option<&Path>) -> anyhow::Result<String> {
    match file {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => std::env::var("SUNBID_BACKUP_PASSPHRASE").context(
            "the passphrase for the keys is missing: --passphrase-file, or \
             SUNBID_BACKUP_PASSPHRASE; or say --without-keys or --plain-keys",
        ),
    }
}

/// The key that a backup must be signed with.
fn verifier(arguments: &RestoreArguments) -> anyhow::Result<Verifier> {
    if let Some(file) = &arguments.anchors {
        let log = Verifier::parse(&Anchors::read(file)?.keys.log_verifier_key)?;
        let origin = log.name().strip_suffix("/log").unwrap_or(log.name());
        return Ok(Verifier::new(
            &signer_name(origin),
            ED25519_NOTE,
            *log.key(),
        )?);
    }
    // It says itself who made it.
    let file = arguments.backup.join("verifier");
    let named = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    eprintln!("the backup names the key {}", named.trim());
    Ok(Verifier::parse(named.trim())?)
}

pub async fn restore(context: &Context, arguments: RestoreArguments) -> anyhow::Result<()> {
    let verifier = verifier(&arguments)?;
    let backup = Backup::open(&arguments.backup, &verifier)?;
    if arguments.list {
        for point in backup.points() {
            say(context, point);
        }
        return Ok(());
    }
    if arguments.verify {
        println!("{} points verify", backup.verify()?);
        return Ok(());
    }
    let to = arguments.to.map(Instant::from_micros);
    let (backup, chosen) = backup.choose(to, arguments.generation)?;
    let restored = backup.restore(&chosen, &arguments.data).await?;
    let keys = restore_keys(&arguments);
    // The report stands in the folder: whoever starts the platform next can read it.
    let report = report(&chosen, to, &restored);
    fs::write(
        arguments.data.join("restored.json"),
        format!("{report:#}\n"),
    )?;
    keys?;
    if context.output.json {
        println!("{report}");
    } else {
        println!(
            "restored as of {}: {} databases, {} files; the backup's newest point is of {}",
            chosen.time, restored.databases, restored.files, chosen.newest
        );
        println!(
            "what was lost, by what witnesses saw: sunbid platform check {}",
            arguments.data.display()
        );
    }
    Ok(())
}

fn report(
    chosen: &Chosen,
    asked: Option<Instant>,
    restored: &sunbid_backup::Restored,
) -> serde_json::Value {
    serde_json::json!({
        "generation": chosen.generation,
        "point": chosen.number,
        "time": chosen.time.to_string(),
        "asked": asked.map(|asked| asked.to_string()),
        "newest": chosen.newest.to_string(),
        "databases": restored.databases,
        "files": restored.files,
    })
}

fn restore_keys(arguments: &RestoreArguments) -> anyhow::Result<()> {
    let data = &arguments.data;
    let (vault, sealed) = (data.join(SEALED_VAULT), data.join(SEALED_KEYS));
    let plain = data.join(PLAIN_KEYS);
    if plain.exists() {
        unpack(&fs::read(&plain)?, data)?;
        fs::remove_file(plain)?;
    } else if sealed.exists() {
        let given = passphrase(arguments.passphrase_file.as_deref()).with_context(|| {
            format!(
                "{} is restored but for its keys, which are in it, sealed",
                data.display()
            )
        })?;
        let opened = Vault::open(&fs::read(&vault)?, given.as_bytes(), Effort::PRODUCTION)?;
        unpack(&opened.open_secret(SEALED_KEYS, &fs::read(&sealed)?)?, data)?;
        fs::remove_file(vault)?;
        fs::remove_file(sealed)?;
    } else {
        let keys = data.join(KEYS);
        if !keys.exists() {
            // Starting without them would make new ones, which nobody knows.
            bail!(
                "{} is restored but for its keys, which the backup does not have: put them into {} \
                 before anything is started",
                data.display(),
                keys.display()
            );
        }
    }
    Ok(())
}
