//! The public log from outside: what can be proven, what cannot be told, what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[macro_use]
mod common;

use std::collections::BTreeSet;

use common::{Place, command, event, log};
use sunbid_journal::{LogHead, LogId, OpenError, PublicLog, PublicLogError};
use sunbid_proofs::merkle::{leaf_hash, root_of, verify_consistency, verify_inclusion};
use sunbid_proofs::tile::{self, Tile};
use sunbid_proofs::{Checkpoint, EpochLeaf, Record, Signer, cosignature};
use sunbid_terms::Instant;

const MASTER: [u8; 32] = [3; 32];

fn signer() -> Signer {
    Signer::from_seed("log.example/epochs", &[1; 32]).unwrap()
}

fn witness(seed: u8) -> Signer {
    Signer::witness_from_seed("witness.example/w", &[seed; 32]).unwrap()
}

async fn public(place: &Place) -> PublicLog {
    let opened = PublicLog::open(place.db.clone(), MASTER, signer(), None);
    opened.await.unwrap()
}

fn head(name: &str, size: u64) -> LogHead {
    LogHead {
        log: log(name),
        size,
        root: leaf_hash(&size.to_be_bytes()),
    }
}

async fn seal(public: &PublicLog, epoch: u64, heads: &[LogHead]) -> Checkpoint {
    let at = Instant::from_seconds(60 * epoch as i64);
    let note = public.seal_epoch(epoch, at, heads, None).await.unwrap();
    note.verify(signer().verifier()).unwrap();
    Checkpoint::parse(&note.text).unwrap()
}

promises! {
    every_head_of_every_epoch_can_be_proven,
    an_epoch_that_does_not_follow_is_refused,
    cosignatures_are_kept_unless_wrong_or_stale,
    it_does_not_run_behind_its_witnesses,
    a_log_is_disclosed_with_the_bodies_that_may_be_seen,
}

