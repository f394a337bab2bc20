//! Tender documents as files named by their SHA-256. A file is whole under its name or not there; not a
//! byte is served of one that does not match its name.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures_util::{Stream, stream};
use ring::digest::{Context, SHA256};
use sunbid_objects::{Room, Sha256Check, Store, StoreFault};
use sunbid_service::Problem;
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
};
use uuid::Uuid;

/// Bytes of one message.
pub const CHUNK: usize = 1024 * 1024;

const UNFINISHED: &str = ".part";

/// The folder of documents on their way in, and the room of those that are whole.
#[derive(Clone, Debug)]
pub struct Documents {
    folder: PathBuf,
    room: Room,
}

/// A document on its way in; what is not finished is removed.
pub struct Incoming {
    file: File,
    path: PathBuf,
    room: Room,
    context: Context,
    length: u64,
    kept: bool,
}

impl Documents {
    /// Uses `files`, by way of a folder in `data`, and removes what earlier runs left unfinished there;
    /// what another process is taking right now is locked by it and stays.
    pub async fn open(data: &Path, files: &Store) -> io::Result<Self> {
        let room = files.room(crate::NAME, "documents");
        let folder = data.join(crate::NAME).join("documents");
        fs::create_dir_all(&folder).await?;
        let mut entries = fs::read_dir(&folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let unfinished = entry.file_name().to_string_lossy().ends_with(UNFINISHED);
            if unfinished
                && let Ok(file) = File::open(entry.path()).await
                && file.into_std().await.try_lock().is_ok()
            {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(Self { folder, room })
    }

    /// Starts to take a document.
    pub async fn take(&self) -> Result<Incoming, Problem> {
        let path = self.folder.join(format!("{}{UNFINISHED}", Uuid::new_v4()));
        let file = File::create_new(&path).await.map_err(StoreFault::from)?;
        let file = file.into_std().await;
        file.try_lock()
            .map_err(|error| StoreFault::from(io::Error::from(error)))?;
        Ok(Incoming {
            file: File::from_std(file),
            path,
            room: self.room.clone(),
            context: Context::new(&SHA256),
            length: 0,
            kept: false,
        })
    }

    /// Streams a document, once all its bytes together were found to have the digest.
    pub async fn give(
        &self,
        sha256: &[u8],
        bytes: u64,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, StoreFault>> + Send + use<>, StoreFault> {
        let (name, check) = (hex::encode(sha256), Sha256Check::new(sha256));
        let checked = self.room.check(&name, bytes, CHUNK, check).await?;
        Ok(stream::try_unfold(checked, |mut checked| async move {
            let chunk = checked.next().await?;
            Ok(chunk.map(|chunk| (chunk.to_vec(), checked)))
        }))
    }
}

impl Incoming {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.file.write_all(bytes).await.map_err(StoreFault::from)?;
        self.context.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes taken so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Keeps the document under its digest if that is the one stated; says whether it is. From a remote
    /// store it is read again before it counts as kept.
    pub async fn keep(mut self, sha256: &[u8]) -> Result<bool, Problem> {
        let digest = std::mem::replace(&mut self.context, Context::new(&SHA256)).finish();
        if digest.as_ref() != sha256 {
            return Ok(false);
        }
        self.file.flush().await.map_err(StoreFault::from)?;
        let name = hex::encode(sha256);
        self.room.admit(&self.path, &name).await?;
        self.kept = true;
        if self.room.is_remote() {
            let check = Sha256Check::new(sha256);
            let found = self.room.check(&name, self.length, CHUNK, check).await;
            found.map_err(|fault| {
                Problem::Unavailable(format!("the document {name} was put and {fault}"))
            })?;
        }
        Ok(true)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept {
            // Left behind at worst until the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use sunbid_proofs::hash::sha256;

    async fn given(
        documents: &Documents,
        digest: &[u8],
        bytes: usize,
    ) -> Result<Vec<u8>, StoreFault> {
        let mut stream = Box::pin(documents.give(digest, bytes as u64).await?);
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            whole.extend(chunk?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn documents_come_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path()).unwrap();
        let documents = Documents::open(folder.path(), &store).await.unwrap();
        let folder = folder.path().join("tender/documents");
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let digest = sha256(&[&content]);
            let mut incoming = documents.take().await.unwrap();
            for chunk in content.chunks(7_777) {
                incoming.write(chunk).await.unwrap();
            }
            assert!(incoming.keep(&digest).await.unwrap());
            assert_eq!(given(&documents, &digest, length).await.unwrap(), content);

            let path = folder.join(hex::encode(digest));
            let mut changed = content.clone();
            changed.push(1);
            std::fs::write(&path, &changed).unwrap();
            let longer = given(&documents, &digest, length).await.unwrap_err();
            assert!(matches!(longer, StoreFault::Length { .. }), "{longer}");
            if length > 0 {
                changed.pop();
                changed[length / 2] ^= 1;
                std::fs::write(&path, &changed).unwrap();
                // Told before the first byte: there is no stream at all.
                let fault = documents.give(&digest, length as u64).await.err().unwrap();
                assert!(matches!(fault, StoreFault::Changed), "{fault}");
            }
        }
        let lost = given(&documents, &[7; 32], 1).await.unwrap_err();
        assert!(matches!(lost, StoreFault::Lost), "{lost}");
    }

    #[tokio::test]
    async fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path()).unwrap();
        let documents = Documents::open(folder.path(), &store).await.unwrap();
        let folder = folder.path().join("tender/documents");
        let mut incoming = documents.take().await.unwrap();
        incoming.write(b"half").await.unwrap();
        assert!(!incoming.keep(&[0; 32]).await.unwrap());
        drop(documents.take().await.unwrap());
        std::fs::write(folder.join("left.part"), b"x").unwrap();
        let data = folder.parent().and_then(Path::parent).unwrap();
        Documents::open(data, &store).await.unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
