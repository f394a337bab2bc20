//! Intents: published in time and complete (P1 to P3).

use chrono::Datelike;
use sunbid_terms::Fen;

use super::{Case, Ruling};
use crate::facts::{IntentFacts, TenderNoticeFacts};

/// P1 when the intent is published: late is told, and better than never, so it never refuses.
pub(super) fn intent_leaves_time(case: &Case<'_, IntentFacts>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    let published = case.facts.published_at;
    let Some(start) = case.facts.planned_start else {
        return Some(Ruling::not_applicable(
            "意向未写明采购开始日期，发布公告时再核对公开时间。",
            "The intent names no day on which the procurement starts; its lead is checked when the notice is published.",
        ));
    };
    let earliest = case.period_end(published, days);
    let (on, from) = (published.china_date(), start.china_date());
    let ruling = if from >= earliest.date {
        Ruling::satisfied(
            format!(
                "意向于{on}公开，采购活动计划于{from}开始，间隔不少于{}。",
                days.zh()
            ),
            format!(
                "The intent is published on {on} and the procurement is to start on {from}, at least {days} later."
            ),
        )
    } else {
        Ruling::breached(
            "planned_start",
            format!(
                "意向于{on}公开，采购活动计划于{from}开始，不足{}；最早可于{}开始。",
                days.zh(),
                earliest.date
            ),
            format!(
                "The intent is published on {on} and the procurement is to start on {from}, less than {days} later; the earliest lawful start is {}.",
                earliest.date
            ),
        )
        .softened()
    };
    Some(ruling.provisional(earliest.provisional))
}

/// P1 when the notice is published: no timely intent needs an urgent reason.
pub(super) fn notice_follows_intent(case: &Case<'_, TenderNoticeFacts>) -> Option<Ruling> {
    let days = case.days("minimum")?;
    let facts = case.facts;
    let on = facts.published_at.china_date();
    let urgent = facts
        .urgent_reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty());
    let remedy_zh = match urgent {
        Some(reason) => format!("已说明紧急原因：{reason}"),
        None => "可以推迟公告，或者说明不可预见的紧急原因".to_owned(),
    };
    let remedy_en = match urgent {
        Some(reason) => format!("an urgent reason is stated: {reason}"),
        None => "publish the notice later, or state the unforeseeable urgent reason".to_owned(),
    };
    let Some(intent) = facts.intent_published_at else {
        return Some(
            Ruling::breached(
                "intent_published_at",
                format!("本项目没有公开采购意向；公告拟于{on}发布；{remedy_zh}。"),
                format!("No intent of this procurement was published and its notice is to appear on {on}; {remedy_en}."),
            )
            .softened_if(urgent.is_some()),
        );
    };
    let earliest = case.period_end(intent, days);
    let intent_on = intent.china_date();
    let ruling = if on >= earliest.date {
        Ruling::satisfied(
            format!(
                "意向于{intent_on}公开，公告于{on}发布，间隔不少于{}。",
                days.zh()
            ),
            format!(
                "The intent was published on {intent_on} and the notice appears on {on}, at least {days} later."
            ),
        )
    } else {
        Ruling::breached(
            "published_at",
            format!(
                "意向于{intent_on}公开，公告拟于{on}发布，不足{}；最早可于{}发布公告；{remedy_zh}。",
                days.zh(),
                earliest.date
            ),
            format!(
                "The intent was published on {intent_on} and the notice is to appear on {on}, less than {days} later; the earliest lawful notice is on {}; {remedy_en}.",
                earliest.date
            ),
        )
        .softened_if(urgent.is_some())
    };
    Some(ruling.provisional(earliest.provisional))
}

/// P2: soon after the budget is approved.
pub(super) fn intent_follows_budget(case: &Case<'_, IntentFacts>) -> Option<Ruling> {
    let days = case.days("maximum")?;
    let Some(approved) = case.facts.budget_approved_at else {
        return Some(Ruling::not_applicable(
            "部门预算尚未批复。",
            "The unit's budget is not approved yet.",
        ));
    };
    let latest = case.period_end(approved, days);
    let (approved_on, on) = (approved.china_date(), case.facts.published_at.china_date());
    let ruling = if on <= latest.date {
        Ruling::satisfied(
            format!(
                "预算于{approved_on}批复，意向于{on}公开，在{}之内。",
                days.zh()
            ),
            format!(
                "The budget was approved on {approved_on} and the intent is published on {on}, within {days}."
            ),
        )
    } else {
        Ruling::breached(
            "published_at",
            format!(
                "预算于{approved_on}批复，意向于{on}公开，超过{}；最迟应当于{}公开。",
                days.zh(),
                latest.date
            ),
            format!(
                "The budget was approved on {approved_on} and the intent is published on {on}, after more than {days}; the last day was {}.",
                latest.date
            ),
        )
    };
    Some(ruling.provisional(latest.provisional))
}

/// P3: the four things an intent says.
pub(super) fn intent_is_complete(case: &Case<'_, IntentFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let month = facts
        .planned_month
        .filter(|planned| (1..=12).contains(&planned.month))
        .filter(|planned| planned.year >= facts.published_at.in_china().year());
    let missing: Vec<(&str, &str, &str)> = [
        (
            facts.project_name.trim().is_empty(),
            "project_name",
            "采购项目名称",
            "the project's name",
        ),
        (
            facts.demand_summary.trim().is_empty(),
            "demand_summary",
            "采购内容及需求概况",
            "a summary of the demand",
        ),
        (
            facts.budget.is_none_or(|budget| budget <= Fen::ZERO),
            "budget",
            "预算金额",
            "the budget",
        ),
        (
            month.is_none(),
            "planned_month",
            "预计采购时间（不早于公开当年）",
            "the expected month (not of a past year)",
        ),
    ]
    .into_iter()
    .filter_map(|(absent, field, zh, en)| absent.then_some((field, zh, en)))
    .collect();
    let Some((field, ..)) = missing.first() else {
        return Some(Ruling::satisfied(
            "意向写明了项目名称、需求概况、预算金额和预计采购时间。",
            "The intent gives the project's name, a summary of the demand, the budget and the expected month.",
        ));
    };
    let zh: Vec<&str> = missing.iter().map(|(_, zh, _)| *zh).collect();
    let en: Vec<&str> = missing.iter().map(|(_, _, en)| *en).collect();
    Some(Ruling::breached(
        *field,
        format!("意向缺少：{}；补充后才能公开。", zh.join("、")),
        format!(
            "The intent lacks {}; it can be published once these are given.",
            en.join(", ")
        ),
    ))
}
