//! What happens to a tender once its draft stands: reviewed, announced, held, ended, closed, opened.
//! The order of states is kept here and nowhere else.

use sunbid_contracts::{
    common::v1::LogHead,
    tender::v1::{
        Hold, Review, ReviewKind, Tender, TenderAnnounced, TenderClosed, TenderOpened,
        TenderResumed, TenderReviewed, TenderState, TenderSuspended, TenderTerminated,
        TenderUpdated, Termination, Timetable, TimetableChanged,
    },
};
use sunbid_rules::Calendar;
use sunbid_terms::{Instant, MICROS};

use crate::{Event, Refusal, refusal::FieldCheck};

use super::{
    Dossier,
    stage::{existing, not_held, wrong_state},
};

/// Longest reason or conclusion taken, characters.
const LONGEST_REASON: usize = 2_000;

/// A review by somebody of the purchaser who wrote none of it.
pub fn review(
    dossier: &Dossier,
    organization: &str,
    review: Review,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    if tender.purchaser != organization || organization.is_empty() {
        return Err(Refusal::Forbidden);
    }
    let tender = not_held(dossier)?;
    let mut check = FieldCheck::new();
    check.require(
        review.kind() != ReviewKind::Unspecified,
        "kind",
        "请选择审查类型。",
        "must name a kind of review.",
    );
    check.text(&review.conclusion, LONGEST_REASON, "conclusion");
    check.finish()?;
    if tender.author == review.reviewer || tender.authors.contains(&review.reviewer) {
        return Err(Refusal::state(
            "REVIEWER_IS_AUTHOR",
            "编制人不得审查自己编制的文件，请由其他人审查。",
            "Who wrote the document may not review it; somebody else must.",
        ));
    }
    match tender.state() {
        TenderState::Draft | TenderState::Ceremony | TenderState::Ready => {
            Ok(vec![Event::of(&TenderReviewed {
                review: Some(review),
            })])
        }
        _ => Err(wrong_state(
            tender,
            "审查应在发布公告前完成",
            "reviews come before the notice",
        )),
    }
}

/// Whether the latest review of a kind passed.
pub fn passed(tender: &Tender, kind: ReviewKind) -> bool {
    tender
        .reviews
        .iter()
        .rev()
        .find(|review| review.kind() == kind)
        .is_some_and(|r| r.passed)
}

