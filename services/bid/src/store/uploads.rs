//! The statements of uploads, of their pieces, and of files that no upload has any more. A file's name is
//! used once: what is to be removed is noted by it, and no upload ever gets it again.

use sunbid_journal::{Db, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::Instant;

use super::{signed, unsigned};

pub const UPLOAD: &str = "SELECT payload_bytes, committed_bytes, complete, file, claimed, touched_us, \
     by_root, remote \
     FROM upload WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4";
pub const BEGIN_UPLOAD: &str = "INSERT INTO upload (organization, tender, lot_id, root, \
     payload_bytes, committed_bytes, complete, file, claimed, touched_us, by_root, remote) \
     VALUES ($1, $2, $3, $4, $5, 0, FALSE, $6, FALSE, $7, FALSE, $8) \
     ON CONFLICT (organization, tender, lot_id, root) DO UPDATE SET \
     payload_bytes = excluded.payload_bytes, committed_bytes = 0, complete = FALSE, \
     file = excluded.file, touched_us = excluded.touched_us, by_root = FALSE, \
     remote = excluded.remote WHERE upload.file = $9 AND upload.complete = $10 \
     AND upload.claimed = FALSE";
pub const ADVANCE_UPLOAD: &str = "UPDATE upload \
     SET committed_bytes = $5, complete = $6, touched_us = $7 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND file = $8 AND complete = FALSE AND committed_bytes <= $5";
pub const ADVANCE_BY_PIECE: &str = "UPDATE upload SET committed_bytes = $5, touched_us = $6 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND file = $7 AND complete = FALSE AND committed_bytes = $8";
pub const TOUCH_UPLOAD: &str = "UPDATE upload SET touched_us = $5 \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 AND complete = TRUE";
pub const CLAIM_UPLOAD: &str = "UPDATE upload SET claimed = TRUE \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND complete = TRUE AND payload_bytes = $5";
pub const OPEN_UPLOADS: &str = "SELECT payload_bytes, touched_us FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root <> $4 AND claimed = FALSE";
pub const STALE_UPLOADS: &str = "SELECT u.organization, u.tender, u.lot_id, u.root FROM upload u \
     WHERE u.claimed = FALSE AND (u.touched_us <= $1 OR EXISTS \
     (SELECT 1 FROM bidding b WHERE b.tender = u.tender AND b.finished = TRUE)) LIMIT 500";
pub const GIVE_UP_UPLOAD: &str = "DELETE FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND claimed = FALSE AND touched_us = $5 AND file = $6";
pub const OTHERS_BY_ROOT: &str = "SELECT COUNT(*) FROM upload \
     WHERE root = $4 AND by_root = TRUE AND NOT (organization = $1 AND tender = $2 AND lot_id = $3)";
pub const PAYLOAD_FILES: &str = "SELECT file, by_root FROM upload \
     WHERE root = $1 AND tender = $2 AND complete = TRUE ORDER BY claimed DESC";

pub const ADD_PIECE: &str = "INSERT INTO upload_piece (file, number, piece, leaves) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (file, number) DO UPDATE SET \
     piece = excluded.piece, leaves = excluded.leaves";
pub const PIECES: &str =
    "SELECT number, piece, leaves FROM upload_piece WHERE file = $1 ORDER BY number";
pub const DROP_PIECES: &str = "DELETE FROM upload_piece WHERE file = $1";

pub const DISCARD: &str = "INSERT INTO discarded (file, remote) VALUES ($1, $2) \
     ON CONFLICT (file) DO NOTHING";
pub const DISCARD_BEFORE: &str = "INSERT INTO discarded (file, remote) \
     SELECT file, remote FROM upload \
     WHERE organization = $1 AND tender = $2 AND lot_id = $3 AND root = $4 \
     AND claimed = FALSE AND by_root = FALSE AND file = $5 \
     ON CONFLICT (file) DO NOTHING";
pub const DISCARDED: &str = "SELECT d.file, d.remote FROM discarded d \
     WHERE NOT EXISTS (SELECT 1 FROM upload u WHERE u.file = d.file) LIMIT 500";
pub const DROP_DISCARDED: &str = "DELETE FROM discarded WHERE file = $1";

/// Which upload: an organisation's payload for a lot. Two organisations never share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadKey {
    pub organization: String,
    pub tender: String,
    pub lot_id: String,
    pub root: [u8; 32],
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    pub payload_bytes: u64,
    pub committed_bytes: u64,
    pub complete: bool,
    pub file: String,
    /// A submission was built on it: it stays for good.
    pub claimed: bool,
    /// When bytes last came, or a submission last asked for them.
    pub touched: Instant,
    /// Its file lies under its root, from before names were used once.
    pub by_root: bool,
    /// The remote store's name for the upload; empty where bytes come to a local folder.
    pub remote: String,
}

