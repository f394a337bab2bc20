//! The payload's Merkle tree (RFC 9162, section 2.1.1) with a sealed chunk as leaf.
//! Built from left to right in memory that grows with the logarithm of the leaves, so that an
//! upload can be checked chunk by chunk.

use ring::digest;

fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The hash of one sealed chunk.
#[must_use]
pub fn leaf_hash(sealed_chunk: &[u8]) -> [u8; 32] {
    digest_of(&[&[0], sealed_chunk])
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    digest_of(&[&[1], left, right])
}

/// A payload tree under construction.
#[derive(Clone, Debug, Default)]
pub struct PayloadTree {
    /// Roots of complete subtrees, larger ones first, with their heights.
    peaks: Vec<(u32, [u8; 32])>,
    leaves: u64,
}

impl PayloadTree {
    /// Adds the hash of the next chunk.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut node = (0, leaf);
        while let Some((height, left)) = self.peaks.pop_if(|(height, _)| *height == node.0) {
            node = (height + 1, node_hash(&left, &node.1));
        }
        self.peaks.push(node);
        self.leaves += 1;
    }

    /// How many chunks were added.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root over the chunks added so far.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = peaks.next() else {
            return digest_of(&[]);
        };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursive definition of RFC 9162.
    fn defined(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => digest_of(&[]),
            [leaf] => *leaf,
            _ => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                let (left, right) = leaves.split_at(split);
                node_hash(&defined(left), &defined(right))
            }
        }
    }

    #[test]
    fn streaming_agrees_with_the_definition() {
        let leaves: Vec<_> = (0..70_u8).map(|number| leaf_hash(&[number])).collect();
        let mut tree = PayloadTree::default();
        for count in 0..=leaves.len() {
            assert_eq!(tree.root(), defined(&leaves[..count]), "{count} leaves");
            if let Some(leaf) = leaves.get(count) {
                tree.push(*leaf);
            }
        }
    }
}
