//! What the public log is made of: notes, checkpoints, cosignatures, keys, tiles, records, proofs.

use prost::Message as _;
use sunbid_contracts::audit::v1::HeadProof as HeadProofMessage;
use sunbid_domain::opening::head_proof;
use sunbid_proofs::{
    Checkpoint, EpochLeaf, Note, Record, Signature, Verifier, cosignature,
    merkle::{self, Frontier},
    sha256,
    tile::{self, Tile},
};

use crate::{canonical, chosen};

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[
            note,
            signature_line,
            verifier,
            checkpoint,
            tile_path,
            entry_bundle,
            hash_tile,
            record,
            head_proof_message,
            epoch_leaf,
            frontier,
            inclusion,
            consistency,
        ],
    );
}

fn note(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else {
        return;
    };
    canonical(bytes, note.format().as_bytes());
    for signature in &note.signatures {
        let Ok(key) = Verifier::new(&signature.name, sunbid_proofs::note::ED25519_NOTE, [3; 32])
        else {
            continue;
        };
        let _ = note.verify(&key);
        let _ = cosignature::find(&note, &key);
        let _ = Checkpoint::open(bytes, &key);
    }
}

fn signature_line(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(signature) = Signature::parse_line(text)
    {
        canonical(bytes, signature.line().as_bytes());
    }
}

fn verifier(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(key) = Verifier::parse(text)
    {
        canonical(bytes, key.to_string().as_bytes());
    }
}

fn checkpoint(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(checkpoint) = Checkpoint::parse(text)
    {
        canonical(bytes, checkpoint.text().as_bytes());
    }
}

fn tile_path(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Some(tile) = Tile::parse(text)
    {
        canonical(bytes, tile.path().as_bytes());
        let _ = tile.exists_at(u64::MAX);
        assert!(!tile.exists_at(0));
    }
}

fn entry_bundle(bytes: &[u8]) {
    with_width(bytes, |width, rest| {
        if let Some(entries) = tile::parse_entry_bundle(rest, width) {
            let again = tile::entry_bundle(entries.iter().map(Vec::as_slice));
            canonical(rest, &again.expect("what was read can be written"));
        }
    });
}

fn hash_tile(bytes: &[u8]) {
    with_width(bytes, |width, rest| {
        if let Some(hashes) = tile::parse_hash_tile(rest, width) {
            canonical(rest, &tile::hash_tile(&hashes));
        }
    });
}

fn with_width(bytes: &[u8], read: impl Fn(u16, &[u8])) {
    if let Some((width, rest)) = bytes.split_first_chunk::<2>() {
        read(u16::from_be_bytes(*width), rest);
    }
}

fn record(bytes: &[u8]) {
    if let Some(record) = Record::decode(bytes) {
        canonical(bytes, &record.encode());
        let _ = record.body_matches(bytes);
    }
}

/// As contracts carry it.
fn head_proof_message(bytes: &[u8]) {
    let Ok(message) = HeadProofMessage::decode(bytes) else {
        return;
    };
    let Some(proof) = head_proof::read(&message) else {
        return;
    };
    let again = head_proof::message(&proof);
    assert!(again == message, "a proof reads back as another");
    let checkpoint = Checkpoint {
        origin: "log.example".to_owned(),
        size: proof.epoch.epoch.saturating_add(1),
        root: proof.epoch.leaf(),
    };
    let _ = proof.verify(&checkpoint);
}

/// An entry of the public log, as tiles serve it.
fn epoch_leaf(bytes: &[u8]) {
    if let Some(leaf) = EpochLeaf::decode(bytes) {
        canonical(bytes, &leaf.encode());
    }
}

fn frontier(bytes: &[u8]) {
    if let Some((size, rest)) = bytes.split_first_chunk::<8>()
        && let Some(mut frontier) = Frontier::from_bytes(u64::from_be_bytes(*size), rest)
    {
        canonical(rest, &frontier.to_bytes());
        let _ = frontier.root();
        // A tree can be no larger than a number says.
        if u64::from_be_bytes(*size) < u64::MAX {
            frontier.push([7; 32]);
            let _ = frontier.root();
        }
    }
}

/// Two numbers, then hashes.
fn numbers_and_hashes(bytes: &[u8]) -> Option<(u64, u64, Vec<[u8; 32]>)> {
    let (one, rest) = bytes.split_first_chunk::<8>()?;
    let (two, rest) = rest.split_first_chunk::<8>()?;
    let (hashes, _) = rest.as_chunks::<32>();
    Some((
        u64::from_be_bytes(*one),
        u64::from_be_bytes(*two),
        hashes.to_vec(),
    ))
}

fn inclusion(bytes: &[u8]) {
    let Some((index, size, hashes)) = numbers_and_hashes(bytes) else {
        return;
    };
    let root = sha256(&[b"root"]);
    let leaf = sha256(&[b"leaf"]);
    assert!(!merkle::verify_inclusion(
        &leaf, index, size, &hashes, &root
    ));
    // Proofs of a small tree are what its leaves give, and lead to its root.
    if (1..=64).contains(&size)
        && let Some(proof) = merkle::inclusion_proof(&vec![leaf; size as usize], index)
    {
        let root = merkle::root_of(&vec![leaf; size as usize]);
        assert!(merkle::verify_inclusion(&leaf, index, size, &proof, &root));
    }
}

fn consistency(bytes: &[u8]) {
    let Some((old, new, hashes)) = numbers_and_hashes(bytes) else {
        return;
    };
    let [one, two] = [sha256(&[b"one"]), sha256(&[b"two"])];
    let holds = merkle::verify_consistency(old, &one, new, &two, &hashes);
    assert!(!holds, "two unrelated roots are consistent");
}
