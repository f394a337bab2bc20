//! A process's time: taken from the machine's clock when it starts, counted on by the machine's steady
//! one. A clock that is set by hours under a running process, forward or back, moves no deadline and
//! no record; corrections as time services make them are followed. It never believes a jump, however
//! often it is told: whoever sets a clock right restarts the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use sunbid_terms::{Clock, Instant, MICROS, Steady};

/// How far the machine's clock may move away within [`SPAN`] and be followed; microseconds.
const MOST: i64 = MICROS;
/// Far longer than a time service needs for a correction, microseconds.
const SPAN: i64 = 60 * MICROS;

/// A clock that follows another one, but for its jumps.
#[derive(Debug)]
pub struct EvenClock<W> {
    pub wall: W,
    // What is followed; locked for the length of a look.
    standing: Mutex<Option<Standing>>,
}

/// How far the wall's time is ahead of the steady one; microseconds.
#[derive(Clone, Copy, Debug)]
struct Standing {
    ahead: i64,
    /// The same when the span began.
    anchor: i64,
    /// When that was, by the steady clock.
    since: i64,
    /// Until when a jump is not told again, by the steady clock.
    quiet: i64,
}

impl<W: Clock> EvenClock<W> {
    pub fn new(wall: W) -> Self {
        Self {
            wall,
            standing: Mutex::default(),
        }
    }

    fn at(&self, wall: i64, steady: i64) -> Instant {
        let ahead = wall.saturating_sub(steady);
        let mut standing = self.locked();
        let known = standing.get_or_insert(Standing {
            ahead,
            anchor: ahead,
            since: steady,
            quiet: i64::MIN,
        });
        if steady.saturating_sub(known.since) >= SPAN {
            (known.anchor, known.since) = (known.ahead, steady);
        }
        if ahead.abs_diff(known.anchor) <= MOST.unsigned_abs() {
            known.ahead = ahead;
        } else if steady >= known.quiet {
            known.quiet = steady.saturating_add(SPAN);
            let own = Instant::from_micros(steady.saturating_add(known.ahead));
            let machine = Instant::from_micros(wall);
            tracing::error!(
                %machine, %own,
                "the machine's clock jumped; this process counts on as before until it is restarted"
            );
        }
        Instant::from_micros(steady.saturating_add(known.ahead))
    }

    fn locked(&self) -> MutexGuard<'_, Option<Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Clock> Clock for EvenClock<W> {
    fn now(&self) -> Instant {
        self.at(self.wall.now().micros(), steady())
    }

    // Nobody sets it, so there is nothing to even out.
    fn steady(&self) -> Option<Steady> {
        self.wall.steady()
    }
}

/// Time since the machine started, suspension included; microseconds.
fn steady() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec
        .saturating_mul(MICROS)
        .saturating_add(time.tv_nsec / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const HOUR: i64 = 3600 * MICROS;

    #[test]
    fn jumps_are_not_believed_and_corrections_are_followed() {
        let clock = EvenClock::new(SystemClock);
        let now = |wall, steady| clock.at(wall, steady).micros();
        assert_eq!(now(1000 * HOUR, 0), 1000 * HOUR);
        // Forward, and again after many spans; back; then right again.
        for (jump, steady) in [(5 * HOUR, 10), (5 * HOUR, 3 * HOUR), (-5 * HOUR, 4 * HOUR)] {
            let right = 1000 * HOUR + steady;
            assert_eq!(now(right + jump, steady), right);
        }
        let steady = 5 * HOUR;
        assert_eq!(
            now(1000 * HOUR + steady + 900_000, steady),
            1000 * HOUR + steady + 900_000
        );
    }

    #[test]
    fn small_steps_do_not_add_up_to_a_jump() {
        let clock = EvenClock::new(SystemClock);
        let mut last = clock.at(1000 * HOUR, 0).micros();
        for step in 0..100 {
            let steady = step * 1000;
            last = clock
                .at(1000 * HOUR + steady + step * 500_000, steady)
                .micros();
        }
        assert!(last <= 1000 * HOUR + 99 * 1000 + MOST, "{last}");
    }

    #[test]
    fn it_goes_on() {
        let clock = EvenClock::new(SystemClock);
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.now().micros().abs_diff(SystemClock.now().micros()) < HOUR.unsigned_abs());
    }
}
