//! Making a backup of a running installation: a base copy, and then one point after the other. Each
//! point is one moment at which nobody was writing into any database, so that no service is restored
//! ahead of another that it follows. Holds the databases' write-ahead logs; whoever stops it lets go.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use sunbid_proofs::Signer;
use sunbid_terms::Clock;

use crate::{
    fault::{BackupFault, at},
    files::{self, Seen},
    live::Live,
    point::{BaseCopy, FileCopy, Point, Segment, digest, digest_of, generations, sync_folder},
};

/// What is copied.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The platform's name.
    pub origin: String,
    /// Its folder; the database of a service is the file `{name}.db` in it.
    pub root: PathBuf,
    pub databases: Vec<String>,
    /// Files within the folder that are secret and not copied as they stand.
    pub secret_files: Vec<PathBuf>,
    /// The secrets in the form in which the backup may have them, by file name.
    pub secrets: Vec<(String, Vec<u8>)>,
}

/// Writes one generation of a backup.
pub struct Archiver {
    installation: Installation,
    backup: PathBuf,
    folder: PathBuf,
    signer: Signer,
    clock: Arc<dyn Clock>,
    databases: Vec<Live>,
    seen: Seen,
    generation: u64,
    frames: File,
    frames_end: u64,
    points: File,
    /// Number, time and digest of the last point.
    last: Option<(u64, i64, String)>,
    // Keeps a second writer out for as long as this one lives.
    _lock: File,
}

/// What one moment shows of the databases.
struct Cut {
    time_us: i64,
    /// Committed frames and page size, for each database.
    frames: Vec<(Vec<u8>, u32)>,
}

impl Archiver {
    /// Begins a generation with a base copy of everything, which is its first point.
    pub async fn begin(
        installation: Installation,
        backup: &Path,
        signer: Signer,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Point), BackupFault> {
        fs::create_dir_all(backup).map_err(at(backup))?;
        let lock_file = backup.join("lock");
        let lock = File::create(&lock_file).map_err(at(&lock_file))?;
        lock.try_lock()
            .map_err(|_| BackupFault::Held(backup.to_owned()))?;
        let generation = generations(backup)?.last().map_or(1, |(last, _)| last + 1);
        let folder = backup.join("generations").join(format!("{generation:08}"));
        fs::create_dir_all(folder.join("base")).map_err(at(&folder))?;
        let open = |name: &str| {
            let path = folder.join(name);
            let file = OpenOptions::new().create_new(true).append(true).open(&path);
            file.map_err(at(&path))
        };
        let (frames, points) = (open("frames")?, open("points")?);
        let mut databases = Vec::new();
        for name in &installation.databases {
            let path = installation.root.join(format!("{name}.db"));
            databases.push(Live::open(name, &path).await?);
        }
        let mut archiver = Self {
            installation,
            backup: backup.to_owned(),
            folder,
            signer,
            clock,
            databases,
            seen: Seen::default(),
            generation,
            frames,
            frames_end: 0,
            points,
            last: None,
            _lock: lock,
        };
        let cut = archiver.cut().await?;
        // While the copies are made SQLite writes nothing into the files but pages of the frames that
        // the cut has: whatever a copy caught half of them is made whole by applying those.
        let bases = archiver.copy_bases()?;
        let mut files = Vec::new();
        for (name, bytes) in &archiver.installation.secrets {
            files.push(files::keep_bytes(&archiver.store(), name, bytes)?);
        }
        let verifier = archiver.backup.join("verifier");
        fs::write(&verifier, format!("{}\n", archiver.signer.verifier())).map_err(at(&verifier))?;
        let point = archiver.write(cut, bases, files)?;
        sync_folder(&archiver.backup.join("generations"))?;
        // Nothing changed would be no point; the first always is one.
        let point = point.ok_or_else(|| BackupFault::None(archiver.folder.clone()))?;
        Ok((archiver, point))
    }

    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds a point, unless nothing has changed since the last.
    pub async fn point(&mut self) -> Result<Option<Point>, BackupFault> {
        let cut = self.cut().await?;
        self.write(cut, Vec::new(), Vec::new())
    }

