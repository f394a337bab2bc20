//! What is done and decided before a notice: plan, survey, reviews, method, reservation
//! (P4 to P7, P9 to P14, SZ4).

use sunbid_terms::Fen;

use super::case::last_covered_day;
use super::{Case, Ruling};
use crate::facts::{Category, Method, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

/// P4
pub(super) fn plan_is_filed(case: &Notice<'_>) -> Option<Ruling> {
    Some(match filled(case.facts.implementation_plan.as_deref()) {
        Some(number) => Ruling::satisfied(
            format!("采购实施计划已备案，编号{number}。"),
            format!("The implementation plan is filed under {number}."),
        ),
        None => Ruling::breached(
            "implementation_plan",
            "采购实施计划尚未备案；报本级财政部门备案并填写备案编号后才能发布公告。",
            "No implementation plan is filed; file it with the finance department and give its number before the notice.",
        ),
    })
}

/// P5
pub(super) fn demand_is_surveyed(case: &Notice<'_>) -> Option<Ruling> {
    let least = case.count("objects")?;
    if !needs_close_review(case)? {
        return Some(Ruling::not_applicable(
            "本项目不属于应当开展需求调查的范围。",
            "This project is not one that needs a demand survey.",
        ));
    }
    let Some(survey) = &case.facts.demand_survey else {
        return Some(Ruling::breached(
            "demand_survey",
            format!(
                "本项目应当开展需求调查而没有调查；请向不少于{least}个有代表性的对象调查，或者写明一年内的调查、已涵盖的可行性研究。"
            ),
            format!(
                "This project needs a demand survey and has none; ask at least {least} representative participants, or name the survey of the last year or the study that covers it."
            ),
        ));
    };
    if let Some(covered) = filled(survey.covered_by.as_deref()) {
        return Some(Ruling::satisfied(
            format!("需求调查已由{covered}涵盖。"),
            format!("The demand survey is covered by {covered}."),
        ));
    }
    let asked = survey.objects;
    Some(if asked >= least {
        Ruling::satisfied(
            format!("需求调查了{asked}个对象，不少于{least}个。"),
            format!("The demand survey asked {asked} participants, at least {least}."),
        )
    } else if asked == 0 {
        Ruling::breached(
            "demand_survey.objects",
            format!("需求调查没有调查对象；一般不少于{least}个。"),
            format!("The demand survey asked nobody; as a rule at least {least} are asked."),
        )
    } else {
        Ruling::breached(
            "demand_survey.objects",
            format!("需求调查了{asked}个对象，一般不少于{least}个；请补充调查或者说明理由。"),
            format!("The demand survey asked {asked} participants, as a rule at least {least} are asked; ask more or state why not."),
        )
        .softened()
    })
}

/// P6
pub(super) fn demand_is_reviewed(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let Some(review) = &facts.internal_review else {
        return Some(Ruling::breached(
            "internal_review",
            "采购需求和采购实施计划没有经过内部审查；审查通过后才能开始采购活动。",
            "Demand and plan were not reviewed; the procurement starts once the review passed.",
        ));
    };
    let reviewed_own = review
        .reviewers
        .iter()
        .find(|who| facts.authors.contains(who));
    let key_needed = needs_close_review(case)?;
    Some(
        if review.reviewers.iter().all(|who| who.trim().is_empty()) {
            Ruling::breached(
                "internal_review.reviewers",
                "内部审查没有写明审查人。",
                "The review does not say who reviewed.",
            )
        } else if let Some(who) = reviewed_own {
            Ruling::breached(
                "internal_review.reviewers",
                format!("{who}参与了采购需求或者实施计划的编制，不得参与审查；请由其他人审查。"),
                format!(
                    "{who} helped to write the demand or the plan and may not review it; let someone else review."
                ),
            )
        } else if !review.general_passed {
            Ruling::breached(
                "internal_review.general_passed",
                "一般性审查没有通过；修改采购需求和实施计划后重新审查。",
                "The general review did not pass; mend demand and plan and review again.",
            )
        } else if key_needed && !review.key_passed {
            Ruling::breached(
                "internal_review.key_passed",
                "本项目应当通过重点审查（非歧视性、竞争性、采购政策、履约风险），尚未通过。",
                "This project must also pass the key review (discrimination, competition, policy, performance risk) and has not.",
            )
        } else {
            Ruling::satisfied(
                "采购需求和采购实施计划已由编制人以外的人审查通过。",
                "Demand and plan passed the review of someone other than their authors.",
            )
        },
    )
}

/// SZ4
pub(super) fn competition_is_reviewed(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    Some(match &facts.fair_competition_review {
        None => Ruling::breached(
            "fair_competition_review",
            "招标采购文件没有经过公平竞争审查；由采购人（招标人）自行审查通过后才能发布。",
            "The document was not reviewed for fair competition; the purchaser or tenderer reviews it itself before publication.",
        ),
        Some(review) if review.reviewer.trim().is_empty() => Ruling::breached(
            "fair_competition_review.reviewer",
            "公平竞争审查没有写明审查人。",
            "The fair competition review does not say who reviewed.",
        ),
        Some(review) if facts.authors.contains(&review.reviewer) => Ruling::breached(
            "fair_competition_review.reviewer",
            format!(
                "公平竞争审查人{}是文件编制人；请由其他人审查。",
                review.reviewer
            ),
            format!(
                "{} reviewed a document of their own; let someone else review it.",
                review.reviewer
            ),
        ),
        Some(review) if !review.passed => Ruling::breached(
            "fair_competition_review.passed",
            "公平竞争审查没有通过；修改文件后重新审查。",
            "The fair competition review did not pass; mend the document and review again.",
        ),
        Some(review) => Ruling::satisfied(
            format!("公平竞争审查由{}审查通过。", review.reviewer),
            format!(
                "{} passed the document in the fair competition review.",
                review.reviewer
            ),
        ),
    })
}

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
            format!("累计添购{total}元，不超过原合同{original}元的百分之十即{ceiling}元。"),
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

/// P13
pub(super) fn share_is_reserved(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let whole_up_to = match facts.category {
        Category::Works => case.fen("works")?,
        Category::Goods | Category::Services => case.fen("goods_services")?,
    };
    let (share, small_share) = (
        case.basis_points("share")?,
        case.basis_points("small_share")?,
    );
    let Some(reservation) = &facts.sme_reservation else {
        return Some(Ruling::breached(
            "sme_reservation",
            "没有写明面向中小企业预留的份额；请填写预留金额，或者写明属于第六条哪一项可以不预留的情形。",
            "Nothing is said of the share reserved for small and medium enterprises; give it, or name the case of art 6 that allows none.",
        ));
    };
    if let Some(case_of_art_6) = filled(reservation.exemption.as_deref()) {
        return Some(Ruling::satisfied(
            format!("不预留份额的情形：{case_of_art_6}。"),
            format!("Nothing need be reserved: {case_of_art_6}."),
        ));
    }
    let Some(budget) = facts.budget else {
        return Some(Ruling::breached(
            "budget",
            "没有预算金额，无法核对预留份额。",
            "Without a budget the reserved share cannot be checked.",
        ));
    };
    let suitable = reservation.suitable;
    let (least, least_small) = if budget <= whole_up_to {
        (suitable, Fen::ZERO)
    } else {
        (
            at_least(suitable, share)?,
            at_least(reservation.reserved, small_share)?,
        )
    };
    let (reserved, small) = (reservation.reserved, reservation.reserved_for_small);
    Some(if reserved < least {
        Ruling::breached(
            "sme_reservation.reserved",
            format!(
                "预算{budget}元，适宜中小企业提供的部分{suitable}元，预留{reserved}元，应当不少于{least}元。"
            ),
            format!(
                "Of the budget of {budget} yuan {suitable} yuan suit small and medium enterprises; {reserved} yuan are reserved, at least {least} yuan must be."
            ),
        )
    } else if small < least_small {
        Ruling::breached(
            "sme_reservation.reserved_for_small",
            format!("预留{reserved}元中给小微企业{small}元，应当不少于{least_small}元。"),
            format!(
                "Of the {reserved} yuan reserved {small} yuan are for small and micro enterprises, at least {least_small} yuan must be."
            ),
        )
    } else {
        Ruling::satisfied(
            format!("预留{reserved}元（其中小微企业{small}元），符合要求。"),
            format!(
                "{reserved} yuan are reserved, {small} yuan of them for small and micro enterprises, as required."
            ),
        )
    })
}

/// P14
pub(super) fn works_reserve_more(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let (above, share) = (case.fen("works")?, case.basis_points("share")?);
    let price = facts.budget.or(facts.estimated_price);
    let large = facts.category == Category::Works && price.is_some_and(|price| price > above);
    let reservation = match &facts.sme_reservation {
        Some(reservation) if large && filled(reservation.exemption.as_deref()).is_none() => {
            reservation
        }
        _ => {
            return Some(Ruling::not_applicable(
                "本项目不是应当提高预留份额的工程。",
                "This is not works with a higher reserved share.",
            ));
        }
    };
    let (suitable, reserved) = (reservation.suitable, reservation.reserved);
    let least = at_least(suitable, share)?;
    Some(if reserved >= least {
        Ruling::satisfied(
            format!("工程适宜部分{suitable}元，预留{reserved}元，不少于{least}元。"),
            format!(
                "Of the suitable {suitable} yuan of works {reserved} yuan are reserved, at least {least} yuan must be."
            ),
        )
    } else {
        Ruling::breached(
            "sme_reservation.reserved",
            format!("工程适宜部分{suitable}元，预留{reserved}元，阶段性要求不少于{least}元。"),
            format!(
                "Of the suitable {suitable} yuan of works {reserved} yuan are reserved; for the time being at least {least} yuan must be."
            ),
        )
    })
}

/// Whether the project is one of 财库〔2021〕22号 art 11. The thresholds stand in the row of P5.
fn needs_close_review(case: &Notice<'_>) -> Option<bool> {
    let facts = case.facts;
    let threshold = match facts.category {
        Category::Works => case.other_fen("P5", "works")?,
        Category::Goods | Category::Services => case.other_fen("P5", "goods_services")?,
    };
    Some(
        facts.budget.is_some_and(|budget| budget >= threshold.value)
            || facts.public_interest
            || facts.technically_complex
            || facts.imported_goods,
    )
}

/// A share that must be reached, rounded up to the fen.
fn at_least(amount: Fen, basis_points: u32) -> Option<Fen> {
    let points = i64::from(basis_points);
    let down = amount.share(points, 10_000)?;
    let exact = i128::from(down.get()) * 10_000 == i128::from(amount.get()) * i128::from(points);
    if exact {
        Some(down)
    } else {
        down.checked_add(Fen::new(1))
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
