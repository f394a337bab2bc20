//! That a log's head stood in a certain epoch of the public log: what disclosure hands out.

use crate::blind::blinded_leaf;
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::id::LogId;
use crate::merkle::{leaf_hash, verify_inclusion};

/// One leaf of the public log: the root over the blinded heads of all open logs at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochLeaf {
    /// Also the leaf's index in the public log.
    pub epoch: u64,
    pub root: Hash,
    /// Microseconds since 1970 UTC.
    pub at: i64,
}

/// The length of an encoded [`EpochLeaf`].
pub const EPOCH_LEAF_LENGTH: usize = 8 + 32 + 8;

impl EpochLeaf {
    /// `epoch 8 | root 32 | at 8`, big-endian: the entry as tiles serve it.
    pub fn encode(&self) -> [u8; EPOCH_LEAF_LENGTH] {
        let mut bytes = [0; EPOCH_LEAF_LENGTH];
        let parts = [
            &self.epoch.to_be_bytes()[..],
            &self.root,
            &self.at.to_be_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// The leaf in exactly these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk()?;
        let (root, at) = rest.split_first_chunk()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            root: *root,
            at: i64::from_be_bytes(at.try_into().ok()?),
        })
    }

    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

/// The head of one log in one epoch, its blind, and the way up to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadProof {
    pub log: LogId,
    pub size: u64,
    pub root: Hash,
    pub blind: Hash,
    /// Where the blinded head stands among the leaves of its epoch; their order tells nothing.
    pub index: u64,
    /// How many leaves the epoch has, fillers included: a power of two.
    pub leaves: u64,
    /// From the blinded head to the epoch's root.
    pub path: Vec<Hash>,
    pub epoch: EpochLeaf,
    /// From the epoch's leaf to the checkpoint's root.
    pub inclusion: Vec<Hash>,
}

/// The step of a head proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadProofError {
    #[error("the head of log {log} with {size} records is not under the root of epoch {epoch}")]
    NotInEpoch { log: LogId, size: u64, epoch: u64 },
    #[error("epoch {epoch} is not in the public log at size {size}")]
    NotInLog { epoch: u64, size: u64 },
}

impl HeadProof {
    /// Holds if the head stood in its epoch and the epoch stands in the log of `checkpoint`.
    /// Who signed the checkpoint is the caller's to check.
    pub fn verify(&self, checkpoint: &Checkpoint) -> Result<(), HeadProofError> {
        let leaf = blinded_leaf(&self.blind, self.log, self.size, &self.root);
        let root = &self.epoch.root;
        if !verify_inclusion(&leaf, self.index, self.leaves, &self.path, root) {
            return Err(HeadProofError::NotInEpoch {
                log: self.log,
                size: self.size,
                epoch: self.epoch.epoch,
            });
        }
        let (epoch, size) = (self.epoch.epoch, checkpoint.size);
        let leaf = self.epoch.leaf();
        if !verify_inclusion(&leaf, epoch, size, &self.inclusion, &checkpoint.root) {
            return Err(HeadProofError::NotInLog { epoch, size });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{inclusion_proof, root_of};

    fn proof_in(epochs: u64, epoch: u64, logs: u64, index: u64) -> (HeadProof, Checkpoint) {
        let log = LogId::of("bid", "tenders/1");
        let (size, root, blind) = (5, [6; 32], [7; 32]);
        let mut heads: Vec<Hash> = (0..logs).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        heads[index as usize] = blinded_leaf(&blind, log, size, &root);
        let leaf_of = |epoch, root| EpochLeaf {
            epoch,
            root,
            at: epoch as i64,
        };
        let all: Vec<Hash> = (0..epochs)
            .map(|n| leaf_of(n, if n == epoch { root_of(&heads) } else { [0; 32] }).leaf())
            .collect();
        let proof = HeadProof {
            log,
            size,
            root,
            blind,
            index,
            leaves: logs,
            path: inclusion_proof(&heads, index).unwrap(),
            epoch: leaf_of(epoch, root_of(&heads)),
            inclusion: inclusion_proof(&all, epoch).unwrap(),
        };
        let checkpoint = Checkpoint {
            origin: "log.example/epochs".into(),
            size: epochs,
            root: root_of(&all),
        };
        (proof, checkpoint)
    }

    #[test]
    fn any_alteration_is_seen() {
        let (proof, checkpoint) = proof_in(9, 4, 8, 3);
        assert_eq!(proof.verify(&checkpoint), Ok(()));
        let altered: [fn(&mut HeadProof); 9] = [
            |proof| proof.log = LogId::of("bid", "tenders/2"),
            |proof| proof.size += 1,
            |proof| proof.root[0] ^= 1,
            |proof| proof.blind[0] ^= 1,
            |proof| proof.index ^= 1,
            |proof| proof.path[0][0] ^= 1,
            |proof| proof.epoch.at += 1,
            |proof| proof.epoch.epoch += 1,
            |proof| proof.inclusion[0][0] ^= 1,
        ];
        for alter in altered {
            let mut other = proof.clone();
            alter(&mut other);
            assert!(other.verify(&checkpoint).is_err(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn every_place_can_be_proven(epochs in 1..40_u64, logs in 1..40_u64, at: u64, index: u64) {
            let (proof, checkpoint) = proof_in(epochs, at % epochs, logs, index % logs);
            prop_assert_eq!(proof.verify(&checkpoint), Ok(()));
        }

        #[test]
        fn an_epoch_leaf_comes_back(epoch: u64, root: Hash, at: i64, extra: u8) {
            let leaf = EpochLeaf { epoch, root, at };
            let mut bytes = leaf.encode().to_vec();
            prop_assert_eq!(EpochLeaf::decode(&bytes), Some(leaf));
            bytes.push(extra);
            prop_assert_eq!(EpochLeaf::decode(&bytes), None);
            prop_assert_eq!(EpochLeaf::decode(&bytes[..47]), None);
        }
    }
}
