//! The calendar against an independent transcription and against counting on one's fingers.

use super::*;
use chrono::Days as ChronoDays;
use proptest::prelude::*;

const PEER: &str = include_str!("../../tests/fixtures/working_days.txt");

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn calendar() -> Calendar {
    Calendar::embedded().unwrap()
}

/// A day of the years whose data are held, or a little beyond.
fn some_day() -> impl Strategy<Value = NaiveDate> {
    (0_u64..1_600).prop_map(|days| day("2023-11-01") + ChronoDays::new(days))
}

#[test]
fn every_day_of_three_years_agrees_with_the_peer() {
    let calendar = calendar();
    let mut months = 0;
    for line in PEER.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(' ').collect();
        let first = day(&format!("{}-01", columns[0]));
        let listed = |column: &str| -> Vec<u32> {
            column
                .split(',')
                .filter_map(|one| one.parse().ok())
                .collect()
        };
        let (off, on) = (listed(columns[2]), listed(columns[3]));
        let mut working = 0;
        for date in first
            .iter_days()
            .take_while(|date| date.month() == first.month())
        {
            let weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
            let expected = if weekend {
                on.contains(&date.day())
            } else {
                !off.contains(&date.day())
            };
            assert_eq!(calendar.is_working_day(date), expected, "{date}");
            working += u32::from(expected);
        }
        assert_eq!(working.to_string(), columns[1], "{line}");
        months += 1;
    }
    assert_eq!(months, 36);
}

#[test]
fn years_name_the_notice_they_rest_on() {
    let calendar = calendar();
    let years: Vec<(i32, &str, bool)> = calendar
        .years()
        .map(|year| (year.number(), year.notice(), year.is_arranged()))
        .collect();
    assert_eq!(
        years,
        [
            (2024, "国办发明电〔2023〕7号", true),
            (2025, "国办发明电〔2024〕12号", true),
            (2026, "国办发明电〔2025〕7号", true),
            (2027, "全国年节及纪念日放假办法", false),
        ]
    );
}

#[test]
fn day_zero_is_not_counted_and_holidays_push_the_last_day() {
    let calendar = calendar();
    let end = |from: &str, days, last| calendar.period_end(day(from), days, last).date;
    let twenty = Days::Calendar(CalendarDays(20));
    assert_eq!(
        end("2026-03-02", twenty, LastDay::AfterHoliday),
        day("2026-03-22")
    );
    // 2026-03-22 is a Sunday: only the stricter reading moves it.
    assert_eq!(
        end("2026-03-02", twenty, LastDay::AfterRestDay),
        day("2026-03-23")
    );
    // The twentieth day is 2026-10-03, inside the National Day holiday.
    assert_eq!(
        end("2026-09-13", twenty, LastDay::AfterHoliday),
        day("2026-10-08")
    );
    assert_eq!(
        end("2026-09-13", twenty, LastDay::AsCounted),
        day("2026-10-03")
    );
    // Five working days from the Wednesday before the holiday: 8, 9, 10 (Saturday worked), 12, 13.
    let five = Days::Working(WorkingDays(5));
    assert_eq!(
        end("2026-09-30", five, LastDay::AfterHoliday),
        day("2026-10-13")
    );
    let ends = Calendar::end_of_day(day("2026-03-02"));
    assert_eq!(ends.china_date(), day("2026-03-02"));
    assert_eq!(ends.plus_micros(1).to_string(), "2026-03-03 00:00:00+08:00");
}

#[test]
fn what_touches_an_unarranged_year_is_provisional() {
    let calendar = calendar();
    let counted = calendar.add_working_days(day("2026-12-28"), WorkingDays(3));
    assert_eq!(
        (counted.date, counted.provisional),
        (day("2026-12-31"), false)
    );
    let counted = calendar.add_working_days(day("2026-12-28"), WorkingDays(4));
    assert_eq!(
        (counted.date, counted.provisional),
        (day("2027-01-04"), true)
    );
    assert!(
        !calendar.is_working_day(day("2027-02-05")),
        "除夕 is statutory since 2025"
    );
    assert!(!calendar.is_working_day(day("2031-10-01")));
    assert!(calendar.is_provisional(day("2031-10-01")));
}

