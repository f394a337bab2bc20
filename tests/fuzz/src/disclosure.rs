//! The public records of a finished tender, edited: `verify` fails with a named fault, or what it read was
//! what was published. Edits come as they are, and with the index signed anew by whoever edited, so
//! that what stands behind the index is reached too.

use std::{collections::BTreeMap, sync::LazyLock};

use prost::{Message, Name};
use ring::digest::{SHA256, digest};
use sunbid_contracts::{
    audit::v1::{DisclosedLog, TrustAnchors},
    common::v1::Record,
    notice::v1::{Intent, IntentPublished, TenderNoticePublished},
};
use sunbid_proofs::{Checkpoint, Note, Signer, record::SALT_LENGTH};
use sunbid_verify::{Expectations, verify};

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A tender with bids that was opened, as a platform published it.
static PUBLISHED: LazyLock<Files> = LazyLock::new(|| {
    let files: Files = [
        ("anchors.pb", include_bytes!("../disclosure/anchors.pb").as_slice()),
        ("checkpoint.note", include_bytes!("../disclosure/checkpoint.note").as_slice()),
        ("documents/984d02a6bada1240a67016cb8060678181cf3ad54a43dcab82df4fe6de9da7bf", include_bytes!("../disclosure/documents/984d02a6bada1240a67016cb8060678181cf3ad54a43dcab82df4fe6de9da7bf").as_slice()),
        ("envelopes/54984b9dedd8ccd845155aba91ffffecfec09236294b243b3e9ae1deb7e58834.sealed", include_bytes!("../disclosure/envelopes/54984b9dedd8ccd845155aba91ffffecfec09236294b243b3e9ae1deb7e58834.sealed").as_slice()),
        ("envelopes/a4aaf512d87390380cdf10dc2af993b0a4c65beed46601d2b4d5dff35d034717.sealed", include_bytes!("../disclosure/envelopes/a4aaf512d87390380cdf10dc2af993b0a4c65beed46601d2b4d5dff35d034717.sealed").as_slice()),
        ("envelopes/c62973345a795f9267ea6a511fc925b5605dcbdf89b701ffcb1e1e04d64b0c48.sealed", include_bytes!("../disclosure/envelopes/c62973345a795f9267ea6a511fc925b5605dcbdf89b701ffcb1e1e04d64b0c48.sealed").as_slice()),
        ("index.note", include_bytes!("../disclosure/index.note").as_slice()),
        ("logs/bid.pb", include_bytes!("../disclosure/logs/bid.pb").as_slice()),
        ("logs/intent.pb", include_bytes!("../disclosure/logs/intent.pb").as_slice()),
        ("logs/notice.pb", include_bytes!("../disclosure/logs/notice.pb").as_slice()),
        ("logs/opening.pb", include_bytes!("../disclosure/logs/opening.pb").as_slice()),
        ("logs/tender.pb", include_bytes!("../disclosure/logs/tender.pb").as_slice()),
        ("receipts.pb", include_bytes!("../disclosure/receipts.pb").as_slice()),
    ]
    .into_iter()
    .map(|(path, bytes): (&str, &[u8])| (path.to_owned(), bytes.to_vec()))
    .collect();
    verify(&files, &Expectations::default()).expect("what was published verifies");
    files
});

/// The records as they were published.
pub fn published() -> &'static Files {
    &PUBLISHED
}

/// The platform's key in them.
pub fn log_key() -> String {
    anchors(&PUBLISHED).map_or_else(String::new, |anchors| anchors.log_verifier_key)
}

/// The tender's notice.
pub fn announced() -> TenderNoticePublished {
    first("logs/notice.pb")
}

/// The intent that came before it.
pub fn intent() -> Intent {
    let published: IntentPublished = first("logs/intent.pb");
    published.intent.expect("an intent is published")
}

