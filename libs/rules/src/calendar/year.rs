//! One year's holiday arrangement as data: parsed, and refused when it contradicts itself.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, Weekday};
use serde::Deserialize;

/// Why a year file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    #[error("the calendar file {file} cannot be read: {reason}")]
    Syntax { file: String, reason: String },
    #[error("the calendar file {file} gives the year {year}, which another file already gives")]
    Twice { file: String, year: i32 },
    #[error("the calendar file {file} of the year {year} names {date}, a day of another year")]
    OtherYear {
        file: String,
        year: i32,
        date: NaiveDate,
    },
    #[error("the calendar file {file} lets a holiday end on {to} before it starts on {from}")]
    Backwards {
        file: String,
        from: NaiveDate,
        to: NaiveDate,
    },
    #[error("the calendar file {file} calls {date} a workday in exchange, but it is a weekday")]
    NotAWeekend { file: String, date: NaiveDate },
    #[error("the calendar file {file} calls {date} both a holiday and a workday")]
    Contradiction { file: String, date: NaiveDate },
    #[error("the calendar file {file} has an arrangement without the number of its notice")]
    NoNotice { file: String },
}

/// A run of days off under one name, ends included.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    pub name_zh: String,
    pub name_en: String,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// The holidays of one year and the notice they rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Year {
    number: i32,
    notice: String,
    issued: NaiveDate,
    arranged: bool,
    holidays: Vec<Holiday>,
    off: BTreeSet<NaiveDate>,
    workdays: BTreeSet<NaiveDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    year: i32,
    notice: String,
    issued: NaiveDate,
    arranged: bool,
    workdays: BTreeSet<NaiveDate>,
    holidays: Vec<Holiday>,
}

impl Year {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, CalendarError> {
        let name = || file.to_owned();
        let written: Written = toml::from_str(text).map_err(|error| CalendarError::Syntax {
            file: name(),
            reason: error.to_string(),
        })?;
        if written.notice.trim().is_empty() {
            return Err(CalendarError::NoNotice { file: name() });
        }
        let mut off = BTreeSet::new();
        for holiday in &written.holidays {
            let (from, to) = (holiday.from, holiday.to);
            if to < from {
                return Err(CalendarError::Backwards {
                    file: name(),
                    from,
                    to,
                });
            }
            // Both ends must be in the year before the run is walked, so that it is short.
            for date in [from, to] {
                in_year(file, written.year, date)?;
            }
            off.extend(from.iter_days().take_while(|date| *date <= to));
        }
        for date in &written.workdays {
            in_year(file, written.year, *date)?;
            if !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) {
                return Err(CalendarError::NotAWeekend {
                    file: name(),
                    date: *date,
                });
            }
            if off.contains(date) {
                return Err(CalendarError::Contradiction {
                    file: name(),
                    date: *date,
                });
            }
        }
        Ok(Self {
            number: written.year,
            notice: written.notice,
            issued: written.issued,
            arranged: written.arranged,
            holidays: written.holidays,
            off,
            workdays: written.workdays,
        })
    }

    pub fn number(&self) -> i32 {
        self.number
    }

    /// Number of the notice, such as 国办发明电〔2025〕7号; without an arrangement, the statute.
    pub fn notice(&self) -> &str {
        &self.notice
    }

    pub fn issued(&self) -> NaiveDate {
        self.issued
    }

    /// Whether the State Council's General Office has arranged this year's days.
    pub fn is_arranged(&self) -> bool {
        self.arranged
    }

    pub fn holidays(&self) -> &[Holiday] {
        &self.holidays
    }

    /// Weekend days worked in exchange, in order.
    pub fn workdays(&self) -> impl Iterator<Item = NaiveDate> {
        self.workdays.iter().copied()
    }

    pub(super) fn is_holiday(&self, date: NaiveDate) -> bool {
        self.off.contains(&date)
    }

    pub(super) fn is_exchanged_workday(&self, date: NaiveDate) -> bool {
        self.workdays.contains(&date)
    }
}

fn in_year(file: &str, year: i32, date: NaiveDate) -> Result<(), CalendarError> {
    if date.year() == year {
        Ok(())
    } else {
        Err(CalendarError::OtherYear {
            file: file.to_owned(),
            year,
            date,
        })
    }
}