#[test]
fn wrong_year_files_are_refused_precisely() {
    let text = include_str!("../../data/calendar/2026.toml");
    let error = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        Calendar::from_files(&[("y.toml", &changed)]).unwrap_err()
    };
    let file = || "y.toml".to_owned();
    assert_eq!(
        error("\"2026-01-04\"", "\"2026-01-05\""),
        CalendarError::NotAWeekend {
            file: file(),
            date: day("2026-01-05")
        }
    );
    assert_eq!(
        error("\"2026-01-04\"", "\"2026-01-03\""),
        CalendarError::Contradiction {
            file: file(),
            date: day("2026-01-03")
        }
    );
    assert_eq!(
        error("\"2026-01-04\"", "\"2025-01-04\""),
        CalendarError::OtherYear {
            file: file(),
            year: 2026,
            date: day("2025-01-04")
        }
    );
    assert_eq!(
        error("to = \"2026-02-23\"", "to = \"2026-02-13\""),
        CalendarError::Backwards {
            file: file(),
            from: day("2026-02-15"),
            to: day("2026-02-13")
        }
    );
    assert_eq!(
        error("国办发明电〔2025〕7号", ""),
        CalendarError::NoNotice { file: file() }
    );
    assert!(matches!(
        Calendar::from_files(&[("a", text), ("b", text)]),
        Err(CalendarError::Twice { year: 2026, .. })
    ));
}

#[test]
fn the_end_of_time_holds() {
    let calendar = calendar();
    let far = calendar.add_calendar_days(NaiveDate::MAX, CalendarDays(u32::MAX));
    assert_eq!(far.date, NaiveDate::MAX);
    assert_eq!(
        calendar
            .add_working_days(NaiveDate::MAX, WorkingDays(9))
            .date,
        NaiveDate::MAX
    );
}

proptest! {
    #[test]
    fn working_days_are_counted_as_on_fingers(from in some_day(), days in 0_u32..80) {
        let calendar = calendar();
        let counted = calendar.add_working_days(from, WorkingDays(days));
        let (mut date, mut left) = (from, days);
        while left > 0 {
            date = date.succ_opt().unwrap();
            left -= u32::from(calendar.is_working_day(date));
        }
        prop_assert_eq!(counted.date, date);
        let between = calendar.working_days_between(from, counted.date);
        prop_assert_eq!(between.days, WorkingDays(days));
    }

    #[test]
    fn calendar_days_are_counted_as_on_fingers(from in some_day(), days in 0_u32..80) {
        let mut date = from;
        for _ in 0..days {
            date = date.succ_opt().unwrap();
        }
        prop_assert_eq!(calendar().add_calendar_days(from, CalendarDays(days)).date, date);
    }

    #[test]
    fn later_starts_and_longer_periods_never_end_earlier(
        from in some_day(),
        later in 0_u64..40,
        days in 0_u32..60,
        more in 0_u32..20,
        working in any::<bool>(),
        rest in any::<bool>(),
    ) {
        let calendar = calendar();
        let of = |count| if working {
            Days::Working(WorkingDays(count))
        } else {
            Days::Calendar(CalendarDays(count))
        };
        let last = if rest { LastDay::AfterRestDay } else { LastDay::AfterHoliday };
        let end = calendar.period_end(from, of(days), last).date;
        prop_assert!(end >= from);
        prop_assert!(calendar.period_end(from + ChronoDays::new(later), of(days), last).date >= end);
        prop_assert!(calendar.period_end(from, of(days + more), last).date >= end);
    }

    #[test]
    fn a_period_never_ends_on_a_holiday(from in some_day(), days in 1_u32..60) {
        let calendar = calendar();
        let days = Days::Calendar(CalendarDays(days));
        prop_assert!(!calendar.is_holiday(calendar.period_end(from, days, LastDay::AfterHoliday).date));
        prop_assert!(calendar.is_working_day(calendar.period_end(from, days, LastDay::AfterRestDay).date));
    }
}
