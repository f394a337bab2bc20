use sunbid_contracts::{
    bid::v1::LotClosing,
    common::v1::{RuleEffect, RuleOutcome, Verdict},
    notice::v1::{
        ClarificationPublished, FollowUpPublished, Intent, NoticeKind, QuestionState,
        TenderNoticePublished,
    },
    opening::v1::{EnvelopeFault, LotRecord, OpeningLine, OpeningRecord, SheetValue},
    tender::v1::{Tender, TenderState, Termination, TerminationCause},
};
use sunbid_rules::Engine;
use sunbid_terms::Instant;

use super::{
    Board, IntentState, Questions,
    board::{self, Clarify},
    facts, follow_up,
    intent::{self, IntentNames},
    question,
};
use crate::{
    Aggregate, Event, Refusal,
    tender::sample::{self, PURCHASER, start},
};

const DAY: i64 = 86_400;

fn engine() -> Engine {
    Engine::new().unwrap()
}

/// As after a ceremony; the key's truth is not the notice's business.
fn ready(at: Instant) -> Tender {
    let mut tender = sample::Story::reviewed(at).dossier.tender.unwrap();
    tender.set_state(TenderState::Ready);
    tender.key_id = vec![1; 32];
    tender.public_key = vec![2; 32];
    tender.threshold = 2;
    tender.holders = sample::Member::three()
        .into_iter()
        .map(|member| member.record)
        .collect();
    tender
}

fn breached(verdicts: &[Verdict], effect: RuleEffect) -> Vec<&str> {
    verdicts
        .iter()
        .filter(|v| v.outcome == RuleOutcome::Breached as i32 && v.effect == effect as i32)
        .map(|v| v.rule_id.as_str())
        .collect()
}

fn announced() -> Board {
    let tender = ready(start());
    let made = board::announce(
        &Board::default(),
        &tender,
        None,
        "notices/n",
        &engine(),
        start(),
    )
    .unwrap();
    let mut board = Board::default();
    let event = TenderNoticePublished {
        notice: Some(made.notice),
        tender_head: Some(sample::head()),
    };
    board.evolve(&Event::of(&event), start()).unwrap();
    board
}

#[test]
fn a_lawful_tender_is_announced_with_all_that_suppliers_need() {
    let tender = ready(start());
    let board = Board::default();
    let made = board::announce(&board, &tender, None, "notices/n", &engine(), start()).unwrap();
    assert_eq!(breached(&made.verdicts, RuleEffect::Refuse), [""; 0]);
    let notice = made.notice;
    assert_eq!(notice.kind(), NoticeKind::Tender);
    let shown = notice.announced.unwrap();
    assert_eq!(shown.state(), TenderState::Announced);
    assert_eq!(shown.announce_time_us, start().micros());
    for part in [
        "3,000,000.00",
        "2,900,000.00",
        "不见面开标",
        "机构1",
        "2家",
        "串通",
        &tender.deal_code,
    ] {
        assert!(
            notice.body_zh.contains(part),
            "{part} is missing in\n{}",
            notice.body_zh
        );
    }
    for part in ["3,000,000.00", "online", "collusion", "free of charge"] {
        assert!(
            notice.body_en.contains(part),
            "{part} is missing in\n{}",
            notice.body_en
        );
    }
}

