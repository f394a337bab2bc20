//! One change to lawful facts per case, and what must follow from it.

use sunbid_rules::facts::*;
use sunbid_rules::{Effect, Engine, Scope, Subject, Track, Verdicts};
use sunbid_terms::{Fen, Instant};

use crate::lawful::{self, at, clause, yuan};

use Effect::{Escalate, Refuse, Warn};
use Track::{Engineering as ENG, GovernmentProcurement as GP};

/// Judges changed facts.
pub type Judge = Box<dyn Fn(&Engine, &Scope) -> Verdicts>;

pub struct Case {
    pub rule: &'static str,
    pub track: Track,
    pub effect: Effect,
    pub field: &'static str,
    /// What the English sentence must contain: actual values and what would satisfy the rule.
    pub shows: &'static [&'static str],
    pub judge: Judge,
}

/// The change of one case, applied to a copy of lawful facts.
fn changed<F: Subject + Clone>(lawful: F, change: fn(&mut F)) -> Judge {
    Box::new(move |engine, scope| {
        let mut facts = lawful.clone();
        change(&mut facts);
        engine.check(scope, &facts)
    })
}

macro_rules! cases {
    ($($rule:literal $track:ident $effect:ident $field:literal $shows:tt $facts:expr => $change:expr;)+) => {
        vec![$(Case {
            rule: $rule,
            track: $track,
            effect: $effect,
            field: $field,
            shows: &$shows,
            judge: changed($facts, $change),
        }),+]
    };
}

pub fn all() -> Vec<Case> {
    let mut all = before_the_notice();
    all.extend(notices());
    all.extend(terms());
    all.extend(clarifications());
    all.extend(deposits());
    all.extend(bids());
    all.extend(openings());
    all.extend(outages());
    all
}

