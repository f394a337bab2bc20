//! Checking a finished tender from its public records alone, trusting no server: fetches them where
//! a tender is named, reads them where a folder is, and says what was checked or what is wrong.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use sunbid_contracts::{
    audit::v1::{DownloadDisclosureRequest, TrustAnchors},
    bid::v1::Receipt,
};
use sunbid_verify::{Expectations, Fault, Records, Report, verify};

use super::tender_name;
use crate::{
    connection::Connection,
    context::Context,
    exit::NotVerified,
    output::{self, Output},
};

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// A tender, whose public records are fetched; or a folder that holds them.
    target: String,
    /// Keep fetched records in this new folder.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Keys that you got elsewhere and that the records must agree with (see --save-anchors).
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// A receipt that must be accounted for: receipt.json of a sealed bid. May be repeated.
    #[arg(long)]
    receipt: Vec<PathBuf>,
    /// Write the keys of these records to a file, to be compared and used as --anchors.
    #[arg(long)]
    save_anchors: Option<PathBuf>,
}

/// Keys as people keep and compare them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anchors {
    log_verifier_key: String,
    receipt_key: String,
    roots: Vec<String>,
    sandbox: bool,
}

pub async fn run(context: &Context, arguments: VerifyArguments) -> anyhow::Result<()> {
    let mut temporary = None;
    let folder = match tender_name(&arguments.target) {
        Ok(tender) => {
            let folder = match &arguments.to {
                Some(folder) => folder.clone(),
                None => {
                    let folder = tempfile::tempdir()?;
                    let path = folder.path().join("records");
                    temporary = Some(folder);
                    path
                }
            };
            download(&context.reader().await?, &tender, &folder).await?;
            folder
        }
        Err(_) => PathBuf::from(&arguments.target),
    };
    let anchors = arguments.anchors.as_deref().map(read_anchors).transpose()?;
    let receipts = arguments
        .receipt
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            output::from_json(&text).with_context(|| path.display().to_string())
        })
        .collect::<anyhow::Result<Vec<Receipt>>>()?;
    let checked =
        tokio::task::block_in_place(|| check(&folder, anchors, &receipts, context.output));
    if let (Ok(report), Some(file)) = (&checked, &arguments.save_anchors) {
        write_anchors(file, &report.anchors)?;
    }
    drop(temporary);
    checked.map(drop)
}

/// Fetches a finished tender's public records into a new folder.
pub async fn download(connection: &Connection, tender: &str, folder: &Path) -> anyhow::Result<()> {
    let request = DownloadDisclosureRequest { tender: tender.to_owned() };
    let mut stream = connection.audit().download_disclosure(request).await?.into_inner();
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(folder).with_context(|| folder.display().to_string())?;
    let mut file: Option<File> = None;
    while let Some(message) = stream.message().await? {
        if !message.path.is_empty() {
            let path = Path::new(&message.path);
            // The server names files; it does not choose where on this machine they go.
            if !path.components().all(|part| matches!(part, Component::Normal(_))) {
                bail!("the platform sent a file with the path {:?}", message.path);
            }
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            file = Some(File::create_new(path)?);
        }
        let file = file.as_mut().context("the platform sent content before a path")?;
        file.write_all(&message.chunk)?;
    }
    Ok(())
}

/// Verifies the records in a folder and prints what was checked, or the first thing that is wrong.
pub fn check(
    folder: &Path,
    anchors: Option<TrustAnchors>,
    receipts: &[Receipt],
    output: Output,
) -> anyhow::Result<Report> {
    let records = Folder::read(folder)?;
    let pinned = anchors.is_some();
    let expectations = Expectations { anchors, receipts: receipts.to_vec(), ..Default::default() };
    match verify(&records, &expectations) {
        Ok(report) => {
            print_report(&report, pinned, output);
            Ok(report)
        }
        Err(fault) => {
            print_fault(&fault, output);
            Err(NotVerified.into())
        }
    }
}

fn print_report(report: &Report, pinned: bool, output: Output) {
    if output.json {
        let checks: Vec<_> = report
            .checks
            .iter()
            .map(|check| serde_json::json!({ "zh": check.zh, "en": check.en, "count": check.count }))
            .collect();
        println!(
            "{}",
            serde_json::json!({
                "verified": true, "tender": report.tender, "title": report.title,
                "keys_pinned": pinned, "checks": checks,
            })
        );
        return;
    }
    println!("{} {}", report.title, report.tender);
    for check in &report.checks {
        println!("  ✓ {:>6}  {}", check.count, output.say(&check.zh, &check.en));
    }
    if !pinned {
        println!(
            "{}",
            output.say(
                "以下密钥取自记录本身；请与各机构公布的密钥核对（--anchors 可固定）：",
                "These keys were taken from the records themselves; compare them with what the institutions publish (--anchors pins them):"
            )
        );
        println!("  log     {}", report.anchors.log_verifier_key);
        println!("  receipt {}", hex::encode(&report.anchors.receipt_key));
        for root in &report.anchors.roots {
            println!("  root    {}", hex::encode(sunbid_certificates::fingerprint(root)));
        }
    }
    println!("{}", output.say("核验通过", "Verified."));
}

fn print_fault(fault: &Fault, output: Output) {
    if output.json {
        println!(
            "{}",
            serde_json::json!({
                "verified": false, "code": fault.code, "culprit": fault.culprit.to_string(),
                "record": fault.record, "zh": fault.zh, "en": fault.en,
            })
        );
        return;
    }
    println!(
        "  ✗ {} [{}] {}: {}",
        fault.code,
        fault.culprit,
        fault.record,
        output.say(&fault.zh, &fault.en)
    );
}

/// Records in a folder.
struct Folder {
    root: PathBuf,
    paths: Vec<String>,
}

impl Folder {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let mut paths = Vec::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    waiting.push(entry.path());
                } else {
                    let path = entry.path();
                    let name = path.strip_prefix(root)?.to_str().context("a name is not UTF-8")?;
                    paths.push(name.to_owned());
                }
            }
        }
        paths.sort();
        Ok(Self { root: root.to_owned(), paths })
    }
}

impl Records for Folder {
    fn list(&self) -> Vec<String> {
        self.paths.clone()
    }

    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.root.join(path))?))
    }
}

fn read_anchors(path: &Path) -> anyhow::Result<TrustAnchors> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let anchors: Anchors = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(TrustAnchors {
        log_verifier_key: anchors.log_verifier_key,
        receipt_key: hex::decode(anchors.receipt_key)?,
        roots: anchors.roots.iter().map(hex::decode).collect::<Result<_, _>>()?,
        sandbox: anchors.sandbox,
    })
}

fn write_anchors(path: &Path, anchors: &TrustAnchors) -> anyhow::Result<()> {
    let kept = Anchors {
        log_verifier_key: anchors.log_verifier_key.clone(),
        receipt_key: hex::encode(&anchors.receipt_key),
        roots: anchors.roots.iter().map(hex::encode).collect(),
        sandbox: anchors.sandbox,
    };
    fs::write(path, serde_json::to_string_pretty(&kept)?)?;
    Ok(())
}
