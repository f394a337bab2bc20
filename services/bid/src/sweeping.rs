//! Removing uploads that no bid uses: some days after bytes last came, and when the tender takes
//! nothing further. What a submission was built on is never touched here.

use std::sync::Arc;

use sunbid_service::Problem;

use crate::{
    receiving::Turn,
    rpc::{Office, off_thread},
    store::{self, UploadKey},
};

/// How long an upload is kept that no submission claims, from when its last bytes came: three days,
/// so that a weekend lies between sending and submitting at most.
pub const KEPT_SECONDS: i64 = 3 * 86_400;

/// For so long after it last moved, an upload is known to stay; past that, a submission that needs it
/// says so first. The rest of [`KEPT_SECONDS`] is far longer than any submission takes.
pub const SURE_SECONDS: i64 = KEPT_SECONDS / 2;

impl Office {
    /// Removes what is stale.
    pub async fn sweep(self: &Arc<Self>) -> Result<(), Problem> {
        let cut = self.clock.now().plus_seconds(-KEPT_SECONDS);
        for key in store::stale_uploads(self.journal.db(), cut).await? {
            // One that is being sent this moment has its turn.
            if let Some(turn) = Turn::to_remove(self.clone(), key) {
                self.remove(&turn.key).await?;
            }
        }
        Ok(())
    }

    /// Says first that the bytes are gone, so that no submission builds on them, then removes them:
    /// what stops between the two is removed next time.
    async fn remove(&self, key: &UploadKey) -> Result<(), Problem> {
        let db = self.journal.db();
        let Some(row) = key.find(db).await? else {
            return Ok(());
        };
        if !key.give_up(db, &row).await? {
            return Ok(());
        }
        self.uploads.forget(key);
        let shared = key.shares_its_file(db).await?;
        let (vault, root, file) = (self.vault.clone(), key.root, row.file);
        off_thread(move || {
            if !shared {
                vault.remove(&root)?;
            }
            vault.discard(&file)
        })
        .await?
        .map_err(Problem::internal)?;
        key.drop_given_up(db).await
    }
}
