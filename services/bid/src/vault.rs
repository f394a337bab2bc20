//! Where sealed payloads lie: incoming files and whole ones, all under random names that are used once.
//! A file's name and place say nothing of tender, lot or bidder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sunbid_objects::{Room, Store, StoreFault, free_bytes, sync_folder};
use sunbid_service::Problem;
use uuid::Uuid;

use crate::{
    rpc::off_thread,
    store::{Discarded, UploadRow},
};

/// Free bytes of the disk that uploads leave for records, submissions and everything else.
pub const FREE_SPACE_FLOOR: u64 = 512 * 1024 * 1024;

/// The folder of incoming files and the room of whole ones.
#[derive(Clone, Debug)]
pub struct Vault {
    incoming: PathBuf,
    pub sealed: Room,
    free_space_floor: u64,
    /// The file with which this process proves that files are taken.
    proof: String,
}

impl Vault {
    pub fn open(folder: &Path, store: &Store, free_space_floor: u64) -> io::Result<Self> {
        let vault = Self {
            incoming: folder.join("incoming"),
            sealed: store.room(crate::NAME, "sealed"),
            free_space_floor,
            proof: format!("proof-{}", Self::fresh_name()),
        };
        fs::create_dir_all(&vault.incoming)?;
        if !store.is_remote() {
            fs::create_dir_all(vault.sealed.place(""))?;
        }
        sync_folder(folder)?;
        Ok(vault)
    }

    /// A name for a new file.
    pub fn fresh_name() -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// Folder of what is on its way.
    pub fn folder(&self) -> &Path {
        &self.incoming
    }

    pub fn incoming(&self, file: &str) -> PathBuf {
        self.incoming.join(file)
    }

    /// Removes everything that is left of a file that no upload has any more.
    pub async fn discard(&self, left: &Discarded) -> Result<(), StoreFault> {
        if self.sealed.is_remote() && !left.remote.is_empty() {
            self.sealed.abandon(&name(&left.file), &left.remote).await?;
        }
        self.sealed.remove(&name(&left.file)).await?;
        match tokio::fs::remove_file(self.incoming(&left.file)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the bytes that an upload says it has are there.
    pub async fn has(&self, row: &UploadRow, root: &[u8; 32]) -> Result<bool, StoreFault> {
        if row.complete {
            let size = self
                .sealed
                .size(&place(&row.file, row.by_root, root))
                .await?;
            return Ok(size == Some(row.payload_bytes));
        }
        if row.remote.is_empty() == self.sealed.is_remote() {
            // It began where files were kept elsewhere.
            return Ok(false);
        }
        if self.sealed.is_remote() || row.committed_bytes == 0 {
            return Ok(true);
        }
        match tokio::fs::metadata(self.incoming(&row.file)).await {
            Ok(file) => Ok(file.len() >= row.committed_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a file up and drops it again, and looks whether uploads would be taken.
    pub async fn prove(&self) -> Result<(), Problem> {
        let file = &self.proof;
        let staged = self.incoming(file);
        let path = staged.clone();
        let written = off_thread(move || {
            File::create(&path)
                .and_then(|mut file| file.write_all(b"proof").and_then(|()| file.sync_data()))
        });
        let proven = match written.await? {
            Ok(()) => self.sealed.admit(&staged, file).await,
            Err(error) => Err(error.into()),
        };
        // What a proof that failed leaves, the next one of this process replaces and drops.
        let dropped = self.sealed.remove(file).await;
        tokio::fs::remove_file(&staged).await.ok();
        proven.and(dropped)?;
        self.check_space(0).await
    }

    /// Refuses an upload that would leave less than twice the floor: what is sent ahead may not use up what
    /// submissions need, or suppliers could stop all intake and so move deadlines.
    pub async fn check_upload(&self, wanted: u64) -> Result<(), Problem> {
        // Of what goes to a remote store, only a piece at a time is here.
        let wanted = if self.sealed.is_remote() { 0 } else { wanted };
        self.check_space(wanted.saturating_add(self.free_space_floor))
            .await
    }

    /// Refuses where `wanted` more bytes would eat into the floor of the disk they come to.
    pub async fn check_space(&self, wanted: u64) -> Result<(), Problem> {
        let (folder, floor) = (self.incoming.clone(), self.free_space_floor);
        let free = off_thread(move || free_bytes(&folder)).await?;
        let free = free.map_err(Problem::internal)?;
        if free >= floor.saturating_add(wanted) {
            return Ok(());
        }
        Err(Problem::StorageFull(format!(
            "{free} bytes are free, {wanted} are wanted and {floor} must stay free"
        )))
    }
}

/// The name of a whole payload among the sealed ones.
pub fn name(file: &str) -> String {
    let (shelf, _) = file.split_at_checked(2).unwrap_or((file, ""));
    format!("{shelf}/{file}")
}

/// The same for an upload: those from before names were used once lie under their root.
pub fn place(file: &str, by_root: bool, root: &[u8; 32]) -> String {
    if by_root {
        name(&hex::encode(root))
    } else {
        name(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_admitted_file_lies_under_its_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path()).unwrap();
        let own = folder.path().join("bid");
        let vault = Vault::open(&own, &store, 0).unwrap();
        let file = Vault::fresh_name();
        fs::write(vault.incoming(&file), b"sealed").unwrap();
        let staged = vault.incoming(&file);
        vault.sealed.admit(&staged, &name(&file)).await.unwrap();
        let place = own.join("sealed").join(&file[..2]).join(&file);
        assert_eq!(fs::read(&place).unwrap(), b"sealed");
        assert!(!vault.incoming(&file).exists());
        let left = Discarded {
            file,
            remote: String::new(),
        };
        vault.discard(&left).await.unwrap();
        assert!(!place.exists());
        vault.discard(&left).await.unwrap();
    }

    #[tokio::test]
    async fn the_floor_stays_free() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path()).unwrap();
        let vault = Vault::open(&folder.path().join("bid"), &store, 0).unwrap();
        vault.check_space(1).await.unwrap();
        assert!(vault.check_space(u64::MAX).await.is_err());
        let greedy = Vault::open(&folder.path().join("bid"), &store, u64::MAX).unwrap();
        assert!(greedy.check_space(1).await.is_err());
    }
}
