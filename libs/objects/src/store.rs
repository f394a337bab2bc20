//! Where all files are: the data folder, or a remote store with the data folder for what is on its way.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3, local::LocalFileSystem,
    path::Path as Key,
};
use tokio::sync::Semaphore;

use crate::{
    Room, StoreFault,
    connect::{OpenFault, Remote},
    fault::{of_folder, of_remote},
};

/// The object that says that a remote store is this installation's. A store that does not have it is
/// away, whatever it says of other objects: an empty bucket in its place has lost nothing.
const MARK: &str = "sunbid-files";
const MARK_TEXT: &str = "The files of a Sunbid installation. While this object is here, a file that is \
     not here is lost.\n";

/// Pieces in memory at a time, of all who write.
const PIECES_IN_MEMORY: usize = 8;

/// Where files are kept.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Arc<Kept>);

#[derive(Debug)]
pub(crate) struct Kept {
    pub folder: PathBuf,
    pub prefix: String,
    pub files: Arc<dyn ObjectStore>,
    /// The same store, where it is remote.
    pub remote: Option<Arc<AmazonS3>>,
    pub memory: Semaphore,
}

impl Store {
    /// Files in the data folder, each of them for good once it is there.
    pub fn in_folder(data: &Path) -> Result<Self, StoreFault> {
        std::fs::create_dir_all(data)?;
        let files = LocalFileSystem::new_with_prefix(data).map_err(of_folder)?;
        Ok(Self(Arc::new(Kept {
            folder: data.to_owned(),
            prefix: String::new(),
            files: Arc::new(files),
            remote: None,
            memory: Semaphore::new(PIECES_IN_MEMORY),
        })))
    }

    /// Files in a remote store; what is on its way there passes through the data folder.
    pub fn remote(data: &Path, settings: &Remote) -> Result<Self, OpenFault> {
        let remote = Arc::new(settings.connect()?);
        Ok(Self(Arc::new(Kept {
            folder: data.to_owned(),
            prefix: settings.prefix.clone(),
            files: remote.clone(),
            remote: Some(remote),
            memory: Semaphore::new(PIECES_IN_MEMORY),
        })))
    }

    pub fn is_remote(&self) -> bool {
        self.0.remote.is_some()
    }

    /// Sees that a remote store is there and can be written to and read from, and leaves the mark by
    /// which it is known again.
    pub async fn check(&self) -> Result<(), StoreFault> {
        if !self.is_remote() {
            return Ok(());
        }
        match self.0.marked().await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let payload = PutPayload::from_static(MARK_TEXT.as_bytes());
                self.0
                    .files
                    .put(&self.0.mark(), payload)
                    .await
                    .map_err(of_remote)?;
                if self.0.marked().await? {
                    Ok(())
                } else {
                    Err(StoreFault::Away(
                        "it does not keep what is put there".to_owned(),
                    ))
                }
            }
            Err(fault) => Err(fault),
        }
    }

    /// The files of one kind of a service, `SERVICE/KIND`.
    pub fn room(&self, service: &str, kind: &str) -> Room {
        Room::new(self.clone(), format!("{service}/{kind}"))
    }
}

impl Kept {
    fn mark(&self) -> Key {
        self.key(MARK)
    }

    pub fn key(&self, name: &str) -> Key {
        if self.prefix.is_empty() {
            Key::from(name)
        } else {
            Key::from(format!("{}/{name}", self.prefix))
        }
    }

    /// Whether the remote store has the mark.
    pub async fn marked(&self) -> Result<bool, StoreFault> {
        match self.files.get(&self.mark()).await {
            Ok(found) => {
                let text = found.bytes().await.map_err(of_remote)?;
                Ok(text == MARK_TEXT.as_bytes())
            }
            Err(error) => match of_remote(error) {
                StoreFault::Lost => Ok(false),
                fault => Err(fault),
            },
        }
    }

    /// What an error about a file means.
    pub async fn fault(&self, error: object_store::Error) -> StoreFault {
        if self.remote.is_none() {
            return of_folder(error);
        }
        match of_remote(error) {
            StoreFault::Lost => match self.marked().await {
                Ok(true) => StoreFault::Lost,
                Ok(false) => StoreFault::Away(format!(
                    "it does not have {MARK}, so it is not the store of this installation"
                )),
                Err(fault) => fault,
            },
            fault => fault,
        }
    }
}