/// A piece that the remote store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The remote store's name for it.
    pub name: String,
    /// Hashes of its chunks.
    pub leaves: Vec<[u8; 32]>,
}

/// A file that no upload has any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    pub file: String,
    pub remote: String,
}

impl UploadKey {
    /// The bid that is submitted is to be of these bytes: they are all here, and stay.
    pub fn claim(&self, payload_bytes: i64) -> Write {
        Write {
            sql: CLAIM_UPLOAD,
            values: self.values_and([Val::Int(payload_bytes)]),
        }
    }

    pub fn values(&self) -> Vec<Val> {
        vec![
            Val::Text(self.organization.clone()),
            Val::Text(self.tender.clone()),
            Val::Text(self.lot_id.clone()),
            Val::Blob(self.root.to_vec()),
        ]
    }

    fn values_and(&self, more: impl IntoIterator<Item = Val>) -> Vec<Val> {
        let mut values = self.values();
        values.extend(more);
        values
    }

    pub async fn find(&self, db: &Db) -> Result<Option<UploadRow>, Problem> {
        let rows = db.rows(UPLOAD, &self.values()).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(UploadRow {
            payload_bytes: unsigned(row.int(0)?),
            committed_bytes: unsigned(row.int(1)?),
            complete: row.bool(2)?,
            file: row.text(3)?,
            claimed: row.bool(4)?,
            touched: Instant::from_micros(row.int(5)?),
            by_root: row.bool(6)?,
            remote: row.text(7)?,
        }))
    }

    /// Begins the upload with a file of its own, or begins it again where it still is what it `was`; what
    /// it had before goes, unless a submission was built on it. Whether it began.
    pub async fn begin(
        &self,
        db: &Db,
        payload_bytes: u64,
        (file, remote): (&str, &str),
        was: Option<&UploadRow>,
        now: Instant,
    ) -> Result<bool, Problem> {
        let before = was.map_or("", |was| was.file.as_str()).to_owned();
        let mut tx = db.begin().await?;
        let values = self.values_and([Val::Text(before.clone())]);
        tx.exec(DISCARD_BEFORE, &values).await?;
        let values = self.values_and([
            Val::Int(signed(payload_bytes)),
            Val::Text(file.to_owned()),
            Val::Int(now.micros()),
            Val::Text(remote.to_owned()),
            Val::Text(before),
            Val::Bool(was.is_some_and(|was| was.complete)),
        ]);
        if tx.exec(BEGIN_UPLOAD, &values).await? != 1 {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Says how far the upload is; whether it still has this file, and nobody got further.
    pub async fn advance(
        &self,
        db: &Db,
        file: &str,
        committed: u64,
        complete: bool,
        now: Instant,
    ) -> Result<bool, Problem> {
        let values = self.values_and([
            Val::Int(signed(committed)),
            Val::Bool(complete),
            Val::Int(now.micros()),
            Val::Text(file.to_owned()),
        ]);
        Ok(db.exec(ADVANCE_UPLOAD, &values).await? == 1)
    }

    /// Says that the remote store has a further piece, from `before` to `committed` bytes; whether the
    /// upload was just there.
    pub async fn advance_by(
        &self,
        db: &Db,
        file: &str,
        number: usize,
        piece: &Piece,
        (before, committed): (u64, u64),
        now: Instant,
    ) -> Result<bool, Problem> {
        let values = self.values_and([
            Val::Int(signed(committed)),
            Val::Int(now.micros()),
            Val::Text(file.to_owned()),
            Val::Int(signed(before)),
        ]);
        let mut tx = db.begin().await?;
        if tx.exec(ADVANCE_BY_PIECE, &values).await? != 1 {
            return Ok(false);
        }
        let row = [
            Val::Text(file.to_owned()),
            Val::Int(signed(number as u64)),
            Val::Text(piece.name.clone()),
            Val::Blob(piece.leaves.concat()),
        ];
        tx.exec(ADD_PIECE, &row).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps a whole upload for another while; whether it is still there.
    pub async fn touch(&self, db: &Db, now: Instant) -> Result<bool, Problem> {
        let values = self.values_and([Val::Int(now.micros())]);
        Ok(db.exec(TOUCH_UPLOAD, &values).await? == 1)
    }

    /// The organisation's other uploads for the lot that no submission claimed: how many bytes each
    /// announced and when it last moved.
    pub async fn others_open(&self, db: &Db) -> Result<Vec<(u64, Instant)>, Problem> {
        db.rows(OPEN_UPLOADS, &self.values())
            .await?
            .iter()
            .map(|row| Ok((unsigned(row.int(0)?), Instant::from_micros(row.int(1)?))))
            .collect()
    }

    /// Forgets the upload, and leaves its file to be removed, unless it moved, was claimed or began again
    /// since it was read; whether that is so.
    pub async fn give_up(&self, db: &Db, read: &UploadRow) -> Result<bool, Problem> {
        let mut tx = db.begin().await?;
        let values = self.values_and([
            Val::Int(read.touched.micros()),
            Val::Text(read.file.clone()),
        ]);
        if tx.exec(GIVE_UP_UPLOAD, &values).await? != 1 {
            return Ok(false);
        }
        let mut left = Discarded {
            file: read.file.clone(),
            remote: read.remote.clone(),
        };
        if read.by_root {
            let others = tx.rows(OTHERS_BY_ROOT, &self.values()).await?;
            if others.first().map(|row| row.int(0)).transpose()? != Some(0) {
                tx.commit().await?;
                return Ok(true);
            }
            left.file = hex::encode(self.root);
        }
        tx.exec(DISCARD, &[Val::Text(left.file), Val::Text(left.remote)])
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Leaves a file to be removed.
pub async fn discard(db: &Db, left: &Discarded) -> Result<(), Problem> {
    let row = [Val::Text(left.file.clone()), Val::Text(left.remote.clone())];
    db.exec(DISCARD, &row).await?;
    Ok(())
}

/// Files to be removed, that no upload has; some at a time.
pub async fn discarded(db: &Db) -> Result<Vec<Discarded>, Problem> {
    let rows = db.rows(DISCARDED, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Discarded {
                file: row.text(0)?,
                remote: row.text(1)?,
            })
        })
        .collect()
}

/// Forgets a file that was removed.
pub async fn drop_discarded(db: &Db, file: &str) -> Result<(), Problem> {
    drop_pieces(db, file).await?;
    db.exec(DROP_DISCARDED, &[Val::Text(file.to_owned())])
        .await?;
    Ok(())
}

/// The pieces of a file, in their order.
pub async fn pieces(db: &Db, file: &str) -> Result<Vec<Piece>, Problem> {
    let odd = || Problem::internal(format!("the pieces of {file} are not in order"));
    let rows = db.rows(PIECES, &[Val::Text(file.to_owned())]).await?;
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            let leaves = row.blob(2)?;
            if unsigned(row.int(0)?) != at as u64 || !leaves.len().is_multiple_of(32) {
                return Err(odd());
            }
            Ok(Piece {
                name: row.text(1)?,
                leaves: leaves
                    .chunks(32)
                    .filter_map(|leaf| leaf.try_into().ok())
                    .collect(),
            })
        })
        .collect()
}

