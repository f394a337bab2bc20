//! The working-day calendar of China and how periods of law are counted on it.
//!
//! Owns the holiday arrangements of the years it was given. A year without one is counted with its
//! weekends and statutory days, and every result that touches it says so (`provisional`).

mod count;
mod year;

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};
use sunbid_terms::Instant;

pub use count::{CalendarDays, Counted, Days, LastDay, WorkingDays, WorkingDaysCounted};
pub use year::{CalendarError, Holiday, Year};

/// Holiday arrangements shipped with the library, one file per year.
const EMBEDDED: &[(&str, &str)] = &[
    (
        "calendar/2024.toml",
        include_str!("../../data/calendar/2024.toml"),
    ),
    (
        "calendar/2025.toml",
        include_str!("../../data/calendar/2025.toml"),
    ),
    (
        "calendar/2026.toml",
        include_str!("../../data/calendar/2026.toml"),
    ),
    (
        "calendar/2027.toml",
        include_str!("../../data/calendar/2027.toml"),
    ),
];

/// Which days are worked in China.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i32, Year>,
}

impl Calendar {
    /// The calendar shipped with the library.
    pub fn embedded() -> Result<Self, CalendarError> {
        Self::from_files(EMBEDDED)
    }

    /// A calendar of year files, each given with the name to complain under.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, CalendarError> {
        let mut years = BTreeMap::new();
        for (name, text) in files {
            let year = Year::parse(name, text)?;
            let number = year.number();
            if years.insert(number, year).is_some() {
                return Err(CalendarError::Twice {
                    file: (*name).to_owned(),
                    year: number,
                });
            }
        }
        Ok(Self { years })
    }

    /// The years whose data are held, in order.
    pub fn years(&self) -> impl Iterator<Item = &Year> {
        self.years.values()
    }

    /// A day of an arranged holiday period, or a statutory day of a year without an arrangement.
    pub fn is_holiday(&self, date: NaiveDate) -> bool {
        match self.years.get(&date.year()) {
            Some(year) => year.is_holiday(date),
            None => is_fixed_statutory_day(date),
        }
    }

    /// Neither a holiday nor a weekend, or a weekend day worked in exchange.
    pub fn is_working_day(&self, date: NaiveDate) -> bool {
        if self.is_holiday(date) {
            return false;
        }
        let exchanged = self
            .years
            .get(&date.year())
            .is_some_and(|year| year.is_exchanged_workday(date));
        exchanged || !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
    }

    /// Whether the working days of this date's year are not finally known.
    pub fn is_provisional(&self, date: NaiveDate) -> bool {
        self.years
            .get(&date.year())
            .is_none_or(|year| !year.is_arranged())
    }

    /// The last microsecond of a day in China: when a period counted in days ends.
    pub fn end_of_day(date: NaiveDate) -> Instant {
        date.succ_opt()
            .and_then(|next| Instant::from_china(next, 0, 0, 0))
            .map_or(Instant::from_micros(i64::MAX), |midnight| {
                midnight.plus_micros(-1)
            })
    }
}

/// Statutory days whose date does not follow the moon or the sun (since 2025-01-01), for years of
/// which nothing else is known.
fn is_fixed_statutory_day(date: NaiveDate) -> bool {
    matches!(
        (date.month(), date.day()),
        (1, 1) | (5, 1 | 2) | (10, 1..=3)
    )
}

#[cfg(test)]
mod tests;
