//! Counting days as the law counts them: the first day is not counted (财政部令第87号 art 85,
//! 民法典 art 201), and a last day that is a holiday gives way to the day after the holiday.

use std::fmt;

use chrono::{Days as ChronoDays, NaiveDate};

use super::Calendar;

/// 日: every day counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarDays(pub u32);

/// 工作日: only days that are worked count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkingDays(pub u32);

/// A period of either kind. The kinds never mix in arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Days {
    Calendar(CalendarDays),
    Working(WorkingDays),
}

/// What happens when the last of a number of calendar days is not a day of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LastDay {
    /// It gives way to the end of the statutory holiday only: 财政部令第87号 art 85 names
    /// 国家法定节假日, so a plain weekend does not move it.
    AfterHoliday,
    /// It gives way to weekends as well: 民法典 art 203 names 法定休假日.
    AfterRestDay,
    /// It stays: a moment is counted back from, and no act is to be done on the day.
    AsCounted,
}

/// A counted day, and whether the count touched a year whose holidays are not finally known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub date: NaiveDate,
    pub provisional: bool,
}

/// How many working days lie in a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingDaysCounted {
    pub days: WorkingDays,
    pub provisional: bool,
}

impl fmt::Display for CalendarDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calendar day{}", self.0, plural(self.0))
    }
}

impl fmt::Display for WorkingDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} working day{}", self.0, plural(self.0))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(days) => days.fmt(f),
            Self::Working(days) => days.fmt(f),
        }
    }
}

impl Days {
    /// 日 or 工作日 with the number, for Chinese sentences.
    pub fn zh(self) -> String {
        match self {
            Self::Calendar(days) => format!("{}日", days.0),
            Self::Working(days) => format!("{}个工作日", days.0),
        }
    }
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl Calendar {
    /// The day `days` after `from`, which is day 0. Held at the end of time.
    pub fn add_calendar_days(&self, from: NaiveDate, days: CalendarDays) -> Counted {
        let date = from
            .checked_add_days(ChronoDays::new(u64::from(days.0)))
            .unwrap_or(NaiveDate::MAX);
        // Calendar days are the same whatever the holidays are.
        Counted {
            date,
            provisional: false,
        }
    }

    /// The `days`-th working day after `from`, which is day 0 and is never counted.
    pub fn add_working_days(&self, from: NaiveDate, days: WorkingDays) -> Counted {
        let mut counted = Counted {
            date: from,
            provisional: false,
        };
        for _ in 0..days.0 {
            let Some(next) = counted.date.succ_opt() else {
                break;
            };
            let reached = self.first_working_day_from(next);
            counted.date = reached.date;
            counted.provisional |= reached.provisional;
        }
        counted
    }

    /// `date` itself if it is worked, else the next day that is.
    pub fn first_working_day_from(&self, date: NaiveDate) -> Counted {
        self.first_day_from(date, |day| self.is_working_day(day))
    }

    /// The last day of a period that starts on `from`.
    pub fn period_end(&self, from: NaiveDate, days: Days, last_day: LastDay) -> Counted {
        match days {
            Days::Working(days) => self.add_working_days(from, days),
            Days::Calendar(days) => {
                let end = self.add_calendar_days(from, days).date;
                match last_day {
                    LastDay::AfterHoliday => self.first_day_from(end, |day| !self.is_holiday(day)),
                    LastDay::AfterRestDay => self.first_working_day_from(end),
                    LastDay::AsCounted => Counted {
                        date: end,
                        provisional: false,
                    },
                }
            }
        }
    }

    /// Working days after `after` up to and including `until`; none if `until` is not later.
    pub fn working_days_between(&self, after: NaiveDate, until: NaiveDate) -> WorkingDaysCounted {
        let (mut days, mut provisional) = (0, false);
        for date in after.iter_days().skip(1).take_while(|day| *day <= until) {
            provisional |= self.is_provisional(date);
            days += u32::from(self.is_working_day(date));
        }
        WorkingDaysCounted {
            days: WorkingDays(days),
            provisional,
        }
    }

    fn first_day_from(&self, date: NaiveDate, wanted: impl Fn(NaiveDate) -> bool) -> Counted {
        let mut provisional = false;
        for day in date.iter_days() {
            provisional |= self.is_provisional(day);
            if wanted(day) {
                return Counted {
                    date: day,
                    provisional,
                };
            }
        }
        Counted { date, provisional }
    }
}
