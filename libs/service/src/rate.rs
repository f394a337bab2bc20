//! How fast calls of one caller may follow each other: so many a second on the average, and a burst of
//! some seconds at once. The generic cell rate algorithm (ITU-T I.371): one instant for each caller.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Seconds of calls that may come at once.
const BURST: u32 = 10;
/// Callers remembered; those who have been quiet are forgotten first.
const MOST: usize = 65_536;

/// Time between two looks at who has been quiet.
const SWEEP: Duration = Duration::from_secs(1);

/// The pace of many callers.
pub struct Pace<K> {
    between: Duration,
    // Locked for a look-up.
    callers: Mutex<Callers<K>>,
}

struct Callers<K> {
    /// When each caller's calls so far would have been made at an even pace.
    due: HashMap<K, Instant>,
    swept: Option<Instant>,
}

impl<K: Clone + Eq + Hash> Pace<K> {
    pub fn new(a_second: u32) -> Self {
        Self {
            between: Duration::from_secs(1) / a_second.max(1),
            callers: Mutex::new(Callers {
                due: HashMap::new(),
                swept: None,
            }),
        }
    }

    /// Takes a call of `caller`, or says how long it must wait.
    pub fn take(&self, caller: &K) -> Result<(), Duration> {
        let now = Instant::now();
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let Callers { due, swept } = &mut *callers;
        if due.len() >= MOST && !due.contains_key(caller) {
            // Not for each of a crowd: going through all of them takes a while.
            if swept.is_none_or(|swept| now >= swept + SWEEP) {
                *swept = Some(now);
                due.retain(|_, due| *due > now);
            }
            // All of them are busy: rather than to forget one of them, nobody new is counted.
            if due.len() >= MOST {
                return Ok(());
            }
        }
        let own = due.entry(caller.clone()).or_insert(now);
        let next = (*own).max(now) + self.between;
        let ahead = next - now;
        let most = self.between * BURST * per_second(self.between);
        if ahead > most {
            return Err(ahead - most);
        }
        *own = next;
        Ok(())
    }
}

fn per_second(between: Duration) -> u32 {
    let a_second = Duration::from_secs(1).as_nanos() / between.as_nanos().max(1);
    u32::try_from(a_second).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_so_many_a_second() {
        let pace = Pace::new(5);
        let burst = (0..1000).filter(|_| pace.take(&"a").is_ok()).count();
        assert_eq!(burst, 50);
        // Another caller is not held up by it.
        assert_eq!(pace.take(&"b"), Ok(()));
        let wait = pace.take(&"a").unwrap_err();
        assert!(wait <= Duration::from_millis(200), "{wait:?}");
        tokio::time::advance(Duration::from_secs(2)).await;
        let later = (0..1000).filter(|_| pace.take(&"a").is_ok()).count();
        assert_eq!(later, 10);
        tokio::time::advance(Duration::from_secs(3600)).await;
        let rested = (0..1000).filter(|_| pace.take(&"a").is_ok()).count();
        assert_eq!(rested, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_does_not_fill_memory() {
        let pace = Pace::new(1);
        for caller in 0..2 * MOST {
            assert!(pace.take(&caller).is_ok());
        }
        assert!(pace.callers.lock().unwrap().due.len() <= MOST);
        // Who has been quiet makes room.
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(pace.take(&(3 * MOST)).is_ok());
        assert_eq!(pace.callers.lock().unwrap().due.len(), 1);
    }
}
