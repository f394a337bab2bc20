//! Reading a backup, and making an installation from one of its points. Every byte is compared with the
//! digest that a signed point names; what does not fit is named, and nothing is restored.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use sunbid_proofs::Verifier;
use sunbid_terms::Instant;

use crate::{
    fault::{BackupFault, at, damaged},
    files::place,
    point::{FileCopy, Point, Segment, digest, digest_of, generations, read_points, sync_folder},
    wal,
};

/// A backup that was opened.
pub struct Backup {
    path: PathBuf,
    generations: Vec<Generation>,
}

struct Generation {
    number: u64,
    folder: PathBuf,
    points: Result<Vec<Point>, BackupFault>,
}

/// The point that will be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub generation: u64,
    pub number: u64,
    pub time: Instant,
    /// The newest point of the backup.
    pub newest: Instant,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub databases: u64,
    pub commits_bytes: u64,
    pub files: u64,
}

impl Backup {
    /// Opens a backup whose points `verifier` signed. A damaged generation is named when it is asked
    /// for.
    pub fn open(path: &Path, verifier: &Verifier) -> Result<Self, BackupFault> {
        let mut found = Vec::new();
        for (number, folder) in generations(path)? {
            let file = folder.join("points");
            let points = read_points(&file, number, verifier);
            // One that was begun and never got its first point is no generation.
            if points.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            found.push(Generation {
                number,
                folder,
                points,
            });
        }
        if found.is_empty() {
            return Err(BackupFault::None(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            generations: found,
        })
    }

    /// Every point that can be asked for, the oldest first.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        let whole = self
            .generations
            .iter()
            .filter_map(|one| one.points.as_ref().ok());
        whole.flatten()
    }

    /// The last point at or before `to`, or the last of all. Of `generation` where one is named.
    pub fn choose(
        self,
        to: Option<Instant>,
        generation: Option<u64>,
    ) -> Result<(Self, Chosen), BackupFault> {
        let newest = self.points().map(Point::time).max();
        let earliest = self.points().map(Point::time).min();
        let mut kept = None;
        let Self { path, generations } = self;
        let mut others = Vec::new();
        for one in generations.into_iter().rev() {
            if kept.is_some() || generation.is_some_and(|number| number != one.number) {
                others.push(one);
                continue;
            }
            // Were it passed over, an older state would be restored and nobody told.
            let points = one.points?;
            let covers = points
                .iter()
                .rev()
                .find(|point| to.is_none_or(|to| point.time() <= to));
            let chosen = covers.map(|point| (point.number, point.time()));
            let one = Generation {
                points: Ok(points),
                ..one
            };
            if let Some((number, time)) = chosen {
                kept = Some(Chosen {
                    generation: one.number,
                    number,
                    time,
                    newest: newest.unwrap_or(time),
                });
            }
            others.push(one);
        }
        others.reverse();
        match (kept, earliest, to) {
            (Some(chosen), _, _) => Ok((
                Self {
                    path,
                    generations: others,
                },
                chosen,
            )),
            (None, Some(earliest), Some(asked)) => Err(BackupFault::TooEarly { asked, earliest }),
            _ => Err(BackupFault::None(path)),
        }
    }

