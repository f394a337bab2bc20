//! The files of one kind of a service: put for good, measured, removed. Names say nothing of what is
//! inside.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use object_store::{ObjectStoreExt, path::Path as Key};

use crate::{Store, StoreFault, local, pieces::LEAST_PIECE};

/// Bytes of a piece of a file that is put whole.
const PIECE: usize = 8 * 1024 * 1024;
const _: () = assert!(PIECE as u64 >= LEAST_PIECE);

/// The files of one kind of a service.
#[derive(Clone, Debug)]
pub struct Room {
    pub(crate) store: Store,
    path: String,
}

impl Room {
    pub(crate) const fn new(store: Store, path: String) -> Self {
        Self { store, path }
    }

    /// Whether files are kept elsewhere than in the data folder.
    pub fn is_remote(&self) -> bool {
        self.store.is_remote()
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        self.store.0.key(&format!("{}/{name}", self.path))
    }

    /// Where a file of a local store lies.
    pub fn place(&self, name: &str) -> PathBuf {
        self.store.0.folder.join(&self.path).join(name)
    }

    /// How many bytes the store says the file has; nothing if it is lost.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, StoreFault> {
        match self.store.0.files.head(&self.key(name)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) => match self.store.0.fault(error).await {
                StoreFault::Lost => Ok(None),
                fault => Err(fault),
            },
        }
    }

    /// Removes a file; one that is gone already is fine.
    pub async fn remove(&self, name: &str) -> Result<(), StoreFault> {
        if !self.is_remote() {
            let place = self.place(name);
            return Ok(off_thread(move || local::remove(&place)).await??);
        }
        match self.store.0.files.delete(&self.key(name)).await {
            Ok(()) => Ok(()),
            Err(error) => match self.store.0.fault(error).await {
                StoreFault::Lost => Ok(()),
                fault => Err(fault),
            },
        }
    }

    /// Puts a whole file that lies on this machine's disk under `name`, for good when this returns; it
    /// is moved where the store is local, and sent piece by piece where it is not.
    pub async fn admit(&self, staged: &Path, name: &str) -> Result<(), StoreFault> {
        let path = staged.to_owned();
        if !self.is_remote() {
            let place = self.place(name);
            return Ok(off_thread(move || local::admit(&path, &place)).await??);
        }
        let file = off_thread(move || File::open(path)).await??;
        let id = self.begin(name).await?;
        match self.send(file, name, &id).await {
            Ok(()) => {}
            Err(fault) => {
                // The store drops what was begun and not finished by its own rules at worst.
                self.abandon(name, &id).await.ok();
                return Err(fault);
            }
        }
        let path = staged.to_owned();
        Ok(off_thread(move || local::remove(&path)).await??)
    }

    async fn send(&self, mut file: File, name: &str, id: &str) -> Result<(), StoreFault> {
        let mut pieces = Vec::new();
        let mut sent = 0;
        loop {
            let permit = self.memory().await?;
            let (rest, piece) = off_thread(move || {
                let mut piece = Vec::new();
                let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
                read.map(|_| (file, piece))
            })
            .await??;
            file = rest;
            let last = piece.len() < PIECE;
            if !piece.is_empty() {
                sent += piece.len() as u64;
                let piece = self.put_piece(name, id, pieces.len(), Bytes::from(piece));
                pieces.push(piece.await?);
            }
            drop(permit);
            if last {
                return self.complete(name, id, pieces, sent).await;
            }
        }
    }
}

/// Runs what blocks away from the threads that serve.
pub(crate) async fn off_thread<T, F>(work: F) -> Result<T, StoreFault>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreFault::Unusable(error.to_string()))
}
