//! Notices that follow by themselves from what is on record elsewhere: holds, ends, failures,
//! opening records. None of them says how many bid before the opening record does.

use sunbid_contracts::{
    bid::v1::{DeadlineMovedByOutage, LotClosing},
    notice::v1::{Notice, NoticeKind, OutageExtension},
    opening::v1::OpeningRecord,
};
use sunbid_terms::Instant;

use super::{Board, board::about, text};

/// A supervisor holds the tender.
pub fn suspension(board: &Board, reason: &str, name: &str, now: Instant) -> Option<Notice> {
    let tender = board
        .tender
        .as_ref()
        .filter(|_| !board.held && !board.ended)?;
    let (title, zh, en) = text::suspension(tender, reason);
    Some(about(
        tender,
        NoticeKind::Suspension,
        name,
        title,
        zh,
        en,
        now,
    ))
}

/// The hold ended; `deadline` is in force from now on.
pub fn resumption(
    board: &Board,
    reason: &str,
    deadline: Instant,
    name: &str,
    now: Instant,
) -> Option<Notice> {
    let tender = board.tender.as_ref().filter(|_| board.held)?;
    let (title, zh, en) = text::resumption(tender, reason, deadline);
    Some(Notice {
        deadline_us: deadline.micros(),
        ..about(tender, NoticeKind::Resumption, name, title, zh, en, now)
    })
}

/// An outage moved the deadline, by the rule that was public before.
pub fn outage(
    board: &Board,
    moved: &DeadlineMovedByOutage,
    name: &str,
    now: Instant,
) -> Option<Notice> {
    let tender = board.tender.as_ref()?;
    let outage = moved.outage.clone().unwrap_or_default();
    let (title, zh, en) = text::outage(tender, &outage, moved);
    Some(Notice {
        deadline_us: moved.new_deadline_us,
        outage_extension: Some(OutageExtension {
            old_deadline_us: moved.old_deadline_us,
            new_deadline_us: moved.new_deadline_us,
            outage: Some(outage),
            intake_head: moved.intake_head.clone(),
        }),
        ..about(tender, NoticeKind::Outage, name, title, zh, en, now)
    })
}

/// The tender was ended for good.
pub fn termination(board: &Board, reason: &str, name: &str, now: Instant) -> Option<Notice> {
    let tender = board.tender.as_ref().filter(|_| !board.ended)?;
    let (title, zh, en) = text::termination(tender, reason);
    Some(about(
        tender,
        NoticeKind::Termination,
        name,
        title,
        zh,
        en,
        now,
    ))
}

/// Lots had fewer than three bidders; none if every lot goes to the opening.
pub fn failure(board: &Board, lots: &[LotClosing], name: &str, now: Instant) -> Option<Notice> {
    let tender = board.tender.as_ref()?;
    let failed: Vec<&str> = lots
        .iter()
        .filter(|lot| !lot.opens)
        .map(|lot| lot.lot_id.as_str())
        .collect();
    if failed.is_empty() {
        return None;
    }
    let (title, zh, en) = text::failure(tender, &failed, failed.len() == lots.len());
    Some(about(tender, NoticeKind::Failure, name, title, zh, en, now))
}

/// The opening record is public.
pub fn opening_record(
    board: &Board,
    record: &OpeningRecord,
    name: &str,
    now: Instant,
) -> Option<Notice> {
    let tender = board.tender.as_ref()?;
    let (title, zh, en) = text::opening_record(tender, record);
    Some(about(
        tender,
        NoticeKind::OpeningRecord,
        name,
        title,
        zh,
        en,
        now,
    ))
}
