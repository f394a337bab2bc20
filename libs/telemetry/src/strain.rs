//! How near to its bounds something is, in four steps. Whatever suppliers cause is shown in no other way: a
//! step above the lowest tells that a bound which is meant for a crowd is half used up, and not by how many.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a step is shown at least, so that no reading misses it.
const SHOWN: Duration = Duration::from_secs(60);

/// A step: below half of a bound, half, four fifths, and at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    #[default]
    Calm,
    Busy,
    Full,
    Refusing,
}

impl Step {
    /// The step of `used` of `most`.
    pub fn of(used: usize, most: usize) -> Self {
        if used >= most {
            Self::Refusing
        } else if used.saturating_mul(5) >= most.saturating_mul(4) {
            Self::Full
        } else if used.saturating_mul(2) >= most {
            Self::Busy
        } else {
            Self::Calm
        }
    }

    /// The step of something that took `took`: a commit is slow where people feel it.
    pub fn of_time(took: Duration) -> Self {
        match took.as_millis() {
            0..500 => Self::Calm,
            500..2_000 => Self::Busy,
            2_000..10_000 => Self::Full,
            _ => Self::Refusing,
        }
    }

    pub fn number(self) -> f64 {
        match self {
            Self::Calm => 0.0,
            Self::Busy => 1.0,
            Self::Full => 2.0,
            Self::Refusing => 3.0,
        }
    }
}

/// Of what, in the order of service and bound.
type Place = (&'static str, &'static str);

/// The steps of everything that has bounds.
#[derive(Debug, Default)]
pub struct Strains(Mutex<BTreeMap<Place, Held>>);

#[derive(Debug)]
struct Held {
    step: Step,
    until: Instant,
}

impl Strains {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<Place, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the bound from now on, calm as long as nothing is noted.
    pub fn know(&self, service: &'static str, bound: &'static str) {
        let calm = Held {
            step: Step::Calm,
            until: Instant::now(),
        };
        self.locked().entry((service, bound)).or_insert(calm);
    }

    /// Notes a step. The lowest needs no lock: it is what is shown when nothing else was noted lately.
    pub fn note(&self, service: &'static str, bound: &'static str, step: Step) {
        if step == Step::Calm {
            return;
        }
        let now = Instant::now();
        let mut held = self.locked();
        let until = now + SHOWN;
        match held.get_mut(&(service, bound)) {
            Some(held) if held.until > now && held.step > step => {}
            Some(held) => *held = Held { step, until },
            None => {
                held.insert((service, bound), Held { step, until });
            }
        }
    }

    /// What is shown now.
    pub fn shown(&self) -> Vec<(Place, Step)> {
        let now = Instant::now();
        let step = |held: &Held| {
            if held.until > now {
                held.step
            } else {
                Step::Calm
            }
        };
        let held = self.locked();
        held.iter()
            .map(|(place, held)| (*place, step(held)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_bound_and_not_the_number() {
        for (used, step) in [(0, Step::Calm), (399, Step::Calm), (400, Step::Busy)] {
            assert_eq!(Step::of(used, 800), step);
        }
        assert_eq!(Step::of(640, 800), Step::Full);
        assert_eq!(Step::of(800, 800), Step::Refusing);
        // Three and thirty of a bound that is meant for hundreds are the same.
        assert_eq!(Step::of(3, 800), Step::of(30, 800));
        assert_eq!(Step::of_time(Duration::from_millis(499)), Step::Calm);
        assert_eq!(Step::of_time(Duration::from_secs(10)), Step::Refusing);
    }

    #[test]
    fn the_worst_of_a_while_is_shown() {
        let strains = Strains::default();
        strains.know("bid", "queue");
        assert_eq!(strains.shown(), [(("bid", "queue"), Step::Calm)]);
        strains.note("bid", "queue", Step::Full);
        strains.note("bid", "queue", Step::Busy);
        strains.note("bid", "queue", Step::Calm);
        assert_eq!(strains.shown(), [(("bid", "queue"), Step::Full)]);
    }
}