async fn every_head_of_every_epoch_can_be_proven(place: Place) {
    let public = public(&place).await;
    let epochs: [&[LogHead]; 6] = [
        &[],
        &[head("a", 1)],
        &[head("a", 1), head("b", 4), head("c", 2)],
        &[head("c", 2), head("a", 1), head("b", 5)],
        &[head("b", 5), head("c", 2)],
        &[head("b", 5), head("c", 3), head("a", 2)],
    ];
    let mut checkpoint = None;
    for (epoch, heads) in (0..).zip(epochs) {
        checkpoint = Some(seal(&public, epoch, heads).await);
    }
    let checkpoint = checkpoint.unwrap();
    assert_eq!(checkpoint.size, 6);
    for (epoch, heads) in (0..).zip(epochs) {
        let mut sorted = heads.to_vec();
        sorted.sort();
        assert_eq!(public.heads_at(epoch).await.unwrap(), sorted);
        for name in ["a", "b", "c"] {
            let proof = public.head_proof(log(name), epoch, 6).await.unwrap();
            let known = heads.iter().find(|head| head.log == log(name));
            assert_eq!(proof.is_some(), known.is_some());
            if let (Some(proof), Some(known)) = (proof, known) {
                assert_eq!((proof.size, proof.root), (known.size, known.root));
                assert_eq!(proof.verify(&checkpoint), Ok(()));
                assert!(proof.leaves.is_power_of_two());
            }
        }
    }
    assert_eq!(public.head_proof(log("a"), 5, 5).await.unwrap(), None);
    assert_eq!(public.head_proof(log("a"), 6, 7).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_epoch_looks_like_a_busy_one() {
    let place = common::sqlite(Default::default()).await;
    let public = public(&place).await;
    let mut seen = BTreeSet::new();
    for epoch in 0..5 {
        seal(&public, epoch, &[head("a", 1), head("b", 2), head("c", 3)]).await;
        seen.insert(public.epochs(epoch, 1).await.unwrap()[0].root);
        let proof = public
            .head_proof(log("a"), epoch, epoch + 1)
            .await
            .unwrap()
            .unwrap();
        seen.insert(proof.blind);
        // Three logs show as four leaves.
        assert_eq!(proof.leaves, 4);
    }
    assert_eq!(seen.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_and_proofs_rebuild_the_log() {
    let place = common::sqlite(Default::default()).await;
    let public = public(&place).await;
    let size = 600;
    let mut roots = vec![public.root_at(0).await.unwrap()];
    for epoch in 0..size {
        roots.push(seal(&public, epoch, &[]).await.root);
    }
    let mut leaves = Vec::new();
    for (index, width) in [(0, 256), (1, 256), (2, 88)] {
        let path = Tile::Entries { index, width }.path();
        let bytes = public
            .tile(Tile::parse(&path).unwrap())
            .await
            .unwrap()
            .unwrap();
        let entries = tile::parse_entry_bundle(&bytes, width).unwrap();
        let hashes = Tile::Hashes {
            level: 0,
            index,
            width,
        };
        let bytes = public.tile(hashes).await.unwrap().unwrap();
        let hashes = tile::parse_hash_tile(&bytes, width).unwrap();
        for (entry, hash) in entries.iter().zip(&hashes) {
            let leaf = EpochLeaf::decode(entry).unwrap();
            assert_eq!(leaf.epoch, leaves.len() as u64);
            assert_eq!(leaf.leaf(), *hash);
            leaves.push(*hash);
        }
    }
    assert_eq!(root_of(&leaves), roots[size as usize]);
    let above = Tile::Hashes {
        level: 1,
        index: 0,
        width: 2,
    };
    let bytes = public.tile(above).await.unwrap().unwrap();
    let expected = [root_of(&leaves[..256]), root_of(&leaves[256..512])];
    assert_eq!(tile::parse_hash_tile(&bytes, 2).unwrap(), expected);
    let missing = Tile::Hashes {
        level: 0,
        index: 2,
        width: 89,
    };
    assert_eq!(public.tile(missing).await.unwrap(), None);
    for (old, new) in [
        (0, 600),
        (1, 2),
        (255, 256),
        (256, 599),
        (300, 513),
        (599, 600),
        (7, 7),
    ] {
        let (before, after) = (&roots[old as usize], &roots[new as usize]);
        let proof = public.consistency(old, new).await.unwrap().unwrap();
        assert!(verify_consistency(old, before, new, after, &proof));
        assert_eq!(public.root_at(old).await.unwrap(), *before);
        let last = new - 1;
        let proof = public.inclusion(last, new).await.unwrap().unwrap();
        assert!(verify_inclusion(
            &leaves[last as usize],
            last,
            new,
            &proof,
            after
        ));
    }
    assert_eq!(public.consistency(1, 601).await.unwrap(), None);
    assert_eq!(public.inclusion(600, 600).await.unwrap(), None);
}

async fn an_epoch_that_does_not_follow_is_refused(place: Place) {
    let public = public(&place).await;
    let empty = public.checkpoint().await.unwrap();
    assert_eq!(Checkpoint::parse(&empty.text).unwrap().size, 0);
    seal(&public, 0, &[head("a", 5)]).await;
    let at = Instant::from_seconds(0);
    let again = public.seal_epoch(0, at, &[], None).await;
    assert!(matches!(
        again,
        Err(PublicLogError::NotNext { next: 1, asked: 0 })
    ));
    let twice = public
        .seal_epoch(1, at, &[head("a", 5), head("a", 6)], None)
        .await;
    assert!(matches!(twice, Err(PublicLogError::TwoHeads(id)) if id == log("a")));
    let shrunk = public.seal_epoch(1, at, &[head("a", 4)], None).await;
    assert!(matches!(
        shrunk,
        Err(PublicLogError::Shrunk {
            before: 5,
            now: 4,
            ..
        })
    ));
    // Of two publishers of one epoch, one wins.
    let (one, two) = tokio::join!(
        public.seal_epoch(1, at, &[], None),
        public.seal_epoch(1, at, &[], None)
    );
    assert!(one.is_ok() != two.is_ok());
    assert_eq!(public.size().await.unwrap(), 2);
    assert_eq!(public.root_at(2).await.unwrap(), {
        let note = public.checkpoint().await.unwrap();
        Checkpoint::parse(&note.text).unwrap().root
    });
}

async fn cosignatures_are_kept_unless_wrong_or_stale(place: Place) {
    let public = public(&place).await;
    let mut texts = Vec::new();
    for epoch in 0..3 {
        texts.push(seal(&public, epoch, &[]).await.text());
    }
    let (one, two) = (witness(5), witness(6));
    let said = |who: &Signer, size: usize, time| cosignature::cosign(who, &texts[size - 1], time);
    let add = |who: &Signer, size: usize, time| {
        let (key, line) = (who.verifier().clone(), said(who, size, time).unwrap());
        let public = public.clone();
        async move { public.add_cosignature(&key, size as u64, &line).await }
    };
    add(&one, 2, 100).await.unwrap();
    add(&one, 2, 101).await.unwrap();
    add(&two, 2, 50).await.unwrap();
    let note = public.note_at(2).await.unwrap();
    assert_eq!(note.signatures.len(), 3);
    assert_eq!(cosignature::find(&note, one.verifier()).unwrap().time, 101);
    let stale = add(&one, 2, 100).await;
    assert!(
        matches!(stale, Err(PublicLogError::Stale { .. })),
        "{stale:?}"
    );
    let stale = add(&one, 1, 200).await;
    assert!(
        matches!(stale, Err(PublicLogError::Stale { .. })),
        "{stale:?}"
    );
    let line = said(&one, 2, 300).unwrap();
    let other = public.add_cosignature(one.verifier(), 3, &line).await;
    assert!(matches!(other, Err(PublicLogError::Note(_))));
    let unknown = public.add_cosignature(one.verifier(), 9, &line).await;
    assert!(matches!(
        unknown,
        Err(PublicLogError::NoCheckpoint { size: 3, asked: 9 })
    ));
    add(&two, 3, 60).await.unwrap();
    assert_eq!(public.latest_cosigned().await.unwrap().unwrap().size, 3);
    assert_eq!(
        public
            .witnessed_by(one.verifier())
            .await
            .unwrap()
            .unwrap()
            .size,
        2
    );
    assert_eq!(public.checkpoint().await.unwrap().signatures.len(), 2);
}

async fn it_does_not_run_behind_its_witnesses(place: Place) {
    let public = public(&place).await;
    for epoch in 0..3 {
        seal(&public, epoch, &[]).await;
    }
    let root = public.root_at(2).await.unwrap();
    let open = |seen| PublicLog::open(place.db.clone(), MASTER, signer(), Some(seen));
    assert!(open((2, root)).await.is_ok());
    for (size, root) in [(4, root), (3, root), (2, [0; 32])] {
        let refused = open((size, root)).await.err();
        assert!(
            matches!(refused, Some(OpenError::BehindWitness { size: 3, witnessed }) if witnessed == size)
        );
    }
    // A backup that lost its last epoch but not what a witness said about it.
    let text = Checkpoint::parse(&public.checkpoint().await.unwrap().text)
        .unwrap()
        .text();
    let line = cosignature::cosign(&witness(5), &text, 1).unwrap();
    public
        .add_cosignature(witness(5).verifier(), 3, &line)
        .await
        .unwrap();
    place
        .db
        .exec("DELETE FROM epoch WHERE n = 2", &[])
        .await
        .unwrap();
    let refused = PublicLog::open(place.db.clone(), MASTER, signer(), None)
        .await
        .err();
    assert!(matches!(
        refused,
        Some(OpenError::BehindWitness {
            size: 2,
            witnessed: 3
        })
    ));
}

async fn a_log_is_disclosed_with_the_bodies_that_may_be_seen(place: Place) {
    let public = public(&place).await;
    for id in 0..5 {
        let body = [id as u8];
        place
            .journal
            .commit(command("a", id, event(&body)))
            .await
            .unwrap();
    }
    assert!(place.journal.erase_body(log("a"), 4).await.unwrap());
    assert!(!place.journal.erase_body(log("a"), 4).await.unwrap());
    let heads: Vec<LogHead> = place
        .journal
        .heads(None, 10)
        .await
        .unwrap()
        .iter()
        .map(Into::into)
        .collect();
    let checkpoint = seal(&public, 0, &heads).await;
    let disclosed = place
        .journal
        .disclose(log("a"), u64::MAX, |entry| entry.seq != 1);
    let disclosed = disclosed.await.unwrap().unwrap();
    let bodies: Vec<_> = disclosed
        .entries
        .iter()
        .map(|entry| entry.body().map(<[u8]>::to_vec))
        .collect();
    assert_eq!(
        bodies,
        [Some(vec![0]), None, Some(vec![2]), Some(vec![3]), None]
    );
    let mut leaves = Vec::new();
    for entry in &disclosed.entries {
        let record = Record::decode(&entry.record).unwrap();
        assert!(
            entry
                .salted_body
                .as_ref()
                .is_none_or(|body| record.body_matches(body))
        );
        leaves.push(leaf_hash(&entry.record));
    }
    let proof = public.head_proof(log("a"), 0, 1).await.unwrap().unwrap();
    assert_eq!(proof.verify(&checkpoint), Ok(()));
    assert_eq!((proof.size, proof.root), (5, root_of(&leaves)));
    assert!(place.journal.check().await.unwrap().is_ok());
    let nobody = place
        .journal
        .disclose(LogId::of("test", "b"), 1, |_| true)
        .await
        .unwrap();
    assert!(nobody.is_none());
}
