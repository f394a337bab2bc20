//! What the planner proposes, the rules accept; and nothing a day earlier would be accepted.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its facts must fail"
)]

use proptest::prelude::*;
use sunbid_rules::facts::*;
use sunbid_rules::{Engine, Jurisdiction, Outcome, Scope, Track};
use sunbid_terms::{Fen, Instant};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn scope(track: Track, moment: Instant) -> Scope {
    Scope::new(track, Jurisdiction::china(), moment)
}

/// Any second from 2024 into 2027.
fn moment() -> impl Strategy<Value = Instant> {
    (0_i64..1_150 * DAY).prop_map(|seconds| at("2024-01-01T00:00:00+08:00").plus_seconds(seconds))
}

fn track() -> impl Strategy<Value = Track> {
    prop::sample::select(Track::ALL.to_vec())
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::OpenTender,
        Method::InvitedTender,
        Method::CompetitiveNegotiation,
        Method::CompetitiveConsultation,
        Method::Inquiry,
    ])
}

/// The rules on time.
const PERIODS: [&str; 8] = ["P18", "P19", "P20", "P21", "P22", "P23", "P24", "P30"];

#[test]
fn the_spring_festival_of_2026_is_planned_around() {
    let engine = Engine::new().unwrap();
    let notice = at("2026-02-03T10:00:00+08:00");
    let plan = engine
        .timetable(
            &scope(Track::GovernmentProcurement, notice),
            Method::OpenTender,
            notice,
        )
        .unwrap();
    let day = |at: Instant| at.china_date().to_string();
    // Working days after 02-03: 4, 5, 6, 9, 10.
    assert_eq!(
        plan.announcement_until.map(day),
        Some("2026-02-10".to_owned())
    );
    assert_eq!(day(plan.document_until), "2026-02-10");
    // The twentieth day is 02-23, the last of the holiday.
    assert_eq!(plan.bid_deadline.to_string(), "2026-02-24 09:00:00+08:00");
    assert!(!plan.provisional);
    let rules: Vec<String> = plan.rules.iter().map(ToString::to_string).collect();
    assert_eq!(rules, ["P18", "P21", "P19", "P24"]);

    let december = at("2026-12-20T10:00:00+08:00");
    let plan = engine
        .timetable(
            &scope(Track::Engineering, december),
            Method::OpenTender,
            december,
        )
        .unwrap();
    assert!(
        plan.provisional,
        "the twentieth day lies in a year without an arrangement"
    );
    assert_eq!(plan.announcement_until, None);
}

#[test]
fn a_single_source_has_no_timetable() {
    let engine = Engine::new().unwrap();
    let notice = at("2026-03-02T10:00:00+08:00");
    let scope = scope(Track::GovernmentProcurement, notice);
    assert_eq!(engine.timetable(&scope, Method::SingleSource, notice), None);
}

#[test]
fn refunds_fall_due_at_the_end_of_a_china_day() {
    let engine = Engine::new().unwrap();
    let event = at("2026-04-29T10:00:00+08:00");
    let due = |track, cause| {
        engine
            .refund_due(&scope(track, event), cause, event)
            .unwrap()
    };
    // Working days after 04-29: 30, 05-06, 7, 8, 9 (a Saturday worked).
    let working = due(Track::GovernmentProcurement, RefundCause::Withdrawn);
    assert_eq!(working.latest.to_string(), "2026-05-09 23:59:59+08:00");
    assert_eq!(
        (working.rule.as_str(), working.with_interest),
        ("D7", false)
    );
    // The fifth day, 05-04, is in the holiday.
    let calendar = due(Track::Engineering, RefundCause::Awarded);
    assert_eq!(calendar.latest.china_date().to_string(), "2026-05-06");
    assert!(calendar.with_interest);
    assert!(!calendar.provisional);
    assert!(due(Track::Engineering, RefundCause::Terminated).provisional);
    assert!(due(Track::GovernmentProcurement, RefundCause::Failed).provisional);
    assert!(!due(Track::GovernmentProcurement, RefundCause::Terminated).provisional);
}