fn first<M: Message + Name + Default>(path: &str) -> M {
    let log = PUBLISHED.get(path).expect("it is there");
    let log = DisclosedLog::decode(log.as_slice()).expect("a log");
    let event = log.entries.iter().find_map(|entry| {
        let body = entry.salted_body.as_deref()?.get(SALT_LENGTH..)?;
        let body = Record::decode(body).ok()?;
        (body.r#type == M::full_name()).then(|| M::decode(body.event.as_slice()))
    });
    event.expect("the event is in its log").expect("it decodes")
}

fn anchors(files: &Files) -> Option<TrustAnchors> {
    TrustAnchors::decode(files.get("anchors.pb")?.as_slice()).ok()
}

/// Edits one after the other: file, what is done, where (two bytes), how much is written (one), bytes.
/// The first byte says whether the index is made anew.
pub fn run(bytes: &[u8]) {
    LazyLock::force(&PUBLISHED);
    let Some((again, mut rest)) = bytes.split_first() else {
        return;
    };
    let mut files = PUBLISHED.clone();
    while let Some(([file, act, high, low, length], tail)) = rest.split_first_chunk::<5>() {
        let (written, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        edit(
            &mut files,
            usize::from(*file),
            *act,
            usize::from(u16::from_be_bytes([*high, *low])),
            written,
        );
        rest = tail;
    }
    let same = files == *PUBLISHED;
    if again % 2 == 1 {
        // Somebody who is not the platform can make an index too: under its own name, with its own key.
        sign_anew(&mut files);
        if let Err(fault) = verify(&files, &Expectations::default()) {
            let _ = (fault.zh.as_str(), fault.en.as_str());
        }
        let pinned = Expectations {
            anchors: anchors(&PUBLISHED),
            ..Expectations::default()
        };
        // Whoever knows the platform's key is never taken in.
        assert!(
            verify(&files, &pinned).is_err(),
            "a forged index was believed"
        );
    } else {
        let found = verify(&files, &Expectations::default());
        assert_eq!(
            found.is_ok(),
            same,
            "an edit was not found, or nothing was edited"
        );
    }
}

fn edit(files: &mut Files, file: usize, act: u8, place: usize, written: &[u8]) {
    let Some(path) = files.keys().nth(file % files.len().max(1)).cloned() else {
        return;
    };
    let other = files.keys().nth(place % files.len()).cloned();
    let Some(bytes) = files.get_mut(&path) else {
        return;
    };
    let place = place % (bytes.len() + 1);
    match act % 7 {
        // Written over.
        0 => {
            for (to, from) in bytes.iter_mut().skip(place).zip(written) {
                *to = *from;
            }
        }
        // Put in.
        1 => {
            bytes.splice(place..place, written.iter().copied());
        }
        // Cut out.
        2 => {
            let end = (place + written.len()).min(bytes.len());
            bytes.drain(place..end);
        }
        // Cut off.
        3 => bytes.truncate(place),
        // Replaced.
        4 => *bytes = written.to_vec(),
        // Left out.
        5 => {
            files.remove(&path);
        }
        // Swapped with another.
        _ => {
            if let Some(other) = other
                && let (Some(one), Some(two)) =
                    (files.get(&path).cloned(), files.get(&other).cloned())
            {
                files.insert(path, two);
                files.insert(other, one);
            }
        }
    }
}

/// An index over the files as they are, by a key of one's own that the files name as the platform's.
fn sign_anew(files: &mut Files) {
    let Some(mut anchors) = anchors(files) else {
        return;
    };
    let name = anchors
        .log_verifier_key
        .split('+')
        .next()
        .unwrap_or_default()
        .to_owned();
    let Ok(signer) = Signer::from_seed(&name, &[5; 32]) else {
        return;
    };
    anchors.log_verifier_key = signer.verifier().to_string();
    files.insert("anchors.pb".to_owned(), anchors.encode_to_vec());
    // Witnesses' signatures stay as they are; the log's own is made again.
    if let Some(note) = files
        .get("checkpoint.note")
        .and_then(|bytes| Note::parse(bytes).ok())
        && let Ok(checkpoint) = Checkpoint::parse(&note.text)
        && let Ok(mut signed) = checkpoint.sign(&signer)
    {
        let witnesses = note.signatures.into_iter().filter(|line| line.name != name);
        signed.signatures.extend(witnesses);
        files.insert("checkpoint.note".to_owned(), signed.format().into_bytes());
    }
    let Some(index) = files.remove("index.note") else {
        return;
    };
    // The first two lines are the title and the tender.
    let index = String::from_utf8_lossy(&index).into_owned();
    let mut text: String = index.split_inclusive('\n').take(2).collect();
    for (path, bytes) in files.iter() {
        let sha256 = hex::encode(digest(&SHA256, bytes));
        text.push_str(&format!("{sha256} {} {path}\n", bytes.len()));
    }
    if let Ok(signature) = signer.sign(&text) {
        let note = Note {
            text,
            signatures: vec![signature],
        };
        files.insert("index.note".to_owned(), note.format().into_bytes());
    }
}