fn before_the_notice() -> Vec<Case> {
    cases! {
        "P1" GP Warn "planned_start" ["2026-02-10", "the earliest lawful start is 2026-02-24"]
            lawful::intent() => |f| f.planned_start = Some(at("2026-02-10 09:00"));
        "P1" GP Refuse "intent_published_at" ["No intent"]
            lawful::notice(GP) => |f| f.intent_published_at = None;
        "P1" GP Refuse "published_at" ["2026-02-02", "the earliest lawful notice is on 2026-03-04"]
            lawful::notice(GP) => |f| f.intent_published_at = Some(at("2026-02-02 09:00"));
        "P1" GP Warn "published_at" ["抢险"]
            lawful::notice(GP) => |f| {
                f.intent_published_at = Some(at("2026-02-02 09:00"));
                f.urgent_reason = Some("抢险".to_owned());
            };
        "P2" GP Escalate "published_at" ["the last day was 2025-12-31"]
            lawful::intent() => |f| f.budget_approved_at = Some(at("2025-11-01 09:00"));
        "P3" GP Refuse "demand_summary" ["a summary of the demand"]
            lawful::intent() => |f| f.demand_summary = " ".to_owned();
        "P3" GP Refuse "budget" ["the budget"]
            lawful::intent() => |f| f.budget = Some(Fen::ZERO);
        "P3" GP Refuse "planned_month" ["the expected month"]
            lawful::intent() => |f| f.planned_month = Some(PlannedMonth { year: 2026, month: 13 });
        "P4" GP Refuse "implementation_plan" []
            lawful::notice(GP) => |f| f.implementation_plan = None;
        "P5" GP Refuse "demand_survey" ["at least 3"]
            lawful::notice(GP) => |f| { f.demand_survey = None; f.public_interest = true; };
        "P5" GP Warn "demand_survey.objects" ["asked 2 participants"]
            lawful::notice(GP) => |f| {
                f.demand_survey = Some(DemandSurvey { objects: 2, covered_by: None });
                f.imported_goods = true;
            };
        "P6" GP Refuse "internal_review" []
            lawful::notice(GP) => |f| f.internal_review = None;
        "P6" GP Refuse "internal_review.reviewers" ["author"]
            lawful::notice(GP) => |f| {
                if let Some(review) = &mut f.internal_review { review.reviewers.push("author".to_owned()); }
            };
        "P6" GP Refuse "internal_review.key_passed" []
            lawful::notice(GP) => |f| {
                f.technically_complex = true;
                if let Some(review) = &mut f.internal_review { review.key_passed = false; }
            };
        "SZ4" GP Refuse "fair_competition_review" []
            lawful::notice(GP) => |f| f.fair_competition_review = None;
        "SZ4" ENG Refuse "fair_competition_review.reviewer" ["author"]
            lawful::notice(ENG) => |f| {
                f.fair_competition_review = Some(FairCompetitionReview { passed: true, reviewer: "author".to_owned() });
            };
        "P7" ENG Warn "mandatory_tender" ["3,000,000.00 yuan", "2,000,000.00 yuan"]
            lawful::notice(ENG) => |f| f.mandatory_tender = false;
        "P7" ENG Warn "estimated_price" ["2,000,000.00 yuan"]
            lawful::notice(ENG) => |f| f.estimated_price = None;
        "P9" GP Warn "yearly_sum_without_open_tender" ["2,000,000.01 yuan"]
            small_inquiry() => |f| f.yearly_sum_without_open_tender = Some(yuan("2,000,000.01"));
        "P10" GP Refuse "method_approval" ["2,000,000.00 yuan"]
            small_inquiry() => |f| f.budget = Some(yuan("3,000,000"));
        "P11" GP Refuse "single_source_publicity" ["5 working days"]
            lawful::single_source() => |f| f.single_source_publicity = None;
        "P11" GP Refuse "single_source_publicity.ended_at" ["the earliest lawful end is 2026-02-10"]
            lawful::single_source() => |f| {
                if let Some(publicity) = &mut f.single_source_publicity { publicity.ended_at = at("2026-02-10 00:00"); }
            };
        "P12" GP Refuse "additional_purchase.adds_now" ["at most 40,000.00 yuan"]
            lawful::addition() => |f| {
                if let Some(addition) = &mut f.additional_purchase { addition.adds_now = yuan("40,000.01"); }
            };
        "P13" GP Warn "sme_reservation.reserved" ["at least 900,000.00 yuan"]
            lawful::notice(GP) => |f| {
                if let Some(reservation) = &mut f.sme_reservation { reservation.reserved = yuan("899,999.99"); }
            };
        "P13" GP Warn "sme_reservation.reserved_for_small" ["at least 600,000.00 yuan"]
            lawful::notice(GP) => |f| {
                if let Some(reservation) = &mut f.sme_reservation { reservation.reserved_for_small = yuan("500,000"); }
            };
        "P14" GP Warn "sme_reservation.reserved" ["at least 2,000,000.00 yuan"]
            lawful::works(GP) => |f| {
                if let Some(reservation) = &mut f.sme_reservation { reservation.reserved = yuan("1,600,000"); }
            };
        "P14" ENG Warn "sme_reservation.reserved" ["at least 2,000,000.00 yuan"]
            lawful::works(ENG) => |f| {
                if let Some(reservation) = &mut f.sme_reservation { reservation.reserved = yuan("1,600,000"); }
            };
    }
}

/// An inquiry below the threshold, which needs no approval.
fn small_inquiry() -> TenderNoticeFacts {
    let mut facts = lawful::notice(GP);
    facts.method = Method::Inquiry;
    facts.budget = Some(yuan("1,900,000"));
    facts.ceiling_price = None;
    facts.yearly_sum_without_open_tender = Some(yuan("1,900,000"));
    facts.sme_reservation = Some(SmeReservation {
        exemption: Some("第六条第三项".to_owned()),
        ..SmeReservation::default()
    });
    facts
}

fn with_method(method: Method) -> TenderNoticeFacts {
    let mut facts = lawful::notice(GP);
    facts.method = method;
    facts.method_approval = Some("财批〔2026〕1号".to_owned());
    facts.yearly_sum_without_open_tender = Some(yuan("3,000,000"));
    facts
}

