//! What must be done before a notice: plan, survey and reviews (P4 to P6, SZ4).

use super::case::filled;
use super::{Case, Ruling};
use crate::facts::{Category, TenderNoticeFacts};

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
