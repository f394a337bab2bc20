//! What an installation keeps beside its databases: sealed payloads and documents, which are put in
//! place whole and never change, and a few small files. Found by looking at folders; those that did not
//! change since they were looked at twice are not looked at again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    fault::{BackupFault, at},
    point::{FileCopy, digest_of, sync_folder},
};

/// Not copied: keys (the caller hands them over as it wants them kept), locks of processes, and uploads
/// that are under way, which their suppliers begin again.
const LEFT_OUT: [&str; 3] = ["keys", "processes", "bid/incoming"];
/// Where small files lie whose last version is what counts.
const NOTED: &str = "roots";

#[derive(Default)]
pub(crate) struct Seen {
    /// When a folder last changed, whether that was seen twice, and what is in it.
    folders: HashMap<PathBuf, Folder>,
    /// Length and time of change of each file that was copied.
    files: BTreeMap<String, (u64, Option<SystemTime>)>,
    notes: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Folder {
    changed: Option<SystemTime>,
    settled: bool,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// What is to be copied, and what is no more.
#[derive(Default)]
pub(crate) struct Changes {
    pub added: Vec<String>,
    pub gone: Vec<String>,
    pub notes: BTreeMap<String, String>,
}

impl Seen {
    /// Looks at everything under `root` but `besides`, which the caller takes care of.
    pub fn look(&mut self, root: &Path, besides: &[PathBuf]) -> Result<Changes, BackupFault> {
        let mut changes = Changes::default();
        let mut there = BTreeSet::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            let listed = self.list(root, &folder)?;
            for file in listed.files {
                let name = file.to_string_lossy().into_owned();
                if besides.contains(&file) || is_left_out(&name) {
                    continue;
                }
                if folder.as_os_str().is_empty() || folder == Path::new(NOTED) {
                    self.note(root, name, &mut changes)?;
                    continue;
                }
                let path = root.join(&file);
                let is = match fs::metadata(&path) {
                    Ok(is) => (is.len(), is.modified().ok()),
                    // Taken away while we look.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(at(&path)(error)),
                };
                if self.files.get(&name) != Some(&is) {
                    self.files.insert(name.clone(), is);
                    changes.added.push(name.clone());
                }
                there.insert(name);
            }
            waiting.extend(listed.folders);
        }
        let gone = self.files.keys().filter(|name| !there.contains(*name));
        changes.gone = gone.cloned().collect();
        for name in &changes.gone {
            self.files.remove(name);
        }
        Ok(changes)
    }

    fn note(
        &mut self,
        root: &Path,
        name: String,
        changes: &mut Changes,
    ) -> Result<(), BackupFault> {
        let path = root.join(&name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&path)(error)),
        };
        if self.notes.get(&name) != Some(&text) {
            self.notes.insert(name.clone(), text.clone());
            changes.notes.insert(name, text);
        }
        Ok(())
    }

    fn list(&mut self, root: &Path, folder: &Path) -> Result<Folder, BackupFault> {
        let path = root.join(folder);
        let changed = match fs::metadata(&path) {
            Ok(is) => is.modified().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Folder::default()),
            Err(error) => return Err(at(&path)(error)),
        };
        let known = self.folders.get(folder);
        if let Some(known) = known.filter(|known| known.settled && known.changed == changed) {
            return Ok(known.clone());
        }
        let mut listed = Folder {
            changed,
            // A file that comes within one tick of the clock changes no time.
            settled: known.is_some_and(|known| known.changed == changed),
            ..Folder::default()
        };
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            let own = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(at(&entry.path()))?;
            if kind.is_dir() {
                if !LEFT_OUT.iter().any(|left| own == Path::new(left)) {
                    listed.folders.push(own);
                }
            } else if kind.is_file() {
                listed.files.push(own);
            }
        }
        self.folders.insert(folder.to_owned(), listed.clone());
        Ok(listed)
    }
}

/// Databases, which are copied in their own way, and what only running processes mean.
fn is_left_out(name: &str) -> bool {
    let ends = [".db", ".db-wal", ".db-shm", ".lock", ".new"];
    // What the bid service proves with, every second, that it takes files.
    let proof = name.starts_with("bid/sealed/proof-");
    name == "lock" || proof || ends.iter().any(|end| name.ends_with(end))
}

/// Copies a file under its digest; one with the same content is there already. Nothing if it was taken
/// away meanwhile.
pub(crate) fn keep(store: &Path, root: &Path, name: &str) -> Result<Option<FileCopy>, BackupFault> {
    let path = root.join(name);
    let from = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    fs::create_dir_all(store).map_err(at(store))?;
    let beside = store.join("incoming");
    let mut to = File::create(&beside).map_err(at(&beside))?;
    let (bytes, sha256) = digest_of(from, |piece| to.write_all(piece)).map_err(at(&path))?;
    put(store, &beside, &to, &sha256)?;
    Ok(Some(FileCopy {
        path: name.to_owned(),
        bytes,
        sha256,
    }))
}

/// Keeps bytes under their digest.
pub(crate) fn keep_bytes(store: &Path, name: &str, bytes: &[u8]) -> Result<FileCopy, BackupFault> {
    fs::create_dir_all(store).map_err(at(store))?;
    let beside = store.join("incoming");
    let mut to = File::create(&beside).map_err(at(&beside))?;
    let (bytes, sha256) = digest_of(bytes, |piece| to.write_all(piece)).map_err(at(&beside))?;
    put(store, &beside, &to, &sha256)?;
    Ok(FileCopy {
        path: name.to_owned(),
        bytes,
        sha256,
    })
}

fn put(store: &Path, beside: &Path, file: &File, sha256: &str) -> Result<(), BackupFault> {
    file.sync_all().map_err(at(beside))?;
    let place = place(store, sha256);
    let shelf = place.parent().unwrap_or(store);
    fs::create_dir_all(shelf).map_err(at(shelf))?;
    // What stands there may have been damaged since; the new copy is as good as the first.
    fs::rename(beside, &place).map_err(at(&place))?;
    sync_folder(shelf)
}

/// Where a file with this digest is kept.
pub(crate) fn place(store: &Path, sha256: &str) -> PathBuf {
    let shelf = sha256.get(..2).unwrap_or_default();
    store.join(shelf).join(sha256)
}