fn close_at(facts: &mut TenderNoticeFacts, deadline: Instant) {
    facts.bid_deadline = deadline;
    facts.opening_at = deadline;
    if let Some(deposit) = &mut facts.deposit {
        deposit.due_at = deadline;
    }
}

fn notices() -> Vec<Case> {
    cases! {
        "P15" GP Refuse "lots[1].minimum_price" ["5.00 yuan"]
            lawful::notice(GP) => |f| f.lots[1].minimum_price = Some(yuan("5"));
        "P15" GP Refuse "ceiling_price" ["3,000,000.01 yuan"]
            lawful::notice(GP) => |f| f.ceiling_price = Some(yuan("3,000,000.01"));
        "P15" GP Refuse "ceiling_stated" []
            lawful::notice(GP) => |f| f.ceiling_stated = false;
        "P15" ENG Refuse "minimum_price" ["1.00 yuan"]
            lawful::notice(ENG) => |f| f.minimum_price = Some(yuan("1"));
        "P15" ENG Refuse "ceiling_stated" []
            lawful::notice(ENG) => |f| f.ceiling_stated = false;
        "P16" GP Escalate "media" ["中国政府采购网"]
            lawful::notice(GP) => |f| f.media[0].kind = MediumKind::ChinaTendering;
        "P16" GP Escalate "media[0]" []
            lawful::notice(GP) => |f| f.media[0].same_text = false;
        "P16" GP Escalate "posted_at" ["due by 2026-03-03 23:59:59"]
            lawful::publication() => |f| f.posted_at = Some(at("2026-03-04 00:00"));
        "P17" ENG Refuse "media" ["中国招标投标公共服务平台"]
            lawful::notice(ENG) => |f| f.media.clear();
        "P17" ENG Refuse "media[0]" []
            lawful::notice(ENG) => |f| f.media[0].charges_reader_or_publisher = true;
        "P17" ENG Escalate "posted_at" ["due by 2026-03-02 21:00:00"]
            lawful::publication() => |f| f.posted_at = None;
        "P18" GP Refuse "announcement_until" ["2026-03-08", "the earliest lawful date is 2026-03-09"]
            lawful::notice(GP) => |f| f.announcement_until = Some(at("2026-03-09 00:00"));
        "P18" GP Refuse "announcement_until" ["5 working days"]
            lawful::notice(GP) => |f| f.announcement_until = None;
        "P19" GP Refuse "document_until" ["the earliest lawful date is 2026-03-10"]
            lawful::notice(GP) => |f| f.document_from = at("2026-03-03 09:00");
        "P20" ENG Refuse "document_until" ["2026-03-06", "the earliest lawful date is 2026-03-09"]
            lawful::notice(ENG) => |f| f.document_until = at("2026-03-06 18:00");
        "P21" GP Refuse "bid_deadline" ["20 calendar days", "the earliest lawful date is 2026-03-22"]
            lawful::notice(GP) => |f| close_at(f, at("2026-03-20 09:00"));
        "P21" ENG Refuse "bid_deadline" ["20 calendar days", "the earliest lawful date is 2026-03-23"]
            lawful::notice(ENG) => |f| close_at(f, at("2026-03-22 09:00"));
        "P22" GP Refuse "bid_deadline" ["10 calendar days", "2026-03-12"]
            with_method(Method::CompetitiveConsultation) => |f| close_at(f, at("2026-03-11 09:00"));
        "P22" GP Refuse "document_until" ["5 working days", "2026-03-09"]
            with_method(Method::CompetitiveConsultation) => |f| f.document_until = at("2026-03-08 09:00");
        "P23" GP Refuse "bid_deadline" ["3 working days", "2026-03-05"]
            with_method(Method::Inquiry) => |f| close_at(f, at("2026-03-04 09:00"));
        "P24" GP Refuse "prequalification.application_deadline" ["2026-03-09"]
            lawful::with_prequalification(GP) => |f| apply_by(f, at("2026-03-06 09:00"));
        "P24" ENG Refuse "prequalification.application_deadline" ["2026-03-16"]
            lawful::with_prequalification(ENG) => |f| apply_by(f, at("2026-03-13 09:00"));
        "P28" GP Refuse "document_price" ["300.00 yuan"]
            lawful::notice(GP) => |f| f.document_price = yuan("300");
        "P28" GP Refuse "prequalification.file_price" ["1.00 yuan"]
            lawful::with_prequalification(GP) => |f| {
                if let Some(one) = &mut f.prequalification { one.file_price = yuan("1"); }
            };
        "P28" ENG Refuse "document_price" ["at most 200.00 yuan"]
            lawful::notice(ENG) => |f| { f.document_price = yuan("200.01"); f.document_cost = yuan("200"); };
        "P29" GP Refuse "registration_gate" []
            lawful::notice(GP) => |f| f.registration_gate = true;
        "P29" ENG Refuse "required_tools[0]" ["某软件"]
            lawful::notice(ENG) => |f| f.required_tools.push("某软件".to_owned());
        "P30" GP Refuse "deposit.due_at" ["2026-03-20 17:00:00"]
            lawful::notice(GP) => |f| {
                if let Some(deposit) = &mut f.deposit { deposit.due_at = at("2026-03-20 17:00"); }
            };
        "P30" GP Warn "bid_deadline" ["2026-03-23 would be better"]
            lawful::notice(GP) => |f| close_at(f, at("2026-03-22 09:00"));
        "O1" GP Refuse "opening_at" ["09:30:00", "09:00:00"]
            lawful::notice(GP) => |f| f.opening_at = at("2026-03-23 09:30");
        "O1" ENG Refuse "opening_at" []
            lawful::notice(ENG) => |f| f.opening_at = at("2026-03-23 08:59");
        "B7" ENG Refuse "consortium" []
            lawful::notice(ENG) => |f| f.consortium = ConsortiumTerm::NotStated;
    }
}

