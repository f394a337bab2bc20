//! The public log's own tree, kept as the hashes its tiles are made of: proofs read a few of them,
//! never all leaves.

use sunbid_proofs::Hash;
use sunbid_proofs::merkle::{
    Frontier, Range, consistency_ranges, empty_root, inclusion_ranges, node_hash, root_of,
};
use sunbid_proofs::tile::{self, HEIGHT, Tile, WIDTH};

use super::PublicLog;
use crate::error::ReadError;
use crate::rows::{self, int};

const NODES: &str =
    "SELECT n, hash FROM public_node WHERE level = $1 AND n >= $2 ORDER BY n LIMIT $3";

impl PublicLog {
    /// The root that the log had at `size` leaves.
    pub async fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        if size == 0 {
            return Ok(empty_root());
        }
        self.range_root((0, size)).await
    }

    /// The proof that `epoch` is a leaf of the log at `size`; nothing if it is not.
    pub async fn inclusion(&self, epoch: u64, size: u64) -> Result<Option<Vec<Hash>>, ReadError> {
        if size > self.size().await? {
            return Ok(None);
        }
        self.roots(inclusion_ranges(epoch, size)).await
    }

    /// The proof that the log at `size` continues the log at `old`; nothing if there is no such.
    pub async fn consistency(&self, old: u64, size: u64) -> Result<Option<Vec<Hash>>, ReadError> {
        if size > self.size().await? {
            return Ok(None);
        }
        self.roots(consistency_ranges(old, size)).await
    }

    /// The bytes of a tile or entry bundle; nothing if the log has no such tile yet.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, ReadError> {
        if !tile.exists_at(self.size().await?) {
            return Ok(None);
        }
        match tile {
            Tile::Hashes {
                level,
                index,
                width,
            } => {
                let nodes = self.nodes(u64::from(level), index * WIDTH, u64::from(width));
                Ok(Some(tile::hash_tile(&nodes.await?)))
            }
            Tile::Entries { index, width } => {
                let epochs = self.epochs(index * WIDTH, u32::from(width)).await?;
                let entries: Vec<_> = epochs.iter().map(|epoch| epoch.encode()).collect();
                Ok(tile::entry_bundle(entries.iter().map(|entry| &entry[..])))
            }
        }
    }

    async fn roots(&self, ranges: Option<Vec<Range>>) -> Result<Option<Vec<Hash>>, ReadError> {
        let Some(ranges) = ranges else {
            return Ok(None);
        };
        let mut roots = Vec::with_capacity(ranges.len());
        for range in ranges {
            roots.push(self.range_root(range).await?);
        }
        Ok(Some(roots))
    }

    /// The root over a run of leaves that is a subtree: it starts at a multiple of its width.
    async fn range_root(&self, (start, end): Range) -> Result<Hash, ReadError> {
        let mut roots = Vec::new();
        let mut from = start;
        while from < end {
            let level = (end - from).ilog2();
            roots.push(self.complete_root(level, from >> level).await?);
            from += 1 << level;
        }
        let root = roots
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(&left, &right));
        Ok(root.unwrap_or_else(empty_root))
    }

    /// The root of the complete subtree number `index` of 2^`level` leaves.
    async fn complete_root(&self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let (stored, above) = (level / HEIGHT, level % HEIGHT);
        let nodes = self.nodes(u64::from(stored), index << above, 1 << above);
        Ok(root_of(&nodes.await?))
    }

    async fn nodes(&self, level: u64, first: u64, count: u64) -> Result<Vec<Hash>, ReadError> {
        let values = [int(level), int(first), int(count)];
        let rows = self.db.rows(NODES, &values).await?;
        let mut nodes = Vec::with_capacity(rows.len());
        for (n, row) in (first..).zip(&rows) {
            if row.count(0)? == n {
                nodes.push(rows::hash(&row.blob(1)?)?);
            }
        }
        if nodes.len() as u64 != count {
            return Err(ReadError::Corrupt(format!(
                "the public log lacks a node of level {level} among {count} from {first}"
            )));
        }
        Ok(nodes)
    }

    /// The right edge of the tree at `size` leaves.
    pub(super) async fn frontier(&self, size: u64) -> Result<Frontier, ReadError> {
        let mut bytes = Vec::new();
        let mut from = 0;
        while from < size {
            let level = (size - from).ilog2();
            bytes.extend(self.complete_root(level, from >> level).await?);
            from += 1 << level;
        }
        Frontier::from_bytes(size, &bytes)
            .ok_or_else(|| ReadError::Corrupt("the public log's frontier is not whole".into()))
    }

    /// The nodes that leaf `n` completes: itself, and the last of 256 also the hash above them.
    pub(super) async fn new_nodes(
        &self,
        n: u64,
        leaf: Hash,
    ) -> Result<Vec<(u64, u64, Hash)>, ReadError> {
        let mut nodes = vec![(0, n, leaf)];
        let (mut level, mut index, mut hash) = (0, n, leaf);
        while (index + 1).is_multiple_of(WIDTH) {
            let mut below = self.nodes(level, index + 1 - WIDTH, WIDTH - 1).await?;
            below.push(hash);
            (level, index, hash) = (level + 1, index / WIDTH, root_of(&below));
            nodes.push((level, index, hash));
        }
        Ok(nodes)
    }
}
