//! The index: every file of the records with its digest and size, signed by the platform's log key.
//! What it lists is here and unchanged, and nothing else is here. Small files stay in memory;
//! documents are only hashed.

use std::collections::BTreeMap;
use std::io::Read;

use ring::digest::{Context, SHA256};
use sunbid_contracts::audit::v1::TrustAnchors;
use sunbid_proofs::{Note, Verifier};

use crate::canonical;
use crate::fault::Fault;
use crate::records::Records;

pub(crate) const INDEX: &str = "index.note";
pub(crate) const ANCHORS: &str = "anchors.pb";
pub(crate) const CHECKPOINT: &str = "checkpoint.note";
pub(crate) const RECEIPTS: &str = "receipts.pb";
const TITLE: &str = "sunbid-disclosure/v1";
/// Read at a time, bytes.
const PIECE: usize = 64 << 10;

/// The files, each the one that the index lists.
pub(crate) struct Files {
    /// "tenders/{uuid}".
    pub tender: String,
    pub anchors: TrustAnchors,
    pub log_key: Verifier,
    /// Content by path; documents are not kept.
    content: BTreeMap<String, Vec<u8>>,
    /// Sizes of the documents by digest, in hexadecimal.
    pub documents: BTreeMap<String, u64>,
    pub count: usize,
}

struct Listed {
    sha256: String,
    size: u64,
    path: String,
}

impl Files {
    pub(crate) fn content(&self, path: &str) -> Option<&[u8]> {
        self.content.get(path).map(Vec::as_slice)
    }

    pub(crate) fn wanted(&self, path: &str) -> Result<&[u8], Fault> {
        self.content(path).ok_or_else(|| {
            Fault::records(
                "FILE_MISSING",
                path,
                "缺少该文件。",
                "This file is missing.",
            )
        })
    }

    /// Paths below a folder.
    pub(crate) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.content
            .keys()
            .map(String::as_str)
            .filter(move |path| path.starts_with(folder))
    }
}

pub(crate) fn read(records: &dyn Records) -> Result<Files, Fault> {
    let form = |en: &str| {
        let zh = "索引不是规范格式。";
        Fault::records(
            "INDEX_FORM",
            INDEX,
            zh,
            format!("The index is not in its form: {en}."),
        )
    };
    let (raw, _) = load(
        records,
        INDEX,
        Some(sunbid_proofs::note::LONGEST_NOTE.saturating_mul(256) as u64),
        true,
    )?;
    let (text, note) = parse_note(&raw).ok_or_else(|| form("it is no signed note"))?;
    let (tender, listed) = parse(&text).map_err(form)?;
    let mut present = records.list().map_err(|error| unreadable("", &error))?;
    present.sort();
    let expected: std::collections::BTreeSet<&str> = listed
        .iter()
        .map(|file| file.path.as_str())
        .chain([INDEX])
        .collect();
    if let Some(extra) = present
        .iter()
        .find(|path| !expected.contains(path.as_str()))
    {
        return Err(Fault::records(
            "FILE_UNLISTED",
            extra,
            "索引未列出该文件。",
            "The index does not list this file.",
        ));
    }
    let (mut content, mut documents) = (BTreeMap::new(), BTreeMap::new());
    for file in &listed {
        if !present.contains(&file.path) {
            return Err(Fault::records(
                "FILE_MISSING",
                &file.path,
                "缺少该文件。",
                "This file is missing.",
            ));
        }
        let document = file.path.strip_prefix("documents/");
        let (bytes, digest) = load(records, &file.path, Some(file.size), document.is_none())?;
        if digest.1 != file.size || digest.0 != file.sha256 {
            return Err(Fault::records(
                "FILE_CHANGED",
                &file.path,
                "文件与索引中的摘要或长度不符。",
                "The file is not the one whose digest and size the index lists.",
            ));
        }
        match document {
            Some(name) if name == file.sha256 => {
                documents.insert(name.to_owned(), file.size);
            }
            Some(_) => return Err(form("a document is not named by its digest")),
            None => {
                content.insert(file.path.clone(), bytes);
            }
        }
    }
    let anchors: TrustAnchors = canonical::file(
        content
            .get(ANCHORS)
            .ok_or_else(|| form("it lists no anchors"))?,
        ANCHORS,
    )?;
    let log_key = Verifier::parse(&anchors.log_verifier_key).map_err(|error| {
        Fault::platform(
            "ANCHORS",
            ANCHORS,
            "公开日志的公钥不是规范格式。",
            format!("The key of the public log is refused: {error}."),
        )
    })?;
    let signed = note.signatures.len() == 1 && note.verify(&log_key).is_ok();
    if !signed {
        return Err(Fault::records(
            "INDEX_SIGNATURE",
            INDEX,
            "索引没有公开日志密钥的有效签名。",
            "The index is not signed by the key of the public log, and by it alone.",
        ));
    }
    let count = listed.len();
    Ok(Files {
        tender,
        anchors,
        log_key,
        content,
        documents,
        count,
    })
}

