//! Every rule has a case that it lets pass and one that it stops, warns of or reports; what it
//! stops names the article, the offending field, and what would satisfy it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its facts must fail"
)]

mod breaches;
mod lawful;

use std::collections::BTreeSet;

use lawful::{clarification, engine, opening_close, refund, scope};
use sunbid_rules::facts::*;
use sunbid_rules::{Effect, Engine, Finding, Kind, Outcome, Scope, Subject, Track};

/// Rule and track, as coverage is counted.
type Key = (String, Track);

fn key(rule: &str, track: Track) -> Key {
    (rule.to_owned(), track)
}

/// All checked rules in force in the city, whose rows include the country's.
fn checked(engine: &Engine) -> BTreeSet<Key> {
    Track::ALL
        .into_iter()
        .flat_map(|track| {
            let scope = scope(track);
            let rules = engine.in_force(&scope);
            let checked = rules.into_iter().filter(|rule| rule.kind == Kind::Check);
            checked
                .map(|rule| key(rule.id.as_str(), track))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn satisfied<F: Subject>(engine: &Engine, scope: &Scope, facts: &F, seen: &mut BTreeSet<Key>) {
    let verdicts = engine.check(scope, facts);
    let breached: Vec<&Finding> = verdicts.breached().collect();
    assert!(breached.is_empty(), "{} {breached:#?}", scope.track);
    assert!(verdicts.is_allowed());
    for finding in &verdicts.findings {
        if finding.outcome == Outcome::Satisfied {
            seen.insert(key(finding.rule.as_str(), scope.track));
        }
    }
}

#[test]
fn lawful_facts_pass_every_rule() {
    let engine = engine();
    let mut seen = BTreeSet::new();
    for track in Track::ALL {
        let scope = &scope(track);
        satisfied(&engine, scope, &lawful::intent(), &mut seen);
        for notice in lawful::notices(track) {
            satisfied(&engine, scope, &notice, &mut seen);
        }
        satisfied(&engine, scope, &lawful::publication(), &mut seen);
        for change in [
            clarification(Method::OpenTender, AmendedDocument::Tender),
            clarification(Method::OpenTender, AmendedDocument::Prequalification),
            clarification(Method::CompetitiveConsultation, AmendedDocument::Tender),
            clarification(Method::Inquiry, AmendedDocument::Tender),
        ] {
            satisfied(&engine, scope, &change, &mut seen);
        }
        satisfied(&engine, scope, &lawful::document_objection(), &mut seen);
        satisfied(&engine, scope, &lawful::deposit(), &mut seen);
        for cause in RefundCause::ALL {
            satisfied(&engine, scope, &refund(cause), &mut seen);
        }
        satisfied(&engine, scope, &lawful::submission(), &mut seen);
        satisfied(&engine, scope, &lawful::withdrawal(), &mut seen);
        satisfied(&engine, scope, &lawful::outage(false), &mut seen);
        satisfied(&engine, scope, &lawful::outage(true), &mut seen);
        satisfied(&engine, scope, &lawful::opening(), &mut seen);
        satisfied(&engine, scope, &opening_close(), &mut seen);
        satisfied(&engine, scope, &lawful::opening_objection(), &mut seen);
        satisfied(&engine, scope, &lawful::termination(), &mut seen);
    }
    let never: Vec<Key> = checked(&engine).difference(&seen).cloned().collect();
    assert!(never.is_empty(), "no case satisfies {never:?}");
}

#[test]
fn unlawful_facts_are_stopped_with_their_article() {
    let engine = engine();
    let mut seen = BTreeSet::new();
    for case in breaches::all() {
        let scope = scope(case.track);
        let verdicts = (case.judge)(&engine, &scope);
        let at = format!("{} {} {}", case.rule, case.track, case.field);
        let finding = verdicts
            .of(case.rule)
            .unwrap_or_else(|| panic!("{at}: no finding"));
        assert_eq!(finding.outcome, Outcome::Breached, "{at}: {finding:#?}");
        assert_eq!(finding.effect, case.effect, "{at}");
        assert_eq!(finding.field.as_deref(), Some(case.field), "{at}");
        assert_eq!(
            verdicts.is_allowed(),
            case.effect != Effect::Refuse,
            "{at}: {verdicts:#?}"
        );
        let others: Vec<&Finding> = verdicts
            .breached()
            .filter(|other| other.rule != finding.rule)
            .collect();
        assert!(others.is_empty(), "{at} also breaches {others:#?}");

        let rule = engine.rule(case.rule, &scope).unwrap();
        assert_eq!(finding.law_zh, rule.law_zh, "{at}");
        assert_eq!(finding.law_en, rule.law_en, "{at}");
        assert_eq!(
            finding.escalate,
            rule.escalate || case.effect == Effect::Escalate,
            "{at}"
        );
        assert!(
            finding.message_zh.ends_with('。'),
            "{at}: {}",
            finding.message_zh
        );
        assert!(
            finding.message_en.ends_with('.'),
            "{at}: {}",
            finding.message_en
        );
        for shown in case.shows {
            assert!(
                finding.message_en.contains(shown),
                "{at}: {}",
                finding.message_en
            );
        }
        seen.insert(key(case.rule, case.track));
    }
    let never: Vec<Key> = checked(&engine).difference(&seen).cloned().collect();
    assert!(never.is_empty(), "no case breaches {never:?}");
}

#[test]
fn the_emptiest_facts_are_never_allowed() {
    let engine = engine();
    for track in Track::ALL {
        let scope = scope(track);
        assert!(
            !engine
                .check(&scope, &TenderNoticeFacts::default())
                .is_allowed()
        );
        assert!(
            !engine
                .check(&scope, &SubmissionFacts::default())
                .is_allowed()
        );
        assert!(
            !engine
                .check(&scope, &WithdrawalFacts::default())
                .is_allowed()
        );
        assert!(!engine.check(&scope, &OpeningFacts::default()).is_allowed());
        assert!(
            !engine
                .check(&scope, &OpeningCloseFacts::default())
                .is_allowed()
        );
        assert!(
            !engine
                .check(&scope, &OpeningObjectionFacts::default())
                .is_allowed()
        );
        assert!(
            !engine
                .check(&scope, &TerminationFacts::default())
                .is_allowed()
        );
    }
    let procurement = scope(Track::GovernmentProcurement);
    assert!(
        !engine
            .check(&procurement, &IntentFacts::default())
            .is_allowed()
    );
}

#[test]
fn tracks_never_mix() {
    let engine = engine();
    let of = |track| {
        let scope = scope(track);
        let verdicts = engine.check(&scope, &TenderNoticeFacts::default());
        verdicts
            .findings
            .iter()
            .map(|finding| finding.rule.to_string())
            .collect::<BTreeSet<_>>()
    };
    let (procurement, engineering) = (of(Track::GovernmentProcurement), of(Track::Engineering));
    for rule in ["P4", "P18", "P19", "P30", "P31"] {
        assert!(
            procurement.contains(rule) && !engineering.contains(rule),
            "{rule}"
        );
    }
    for rule in ["P7", "P17", "P20", "D2"] {
        assert!(
            engineering.contains(rule) && !procurement.contains(rule),
            "{rule}"
        );
    }
}

#[test]
fn the_citys_own_rules_end_at_its_border() {
    let engine = engine();
    let mut elsewhere = scope(Track::GovernmentProcurement);
    elsewhere.jurisdiction = sunbid_rules::Jurisdiction::parse("CN-350500").unwrap();
    let verdicts = engine.check(&elsewhere, &lawful::intent());
    assert!(verdicts.of("P2").is_none());
    assert!(
        engine
            .check(&scope(elsewhere.track), &lawful::intent())
            .of("P2")
            .is_some()
    );
}

#[test]
fn unconfirmed_numbers_make_findings_provisional() {
    let engine = engine();
    let procurement = scope(Track::GovernmentProcurement);
    let mut notice = lawful::notice(procurement.track);
    notice.method = Method::InvitedTender;
    notice.method_approval = Some("财批〔2026〕1号".to_owned());
    let verdicts = engine.check(&procurement, &notice);
    assert!(
        verdicts.of("P10").unwrap().provisional,
        "the threshold of P8 is unconfirmed"
    );
    assert!(!verdicts.of("P21").unwrap().provisional);
    let engineering = scope(Track::Engineering);
    let verdicts = engine.check(&engineering, &lawful::notice(engineering.track));
    assert!(verdicts.of("D2").unwrap().provisional);
}

#[test]
fn designed_rules_say_how_they_are_kept() {
    let engine = engine();
    let designed: Vec<&str> = engine
        .table()
        .iter()
        .filter(|rule| rule.kind == Kind::Design)
        .map(|rule| {
            assert!(rule.kept_by_zh.is_some() && rule.kept_by_en.is_some());
            rule.id.as_str()
        })
        .collect();
    assert_eq!(designed, ["B4", "O3", "O9", "O10", "O11"]);
}
