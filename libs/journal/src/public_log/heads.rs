//! The heads an epoch commits to. Only changes are stored; the blinded leaves are made again from
//! them and the master key when a proof is asked for.

use std::collections::BTreeMap;

use sunbid_proofs::merkle::{inclusion_proof, root_of};
use sunbid_proofs::{Hash, HeadProof, LogId, blind};

use super::{LogHead, PublicLog, PublicLogError};
use crate::db::{Many, Val};
use crate::error::ReadError;
use crate::rows::{self, blob, int};

pub(super) const ADD_HEADS: Many = Many {
    sql: "INSERT INTO epoch_head (log_id, n, size, root) VALUES {rows}",
    columns: 4,
};
/// The newest head of each log that is not newer than an epoch.
const HEADS_AT: &str = "SELECT h.log_id, h.size, h.root FROM epoch_head h \
     JOIN (SELECT log_id, MAX(n) AS n FROM epoch_head WHERE n <= $1 GROUP BY log_id) newest \
     ON newest.log_id = h.log_id AND newest.n = h.n ORDER BY h.log_id";

impl PublicLog {
    /// The heads that `epoch` commits to, in the order of their logs.
    pub async fn heads_at(&self, epoch: u64) -> Result<Vec<LogHead>, ReadError> {
        let mut heads = Vec::new();
        for row in self.db.rows(HEADS_AT, &[int(epoch)]).await? {
            if let Some(root) = row.opt_blob(2)? {
                heads.push(LogHead {
                    log: rows::log_id(&row.blob(0)?)?,
                    size: row.count(1)?,
                    root: rows::hash(&root)?,
                });
            }
        }
        Ok(heads)
    }

    /// The rows that turn the heads of the epoch before into `heads`.
    pub(super) async fn head_changes(
        &self,
        epoch: u64,
        heads: &[LogHead],
    ) -> Result<Vec<Val>, PublicLogError> {
        let before = match epoch.checked_sub(1) {
            Some(before) => self.heads_at(before).await?,
            None => Vec::new(),
        };
        let mut before: BTreeMap<LogId, LogHead> =
            before.into_iter().map(|head| (head.log, head)).collect();
        let mut values = Vec::new();
        let mut row = |log: LogId, size: u64, root: Val| {
            values.extend([blob(log.as_bytes()), int(epoch), int(size), root]);
        };
        for head in heads {
            let known = before.remove(&head.log);
            if known == Some(*head) {
                continue;
            }
            if let Some(known) = known.filter(|known| known.size > head.size) {
                return Err(PublicLogError::Shrunk {
                    log: head.log,
                    before: known.size,
                    now: head.size,
                });
            }
            row(head.log, head.size, blob(&head.root));
        }
        for (log, head) in before {
            row(log, head.size, Val::Null);
        }
        Ok(values)
    }

    /// The leaves of an epoch's tree: every head under its blind, and fillers up to a power of two,
    /// sorted, so that neither place nor number tells anything.
    pub(super) fn epoch_leaves(&self, epoch: u64, heads: &[LogHead]) -> Vec<Hash> {
        let mut leaves: Vec<Hash> = heads
            .iter()
            .map(|head| {
                let blind = self.blind_of(head.log, epoch);
                blind::blinded_leaf(&blind, head.log, head.size, &head.root)
            })
            .collect();
        let fillers = (leaves.len() as u64)..(leaves.len().next_power_of_two() as u64);
        leaves.extend(fillers.map(|n| blind::filler_leaf(&self.master, epoch, n)));
        leaves.sort_unstable();
        leaves
    }

    fn blind_of(&self, log: LogId, epoch: u64) -> Hash {
        blind::blind(&blind::epoch_key(&self.master, log), epoch)
    }

    /// The proof of where `log` stood in `epoch`, up to the checkpoint at `size`: for disclosure.
    /// Nothing if the epoch is not in that checkpoint or the log was not open then.
    pub async fn head_proof(
        &self,
        log: LogId,
        epoch: u64,
        size: u64,
    ) -> Result<Option<HeadProof>, ReadError> {
        let Some(inclusion) = self.inclusion(epoch, size).await? else {
            return Ok(None);
        };
        let heads = self.heads_at(epoch).await?;
        let Some(head) = heads.iter().find(|head| head.log == log) else {
            return Ok(None);
        };
        let Some(leaf) = self.epochs(epoch, 1).await?.into_iter().next() else {
            return Ok(None);
        };
        let leaves = self.epoch_leaves(epoch, &heads);
        if root_of(&leaves) != leaf.root {
            return Err(ReadError::Corrupt(format!(
                "the heads kept of epoch {epoch} do not lead to its root"
            )));
        }
        let blind = self.blind_of(log, epoch);
        let own = blind::blinded_leaf(&blind, log, head.size, &head.root);
        let index = leaves.partition_point(|leaf| *leaf < own) as u64;
        Ok(inclusion_proof(&leaves, index).map(|path| HeadProof {
            log,
            size: head.size,
            root: head.root,
            blind,
            index,
            leaves: leaves.len() as u64,
            path,
            epoch: leaf,
            inclusion,
        }))
    }
}
