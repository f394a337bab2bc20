//! The way of an upload's bytes: to a file of this machine, or piece by piece to a remote store.

use std::io;

use sunbid_service::Problem;

use crate::{
    intake::Intake,
    pieces::Pieces,
    receiving::{Turn, storage, under_way},
    rpc::off_thread,
    store::{self, UploadRow},
};

/// Where the bytes of an upload go.
pub enum Way {
    /// To a file of this machine, or of a folder that the processes share.
    File(Box<Intake>),
    /// To a remote store.
    Pieces(Box<Pieces>),
}

impl Way {
    pub async fn open(turn: &Turn, row: &UploadRow) -> Result<Self, Problem> {
        let (office, committed) = (&turn.office, row.committed_bytes);
        if row.remote.is_empty() {
            let path = office.vault.incoming(&row.file);
            let resumed = off_thread(move || Intake::resume(&path, committed)).await?;
            let resumed = resumed.map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => under_way(),
                _ => storage(error),
            })?;
            let intake = resumed.ok_or_else(|| {
                Problem::internal("an incoming file is shorter than its committed offset")
            })?;
            return Ok(Self::File(Box::new(intake)));
        }
        let known = store::pieces(office.journal.db(), &row.file).await?;
        let folder = office.vault.folder().to_owned();
        let pieces = off_thread(move || Pieces::resume(&folder, known, committed)).await?;
        let pieces = pieces.map_err(storage)?.ok_or_else(|| {
            Problem::internal("the pieces of an upload do not come to its committed offset")
        })?;
        Ok(Self::Pieces(Box::new(pieces)))
    }

    pub fn written(&self) -> u64 {
        match self {
            Self::File(intake) => intake.written(),
            Self::Pieces(pieces) => pieces.written(),
        }
    }

    /// Bytes that are safe.
    pub fn committed(&self) -> u64 {
        match self {
            Self::File(intake) => intake.synced(),
            Self::Pieces(pieces) => pieces.committed(),
        }
    }

    pub fn root(&self) -> [u8; 32] {
        match self {
            Self::File(intake) => intake.root(),
            Self::Pieces(pieces) => pieces.root(),
        }
    }

    pub async fn take(self, chunk: Vec<u8>) -> Result<Self, Problem> {
        off_thread(move || match self {
            Self::File(mut intake) => intake.take(&chunk).map(|()| Self::File(intake)),
            Self::Pieces(mut pieces) => pieces.take(&chunk).map(|()| Self::Pieces(pieces)),
        })
        .await?
        .map_err(storage)
    }

    /// Whether what came since the last commit is worth one though the stream ends: a remote store takes
    /// no small pieces but the last.
    pub const fn may_pause(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
