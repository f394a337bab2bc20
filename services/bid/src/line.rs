//! The line in which submissions wait, in the order in which they came and whosever they are. As many
//! are worked on at a time as share a commit; whoever would have to wait too long is told at once, so
//! that the rest have their answers soon and nobody waits only to be refused.
//!
//! What it tells is how busy all of the platform is, never how busy a tender.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sunbid_service::Problem;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// Submissions that are worked on at a time: what one commit takes.
const IN_WORK: usize = 256;
/// The longest wait that is promised to anyone.
const LONGEST: Duration = Duration::from_millis(250);
/// When to try again.
const RETRY: Duration = Duration::from_secs(1);
/// How fast the line is taken to move before that was seen.
const FIRST_GUESS: Duration = Duration::from_micros(400);
/// Over how long the line's speed is taken: some commits long, for each ends many at once.
const SPAN: Duration = Duration::from_millis(50);

/// The line in front of everything that a submission costs.
pub struct Line {
    places: Semaphore,
    longest: Duration,
    // How it moves; locked for the length of a look.
    pace: Mutex<Pace>,
}

/// How fast the line moves while somebody waits.
#[derive(Debug)]
struct Pace {
    waiting: u32,
    /// From one that is done to the next.
    interval: Duration,
    /// Since when those done are counted, while somebody waits.
    since: Option<Instant>,
    done: u32,
}

/// A place among those that are worked on; given up when dropped.
pub struct Place<'a> {
    line: &'a Line,
    _place: SemaphorePermit<'a>,
}

/// Counts one that waits, as long as it does.
struct Waiting<'a>(&'a Line);

impl Default for Line {
    fn default() -> Self {
        Self::with(IN_WORK, LONGEST)
    }
}

impl Line {
    fn with(in_work: usize, longest: Duration) -> Self {
        Self {
            places: Semaphore::new(in_work),
            longest,
            pace: Mutex::new(Pace {
                waiting: 0,
                interval: FIRST_GUESS,
                since: None,
                done: 0,
            }),
        }
    }

    /// Waits for a place, unless that would take too long.
    pub async fn enter(&self) -> Result<Place<'_>, Problem> {
        let waiting = self.queue()?;
        let place = self.places.acquire().await.map_err(Problem::internal)?;
        drop(waiting);
        Ok(Place {
            line: self,
            _place: place,
        })
    }

    fn queue(&self) -> Result<Waiting<'_>, Problem> {
        let mut pace = self.lock();
        if pace.interval.saturating_mul(pace.waiting) > self.longest {
            return Err(Problem::TooMuch {
                reason: "PLATFORM_BUSY",
                zh: "平台繁忙，本次投标未被接收，请立即重试；截止时间以平台记录的顺序为准。".to_owned(),
                en: "The platform is busy and did not take this bid; retry at once. What is late is \
                     decided by the order of the platform's record."
                    .to_owned(),
                retry: Some(RETRY),
            });
        }
        pace.waiting += 1;
        Ok(Waiting(self))
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    /// Another one is done.
    fn count(&mut self, now: Instant) {
        if self.waiting == 0 {
            // Nobody waits: what was measured in some earlier press is not today's pace.
            (self.since, self.interval) = (None, FIRST_GUESS);
            return;
        }
        let Some(since) = self.since else {
            (self.since, self.done) = (Some(now), 0);
            return;
        };
        self.done += 1;
        let span = now.duration_since(since);
        if span >= SPAN {
            self.interval = span / self.done;
            self.since = Some(now);
            self.done = 0;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut pace = self.0.lock();
        pace.waiting = pace.waiting.saturating_sub(1);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.lock().count(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_would_wait_too_long_is_told_at_once() {
        let line = Line::with(1, FIRST_GUESS * 2);
        let first = line.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(line.enter())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        let refused = line.enter().await.err();
        assert!(matches!(
            refused,
            Some(Problem::TooMuch { retry: Some(_), .. })
        ));
        drop(first);
        // In the order in which they came; who gives up leaves the line.
        drop(waiting.pop());
        let second = waiting.remove(0).now_or_never().unwrap().unwrap();
        assert!(waiting[0].as_mut().now_or_never().is_none());
        drop(second);
        assert!(waiting.remove(0).now_or_never().unwrap().is_ok());
        assert_eq!(line.lock().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_as_long_as_it_is_fast() {
        let line = Line::with(1, Duration::from_secs(1));
        let mut held = line.enter().await.unwrap();
        let mut waiting: VecDeque<_> = (0..8).map(|_| Box::pin(line.enter())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        let mut next = async |held| {
            tokio::time::advance(Duration::from_millis(500)).await;
            drop(held);
            waiting.pop_front().unwrap().await.unwrap()
        };
        for _ in 0..5 {
            held = next(held).await;
        }
        // Three wait, half a second each.
        assert!(line.enter().await.is_err());
        let _held = next(held).await;
        assert!(Box::pin(line.enter()).now_or_never().is_none());
    }
}
