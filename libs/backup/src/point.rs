//! A point in time that can be restored: which bytes of the backup make it, with their digests, signed,
//! and chained to the point before. One line of the file `points` each.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sunbid_proofs::{Note, Signature, Signer, Verifier, sha256};
use sunbid_terms::Instant;

use crate::fault::{BackupFault, at, damaged};

/// The name under which a platform signs its backups: not that of its public log, so that neither
/// signature can stand for the other.
pub fn signer_name(origin: &str) -> String {
    format!("{origin}/backup")
}

/// A copy of a whole database file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseCopy {
    pub database: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What commits wrote into a database since the point before, in the file `frames`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    pub database: String,
    pub offset: u64,
    pub bytes: u64,
    pub page_size: u32,
    pub sha256: String,
}

/// A file beside the databases, kept under its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCopy {
    /// Within the installation's folder.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// One point in time, by what changed since the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub origin: String,
    pub generation: u64,
    /// From 0 in each generation.
    pub number: u64,
    /// When nobody was writing anywhere, by the platform's clock.
    pub time_us: i64,
    /// SHA-256 of the line before; nothing in the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub previous: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<BaseCopy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// Files that were added or replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileCopy>,
    /// Files that are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// What the platform knows by heart - settings, what witnesses saw - by file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
}

impl Point {
    pub fn time(&self) -> Instant {
        Instant::from_micros(self.time_us)
    }

    /// The line of the file, with its end.
    pub(crate) fn line(&self, signer: &Signer) -> Result<String, BackupFault> {
        let mut text = serde_json::to_string(self).map_err(|error| BackupFault::Form {
            database: "points".into(),
            what: error.to_string(),
        })?;
        text.push('\n');
        let signature = signer.sign(&text).map_err(BackupFault::Sign)?;
        Ok(format!("{}\t{}", text.trim_end(), signature.line()))
    }

    /// Reads a line, without its end, that `verifier` signed.
    pub(crate) fn read(line: &str, verifier: &Verifier) -> Result<Self, String> {
        let (text, signature) = line.rsplit_once('\t').ok_or("the line has no signature")?;
        let signature =
            Signature::parse_line(&format!("{signature}\n")).map_err(|error| error.to_string())?;
        let note = Note {
            text: format!("{text}\n"),
            signatures: vec![signature],
        };
        note.verify(verifier).map_err(|error| error.to_string())?;
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(sha256(&[bytes]))
}

/// The digest of everything that `from` still gives, which `each` is handed on the way.
pub(crate) fn digest_of(
    mut from: impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut piece = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let count = from.read(&mut piece)?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        context.update(read);
        each(read)?;
        bytes += count as u64;
    }
    Ok((bytes, hex::encode(context.finish())))
}

/// Reads the points of a generation, as far as they are whole; each must be signed and follow the one
/// before. A last line without its end was being written when the machine stopped.
pub(crate) fn read_points(
    file: &Path,
    generation: u64,
    verifier: &Verifier,
) -> Result<Vec<Point>, BackupFault> {
    let text = std::fs::read_to_string(file).map_err(at(file))?;
    let mut points: Vec<Point> = Vec::new();
    let mut previous = String::new();
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            tracing::warn!(file = %file.display(), "the last point was not written to its end");
            break;
        };
        let number = points.len() as u64;
        let point = Point::read(line, verifier)
            .map_err(|what| damaged(file, format!("point {number}: {what}")))?;
        if (point.generation, point.number) != (generation, number) || point.previous != previous {
            return Err(damaged(file, format!("point {number} is not in its place")));
        }
        if points
            .last()
            .is_some_and(|last| last.time_us > point.time_us)
        {
            return Err(damaged(file, format!("point {number}: the time goes back")));
        }
        previous = digest(line.as_bytes());
        points.push(point);
    }
    Ok(points)
}

/// Folders of generations, the oldest first.
pub(crate) fn generations(backup: &Path) -> Result<Vec<(u64, PathBuf)>, BackupFault> {
    let folder = backup.join("generations");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(&folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(&folder))?;
        let name = entry.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), BackupFault> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at(folder))
}
