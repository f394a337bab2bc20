//! `sunbid verify`: fetches a finished tender's public records and checks them on this machine,
//! believing no server. All checking is `libs/verify`; here are files and words.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use sunbid_certificates::pem;
use sunbid_contracts::{
    audit::v1::{DownloadDisclosureRequest, TrustAnchors},
    bid::v1::Receipt,
};
use sunbid_verify::{Culprit, Expectations, Fault, Outcome, Records, Report, verify};

use super::tender_name;
use crate::{
    connection::Connection,
    context::Context,
    exit::NotVerified,
    output::{self, Output},
};

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// A tender, whose records are fetched from the platform, or a directory that holds them.
    target: String,
    /// Where to keep the records fetched; a new or empty directory. Else they are thrown away.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Keys and roots that you trust (JSON, as --save-anchors writes them).
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// A receipt that must be accounted for (JSON, as `sunbid bid submit` writes it). Repeatable.
    #[arg(long = "receipt")]
    receipts: Vec<PathBuf>,
    /// Write the keys and roots of these records, to be compared and pinned.
    #[arg(long)]
    save_anchors: Option<PathBuf>,
}

/// Verifies a tender; an error that exits with 6 where something is wrong.
pub async fn run(context: &Context, arguments: VerifyArguments) -> anyhow::Result<()> {
    let output = context.output;
    let local = PathBuf::from(&arguments.target);
    // Thrown away with everything in it when this function ends.
    let kept;
    let folder = if local.is_dir() {
        local
    } else {
        let tender = tender_name(&arguments.target).map_err(|_| {
            anyhow::anyhow!(
                "{:?} is neither a directory nor tenders/{{uuid}}",
                arguments.target
            )
        })?;
        let folder = match arguments.to {
            Some(folder) => folder,
            None => {
                kept = tempfile::tempdir()?;
                kept.path().join("records")
            }
        };
        download(&context.reader().await?, &tender, &folder).await?;
        folder
    };
    tokio::task::spawn_blocking(move || {
        let expectations = expectations(arguments.anchors.as_deref(), &arguments.receipts)?;
        let report = checked(&folder, &expectations, output)?;
        if let Some(file) = &arguments.save_anchors {
            save_anchors(&report, file)?;
        }
        Ok(())
    })
    .await?
}

/// Fetches a tender's public records into a new or empty directory. Nothing is checked by this.
pub async fn download(connection: &Connection, tender: &str, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    if fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not empty; name a new directory", folder.display());
    }
    let request = DownloadDisclosureRequest {
        tender: tender.to_owned(),
    };
    let mut stream = connection
        .audit()
        .download_disclosure(request)
        .await?
        .into_inner();
    let mut open: Option<io::BufWriter<fs::File>> = None;
    while let Some(message) = stream.message().await? {
        if !message.path.is_empty() {
            if let Some(mut file) = open.take() {
                file.flush()?;
            }
            let path = folder.join(inner_path(&message.path)?);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            open = Some(io::BufWriter::new(file));
        }
        let file = open
            .as_mut()
            .context("the platform sent content without a path")?;
        file.write_all(&message.chunk)?;
    }
    if let Some(mut file) = open {
        file.flush()?;
    }
    Ok(())
}

/// Checks the records in a directory and says what was checked, or what is wrong.
pub fn check(
    folder: &Path,
    anchors: Option<&Path>,
    receipts: &[PathBuf],
    output: Output,
) -> anyhow::Result<()> {
    checked(folder, &expectations(anchors, receipts)?, output).map(drop)
}

fn checked(folder: &Path, expectations: &Expectations, output: Output) -> anyhow::Result<Report> {
    match verify(&Folder(folder.to_owned()), expectations) {
        Ok(report) => {
            println!("{}", passed(&report, output)?);
            Ok(report)
        }
        Err(fault) => {
            println!("{}", failed(&fault, output)?);
            Err(NotVerified.into())
        }
    }
}

/// A path of the platform's that stays within the directory.
fn inner_path(path: &str) -> anyhow::Result<PathBuf> {
    let inner = PathBuf::from(path);
    let plain = inner
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.contains('\\') || path.is_empty() {
        bail!("the platform sent a file with the path {path:?}, which is not taken");
    }
    Ok(inner)
}

/// Records in a directory.
struct Folder(PathBuf);

impl Records for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut waiting = vec![(self.0.clone(), String::new())];
        while let Some((folder, prefix)) = waiting.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    waiting.push((entry.path(), format!("{path}/")));
                } else {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(fs::File::open(self.0.join(path))?))
    }
}

