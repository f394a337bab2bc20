//! Checking an installation that stands still, and signing as it stops what no record can prove later.
//! Changes nothing that it checks.

use std::{fs, io, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use sunbid_inspection::{Finding, Inspected, Knowledge, Report, Stillness, contents, inspect};
use sunbid_journal::{DataDir, Journal};
use sunbid_platform::{Config, serve::SERVICES};
use sunbid_proofs::Verifier;
use sunbid_service::{Keys, clock::SystemClock, setting::Database};
use sunbid_terms::Clock;

use crate::{context::Context, exit};

/// What was signed when the platform stopped, in its folder; not there while it runs.
const STILLNESS: &str = "stillness.txt";

/// The platform runs: what was signed at its last stop says nothing any more.
pub fn moving(data: &Path) -> anyhow::Result<()> {
    match fs::remove_file(data.join(STILLNESS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The platform has stopped: signs what no record leads to, as it stands.
pub async fn still(data: &Path, config: &Config) -> anyhow::Result<()> {
    if config.database.is_some() {
        return Ok(());
    }
    let _lock = DataDir::lock(data, SystemClock.now())?;
    let mut stillness = Stillness::default();
    for database in open(data, config).await? {
        stillness.add(database.service, contents(database.journal.db()).await?);
        database.journal.stop().await;
    }
    let signer = Keys::open(&data.join("keys"))?.log_signer(&config.origin)?;
    let beside = data.join("stillness.new");
    fs::write(&beside, stillness.sign(&signer)?)?;
    fs::rename(&beside, data.join(STILLNESS))?;
    Ok(())
}

/// Opens what is there; a database that is missing is not made.
async fn open(data: &Path, config: &Config) -> anyhow::Result<Vec<Inspected>> {
    let storage = config.storage(data)?;
    let mut databases = Vec::new();
    if matches!(storage, Database::Embedded) && config.mutual.is_none() {
        for service in SERVICES {
            let file = data.join(format!("{service}.db"));
            if !file.exists() {
                bail!("{} is missing", file.display());
            }
        }
    }
    for service in SERVICES {
        if matches!(storage, Database::Embedded) {
            let file = data.join(format!("{service}.db"));
            if !file.exists() && config.mutual.is_some() {
                continue;
            }
        }
        let opened = async {
            let db = storage.open(data, service).await?;
            anyhow::Ok(Journal::open(db, Arc::new(SystemClock)).await?)
        };
        match opened.await.with_context(|| service) {
            Ok(journal) => databases.push(Inspected { service, journal }),
            Err(error) => {
                for database in databases {
                    database.journal.stop().await;
                }
                return Err(error);
            }
        }
    }
    Ok(databases)
}

/// Inspects the installation in `data`; `stopped`: it is known to have stopped in order.
pub async fn report(data: &Path, config: &Config, stopped: bool) -> anyhow::Result<Report> {
    let keys = Keys::open(&data.join("keys"))?;
    let log = Verifier::parse(&keys.log_verifier(&config.origin)?)?;
    let stillness = match fs::read(data.join(STILLNESS)) {
        Ok(note) => Some(Stillness::open(&note, &log).context(STILLNESS)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let knowledge = Knowledge {
        data,
        blinding: keys.secret("blinding")?,
        log,
        stillness: stillness.as_ref(),
    };
    let databases = open(data, config).await?;
    let mut report = inspect(&databases, &knowledge).await;
    if stopped && stillness.is_none() {
        report.findings.push(Finding {
            service: "platform".to_owned(),
            what: format!("{STILLNESS} is missing, although the platform stopped in order"),
            by: "what was signed at the stop",
        });
    }
    for database in databases {
        database.journal.stop().await;
    }
    Ok(report)
}

pub async fn check(context: &Context, data: &Path, expected: bool) -> anyhow::Result<()> {
    let config = Config::read(data)?;
    if config.database.is_some() || config.mutual.is_some() {
        return logs(data, &config).await;
    }
    // Files that somebody writes meanwhile would change under the reader.
    let _lock = DataDir::lock(data, SystemClock.now())?;
    let report = report(data, &config, expected).await?;
    let stopped = data.join(STILLNESS).exists();
    if context.output.json {
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        println!(
            "{}",
            serde_json::json!({
                "findings": findings, "logs": report.logs, "records": report.records,
                "rows": report.rows, "files": report.files, "epochs": report.epochs,
                "stopped_in_order": stopped,
            })
        );
    } else {
        for finding in &report.findings {
            println!("{finding}");
        }
        println!(
            "{} records in {} logs, {} rows, {} epochs and {} files of {} were looked at: {}",
            report.records,
            report.logs,
            report.rows,
            report.epochs,
            report.files,
            SERVICES.join(", "),
            if report.findings.is_empty() {
                "all verify"
            } else {
                "NOT all verify"
            }
        );
        if !stopped {
            println!(
                "it did not stop in order: answers to commands, cursors and uploads have no proof \
                 but that they fit the records"
            );
        }
    }
    if report.findings.is_empty() {
        Ok(())
    } else {
        Err(exit::NotVerified.into())
    }
}

/// What can be checked of a database that others may be writing, or of one service alone: its logs.
async fn logs(data: &Path, config: &Config) -> anyhow::Result<()> {
    let _lock = match &config.database {
        None => Some(DataDir::lock(data, SystemClock.now())?),
        Some(_) => None,
    };
    let mut wrong = false;
    for database in open(data, config).await? {
        let report = database.journal.check().await?;
        let service = database.service;
        match &report.wrong {
            None => println!(
                "{service}: {} records in {} logs verify",
                report.entries, report.logs
            ),
            Some(found) => {
                wrong = true;
                println!("{service}: {found}");
            }
        }
        database.journal.stop().await;
    }
    if wrong {
        Err(exit::NotVerified.into())
    } else {
        Ok(())
    }
}
