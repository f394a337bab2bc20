//! Deadlines and outages: never earlier, on a working moment, the same again; and what is not
//! affected stays.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its facts must fail"
)]

use std::sync::LazyLock;

use chrono::Timelike;
use proptest::prelude::*;
use sunbid_rules::facts::{Maintenance, OutageFacts};
use sunbid_rules::{Engine, Jurisdiction, Scope, Track};
use sunbid_terms::Instant;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> Instant {
    Instant::parse(&format!("{}:00+08:00", text.replace(' ', "T"))).unwrap()
}

fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());
    &ENGINE
}

fn scope(moment: Instant) -> Scope {
    Scope::new(Track::Engineering, Jurisdiction::china(), moment)
}

fn after(engine: &Engine, facts: &OutageFacts) -> Instant {
    let said = engine.deadline_after_outage(&scope(facts.until), facts);
    let said = said.unwrap();
    assert_eq!(said.extended, said.deadline != facts.deadline, "{said:?}");
    said.deadline
}

fn outage(from: &str, until: &str, deadline: &str) -> OutageFacts {
    OutageFacts {
        from: at(from),
        until: at(until),
        deadline: at(deadline),
        ..OutageFacts::default()
    }
}

#[test]
fn examples_of_the_rule() {
    let engine = engine();
    for (from, until, deadline, expected) in [
        // In the middle of it, on a Monday.
        (
            "2026-03-23 08:30",
            "2026-03-23 09:40",
            "2026-03-23 09:00",
            "2026-03-23 11:40",
        ),
        // Two hours are short, a minute more is long.
        (
            "2026-03-23 08:30",
            "2026-03-23 10:30",
            "2026-03-23 09:00",
            "2026-03-23 12:30",
        ),
        (
            "2026-03-23 08:30",
            "2026-03-23 10:31",
            "2026-03-23 09:00",
            "2026-03-24 10:31",
        ),
        // Within two hours after it, and a minute beyond.
        (
            "2026-03-23 08:30",
            "2026-03-23 08:40",
            "2026-03-23 10:40",
            "2026-03-23 12:40",
        ),
        (
            "2026-03-23 08:30",
            "2026-03-23 08:40",
            "2026-03-23 10:41",
            "2026-03-23 10:41",
        ),
        // Before it, and at its first moment: bids could be taken then.
        (
            "2026-03-23 09:01",
            "2026-03-23 09:40",
            "2026-03-23 09:00",
            "2026-03-23 09:00",
        ),
        (
            "2026-03-23 09:00",
            "2026-03-23 09:40",
            "2026-03-23 09:00",
            "2026-03-23 09:00",
        ),
        // Half a minute at its last moment, and less than a minute long.
        (
            "2026-03-23 08:59",
            "2026-03-23 09:00",
            "2026-03-23 09:00",
            "2026-03-23 11:00",
        ),
        // Past the end of business, and exactly at it.
        (
            "2026-03-23 14:00",
            "2026-03-23 15:30",
            "2026-03-23 15:00",
            "2026-03-24 09:00",
        ),
        (
            "2026-03-23 14:00",
            "2026-03-23 15:00",
            "2026-03-23 15:00",
            "2026-03-23 17:00",
        ),
        // Before business begins.
        (
            "2026-03-23 02:00",
            "2026-03-23 03:30",
            "2026-03-23 03:00",
            "2026-03-23 09:00",
        ),
        // Friday evening goes to Monday; over the Spring Festival to its first day of work; a Saturday
        // that is worked in exchange counts.
        (
            "2026-03-27 15:00",
            "2026-03-27 16:30",
            "2026-03-27 16:00",
            "2026-03-30 09:00",
        ),
        (
            "2026-02-14 15:00",
            "2026-02-14 16:30",
            "2026-02-14 16:00",
            "2026-02-24 09:00",
        ),
        (
            "2026-02-27 15:00",
            "2026-02-27 16:30",
            "2026-02-27 16:00",
            "2026-02-28 09:00",
        ),
        (
            "2026-02-28 09:00",
            "2026-02-28 10:30",
            "2026-02-28 10:00",
            "2026-02-28 12:30",
        ),
        // New Year is a holiday until the third, the fourth, a Sunday, is worked.
        (
            "2025-12-31 15:00",
            "2025-12-31 17:30",
            "2025-12-31 16:00",
            "2026-01-04 09:00",
        ),
    ] {
        let facts = outage(from, until, deadline);
        assert_eq!(after(engine, &facts), at(expected), "{facts:?}");
    }
    let mut short = outage("2026-03-23 08:59", "2026-03-23 10:00", "2026-03-23 09:00");
    short.until = short.from.plus_seconds(59);
    assert_eq!(after(engine, &short), short.deadline, "too short to count");
}

#[test]
fn seconds_are_rounded_up_to_a_minute() {
    let engine = engine();
    let mut facts = outage("2026-03-23 08:30", "2026-03-23 09:40", "2026-03-23 09:00");
    facts.until = facts.until.plus_micros(1);
    assert_eq!(after(engine, &facts), at("2026-03-23 11:41"));
}

