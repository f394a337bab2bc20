//! Files of a local folder that must stay: synced, renamed into place, and the folders synced.
//! Blocking.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Moves a whole file to its place, for good when this returns.
pub fn admit(staged: &Path, place: &Path) -> io::Result<()> {
    File::open(staged)?.sync_all()?;
    if let Some(shelf) = place.parent() {
        if !shelf.is_dir() {
            fs::create_dir_all(shelf)?;
            if let Some(above) = shelf.parent() {
                sync_folder(above)?;
            }
        }
        fs::rename(staged, place)?;
        sync_folder(shelf)?;
    }
    if let Some(from) = staged.parent() {
        sync_folder(from)?;
    }
    Ok(())
}

/// Removes a file; one that is gone already is fine.
pub fn remove(place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What was renamed or removed in the folder stays so when this returns.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Free bytes of the disk that `folder` is on.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
