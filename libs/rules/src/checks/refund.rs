//! A deposit that goes back (D7, D8, P35).

use super::{Case, Ruling};
use crate::calendar::Calendar;
use crate::facts::RefundFacts;
use crate::refunds::{by_analogy, interest_is_owed, refund_period};

/// D7, D8 and P35: each speaks of the refunds whose period stands in its row.
pub(super) fn refund_is_timely(case: &Case<'_, RefundFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let track = case.scope.track;
    let (rule, parameter) = refund_period(track, facts.cause);
    if rule != case.rule.id.as_str() {
        return Some(Ruling::not_applicable(
            "本规则不针对这种退还情形。",
            "This rule is about refunds of another cause.",
        ));
    }
    let days = case.days(parameter)?;
    let end = case.period_end(facts.triggered_at, days);
    let latest = Calendar::end_of_day(end.date);
    let by = end.date;
    let interest = interest_is_owed(track, facts.cause);
    let ruling = match (facts.refunded_at, &facts.bidder_at_fault) {
        (None, Some(fault)) => Ruling::not_applicable(
            format!("因投标人自身原因无法及时退还：{fault}。"),
            format!("The bidder itself keeps the refund from being made: {fault}."),
        ),
        (None, None) if facts.now <= latest => Ruling::satisfied(
            format!("保证金应当于{by}前（含当日）退还，尚未到期。"),
            format!("The deposit is to be returned by the end of {by}, which has not passed."),
        ),
        (None, None) => Ruling::breached(
            "refunded_at",
            format!(
                "保证金应当于{by}前（含当日，{}）退还，至今没有退还。",
                days.zh()
            ),
            format!("The deposit was to be returned by the end of {by} ({days}) and is not."),
        ),
        (Some(_), _) if interest && !facts.with_interest => Ruling::breached(
            "with_interest",
            "退还保证金时没有一并退还银行利息（孳息）。",
            "The deposit was returned without the bank interest owed with it.",
        ),
        (Some(at), fault) if at > latest && fault.is_none() => Ruling::breached(
            "refunded_at",
            format!("保证金于{at}退还，最迟应当于{by}（{}）退还。", days.zh()),
            format!("The deposit was returned at {at}; it was due by the end of {by} ({days})."),
        ),
        (Some(at), _) => Ruling::satisfied(
            format!("保证金于{at}退还，期限为{by}。"),
            format!("The deposit was returned at {at}; it was due by the end of {by}."),
        ),
    };
    Some(
        ruling
            .softened()
            .provisional(end.provisional || by_analogy(parameter)),
    )
}
