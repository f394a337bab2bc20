//! One leaf of the public log per epoch, busy or idle: neither activity nor its absence shows. The
//! closing of a tender's bidding, which everybody knows the time of, may have an epoch of its own.

use std::{path::Path, sync::Arc, time::Duration};

use sunbid_journal::{Fence, Lease, PublicLog};
use sunbid_proofs::{Hash, LogId};
use sunbid_service::{Problem, Setting};
use sunbid_terms::Instant;
use tokio::{
    sync::{Mutex, watch},
    time::MissedTickBehavior,
};

use crate::{closing, mirror::Mirror};

/// How often it is looked who makes the epochs.
const BEAT: Duration = Duration::from_secs(1);

/// Makes the epochs, if no other process on the same database does.
pub struct Epochs {
    /// Locked while an epoch is made: there is one maker at a time in this process, and by the lease
    /// among all.
    pub lease: Mutex<Lease>,
    pub mirror: Arc<Mirror>,
    pub public_log: PublicLog,
    pub setting: Setting,
    pub every: Duration,
    /// Size of the public log, told to watchers.
    pub made: watch::Sender<u64>,
}

impl Epochs {
    /// Makes one epoch after another until the process stops.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = self.setting.shutdown.cancelled() => break,
                _ = ticks.tick() => self.epoch().await,
                _ = beats.tick() => self.show().await,
            };
            if let Err(problem) = done {
                tracing::warn!(
                    ?problem,
                    "an epoch could not be made; the next will cover it"
                );
            }
        }
        if let Err(error) = self.lease.lock().await.give_back().await {
            tracing::warn!(%error, "another process has to wait for its turn at the public log");
        }
    }

    /// Goes on being the one that makes the epochs; where another does, watchers here are told of
    /// what it made.
    async fn show(&self) -> Result<(), Problem> {
        if self.lease.lock().await.hold().await?.is_none() {
            let size = self.public_log.size().await?;
            self.made
                .send_if_modified(|known| std::mem::replace(known, size) != size);
        }
        Ok(())
    }

    async fn epoch(&self) -> Result<(), Problem> {
        self.mirror.catch_up().await?;
        let mut lease = self.lease.lock().await;
        match lease.hold().await? {
            Some(fence) => self.seal(&fence).await,
            None => Ok(()),
        }
    }

    /// The size of the public log once its last epoch sees `records` records of a log; an epoch is
    /// made now where the last does not. The log must have been verified that far.
    pub async fn covering(&self, log: LogId, records: u64) -> Result<u64, Problem> {
        let mut lease = self.lease.lock().await;
        let size = self.public_log.size().await?;
        if let Some(last) = size.checked_sub(1)
            && closing::size_in(&self.public_log, log, last).await? >= records
        {
            return Ok(size);
        }
        let fence = lease.hold().await?.ok_or_else(|| {
            Problem::Unavailable(
                "another process makes the epochs; its next covers this".to_owned(),
            )
        })?;
        self.seal(&fence).await?;
        Ok(self.public_log.size().await?)
    }

    async fn seal(&self, fence: &Fence) -> Result<(), Problem> {
        let heads = self.mirror.heads().await;
        // Not before what it shows: clocks of machines differ, and holders sign no closing whose
        // epoch is older than it.
        let newest = Instant::from_micros(self.mirror.newest_us().await);
        let at = self.setting.clock.now().max(newest);
        let next = self.public_log.size().await?;
        self.public_log
            .seal_epoch(next, at, &heads, Some(fence))
            .await
            .map_err(Problem::internal)?;
        self.made.send_replace(next + 1);
        Ok(())
    }
}

/// What witnesses were last known to have seen, kept outside the database so that a database taken
/// from an old backup is noticed. "size hexroot"; nothing on a new installation.
pub fn read_witnessed(file: &Path) -> Result<Option<(u64, Hash)>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    let read = || {
        let (size, root) = text.trim().split_once(' ')?;
        Some((size.parse().ok()?, hex::decode(root).ok()?.try_into().ok()?))
    };
    read()
        .map(Some)
        .ok_or_else(|| format!("{} does not hold a size and a root", file.display()))
}

/// Keeps what a witness has now seen; never less than before.
pub fn keep_witnessed(file: &Path, size: u64, root: &Hash) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", file.display());
    // Several processes may keep it at once; each sees what the one before it kept.
    let turn = std::fs::File::create(file.with_extension("lock")).map_err(fault)?;
    turn.lock().map_err(fault)?;
    if read_witnessed(file)?.is_some_and(|(known, _)| known >= size) {
        return Ok(());
    }
    let beside = file.with_extension("new");
    std::fs::write(&beside, format!("{size} {}\n", hex::encode(root)))
        .and_then(|()| std::fs::rename(&beside, file))
        .map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_witnesses_saw_only_grows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("witnessed.txt");
        assert_eq!(read_witnessed(&file), Ok(None));
        keep_witnessed(&file, 7, &[3; 32]).unwrap();
        keep_witnessed(&file, 5, &[4; 32]).unwrap();
        assert_eq!(read_witnessed(&file), Ok(Some((7, [3; 32]))));
        std::fs::write(&file, "rubbish").unwrap();
        assert!(read_witnessed(&file).is_err());
    }
}
