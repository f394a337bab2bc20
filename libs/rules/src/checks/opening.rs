//! The opening: its start and its close (O1, O2, O4 to O8).

use super::{Case, Ruling};
use crate::facts::{
    FailureCause, FailureTreatment, HostRole, OpeningCloseFacts, OpeningFacts, TenderNoticeFacts,
};

type Opening<'a> = Case<'a, OpeningFacts>;
type Close<'a> = Case<'a, OpeningCloseFacts>;

/// O1 in the notice.
pub(super) fn opening_is_set_to_deadline(case: &Case<'_, TenderNoticeFacts>) -> Option<Ruling> {
    let (opening, deadline) = (case.facts.opening_at, case.facts.bid_deadline);
    if !case.facts.method.is_tender() {
        return Some(Ruling::not_applicable(
            "本项目不采用招标方式，没有开标。",
            "This is not a tender and has no opening.",
        ));
    }
    Some(same_instant("opening_at", opening, deadline))
}

/// O1 at the start.
pub(super) fn opening_starts_at_deadline(case: &Opening<'_>) -> Option<Ruling> {
    let facts = case.facts;
    if facts.now < facts.bid_deadline {
        return Some(Ruling::breached(
            "now",
            format!(
                "现在是{}，投标截止时间为{}，尚未截止，不得开标。",
                facts.now, facts.bid_deadline
            ),
            format!(
                "It is {}, bids close at {}; nothing may be opened before.",
                facts.now, facts.bid_deadline
            ),
        ));
    }
    Some(same_instant(
        "scheduled_at",
        facts.scheduled_at,
        facts.bid_deadline,
    ))
}

fn same_instant(
    field: &str,
    opening: sunbid_terms::Instant,
    deadline: sunbid_terms::Instant,
) -> Ruling {
    if opening == deadline {
        Ruling::satisfied(
            format!("开标时间与投标截止时间同为{deadline}。"),
            format!("Bids close and open at the same time, {deadline}."),
        )
    } else {
        Ruling::breached(
            field,
            format!("开标时间{opening}与投标截止时间{deadline}不同；应当为同一时间。"),
            format!("Bids open at {opening} but close at {deadline}; both must be the same time."),
        )
    }
}

/// O2
pub(super) fn every_lot_has_enough_bidders(case: &Opening<'_>) -> Option<Ruling> {
    let least = case.count("minimum")?;
    let lots = &case.facts.lots;
    let short = lots.iter().position(|lot| lot.bids < least);
    Some(match short.and_then(|at| Some((at, lots.get(at)?))) {
        Some((at, lot)) => Ruling::breached(
            format!("lots[{at}]"),
            format!(
                "标段（包）{}投标人{}家，不足{least}家，不得开标；应当重新招标，其投标文件不予解密。",
                lot.lot, lot.bids
            ),
            format!(
                "Lot {} has {} bidders, fewer than {least}; it may not be opened, is tendered anew, and its bids are not decrypted.",
                lot.lot, lot.bids
            ),
        ),
        None if lots.is_empty() => Ruling::breached(
            "lots",
            "没有可以开标的标段（包）。",
            "There is no lot to open.",
        ),
        None => Ruling::satisfied(
            format!("各标段（包）投标人均不少于{least}家。"),
            format!("Every lot has at least {least} bidders."),
        ),
    })
}

/// O7
pub(super) fn right_people_are_present(case: &Opening<'_>) -> Option<Ruling> {
    let facts = case.facts;
    if let Some(member) = facts.committee_members_present.first()
        && !case.is_engineering()
    {
        return Some(Ruling::breached(
            "committee_members_present[0]",
            format!("评标委员会成员{member}不得参加开标活动，请其退出。"),
            format!(
                "{member} is a member of the committee and may not attend the opening; ask them to leave."
            ),
        ));
    }
    Some(match facts.host {
        Some(host @ (HostRole::Purchaser | HostRole::Agency)) => Ruling::satisfied(
            format!("开标由{}主持。", host.zh()),
            format!("The opening is presided over by {}.", host.en()),
        ),
        Some(host) => Ruling::breached(
            "host",
            format!(
                "开标由{}主持；应当由采购人（招标人）或者其代理机构主持。",
                host.zh()
            ),
            format!(
                "The opening is presided over by {}; it must be the purchaser, the tenderer or its agency.",
                host.en()
            ),
        ),
        None => Ruling::breached(
            "host",
            "没有主持人；开标应当由采购人（招标人）或者其代理机构主持。",
            "Nobody presides; the purchaser, the tenderer or its agency must.",
        ),
    })
}

