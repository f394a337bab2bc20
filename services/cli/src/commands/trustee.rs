//! The daemon of an institution that holds a key share: making its folder, running it, and showing
//! the public halves of its keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sunbid_service::clock::{SandboxClock, SystemClock};
use sunbid_terms::Clock;
use sunbid_trustee::{Behaviour, Effort, PublicKeys, Settings};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Connection,
    context::{Context, DEFAULT_ENDPOINT},
    process,
};

#[derive(Debug, Subcommand)]
pub enum TrusteeCommand {
    /// Make an institution's folder with new keys; the platform's name and keys are pinned in it.
    Init(InitArguments),
    /// Run the daemon. Stops on SIGINT or SIGTERM.
    Run(RunArguments),
    /// Show the public halves of the keys, to be given when the institution registers.
    Show {
        folder: PathBuf,
        /// File with the passphrase; SUNBID_PASSPHRASE where not given.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct InitArguments {
    folder: PathBuf,
    /// PEM: the machine's certificate and, after it, its intermediates.
    #[arg(long)]
    certificate: PathBuf,
    /// PEM: the PKCS#8 key. It is kept encrypted in the folder; destroy the file afterwards.
    #[arg(long)]
    key: PathBuf,
    /// File with the passphrase; SUNBID_PASSPHRASE where not given.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    folder: PathBuf,
    /// File with the passphrase; SUNBID_PASSPHRASE where not given.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
    /// Clock file of a sandbox; a production folder refuses it.
    #[arg(long)]
    sandbox_clock: Option<PathBuf>,
    /// Drills in a sandbox: give no part of any opening.
    #[arg(long, conflicts_with = "lie", requires = "sandbox_clock")]
    absent: bool,
    /// Drills in a sandbox: give false shares.
    #[arg(long, requires = "sandbox_clock")]
    lie: bool,
}

pub async fn run(context: &Context, command: TrusteeCommand) -> anyhow::Result<()> {
    match command {
        TrusteeCommand::Init(arguments) => {
            let read = |path: &Path| {
                std::fs::read_to_string(path).with_context(|| path.display().to_string())
            };
            let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
            let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            let (identity, encryption) = initialise(
                &arguments.folder,
                endpoint,
                context.authority()?.as_deref(),
                &read(&arguments.certificate)?,
                &read(&arguments.key)?,
                &passphrase,
            )
            .await?;
            show(
                &PublicKeys {
                    identity,
                    encryption,
                },
                context,
            );
            Ok(())
        }
        TrusteeCommand::Run(arguments) => {
            process::log(context.output.json);
            start(arguments).await
        }
        TrusteeCommand::Show {
            folder,
            passphrase_file,
        } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            let keys =
                sunbid_trustee::public_keys(&folder, passphrase.as_bytes(), Effort::PRODUCTION)?;
            show(&keys, context);
            Ok(())
        }
    }
}

/// Makes a trustee's folder, pinning what the platform at `endpoint` says of itself now; gives the
/// public identity and encryption keys.
pub async fn initialise(
    folder: &Path,
    endpoint: &str,
    authority: Option<&str>,
    certificate_pem: &str,
    key_pem: &str,
    passphrase: &str,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let platform = Connection::trusting(endpoint, authority, true)
        .await?
        .platform()
        .await?;
    let settings = Settings {
        endpoint: endpoint.to_owned(),
        authority: authority.map(str::to_owned),
        origin: platform.origin,
        log_verifier_key: platform.log_verifier_key,
        sandbox: platform.sandbox,
    };
    let (folder, certificate_pem, key_pem, passphrase) = (
        folder.to_owned(),
        certificate_pem.to_owned(),
        key_pem.to_owned(),
        passphrase.to_owned(),
    );
    // Deriving the vault's key takes a while by design.
    let keys = tokio::task::spawn_blocking(move || {
        sunbid_trustee::initialise(
            &folder,
            &settings,
            &platform.roots,
            &certificate_pem,
            &key_pem,
            passphrase.as_bytes(),
            Effort::PRODUCTION,
        )
    })
    .await??;
    Ok((keys.identity, keys.encryption))
}

async fn start(arguments: RunArguments) -> anyhow::Result<()> {
    let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
    let text = std::fs::read_to_string(arguments.folder.join("trustee.toml"))
        .with_context(|| arguments.folder.display().to_string())?;
    let settings: Settings = toml::from_str(&text)?;
    let clock: Arc<dyn Clock> = match &arguments.sandbox_clock {
        Some(_) if !settings.sandbox => {
            bail!("the platform of this folder is no sandbox; its trustee uses its own clock only")
        }
        Some(file) => Arc::new(SandboxClock::open(file)?),
        None => Arc::new(SystemClock),
    };
    let behaviour = match (arguments.absent, arguments.lie) {
        (true, _) => Behaviour::Absent,
        (_, true) => Behaviour::Lying,
        _ => Behaviour::Honest,
    };
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let daemon = sunbid_trustee::run(
        &arguments.folder,
        passphrase.as_bytes(),
        Effort::PRODUCTION,
        clock,
        behaviour,
        shutdown,
        // One line on standard output, for people and for scripts that wait for it.
        || println!("watching {}", settings.endpoint),
    );
    tokio::pin!(daemon);
    tokio::select! {
        ended = &mut daemon => return Ok(ended?),
        () = process::asked_to_stop() => stop.cancel(),
    }
    Ok(daemon.await?)
}

fn passphrase(file: Option<&Path>) -> anyhow::Result<String> {
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => std::env::var("SUNBID_PASSPHRASE")
            .context("the passphrase is missing: --passphrase-file, or SUNBID_PASSPHRASE"),
    }
}

fn show(keys: &PublicKeys, context: &Context) {
    let (identity, encryption) = (hex::encode(&keys.identity), hex::encode(&keys.encryption));
    if context.output.json {
        println!(
            "{}",
            serde_json::json!({ "identity_key": identity, "encryption_key": encryption })
        );
    } else {
        println!("identity key    {identity}\nencryption key  {encryption}");
    }
}