#[test]
fn only_ten_times() {
    let engine = engine();
    let mut facts = outage("2026-03-23 08:30", "2026-03-23 09:40", "2026-03-23 09:00");
    facts.moved_before = 9;
    assert_ne!(after(engine, &facts), facts.deadline);
    facts.moved_before = 10;
    assert_eq!(after(engine, &facts), facts.deadline);
}

#[test]
fn maintenance_is_what_was_announced_a_day_ahead_and_no_more() {
    let engine = engine();
    let mut facts = outage("2026-03-23 08:30", "2026-03-23 11:30", "2026-03-23 09:00");
    let (long, planned) = (at("2026-03-24 11:30"), at("2026-03-23 13:30"));
    assert_eq!(after(engine, &facts), long);
    let announced = |announced_at: &str, from: &str, until: &str| {
        Some(Maintenance {
            announced_at: at(announced_at),
            from: at(from),
            until: at(until),
        })
    };
    for (maintenance, expected) in [
        (
            announced("2026-03-22 08:00", "2026-03-23 08:00", "2026-03-23 12:00"),
            planned,
        ),
        (
            announced("2026-03-22 08:30", "2026-03-23 08:30", "2026-03-23 11:30"),
            planned,
        ),
        // Announced late; begun early; gone on too long.
        (
            announced("2026-03-22 08:01", "2026-03-23 08:00", "2026-03-23 12:00"),
            long,
        ),
        (
            announced("2026-03-20 08:00", "2026-03-23 08:31", "2026-03-23 12:00"),
            long,
        ),
        (
            announced("2026-03-20 08:00", "2026-03-23 08:00", "2026-03-23 11:29"),
            long,
        ),
    ] {
        facts.maintenance = maintenance;
        assert_eq!(after(engine, &facts), expected, "{maintenance:?}");
    }
}

/// Any second from 2024 into 2027.
fn moment() -> impl Strategy<Value = Instant> {
    (0_i64..1_150 * DAY).prop_map(|seconds| at("2024-01-01 00:00").plus_seconds(seconds))
}

fn facts() -> impl Strategy<Value = OutageFacts> {
    let lengths = prop_oneof![0..3 * HOUR, 0..20 * DAY];
    (
        moment(),
        lengths,
        -4 * HOUR..4 * HOUR,
        any::<bool>(),
        0..12_u32,
    )
        .prop_map(|(from, length, beside, ends, moved_before)| {
            let until = from.plus_seconds(length);
            // Near one of its two ends, where it is decided.
            let near = if ends { until } else { from };
            OutageFacts {
                from,
                until,
                deadline: near.plus_seconds(beside),
                moved_before,
                ..OutageFacts::default()
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_deadline_never_moves_earlier_and_lands_on_a_working_moment(facts in facts()) {
        let engine = engine();
        let new = after(engine, &facts);
        prop_assert!(new >= facts.deadline);
        if new != facts.deadline {
            // There is time left after the recovery.
            prop_assert!(new >= facts.until.plus_seconds(2 * HOUR));
            prop_assert!(engine.calendar().is_working_day(new.china_date()));
            let time = new.in_china().time();
            prop_assert!((9 * 3600..=17 * 3600).contains(&time.num_seconds_from_midnight()));
            prop_assert_eq!(time.num_seconds_from_midnight() % 60, 0);
            // Judged again, the same outage has nothing to do any more.
            let again = OutageFacts { deadline: new, ..facts.clone() };
            let settled = after(engine, &again);
            prop_assert!(settled == new || new <= facts.until.plus_seconds(2 * HOUR));
        }
    }

    #[test]
    fn who_is_not_affected_stays(facts in facts()) {
        let engine = engine();
        let touched = facts.deadline > facts.from
            && facts.deadline <= facts.until.plus_seconds(2 * HOUR)
            && facts.until >= facts.from.plus_seconds(MINUTE)
            && facts.moved_before < 10;
        prop_assert_eq!(after(engine, &facts) != facts.deadline, touched);
    }

    #[test]
    fn later_deadlines_and_longer_outages_never_give_less(
        facts in facts(), later in 0..DAY, longer in 0..DAY,
    ) {
        let engine = engine();
        let new = after(engine, &facts);
        let deadline = facts.deadline.plus_seconds(later);
        let with_later = after(engine, &OutageFacts { deadline, ..facts.clone() });
        prop_assert!(with_later >= new.min(deadline));
        if new != facts.deadline {
            let until = facts.until.plus_seconds(longer);
            let with_longer = after(engine, &OutageFacts { until, ..facts.clone() });
            prop_assert!(with_longer >= new);
        }
    }

    #[test]
    fn the_rules_accept_what_they_give_and_nothing_else(facts in facts(), off in 1..DAY) {
        let engine = engine();
        let due = after(engine, &facts);
        let scope = scope(facts.until);
        let with = |new_deadline| OutageFacts { new_deadline: Some(new_deadline), ..facts.clone() };
        prop_assert!(engine.check(&scope, &with(due)).is_allowed());
        prop_assert!(!engine.check(&scope, &with(due.plus_seconds(off))).is_allowed());
        prop_assert!(!engine.check(&scope, &with(due.plus_seconds(-off))).is_allowed());
    }
}
