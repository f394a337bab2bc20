//! What was published: the intent, the notice, clarifications and what followed. Each is decided
//! again from the records it points to, and must come out the same, with the same verdicts.

use sunbid_contracts::bid::v1::{
    BiddingClosed, BiddingReleased, DeadlineMoved, DeadlineMovedByOutage,
};
use sunbid_contracts::common::v1::LogHead;
use sunbid_contracts::notice::v1::{
    ClarificationPublished, FollowUpPublished, Intent, IntentPublished, Notice, NoticeKind,
    TenderNoticePublished,
};
use sunbid_contracts::opening::v1::OpeningRecordPublished;
use sunbid_contracts::tender::v1::{
    Tender, TenderKeyEstablished, TenderResumed, TenderSuspended, TenderTerminated,
};
use sunbid_domain::Aggregate;
use sunbid_domain::notice::{Board, IntentState, board, follow_up, intent};
use sunbid_domain::tender::Dossier;
use sunbid_rules::Engine;
use sunbid_terms::{Instant, MICROS};

use crate::fault::Fault;
use crate::log::{Entry, Log};
use crate::report::Tally;
use crate::{rules, tender};

/// A notice says when it was published; its record may be written so much later, microseconds.
const LATEST_RECORD: i64 = 60 * MICROS;

/// The logs that notices point to.
pub(crate) struct Sources<'a> {
    pub tender: &'a Log,
    pub bid: &'a Log,
    pub opening: &'a Log,
}

/// What was announced, and what became of it.
pub(crate) struct Published {
    /// The tender as announced.
    pub announced: Tender,
    /// The tender's state as the notice found it, its ceremony included.
    pub dossier: Dossier,
    pub board: Board,
}

/// The intent that a tender names, if its log is disclosed.
pub(crate) fn intent(log: &Log, engine: &Engine, tally: &mut Tally) -> Result<Intent, Fault> {
    let [entry] = log.entries.as_slice() else {
        return Err(Fault::platform(
            "INTENT",
            log.path.clone(),
            "意向只公开一次。",
            "An intent is published once, and never changed.",
        ));
    };
    let published: IntentPublished = entry.read().unwrap_or_default();
    let said = published.intent.unwrap_or_default();
    check_time(log, entry, said.publish_time_us)?;
    let names = intent::IntentNames {
        intent: &said.name,
        notice: &published.notice,
        purchaser: &said.purchaser,
    };
    let at = Instant::from_micros(said.publish_time_us);
    let again = intent::publish(&IntentState::default(), &said, names, engine, at)
        .map_err(|refusal| rules::refused(log, entry.seq, &refusal))?;
    let count = rules::same(log, entry, &again.verdicts)?;
    tally.add("重新计算的规则判定", "verdicts of rules recomputed", count);
    Ok(again.intent)
}

/// The notice, which must be the tender as its log stood, decided again.
pub(crate) fn announced(
    log: &Log,
    sources: &Sources<'_>,
    intent: Option<&Intent>,
    engine: &Engine,
    tally: &mut Tally,
) -> Result<Published, Fault> {
    let fault = |zh: &str, en: &str| log.fault("NOTICE", 0, zh, en);
    let first = log
        .entries
        .first()
        .ok_or_else(|| fault("没有招标公告。", "There is no tender notice."))?;
    let published: TenderNoticePublished = first.read().ok_or_else(|| {
        fault(
            "首条记录不是招标公告。",
            "The first record is not the tender notice.",
        )
    })?;
    let notice = published.notice.unwrap_or_default();
    let head = published.tender_head.unwrap_or_default();
    let before = sources.tender.prefix(&head).ok_or_else(|| {
        fault(
            "公告所指的项目日志不是所公开的日志。",
            "The tender's log at the head that the notice names is not the log disclosed.",
        )
    })?;
    if !before
        .iter()
        .any(|entry| entry.read::<TenderKeyEstablished>().is_some() && entry.at <= first.at)
    {
        return Err(fault(
            "公告之前密钥尚未就绪。",
            "The key did not stand before the notice.",
        ));
    }
    let dossier = tender::fold(sources.tender, before)?;
    let tender = dossier.tender.clone().unwrap_or_default();
    if !tender.intent.is_empty() && intent.is_none_or(|intent| intent.name != tender.intent) {
        return Err(fault(
            "公告所依据的采购意向未公开。",
            "The intent that the tender names is not among the records.",
        ));
    }
    check_time(log, first, notice.publish_time_us)?;
    let at = Instant::from_micros(notice.publish_time_us);
    let again = board::announce(&Board::default(), &tender, intent, &notice.name, engine, at)
        .map_err(|refusal| rules::refused(log, 0, &refusal))?;
    same_notice(log, first, &notice, &again.notice)?;
    tally.add(
        "重新计算的规则判定",
        "verdicts of rules recomputed",
        rules::same(log, first, &again.verdicts)?,
    );
    let announced = notice.announced.unwrap_or_default();
    let mut published = Published {
        announced,
        dossier,
        board: Board::default(),
    };
    evolve(log, first, &mut published.board)?;
    Ok(published)
}

