//! A file put into a remote store piece by piece, over days and from several machines if need be: the
//! store shows nothing of it before it is complete. Whoever writes keeps the name of the upload and of
//! each piece.

use bytes::Bytes;
use object_store::{
    PutPayload,
    multipart::{MultipartStore, PartId},
};
use tokio::sync::SemaphorePermit;

use crate::{Room, StoreFault, fault::of_remote};

/// Least bytes of a piece that is not the last: what every store that speaks S3 takes.
pub const LEAST_PIECE: u64 = 5 * 1024 * 1024;

impl Room {
    fn pieces(&self) -> Result<&dyn MultipartStore, StoreFault> {
        match &self.store.0.remote {
            Some(remote) => Ok(&**remote),
            None => Err(StoreFault::Unusable(
                "a local file has no pieces".to_owned(),
            )),
        }
    }

    /// The right to hold one more piece in memory.
    pub async fn memory(&self) -> Result<SemaphorePermit<'_>, StoreFault> {
        let memory = self.store.0.memory.acquire().await;
        memory.map_err(|error| StoreFault::Unusable(error.to_string()))
    }

    /// Begins a file; the store's name for the upload.
    pub async fn begin(&self, name: &str) -> Result<String, StoreFault> {
        let key = self.key(name);
        let begun = self.pieces()?.create_multipart(&key).await;
        begun.map_err(of_remote).map_err(never_of_a_file)
    }

    /// Puts a piece, counted from 0; the store's name for it. `Lost` if the store does not know the
    /// upload any more.
    pub async fn put_piece(
        &self,
        name: &str,
        id: &str,
        number: usize,
        piece: Bytes,
    ) -> Result<String, StoreFault> {
        let (key, id) = (self.key(name), id.to_owned());
        let put = self
            .pieces()?
            .put_part(&key, &id, number, PutPayload::from(piece));
        match put.await {
            Ok(part) => Ok(part.content_id),
            Err(error) => Err(self.store.0.fault(error).await),
        }
    }

    /// Makes the file of its pieces, in their order. `Lost` if the store does not know the upload any
    /// more and has no file of this length either.
    pub async fn complete(
        &self,
        name: &str,
        id: &str,
        pieces: Vec<String>,
        bytes: u64,
    ) -> Result<(), StoreFault> {
        let parts = pieces.into_iter().map(|content_id| PartId { content_id });
        let (key, id) = (self.key(name), id.to_owned());
        let done = self
            .pieces()?
            .complete_multipart(&key, &id, parts.collect());
        let Err(error) = done.await else {
            return Ok(());
        };
        // An answer that went missing, and the repeat finds the upload gone: then the file is there.
        if self.size(name).await? == Some(bytes) {
            return Ok(());
        }
        Err(self.store.0.fault(error).await)
    }

    /// Drops what was begun. What the store does not know any more, or keeps to itself, is fine: it drops
    /// that by its own rules.
    pub async fn abandon(&self, name: &str, id: &str) -> Result<(), StoreFault> {
        let (key, id) = (self.key(name), id.to_owned());
        match self.pieces()?.abort_multipart(&key, &id).await {
            Ok(()) | Err(object_store::Error::PermissionDenied { .. }) => Ok(()),
            Err(error) => match self.store.0.fault(error).await {
                StoreFault::Lost => Ok(()),
                fault => Err(fault),
            },
        }
    }
}

/// A bucket that is not there is a store that is away.
fn never_of_a_file(fault: StoreFault) -> StoreFault {
    match fault {
        StoreFault::Lost => StoreFault::Away("it does not have the bucket".to_owned()),
        other => other,
    }
}
