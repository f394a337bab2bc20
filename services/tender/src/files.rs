//! Tender documents as files named by their SHA-256. A file is whole under its name or not there;
//! bytes that do not match the name are never served to their end.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures_util::{Stream, stream};
use ring::digest::{Context, SHA256};
use sunbid_service::Problem;
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
};
use tonic::Status;
use uuid::Uuid;

/// Bytes of one message.
pub const CHUNK: usize = 1024 * 1024;

const UNFINISHED: &str = ".part";

/// The folder of documents.
#[derive(Clone, Debug)]
pub struct Documents {
    folder: PathBuf,
}

/// A document on its way in; what is not finished is removed.
pub struct Incoming {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    context: Context,
    length: u64,
    kept: bool,
}

impl Documents {
    /// Uses `folder`, and removes what earlier runs left unfinished; what another process is taking
    /// right now is locked by it and stays.
    pub async fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder).await?;
        let mut entries = fs::read_dir(folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let unfinished = entry.file_name().to_string_lossy().ends_with(UNFINISHED);
            if unfinished
                && let Ok(file) = File::open(entry.path()).await
                && file.into_std().await.try_lock().is_ok()
            {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Starts to take a document.
    pub async fn take(&self) -> Result<Incoming, Problem> {
        let path = self.folder.join(format!("{}{UNFINISHED}", Uuid::new_v4()));
        let file = File::create_new(&path).await;
        let file = file.map_err(|error| fault(&error))?.into_std().await;
        file.try_lock().map_err(|error| fault(&error.into()))?;
        Ok(Incoming {
            file: File::from_std(file),
            path,
            folder: self.folder.clone(),
            context: Context::new(&SHA256),
            length: 0,
            kept: false,
        })
    }

    /// Streams a document. Its last chunk is only given when all bytes together have the digest.
    pub async fn give(
        &self,
        sha256: &[u8],
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Status>> + Send + use<>, Status> {
        let lost = lost(sha256);
        let path = self.folder.join(hex::encode(sha256));
        let file = match File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(lost),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "a document cannot be read");
                return Err(lost);
            }
        };
        let mut outgoing = Outgoing {
            file,
            context: Context::new(&SHA256),
            sha256: sha256.to_vec(),
            held: None,
            ended: false,
        };
        // What fits into one chunk is checked before its first byte leaves.
        let first = outgoing.next().await;
        let rest = stream::unfold(outgoing, |mut outgoing| async move {
            outgoing.next().await.map(|chunk| (chunk, outgoing))
        });
        let first = match first {
            Some(Err(status)) => return Err(status),
            first => stream::iter(first),
        };
        Ok(futures_util::StreamExt::chain(first, rest))
    }
}

impl Incoming {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.file
            .write_all(bytes)
            .await
            .map_err(|error| fault(&error))?;
        self.context.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes taken so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Keeps the document under its digest if that is the one stated; says whether it is.
    pub async fn keep(mut self, sha256: &[u8]) -> Result<bool, Problem> {
        let digest = std::mem::replace(&mut self.context, Context::new(&SHA256)).finish();
        if digest.as_ref() != sha256 {
            return Ok(false);
        }
        let result = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            fs::rename(&self.path, self.folder.join(hex::encode(sha256))).await?;
            File::open(&self.folder).await?.sync_all().await
        };
        result.await.map_err(|error: io::Error| fault(&error))?;
        self.kept = true;
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

struct Outgoing {
    file: File,
    context: Context,
    sha256: Vec<u8>,
    /// Read, and not given before it is known whether more follows.
    held: Option<Vec<u8>>,
    ended: bool,
}

impl Outgoing {
    async fn next(&mut self) -> Option<Result<Vec<u8>, Status>> {
        if self.ended {
            return None;
        }
        loop {
            let chunk = match self.read().await {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::error!(%error, sha256 = hex::encode(&self.sha256), "reading a document");
                    self.ended = true;
                    return Some(Err(lost(&self.sha256)));
                }
            };
            if chunk.is_empty() {
                self.ended = true;
                let context = std::mem::replace(&mut self.context, Context::new(&SHA256));
                if context.finish().as_ref() != self.sha256 {
                    tracing::error!(sha256 = hex::encode(&self.sha256), "a document has changed");
                    return Some(Err(lost(&self.sha256)));
                }
                return self.held.take().map(Ok);
            }
            self.context.update(&chunk);
            if let Some(before) = self.held.replace(chunk) {
                return Some(Ok(before));
            }
        }
    }

    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut self.file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .await?;
        Ok(chunk)
    }
}

fn lost(sha256: &[u8]) -> Status {
    Status::data_loss(format!(
        "已存文件缺失或已改变 (the stored document is missing or has changed): SHA-256 {}",
        hex::encode(sha256)
    ))
}

fn fault(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::StorageFull(error.to_string())
        }
        _ => Problem::internal(format!("a document cannot be stored: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use sunbid_proofs::hash::sha256;

    async fn given(documents: &Documents, digest: &[u8]) -> Result<Vec<u8>, Status> {
        let mut stream = Box::pin(documents.give(digest).await?);
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            whole.extend(chunk?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn documents_come_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::open(folder.path()).await.unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let digest = sha256(&[&content]);
            let mut incoming = documents.take().await.unwrap();
            for chunk in content.chunks(7_777) {
                incoming.write(chunk).await.unwrap();
            }
            assert!(incoming.keep(&digest).await.unwrap());
            assert_eq!(given(&documents, &digest).await.unwrap(), content);

            let path = folder.path().join(hex::encode(digest));
            let mut changed = content.clone();
            changed.push(1);
            std::fs::write(&path, &changed).unwrap();
            let status = given(&documents, &digest).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::DataLoss);
            assert!(status.message().contains(&hex::encode(digest)));
        }
        assert_eq!(
            given(&documents, &[7; 32]).await.unwrap_err().code(),
            tonic::Code::DataLoss
        );
    }

    #[tokio::test]
    async fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::open(folder.path()).await.unwrap();
        let mut incoming = documents.take().await.unwrap();
        incoming.write(b"half").await.unwrap();
        assert!(!incoming.keep(&[0; 32]).await.unwrap());
        drop(documents.take().await.unwrap());
        std::fs::write(folder.path().join("left.part"), b"x").unwrap();
        Documents::open(folder.path()).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
