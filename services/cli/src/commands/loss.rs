//! Declaring that records were lost, and an institution's consent to go on witnessing after it. Neither
//! is ever done by a daemon, and neither makes anything lost come back.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use prost::Message as _;
use sunbid_contracts::audit::v1::LossDeclared;
use sunbid_journal::{DataDir, Journal, PublicLog, StreamId};
use sunbid_platform::{Config, serve::SANDBOX_CLOCK};
use sunbid_proofs::{
    Note, Signer,
    loss::{LossDeclaration, signer_name},
};
use sunbid_service::{
    Decided, Keys, Step,
    clock::{SandboxClock, SystemClock},
    ledger,
};
use sunbid_terms::Clock;
use sunbid_trustee::Effort;

use crate::context::Context;

const AUDIT: &str = "audit";
/// What witnesses were last known to have seen.
const WITNESSED: &str = "witnessed.txt";

#[derive(Debug, Args)]
pub struct DeclareLossArguments {
    /// Folder of the installation (of the audit, where services run apart).
    pub data: PathBuf,
    /// What happened, in one line; it is public.
    #[arg(long)]
    pub reason: String,
    /// File for the signed declaration; it goes to every institution, and to the public.
    #[arg(long)]
    pub out: PathBuf,
    /// The newest checkpoint that any institution cosigned, "SIZE HEXROOT", where it is newer than
    /// what the platform remembers.
    #[arg(long)]
    pub witnessed: Option<String>,
}

pub async fn declare(context: &Context, arguments: DeclareLossArguments) -> anyhow::Result<()> {
    let data = &arguments.data;
    let config = Config::read(data)?;
    let _lock = DataDir::lock(data, SystemClock.now())?;
    let file = data.join(WITNESSED);
    let known = match &arguments.witnessed {
        Some(given) => given.clone(),
        None => fs::read_to_string(&file).with_context(|| file.display().to_string())?,
    };
    let (witnessed_size, witnessed_root) = head(&known)
        .with_context(|| format!("{:?} is not a size and a root in hexadecimal", known.trim()))?;
    let keys = Keys::open(&data.join("keys"))?;
    let db = config.storage(data)?.open(data, AUDIT).await?;
    let public_log = PublicLog::open(
        db.clone(),
        keys.secret("blinding")?,
        keys.log_signer(&config.origin)?,
        None,
    )
    .await?;
    let size = public_log.size().await?;
    ensure!(
        size < witnessed_size,
        "the public log has {size} epochs and witnesses saw {witnessed_size}: nothing that they saw is \
         missing, and there is no loss to declare"
    );
    let declaration = LossDeclaration {
        log: keys
            .log_signer(&config.origin)?
            .verifier()
            .name()
            .to_owned(),
        restored_size: size,
        restored_root: public_log.root_at(size).await?,
        witnessed_size,
        witnessed_root,
        reason: arguments.reason,
    };
    let signer = Signer::from_seed(&signer_name(&config.origin), &keys.secret("log")?)?;
    let note = declaration.sign(&signer)?.format();
    fs::write(&arguments.out, &note).with_context(|| arguments.out.display().to_string())?;
    record(data, &config, db, &declaration).await?;
    // Last: from here on the audit starts.
    let beside = file.with_extension("new");
    let root = hex::encode(declaration.restored_root);
    fs::write(&beside, format!("{size} {root}\n"))?;
    fs::rename(&beside, &file)?;
    tell(context, &declaration);
    Ok(())
}

/// The record in the audit's own log, which the next epoch makes public.
async fn record(
    data: &Path,
    config: &Config,
    db: sunbid_journal::Db,
    declaration: &LossDeclaration,
) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = if config.sandbox {
        let own = config.sandbox_clock.clone();
        let file = own.unwrap_or_else(|| SANDBOX_CLOCK.into());
        Arc::new(SandboxClock::open(&data.join(file))?)
    } else {
        Arc::new(SystemClock)
    };
    let journal = Journal::open(db, clock).await?;
    let event = LossDeclared {
        restored_size: i64::try_from(declaration.restored_size)?,
        restored_root: declaration.restored_root.to_vec(),
        witnessed_size: i64::try_from(declaration.witnessed_size)?,
        witnessed_root: declaration.witnessed_root.to_vec(),
        reason: declaration.reason.clone(),
    };
    let cause = event.encode_to_vec();
    let step = Step::of_cause(AUDIT, AUDIT, "DeclareLoss", &cause, &event);
    let done = ledger::commit_quietly(&journal, step, move |_| {
        Ok(Decided::new().event(StreamId::of("losses"), &event))
    })
    .await;
    journal.stop().await;
    done.map_err(|problem| anyhow::anyhow!("the loss could not be recorded: {problem:?}"))?;
    Ok(())
}

fn head(text: &str) -> Option<(u64, [u8; 32])> {
    let (size, root) = text.trim().split_once(' ')?;
    Some((size.parse().ok()?, hex::decode(root).ok()?.try_into().ok()?))
}

/// What a declaration says, in words.
fn tell(context: &Context, declared: &LossDeclaration) {
    let LossDeclaration {
        log,
        restored_size,
        witnessed_size,
        reason,
        ..
    } = declared;
    let lost = witnessed_size - restored_size;
    if context.output.english {
        println!(
            "{log} goes on from epoch {restored_size}; witnesses had seen {witnessed_size}: what {lost} \
             epochs showed is lost. Reason: {reason}"
        );
    } else {
        println!(
            "{log} 自第{restored_size}期继续；见证机构曾见到第{witnessed_size}期：{lost}期所载记录丢失。\
             原因：{reason}"
        );
    }
}

/// An institution's consent.
pub fn accept(
    context: &Context,
    folder: &Path,
    declaration: &Path,
    confirm: Option<u64>,
    passphrase: &str,
) -> anyhow::Result<()> {
    let named = || declaration.display().to_string();
    let note = fs::read(declaration).with_context(named)?;
    let shown = Note::parse(&note).with_context(named)?;
    print!("{}", shown.text);
    let typed = match confirm {
        Some(size) => size.to_string(),
        None => {
            print!("restored size, to accept: ");
            io::stdout().flush()?;
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            line.trim().to_owned()
        }
    };
    let restored = shown
        .text
        .lines()
        .find_map(|line| line.strip_prefix("restored "));
    let size = restored
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    ensure!(
        typed == size,
        "{typed:?} is not {size:?}: nothing was accepted"
    );
    let accepted =
        sunbid_trustee::accept_loss(folder, passphrase.as_bytes(), Effort::PRODUCTION, &note)?;
    tell(context, &accepted);
    Ok(())
}