fn apply_by(facts: &mut TenderNoticeFacts, deadline: Instant) {
    if let Some(prequalification) = &mut facts.prequalification {
        prequalification.application_deadline = deadline;
    }
}

fn terms() -> Vec<Case> {
    cases! {
        "P31" GP Refuse "qualifications[1]" ["注册资本"]
            lawful::notice(GP) => |f| f.clauses.push(clause("qualifications[1]", "注 册 资 本不少于五百万元"));
        "P31" GP Refuse "qualifications[1]" ["制造商授权"]
            lawful::notice(GP) => |f| f.clauses.push(clause("qualifications[1]", "须提供制造商授权书"));
        "P31" GP Warn "qualifications[1]" ["answered"]
            lawful::notice(GP) => |f| f.clauses.push(Clause {
                answer: Some("该词出现在禁止性说明中".to_owned()),
                ..clause("qualifications[1]", "不以营业收入作为条件")
            });
        "P32" GP Warn "similar_contracts_required" ["3 similar contracts", "at most 2"]
            lawful::notice(GP) => |f| f.similar_contracts_required = Some(3);
        "P32" GP Refuse "similar_contracts_required" ["innovative"]
            lawful::notice(GP) => |f| f.innovative_product = true;
        "P33" GP Refuse "factors[0]" ["质量保证期"]
            lawful::notice(GP) => |f| f.scoring_factors[0].quantified = false;
        "P33" GP Refuse "factors[1]" ["qualifications[0]"]
            lawful::notice(GP) => |f| f.scoring_factors.push(ScoringFactor {
                path: "factors[1]".to_owned(),
                name: "独立承担民事责任的能力".to_owned(),
                quantified: true,
            });
        "P34" GP Refuse "score[0]" ["本市业绩"]
            lawful::notice(GP) => |f| f.clauses.push(Clause {
                role: ClauseRole::Score,
                ..clause("score[0]", "本市业绩每项加一分")
            });
        "P34" ENG Refuse "qualifications[1]" ["分支机构"]
            lawful::notice(ENG) => |f| f.clauses.push(clause("qualifications[1]", "在本地设有分支机构"));
        "P34" ENG Warn "demand[0]" ["原产地"]
            lawful::notice(ENG) => |f| f.clauses.push(Clause {
                role: ClauseRole::Demand,
                answer: Some("仅要求标明，不作限定".to_owned()),
                ..clause("demand[0]", "标明原产地")
            });
        "D1" GP Refuse "lots[0].deposit" ["at most 20,000.00 yuan"]
            lawful::notice(GP) => |f| f.lots[0].deposit = Some(yuan("20,000.01"));
        "D1" ENG Refuse "lots[1].deposit" ["2 %", "at most 40,000.00 yuan"]
            lawful::notice(ENG) => |f| f.lots[1].deposit = Some(yuan("50,000"));
        "D2" ENG Refuse "lots[0].deposit" ["800,000.00 yuan"]
            lawful::notice(ENG) => |f| {
                f.lots[0].budget = yuan("50,000,000");
                f.lots[0].deposit = Some(yuan("1,000,000"));
            };
        "D3" GP Refuse "deposit.forms" ["guarantee"]
            lawful::notice(GP) => |f| {
                if let Some(deposit) = &mut f.deposit { deposit.forms.retain(|form| *form != DepositForm::Guarantee); }
            };
        "D3" GP Refuse "deposit.forms" ["cash"]
            lawful::notice(GP) => |f| {
                if let Some(deposit) = &mut f.deposit { deposit.forms.push(DepositForm::Cash); }
            };
        "D3" ENG Refuse "deposit.guarantee_issuers_named[0]" ["甲银行"]
            lawful::notice(ENG) => |f| {
                if let Some(deposit) = &mut f.deposit { deposit.guarantee_issuers_named.push("甲银行".to_owned()); }
            };
        "D5" GP Refuse "deposits_demanded[1]" ["诚信保证金"]
            lawful::notice(GP) => |f| f.deposits_demanded.push(DepositKind::Other("诚信保证金".to_owned()));
        "D5" ENG Refuse "deposits_demanded[1]" ["信誉保证金"]
            lawful::notice(ENG) => |f| f.deposits_demanded.push(DepositKind::Other("信誉保证金".to_owned()));
    }
}