/// Keys and roots as people keep them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AnchorsFile {
    /// C2SP verifier key of the public log.
    log_verifier_key: String,
    /// Ed25519, hexadecimal.
    receipt_key: String,
    /// Certificates in PEM, or paths of PEM files beside this one.
    roots: Vec<String>,
    #[serde(default)]
    sandbox: bool,
    /// Identity keys of institutions in hexadecimal, by credit code; where any is given, every
    /// holder must be among them.
    #[serde(default)]
    holders: BTreeMap<String, String>,
}

fn expectations(anchors: Option<&Path>, receipts: &[PathBuf]) -> anyhow::Result<Expectations> {
    let mut expectations = Expectations::default();
    if let Some(file) = anchors {
        let named = || format!("{} is no file of anchors", file.display());
        let text = fs::read_to_string(file).with_context(named)?;
        let kept: AnchorsFile = serde_json::from_str(&text).with_context(named)?;
        for (code, key) in &kept.holders {
            let key = hex::decode(key).ok().and_then(|key| key.try_into().ok());
            let key = key.with_context(|| format!("the key of {code} is not 32 bytes in hex"))?;
            expectations.holders.insert(code.clone(), key);
        }
        expectations.anchors = Some(TrustAnchors {
            log_verifier_key: kept.log_verifier_key,
            receipt_key: hex::decode(&kept.receipt_key).with_context(named)?,
            roots: roots(&kept.roots, file)?,
            sandbox: kept.sandbox,
        });
    }
    for file in receipts {
        let text = fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let receipt: Receipt = output::from_json(&text)
            .with_context(|| format!("{} is no receipt", file.display()))?;
        expectations.receipts.push(receipt);
    }
    Ok(expectations)
}

fn roots(written: &[String], beside: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut ders = Vec::new();
    for root in written {
        let text = if root.contains("-----BEGIN") {
            root.clone()
        } else {
            let path = beside.parent().unwrap_or(Path::new(".")).join(root);
            fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?
        };
        ders.extend(pem::certificates(&text)?);
    }
    Ok(ders)
}

