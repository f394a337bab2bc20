//! What only one of several processes on a database may do, such as adding to the public log. The
//! holder's beat goes on; whoever sees it stand still for long enough, by its own steady clock, takes
//! over under a new term. A lease alone does not stop a holder that was only slow: what must not
//! happen twice checks the [`Fence`] in its own transaction.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use crate::db::{Db, Tx, Val};
use crate::error::ReadError;

/// How often the holder shows that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How long a beat may stand still before another process takes over.
const PATIENCE: Duration = Duration::from_secs(5);

const TAKE_FIRST: &str = "INSERT INTO lease (name, holder, term, beat) VALUES ($1, $2, 1, 0) \
     ON CONFLICT (name) DO NOTHING";
const LOOK: &str = "SELECT term, beat FROM lease WHERE name = $1";
const TAKE_OVER: &str = "UPDATE lease SET holder = $2, term = $3 + 1, beat = 0 \
     WHERE name = $1 AND term = $3 AND beat = $4";
const SHOW: &str = "UPDATE lease SET beat = beat + 1 WHERE name = $1 AND holder = $2 AND term = $3";
const GIVE_BACK: &str = "UPDATE lease SET beat = -1 WHERE name = $1 AND holder = $2 AND term = $3";

/// A process's part in a lease: it may hold it, or wait for it.
#[derive(Debug)]
pub struct Lease {
    db: Db,
    name: &'static str,
    holder: [u8; 16],
    patience: Duration,
    /// The term that this process holds, and when it last showed that it lives.
    held: Option<(i64, Instant)>,
    /// Another holder's term and beat, and since when they are the same.
    seen: Option<(i64, i64, Instant)>,
}

/// What a holder's transaction checks before it does what only one may.
#[derive(Clone, Debug)]
pub struct Fence {
    name: &'static str,
    holder: [u8; 16],
    term: i64,
}

impl Lease {
    pub fn new(db: Db, name: &'static str) -> Result<Self, ReadError> {
        Self::with_patience(db, name, PATIENCE)
    }

    /// A lease that is taken over after another time.
    pub fn with_patience(
        db: Db,
        name: &'static str,
        patience: Duration,
    ) -> Result<Self, ReadError> {
        let mut holder = [0; 16];
        SystemRandom::new()
            .fill(&mut holder)
            .map_err(|_| ReadError::Unavailable("the system gives no randomness".into()))?;
        Ok(Self {
            db,
            name,
            holder,
            patience,
            held: None,
            seen: None,
        })
    }

    /// Goes on holding the lease, or takes it if it is free; nothing while another process holds it.
    /// To be called about every second; in between it costs nothing.
    pub async fn hold(&mut self) -> Result<Option<Fence>, ReadError> {
        if let Some((term, shown)) = self.held {
            let fence = self.fence(term);
            // Nobody looks at the beat of an embedded database.
            if shown.elapsed() < BEAT || !self.db.is_shared() {
                return Ok(Some(fence));
            }
            let now = Instant::now();
            if self.db.exec(SHOW, &fence.values()).await? > 0 {
                self.held = Some((term, now));
                return Ok(Some(fence));
            }
            tracing::warn!(lease = self.name, "another process took over");
            self.held = None;
        }
        let taken = self.take().await?;
        Ok(taken.map(|term| {
            tracing::info!(lease = self.name, term, "this process holds the lease");
            self.held = Some((term, Instant::now()));
            self.seen = None;
            self.fence(term)
        }))
    }

    async fn take(&mut self) -> Result<Option<i64>, ReadError> {
        let name = Val::Text(self.name.to_owned());
        let holder = Val::Blob(self.holder.to_vec());
        let rows = self.db.rows(LOOK, std::slice::from_ref(&name)).await?;
        let Some(row) = rows.first() else {
            let first = self.db.exec(TAKE_FIRST, &[name, holder]).await?;
            return Ok((first > 0).then_some(1));
        };
        let (term, beat) = (row.int(0)?, row.int(1)?);
        let still = match self.seen {
            Some((seen_term, seen_beat, since)) if (seen_term, seen_beat) == (term, beat) => {
                since.elapsed() >= self.patience
            }
            _ => {
                self.seen = Some((term, beat, Instant::now()));
                false
            }
        };
        // An embedded database has one process: whoever held the lease is gone.
        if !(still || beat < 0 || !self.db.is_shared()) {
            return Ok(None);
        }
        let values = [name, holder, Val::Int(term), Val::Int(beat)];
        let taken = self.db.exec(TAKE_OVER, &values).await?;
        Ok((taken > 0).then_some(term + 1))
    }

    /// Gives the lease back, so that another process need not wait.
    pub async fn give_back(&mut self) -> Result<(), ReadError> {
        if let Some((term, _)) = self.held.take() {
            let fence = self.fence(term);
            self.db.exec(GIVE_BACK, &fence.values()).await?;
        }
        Ok(())
    }

    const fn fence(&self, term: i64) -> Fence {
        Fence {
            name: self.name,
            holder: self.holder,
            term,
        }
    }
}

impl Fence {
    fn values(&self) -> [Val; 3] {
        [
            Val::Text(self.name.to_owned()),
            Val::Blob(self.holder.to_vec()),
            Val::Int(self.term),
        ]
    }

    /// Fails a transaction whose process does not hold the lease any more; until the transaction
    /// ends nobody can take it over.
    pub async fn check(&self, tx: &mut Tx) -> Result<(), ReadError> {
        if tx.exec(SHOW, &self.values()).await? > 0 {
            return Ok(());
        }
        Err(ReadError::Contention(format!(
            "another process took over what the lease {} is for",
            self.name
        )))
    }
}
