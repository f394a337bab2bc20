//! What of a minute is kept one by one and what is only counted, so that a flood of refused calls
//! neither fills the disk nor slows anybody. Pure: time is handed in.
//!
//! Per minute and service: of each caller that the platform knows the first [`EACH`] refusals, of all
//! of them together the first [`ALL`], and as many as [`EACH`] of all callers together whose token is
//! not this platform's own, for they can call themselves whatever they like. Calls without any token
//! are counted alone. Counts are one record for each known caller and one for all others: whoever
//! floods takes its own places, never another caller's count.

use std::collections::{BTreeMap, HashSet};

use sunbid_contracts::common::v1::{AccessCounted, AccessRefused, NonPublicRead};
use sunbid_terms::{Instant, MICROS};

/// Refusals of one caller in a minute that are kept one by one.
const EACH: u32 = 8;
/// The same of all callers together.
const ALL: u32 = 64;
/// Callers counted by name in a minute; those beyond are counted together.
const MOST_CALLERS: usize = 4096;
/// Readings of one caller in a minute that are remembered, so that the same again is counted.
const MOST_READINGS: usize = 1024;

const MINUTE: i64 = 60 * MICROS;

/// How something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In a record of its own.
    Alone,
    /// As one more in the minute's count.
    Counted,
}

#[derive(Debug, Default)]
struct Count {
    roles: Vec<String>,
    kept: u32,
    refused: i64,
    readings: HashSet<(String, String)>,
    read: i64,
}

/// The minute's counts of one service.
#[derive(Debug, Default)]
pub struct Tally {
    minute_us: i64,
    kept: u32,
    /// By subject; the empty one stands for all who are not known.
    callers: BTreeMap<String, Count>,
    /// Of minutes that are over.
    over: Vec<AccessCounted>,
}

impl Tally {
    /// Notes a refusal; `room` says whether one more can wait to be written.
    pub fn refused(&mut self, refused: &AccessRefused, room: bool, now: Instant) -> Kept {
        self.turn(now);
        let known = !refused.subject.is_empty();
        let alone = known || !refused.claimed_subject.is_empty();
        let most = if known { ALL } else { u32::MAX };
        let free = room && alone && self.kept < most;
        let count = self.count(&refused.subject, &refused.roles);
        if free && count.kept < EACH {
            count.kept += 1;
            if known {
                self.kept += 1;
            }
            return Kept::Alone;
        }
        count.refused = count.refused.saturating_add(1);
        Kept::Counted
    }

    /// Counts a reading if the same is on record in this minute already.
    pub fn read_again(&mut self, read: &NonPublicRead, now: Instant) -> Kept {
        self.turn(now);
        let Some(count) = self.callers.get_mut(&read.subject) else {
            return Kept::Alone;
        };
        let key = (read.method.clone(), read.record.clone());
        if count.readings.contains(&key) {
            count.read = count.read.saturating_add(1);
            return Kept::Counted;
        }
        Kept::Alone
    }

    /// A reading is on record.
    pub fn was_read(&mut self, read: &NonPublicRead, now: Instant) {
        self.turn(now);
        let full = self.callers.len() >= MOST_CALLERS;
        if full && !self.callers.contains_key(&read.subject) {
            return;
        }
        let count = self.count(&read.subject, &read.roles);
        if count.readings.len() < MOST_READINGS {
            let key = (read.method.clone(), read.record.clone());
            count.readings.insert(key);
        }
    }

    /// Counts of minutes that are over, each once; with `all`, of this one too.
    pub fn counted(&mut self, now: Instant, all: bool) -> Vec<AccessCounted> {
        self.turn(now);
        if all {
            self.end();
        }
        std::mem::take(&mut self.over)
    }

    fn count(&mut self, subject: &str, roles: &[String]) -> &mut Count {
        let full = self.callers.len() >= MOST_CALLERS && !self.callers.contains_key(subject);
        let subject = if full { "" } else { subject };
        let count = self.callers.entry(subject.to_owned()).or_default();
        if !subject.is_empty() && count.roles.is_empty() {
            count.roles = roles.to_vec();
        }
        count
    }