/// Forgets the pieces of a file that is whole or gone.
pub async fn drop_pieces(db: &Db, file: &str) -> Result<(), Problem> {
    db.exec(DROP_PIECES, &[Val::Text(file.to_owned())]).await?;
    Ok(())
}

/// Files of whole uploads for the tender with this root, those that bids were built on first; and
/// whether they lie under their root.
pub async fn payload_files(
    db: &Db,
    tender: &str,
    root: &[u8; 32],
) -> Result<Vec<(String, bool)>, Problem> {
    let key = [Val::Blob(root.to_vec()), Val::Text(tender.to_owned())];
    let rows = db.rows(PAYLOAD_FILES, &key).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, row.bool(1)?)))
        .collect()
}

/// Uploads without a claim that last moved at `cut` or before, or whose tender takes nothing further;
/// some at a time.
pub async fn stale_uploads(db: &Db, cut: Instant) -> Result<Vec<UploadKey>, Problem> {
    db.rows(STALE_UPLOADS, &[Val::Int(cut.micros())])
        .await?
        .iter()
        .map(|row| {
            let root = row
                .blob(3)?
                .try_into()
                .map_err(|_| Problem::internal("a root of odd length"))?;
            Ok(UploadKey {
                organization: row.text(0)?,
                tender: row.text(1)?,
                lot_id: row.text(2)?,
                root,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MIGRATIONS, SET_BIDDING};

    #[tokio::test]
    async fn an_upload_begins_advances_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let at = Instant::from_micros;
        let key = UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [1; 32],
        };
        assert_eq!(key.find(&db).await.unwrap(), None);
        let begun = key.begin(&db, 9, ("first", ""), None, at(1));
        assert!(begun.await.unwrap());
        assert!(!key.touch(&db, at(1)).await.unwrap());
        assert!(!key.advance(&db, "other", 9, true, at(2)).await.unwrap());
        assert!(key.advance(&db, "first", 9, true, at(2)).await.unwrap());
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!((row.committed_bytes, row.complete), (9, true));
        assert!(key.touch(&db, at(3)).await.unwrap());
        assert!(!key.give_up(&db, &row).await.unwrap(), "it moved since");
        assert_eq!(discarded(&db).await.unwrap(), []);
        // What another process had read has moved on since: what is whole stays.
        let old = UploadRow {
            complete: false,
            ..row.clone()
        };
        for was in [None, Some(&old)] {
            let begun = key.begin(&db, 10, ("second", "r"), was, at(4));
            assert!(!begun.await.unwrap());
        }
        assert_eq!(discarded(&db).await.unwrap(), []);
        let begun = key.begin(&db, 10, ("second", "r"), Some(&row), at(4));
        assert!(begun.await.unwrap());
        let row = key.find(&db).await.unwrap().unwrap();
        assert_eq!(
            (row.payload_bytes, row.committed_bytes, row.complete),
            (10, 0, false)
        );
        assert_eq!((row.file.as_str(), row.touched), ("second", at(4)));
        // What it had before goes; no upload has it any more, whatever happens meanwhile.
        let first = Discarded {
            file: "first".into(),
            remote: String::new(),
        };
        assert_eq!(discarded(&db).await.unwrap(), [first]);
        drop_discarded(&db, "first").await.unwrap();
        assert!(!key.advance(&db, "first", 9, true, at(5)).await.unwrap());
        assert!(key.give_up(&db, &row).await.unwrap());
        let second = Discarded {
            file: "second".into(),
            remote: "r".into(),
        };
        assert_eq!(discarded(&db).await.unwrap(), [second]);
    }

    #[tokio::test]
    async fn pieces_come_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let at = Instant::from_micros;
        let key = UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [1; 32],
        };
        let piece = |name: &str| Piece {
            name: name.into(),
            leaves: vec![[1; 32], [2; 32]],
        };
        let begun = key.begin(&db, 30, ("f", "r"), None, at(1));
        assert!(begun.await.unwrap());
        let one = piece("one");
        let step = |piece, number, from, to| {
            let (key, db) = (&key, &db);
            async move {
                key.advance_by(db, "f", number, piece, (from, to), at(2))
                    .await
            }
        };
        assert!(step(&one, 0, 0, 10).await.unwrap());
        // Another process was there first.
        let (again, two) = (piece("again"), piece("two"));
        assert!(!step(&again, 0, 0, 10).await.unwrap());
        assert!(step(&two, 1, 10, 20).await.unwrap());
        assert_eq!(pieces(&db, "f").await.unwrap(), [one, two]);
        drop_pieces(&db, "f").await.unwrap();
        assert_eq!(pieces(&db, "f").await.unwrap(), []);
    }

    #[tokio::test]
    async fn only_what_no_submission_claimed_becomes_stale() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("bid.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let at = Instant::from_micros;
        let key = |number| UploadKey {
            organization: "organizations/x".into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            root: [number; 32],
        };
        for number in 1..4 {
            let (key, file) = (key(number), format!("file{number}"));
            let begun = key.begin(&db, 9, (&file, ""), None, at(1));
            assert!(begun.await.unwrap());
            let done = key.advance(&db, &file, 9, true, at(number.into()));
            assert!(done.await.unwrap());
        }
        let claim = async |bytes| {
            let claim = key(1).claim(bytes);
            db.exec(claim.sql, &claim.values).await.unwrap()
        };
        assert_eq!(claim(10).await, 0, "of another length");
        assert_eq!(claim(9).await, 1);
        let open = key(3).others_open(&db).await.unwrap();
        assert_eq!(open, vec![(9, at(2))]);
        assert_eq!(stale_uploads(&db, at(2)).await.unwrap(), vec![key(2)]);
        let finished = [
            Val::Text("tenders/t".into()),
            Val::Int(1),
            Val::Bool(false),
            Val::Bool(true),
        ];
        db.exec(SET_BIDDING, &finished).await.unwrap();
        assert_eq!(
            stale_uploads(&db, at(0)).await.unwrap(),
            vec![key(2), key(3)]
        );
        for number in 1..4 {
            let row = key(number).find(&db).await.unwrap().unwrap();
            let gone = key(number).give_up(&db, &row).await.unwrap();
            assert_eq!(gone, number != 1);
            assert_eq!(key(number).find(&db).await.unwrap().is_none(), number != 1);
        }
        let left = discarded(&db).await.unwrap();
        let left: Vec<_> = left.iter().map(|left| left.file.as_str()).collect();
        assert_eq!(left, ["file2", "file3"]);
    }
}
