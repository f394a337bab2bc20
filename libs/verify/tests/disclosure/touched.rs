//! One byte changed, anywhere.

use sunbid_verify::{Expectations, verify};

use crate::chronicle::{Files, reindex};
use crate::play::{Play, TENDER};

/// Every byte of small files, some of large ones.
fn places(length: usize, most: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by((length / most).max(1))
}

fn passes(files: &Files) -> bool {
    verify(files, &Expectations::default()).is_ok()
}

#[test]
fn every_byte_of_every_file_counts() {
    let files = Play::whole().archive.publish();
    assert!(passes(&files));
    for path in files.keys() {
        for place in places(files[path].len(), 1000) {
            let mut touched = files.clone();
            touched.get_mut(path).unwrap()[place] ^= 1 << (place % 8);
            assert!(!passes(&touched), "{path} at {place}");
        }
    }
}

#[test]
fn no_file_is_missing_added_or_shorter() {
    let files = Play::whole().archive.publish();
    for path in files.keys() {
        let mut without = files.clone();
        without.remove(path);
        assert!(!passes(&without), "{path} removed");
        let mut shorter = files.clone();
        shorter.get_mut(path).unwrap().pop();
        assert!(!passes(&shorter), "{path} cut");
        let mut longer = files.clone();
        longer.get_mut(path).unwrap().push(b'\n');
        assert!(!passes(&longer), "{path} extended");
        let mut resigned = without.clone();
        if path != "index.note" {
            reindex(&mut resigned, TENDER);
            assert!(
                !passes(&resigned),
                "{path} removed and the index signed again"
            );
        }
    }
    for extra in [
        "notes.txt",
        "logs/deposit.pb",
        &format!("envelopes/{}.sealed", "0".repeat(64)),
    ] {
        let mut more = files.clone();
        more.insert(extra.to_owned(), b"x".to_vec());
        assert!(!passes(&more), "{extra} added");
        reindex(&mut more, TENDER);
        assert!(!passes(&more), "{extra} added and the index signed again");
    }
}

/// The platform itself signs the index anew. Only what decides nothing may be changed by it: that
/// the platform is a trial, who else cosigned beyond t, and how an epoch's leaves are counted where
/// the path to its root stays the same.
#[test]
fn signing_the_index_again_hides_nothing() {
    let files = Play::whole().archive.publish();
    let mut unseen = Vec::new();
    for path in files
        .keys()
        .filter(|path| !["index.note", "anchors.pb", "checkpoint.note"].contains(&path.as_str()))
    {
        for place in places(files[path].len(), 15) {
            let mut touched = files.clone();
            touched.get_mut(path).unwrap()[place] ^= 1;
            reindex(&mut touched, TENDER);
            if passes(&touched) {
                unseen.push(format!("{path} at {place} of {}", files[path].len()));
            }
        }
    }
    assert_eq!(unseen, [""; 0]);
}