/// A note whose text may be long: the library's bound is for checkpoints.
fn parse_note(raw: &[u8]) -> Option<(String, Note)> {
    let whole = std::str::from_utf8(raw).ok()?;
    let gap = whole.rfind("\n\n")? + 1;
    let (text, rest) = whole.split_at(gap);
    let lines = rest.get(1..)?;
    let signatures = lines
        .split_inclusive('\n')
        .map(|line| sunbid_proofs::Signature::parse_line(line).ok())
        .collect::<Option<Vec<_>>>()?;
    let note = Note {
        text: text.to_owned(),
        signatures,
    };
    (note.format().as_bytes() == raw).then(|| (text.to_owned(), note))
}

fn parse(text: &str) -> Result<(String, Vec<Listed>), &'static str> {
    let body = text
        .strip_suffix('\n')
        .ok_or("it does not end with a line end")?;
    let mut lines = body.split('\n');
    if lines.next() != Some(TITLE) {
        return Err("its first line is not the title of this format");
    }
    let tender = lines
        .next()
        .filter(|name| name.starts_with("tenders/"))
        .ok_or("it names no tender")?;
    let mut listed: Vec<Listed> = Vec::new();
    for line in lines {
        let mut fields = line.splitn(3, ' ');
        let (Some(sha256), Some(size), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err("a line is not digest, size and path");
        };
        let number: u64 = size.parse().map_err(|_| "a size is no number")?;
        if number.to_string() != size || !is_hex(sha256, 64) {
            return Err("a digest or a size is not in its canonical form");
        }
        if !is_known(path) {
            return Err("it lists a file that has no place in this format");
        }
        if listed.last().is_some_and(|last| last.path.as_str() >= path) {
            return Err("its lines are not in the order of their paths");
        }
        listed.push(Listed {
            sha256: sha256.to_owned(),
            size: number,
            path: path.to_owned(),
        });
    }
    Ok((tender.to_owned(), listed))
}

fn is_known(path: &str) -> bool {
    const FIXED: [&str; 9] = [
        ANCHORS,
        CHECKPOINT,
        RECEIPTS,
        "logs/intake.pb",
        "logs/intent.pb",
        "logs/tender.pb",
        "logs/notice.pb",
        "logs/bid.pb",
        "logs/opening.pb",
    ];
    let envelope = path
        .strip_prefix("envelopes/")
        .and_then(|name| name.strip_suffix(".sealed"));
    let named = envelope.or_else(|| path.strip_prefix("documents/"));
    FIXED.contains(&path) || named.is_some_and(|name| is_hex(name, 64))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn unreadable(path: &str, error: &std::io::Error) -> Fault {
    Fault::records(
        "UNREADABLE",
        path,
        format!("无法读取：{error}"),
        format!("It cannot be read: {error}."),
    )
}

/// Reads one file, at most one byte more than it should have; keeps the bytes where wanted.
fn load(
    records: &dyn Records,
    path: &str,
    most: Option<u64>,
    keep: bool,
) -> Result<(Vec<u8>, (String, u64)), Fault> {
    let source = records
        .open(path)
        .map_err(|error| unreadable(path, &error))?;
    let mut source = source.take(most.unwrap_or(u64::MAX).saturating_add(1));
    let (mut context, mut kept, mut size) = (Context::new(&SHA256), Vec::new(), 0_u64);
    let mut piece = vec![0; PIECE];
    loop {
        let read = source
            .read(&mut piece)
            .map_err(|error| unreadable(path, &error))?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        context.update(bytes);
        size = size.saturating_add(read as u64);
        if keep {
            kept.extend_from_slice(bytes);
        }
    }
    Ok((kept, (hex::encode(context.finish().as_ref()), size)))
}
