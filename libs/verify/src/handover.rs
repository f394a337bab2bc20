//! What the tender's log says of the other logs after the notice: every head that it names must be
//! one that the other log had, and what it says followed must have followed.

use sunbid_contracts::bid::v1::BiddingClosed;
use sunbid_contracts::common::v1::LogHead;
use sunbid_contracts::notice::v1::{ClarificationPublished, FollowUpPublished, NoticeKind};
use sunbid_contracts::opening::v1::OpeningRecordPublished;
use sunbid_contracts::tender::v1::{TenderAnnounced, TenderClosed, TenderOpened, TimetableChanged};

use crate::fault::Fault;
use crate::log::{Entry, Log};
use crate::notice::Sources;
use crate::report::Tally;

pub(crate) fn check(notice: &Log, sources: &Sources<'_>, tally: &mut Tally) -> Result<(), Fault> {
    let log = sources.tender;
    let mut count = 3;
    for entry in &log.entries {
        if let Some(announced) = entry.read::<TenderAnnounced>() {
            reached(log, entry, notice, announced.notice_head)?;
            count += 1;
        }
        if let Some(changed) = entry.read::<TimetableChanged>() {
            let to = changed.timetable.unwrap_or_default().bid_deadline_us;
            let published = notice.entries.iter().any(|record| {
                let clarified = record
                    .read::<ClarificationPublished>()
                    .and_then(|event| event.notice);
                let outage = record
                    .read::<FollowUpPublished>()
                    .and_then(|event| event.notice)
                    .filter(|notice| notice.kind() == NoticeKind::Outage);
                clarified
                    .or(outage)
                    .is_some_and(|notice| notice.deadline_us == to)
            });
            if !published {
                return Err(log.fault(
                    "DEADLINE_UNPUBLISHED",
                    entry.seq,
                    "截止时间的变更没有公告。",
                    "The timetable was changed to a deadline that was never published.",
                ));
            }
        }
        if let Some(closed) = entry.read::<TenderClosed>() {
            let before = reached(log, entry, sources.bid, closed.bid_head)?;
            let said = before
                .iter()
                .find_map(Entry::read::<BiddingClosed>)
                .unwrap_or_default();
            let lots = |opens| {
                said.lots
                    .iter()
                    .filter(|lot| lot.opens == opens)
                    .map(|lot| lot.lot_id.clone())
                    .collect::<Vec<_>>()
            };
            if closed.opening_lots != lots(true) || closed.failed_lots != lots(false) {
                return Err(log.fault(
                    "HANDOVER",
                    entry.seq,
                    "项目日志所记的标段结果与截标清单不符。",
                    "The lots that open or fail are not those of the closing list.",
                ));
            }
            count += 1;
        }
        if let Some(opened) = entry.read::<TenderOpened>() {
            let before = reached(log, entry, sources.opening, opened.opening_head)?;
            if !before
                .iter()
                .any(|record| record.read::<OpeningRecordPublished>().is_some())
            {
                return Err(log.fault(
                    "HANDOVER",
                    entry.seq,
                    "标明已开标时尚无开标记录。",
                    "The tender was said to be opened before there was an opening record.",
                ));
            }
            count += 1;
        }
    }
    tally.add(
        "日志之间的交接（所引日志头相符）",
        "handovers between logs",
        count,
    );
    Ok(())
}

fn reached<'a>(
    log: &Log,
    entry: &Entry,
    other: &'a Log,
    head: Option<LogHead>,
) -> Result<&'a [Entry], Fault> {
    head.and_then(|head| other.prefix(&head)).ok_or_else(|| {
        log.fault(
            "HANDOVER",
            entry.seq,
            "所引的日志头不是所公开日志的日志头。",
            format!(
                "The head named here was never that of {} as disclosed.",
                other.path
            ),
        )
    })
}
