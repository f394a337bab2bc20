//! The public log: what outsiders see of all logs together, and nothing more.
//!
//! Each epoch adds exactly one leaf: the root over the heads of all open logs, each blinded anew, so
//! that neither activity nor its absence shows. Witnesses cosign its checkpoints. It must never be
//! continued from data that are older than what a witness saw.

mod disclosure;
mod heads;
mod tree;
mod witness;

use std::sync::Arc;

use sunbid_proofs::merkle::{self, empty_root};
use sunbid_proofs::{Checkpoint, EpochLeaf, Hash, LogId, Note, NoteError, Signer};
use sunbid_terms::Instant;

use crate::db::{Db, Many, Migration, Val};
use crate::error::{OpenError, ReadError};
use crate::lease::Fence;
use crate::rows::{self, blob, int};

pub use disclosure::Disclosure;
pub use witness::Witnessed;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "public_log",
    sql: include_str!("../../../migrations/journal/0001_public_log.sql"),
}];

const LAST_EPOCH: &str = "SELECT n, at_us, checkpoint FROM epoch ORDER BY n DESC LIMIT 1";
const EPOCHS: &str =
    "SELECT n, at_us, root, checkpoint FROM epoch WHERE n >= $1 ORDER BY n LIMIT $2";
const ADD_EPOCH: &str = "INSERT INTO epoch (n, at_us, root, checkpoint) VALUES ($1, $2, $3, $4)";
const ADD_NODES: Many = Many {
    sql: "INSERT INTO public_node (level, n, hash) VALUES {rows}",
    columns: 3,
};

/// Where a log stands: what an epoch commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogHead {
    pub log: LogId,
    pub size: u64,
    pub root: Hash,
}

impl From<&crate::command::Head> for LogHead {
    fn from(head: &crate::command::Head) -> Self {
        Self {
            log: head.log,
            size: head.size,
            root: head.root,
        }
    }
}

/// What the public log refuses.
#[derive(Debug, thiserror::Error)]
pub enum PublicLogError {
    #[error(transparent)]
    Database(#[from] ReadError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the next epoch is {next}, not {asked}")]
    NotNext { next: u64, asked: u64 },
    #[error("the log {0} stands twice among the heads of one epoch")]
    TwoHeads(LogId),
    #[error("the log {log} had {before} records and now only {now}")]
    Shrunk { log: LogId, before: u64, now: u64 },
    #[error("the public log has {size} leaves, there is no checkpoint of {asked}")]
    NoCheckpoint { size: u64, asked: u64 },
    #[error("the witness {witness} has cosigned {known} already, later than {offered}")]
    Stale {
        witness: String,
        known: String,
        offered: String,
    },
}

/// The public log of one deployment. Clones are the same log.
#[derive(Clone)]
pub struct PublicLog {
    db: Db,
    /// Blinds come from it; whoever has it can tell which leaf is whose.
    master: Arc<[u8; 32]>,
    signer: Arc<Signer>,
}

impl PublicLog {
    /// Opens the log. `witnessed` is what is known from outside of the newest checkpoint that
    /// witnesses have seen: the log must have it, with this root. What its own cosignatures say is
    /// checked as well.
    pub async fn open(
        db: Db,
        master: [u8; 32],
        signer: Signer,
        witnessed: Option<(u64, Hash)>,
    ) -> Result<Self, OpenError> {
        db.migrate(MIGRATIONS).await?;
        let log = Self {
            db,
            master: Arc::new(master),
            signer: Arc::new(signer),
        };
        let size = log.size().await?;
        if let Some((witnessed, root)) = witnessed
            && (witnessed > size || log.root_at(witnessed).await? != root)
        {
            return Err(OpenError::BehindWitness { size, witnessed });
        }
        let witnessed = log.newest_cosigned_size().await?;
        if witnessed > size
            || (witnessed > 0
                && log.checkpoint_at(witnessed).await?.root != log.root_at(witnessed).await?)
        {
            return Err(OpenError::BehindWitness { size, witnessed });
        }
        if size > 0 && log.checkpoint_at(size).await?.root != log.root_at(size).await? {
            let what = format!("the checkpoint of the public log at size {size} is not its root");
            return Err(ReadError::Corrupt(what).into());
        }
        Ok(log)
    }

    /// The number of leaves, which is the number of the next epoch.
    pub async fn size(&self) -> Result<u64, ReadError> {
        let rows = self.db.rows(LAST_EPOCH, &[]).await?;
        rows.first().map_or(Ok(0), |row| Ok(row.count(0)? + 1))
    }

