//! One incoming payload: whole chunks go to the file and into the root as they come. What was synced
//! is on the disk beyond doubt; the rest may be lost and sent again. Blocking.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use sunbid_sealing::{CHUNK, PayloadTree, TAG, leaf_hash};

/// Sealed bytes of a full chunk: the leaf of the payload's tree.
pub const FULL: usize = CHUNK + TAG;

/// An incoming file with the root of what it holds.
#[derive(Debug)]
pub struct Intake {
    file: File,
    tree: PayloadTree,
    written: u64,
    synced: u64,
}

impl Intake {
    /// Opens the file and takes up where `committed` bytes are on the disk; the rest is cut off.
    /// Nothing if the file does not have that much. One intake at a time has the file, whichever
    /// process it is in; others are told `WouldBlock`.
    pub fn resume(path: &Path, committed: u64) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it before may have moved it to its place for good.
        let is_here = std::fs::metadata(path).is_ok_and(|here| {
            file.metadata()
                .is_ok_and(|own| (own.dev(), own.ino()) == (here.dev(), here.ino()))
        });
        if !is_here {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if file.metadata()?.len() < committed || !committed.is_multiple_of(FULL as u64) {
            return Ok(None);
        }
        file.set_len(committed)?;
        let mut tree = PayloadTree::default();
        let mut chunk = vec![0; if committed == 0 { 0 } else { FULL }];
        for _ in 0..committed / FULL as u64 {
            file.read_exact(&mut chunk)?;
            tree.push(leaf_hash(&chunk));
        }
        file.seek(SeekFrom::Start(committed))?;
        Ok(Some(Self {
            file,
            tree,
            written: committed,
            synced: committed,
        }))
    }

    /// Takes the next chunk: full, or the last one.
    pub fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.tree.push(leaf_hash(chunk));
        self.written += chunk.len() as u64;
        Ok(())
    }

    /// Everything written so far is on the disk when this returns.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.written {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(())
    }

    pub const fn written(&self) -> u64 {
        self.written
    }

    pub const fn synced(&self) -> u64 {
        self.synced
    }

    pub fn root(&self) -> [u8; 32] {
        self.tree.root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_intake_resumes_to_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let chunk = |byte: u8| vec![byte; FULL];
        let mut whole = Intake::resume(&folder.path().join("g"), 0)
            .unwrap()
            .unwrap();
        for part in [chunk(1), chunk(2), vec![3; 40]] {
            whole.take(&part).unwrap();
        }
        let mut cut = Intake::resume(&path, 0).unwrap().unwrap();
        cut.take(&chunk(1)).unwrap();
        cut.sync().unwrap();
        let committed = cut.synced();
        cut.take(&chunk(9)).unwrap();
        let held = Intake::resume(&path, committed).unwrap_err();
        assert_eq!(held.kind(), io::ErrorKind::WouldBlock);
        drop(cut);
        let mut again = Intake::resume(&path, committed).unwrap().unwrap();
        again.take(&chunk(2)).unwrap();
        again.take(&[3; 40]).unwrap();
        again.sync().unwrap();
        assert_eq!(again.root(), whole.root());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), again.written());
        drop(again);
        assert!(Intake::resume(&path, 3 * FULL as u64).unwrap().is_none());
        assert!(Intake::resume(&path, 17).unwrap().is_none());
    }
}
