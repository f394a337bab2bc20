//! Whose proofs and signatures are looked at next: one request of an organisation at a time, and no
//! more at once than there are processors. A flood from one supplier waits behind itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use sunbid_service::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Requests of one organisation whose checks run or wait. An honest supplier bids for some lots at
/// once; whoever sends more hears so before anything is looked at.
const MOST_WAITING: usize = 16;

/// A check takes some hundredths of a second.
const RETRY: Duration = Duration::from_secs(1);

/// The queue in front of everything that costs processor time.
pub struct Checks {
    processors: Semaphore,
    // Organisations with a check that runs or waits; locked for the length of a look-up.
    organizations: Mutex<HashMap<String, Own>>,
}

/// One organisation's place.
#[derive(Debug)]
struct Own {
    turn: Arc<Semaphore>,
    waiting: usize,
}

/// The right to check; given back when dropped.
pub struct Permit<'a> {
    _processor: SemaphorePermit<'a>,
    _turn: OwnedSemaphorePermit,
    _place: Place<'a>,
}

/// Counts a request as long as it waits or runs.
struct Place<'a> {
    checks: &'a Checks,
    organization: String,
}

impl Default for Checks {
    fn default() -> Self {
        // More at a time than there are processors would only wait for each other.
        Self::with(available_parallelism().map_or(1, usize::from))
    }
}

impl Checks {
    fn with(processors: usize) -> Self {
        Self {
            processors: Semaphore::new(processors),
            organizations: Mutex::default(),
        }
    }

    /// Waits for the organisation's turn and then for a processor.
    pub async fn permit(&self, organization: &str) -> Result<Permit<'_>, Problem> {
        let (place, turn) = self.queue(organization)?;
        let turn = turn.acquire_owned().await.map_err(Problem::internal)?;
        let processor = self.processors.acquire().await.map_err(Problem::internal)?;
        Ok(Permit {
            _processor: processor,
            _turn: turn,
            _place: place,
        })
    }

    fn queue(&self, organization: &str) -> Result<(Place<'_>, Arc<Semaphore>), Problem> {
        let mut organizations = self.lock();
        let own = organizations
            .entry(organization.to_owned())
            .or_insert_with(|| Own {
                turn: Arc::new(Semaphore::new(1)),
                waiting: 0,
            });
        if own.waiting >= MOST_WAITING {
            return Err(Problem::TooMuch {
                reason: "CHECKS_TOO_MANY",
                zh: format!("贵单位已有{MOST_WAITING}个请求等待核验，请稍后重试。"),
                en: format!(
                    "{MOST_WAITING} requests of your organisation wait to be checked; retry in a moment."
                ),
                retry: Some(RETRY),
            });
        }
        own.waiting += 1;
        let turn = own.turn.clone();
        let place = Place {
            checks: self,
            organization: organization.to_owned(),
        };
        Ok((place, turn))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Own>> {
        self.organizations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut organizations = self.checks.lock();
        if let Some(own) = organizations.get_mut(&self.organization) {
            own.waiting = own.waiting.saturating_sub(1);
            if own.waiting == 0 {
                organizations.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_flood_waits_behind_itself() {
        let checks = Checks::with(2);
        let first = checks.permit("a").await.unwrap();
        let mut flood: Vec<_> = (1..MOST_WAITING)
            .map(|_| Box::pin(checks.permit("a")))
            .collect();
        for waiting in &mut flood {
            assert!(waiting.now_or_never().is_none());
        }
        let refused = checks.permit("a").await.err();
        assert!(matches!(
            refused,
            Some(Problem::TooMuch { retry: Some(_), .. })
        ));
        // Another organisation has its turn although the flood came first.
        let other = checks.permit("b").now_or_never().unwrap().unwrap();
        drop(other);
        drop(first);
        let next = flood.remove(0).now_or_never().unwrap().unwrap();
        drop(flood);
        drop(next);
        assert!(checks.lock().is_empty());
    }

    #[tokio::test]
    async fn no_more_run_than_there_are_processors() {
        let checks = Checks::with(1);
        let first = checks.permit("a").await.unwrap();
        assert!(checks.permit("b").now_or_never().is_none());
        drop(first);
        assert!(checks.permit("b").now_or_never().unwrap().is_ok());
    }
}
