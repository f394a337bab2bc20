//! How the supplier is chosen, and whether that way is open (P7, P9 to P12).

use sunbid_terms::Fen;

use super::case::{filled, last_covered_day, percent};
use super::{Case, Ruling};
use crate::facts::{Category, Method, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

/// P7
pub(super) fn large_contracts_are_tendered(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let threshold = case.fen(facts.category.as_str())?;
    let Some(estimated) = facts.estimated_price else {
        return Some(Ruling::breached(
            "estimated_price",
            format!("没有写明合同估算价，无法判断是否达到{threshold}元的必须招标标准。"),
            format!(
                "The estimated price is missing, so nobody can tell whether the contract reaches {threshold} yuan and must be tendered."
            ),
        ));
    };
    let category = facts.category;
    Some(if estimated < threshold {
        Ruling::satisfied(
            format!(
                "{}合同估算价{estimated}元，未达到{threshold}元的必须招标标准。",
                category.zh()
            ),
            format!(
                "The estimated price of {estimated} yuan for {} is below the {threshold} yuan from which tendering is mandatory.",
                category.as_str()
            ),
        )
    } else if facts.mandatory_tender && facts.method.is_tender() {
        Ruling::satisfied(
            format!(
                "{}合同估算价{estimated}元，达到{threshold}元，已按依法必须招标办理。",
                category.zh()
            ),
            format!(
                "The estimated price of {estimated} yuan for {} reaches {threshold} yuan, and the contract is tendered as mandatory.",
                category.as_str()
            ),
        )
    } else {
        Ruling::breached(
            if facts.method.is_tender() {
                "mandatory_tender"
            } else {
                "method"
            },
            format!(
                "{}合同估算价{estimated}元，达到{threshold}元的必须招标标准，却没有按依法必须招标办理；请改为依法必须招标，或者说明不属于该规定范围的理由。",
                category.zh()
            ),
            format!(
                "The estimated price of {estimated} yuan for {} reaches {threshold} yuan, but the contract is not tendered as mandatory; tender it as such, or state why the provisions do not cover it.",
                category.as_str()
            ),
        )
    })
}

/// P9
pub(super) fn purchases_are_not_split(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let threshold = case.other_fen("P8", "open_tender")?;
    if facts.category == Category::Works || facts.method == Method::OpenTender {
        return Some(Ruling::not_applicable(
            "化整为零的规定针对公开招标以外方式采购的货物、服务。",
            "The rule against splitting concerns goods and services bought without open tender.",
        ));
    }
    let Some(sum) = facts.yearly_sum_without_open_tender else {
        return Some(Ruling::breached(
            "yearly_sum_without_open_tender",
            "没有给出本年度同一预算项目同一品目公开招标以外方式的累计采购金额，无法判断是否化整为零。",
            "The sum bought this year for the same budget project and category without open tender is missing, so splitting cannot be ruled out.",
        ));
    };
    let excused = facts.budget_adjusted || filled(facts.method_approval.as_deref()).is_some();
    let ruling = if sum <= threshold.value {
        Ruling::satisfied(
            format!(
                "本年度累计{sum}元，没有超过公开招标数额标准{}元。",
                threshold.value
            ),
            format!(
                "The year's sum of {sum} yuan does not exceed the open-tender threshold of {} yuan.",
                threshold.value
            ),
        )
    } else if excused {
        Ruling::satisfied(
            format!(
                "本年度累计{sum}元，超过{}元，但属于预算调整或者经批准的情形。",
                threshold.value
            ),
            format!(
                "The year's sum of {sum} yuan exceeds {} yuan, but the budget was changed or the method approved.",
                threshold.value
            ),
        )
    } else {
        Ruling::breached(
            "yearly_sum_without_open_tender",
            format!(
                "本年度同一预算项目同一品目以公开招标以外方式累计采购{sum}元，超过公开招标数额标准{}元，涉嫌化整为零；请采用公开招标或者报批。",
                threshold.value
            ),
            format!(
                "This year {sum} yuan were bought for the same budget project and category without open tender, above the threshold of {} yuan: this looks like splitting; use open tender or ask for approval.",
                threshold.value
            ),
        )
    };
    Some(ruling.provisional(threshold.provisional))
}

/// P10
pub(super) fn other_method_is_approved(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let threshold = case.other_fen("P8", "open_tender")?;
    if facts.category == Category::Works || facts.method == Method::OpenTender {
        return Some(Ruling::not_applicable(
            "本项目采用公开招标，或者是不适用该数额标准的工程。",
            "This is an open tender, or works, which this threshold does not cover.",
        ));
    }
    let Some(budget) = facts.budget else {
        return Some(Ruling::breached(
            "budget",
            "没有预算金额，无法判断是否需要批准采购方式。",
            "Without a budget nobody can tell whether the method needs approval.",
        ));
    };
    let (method, limit) = (facts.method, threshold.value);
    let ruling = match filled(facts.method_approval.as_deref()) {
        _ if budget < limit => Ruling::satisfied(
            format!(
                "预算{budget}元，未达到公开招标数额标准{limit}元，可以采用{}。",
                method.zh()
            ),
            format!(
                "The budget of {budget} yuan is below the open-tender threshold of {limit} yuan; {} may be used.",
                method.en()
            ),
        ),
        Some(approval) => Ruling::satisfied(
            format!("采用{}已获批准，批准文号{approval}。", method.zh()),
            format!("The use of {} is approved under {approval}.", method.en()),
        ),
        None => Ruling::breached(
            "method_approval",
            format!(
                "预算{budget}元，达到公开招标数额标准{limit}元，采用{}须经设区的市级以上财政部门批准；请填写批准文号或者改用公开招标。",
                method.zh()
            ),
            format!(
                "The budget of {budget} yuan reaches the open-tender threshold of {limit} yuan, so {} needs the approval of the finance department; give its number or use open tender.",
                method.en()
            ),
        ),
    };
    Some(ruling.provisional(threshold.provisional))
}

/// P11
pub(super) fn single_source_is_publicised(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let days = case.days("minimum")?;
    let threshold = case.other_fen("P8", "open_tender")?;
    let below = facts.budget.is_some_and(|budget| budget < threshold.value);
    if facts.method != Method::SingleSource || below {
        return Some(
            Ruling::not_applicable(
                "本项目不是达到公开招标数额标准的单一来源采购。",
                "This is no single-source procurement at or above the open-tender threshold.",
            )
            .provisional(below && threshold.provisional),
        );
    }
    let Some(publicity) = &facts.single_source_publicity else {
        return Some(
            Ruling::breached(
                "single_source_publicity",
                format!("单一来源采购没有公示；应当在指定媒体公示不少于{}。", days.zh()),
                format!("The single source was not publicised; publicise it in the designated media for at least {days}."),
            )
            .provisional(threshold.provisional),
        );
    };
    let earliest = case.period_end(publicity.published_at, days);
    let (from, until) = (
        publicity.published_at.china_date(),
        last_covered_day(publicity.ended_at),
    );
    let ruling = if until < earliest.date {
        Ruling::breached(
            "single_source_publicity.ended_at",
            format!(
                "单一来源公示自{from}至{until}，不足{}；最早可于{}结束。",
                days.zh(),
                earliest.date
            ),
            format!(
                "The single source was publicised from {from} to {until}, less than {days}; the earliest lawful end is {}.",
                earliest.date
            ),
        )
    } else if facts.published_at < publicity.ended_at {
        Ruling::breached(
            "published_at",
            format!(
                "单一来源公示于{}才结束，之前不得开始采购。",
                publicity.ended_at
            ),
            format!(
                "The publicity of the single source ends at {} only; the procurement may not start before.",
                publicity.ended_at
            ),
        )
    } else {
        Ruling::satisfied(
            format!("单一来源自{from}至{until}公示，不少于{}。", days.zh()),
            format!("The single source was publicised from {from} to {until}, at least {days}."),
        )
    };
    Some(ruling.provisional(earliest.provisional || threshold.provisional))
}

/// P12
pub(super) fn additions_are_small(case: &Notice<'_>) -> Option<Ruling> {
    let share = case.basis_points("maximum")?;
    let Some(addition) = &case.facts.additional_purchase else {
        return Some(Ruling::not_applicable(
            "本项目不是向原供应商添购。",
            "This does not add to an earlier contract.",
        ));
    };
    let original = addition.original_contract;
    let ceiling = original.share(i64::from(share), 10_000)?;
    let total = addition.added_before.checked_add(addition.adds_now)?;
    Some(if total <= ceiling {
        Ruling::satisfied(
            format!(
                "累计添购{total}元，不超过原合同{original}元的{}即{ceiling}元。",
                percent(share)
            ),
            format!(
                "In all {total} yuan are added, at most {ceiling} yuan may be added to the contract of {original} yuan."
            ),
        )
    } else {
        let left = ceiling.checked_sub(addition.added_before)?.max(Fen::ZERO);
        Ruling::breached(
            "additional_purchase.adds_now",
            format!(
                "累计添购{total}元，超过原合同{original}元的上限{ceiling}元；本次最多还可以添购{left}元。"
            ),
            format!(
                "In all {total} yuan would be added, above the {ceiling} yuan allowed on the contract of {original} yuan; at most {left} yuan may still be added."
            ),
        )
    })
}