    /// Adds the leaf of `epoch`, which must be the next, over the heads of all open logs of all
    /// services, and signs the checkpoint that ends with it. A log that was named before and is not
    /// now is taken as closed. With a fence, only while its process holds the lease.
    pub async fn seal_epoch(
        &self,
        epoch: u64,
        at: Instant,
        heads: &[LogHead],
        fence: Option<&Fence>,
    ) -> Result<Note, PublicLogError> {
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        if let Some([head, _]) = heads.array_windows().find(|[one, two]| one.log == two.log) {
            return Err(PublicLogError::TwoHeads(head.log));
        }
        let last = self.db.rows(LAST_EPOCH, &[]).await?;
        let (next, at) = match last.first() {
            // Time does not go back here either.
            Some(row) => (row.count(0)? + 1, at.micros().max(row.int(1)?)),
            None => (0, at.micros()),
        };
        if epoch != next {
            return Err(PublicLogError::NotNext { next, asked: epoch });
        }
        let changes = self.head_changes(epoch, &heads).await?;
        let root = merkle::root_of(&self.epoch_leaves(epoch, &heads));
        let leaf = EpochLeaf { epoch, root, at };
        let mut frontier = self.frontier(epoch).await?;
        let nodes = self.new_nodes(epoch, leaf.leaf()).await?;
        frontier.push(leaf.leaf());
        let checkpoint = Checkpoint {
            origin: self.signer.verifier().name().to_owned(),
            size: epoch + 1,
            root: frontier.root(),
        };
        let note = checkpoint.sign(&self.signer)?;
        let nodes: Vec<Val> = nodes
            .into_iter()
            .flat_map(|(level, n, hash)| [int(level), int(n), blob(&hash)])
            .collect();
        let mut tx = self.db.begin().await?;
        if let Some(fence) = fence {
            fence.check(&mut tx).await?;
        }
        // First the epoch: of two publishers one fails here, and none writes half a leaf.
        let values = [
            int(epoch),
            Val::Int(at),
            blob(&root),
            Val::Text(note.format()),
        ];
        tx.exec(ADD_EPOCH, &values).await?;
        tx.write_many(&heads::ADD_HEADS, &changes).await?;
        tx.write_many(&ADD_NODES, &nodes).await?;
        tx.commit().await?;
        Ok(note)
    }

    /// The newest checkpoint, with the cosignatures it has so far.
    pub async fn checkpoint(&self) -> Result<Note, PublicLogError> {
        let rows = self.db.rows(LAST_EPOCH, &[]).await?;
        let Some(row) = rows.first() else {
            let checkpoint = Checkpoint {
                origin: self.signer.verifier().name().to_owned(),
                size: 0,
                root: empty_root(),
            };
            return Ok(checkpoint.sign(&self.signer)?);
        };
        let mut note = parse_note(&row.text(2)?)?;
        note.signatures
            .extend(self.cosignatures(row.count(0)? + 1).await?);
        Ok(note)
    }

    /// The signed checkpoint that the log had at `size` leaves, with its cosignatures.
    pub async fn note_at(&self, size: u64) -> Result<Note, PublicLogError> {
        let mut note = self.own_note(size).await?;
        note.signatures.extend(self.cosignatures(size).await?);
        Ok(note)
    }

    async fn own_note(&self, size: u64) -> Result<Note, PublicLogError> {
        let rows = match size.checked_sub(1) {
            Some(n) => self.db.rows(EPOCHS, &[int(n), Val::Int(1)]).await?,
            None => Vec::new(),
        };
        match rows.first() {
            Some(row) if row.count(0)? + 1 == size => Ok(parse_note(&row.text(3)?)?),
            _ => Err(PublicLogError::NoCheckpoint {
                size: self.size().await?,
                asked: size,
            }),
        }
    }

    /// The checkpoint at a size that the log has.
    async fn checkpoint_at(&self, size: u64) -> Result<Checkpoint, ReadError> {
        let note = self.own_note(size).await.map_err(|error| match error {
            PublicLogError::Database(error) => error,
            other => ReadError::Corrupt(other.to_string()),
        })?;
        Checkpoint::parse(&note.text).map_err(|error| ReadError::Corrupt(error.to_string()))
    }

    /// The leaves of the public log from `first` on.
    pub async fn epochs(&self, first: u64, limit: u32) -> Result<Vec<EpochLeaf>, ReadError> {
        let values = [int(first), Val::Int(i64::from(limit))];
        let rows = self.db.rows(EPOCHS, &values).await?;
        rows.iter()
            .map(|row| {
                Ok(EpochLeaf {
                    epoch: row.count(0)?,
                    at: row.int(1)?,
                    root: rows::hash(&row.blob(2)?)?,
                })
            })
            .collect()
    }
}

fn parse_note(text: &str) -> Result<Note, ReadError> {
    Note::parse(text.as_bytes())
        .map_err(|error| ReadError::Corrupt(format!("a stored checkpoint is damaged: {error}")))
}
