//! Proofs of where a log stood in an epoch of the public log, between contracts and the proofs
//! themselves. Nothing is checked here; whoever reads one verifies it against a checkpoint.

use sunbid_contracts::{audit::v1::HeadProof as Message, common::v1::LogHead};
use sunbid_proofs::{EpochLeaf, HeadProof, LogId, blinded_leaf, hash::Hash, merkle::node_hash};

/// A proof as contracts carry it.
pub fn message(proof: &HeadProof) -> Message {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Message {
        epoch: number(proof.epoch.epoch),
        head: Some(LogHead {
            log_id: proof.log.as_bytes().to_vec(),
            size: number(proof.size),
            root: proof.root.to_vec(),
        }),
        blind: proof.blind.to_vec(),
        index: number(proof.index),
        leaves: number(proof.leaves),
        path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
        at_us: proof.epoch.at,
        public_path: proof.inclusion.iter().map(|hash| hash.to_vec()).collect(),
    }
}

/// A proof as contracts carry it, if it has the form of one.
pub fn read(message: &Message) -> Option<HeadProof> {
    let head = message.head.as_ref()?;
    let hash = |bytes: &[u8]| Hash::try_from(bytes).ok();
    let hashes = |all: &[Vec<u8>]| all.iter().map(|one| hash(one)).collect::<Option<Vec<_>>>();
    let path = hashes(&message.path)?;
    let (size, root, blind) = (
        u64::try_from(head.size).ok()?,
        hash(&head.root)?,
        hash(&message.blind)?,
    );
    let (index, leaves) = (
        u64::try_from(message.index).ok()?,
        u64::try_from(message.leaves).ok()?,
    );
    let log = LogId::from_slice(&head.log_id)?;
    let leaf = blinded_leaf(&blind, log, size, &root);
    // The epoch's root is not carried: it is what the path leads to, and the public path proves it.
    let epoch = EpochLeaf {
        epoch: u64::try_from(message.epoch).ok()?,
        root: climb(leaf, index, leaves, &path)?,
        at: message.at_us,
    };
    Some(HeadProof {
        log,
        size,
        root,
        blind,
        index,
        leaves,
        path,
        epoch,
        inclusion: hashes(&message.public_path)?,
    })
}

/// The root that an audit path leads to (RFC 9162, 2.1.3.2).
fn climb(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let (mut node, mut last) = (index, size.checked_sub(1)?);
    if index > last {
        return None;
    }
    let mut root = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(sibling, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sunbid_proofs::merkle::{inclusion_proof, leaf_hash, root_of};

    proptest! {
        #[test]
        fn a_proof_comes_back_with_its_epochs_root(logs in 1..40_u64, index: u64, epochs in 1..20_u64) {
            let index = index % logs;
            let (log, blind) = (LogId::of("bid", "tenders/1"), [7; 32]);
            let mut leaves: Vec<Hash> = (0..logs).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            leaves[index as usize] = blinded_leaf(&blind, log, 5, &[6; 32]);
            let epoch = EpochLeaf { epoch: epochs - 1, root: root_of(&leaves), at: 9 };
            let mut all = vec![[3; 32]; epochs as usize];
            all[epochs as usize - 1] = epoch.leaf();
            let proof = HeadProof {
                log,
                size: 5,
                root: [6; 32],
                blind,
                index,
                leaves: logs,
                path: inclusion_proof(&leaves, index).unwrap(),
                epoch,
                inclusion: inclusion_proof(&all, epochs - 1).unwrap(),
            };
            prop_assert_eq!(read(&message(&proof)), Some(proof));
        }
    }
}
