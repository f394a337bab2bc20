//! What witnesses have said about the public log's checkpoints.

use sunbid_proofs::{Cosignature, Hash, Signature, Verifier, cosignature};

use super::{PublicLog, PublicLogError};
use crate::db::{Row, Val};
use crate::error::ReadError;
use crate::rows::int;

const OF_WITNESS: &str =
    "SELECT witness, size, seconds FROM cosignature WHERE witness = $1 ORDER BY size DESC LIMIT 1";
const NEWEST: &str =
    "SELECT witness, size, seconds FROM cosignature ORDER BY size DESC, seconds DESC LIMIT 1";
const NEWEST_OF_EACH: &str =
    "SELECT witness, MAX(seconds) FROM cosignature WHERE size >= $1 GROUP BY witness";
const LINES: &str = "SELECT line FROM cosignature WHERE size = $1 ORDER BY witness";
const SET: &str = "INSERT INTO cosignature (witness, size, seconds, line) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (witness, size) DO UPDATE SET seconds = excluded.seconds, line = excluded.line \
     WHERE cosignature.seconds < excluded.seconds";

/// The newest checkpoint that a witness has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's verifier key.
    pub witness: String,
    pub size: u64,
    pub root: Hash,
    /// Whole seconds since 1970 UTC, by the witness's clock.
    pub time: u64,
}

impl PublicLog {
    /// Takes a witness's cosignature of the checkpoint at `size`. It must verify, and must not be
    /// behind what the same witness has said before.
    pub async fn add_cosignature(
        &self,
        witness: &Verifier,
        size: u64,
        signature: &Signature,
    ) -> Result<Cosignature, PublicLogError> {
        let note = self.own_note(size).await?;
        let offered = cosignature::verify(witness, &note.text, signature)?;
        let name = witness.to_string();
        if let Some((known, time)) = self.said_by(&name).await?
            && (size < known || (size == known && offered.time < time))
        {
            return Err(PublicLogError::Stale {
                witness: name,
                known: format!("size {known} at {time}"),
                offered: format!("size {size} at {}", offered.time),
            });
        }
        let values = [
            Val::Text(name),
            int(size),
            int(offered.time),
            Val::Text(signature.line()),
        ];
        self.db.exec(SET, &values).await?;
        Ok(offered)
    }

    /// The newest checkpoint that `witness` has cosigned.
    pub async fn witnessed_by(&self, witness: &Verifier) -> Result<Option<Witnessed>, ReadError> {
        let values = [Val::Text(witness.to_string())];
        let rows = self.db.rows(OF_WITNESS, &values).await?;
        self.witnessed(rows.first()).await
    }

    /// The newest checkpoint that any witness has cosigned.
    pub async fn latest_cosigned(&self) -> Result<Option<Witnessed>, ReadError> {
        let rows = self.db.rows(NEWEST, &[]).await?;
        self.witnessed(rows.first()).await
    }

    /// When each witness last cosigned a checkpoint of at least this size, in whole seconds by its own clock.
    pub async fn newest_cosignatures(&self, from: u64) -> Result<Vec<(String, u64)>, ReadError> {
        let rows = self.db.rows(NEWEST_OF_EACH, &[int(from)]).await?;
        rows.iter()
            .map(|row| Ok((row.text(0)?, row.count(1)?)))
            .collect()
    }

    /// How far the kept cosignatures say that the log once was; 0 without any.
    pub(super) async fn newest_cosigned_size(&self) -> Result<u64, ReadError> {
        let rows = self.db.rows(NEWEST, &[]).await?;
        rows.first().map_or(Ok(0), |row| row.count(1))
    }

    async fn witnessed(&self, row: Option<&Row>) -> Result<Option<Witnessed>, ReadError> {
        let Some(row) = row else {
            return Ok(None);
        };
        let size = row.count(1)?;
        Ok(Some(Witnessed {
            witness: row.text(0)?,
            size,
            root: self.checkpoint_at(size).await?.root,
            time: row.count(2)?,
        }))
    }

    async fn said_by(&self, witness: &str) -> Result<Option<(u64, u64)>, ReadError> {
        let values = [Val::Text(witness.to_owned())];
        let rows = self.db.rows(OF_WITNESS, &values).await?;
        rows.first()
            .map(|row| Ok((row.count(1)?, row.count(2)?)))
            .transpose()
    }

    pub(super) async fn cosignatures(&self, size: u64) -> Result<Vec<Signature>, PublicLogError> {
        let mut signatures = Vec::new();
        for row in self.db.rows(LINES, &[int(size)]).await? {
            signatures.push(Signature::parse_line(&row.text(0)?)?);
        }
        Ok(signatures)
    }
}
