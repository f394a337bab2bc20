//! Clarifications: in time, and no more than clarifications (P22, P23, P25 to P27).

use super::{Case, Ruling};
use crate::calendar::Days;
use crate::facts::{AmendedDocument, ClarificationFacts, Method};

type Clarification<'a> = Case<'a, ClarificationFacts>;

/// P25
pub(super) fn tender_change_leaves_time(case: &Clarification<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    let concerns = case.facts.document == AmendedDocument::Tender && case.facts.method.is_tender();
    Some(leaves_time(case, concerns, days))
}

/// P26
pub(super) fn prequalification_change_leaves_time(case: &Clarification<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    let concerns = case.facts.document == AmendedDocument::Prequalification;
    Some(leaves_time(case, concerns, days))
}

/// P22. The number of days is from memory, so the finding is provisional.
pub(super) fn consultation_change_leaves_time(case: &Clarification<'_>) -> Option<Ruling> {
    let days = case.days("clarification")?;
    let concerns = case.facts.document == AmendedDocument::Tender
        && case.facts.method == Method::CompetitiveConsultation;
    Some(leaves_time(case, concerns, days).provisional(concerns))
}

/// P23
pub(super) fn negotiation_change_leaves_time(case: &Clarification<'_>) -> Option<Ruling> {
    let days = case.days("clarification")?;
    let concerns = case.facts.document == AmendedDocument::Tender
        && matches!(
            case.facts.method,
            Method::CompetitiveNegotiation | Method::Inquiry
        );
    Some(leaves_time(case, concerns, days))
}

fn leaves_time(case: &Clarification<'_>, concerns: bool, days: Days) -> Ruling {
    let facts = case.facts;
    if !concerns {
        return Ruling::not_applicable(
            "该期限不适用于本文件或者本采购方式。",
            "This period does not concern this document or method.",
        );
    }
    if !facts.affects_bids {
        return Ruling::not_applicable(
            "本次澄清不影响投标（响应、申请）文件的编制。",
            "This clarification does not affect how bids, responses or applications are prepared.",
        );
    }
    let deadline = facts.proposed_deadline.unwrap_or(facts.deadline);
    let field = if facts.proposed_deadline.is_some() {
        "proposed_deadline"
    } else {
        "deadline"
    };
    if deadline < facts.deadline {
        return Ruling::breached(
            field,
            format!(
                "拟定的截止时间{deadline}早于原截止时间{}；澄清只能顺延，不能提前。",
                facts.deadline
            ),
            format!(
                "The proposed deadline {deadline} lies before the old one, {}; a clarification may only move it later.",
                facts.deadline
            ),
        );
    }
    let least = case.period_end(facts.published_at, days);
    let (on, until) = (facts.published_at.china_date(), deadline.china_date());
    let ruling = if until >= least.date {
        Ruling::satisfied(
            format!("澄清于{on}发布，截止日{until}，间隔不少于{}。", days.zh()),
            format!(
                "The clarification is published on {on} and the deadline is {until}, at least {days} later."
            ),
        )
    } else {
        Ruling::breached(
            field,
            format!(
                "澄清于{on}发布，截止日{until}，不足{}；应当顺延，最早为{}。",
                days.zh(),
                least.date
            ),
            format!(
                "The clarification is published on {on} and the deadline is {until}, less than {days} later; it must move, the earliest lawful deadline is on {}.",
                least.date
            ),
        )
    };
    ruling.provisional(least.provisional)
}

/// P27
pub(super) fn subject_and_qualification_stay(case: &Clarification<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let changed = match (facts.changes_subject, facts.changes_qualification) {
        (false, false) => {
            return Some(Ruling::satisfied(
                "澄清没有改变采购标的和资格条件。",
                "The clarification changes neither the subject nor the qualifications.",
            ));
        }
        (true, false) => ("changes_subject", "采购标的", "what is bought"),
        (false, true) => ("changes_qualification", "资格条件", "who qualifies"),
        (true, true) => (
            "changes_subject",
            "采购标的和资格条件",
            "what is bought and who qualifies",
        ),
    };
    let (field, zh, en) = changed;
    Some(Ruling::breached(
        field,
        format!("澄清改变了{zh}；不得以澄清改变，需要改变的应当终止后重新招标。"),
        format!("The clarification changes {en}; that needs a new tender."),
    ))
}