/// A notice that follows from another log, with the board as it stood before.
pub(crate) struct Follower<'a> {
    entry: &'a Entry,
    notice: Notice,
    cause: LogHead,
    board: Board,
}

/// Everything published after the notice. What follows from other logs is handed back, to be
/// compared when those are verified.
pub(crate) fn followed<'a>(
    log: &'a Log,
    sources: &Sources<'_>,
    published: &mut Published,
    engine: &Engine,
    tally: &mut Tally,
) -> Result<Vec<Follower<'a>>, Fault> {
    let mut deadlines: Vec<i64> = Vec::new();
    let mut followers = Vec::new();
    for entry in log.entries.iter().skip(1) {
        let notice = if let Some(event) = entry.read::<ClarificationPublished>() {
            let notice = event.notice.unwrap_or_default();
            let count = clarified(log, entry, &notice, &published.board, engine)?;
            tally.add("重新计算的规则判定", "verdicts of rules recomputed", count);
            notice
        } else if let Some(event) = entry.read::<FollowUpPublished>() {
            let notice = event.notice.unwrap_or_default();
            followers.push(Follower {
                entry,
                notice: notice.clone(),
                cause: event.cause.unwrap_or_default(),
                board: published.board.clone(),
            });
            notice
        } else {
            return Err(log.fault(
                "NOTICE",
                entry.seq,
                "公告重复发布。",
                "The notice was published twice.",
            ));
        };
        deadlines.push(notice.deadline_us);
        evolve(log, entry, &mut published.board)?;
    }
    tally.add(
        "公告、澄清与后续公告",
        "notices, clarifications and what followed",
        log.entries.len(),
    );
    // Every move of the deadline was published.
    for entry in &sources.bid.entries {
        let moved = entry
            .read::<DeadlineMoved>()
            .filter(|m| m.new_deadline_us != m.old_deadline_us);
        let to = moved
            .map(|m| m.new_deadline_us)
            .or_else(|| entry.read::<BiddingReleased>().map(|r| r.new_deadline_us))
            .or_else(|| {
                let by_outage = entry.read::<DeadlineMovedByOutage>();
                by_outage.map(|moved| moved.new_deadline_us)
            });
        if to.is_some_and(|to| !deadlines.contains(&to)) {
            return Err(sources.bid.fault(
                "DEADLINE_UNPUBLISHED",
                entry.seq,
                "投标截止时间的变更没有公告。",
                "The deadline was moved to a time that was never published.",
            ));
        }
    }
    Ok(followers)
}

fn clarified(
    log: &Log,
    entry: &Entry,
    notice: &Notice,
    board: &Board,
    engine: &Engine,
) -> Result<usize, Fault> {
    let said = notice.clarification.clone().unwrap_or_default();
    check_time(log, entry, notice.publish_time_us)?;
    let asked = board::Clarify {
        purchaser: &notice.purchaser,
        text: &said.text,
        affects_bids: said.affects_bids,
        changes_subject_or_qualification: said.changes_subject_or_qualification,
        new_deadline_us: said.new_deadline_us,
        question: &said.question,
    };
    let at = Instant::from_micros(notice.publish_time_us);
    let again = board::clarify(board, asked, &notice.name, engine, at)
        .map_err(|refusal| rules::refused(log, entry.seq, &refusal))?;
    same_notice(log, entry, notice, &again.notice)?;
    rules::same(log, entry, &again.verdicts)
}