fn clarifications() -> Vec<Case> {
    let tender = |method| lawful::clarification(method, AmendedDocument::Tender);
    let prequalification =
        || lawful::clarification(Method::OpenTender, AmendedDocument::Prequalification);
    cases! {
        "P25" GP Refuse "deadline" ["15 calendar days", "the earliest lawful deadline is on 2026-03-24"]
            tender(Method::OpenTender) => |f| f.published_at = at("2026-03-09 10:00");
        "P25" ENG Refuse "proposed_deadline" ["2026-03-25", "the earliest lawful deadline is on 2026-03-27"]
            tender(Method::OpenTender) => |f| {
                f.published_at = at("2026-03-12 10:00");
                f.proposed_deadline = Some(at("2026-03-25 09:00"));
            };
        "P25" GP Refuse "proposed_deadline" ["may only move it later"]
            tender(Method::OpenTender) => |f| f.proposed_deadline = Some(at("2026-03-21 09:00"));
        "P26" GP Refuse "deadline" ["3 calendar days"]
            prequalification() => |f| f.published_at = at("2026-03-21 10:00");
        "P26" ENG Refuse "deadline" ["3 calendar days"]
            prequalification() => |f| f.published_at = at("2026-03-21 10:00");
        "P22" GP Refuse "deadline" ["5 calendar days"]
            tender(Method::CompetitiveConsultation) => |f| f.published_at = at("2026-03-19 10:00");
        "P23" GP Refuse "deadline" ["3 working days"]
            tender(Method::CompetitiveNegotiation) => |f| f.published_at = at("2026-03-19 10:00");
        "P27" GP Refuse "changes_qualification" ["who qualifies"]
            tender(Method::OpenTender) => |f| f.changes_qualification = true;
        "P27" GP Refuse "changes_subject" ["what is bought"]
            tender(Method::OpenTender) => |f| f.changes_subject = true;
        "R8" ENG Refuse "paused" ["2026-03-05"]
            lawful::document_objection() => |f| { f.answered_at = None; f.paused = false; };
        "R8" ENG Escalate "answered_at" ["by 2026-03-09"]
            lawful::document_objection() => |f| f.answered_at = Some(at("2026-03-10 09:00"));
    }
}

