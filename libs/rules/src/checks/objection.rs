//! Objections to an opening (O6) and to a document (R8).

use super::{Case, Ruling};
use crate::calendar::Calendar;
use crate::facts::{AmendedDocument, DocumentObjectionFacts, OpeningObjectionFacts};

/// O6
pub(super) fn raised_on_the_spot(case: &Case<'_, OpeningObjectionFacts>) -> Option<Ruling> {
    let facts = case.facts;
    Some(if !facts.session_open {
        Ruling::breached(
            "session_open",
            "开标已经结束；对开标的异议应当在开标现场提出。",
            "The opening is over; objections to it are raised while it lasts.",
        )
    } else if !facts.raised_by_bidder {
        Ruling::breached(
            "raised_by_bidder",
            "提出人不是本次开标的投标人；对开标的异议由投标人提出。",
            "Who objects is no bidder of this opening; only bidders may.",
        )
    } else {
        Ruling::satisfied(
            "异议由投标人在开标现场提出，应当当场答复并记录。",
            "A bidder objects during the opening; the answer is given at once, on record.",
        )
    })
}

/// R8. A late objection binds the tenderer to nothing; a timely one pauses the activity.
pub(super) fn objection_is_answered(case: &Case<'_, DocumentObjectionFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let ahead = case.days(match facts.document {
        AmendedDocument::Tender => "tender_document",
        AmendedDocument::Prequalification => "prequalification_file",
    })?;
    let answer = case.days("answer")?;
    let (raised, deadline) = (facts.raised_at.china_date(), facts.deadline.china_date());
    // Counting back from the deadline: no holiday moves the last day on which one may object.
    let window = case
        .calendar
        .period_end(raised, ahead, crate::calendar::LastDay::AsCounted);
    if window.date > deadline {
        return Some(
            Ruling::not_applicable(
                format!("异议于{raised}提出，截止日{deadline}，不足{}，已过提出异议的期限。", ahead.zh()),
                format!("The objection was raised on {raised}, the deadline is {deadline}, less than {ahead} later: it is too late to bind the tenderer."),
            )
            .provisional(window.provisional),
        );
    }
    let end = case.period_end(facts.raised_at, answer);
    let latest = Calendar::end_of_day(end.date);
    let by = end.date;
    let ruling = match facts.answered_at {
        None if !facts.paused => Ruling::breached(
            "paused",
            format!("异议于{raised}提出，尚未答复；答复前应当暂停招标投标活动。"),
            format!("The objection of {raised} is unanswered; the activity must pause until the answer."),
        ),
        None if facts.now > latest => Ruling::breached(
            "answered_at",
            format!("异议于{raised}提出，最迟应当于{by}答复（{}），至今没有答复。", answer.zh()),
            format!("The objection of {raised} was to be answered by {by} ({answer}) and is not."),
        )
        .softened(),
        None => Ruling::satisfied(
            format!("活动已暂停，异议应当于{by}前（含当日）答复。"),
            format!("The activity is paused; the objection is to be answered by the end of {by}."),
        ),
        Some(at) if at > latest => Ruling::breached(
            "answered_at",
            format!("异议于{raised}提出，于{at}才答复，最迟应当于{by}答复（{}）。", answer.zh()),
            format!("The objection of {raised} was answered at {at}; the answer was due by {by} ({answer})."),
        )
        .softened(),
        Some(at) => Ruling::satisfied(
            format!("异议于{raised}提出，于{at}答复，期限为{by}。"),
            format!("The objection of {raised} was answered at {at}; the answer was due by {by}."),
        ),
    };
    Some(ruling.provisional(end.provisional))
}