/// A notice says what the log that it follows from says, at the head that it names.
pub(crate) fn check_cause(
    log: &Log,
    follower: &Follower<'_>,
    sources: &Sources<'_>,
) -> Result<(), Fault> {
    let Follower {
        entry,
        notice,
        cause,
        board,
    } = follower;
    check_time(log, entry, notice.publish_time_us)?;
    let at = Instant::from_micros(notice.publish_time_us);
    let all = [sources.tender, sources.bid, sources.opening];
    let before = all
        .into_iter()
        .find_map(|source| source.prefix(cause))
        .ok_or_else(|| {
            log.fault(
                "NOTICE_CAUSE",
                entry.seq,
                "公告所依据的日志不是所公开的日志。",
                "The log at the head that this notice follows from is not one disclosed.",
            )
        })?;
    let name = notice.name.as_str();
    // The head may be later than the cause: any event before it may be the one.
    let candidates: Vec<Notice> = match notice.kind() {
        NoticeKind::Suspension => from(before, |event: TenderSuspended| {
            follow_up::suspension(board, &event.hold.unwrap_or_default().reason, name, at)
        }),
        NoticeKind::Resumption => from(before, |event: TenderResumed| {
            let deadline = Instant::from_micros(event.bid_deadline_us);
            follow_up::resumption(board, &event.reason, deadline, name, at)
        }),
        NoticeKind::Termination => from(before, |event: TenderTerminated| {
            follow_up::termination(board, &event.reason, name, at)
        }),
        NoticeKind::Failure => from(before, |event: BiddingClosed| {
            follow_up::failure(board, &event.lots, name, at)
        }),
        NoticeKind::OpeningRecord => from(before, |event: OpeningRecordPublished| {
            follow_up::opening_record(board, &event.record.unwrap_or_default(), name, at)
        }),
        NoticeKind::Outage => from(before, |event: DeadlineMovedByOutage| {
            follow_up::outage(board, &event, name, at)
        }),
        _ => Vec::new(),
    };
    if candidates.contains(notice) {
        return Ok(());
    }
    match candidates.last() {
        Some(again) => same_notice(log, entry, notice, again),
        None => Err(log.fault(
            "NOTICE_CAUSE",
            entry.seq,
            "公告所依据的日志中没有相应事项。",
            "Nothing in the log that this notice names leads to it.",
        )),
    }
}

/// The notices that events of one type lead to.
fn from<M: prost::Message + prost::Name + Default>(
    entries: &[Entry],
    make: impl Fn(M) -> Option<Notice>,
) -> Vec<Notice> {
    entries
        .iter()
        .filter_map(Entry::read)
        .filter_map(make)
        .collect()
}

fn same_notice(log: &Log, entry: &Entry, recorded: &Notice, again: &Notice) -> Result<(), Fault> {
    if recorded == again {
        return Ok(());
    }
    Err(log.fault(
        "NOTICE_DIFFERS",
        entry.seq,
        "公告内容与其所依据的记录不符。",
        "The notice does not say what the records that it follows from say.",
    ))
}

fn check_time(log: &Log, entry: &Entry, said_us: i64) -> Result<(), Fault> {
    let late = entry.at.micros().saturating_sub(said_us);
    if (0..=LATEST_RECORD).contains(&late) {
        return Ok(());
    }
    Err(log.fault(
        "NOTICE_TIME",
        entry.seq,
        "公告所称的发布时间不是其记录的时间。",
        "The time of publishing that is stated is not that of the record.",
    ))
}

fn evolve(log: &Log, entry: &Entry, board: &mut Board) -> Result<(), Fault> {
    let Some(said) = &entry.said else {
        return Ok(());
    };
    board.evolve(&said.event, entry.at).map_err(|error| {
        log.fault(
            "NOTICE",
            entry.seq,
            "该公告不能发生在此前的状态之后。",
            format!("This cannot have happened here: {error}."),
        )
    })
}
