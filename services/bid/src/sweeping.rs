//! Removing uploads that no bid uses: some days after bytes last came, and when the tender takes
//! nothing further. What a submission was built on is never touched here. An upload is forgotten first,
//! in one statement that finds it unmoved; its file's name is never used again, so removing the file
//! later cannot meet bytes that anybody was told of.

use std::{sync::Arc, time::Duration};

use sunbid_service::Problem;
use tokio_util::sync::CancellationToken;

use crate::{
    receiving::Turn,
    rpc::Office,
    store::{self, UploadKey},
};

/// How long an upload is kept that no submission claims, from when its last bytes came: three days,
/// so that a weekend lies between sending and submitting at most.
pub const KEPT_SECONDS: i64 = 3 * 86_400;

/// For so long after it last moved, an upload is known to stay; past that, a submission that needs it
/// says so first. The rest of [`KEPT_SECONDS`] is far longer than any submission takes.
pub const SURE_SECONDS: i64 = KEPT_SECONDS / 2;

/// Pause between two sweeps.
const PAUSE: Duration = Duration::from_secs(5);

/// Sweeps until the process stops. Apart from the closings, which wait for no file.
pub async fn run(office: Arc<Office>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            swept = office.sweep() => if let Err(problem) = swept {
                tracing::warn!(?problem, "unused uploads cannot be removed");
            },
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

impl Office {
    /// Removes what is stale.
    pub async fn sweep(self: &Arc<Self>) -> Result<(), Problem> {
        let cut = self.clock.now().plus_seconds(-KEPT_SECONDS);
        for key in store::stale_uploads(self.journal.db(), cut).await? {
            // One that is being sent this moment has its turn.
            if let Some(turn) = Turn::to_remove(self.clone(), key) {
                self.forget_upload(&turn.key).await?;
            }
        }
        let db = self.journal.db();
        let mut swept = Ok(());
        for left in store::discarded(db).await? {
            match self.vault.discard(&left).await {
                Ok(()) => store::drop_discarded(db, &left.file).await?,
                // It is tried again; the others have their turn first.
                Err(fault) => swept = Err(fault.into()),
            }
        }
        swept
    }

    async fn forget_upload(&self, key: &UploadKey) -> Result<(), Problem> {
        let db = self.journal.db();
        if let Some(row) = key.find(db).await?
            && key.give_up(db, &row).await?
        {
            self.uploads.forget(key);
        }
        Ok(())
    }
}
