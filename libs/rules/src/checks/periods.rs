//! How long a notice stands and how much time suppliers have (P18 to P24).

use sunbid_terms::Instant;

use super::case::last_covered_day;
use super::{Case, Ruling};
use crate::calendar::Days;
use crate::facts::{Method, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

/// A period, named for the sentence about it.
struct Period<'a> {
    field: &'a str,
    zh: &'a str,
    en: &'a str,
    from: Instant,
    until: Instant,
    /// A period in which something is offered must last through its last day; a deadline may lie
    /// at any time of it.
    through_last_day: bool,
}

fn lasts(case: &Notice<'_>, days: Days, period: &Period<'_>) -> Ruling {
    let least = case.period_end(period.from, days);
    let from = period.from.china_date();
    let until = if period.through_last_day {
        last_covered_day(period.until)
    } else {
        period.until.china_date()
    };
    let (zh, en) = (period.zh, period.en);
    let ruling = if until >= least.date {
        Ruling::satisfied(
            format!("{zh}自{from}至{until}，不少于{}。", days.zh()),
            format!("{en} runs from {from} to {until}, at least {days}."),
        )
    } else {
        Ruling::breached(
            period.field,
            format!(
                "{zh}自{from}至{until}，不足{}；最早可于{}结束。",
                days.zh(),
                least.date
            ),
            format!(
                "{en} runs from {from} to {until}, less than {days}; the earliest lawful date is {}.",
                least.date
            ),
        )
    };
    ruling.provisional(least.provisional)
}

/// P18
pub(super) fn notice_stands(case: &Notice<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    if !case.facts.method.is_tender() {
        return Some(not_a_tender());
    }
    let Some(until) = case.facts.announcement_until else {
        return Some(Ruling::breached(
            "announcement_until",
            format!("公告没有写明公告期限；应当为{}。", days.zh()),
            format!("The notice does not state how long it stands; it stands {days}."),
        ));
    };
    Some(lasts(
        case,
        days,
        &Period {
            field: "announcement_until",
            zh: "公告期限",
            en: "The announcement period",
            from: case.facts.published_at,
            until,
            through_last_day: true,
        },
    ))
}

/// P19 and P20: from the notice or the first issue, whichever is later.
pub(super) fn document_can_be_had(case: &Notice<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    if !case.facts.method.is_tender() {
        return Some(not_a_tender());
    }
    Some(document_period(case, days))
}

fn document_period(case: &Notice<'_>, days: Days) -> Ruling {
    lasts(
        case,
        days,
        &Period {
            field: "document_until",
            zh: "文件提供期限",
            en: "The time to obtain the document",
            from: case.facts.published_at.max(case.facts.document_from),
            until: case.facts.document_until,
            through_last_day: true,
        },
    )
}

/// P21
pub(super) fn bidders_have_time(case: &Notice<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    if !case.facts.method.is_tender() {
        return Some(not_a_tender());
    }
    if case.is_engineering() && !case.facts.mandatory_tender {
        return Some(Ruling::not_applicable(
            "本项目不是依法必须招标的项目；招标人应当给予合理时间。",
            "This project need not be tendered by law; the tenderer gives a reasonable time.",
        ));
    }
    Some(response_period(
        case,
        days,
        "编制投标文件的时间",
        "The time to prepare bids",
    ))
}

fn response_period(case: &Notice<'_>, days: Days, zh: &str, en: &str) -> Ruling {
    lasts(
        case,
        days,
        &Period {
            field: "bid_deadline",
            zh,
            en,
            from: case.facts.published_at.max(case.facts.document_from),
            until: case.facts.bid_deadline,
            through_last_day: false,
        },
    )
}

/// P22
pub(super) fn consultation_periods(case: &Notice<'_>) -> Option<Ruling> {
    let (response, document) = (case.days("response")?, case.days("document")?);
    if case.facts.method != Method::CompetitiveConsultation {
        return Some(Ruling::not_applicable(
            "本项目不采用竞争性磋商。",
            "This is no competitive consultation.",
        ));
    }
    let response = response_period(
        case,
        response,
        "编制响应文件的时间",
        "The time to prepare responses",
    );
    if response.outcome == crate::finding::Outcome::Breached {
        return Some(response);
    }
    Some(document_period(case, document).provisional(response.provisional))
}

/// P23
pub(super) fn negotiation_periods(case: &Notice<'_>) -> Option<Ruling> {
    let response = case.days("response")?;
    if !matches!(
        case.facts.method,
        Method::CompetitiveNegotiation | Method::Inquiry
    ) {
        return Some(Ruling::not_applicable(
            "本项目不采用竞争性谈判或者询价。",
            "This is neither a negotiation nor an inquiry.",
        ));
    }
    Some(response_period(
        case,
        response,
        "编制响应文件的时间",
        "The time to prepare responses",
    ))
}

/// P24
pub(super) fn applicants_have_time(case: &Notice<'_>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    let Some(prequalification) = &case.facts.prequalification else {
        return Some(Ruling::not_applicable(
            "本项目不进行资格预审。",
            "There is no prequalification.",
        ));
    };
    if case.is_engineering() && !case.facts.mandatory_tender {
        return Some(Ruling::not_applicable(
            "本项目不是依法必须招标的项目。",
            "This project need not be tendered by law.",
        ));
    }
    let from = if case.is_engineering() {
        // An issue that stops at midnight stopped on the day before.
        prequalification.file_available_until.plus_micros(-1)
    } else {
        prequalification.published_at
    };
    Some(lasts(
        case,
        days,
        &Period {
            field: "prequalification.application_deadline",
            zh: "提交资格预审申请文件的时间",
            en: "The time for applications",
            from,
            until: prequalification.application_deadline,
            through_last_day: false,
        },
    ))
}

fn not_a_tender() -> Ruling {
    Ruling::not_applicable("本项目不采用招标方式。", "This is not a tender.")
}