/// The notice is out. What it announced is the tender, whatever was changed since it was read.
pub fn announce(
    dossier: &Dossier,
    announced: &Tender,
    notice: &str,
    notice_head: LogHead,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    if super::aggregate::is_public(tender) {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    let ended = (tender.state() == TenderState::Terminated).then(|| tender.state_reason.clone());
    let changed = tender.state() != TenderState::Ready
        || tender.key_id != announced.key_id
        || super::hash::document_hash(tender) != super::hash::document_hash(announced);
    if changed {
        let mut restored = announced.clone();
        restored.set_state(TenderState::Ready);
        restored.announce_time_us = 0;
        restored.hold.clone_from(&tender.hold);
        events.push(Event::of(&TenderUpdated {
            tender: Some(restored),
        }));
    }
    events.push(Event::of(&TenderAnnounced {
        notice: notice.to_owned(),
        notice_head: Some(notice_head),
        announce_time_us: announced.announce_time_us,
    }));
    if let Some(reason) = ended {
        let termination = Termination {
            reason: reason.clone(),
            ..Default::default()
        };
        events.push(Event::of(&TenderTerminated {
            reason,
            termination: Some(termination),
            announced: true,
        }));
    }
    Ok(events)
}

/// A clarification or an outage moved the deadline.
pub fn change_deadline(
    dossier: &Dossier,
    notice: &str,
    deadline: Instant,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    let timetable = tender.timetable.unwrap_or_default();
    if tender.state() != TenderState::Announced || timetable.bid_deadline_us == deadline.micros() {
        return Ok(Vec::new());
    }
    let timetable = Timetable {
        bid_deadline_us: deadline.micros(),
        ..timetable
    };
    Ok(vec![Event::of(&TimetableChanged {
        notice: notice.to_owned(),
        timetable: Some(timetable),
    })])
}

/// A supervisor holds the tender.
pub fn suspend(
    dossier: &Dossier,
    ordered_by: &str,
    reason: &str,
    now: Instant,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    FieldCheck::new()
        .text(reason, LONGEST_REASON, "reason")
        .finish()?;
    not_held(dossier)?;
    match tender.state() {
        TenderState::Draft
        | TenderState::Ceremony
        | TenderState::Ready
        | TenderState::Announced => {
            let hold = Hold {
                reason: reason.to_owned(),
                ordered_by: ordered_by.to_owned(),
                since_us: now.micros(),
            };
            Ok(vec![Event::of(&TenderSuspended { hold: Some(hold) })])
        }
        _ => Err(wrong_state(
            tender,
            "截标后不能暂停",
            "it cannot be suspended after its closing",
        )),
    }
}

/// The hold ends; the deadline moves by the time it lasted, and on to a working day.
pub fn resume(
    dossier: &Dossier,
    reason: &str,
    calendar: &Calendar,
    now: Instant,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    FieldCheck::new()
        .text(reason, LONGEST_REASON, "reason")
        .finish()?;
    let Some(hold) = &tender.hold else {
        return Err(Refusal::state(
            "TENDER_NOT_SUSPENDED",
            "项目没有被暂停。",
            "The tender is not suspended.",
        ));
    };
    let old = Instant::from_micros(tender.timetable.unwrap_or_default().bid_deadline_us);
    let new = if tender.state() == TenderState::Announced {
        deadline_after_hold(old, Instant::from_micros(hold.since_us), now, calendar)
    } else {
        old
    };
    Ok(vec![Event::of(&TenderResumed {
        reason: reason.to_owned(),
        bid_deadline_us: new.micros(),
    })])
}

/// The deadline after the clocks stood still from `since` to `now`: as much later, in whole
/// seconds, and at the same time of the next working day where that day is none.
pub fn deadline_after_hold(
    deadline: Instant,
    since: Instant,
    now: Instant,
    calendar: &Calendar,
) -> Instant {
    let held = now.micros().saturating_sub(since.micros()).max(0);
    let seconds = held.div_euclid(MICROS) + i64::from(held.rem_euclid(MICROS) > 0);
    let moved = deadline.plus_seconds(seconds);
    let day = moved.china_date();
    let worked = calendar.first_working_day_from(day).date;
    let midnight = |date| Instant::from_china(date, 0, 0, 0);
    match (midnight(day), midnight(worked)) {
        (Some(from), Some(to)) => moved.plus_micros(to.micros() - from.micros()),
        _ => moved,
    }
}

/// The purchaser ends the tender for good.
pub fn terminate(
    dossier: &Dossier,
    organization: &str,
    termination: Termination,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    if tender.purchaser != organization || organization.is_empty() {
        return Err(Refusal::Forbidden);
    }
    FieldCheck::new()
        .text(&termination.reason, LONGEST_REASON, "reason")
        .finish()?;
    match tender.state() {
        TenderState::Draft
        | TenderState::Ceremony
        | TenderState::Ready
        | TenderState::Announced => Ok(vec![Event::of(&TenderTerminated {
            reason: termination.reason.clone(),
            announced: super::aggregate::is_public(tender),
            termination: Some(termination),
        })]),
        _ => Err(wrong_state(
            tender,
            "截标后不能终止",
            "it cannot be terminated after its closing",
        )),
    }
}

/// The bid log closed.
pub fn close(
    dossier: &Dossier,
    bid_head: LogHead,
    opening_lots: Vec<String>,
    failed_lots: Vec<String>,
) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    match tender.state() {
        TenderState::Announced => Ok(vec![Event::of(&TenderClosed {
            bid_head: Some(bid_head),
            opening_lots,
            failed_lots,
        })]),
        TenderState::Closed
        | TenderState::Opened
        | TenderState::Failed
        | TenderState::Terminated => Ok(Vec::new()),
        _ => Err(wrong_state(
            tender,
            "尚未公告，不能截标",
            "only announced tenders close",
        )),
    }
}

/// The opening record is public.
pub fn opened(dossier: &Dossier, opening_head: LogHead) -> Result<Vec<Event>, Refusal> {
    let tender = existing(dossier)?;
    match tender.state() {
        TenderState::Closed => Ok(vec![Event::of(&TenderOpened {
            opening_head: Some(opening_head),
        })]),
        TenderState::Opened | TenderState::Terminated => Ok(Vec::new()),
        _ => Err(wrong_state(
            tender,
            "尚未截标，不能开标",
            "only closed tenders are opened",
        )),
    }
}