#[test]
fn an_unlawful_tender_is_not_announced() {
    let mut short = ready(start());
    short.timetable.as_mut().unwrap().bid_deadline_us -= 10 * DAY * 1_000_000;
    let refused = board::announce(
        &Board::default(),
        &short,
        None,
        "notices/n",
        &engine(),
        start(),
    );
    let Err(Refusal::Rules(verdicts)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(breached(&verdicts, RuleEffect::Refuse), ["P21"]);

    let mut unfiled = ready(start());
    unfiled
        .conditions
        .as_mut()
        .unwrap()
        .plan_filing_number
        .clear();
    let refused = board::announce(
        &Board::default(),
        &unfiled,
        None,
        "notices/n",
        &engine(),
        start(),
    );
    let Err(Refusal::Rules(verdicts)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(breached(&verdicts, RuleEffect::Refuse), ["P4"]);

    let mut draft = ready(start());
    draft.set_state(TenderState::Draft);
    let refused = board::announce(
        &Board::default(),
        &draft,
        None,
        "notices/n",
        &engine(),
        start(),
    );
    assert!(matches!(
        refused,
        Err(Refusal::State {
            reason: "TENDER_NOT_READY",
            ..
        })
    ));
    let again = board::announce(
        &announced(),
        &ready(start()),
        None,
        "notices/m",
        &engine(),
        start(),
    );
    assert!(matches!(
        again,
        Err(Refusal::State {
            reason: "ALREADY_ANNOUNCED",
            ..
        })
    ));
}

#[test]
fn a_timely_intent_needs_no_urgency() {
    let mut tender = ready(start());
    tender.conditions.as_mut().unwrap().urgent_reason.clear();
    let (scope, without) = facts::tender_notice(&tender, None, start()).unwrap();
    let verdicts = crate::verdicts::messages(&engine().check(&scope, &without));
    assert_eq!(breached(&verdicts, RuleEffect::Refuse), ["P1"]);
    let intent = Intent {
        purchaser: PURCHASER.to_owned(),
        publish_time_us: start().plus_seconds(-40 * DAY).micros(),
        ..Default::default()
    };
    let (scope, with) = facts::tender_notice(&tender, Some(&intent), start()).unwrap();
    assert!(engine().check(&scope, &with).is_allowed());
}

fn clarify(text: &str) -> Clarify<'_> {
    Clarify {
        purchaser: PURCHASER,
        text,
        affects_bids: true,
        changes_subject_or_qualification: false,
        new_deadline_us: 0,
        question: "",
    }
}

#[test]
fn a_late_clarification_moves_the_deadline_and_an_early_one_does_not() {
    let mut board = announced();
    let early = board::clarify(&board, clarify("说明"), "notices/c", &engine(), start()).unwrap();
    assert_eq!(early.notice.deadline_us, board.deadline().micros());

    let late = start().plus_seconds(15 * DAY);
    let made = board::clarify(&board, clarify("说明"), "notices/c", &engine(), late).unwrap();
    assert!(made.notice.deadline_us > board.deadline().micros());
    let days = (made.notice.deadline_us - late.micros()) / 1_000_000 / DAY;
    assert!((14..20).contains(&days), "{days}");
    assert!(made.notice.body_zh.contains("顺延"));
    let event = ClarificationPublished {
        notice: Some(made.notice.clone()),
    };
    board.evolve(&Event::of(&event), late).unwrap();
    assert_eq!(board.deadline().micros(), made.notice.deadline_us);

    let short = Clarify {
        new_deadline_us: board.deadline().micros(),
        ..clarify("说明")
    };
    let later = late.plus_seconds(10 * DAY);
    let refused = board::clarify(&board, short, "notices/d", &engine(), later);
    assert!(matches!(refused, Err(Refusal::Rules(_))), "{refused:?}");
    let changing = Clarify {
        changes_subject_or_qualification: true,
        ..clarify("说明")
    };
    let refused = board::clarify(&board, changing, "notices/d", &engine(), late);
    let Err(Refusal::Rules(verdicts)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(breached(&verdicts, RuleEffect::Refuse), ["P27"]);
    let stranger = Clarify {
        purchaser: "organizations/x",
        ..clarify("说明")
    };
    let refused = board::clarify(&board, stranger, "notices/d", &engine(), late);
    assert_eq!(refused, Err(Refusal::Forbidden));
    let closed = board::clarify(
        &board,
        clarify("说明"),
        "notices/d",
        &engine(),
        board.deadline(),
    );
    assert!(matches!(
        closed,
        Err(Refusal::State {
            reason: "BIDDING_CLOSED",
            ..
        })
    ));
}

#[test]
fn follow_ups_are_published_once_and_in_place() {
    let mut board = announced();
    let put = |board: &mut Board, notice: Option<_>| {
        let event = FollowUpPublished {
            notice,
            cause: None,
        };
        board.evolve(&Event::of(&event), start()).unwrap();
    };
    assert!(follow_up::suspension(&Board::default(), "原因", "n", start()).is_none());
    let notice = follow_up::suspension(&board, "原因", "n", start());
    put(&mut board, notice);
    assert!(follow_up::suspension(&board, "原因", "n", start()).is_none());
    let refused = board::clarify(&board, clarify("说明"), "notices/d", &engine(), start());
    assert!(matches!(
        refused,
        Err(Refusal::State {
            reason: "TENDER_SUSPENDED",
            ..
        })
    ));
    let deadline = board.deadline().plus_seconds(DAY);
    let notice = follow_up::resumption(&board, "恢复", deadline, "n", start());
    put(&mut board, notice);
    assert_eq!((board.held, board.deadline()), (false, deadline));

    let lot = |opens| LotClosing {
        lot_id: "01".to_owned(),
        bidders: 2,
        opens,
    };
    assert!(follow_up::failure(&board, &[lot(true)], "n", start()).is_none());
    let notice = follow_up::failure(&board, &[lot(false)], "n", start()).unwrap();
    assert!(notice.body_zh.contains("不足三家") && !notice.body_zh.contains("2家"));
    let ended = follow_up::termination(&board, "取消", "n", start());
    put(&mut board, ended);
    assert!(follow_up::termination(&board, "取消", "n", start()).is_none());
}

#[test]
fn the_opening_record_is_a_table_that_no_bidder_can_break() {
    let board = announced();
    let line = |position, value: &str, fault| OpeningLine {
        position,
        bidder_display_name: "供应商|甲\n乙".to_owned(),
        fault,
        fault_note_zh: "无法解密".to_owned(),
        values: vec![SheetValue {
            key: "price".to_owned(),
            value: value.to_owned(),
        }],
        ..Default::default()
    };
    let record = OpeningRecord {
        lots: vec![LotRecord {
            lot_id: "01".to_owned(),
            bidders: 3,
            lines: vec![
                line(1, "1000000.00", EnvelopeFault::None as i32),
                line(2, "", EnvelopeFault::Supplier as i32),
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    let notice = follow_up::opening_record(&board, &record, "n", start()).unwrap();
    assert!(
        notice.body_zh.contains("1 | 供应商 甲 乙 | 1000000.00"),
        "{}",
        notice.body_zh
    );
    assert!(
        notice.body_zh.contains("2 | 供应商 甲 乙 | 无法解密"),
        "{}",
        notice.body_zh
    );
}

#[test]
fn questions_are_limited_and_answered_once() {
    let board = announced();
    let mut questions = Questions::default();
    let asker = "organizations/91110108551385082Q";
    for number in 0..question::MOST_OPEN {
        let name = format!("q{number}");
        let (_, event) = question::ask(&board, &questions, asker, &name, "问", start()).unwrap();
        questions.evolve(&Event::of(&event), start()).unwrap();
    }
    let refused = question::ask(&board, &questions, asker, "q", "问", start());
    assert!(matches!(
        refused,
        Err(Refusal::State {
            reason: "TOO_MANY_QUESTIONS",
            ..
        })
    ));
    let own = question::ask(&board, &Questions::default(), PURCHASER, "q", "问", start());
    assert_eq!(own, Err(Refusal::Forbidden));
    let hidden = question::ask(&Board::default(), &questions, asker, "q", "问", start());
    assert_eq!(hidden, Err(Refusal::Forbidden));

    let answered = question::answered(&questions, "q3", "notices/a").unwrap();
    questions.evolve(&Event::of(&answered), start()).unwrap();
    assert_eq!(questions.questions[3].state(), QuestionState::Answered);
    assert!(question::answered(&questions, "q3", "notices/b").is_none());
    assert!(question::ask(&board, &questions, asker, "q", "问", start()).is_ok());
}

#[test]
fn intents_are_complete_and_published_once() {
    let asked = Intent {
        track: 1,
        category: 1,
        title: "教学设备采购".to_owned(),
        purchaser_display_name: "采购人甲".to_owned(),
        demand: "教学设备".to_owned(),
        budget_fen: 300_000_000,
        planned_time_us: start().plus_seconds(40 * DAY).micros(),
        ..Default::default()
    };
    let names = IntentNames {
        intent: "intents/i",
        notice: "notices/n",
        purchaser: PURCHASER,
    };
    let fresh = IntentState::default();
    let made = intent::publish(&fresh, &asked, names, &engine(), start()).unwrap();
    assert_eq!(made.intent.jurisdiction, "CN");
    assert_eq!(made.notice.kind(), NoticeKind::Intent);
    assert!(
        made.notice.body_zh.contains("2026年04月"),
        "{}",
        made.notice.body_zh
    );
    let poor = Intent {
        demand: String::new(),
        ..asked.clone()
    };
    let refused = intent::publish(&fresh, &poor, names, &engine(), start());
    let Err(Refusal::Rules(verdicts)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(breached(&verdicts, RuleEffect::Refuse), ["P3"]);
    let state = IntentState {
        intent: Some(made.intent),
    };
    let again = intent::publish(&state, &asked, names, &engine(), start());
    assert!(matches!(
        again,
        Err(Refusal::State {
            reason: "INTENT_EXISTS",
            ..
        })
    ));
}

#[test]
fn only_a_cancelled_task_ends_a_government_procurement() {
    let tender = ready(start());
    let allowed = |cause: TerminationCause, takers_told| {
        let termination = Termination {
            cause: cause as i32,
            reason: "预算撤销".to_owned(),
            takers_told,
            reported_to_finance: true,
        };
        let (scope, facts) = facts::termination(&tender, &termination, start()).unwrap();
        engine().check(&scope, &facts).is_allowed()
    };
    assert!(allowed(TerminationCause::TaskCancelled, true));
    assert!(!allowed(TerminationCause::Other, true));
    assert!(!allowed(TerminationCause::Unspecified, true));
}
