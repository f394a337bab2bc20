//! Where sealed payloads lie: incoming files under random names, whole ones under their root. A
//! file's name and place say nothing of tender, lot or bidder. Blocking; called off the async threads.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// Free bytes of the disk that uploads leave for records, submissions and everything else.
pub const FREE_SPACE_FLOOR: u64 = 512 * 1024 * 1024;

/// The folder of sealed payloads.
#[derive(Clone, Debug)]
pub struct Vault {
    incoming: PathBuf,
    sealed: PathBuf,
    free_space_floor: u64,
}

impl Vault {
    pub fn open(folder: &Path, free_space_floor: u64) -> io::Result<Self> {
        let vault = Self {
            incoming: folder.join("incoming"),
            sealed: folder.join("sealed"),
            free_space_floor,
        };
        fs::create_dir_all(&vault.incoming)?;
        fs::create_dir_all(&vault.sealed)?;
        sync_folder(folder)?;
        Ok(vault)
    }

    /// A name for a new incoming file.
    pub fn fresh_name() -> String {
        Uuid::new_v4().simple().to_string()
    }

    pub fn incoming(&self, file: &str) -> PathBuf {
        self.incoming.join(file)
    }

    /// Where the payload with this root lies once it is whole.
    pub fn sealed(&self, root: &[u8; 32]) -> PathBuf {
        let name = hex::encode(root);
        let (shelf, _) = name.split_at(2);
        self.sealed.join(shelf).join(&name)
    }

    /// Moves a whole, synced incoming file to its place, for good when this returns.
    pub fn admit(&self, file: &str, root: &[u8; 32]) -> io::Result<()> {
        let place = self.sealed(root);
        let shelf = place.parent().unwrap_or(&self.sealed);
        if !shelf.is_dir() {
            fs::create_dir_all(shelf)?;
            sync_folder(&self.sealed)?;
        }
        fs::rename(self.incoming(file), &place)?;
        sync_folder(shelf)?;
        sync_folder(&self.incoming)
    }

    /// Removes an incoming file; one that is gone already is fine.
    pub fn discard(&self, file: &str) -> io::Result<()> {
        match fs::remove_file(self.incoming(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a whole payload; one that is gone already is fine.
    pub fn remove(&self, root: &[u8; 32]) -> io::Result<()> {
        match fs::remove_file(self.sealed(root)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes, syncs and removes a file, and looks whether uploads would be taken; why not.
    pub fn prove(&self) -> io::Result<Result<(), String>> {
        let path = self
            .incoming
            .with_file_name(format!("proof-{}", Self::fresh_name()));
        let written = File::create(&path)
            .and_then(|mut file| file.write_all(b"proof").and_then(|()| file.sync_data()));
        let removed = fs::remove_file(&path);
        written.and(removed)?;
        self.check_space(0)
    }

    /// Refuses where `wanted` more bytes would eat into the floor; says how much is free.
    pub fn check_space(&self, wanted: u64) -> io::Result<Result<(), String>> {
        let disk = rustix::fs::statvfs(&self.incoming)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= self.free_space_floor.saturating_add(wanted) {
            return Ok(Ok(()));
        }
        Ok(Err(format!(
            "{free} bytes are free, {wanted} are wanted and {} must stay free",
            self.free_space_floor
        )))
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admitted_file_lies_under_its_root_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path(), 0).unwrap();
        let (name, root) = (Vault::fresh_name(), [0xab; 32]);
        fs::write(vault.incoming(&name), b"sealed").unwrap();
        vault.admit(&name, &root).unwrap();
        assert_eq!(fs::read(vault.sealed(&root)).unwrap(), b"sealed");
        assert!(
            vault
                .sealed(&root)
                .starts_with(folder.path().join("sealed/ab"))
        );
        assert!(!vault.incoming(&name).exists());
        vault.discard(&name).unwrap();
        vault.remove(&root).unwrap();
        assert!(!vault.sealed(&root).exists());
        vault.remove(&root).unwrap();
    }

    #[test]
    fn the_floor_stays_free() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path(), 0).unwrap();
        assert_eq!(vault.check_space(1).unwrap(), Ok(()));
        assert!(vault.check_space(u64::MAX).unwrap().is_err());
        let greedy = Vault::open(folder.path(), u64::MAX).unwrap();
        assert!(greedy.check_space(1).unwrap().is_err());
    }
}