#[test]
fn a_late_refund_costs_the_benchmark_rate_and_a_fifth() {
    let engine = Engine::new().unwrap();
    let now = at("2026-04-29T10:00:00+08:00");
    let fee = |principal, days| {
        let procurement = scope(Track::GovernmentProcurement, now);
        engine.late_refund_fee(&procurement, Fen::new(principal), 435, days)
    };
    // 100,000 yuan at 4.35 % x 1.2 for 36 days of 360.
    assert_eq!(fee(10_000_000, 36), Some(Fen::new(52_200)));
    assert_eq!(fee(10_000_000, 0), Some(Fen::ZERO));
    assert_eq!(fee(-5, 36), Some(Fen::ZERO));
    assert_eq!(fee(i64::MAX, u32::MAX), None);
    let engineering = scope(Track::Engineering, now);
    assert_eq!(
        engine.late_refund_fee(&engineering, Fen::new(1), 435, 1),
        None
    );
}

proptest! {
    #[test]
    fn the_rules_accept_what_the_planner_proposes(
        published in moment(),
        track in track(),
        method in method(),
    ) {
        let engine = Engine::new().unwrap();
        let scope = scope(track, published);
        let Some(plan) = engine.timetable(&scope, method, published) else {
            prop_assert!(track == Track::Engineering && !method.is_tender());
            return Ok(());
        };
        let facts = TenderNoticeFacts {
            method,
            mandatory_tender: true,
            published_at: published,
            document_from: published,
            document_until: plan.document_until,
            announcement_until: plan.announcement_until,
            prequalification: plan.application_deadline.map(|deadline| Prequalification {
                published_at: published,
                file_available_until: plan.document_until,
                application_deadline: deadline,
                file_price: Fen::ZERO,
            }),
            bid_deadline: plan.bid_deadline,
            opening_at: plan.bid_deadline,
            ..TenderNoticeFacts::default()
        };
        let verdicts = engine.check(&scope, &facts);
        for rule in PERIODS {
            if let Some(finding) = verdicts.of(rule) {
                prop_assert!(finding.outcome != Outcome::Breached, "{finding:?}");
                prop_assert!(plan.provisional || !finding.provisional || rule == "P22", "{finding:?}");
            }
        }
        prop_assert!(plan.document_until < plan.bid_deadline);
        prop_assert!(engine.calendar().is_working_day(plan.bid_deadline.china_date()));

        // A bid deadline well before the proposal breaks the rule it came from.
        let early = TenderNoticeFacts {
            bid_deadline: published.plus_seconds(2 * DAY),
            ..facts
        };
        let verdicts = engine.check(&scope, &early);
        let broken = ["P21", "P22", "P23"].into_iter().any(|rule| {
            verdicts.of(rule).is_some_and(|finding| finding.outcome == Outcome::Breached)
        });
        prop_assert!(broken);
    }

    #[test]
    fn an_extended_deadline_is_lawful_and_no_longer_than_needed(
        published in moment(),
        ahead in 0_i64..40 * DAY,
        track in track(),
        method in method(),
        prequalification in any::<bool>(),
    ) {
        let engine = Engine::new().unwrap();
        let scope = scope(track, published);
        let document = if prequalification {
            AmendedDocument::Prequalification
        } else {
            AmendedDocument::Tender
        };
        let mut facts = ClarificationFacts {
            method,
            document,
            affects_bids: true,
            published_at: published,
            deadline: published.plus_seconds(ahead),
            ..ClarificationFacts::default()
        };
        let Some(extension) = engine.extended_deadline(&scope, &facts) else {
            prop_assert!(track == Track::Engineering && !method.is_tender());
            return Ok(());
        };
        let before = engine.check(&scope, &facts).is_allowed();
        prop_assert_eq!(before, !extension.extended);
        prop_assert!(extension.deadline >= facts.deadline);
        facts.proposed_deadline = Some(extension.deadline);
        let verdicts = engine.check(&scope, &facts);
        prop_assert!(verdicts.is_allowed(), "{:?}", verdicts);
        if extension.extended {
            let kept = extension.deadline.in_china().time() == facts.deadline.in_china().time();
            prop_assert!(kept, "the time of day stays");
        }
    }
}