    /// Lets go of the databases.
    pub async fn end(self) {
        for database in self.databases {
            database.close().await;
        }
    }

    fn store(&self) -> PathBuf {
        self.backup.join("files")
    }

    /// Keeps every writer out for the moment that it takes to read what was committed.
    async fn cut(&mut self) -> Result<Cut, BackupFault> {
        let mut closed = 0;
        let mut fault = None;
        for database in &mut self.databases {
            if let Err(error) = database.close_gate().await {
                fault = Some(error);
                break;
            }
            closed += 1;
        }
        let mut frames = Vec::new();
        let mut time_us = self.clock.now().micros();
        if let Some((_, last, _)) = &self.last {
            time_us = time_us.max(*last);
        }
        if fault.is_none() {
            for database in &mut self.databases {
                match database.read_on() {
                    Ok(read) => frames.push((read, database.page_size())),
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
                if let Err(error) = database.hold_from_here().await {
                    fault = Some(error);
                    break;
                }
            }
        }
        for database in self.databases.iter_mut().take(closed) {
            let opened = database.open_gate().await;
            fault = fault.or(opened.err());
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Cut { time_us, frames }),
        }
    }

    fn copy_bases(&self) -> Result<Vec<BaseCopy>, BackupFault> {
        let mut bases = Vec::new();
        for database in &self.databases {
            let path = self
                .folder
                .join("base")
                .join(format!("{}.db", database.name));
            let from = File::open(&database.path).map_err(at(&database.path))?;
            let mut to = File::create_new(&path).map_err(at(&path))?;
            let (bytes, sha256) =
                digest_of(from, |piece| to.write_all(piece)).map_err(at(&path))?;
            to.sync_all().map_err(at(&path))?;
            bases.push(BaseCopy {
                database: database.name.clone(),
                bytes,
                sha256,
            });
        }
        sync_folder(&self.folder.join("base"))?;
        Ok(bases)
    }

    fn write(
        &mut self,
        cut: Cut,
        bases: Vec<BaseCopy>,
        mut files: Vec<FileCopy>,
    ) -> Result<Option<Point>, BackupFault> {
        // Payloads are in their place before a commit speaks of them, so whatever the cut speaks of is
        // there when we look after it.
        let changes = self
            .seen
            .look(&self.installation.root, &self.installation.secret_files)?;
        for name in &changes.added {
            files.extend(files::keep(&self.store(), &self.installation.root, name)?);
        }
        let path = self.folder.join("frames");
        let mut segments = Vec::new();
        for (database, (frames, page_size)) in self.databases.iter().zip(&cut.frames) {
            if frames.is_empty() {
                continue;
            }
            self.frames.write_all(frames).map_err(at(&path))?;
            segments.push(Segment {
                database: database.name.clone(),
                offset: self.frames_end,
                bytes: frames.len() as u64,
                page_size: *page_size,
                sha256: digest(frames),
            });
            self.frames_end += frames.len() as u64;
        }
        let idle = bases.is_empty()
            && segments.is_empty()
            && files.is_empty()
            && changes.gone.is_empty()
            && changes.notes.is_empty();
        if idle {
            return Ok(None);
        }
        self.frames.sync_all().map_err(at(&path))?;
        let point = Point {
            origin: self.installation.origin.clone(),
            generation: self.generation,
            number: self.last.as_ref().map_or(0, |(number, _, _)| number + 1),
            time_us: cut.time_us,
            previous: self
                .last
                .as_ref()
                .map_or_else(String::new, |last| last.2.clone()),
            bases,
            segments,
            files,
            gone: changes.gone,
            notes: changes.notes,
        };
        let line = point.line(&self.signer)?;
        let path = self.folder.join("points");
        self.points
            .write_all(line.as_bytes())
            .and_then(|()| self.points.sync_all())
            .map_err(at(&path))?;
        let digest = digest(line.trim_end_matches('\n').as_bytes());
        self.last = Some((point.number, point.time_us, digest));
        Ok(Some(point))
    }
}
