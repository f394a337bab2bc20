//! What a document may not ask or score (P31 to P34). The scan finds words; it proves nothing, so
//! a written answer to each hit turns a refusal into a warning that stays visible.

use super::{Case, Ruling};
use crate::facts::{Clause, ClauseRole, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

struct Hit<'a> {
    clause: &'a Clause,
    word: &'a str,
}

impl Hit<'_> {
    fn is_answered(&self) -> bool {
        answered(self.clause)
    }
}

fn answered(clause: &Clause) -> bool {
    clause
        .answer
        .as_deref()
        .is_some_and(|answer| !answer.trim().is_empty())
}

/// P31
pub(super) fn size_is_no_condition(case: &Notice<'_>) -> Option<Ruling> {
    let mut words: Vec<&str> = case.words("scale")?.iter().map(String::as_str).collect();
    let authorisation = case.words("authorisation")?;
    if !case.facts.imported_goods {
        words.extend(authorisation.iter().map(String::as_str));
    }
    let hits = scan(case.facts, &words, |role| {
        matches!(role, ClauseRole::Qualification | ClauseRole::Score)
    });
    Some(judge(
        &hits,
        (
            "规模条件或者厂家授权",
            "a condition of size or a manufacturer's authorisation",
        ),
    ))
}

/// P34
pub(super) fn nobody_is_discriminated(case: &Notice<'_>) -> Option<Ruling> {
    let words: Vec<&str> = case.words("suspect")?.iter().map(String::as_str).collect();
    let hits = scan(case.facts, &words, |_| true);
    Some(judge(&hits, ("差别待遇或者歧视待遇", "discrimination")))
}

fn scan<'a>(
    facts: &'a TenderNoticeFacts,
    words: &[&'a str],
    scanned: impl Fn(ClauseRole) -> bool,
) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    for clause in facts.clauses.iter().filter(|clause| scanned(clause.role)) {
        // Spaces between characters must not hide a word.
        let text: String = clause.text.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(word) = words.iter().copied().find(|word| text.contains(word)) {
            hits.push(Hit { clause, word });
        }
    }
    hits
}

fn judge(hits: &[Hit<'_>], (zh, en): (&str, &str)) -> Ruling {
    let open = hits.iter().find(|hit| !hit.is_answered());
    let Some(named) = open.or(hits.first()) else {
        return Ruling::satisfied(
            format!("没有发现涉及{zh}的字样。"),
            format!("No words that suggest {en} were found."),
        );
    };
    let listed = |separator: &str| {
        let each: Vec<String> = hits
            .iter()
            .map(|hit| format!("{} “{}”", hit.clause.path, hit.word))
            .collect();
        each.join(separator)
    };
    if open.is_some() {
        Ruling::breached(
            named.clause.path.clone(),
            format!(
                "以下条款出现涉及{zh}的字样：{}；请修改，或者逐条书面说明其合法理由。",
                listed("；")
            ),
            format!(
                "These clauses carry words that suggest {en}: {}; change them, or answer each in writing.",
                listed("; ")
            ),
        )
    } else {
        Ruling::breached(
            named.clause.path.clone(),
            format!("以下条款出现涉及{zh}的字样，已书面说明理由，供监督部门查看：{}。", listed("；")),
            format!("These clauses carry words that suggest {en}; each is answered in writing for the supervisor to see: {}.", listed("; ")),
        )
        .softened()
    }
}

/// P32
pub(super) fn few_contracts_are_asked(case: &Notice<'_>) -> Option<Ruling> {
    let most = case.count("maximum")?;
    let facts = case.facts;
    let asked = facts.similar_contracts_required.unwrap_or(0);
    let reason = facts
        .similar_contracts_reason
        .as_deref()
        .unwrap_or("未说明");
    let reason_en = facts
        .similar_contracts_reason
        .as_deref()
        .unwrap_or("none stated");
    Some(if facts.innovative_product && asked > 0 {
        Ruling::breached(
            "similar_contracts_required",
            format!("支持创新产品的采购要求{asked}个同类业务合同；不得提出此类要求，请删除。"),
            format!(
                "A purchase supporting innovative products asks for {asked} similar contracts; it may ask for none."
            ),
        )
    } else if asked > most {
        Ruling::breached(
            "similar_contracts_required",
            format!("要求{asked}个同类业务合同，一般不超过{most}个；理由：{reason}。"),
            format!("{asked} similar contracts are asked for, as a rule at most {most}; reason: {reason_en}."),
        )
        .softened()
    } else {
        Ruling::satisfied(
            format!("要求{asked}个同类业务合同，不超过{most}个。"),
            format!("{asked} similar contracts are asked for, at most {most} may be."),
        )
    })
}

/// P33
pub(super) fn factors_are_sound(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    if let Some(factor) = facts.scoring_factors.iter().find(|one| !one.quantified) {
        return Some(Ruling::breached(
            factor.path.clone(),
            format!(
                "评审因素“{}”没有量化；应当细化到数值或者区间并对应分值。",
                factor.name
            ),
            format!(
                "The factor \"{}\" is not quantified; give values or ranges with their points.",
                factor.name
            ),
        ));
    }
    let qualifications = || {
        facts
            .clauses
            .iter()
            .filter(|clause| clause.role == ClauseRole::Qualification)
    };
    let mut doubles = facts.scoring_factors.iter().filter_map(|factor| {
        let name = factor.name.trim();
        qualifications()
            .find(|clause| is_scored_again(name, clause.text.trim()))
            .map(|clause| (factor, clause))
    });
    let first = doubles.next();
    let Some((factor, clause)) = first
        .filter(|(_, clause)| !answered(clause))
        .or_else(|| doubles.find(|(_, clause)| !answered(clause)))
        .or(first)
    else {
        return Some(Ruling::satisfied(
            "评审因素均已量化，没有将资格条件作为评审因素。",
            "Every factor is quantified, and no qualification is scored again.",
        ));
    };
    let ruling = Ruling::breached(
        factor.path.clone(),
        format!(
            "评审因素“{}”与资格条件{}“{}”重复；资格条件不得作为评审因素。",
            factor.name, clause.path, clause.text
        ),
        format!(
            "The factor \"{}\" repeats the qualification {} \"{}\"; a qualification is not scored again.",
            factor.name, clause.path, clause.text
        ),
    );
    Some(ruling.softened_if(answered(clause)))
}

/// The same words, or a name of at least four characters inside the qualification's text: shorter
/// names (价格, 质量) occur everywhere.
fn is_scored_again(factor: &str, qualification: &str) -> bool {
    !factor.is_empty()
        && (factor == qualification
            || (factor.chars().count() >= 4 && qualification.contains(factor)))
}
