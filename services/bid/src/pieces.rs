//! One incoming payload on its way to a remote store: chunks go to a file of this machine and into the
//! root as they come, and from there to the store, a piece at a time. Memory holds a piece only while it
//! is sent. What the store has and the table knows is safe; the rest may be lost and sent again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use bytes::Bytes;
use sunbid_objects::{Room, StoreFault};
use sunbid_sealing::{PayloadTree, leaf_hash};

use crate::{
    intake::FULL,
    receiving::COMMIT_EVERY,
    store::{Piece, UploadRow},
    vault,
};

/// An upload piece by piece.
#[derive(Debug)]
pub struct Pieces {
    /// Chunks since the last piece; a file without a name, so that nothing of it outlives the process.
    since: File,
    leaves: Vec<[u8; 32]>,
    tree: PayloadTree,
    names: Vec<String>,
    written: u64,
    committed: u64,
}

impl Pieces {
    /// Takes up where the pieces end that the store has; nothing if they do not come to `committed`
    /// bytes.
    pub fn resume(folder: &Path, known: Vec<Piece>, committed: u64) -> io::Result<Option<Self>> {
        let path = folder.join(vault::Vault::fresh_name());
        let since = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        let mut pieces = Self {
            since,
            leaves: Vec::new(),
            tree: PayloadTree::default(),
            names: Vec::new(),
            written: committed,
            committed,
        };
        for piece in known {
            // All have the same size, as some stores want it; only the last of all is smaller, and after
            // that one nothing is resumed but the completion.
            piece.leaves.iter().for_each(|leaf| pieces.tree.push(*leaf));
            pieces.names.push(piece.name);
        }
        let chunks = committed.div_ceil(FULL as u64);
        let fits = pieces.tree.leaves() == chunks
            && pieces.names.len() as u64 == committed.div_ceil(COMMIT_EVERY);
        Ok(fits.then_some(pieces))
    }

    /// Takes the next chunk: full, or the last one.
    pub fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.since.write_all(chunk)?;
        let leaf = leaf_hash(chunk);
        self.tree.push(leaf);
        self.leaves.push(leaf);
        self.written += chunk.len() as u64;
        Ok(())
    }

    /// Sends what came since the last piece as the next one, if anything came; its number and name.
    pub async fn put(
        &mut self,
        sealed: &Room,
        row: &UploadRow,
    ) -> Result<Option<(usize, Piece)>, StoreFault> {
        if self.written == self.committed {
            return Ok(None);
        }
        let permit = sealed.memory().await?;
        let mut piece = Vec::new();
        // A few milliseconds out of the page cache.
        self.since.seek(SeekFrom::Start(0))?;
        self.since.read_to_end(&mut piece)?;
        let (number, name) = (self.names.len(), vault::name(&row.file));
        let name = sealed.put_piece(&name, &row.remote, number, Bytes::from(piece));
        let name = name.await?;
        drop(permit);
        self.since.set_len(0)?;
        self.since.seek(SeekFrom::Start(0))?;
        self.names.push(name.clone());
        self.committed = self.written;
        let leaves = std::mem::take(&mut self.leaves);
        Ok(Some((number, Piece { name, leaves })))
    }

    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that the store has.
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    pub fn root(&self) -> [u8; 32] {
        self.tree.root()
    }

    /// The store's names for the pieces, in their order.
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_upload_resumes_to_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let chunks: Vec<Vec<u8>> = (0..9_u8).map(|byte| vec![byte; FULL]).collect();
        let mut whole = Pieces::resume(folder.path(), vec![], 0).unwrap().unwrap();
        chunks.iter().for_each(|chunk| whole.take(chunk).unwrap());
        let leaves = chunks[..8].iter().map(|chunk| leaf_hash(chunk)).collect();
        let first = Piece {
            name: "one".into(),
            leaves,
        };
        let resume = |known, committed| Pieces::resume(folder.path(), known, committed).unwrap();
        let mut cut = resume(vec![first.clone()], COMMIT_EVERY).unwrap();
        cut.take(&chunks[8]).unwrap();
        assert_eq!((cut.root(), cut.written()), (whole.root(), whole.written()));
        assert_eq!(cut.names(), ["one"]);
        assert!(resume(vec![first.clone()], 2 * COMMIT_EVERY).is_none());
        assert!(resume(vec![first], 0).is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
