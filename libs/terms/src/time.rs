//! Instants in microseconds since 1970 UTC, and the one clock that everything is handed.
//! Never asks the operating system: implementations of [`Clock`] live with whoever starts a process.

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone, Utc};

/// Microseconds in a second.
pub const MICROS: i64 = 1_000_000;

/// China Standard Time, UTC+08:00 the whole year; statutory days are days of this zone.
const CHINA_OFFSET_SECONDS: i32 = 8 * 3600;

/// The first and the last moment told as civil time: the start of the year 1 in UTC, and the end of
/// the year 9999 in China. Beyond them calendars end, and so would a process that asked for a date.
const FIRST_TOLD: i64 = -62_135_596_800 * MICROS;
const LAST_TOLD: i64 = 253_402_272_000 * MICROS - 1;

/// A moment, in microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

impl Instant {
    /// The moment `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after the Unix epoch, at the latest the end of time we can hold.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// This moment moved by `micros` (negative: back), held at the ends of time.
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This moment moved by whole seconds.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// The calendar date in China at this moment.
    pub fn china_date(self) -> NaiveDate {
        self.in_china().date_naive()
    }

    /// The moment as civil time in China. Of the years 1 to 9999, which RFC 3339 can write; callers may
    /// name any number as a moment, and one outside is told as the nearest inside.
    pub fn in_china(self) -> DateTime<FixedOffset> {
        self.utc().with_timezone(&china())
    }

    /// The moment a civil time in China stands for.
    pub fn from_china(date: NaiveDate, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let civil = date.and_hms_opt(hour, minute, second)?;
        let at = china().from_local_datetime(&civil).single()?;
        Some(Self(at.timestamp_micros()))
    }

    /// Parses RFC 3339 ("2026-03-02T09:00:00+08:00").
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Self(at.timestamp_micros()))
    }

    fn utc(self) -> DateTime<Utc> {
        let told = self.0.clamp(FIRST_TOLD, LAST_TOLD);
        DateTime::from_timestamp_micros(told).unwrap_or_default()
    }
}

/// Civil time in China, to the second, with its offset.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.in_china().format("%Y-%m-%d %H:%M:%S%:z"))
    }
}

fn china() -> FixedOffset {
    // The constant is within a day, so the offset always exists.
    FixedOffset::east_opt(CHINA_OFFSET_SECONDS).unwrap_or_else(|| chrono::Offset::fix(&Utc))
}

/// Where time comes from. One is made at start and handed to everything that needs it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Instant;

    /// A clock that nobody can set, where there is one: it tells a clock that was set from time that
    /// passed, over restarts of the process too. A clock for trials, which is there to be set, has none.
    fn steady(&self) -> Option<Steady> {
        None
    }
}

/// What a clock that nobody can set shows: good to compare with what it showed under the same start of
/// the machine, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steady {
    /// Which start of the machine.
    pub boot: String,
    /// Since then, time asleep included.
    pub micros: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_time_is_chinas() {
        let at = Instant::parse("2026-03-02T01:00:00Z").unwrap();
        assert_eq!(at.to_string(), "2026-03-02 09:00:00+08:00");
        let date = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        assert_eq!(Instant::from_china(date, 9, 0, 0), Some(at));
        assert_eq!(at.china_date(), date);
    }

    #[test]
    fn the_ends_of_time_hold() {
        assert!(Instant::from_micros(i64::MAX).plus_seconds(1) == Instant::from_micros(i64::MAX));
        // Callers name moments as numbers; each has a date.
        for (micros, told, date) in [
            (i64::MAX, "9999-12-31 23:59:59+08:00", (9999, 12, 31)),
            (i64::MIN, "0001-01-01 08:00:00+08:00", (1, 1, 1)),
        ] {
            let at = Instant::from_micros(micros);
            assert_eq!(at.to_string(), told);
            let date = NaiveDate::from_ymd_opt(date.0, date.1, date.2);
            assert_eq!(Some(at.china_date()), date);
            assert!(Instant::parse(&at.in_china().to_rfc3339()).is_some());
        }
    }
}
