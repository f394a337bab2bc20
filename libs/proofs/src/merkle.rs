//! The Merkle tree of RFC 6962 / RFC 9162: roots, inclusion and consistency.

use crate::hash::{HASH_LENGTH, Hash, sha256};

/// `SHA-256(0x00 || data)`
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// `SHA-256(0x01 || left || right)`
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of a tree without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first, one for
/// each set bit of the size. Enough to add leaves and to know the root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    pub const fn new() -> Self {
        Self {
            size: 0,
            nodes: Vec::new(),
        }
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing set bit of the old size is a complete subtree as large as the new one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.nodes.push(node);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else {
            return empty_root();
        };
        nodes.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The nodes one after the other; the size is kept beside them by whoever stores them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }

    /// The frontier of a tree of `size` leaves; nothing if the length does not fit the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (nodes, rest) = bytes.as_chunks::<HASH_LENGTH>();
        let fits = rest.is_empty() && nodes.len() == size.count_ones() as usize;
        fits.then(|| Self {
            size,
            nodes: nodes.to_vec(),
        })
    }
}

/// The root over all `leaves`.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The proof that leaf `index` is in the tree over all `leaves`; nothing if there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = u64::try_from(leaves.len()).ok()?;
    let ranges = inclusion_ranges(index, size)?;
    roots_of(leaves, &ranges)
}

/// The proof that the tree over all `leaves` continues its own first `old_size` leaves; nothing if
/// it has not that many.
pub fn consistency_proof(leaves: &[Hash], old_size: u64) -> Option<Vec<Hash>> {
    let size = u64::try_from(leaves.len()).ok()?;
    let ranges = consistency_ranges(old_size, size)?;
    roots_of(leaves, &ranges)
}

/// A run of leaves, first included, last excluded, whose root is one step of a proof.
pub type Range = (u64, u64);

/// The subtrees whose roots are the inclusion proof of leaf `index` in a tree of `size`, in order.
/// For whoever keeps the tree in pieces.
pub fn inclusion_ranges(index: u64, size: u64) -> Option<Vec<Range>> {
    if index >= size {
        return None;
    }
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    Some(ranges)
}

/// The subtrees whose roots are the consistency proof from `old_size` to `size`, in order.
pub fn consistency_ranges(old_size: u64, size: u64) -> Option<Vec<Range>> {
    if old_size > size {
        return None;
    }
    let mut ranges = Vec::new();
    if old_size == 0 || old_size == size {
        return Some(ranges);
    }
    let (mut start, mut end) = (0, size);
    // Whether everything up to here is the old tree itself, whose root the verifier already has.
    let mut whole = true;
    while old_size < end {
        let middle = start + split(end - start);
        if old_size <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push((start, end));
    }
    ranges.reverse();
    Some(ranges)
}

fn roots_of(leaves: &[Hash], ranges: &[Range]) -> Option<Vec<Hash>> {
    ranges
        .iter()
        .map(|(start, end)| {
            let (start, end) = (usize::try_from(*start).ok()?, usize::try_from(*end).ok()?);
            leaves.get(start..end).map(root_of)
        })
        .collect()
}

/// The largest power of two below `size` (`size` > 1).
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this `root`.
/// RFC 9162, 2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut position, mut last, mut node) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            node = node_hash(step, &node);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, step);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// Whether `proof` shows that the tree of `new_size` continues the tree of `old_size`.
/// RFC 9162, 2.1.4.2, and for an old tree without leaves or the same tree: an empty proof.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root && (new_size > 0 || is_empty(new_root));
    }
    if old_size == 0 {
        return proof.is_empty() && is_empty(old_root);
    }
    // A complete old tree is itself the first step.
    let (first, steps) = if old_size.is_power_of_two() {
        (*old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, steps)) => (*first, steps),
            None => return false,
        }
    };
    let (mut position, mut last) = (old_size - 1, new_size - 1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            old = node_hash(step, &old);
            new = node_hash(step, &new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, step);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

fn is_empty(root: &Hash) -> bool {
    *root == empty_root()
}

#[cfg(test)]
mod tests;
