//! The daemon of an institution that holds a key share: making its folder, running it, and showing
//! the public halves of its keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use sunbid_contracts::tender::v1::{GetCeremonyRequest, GetTenderRequest, Tender, TenderState};
use sunbid_domain::tender::ceremony;
use sunbid_service::clock::{self, SandboxClock};
use sunbid_terms::Clock;
use sunbid_trustee::{Behaviour, Effort, PublicKeys, Settings};
use tokio_util::sync::CancellationToken;

use crate::{
    anchors::Anchors,
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
    /// Erase the share of a tender's key, after the time for which it must be kept. What was sealed to
    /// the key and not opened then stays sealed for ever. The daemon must not be running.
    Forget(ForgetArguments),
    /// Go on witnessing a platform that declared a loss of records, from an older checkpoint than was
    /// cosigned. The institution's own decision, after it has read the declaration; both are kept. The
    /// daemon must not be running.
    AcceptLoss {
        folder: PathBuf,
        /// The signed declaration.
        declaration: PathBuf,
        /// The size that the log goes on from, as the declaration says, instead of typing it when asked.
        #[arg(long)]
        confirm: Option<u64>,
        /// File with the passphrase; SUNBID_PASSPHRASE where not given.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
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
    /// The platform's keys and roots, got from elsewhere than the platform (JSON, as `sunbid profile
    /// anchors` writes them).
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// Take a platform that is no sandbox at its word, without anchors from elsewhere.
    #[arg(long, conflicts_with = "anchors")]
    trust_first_use: bool,
    /// File with the passphrase; SUNBID_PASSPHRASE where not given.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ForgetArguments {
    folder: PathBuf,
    /// Name of the tender.
    #[arg(value_parser = super::tender_name)]
    tender: String,
    /// Erase although the tender is neither opened, failed nor terminated.
    #[arg(long)]
    unfinished: bool,
    /// The name of the tender again, instead of typing it when asked.
    #[arg(long)]
    confirm: Option<String>,
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
            let authority = context.authority()?;
            let (authority, english) = (authority.as_deref(), context.output.english);
            let anchors = anchors(&arguments, endpoint, authority, english).await?;
            let (identity, encryption) = initialise(
                &arguments.folder,
                endpoint,
                authority,
                &read(&arguments.certificate)?,
                &read(&arguments.key)?,
                &passphrase,
                anchors,
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
        TrusteeCommand::Forget(arguments) => forget(context, arguments).await,
        TrusteeCommand::AcceptLoss {
            folder,
            declaration,
            confirm,
            passphrase_file,
        } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            super::loss::accept(context, &folder, &declaration, confirm, &passphrase)
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

/// What a folder is to pin: what the institution got from elsewhere, if the platform is that one;
/// else, where that was asked for or nothing has legal effect, what the platform says of itself.
async fn anchors(
    arguments: &InitArguments,
    endpoint: &str,
    authority: Option<&str>,
    english: bool,
) -> anyhow::Result<Anchors> {
    let platform = Connection::trusting(endpoint, authority, english)
        .await?
        .platform()
        .await?;
    if let Some(file) = &arguments.anchors {
        let anchors = Anchors::read(file)?;
        anchors.check()?;
        anchors.require(&platform)?;
        return Ok(anchors);
    }
    ensure!(
        platform.sandbox || arguments.trust_first_use,
        "this platform is no sandbox: give its keys and roots, got from elsewhere, with --anchors FILE; or take it at its word with --trust-first-use"
    );
    let anchors = Anchors::of(&platform)?;
    anchors.check()?;
    // Beside the answer, which scripts read.
    eprintln!("{}", anchors.show(english));
    Ok(anchors)
}

/// Makes a trustee's folder, pinning these anchors; gives the public identity and encryption keys.
pub async fn initialise(
    folder: &Path,
    endpoint: &str,
    authority: Option<&str>,
    certificate_pem: &str,
    key_pem: &str,
    passphrase: &str,
    anchors: Anchors,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let settings = Settings {
        endpoint: endpoint.to_owned(),
        authority: authority.map(str::to_owned),
        origin: anchors.origin()?.to_owned(),
        log_verifier_key: anchors.keys.log_verifier_key,
        receipt_key: hex::encode(&anchors.keys.receipt_key),
        sandbox: anchors.keys.sandbox,
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
            &anchors.keys.roots,
            &certificate_pem,
            &key_pem,
            passphrase.as_bytes(),
            Effort::PRODUCTION,
        )
    })
    .await??;
    Ok((keys.identity, keys.encryption))
}

/// Erases a share for ever, once it is certain whose.
async fn forget(context: &Context, arguments: ForgetArguments) -> anyhow::Result<()> {
    let output = context.output;
    let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
    let settings = settings(&arguments.folder)?;
    let endpoint = context.endpoint.as_deref().unwrap_or(&settings.endpoint);
    let authority = context.authority()?.or_else(|| settings.authority.clone());
    let anyone = Connection::trusting(endpoint, authority.as_deref(), output.english).await?;
    let name = arguments.tender.clone();
    let asked = GetTenderRequest { name };
    let tender = anyone.tender().get_tender(asked).await?.into_inner().tender;
    let tender = tender.context("the platform gave no tender")?;
    let finished = matches!(
        tender.state(),
        TenderState::Opened | TenderState::Failed | TenderState::Terminated
    );
    ensure!(
        finished || arguments.unfinished,
        "{} is {}: its bids still need this share; --unfinished erases it all the same",
        tender.name,
        tender.state().as_str_name()
    );
    let asked = GetCeremonyRequest {
        tender: tender.name.clone(),
    };
    let ceremony = anyone.tender().get_ceremony(asked).await?.into_inner();
    let ceremony = ceremony.ceremony.context("the tender has no ceremony")?;
    // The share is filed under what the ceremony's terms give, whatever the platform calls it.
    let cid = *ceremony::terms(&ceremony)?.id();
    let typed = match arguments.confirm {
        Some(typed) => typed,
        None => ask_for_name(&tender, output.english)?,
    };
    ensure!(
        typed == tender.name,
        "{typed:?} is not {}; nothing was erased",
        tender.name
    );
    let folder = arguments.folder;
    tokio::task::spawn_blocking(move || {
        sunbid_trustee::forget(&folder, passphrase.as_bytes(), Effort::PRODUCTION, &cid)
    })
    .await??;
    println!(
        "{} {}",
        output.say("已销毁份额，密钥仪式", "The share is erased; ceremony"),
        hex::encode(cid)
    );
    Ok(())
}

fn ask_for_name(tender: &Tender, english: bool) -> anyhow::Result<String> {
    let title = &tender.title;
    if english {
        eprint!("The share of {title} is erased for ever. Type the tender's name, tenders/UUID: ");
    } else {
        eprint!("将永久销毁“{title}”的密钥份额。请输入项目名称 tenders/UUID 以确认：");
    }
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    Ok(typed.trim().to_owned())
}

fn settings(folder: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(folder.join("trustee.toml"))
        .with_context(|| folder.display().to_string())?;
    Ok(toml::from_str(&text)?)
}

async fn start(arguments: RunArguments) -> anyhow::Result<()> {
    let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
    let settings = settings(&arguments.folder)?;
    let clock: Arc<dyn Clock> = match &arguments.sandbox_clock {
        Some(_) if !settings.sandbox => {
            bail!("the platform of this folder is no sandbox; its trustee uses its own clock only")
        }
        Some(file) => Arc::new(SandboxClock::open(file)?),
        None => Arc::new(clock::of_process()),
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
