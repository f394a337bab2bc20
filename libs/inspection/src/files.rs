//! Files beside the databases: sealed payloads and documents are what their names say, and all that the
//! records speak of are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::Path,
};

use sunbid_contracts::{bid::v1::BidSubmitted, tender::v1::DocumentAdded};
use sunbid_journal::LogId;
use sunbid_proofs::sha256;
use sunbid_sealing::{PayloadTree, leaf_hash};

use crate::{Knowledge, Report, logs::Log};

pub(crate) const BY: &str = "files against their digests";
/// Bytes of a whole chunk of a sealed payload.
const CHUNK: u64 = 1024 * 1024 + 16;

/// The root of a sealed payload.
pub(crate) fn root_of(mut from: impl Read) -> io::Result<[u8; 32]> {
    let mut tree = PayloadTree::default();
    loop {
        let mut chunk = Vec::new();
        from.by_ref().take(CHUNK).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(tree.root());
        }
        tree.push(leaf_hash(&chunk));
    }
}

pub(crate) fn check(
    logs: &BTreeMap<&'static str, BTreeMap<LogId, Log>>,
    knowledge: &Knowledge<'_>,
    report: &mut Report,
) {
    let shelves = knowledge.data.join("bid").join("sealed");
    for (name, root) in report.sealed.clone() {
        let file = shelves.join(name.get(..2).unwrap_or_default()).join(&name);
        // One that is gone was found with its upload.
        if file.exists() {
            let found = File::open(&file).and_then(root_of);
            verify(
                &file,
                found.map(hex::encode),
                &hex::encode(root),
                "bid",
                report,
            );
        }
    }
    let documents = knowledge.data.join("tender").join("documents");
    for file in listed(&documents, report) {
        let digest = std::fs::read(&file).map(|bytes| hex::encode(sha256(&[&bytes])));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        verify(&file, digest, &name, "tender", report);
    }
    let entries = |service: &str| {
        let logs = logs.get(service).into_iter().flat_map(BTreeMap::values);
        logs.flat_map(|log| log.entries.iter()).collect::<Vec<_>>()
    };
    for added in entries("tender")
        .iter()
        .filter_map(|entry| entry.read::<DocumentAdded>())
    {
        let Some(document) = added.document else {
            continue;
        };
        let file = documents.join(hex::encode(&document.sha256));
        if !file.exists() {
            report.add(
                "tender",
                BY,
                format!("the document {} is gone", file.display()),
            );
        }
    }
    let sealed: BTreeSet<Vec<u8>> = report.sealed.values().cloned().collect();
    // Small payloads are in the database, and were compared there.
    for bid in entries("bid")
        .iter()
        .filter_map(|entry| entry.read::<BidSubmitted>()?.bid)
    {
        for part in bid.parts {
            let root = &part.payload_root;
            let kept = report.small.contains(root)
                || report.remote.contains(root)
                || sealed.contains(root);
            if !kept {
                let what = format!("the payload {} is gone", hex::encode(root));
                report.add("bid", BY, what);
            }
        }
    }
}

fn verify(
    file: &Path,
    found: io::Result<String>,
    wanted: &str,
    service: &str,
    report: &mut Report,
) {
    report.files += 1;
    match found {
        Ok(found) if found == wanted => {}
        Ok(_) => report.add(service, BY, format!("{} was changed", file.display())),
        Err(error) => report.add(service, BY, format!("{}: {error}", file.display())),
    }
}

fn listed(folder: &Path, report: &mut Report) -> Vec<std::path::PathBuf> {
    let read = || -> io::Result<Vec<std::path::PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            found.push(entry?.path());
        }
        found.sort();
        Ok(found)
    };
    match read() {
        Ok(found) => found,
        Err(error) => {
            report.add("files", BY, format!("{}: {error}", folder.display()));
            Vec::new()
        }
    }
}
