//! Whether a medium posted a notice in time (P16, P17).

use super::{Case, Ruling};
use crate::calendar::Calendar;
use crate::facts::PublicationFacts;

type Publication<'a> = Case<'a, PublicationFacts>;

/// P16: within a working day.
pub(super) fn posted_within_days(case: &Publication<'_>) -> Option<Ruling> {
    let days = case.days("posting")?;
    let end = case.period_end(case.facts.handed_over_at, days);
    let latest = Calendar::end_of_day(end.date);
    Some(posted(case.facts, latest, &days.zh(), &days.to_string()).provisional(end.provisional))
}

/// P17: within twelve hours. The number is from memory, so the finding is provisional.
pub(super) fn posted_within_hours(case: &Publication<'_>) -> Option<Ruling> {
    let minutes = case.minutes("posting")?;
    let latest = case
        .facts
        .handed_over_at
        .plus_seconds(i64::from(minutes) * 60);
    let ruling = posted(
        case.facts,
        latest,
        &format!("{minutes}分钟"),
        &format!("{minutes} minutes"),
    );
    Some(ruling.softened().provisional(true))
}

fn posted(facts: &PublicationFacts, latest: sunbid_terms::Instant, zh: &str, en: &str) -> Ruling {
    let handed = facts.handed_over_at;
    match facts.posted_at {
        Some(at) if at <= latest => Ruling::satisfied(
            format!("媒体于{handed}收到公告，于{at}发布，在{zh}之内。"),
            format!("The medium had the notice at {handed} and posted it at {at}, within {en}."),
        ),
        Some(at) => Ruling::breached(
            "posted_at",
            format!("媒体于{handed}收到公告，于{at}才发布，最迟应当于{latest}发布（{zh}）。"),
            format!(
                "The medium had the notice at {handed} and posted it at {at} only; it was due by {latest} ({en})."
            ),
        ),
        None if facts.now > latest => Ruling::breached(
            "posted_at",
            format!("媒体于{handed}收到公告，至今没有发布，最迟应当于{latest}发布（{zh}）。"),
            format!(
                "The medium had the notice at {handed} and has not posted it; it was due by {latest} ({en})."
            ),
        ),
        None => Ruling::not_applicable(
            format!("公告尚未发布，最迟应当于{latest}发布。"),
            format!("The notice is not posted yet; it is due by {latest}."),
        ),
    }
}