fn save_anchors(report: &Report, file: &Path) -> anyhow::Result<()> {
    let holder = |organization: &str| {
        let code = organization.strip_prefix("organizations/");
        code.unwrap_or(organization).to_owned()
    };
    let kept = AnchorsFile {
        log_verifier_key: report.anchors.log_verifier_key.clone(),
        receipt_key: hex::encode(&report.anchors.receipt_key),
        roots: report
            .anchors
            .roots
            .iter()
            .map(|der| pem::certificate(der))
            .collect(),
        sandbox: report.anchors.sandbox,
        holders: report
            .holders
            .iter()
            .map(|h| (holder(&h.organization), hex::encode(&h.identity_key)))
            .collect(),
    };
    fs::write(file, serde_json::to_string_pretty(&kept)?)
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn passed(report: &Report, output: Output) -> anyhow::Result<String> {
    if output.json {
        return Ok(serde_json::to_string_pretty(&json(report))?);
    }
    let mut lines = vec![format!("{}  {}", report.tender, report.title)];
    let width = report.checks.iter().map(|check| check.count).max();
    let width = width.unwrap_or(0).to_string().len();
    for check in &report.checks {
        let what = output.say(check.zh, check.en);
        lines.push(format!("  ✓ {:>width$}  {what}", check.count));
    }
    lines.push(
        match report.outcome {
            Outcome::Opened => output.say("结果：已开标。", "Outcome: bids were opened."),
            Outcome::Failed => output.say(
                "结果：流标，没有开启任何投标。",
                "Outcome: no lot had three bidders; no bid was opened.",
            ),
            Outcome::Terminated => output.say(
                "结果：项目终止，没有开启任何投标。",
                "Outcome: the tender was terminated; no bid was opened.",
            ),
        }
        .to_owned(),
    );
    if report.pinned {
        lines.push(
            output
                .say(
                    "公钥与根证书为您所指定。",
                    "Keys and roots are the ones you gave.",
                )
                .to_owned(),
        );
    } else {
        lines.push(unpinned(report, output));
    }
    lines.push(honest(report, output));
    Ok(lines.join("\n"))
}

/// Where trust began, when nobody said.
fn unpinned(report: &Report, output: Output) -> String {
    let mut lines = vec![
        output
            .say(
                "注意：公钥取自记录本身。请与各机构公布的指纹核对：",
                "Note: keys were taken from the records themselves: compare the fingerprints with what the institutions publish:",
            )
            .to_owned(),
    ];
    let anchors = &report.anchors;
    lines.push(format!("    {}", anchors.log_verifier_key));
    let receipt = output.say("回执公钥", "receipt key");
    lines.push(format!(
        "    {receipt} {}",
        hex::encode(&anchors.receipt_key)
    ));
    for root in &anchors.roots {
        let fingerprint = hex::encode(sunbid_certificates::fingerprint(root));
        let name = output.say("根证书 SHA-256", "root certificate SHA-256");
        lines.push(format!("    {name} {fingerprint}"));
    }
    for holder in &report.holders {
        let key = hex::encode(&holder.identity_key);
        lines.push(format!(
            "    {} {} {key}",
            holder.display_name, holder.organization
        ));
    }
    lines.join("\n")
}

/// What the checks show, and what they cannot.
fn honest(report: &Report, output: Output) -> String {
    let (t, n) = (report.threshold, report.holders.len());
    if output.english {
        format!(
            "VERIFIED. Nobody short of {t} of the {n} named institutions could open a bid early; {t} of them together could, and would leave no trace."
        )
    } else {
        format!(
            "核验通过。少于{t}家（共{n}家）具名机构合谋，任何人都不能提前开标；{t}家合谋则可以，且不留痕迹。"
        )
    }
}

fn failed(fault: &Fault, output: Output) -> anyhow::Result<String> {
    if output.json {
        let culprit = fault.culprit.to_string();
        return Ok(serde_json::to_string_pretty(&serde_json::json!({
            "verified": false,
            "code": fault.code,
            "culprit": culprit,
            "record": fault.record,
            "zh": fault.zh,
            "en": fault.en,
        }))?);
    }
    let whose = match &fault.culprit {
        Culprit::Records if output.english => "this copy, or whoever handed it over".to_owned(),
        culprit if output.english => culprit.to_string(),
        culprit => culprit.zh(),
    };
    let (not, at, by) = if output.english {
        ("NOT VERIFIED", "where", "whose fault")
    } else {
        ("核验不通过", "位置", "责任方")
    };
    let what = output.say(&fault.zh, &fault.en);
    // The English sentence has the details.
    let detail = if output.english {
        String::new()
    } else {
        format!("\n    {}", fault.en)
    };
    Ok(format!(
        "  ✗ {not} [{}] {what}{detail}\n    {at}: {}\n    {by}: {whose}",
        fault.code, fault.record
    ))
}

fn json(report: &Report) -> serde_json::Value {
    let outcome = match report.outcome {
        Outcome::Opened => "opened",
        Outcome::Failed => "failed",
        Outcome::Terminated => "terminated",
    };
    let checks: Vec<_> = report
        .checks
        .iter()
        .map(|check| serde_json::json!({"zh": check.zh, "en": check.en, "count": check.count}))
        .collect();
    let holders: Vec<_> = report
        .holders
        .iter()
        .map(|holder| {
            serde_json::json!({
                "organization": holder.organization,
                "display_name": holder.display_name,
                "identity_key": hex::encode(&holder.identity_key),
            })
        })
        .collect();
    serde_json::json!({
        "verified": true,
        "tender": report.tender,
        "title": report.title,
        "outcome": outcome,
        "checks": checks,
        "pinned": report.pinned,
        "log_verifier_key": report.anchors.log_verifier_key,
        "receipt_key": hex::encode(&report.anchors.receipt_key),
        "holders": holders,
        "threshold": report.threshold,
        "claim": honest(report, Output { json: false, english: true }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_directory() {
        for path in ["index.note", "logs/bid.pb", "envelopes/00.sealed"] {
            assert!(inner_path(path).is_ok(), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "logs/../../x", "a\\b", "./x/.."] {
            assert!(inner_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn anchors_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.json");
        let kept = AnchorsFile {
            log_verifier_key: "key".into(),
            receipt_key: "0a".into(),
            roots: vec!["-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n".into()],
            sandbox: true,
            holders: BTreeMap::from([("code".to_owned(), "07".repeat(32))]),
        };
        fs::write(&file, serde_json::to_string(&kept).unwrap()).unwrap();
        let read = expectations(Some(&file), &[]).unwrap();
        let anchors = read.anchors.unwrap();
        assert_eq!((anchors.receipt_key, anchors.sandbox), (vec![10], true));
        assert_eq!(anchors.roots, [vec![1, 2, 3]]);
        assert_eq!(read.holders["code"], [7; 32]);
    }

    #[test]
    fn a_folder_lists_what_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(folder.path().join("logs/bid.pb"), b"x").unwrap();
        fs::write(folder.path().join("index.note"), b"y").unwrap();
        let records = Folder(folder.path().to_owned());
        let mut listed = records.list().unwrap();
        listed.sort();
        assert_eq!(listed, ["index.note", "logs/bid.pb"]);
        let mut content = Vec::new();
        records
            .open("logs/bid.pb")
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        assert_eq!(content, b"x");
    }
}
