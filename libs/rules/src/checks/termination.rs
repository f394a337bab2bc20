//! Ending a tender for good (P35).

use super::{Case, Ruling};
use crate::facts::{TerminationFacts, TerminationReason};

/// P35
pub(super) fn termination_is_lawful(case: &Case<'_, TerminationFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let stated = match &facts.reason {
        Some(TerminationReason::TaskCancelled(what)) => Some((what, true)),
        Some(TerminationReason::Other(what)) => Some((what, false)),
        None => None,
    };
    let Some((what, cancelled)) = stated.filter(|(what, _)| !what.trim().is_empty()) else {
        return Some(Ruling::breached(
            "reason",
            "没有写明终止招标的原因。",
            "The reason for ending the tender is not stated.",
        ));
    };
    if !cancelled && !case.is_engineering() {
        return Some(Ruling::breached(
            "reason",
            format!("终止原因“{what}”不是因重大变故取消采购任务；除此以外不得擅自终止招标。"),
            format!(
                "The reason \"{what}\" is no cancellation of the purchase for a grave change; nothing else ends a tender."
            ),
        ));
    }
    let steps = [
        (
            facts.announced || (case.is_engineering() && facts.takers_told),
            "announced",
            "发布终止公告",
            "publish the notice",
        ),
        (
            facts.takers_told || (case.is_engineering() && facts.announced),
            "takers_told",
            "书面通知已获取文件或者被邀请的潜在投标人",
            "tell in writing who took the document or was invited",
        ),
        (
            facts.reported_to_finance || case.is_engineering(),
            "reported_to_finance",
            "将取消原因报告本级财政部门",
            "report the cause to the finance department",
        ),
        (
            facts.refunds_ordered,
            "refunds_ordered",
            "退还文件费用、保证金及利息",
            "order the refund of fees and deposits with interest",
        ),
    ];
    Some(match steps.iter().find(|(done, ..)| !done) {
        Some((_, field, zh, en)) => Ruling::breached(
            *field,
            format!("终止招标还应当{zh}。"),
            format!("To end the tender, also {en}."),
        ),
        None => Ruling::satisfied(
            format!("终止原因：{what}；公告、通知和退还均已安排。"),
            format!("Reason: {what}; notice, letters and refunds are arranged."),
        ),
    })
}
