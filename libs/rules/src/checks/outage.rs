//! Outages: a deadline moves as the declared rules say, and no other way (T1, T2).

use super::{Case, Ruling};
use crate::facts::OutageFacts;
use crate::outages::{Judged, Numbers};

/// T1 and T2: each judges the outages that it is for.
pub(super) fn deadline_moves_as_declared(case: &Case<'_, OutageFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let numbers = Numbers::of(case.rule)?;
    let ahead = match numbers.ahead {
        Some(ahead) => ahead,
        None => case.other_minutes("T2", "ahead")?,
    };
    let (from, until, old) = (facts.from, facts.until, facts.deadline);
    let new = facts.new_deadline.unwrap_or(old);
    let (due, provisional) = match numbers.judge(case.calendar, facts, ahead) {
        Judged::OtherRule => {
            return Some(Ruling::not_applicable(
                "该停机由另一条停机顺延规则处理。",
                "The other rule on outages judges this one.",
            ));
        }
        Judged::Moves(due, provisional) => (due, provisional),
        Judged::TooShort | Judged::NotAffected | Judged::Exhausted => (old, false),
    };
    if new != due {
        return Some(
            Ruling::breached(
                "new_deadline",
                format!("停机自{from}至{until}，截止时间{old}应为{due}，而不是{new}。"),
                format!("After an outage from {from} to {until} the deadline {old} becomes {due}, not {new}."),
            )
            .provisional(provisional),
        );
    }
    let ruling = if new == old {
        Ruling::satisfied(
            format!("停机自{from}至{until}，截止时间{old}不受影响。"),
            format!("The outage from {from} to {until} leaves the deadline {old} as it is."),
        )
    } else {
        Ruling::satisfied(
            format!("平台自{from}至{until}停机，截止时间由{old}顺延至{new}。"),
            format!(
                "The platform was out from {from} to {until}; the deadline moves from {old} to {new}."
            ),
        )
    };
    Some(ruling.provisional(provisional))
}