fn deposits() -> Vec<Case> {
    cases! {
        "D3" GP Refuse "form" ["cash"]
            lawful::deposit() => |f| f.form = DepositForm::Cash;
        "D4" ENG Warn "payer" ["9144030071526726XG"]
            lawful::deposit() => |f| f.payer = Some(lawful::other_supplier());
        "D4" ENG Warn "from_basic_account" ["basic account"]
            lawful::deposit() => |f| f.from_basic_account = Some(false);
        "D4" ENG Warn "guarantee_until" ["2026-06-01"]
            lawful::deposit() => |f| {
                f.form = DepositForm::Guarantee;
                f.guarantee_until = Some(at("2026-06-01 09:00"));
            };
        "D6" GP Warn "received" ["0.01 yuan are missing"]
            lawful::deposit() => |f| f.received = yuan("19,999.99");
        "D6" GP Warn "received_at" ["2026-03-23 09:01:00"]
            lawful::deposit() => |f| f.received_at = at("2026-03-23 09:01");
        "D6" GP Warn "payer" ["9144030071526726XG"]
            lawful::deposit() => |f| f.payer = Some(lawful::other_supplier());
        "D6" GP Warn "deposit_valid" []
            lawful::submission() => |f| f.deposit_valid = Some(false);
        "D7" GP Escalate "refunded_at" ["by the end of 2026-04-03"]
            lawful::refund(RefundCause::Withdrawn) => |f| f.refunded_at = Some(at("2026-04-07 09:00"));
        "D7" ENG Escalate "refunded_at" ["by the end of 2026-04-01"]
            lawful::refund(RefundCause::Withdrawn) => |f| f.refunded_at = Some(at("2026-04-02 09:00"));
        "D8" GP Escalate "refunded_at" ["5 working days"]
            lawful::refund(RefundCause::NotAwarded) => |f| f.refunded_at = None;
        "D8" ENG Escalate "with_interest" []
            lawful::refund(RefundCause::Awarded) => |f| f.with_interest = false;
        "P35" GP Escalate "with_interest" []
            lawful::refund(RefundCause::Terminated) => |f| f.with_interest = false;
        "P35" ENG Escalate "refunded_at" ["2026-04-01"]
            lawful::refund(RefundCause::Terminated) => |f| f.refunded_at = None;
    }
}

fn bids() -> Vec<Case> {
    cases! {
        "B1" GP Refuse "requested_at" ["revoked"]
            lawful::withdrawal() => |f| f.requested_at = at("2026-03-23 09:00");
        "B1" ENG Refuse "signature_valid" []
            lawful::withdrawal() => |f| f.signature_valid = false;
        "B2" GP Refuse "sealed" []
            lawful::submission() => |f| f.sealed = false;
        "B2" ENG Refuse "proof_valid" []
            lawful::submission() => |f| f.proof_valid = false;
        "B3" GP Refuse "complete_at" ["2026-03-23 09:00:00"]
            lawful::submission() => |f| f.complete_at = Some(at("2026-03-23 09:00"));
        "B3" ENG Refuse "complete_at" ["not complete"]
            lawful::submission() => |f| f.complete_at = None;
        "B3" ENG Refuse "log_closed" ["closed"]
            lawful::submission() => |f| f.log_closed = true;
        "B3" ENG Refuse "prequalified" []
            lawful::submission() => |f| f.prequalified = Some(false);
        "B5" GP Warn "related_bidders" ["供应商乙"]
            lawful::submission() => |f| f.related_bidders.push("供应商乙".to_owned());
        "B5" ENG Warn "related_bidders" ["供应商乙"]
            lawful::submission() => |f| f.related_bidders.push("供应商乙".to_owned());
        "B6" GP Refuse "excluded_relation" ["designed"]
            lawful::submission() => |f| f.excluded_relation = Some(ExcludedRelation::ServedTheProject);
        "B6" ENG Refuse "excluded_relation" ["operates"]
            lawful::submission() => |f| f.excluded_relation = Some(ExcludedRelation::OperatesPlatform);
        "B7" GP Refuse "consortium" []
            lawful::submission() => |f| { f.consortium = true; f.consortium_refused = true; };
        "B7" GP Refuse "members_bidding_elsewhere" ["供应商丙"]
            lawful::submission() => |f| f.members_bidding_elsewhere.push("供应商丙".to_owned());
        "B7" ENG Refuse "consortium_changed_after_prequalification" []
            lawful::submission() => |f| f.consortium_changed_after_prequalification = true;
    }
}

