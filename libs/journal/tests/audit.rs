//! An audit names the first thing that someone with the database's password has altered.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use common::{command, event, log};
use sunbid_journal::{Val, Wrong};

/// What is altered, the record the audit should name, and a word of what it should say.
const ALTERATIONS: [(&str, u64, &str); 13] = [
    (
        "UPDATE journal SET body = record WHERE log_id = $1 AND seq = 2",
        2,
        "body",
    ),
    (
        "UPDATE journal SET record = leaf WHERE log_id = $1 AND seq = 1",
        1,
        "canonical",
    ),
    (
        "UPDATE journal SET leaf = stream_id WHERE log_id = $1 AND seq = 1",
        1,
        "bytes",
    ),
    (
        "UPDATE journal SET at_us = 9 WHERE log_id = $1 AND seq = 0",
        0,
        "columns",
    ),
    (
        "UPDATE journal SET version = 9 WHERE log_id = $1 AND seq = 3",
        3,
        "columns",
    ),
    (
        "DELETE FROM journal WHERE log_id = $1 AND seq = 2",
        2,
        "missing",
    ),
    (
        "DELETE FROM journal WHERE log_id = $1 AND seq = 4",
        4,
        "head",
    ),
    (
        "UPDATE journal_head SET last_us = 9 WHERE log_id = $1",
        5,
        "time",
    ),
    (
        "UPDATE journal_head SET root = frontier WHERE log_id = $1",
        0,
        "bytes",
    ),
    (
        "UPDATE journal_head SET size = 6 WHERE log_id = $1",
        5,
        "the head says there are 6",
    ),
    (
        "UPDATE stream_state SET version = 6 WHERE log_id = $1",
        5,
        "counts 6",
    ),
    (
        "DELETE FROM stream_state WHERE log_id = $1",
        5,
        "no state row",
    ),
    ("DELETE FROM journal_head WHERE log_id = $1", 0, "no head"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_alteration_is_named() {
    for (sql, seq, word) in ALTERATIONS {
        let place = common::sqlite(Default::default()).await;
        for id in 0..5 {
            place.clock.set(100 + id as i64);
            place
                .journal
                .commit(command("a", id, event(b"x")))
                .await
                .unwrap();
            place
                .journal
                .commit(command("b", 100 + id, event(b"x")))
                .await
                .unwrap();
        }
        let before = place.journal.check().await.unwrap();
        assert_eq!((before.logs, before.entries, before.wrong), (2, 10, None));
        let of_log = Val::Blob(log("a").as_bytes().to_vec());
        let touched = place.db.exec(sql, &[of_log]).await.unwrap();
        assert_eq!(touched, 1, "{sql}");
        let found = place.journal.check().await.unwrap().wrong;
        let Some(Wrong {
            log: named,
            seq: at,
            what,
        }) = found
        else {
            panic!("{sql}: nothing found");
        };
        assert_eq!(named, log("a"), "{sql}: {what}");
        assert!(at == seq, "{sql}: record {at}, {what}");
        assert!(what.contains(word), "{sql}: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lawful_erasure_is_not_an_alteration() {
    let place = common::sqlite(Default::default()).await;
    for id in 0..3 {
        place
            .journal
            .commit(command("a", id, event(b"x")))
            .await
            .unwrap();
    }
    assert!(place.journal.erase_body(log("a"), 1).await.unwrap());
    let report = place.journal.check().await.unwrap();
    assert_eq!((report.entries, report.erased, report.wrong), (3, 1, None));
}
