//! What is wrong with a bid, by the codes of the sealing scheme (4.5), and the refusal that names
//! the rule and article with it. A fault is refused even where the rule table is silent.

use sunbid_contracts::common::v1::{RuleEffect, RuleOutcome, Verdict};
use sunbid_contracts::tender::v1::ProcurementMethod;
use sunbid_rules::{
    Engine, Jurisdiction, Scope,
    facts::{ExcludedRelation, SubmissionFacts, WithdrawalFacts},
};
use sunbid_terms::Instant;

use super::TenderBox;
use crate::{FieldViolation, Refusal, verdicts};

/// Which duty a fault breaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// To seal as the document asks.
    Sealing,
    /// To prove that it can be opened.
    Proof,
    /// To sign.
    Signature,
    /// To send all of it in time.
    Completeness,
    /// To number revisions one after another; no statute's business.
    Order,
}

/// One thing wrong with a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// "E1" to "E8" of the sealing scheme.
    pub code: &'static str,
    pub duty: Duty,
    /// Path in the request, such as "headers[2]".
    pub field: String,
    pub zh: String,
    pub en: String,
}

impl Fault {
    pub fn new(
        code: &'static str,
        duty: Duty,
        field: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self {
            code,
            duty,
            field: field.into(),
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// The bid was sealed for another moment than the deadline in force.
    pub fn not_before(found: u64, deadline: Instant) -> Self {
        Self::new(
            "E2",
            Duty::Sealing,
            "headers",
            format!(
                "封装时写入的最早开启时间{found}秒不等于现行投标截止时间{deadline}，请重新封装。"
            ),
            format!(
                "The envelopes are sealed for second {found}, not for the present deadline {deadline}; seal them again."
            ),
        )
    }

    /// The revision is not the one after the last.
    pub fn revision(found: i64, expected: i64) -> Self {
        Self::new(
            "E8",
            Duty::Order,
            "revision",
            format!("版本号应为{expected}，现为{found}。"),
            format!("The revision must be {expected}, it is {found}."),
        )
    }

    fn rule(&self) -> &'static str {
        match self.duty {
            Duty::Sealing | Duty::Proof | Duty::Signature | Duty::Order => "B2",
            Duty::Completeness => "B3",
        }
    }
}

/// Which law a box is under at `at`.
pub fn scope(tender_box: &TenderBox, at: Instant) -> Result<Scope, Refusal> {
    let track = verdicts::track(tender_box.track, "tender.track")?;
    Ok(Scope::new(track, Jurisdiction::china(), at))
}

/// The facts of a bid without fault that is complete at `complete_at`.
pub fn submission_facts(
    tender_box: &TenderBox,
    bidder: &str,
    complete_at: Instant,
    deposit_valid: Option<bool>,
) -> SubmissionFacts {
    let excluded = tender_box
        .excluded_bidders
        .iter()
        .any(|excluded| excluded == bidder);
    SubmissionFacts {
        complete_at: Some(complete_at),
        deadline: tender_box.deadline(),
        log_closed: tender_box.closed,
        sealed: true,
        signature_valid: true,
        proof_valid: true,
        deposit_valid,
        excluded_relation: excluded.then_some(ExcludedRelation::ServedTheProject),
        single_source: tender_box.method == ProcurementMethod::SingleSource as i32,
        ..SubmissionFacts::default()
    }
}

/// Refuses a bid for its faults; all of them are told, each with the rule it breaches.
pub fn refuse_submission(
    rules: &Engine,
    scope: &Scope,
    facts: &SubmissionFacts,
    faults: &[Fault],
) -> Refusal {
    let mut facts = facts.clone();
    for fault in faults {
        match fault.duty {
            Duty::Sealing => facts.sealed = false,
            Duty::Proof => facts.proof_valid = false,
            Duty::Signature => facts.signature_valid = false,
            Duty::Completeness => facts.complete_at = None,
            Duty::Order => {}
        }
    }
    tell(
        verdicts::messages(&rules.check(scope, &facts)),
        faults,
        Fault::rule,
    )
}

/// Refuses a withdrawal whose signature or certificate is at fault.
pub fn refuse_withdrawal(
    rules: &Engine,
    tender_box: &TenderBox,
    at: Instant,
    faults: &[Fault],
) -> Refusal {
    let facts = WithdrawalFacts {
        signature_valid: false,
        ..withdrawal_facts(tender_box, at)
    };
    let messages = scope(tender_box, at)
        .map(|scope| verdicts::messages(&rules.check(&scope, &facts)))
        .unwrap_or_default();
    tell(messages, faults, |_| "B1")
}

/// What the rules say of a withdrawal without fault, or their refusal.
pub fn withdrawal_allowed(
    rules: &Engine,
    tender_box: &TenderBox,
    at: Instant,
) -> Result<Vec<Verdict>, Refusal> {
    let scope = scope(tender_box, at)?;
    verdicts::allowed(&rules.check(&scope, &withdrawal_facts(tender_box, at)))
}

fn withdrawal_facts(tender_box: &TenderBox, at: Instant) -> WithdrawalFacts {
    WithdrawalFacts {
        requested_at: at,
        deadline: tender_box.deadline(),
        log_closed: tender_box.closed,
        signature_valid: true,
    }
}

/// Each fault with the law of the rule it breaches; without the law where the table has none.
fn tell(messages: Vec<Verdict>, faults: &[Fault], rule: fn(&Fault) -> &'static str) -> Refusal {
    let told: Option<Vec<Verdict>> = faults
        .iter()
        .map(|fault| {
            let law = messages
                .iter()
                .find(|verdict| refuses(verdict, rule(fault)))?;
            Some(Verdict {
                field: fault.field.clone(),
                message_zh: format!("（{}）{}", fault.code, fault.zh),
                message_en: format!("({}) {}", fault.code, fault.en),
                ..law.clone()
            })
        })
        .collect();
    match told {
        Some(told) if !told.is_empty() => {
            let rest = messages
                .into_iter()
                .filter(|v| !told.iter().any(|t| t.rule_id == v.rule_id));
            Refusal::Rules(told.iter().cloned().chain(rest).collect())
        }
        _ => Refusal::Fields(
            faults
                .iter()
                .map(|fault| FieldViolation {
                    field: fault.field.clone(),
                    zh: format!("（{}）{}", fault.code, fault.zh),
                    en: format!("({}) {}", fault.code, fault.en),
                })
                .collect(),
        ),
    }
}

/// Refuses a bid that comes at or after the deadline (E9).
pub fn refuse_late(rules: &Engine, tender_box: &TenderBox, facts: &SubmissionFacts) -> Refusal {
    let at = facts.complete_at.unwrap_or(facts.deadline);
    let late = SubmissionFacts {
        log_closed: true,
        ..facts.clone()
    };
    let messages = scope(tender_box, at)
        .map(|scope| verdicts::messages(&rules.check(&scope, &late)))
        .unwrap_or_default();
    let named = numbered(messages, "B3", "E9");
    named.unwrap_or_else(|| {
        let deadline = tender_box.deadline();
        Refusal::state(
            "BIDDING_CLOSED",
            format!("（E9）投标截止时间为{deadline}，逾期送达的投标文件应当拒收（招标投标法实施条例第三十六条；财政部令第87号第三十三条）。"),
            format!("(E9) Bids were due before {deadline}; late bids are refused (Regulation implementing the Tendering Law, art 36; Ministry of Finance order 87, art 33)."),
        )
    })
}

/// Refuses a withdrawal that comes at or after the deadline.
pub fn refuse_late_withdrawal(rules: &Engine, tender_box: &TenderBox, at: Instant) -> Refusal {
    let facts = WithdrawalFacts {
        log_closed: true,
        ..withdrawal_facts(tender_box, at)
    };
    let messages = scope(tender_box, at)
        .map(|scope| verdicts::messages(&rules.check(&scope, &facts)))
        .unwrap_or_default();
    numbered(messages, "B1", "E9").unwrap_or_else(|| {
        let deadline = tender_box.deadline();
        Refusal::state(
            "BIDDING_CLOSED",
            format!("（E9）投标已于{deadline}截止，截止后不得撤回（招标投标法第二十九条；财政部令第87号第三十四条）。"),
            format!("(E9) Bidding closed at {deadline}; after that no bid is withdrawn (Tendering Law, art 29; Ministry of Finance order 87, art 34)."),
        )
    })
}

fn numbered(mut messages: Vec<Verdict>, rule: &str, code: &str) -> Option<Refusal> {
    let late = messages.iter_mut().find(|verdict| refuses(verdict, rule))?;
    late.message_zh = format!("（{code}）{}", late.message_zh);
    late.message_en = format!("({code}) {}", late.message_en);
    Some(Refusal::Rules(messages))
}

fn refuses(verdict: &Verdict, rule: &str) -> bool {
    verdict.rule_id == rule
        && verdict.outcome == RuleOutcome::Breached as i32
        && verdict.effect == RuleEffect::Refuse as i32
}