fn openings() -> Vec<Case> {
    cases! {
        "O1" GP Refuse "now" ["08:59:00"]
            lawful::opening() => |f| f.now = at("2026-03-23 08:59");
        "O1" ENG Refuse "scheduled_at" []
            lawful::opening() => |f| f.scheduled_at = at("2026-03-23 10:00");
        "O2" GP Refuse "lots[0]" ["2 bidders"]
            lawful::opening() => |f| f.lots[0].bids = 2;
        "O2" ENG Refuse "lots[0]" ["0 bidders"]
            lawful::opening() => |f| f.lots[0].bids = 0;
        "O4" GP Refuse "failures[0].cause" ["undecided"]
            lawful::opening_close() => |f| f.failures[0].cause = FailureCause::Undecided;
        "O4" ENG Refuse "failures[1].treatment" ["withdrawn"]
            lawful::opening_close() => |f| f.failures[1].treatment = Some(FailureTreatment::Revoked);
        "O5" GP Refuse "record_generated" []
            lawful::opening_close() => |f| f.record_generated = false;
        "O5" ENG Refuse "record_published" []
            lawful::opening_close() => |f| f.record_published = false;
        "O6" GP Refuse "open_objections" ["1 objections"]
            lawful::opening_close() => |f| f.open_objections = 1;
        "O6" ENG Refuse "session_open" []
            lawful::opening_objection() => |f| f.session_open = false;
        "O7" GP Refuse "committee_members_present[0]" ["专家甲"]
            lawful::opening() => |f| f.committee_members_present.push("专家甲".to_owned());
        "O7" ENG Refuse "host" ["the operator of the platform"]
            lawful::opening() => |f| f.host = Some(HostRole::PlatformOperator);
        "O8" GP Refuse "recording" []
            lawful::opening() => |f| f.recording = false;
        "O8" GP Escalate "recording_gap_seconds" ["90 seconds"]
            lawful::opening_close() => |f| f.recording_gap_seconds = 90;
        "P35" GP Refuse "reason" ["资金紧张"]
            lawful::termination() => |f| f.reason = Some(TerminationReason::Other("资金紧张".to_owned()));
        "P35" ENG Refuse "refunds_ordered" ["interest"]
            lawful::termination() => |f| f.refunds_ordered = false;
    }
}

fn outages() -> Vec<Case> {
    cases! {
        "T1" GP Refuse "new_deadline" ["becomes 2026-03-24 11:30", "not 2026-03-25 09:00"]
            lawful::outage(false) => |f| f.new_deadline = Some(at("2026-03-25 09:00"));
        "T1" ENG Refuse "new_deadline" ["becomes 2026-03-24 11:30", "not 2026-03-23 09:00"]
            lawful::outage(false) => |f| f.new_deadline = None;
        "T2" GP Refuse "new_deadline" ["becomes 2026-03-23 13:30"]
            lawful::outage(true) => |f| f.new_deadline = Some(at("2026-03-24 11:30"));
        "T2" ENG Refuse "new_deadline" ["becomes 2026-03-23 13:30"]
            lawful::outage(true) => |f| f.new_deadline = None;
    }
}