/// O8 at the start.
pub(super) fn recording_runs(case: &Opening<'_>) -> Option<Ruling> {
    Some(if case.facts.recording {
        Ruling::satisfied(
            "录音录像正在进行。",
            "Sound and picture are being recorded.",
        )
    } else {
        Ruling::breached(
            "recording",
            "录音录像没有开始；开始录制后才能开标。",
            "Sound and picture are not being recorded; start the recording before the opening.",
        )
    })
}

/// O8 at the close: a gap cannot be mended, so it is reported rather than refused.
pub(super) fn recording_has_no_gap(case: &Close<'_>) -> Option<Ruling> {
    let gap = case.facts.recording_gap_seconds;
    Some(if gap == 0 {
        Ruling::satisfied(
            "开标全程录音录像没有中断。",
            "The recording of the opening has no gap.",
        )
    } else {
        Ruling::breached(
            "recording_gap_seconds",
            format!("开标录音录像中断共{gap}秒；应当全程录制，情况报监督部门。"),
            format!("The recording of the opening lacks {gap} seconds; it must cover everything, and this is reported to the supervisor."),
        )
        .softened()
    })
}

/// O4
pub(super) fn failures_are_decided(case: &Close<'_>) -> Option<Ruling> {
    for (at, failure) in case.facts.failures.iter().enumerate() {
        let bid = &failure.bid;
        let (cause, lawful) = match failure.cause {
            FailureCause::Undecided => {
                return Some(Ruling::breached(
                    format!("failures[{at}].cause"),
                    format!("投标{bid}未解密的原因尚未认定；认定之前不得结束开标。"),
                    format!(
                        "Why the bid {bid} was not decrypted is undecided; the opening cannot close before."
                    ),
                ));
            }
            FailureCause::Bidder => (
                ("投标人原因", "the bidder's cause"),
                FailureTreatment::Revoked,
            ),
            FailureCause::Other => (
                ("投标人之外的原因", "another cause than the bidder's"),
                FailureTreatment::Withdrawn,
            ),
        };
        if failure.treatment != Some(lawful) {
            let (as_zh, as_en) = match lawful {
                FailureTreatment::Revoked => ("撤销", "revoked"),
                FailureTreatment::Withdrawn => ("撤回", "withdrawn"),
            };
            return Some(Ruling::breached(
                format!("failures[{at}].treatment"),
                format!("投标{bid}因{}未解密，应当视为{as_zh}。", cause.0),
                format!(
                    "The bid {bid} was not decrypted by {}; it counts as {as_en}.",
                    cause.1
                ),
            ));
        }
    }
    Some(if case.facts.failures.is_empty() {
        Ruling::not_applicable("全部投标均已解密。", "Every bid was decrypted.")
    } else {
        Ruling::satisfied(
            "未解密的投标均已按原因认定。",
            "Each bid that was not decrypted is decided by its cause.",
        )
    })
}

/// O5
pub(super) fn record_is_published(case: &Close<'_>) -> Option<Ruling> {
    let facts = case.facts;
    Some(if !facts.record_generated {
        Ruling::breached(
            "record_generated",
            "开标记录尚未生成；生成后才能结束开标。",
            "There is no opening record; make it before the opening closes.",
        )
    } else if facts.secret_project {
        Ruling::satisfied(
            "开标记录已生成，依法保密不公布。",
            "The opening record is made; the law keeps it secret.",
        )
    } else if facts.record_published {
        Ruling::satisfied(
            "开标记录已生成并公布。",
            "The opening record is made and published.",
        )
    } else {
        Ruling::breached(
            "record_published",
            "开标记录没有公布；应当向社会公众公布。",
            "The opening record is not published; it must be open to everyone.",
        )
    })
}

/// O6 at the close.
pub(super) fn objections_are_answered(case: &Close<'_>) -> Option<Ruling> {
    let open = case.facts.open_objections;
    Some(if open == 0 {
        Ruling::satisfied(
            "没有未答复的开标异议。",
            "No objection to the opening is unanswered.",
        )
    } else {
        Ruling::breached(
            "open_objections",
            format!("还有{open}项开标异议没有答复；当场答复并记录后才能结束开标。"),
            format!(
                "{open} objections to the opening are unanswered; answer them on record before it closes."
            ),
        )
    })
}