    /// Makes the folder `target` as the installation was at a point: whole, or not at all. Settings,
    /// what witnesses saw and a sandbox's clock are the newest that are known: they must not go back.
    pub async fn restore(&self, chosen: &Chosen, target: &Path) -> Result<Restored, BackupFault> {
        if target.exists() {
            return Err(BackupFault::Exists(target.to_owned()));
        }
        let mut beside = target.as_os_str().to_owned();
        beside.push(".restoring");
        let beside = PathBuf::from(beside);
        if beside.exists() {
            return Err(BackupFault::Exists(beside));
        }
        fs::create_dir_all(&beside).map_err(at(&beside))?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o700)).map_err(at(&beside))?;
        let restored = self.restore_into(chosen, &beside).await;
        if restored.is_err() {
            // Half an installation is none.
            fs::remove_dir_all(&beside).map_err(at(&beside))?;
            return restored;
        }
        fs::rename(&beside, target).map_err(at(target))?;
        sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        restored
    }

    async fn restore_into(&self, chosen: &Chosen, to: &Path) -> Result<Restored, BackupFault> {
        let (folder, points) = self.until(chosen)?;
        let mut databases = 0;
        let mut commits_bytes = 0;
        for base in points.iter().flat_map(|point| &point.bases) {
            let name = &base.database;
            let from = folder.join("base").join(format!("{name}.db"));
            let file = to.join(checked(&from, &format!("{name}.db"))?);
            copy(&from, base.bytes, &base.sha256, &file)?;
            let segments = points.iter().flat_map(|point| &point.segments);
            for segment in segments.filter(|segment| segment.database == *name) {
                let frames = read_segment(&folder.join("frames"), segment)?;
                let database = File::options().write(true).open(&file).map_err(at(&file))?;
                wal::apply(&frames, segment.page_size, &database).map_err(at(&file))?;
                commits_bytes += segment.bytes;
            }
            File::open(&file)
                .and_then(|file| file.sync_all())
                .map_err(at(&file))?;
            sound(name, &file).await?;
            databases += 1;
        }
        let mut files: BTreeMap<&str, &FileCopy> = BTreeMap::new();
        for point in points {
            for gone in &point.gone {
                files.remove(gone.as_str());
            }
            for file in &point.files {
                files.insert(&file.path, file);
            }
        }
        let store = self.path.join("files");
        for file in files.values() {
            let from = place(&store, &file.sha256);
            let path = to.join(checked(&from, &file.path)?);
            let parent = path.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(at(parent))?;
            copy(&from, file.bytes, &file.sha256, &path)?;
        }
        for (name, text) in self.newest_notes() {
            let path = to.join(checked(to, name)?);
            let parent = path.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(at(parent))?;
            fs::write(&path, text).map_err(at(&path))?;
        }
        Ok(Restored {
            databases,
            commits_bytes,
            files: files.len() as u64,
        })
    }

    /// Compares everything that the backup holds with its digests; how many points can be restored.
    pub fn verify(&self) -> Result<u64, BackupFault> {
        let mut count = 0;
        let mut files = BTreeMap::new();
        for one in &self.generations {
            let points = match &one.points {
                Ok(points) => points,
                Err(fault) => {
                    return Err(damaged(&one.folder.join("points"), fault.to_string()));
                }
            };
            for point in points {
                for base in &point.bases {
                    let file = one
                        .folder
                        .join("base")
                        .join(format!("{}.db", base.database));
                    compare(&file, base.bytes, &base.sha256)?;
                }
                for segment in &point.segments {
                    read_segment(&one.folder.join("frames"), segment)?;
                }
                for file in &point.files {
                    files.insert(file.sha256.clone(), file.bytes);
                }
                count += 1;
            }
        }
        for (sha256, bytes) in files {
            compare(&place(&self.path.join("files"), &sha256), bytes, &sha256)?;
        }
        Ok(count)
    }

    fn until(&self, chosen: &Chosen) -> Result<(&Path, &[Point]), BackupFault> {
        let one = self
            .generations
            .iter()
            .find(|one| one.number == chosen.generation);
        let points = one.and_then(|one| Some((one, one.points.as_ref().ok()?)));
        let end = usize::try_from(chosen.number + 1).unwrap_or(usize::MAX);
        points
            .and_then(|(one, points)| Some((one.folder.as_path(), points.get(..end)?)))
            .ok_or_else(|| BackupFault::None(self.path.clone()))
    }

    fn newest_notes(&self) -> BTreeMap<&str, &str> {
        let mut notes = BTreeMap::new();
        for point in self.points() {
            for (name, text) in &point.notes {
                notes.insert(name.as_str(), text.as_str());
            }
        }
        notes
    }
}

/// A name within a folder; a signed one is trusted to be no other, and still looked at.
fn checked<'a>(file: &Path, name: &'a str) -> Result<&'a Path, BackupFault> {
    let path = Path::new(name);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.is_empty() {
        Ok(path)
    } else {
        Err(damaged(
            file,
            format!("{name:?} is not a name within a folder"),
        ))
    }
}

fn copy(from: &Path, bytes: u64, sha256: &str, to: &Path) -> Result<(), BackupFault> {
    let source = File::open(from).map_err(|error| damaged(from, error.to_string()))?;
    let mut target = File::create_new(to).map_err(at(to))?;
    let found = digest_of(source, |piece| target.write_all(piece)).map_err(at(to))?;
    if found != (bytes, sha256.to_owned()) {
        return Err(damaged(from, "its bytes are not those that were copied"));
    }
    target.sync_all().map_err(at(to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o600)).map_err(at(to))
}

fn compare(file: &Path, bytes: u64, sha256: &str) -> Result<(), BackupFault> {
    let source = File::open(file).map_err(|error| damaged(file, error.to_string()))?;
    if digest_of(source, |_| Ok(())).map_err(at(file))? == (bytes, sha256.to_owned()) {
        Ok(())
    } else {
        Err(damaged(file, "its bytes are not those that were copied"))
    }
}

fn read_segment(file: &Path, segment: &Segment) -> Result<Vec<u8>, BackupFault> {
    let mut frames = Vec::new();
    let read = File::open(file).and_then(|mut open| {
        open.seek(SeekFrom::Start(segment.offset))?;
        open.take(segment.bytes).read_to_end(&mut frames)
    });
    read.map_err(|error| damaged(file, error.to_string()))?;
    let whole = wal::frame_length(segment.page_size);
    if frames.len() as u64 != segment.bytes
        || digest(&frames) != segment.sha256
        || !frames.len().is_multiple_of(whole)
    {
        let place = format!(
            "the bytes from {} on are not those that were copied",
            segment.offset
        );
        return Err(damaged(file, place));
    }
    Ok(frames)
}

/// Whether SQLite finds the restored database whole.
async fn sound(name: &str, file: &Path) -> Result<(), BackupFault> {
    let fault = |source| BackupFault::Database {
        database: name.to_owned(),
        source,
    };
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.map_err(fault)?;
    let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut connection)
        .await
        .map_err(fault)?;
    connection.close().await.map_err(fault)?;
    if said == "ok" {
        Ok(())
    } else {
        Err(BackupFault::Form {
            database: name.to_owned(),
            what: format!("SQLite finds it damaged: {said}"),
        })
    }
}
