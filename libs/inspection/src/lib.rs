//! Inspecting an installation that stands still, on SQLite: whatever its databases and files hold is
//! computed again from the records of its logs, or compared with what was signed when it stopped. An
//! independent reading of the services' tables: shares no statement with them. Reads only.

mod audit;
mod files;
mod intake;
mod literal;
mod logs;
mod models;
mod registry;
mod schema;
mod stillness;

use std::{collections::BTreeMap, path::Path};

use sunbid_journal::{Db, Journal, LogId, ReadError};
use sunbid_proofs::Verifier;

pub use stillness::{Stillness, contents};

/// One thing that is not as it must be, and what found it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service}: {what} ({by})")]
pub struct Finding {
    pub service: String,
    pub what: String,
    /// The check that found it.
    pub by: &'static str,
}

/// A service's database.
#[derive(Clone)]
pub struct Inspected {
    pub service: &'static str,
    pub journal: Journal,
}

/// What the inspection is told besides the databases.
pub struct Knowledge<'a> {
    /// Folder of the installation.
    pub data: &'a Path,
    /// The secret under which the public log blinds heads.
    pub blinding: [u8; 32],
    /// The key of the public log.
    pub log: Verifier,
    /// What was signed when the platform stopped, if it stopped in order.
    pub stillness: Option<&'a Stillness>,
}

/// What was found, in the order of the checks, and how much was looked at.
#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub logs: u64,
    pub records: u64,
    pub rows: u64,
    pub files: u64,
    pub epochs: u64,
    /// Roots of payloads that are kept in the database.
    pub(crate) small: std::collections::BTreeSet<Vec<u8>>,
    /// Roots of whole payloads by the names of their files, which uploads tell.
    pub(crate) sealed: std::collections::BTreeMap<String, Vec<u8>>,
    /// Roots of whole payloads that lie in a remote store, which checks them itself at every reading.
    pub(crate) remote: std::collections::BTreeSet<Vec<u8>>,
}

impl Report {
    pub(crate) fn add(&mut self, service: &str, by: &'static str, what: impl Into<String>) {
        self.findings.push(Finding {
            service: service.to_owned(),
            what: what.into(),
            by,
        });
    }

    /// Compares rows as they stand with rows as they should; names one of each side.
    pub(crate) fn compare(
        &mut self,
        service: &str,
        table: &str,
        found: &[String],
        expected: &mut Vec<String>,
    ) {
        self.rows += found.len() as u64;
        let mut found = found.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        expected.dedup();
        let shown = |row: &String| row.chars().take(160).collect::<String>();
        if let Some(row) = found
            .iter()
            .find(|row| expected.binary_search(row).is_err())
        {
            let what = format!(
                "table {table} has a row that no record leads to: {}",
                shown(row)
            );
            self.add(service, "rebuilding read models", what);
        } else if let Some(row) = expected
            .iter()
            .find(|row| found.binary_search(row).is_err())
        {
            let what = format!("table {table} lacks a row: {}", shown(row));
            self.add(service, "rebuilding read models", what);
        } else if found.len() != expected.len() {
            let what = format!("table {table} has a row twice");
            self.add(service, "rebuilding read models", what);
        }
    }
}

/// The services whose databases are inspected, with the migrations of their own tables.
pub use schema::SERVICES;

/// Inspects everything. Where the databases themselves cannot be read any more, that is the finding.
pub async fn inspect(databases: &[Inspected], knowledge: &Knowledge<'_>) -> Report {
    let mut report = Report::default();
    let mut read = BTreeMap::new();
    for database in databases {
        match look(database, &mut report).await {
            Ok(logs) => {
                read.insert(database.service, logs);
            }
            Err(error) => report.add(database.service, "reading", error.to_string()),
        }
    }
    // Further checks rely on logs that verify.
    if !report.findings.is_empty() {
        return report;
    }
    for database in databases {
        if let Err(error) = models::check(database, &read, knowledge.data, &mut report).await {
            report.add(database.service, "reading", error.to_string());
        }
        if let Some(stillness) = knowledge.stillness {
            match stillness::contents(database.journal.db()).await {
                Ok(found) => stillness.compare(database.service, &found, &mut report),
                Err(error) => report.add(database.service, "reading", error.to_string()),
            }
        }
    }
    if let Some(audit) = databases.iter().find(|one| one.service == "audit")
        && let Err(error) = audit::check(audit, &read, knowledge, &mut report).await
    {
        report.add("audit", "reading", error.to_string());
    }
    files::check(&read, knowledge, &mut report);
    report
}

/// One database by itself: its structure, its logs, its states.
async fn look(
    database: &Inspected,
    report: &mut Report,
) -> Result<BTreeMap<LogId, logs::Log>, ReadError> {
    let db: &Db = database.journal.db();
    schema::check(database.service, db, report).await?;
    let checked = database.journal.check().await?;
    report.logs += checked.logs;
    report.records += checked.entries;
    if let Some(wrong) = checked.wrong {
        report.add(database.service, "walking the logs", wrong.to_string());
        return Ok(BTreeMap::new());
    }
    logs::read(database.service, db, report).await
}