    fn turn(&mut self, now: Instant) {
        let minute_us = now.micros().div_euclid(MINUTE).saturating_mul(MINUTE);
        if minute_us != self.minute_us {
            self.end();
            self.minute_us = minute_us;
        }
    }

    fn end(&mut self) {
        let minute_us = self.minute_us;
        self.kept = 0;
        let counts = std::mem::take(&mut self.callers).into_iter();
        self.over.extend(
            counts
                .filter(|(_, count)| count.refused > 0 || count.read > 0)
                .map(|(subject, count)| AccessCounted {
                    subject,
                    roles: count.roles,
                    refused: count.refused,
                    read: count.read,
                    minute_us,
                }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(subject: &str, claimed: &str) -> AccessRefused {
        AccessRefused {
            subject: subject.to_owned(),
            claimed_subject: claimed.to_owned(),
            roles: vec!["supplier".to_owned()],
            ..AccessRefused::default()
        }
    }

    fn reading(subject: &str, record: &str) -> NonPublicRead {
        NonPublicRead {
            subject: subject.to_owned(),
            record: record.to_owned(),
            ..NonPublicRead::default()
        }
    }

    const NOON: Instant = Instant::from_seconds(12 * 3600);
    const LATER: Instant = Instant::from_seconds(12 * 3600 + 61);

    /// Sends `times` refusals; how many of them are kept one by one.
    fn send(tally: &mut Tally, refused: &AccessRefused, times: usize) -> usize {
        (0..times)
            .filter(|_| tally.refused(refused, true, NOON) == Kept::Alone)
            .count()
    }

    #[test]
    fn a_flood_takes_its_own_places_and_all_of_it_is_counted() {
        let mut tally = Tally::default();
        assert_eq!(send(&mut tally, &refusal("a", ""), 1_000_000), 8);
        // Whoever gives itself a new name each time, and whoever has none.
        let strangers: usize = (0..10_000)
            .map(|n| send(&mut tally, &refusal("", &format!("x{n}")), 1))
            .sum();
        assert_eq!(strangers, 8);
        assert_eq!(send(&mut tally, &refusal("", ""), 10_000), 0);
        assert_eq!(send(&mut tally, &refusal("b", ""), 3), 3);
        assert!(tally.counted(NOON, false).is_empty());
        let counted = tally.counted(LATER, false);
        let told: Vec<_> = counted
            .iter()
            .map(|one| (one.subject.as_str(), one.refused, one.roles.len()))
            .collect();
        assert_eq!(told, [("", 19_992, 0), ("a", 999_992, 1)]);
        assert_eq!(counted[0].minute_us, NOON.micros());
        assert!(tally.counted(LATER, true).is_empty());
        assert_eq!(tally.refused(&refusal("a", ""), true, LATER), Kept::Alone);
    }

    #[test]
    fn many_callers_fill_no_more_than_there_is_place_for() {
        let mut tally = Tally::default();
        let kept: usize = (0..10_000)
            .map(|n| send(&mut tally, &refusal(&format!("s{n}"), ""), 20))
            .sum();
        assert_eq!(kept, 64);
        let counted = tally.counted(NOON, true);
        assert!(counted.len() <= MOST_CALLERS + 1, "{}", counted.len());
        let all: i64 = counted.iter().map(|one| one.refused).sum();
        assert_eq!(all, 200_000 - 64);
        assert_eq!(tally.refused(&refusal("z", ""), false, NOON), Kept::Counted);
    }

    #[test]
    fn a_reading_is_counted_only_once_it_is_on_record() {
        let mut tally = Tally::default();
        let (one, other) = (reading("a", "tenders/1"), reading("a", "tenders/2"));
        assert_eq!(tally.read_again(&one, NOON), Kept::Alone);
        assert_eq!(tally.read_again(&one, NOON), Kept::Alone);
        tally.was_read(&one, NOON);
        assert_eq!(tally.read_again(&one, NOON), Kept::Counted);
        assert_eq!(tally.read_again(&other, NOON), Kept::Alone);
        assert_eq!(
            tally.read_again(&reading("b", "tenders/1"), NOON),
            Kept::Alone
        );
        // A new minute is a new reading.
        assert_eq!(tally.read_again(&one, LATER), Kept::Alone);
        assert_eq!(tally.counted(LATER, false)[0].read, 1);
    }
}
