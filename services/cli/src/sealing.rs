//! Sealing a bid on the supplier's own machine, into a folder: sealed parts, headers, rescue files.
//! Nothing of the content leaves this machine; the rescue files must never leave it either.

use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sunbid_contracts::tender::v1::{PartClass, Tender};
use sunbid_domain::opening::sheet;
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Element, Label, OsRng, SealingKey, Subject, Workers, seal,
};

use crate::progress::{self, Watched};

/// File that describes a sealed bid in its folder.
const DESCRIPTION: &str = "bid.json";

/// A sealed bid in a folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedBid {
    pub tender: String,
    pub lot_id: String,
    /// Unified social credit code of the bidder.
    pub bidder: String,
    pub revision: u32,
    /// Hexadecimal; what the supplier signs.
    pub bundle: String,
    pub parts: Vec<SealedPart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPart {
    pub part: u8,
    /// Canonical header, hexadecimal.
    pub header: String,
    /// File with the sealed payload, in the same folder.
    pub payload: PathBuf,
    pub payload_bytes: u64,
    /// Hexadecimal.
    pub payload_root: String,
}

/// What is to be sealed.
pub struct Wish<'a> {
    pub tender: &'a Tender,
    pub lot_id: &'a str,
    pub bidder: &'a str,
    pub revision: u32,
    /// Number of the part and its file.
    pub parts: Vec<(u8, PathBuf)>,
    pub folder: &'a Path,
}

/// Seals all parts into the folder, which must not exist yet.
pub fn seal_bid(wish: &Wish<'_>) -> anyhow::Result<SealedBid> {
    let tender = wish.tender;
    if !tender.lots.iter().any(|lot| lot.lot_id == wish.lot_id) {
        bail!("{} has no lot {:?}", tender.name, wish.lot_id);
    }
    for required in tender.parts.iter().filter(|part| part.required) {
        if !wish
            .parts
            .iter()
            .any(|(part, _)| i32::from(*part) == required.part)
        {
            bail!("part {} ({}) is required", required.part, required.title);
        }
    }
    let key_id: [u8; 32] = tender
        .key_id
        .as_slice()
        .try_into()
        .context("the tender has no public key yet")?;
    let point: [u8; 32] = tender
        .public_key
        .as_slice()
        .try_into()
        .context("the tender has no public key yet")?;
    let key = SealingKey::new(key_id, Element::decode(&point)?);
    let deadline = tender
        .timetable
        .as_ref()
        .map_or(0, |times| times.bid_deadline_us);
    fs::create_dir_all(wish.folder.parent().unwrap_or(Path::new(".")))?;
    fs::create_dir(wish.folder).with_context(|| {
        format!(
            "{} cannot be made; a sealed bid gets a new folder",
            wish.folder.display()
        )
    })?;
    let mut headers = Vec::new();
    let mut parts = Vec::new();
    for (part, file) in &wish.parts {
        let requirement = tender
            .parts
            .iter()
            .find(|known| known.part == i32::from(*part))
            .with_context(|| format!("the tender asks for no part {part}"))?;
        let class = match requirement.class() {
            PartClass::Evaluation => Class::Evaluators,
            PartClass::SecondStage => Class::AfterDecision,
            PartClass::OpeningSheet | PartClass::Unspecified => Class::Public,
        };
        if *part == 0 {
            let content = fs::read(file).with_context(|| file.display().to_string())?;
            sheet::parse(&content, &tender.sheet)
                .map_err(|fault| anyhow::anyhow!("{}: {fault}", file.display()))?;
        }
        let subject = Subject {
            tender: Label::new(&tender.name)?,
            lot: Label::new(wish.lot_id)?,
            part: *part,
            class,
            bidder: Label::new(wish.bidder)?,
            revision: wish.revision,
            not_before: u64::try_from(deadline / 1_000_000)?,
        };
        let payload = PathBuf::from(format!("part-{part}.sealed"));
        let header = seal_part(
            &key,
            &subject,
            file,
            &wish.folder.join(&payload),
            wish.folder,
        )?;
        parts.push(SealedPart {
            part: *part,
            header: hex::encode(header.encode()),
            payload_bytes: header.payload_length(),
            payload_root: hex::encode(header.payload_root()),
            payload,
        });
        headers.push(header);
    }
    let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())?;
    let bid = SealedBid {
        tender: tender.name.clone(),
        lot_id: wish.lot_id.to_owned(),
        bidder: wish.bidder.to_owned(),
        revision: wish.revision,
        bundle: hex::encode(bundle.id()),
        parts,
    };
    fs::write(
        wish.folder.join(DESCRIPTION),
        serde_json::to_string_pretty(&bid)?,
    )?;
    Ok(bid)
}

fn seal_part(
    key: &SealingKey,
    subject: &Subject,
    from: &Path,
    to: &Path,
    folder: &Path,
) -> anyhow::Result<CheckedHeader> {
    let content = fs::File::open(from).with_context(|| from.display().to_string())?;
    let length = content.metadata()?.len();
    let bar = progress::bytes(&format!("密封/sealing {}", from.display()), length);
    let mut payload = BufWriter::with_capacity(1 << 20, fs::File::create(to)?);
    let sealed = seal(
        key,
        subject,
        length,
        Watched::new(content, bar.clone()),
        &mut payload,
        Workers::available(),
        &mut OsRng,
    )?;
    payload
        .into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    bar.finish_and_clear();
    write_rescue(
        &folder.join(format!("part-{}.rescue", subject.part)),
        &sealed.rescue.encode(),
    )?;
    Ok(CheckedHeader::parse(&sealed.header.encode())?)
}

fn write_rescue(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

impl SealedBid {
    /// Reads a sealed bid's description.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// The bundle's 32 bytes.
    pub fn bundle(&self) -> anyhow::Result<Vec<u8>> {
        Ok(hex::decode(&self.bundle)?)
    }
}
