//! One process to a data directory: the lock that a second start runs into, and who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use sunbid_terms::Instant;

const LOCK_FILE: &str = "lock";

/// A directory of one deployment's data.
#[derive(Debug)]
pub struct DataDir;

/// Holds the directory until it is dropped or the process ends.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
    path: PathBuf,
}

/// The directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("the data directory {path} is in use by {by}")]
    Held { path: PathBuf, by: String },
    #[error("the data directory {path} cannot be locked: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl DataDir {
    /// Creates the directory if need be and locks it for this process. `started` is written into
    /// the lock file, so that a second start can say since when the first has it.
    pub fn lock(path: &Path, started: Instant) -> Result<DataDirLock, DataDirError> {
        let failed = |source| DataDirError::Io {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                file.read_to_string(&mut by).map_err(failed)?;
                return Err(DataDirError::Held {
                    path: path.to_owned(),
                    by: by.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let holder = format!("process {} since {started}\n", std::process::id());
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(holder.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(DataDirLock {
            file,
            path: path.to_owned(),
        })
    }
}

impl DataDirLock {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDirLock {
    fn drop(&mut self) {
        // The system releases the lock with the file in any case.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let started = Instant::from_seconds(1_772_413_200);
        let held = DataDir::lock(&path, started).unwrap();
        let error = DataDir::lock(&path, started).unwrap_err();
        let DataDirError::Held { by, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(
            *by,
            format!("process {} since {started}", std::process::id())
        );
        drop(held);
        assert_eq!(DataDir::lock(&path, started).unwrap().path(), path);
    }
}
