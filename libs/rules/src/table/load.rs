//! Reading the rule files: strict, and precise about what is wrong and where.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Deserialize;

use super::{Confidence, Effect, Kind, Parameter, Rule, RuleId, RuleStage};
use crate::scope::{Jurisdiction, JurisdictionError, Track};

/// The rule files shipped with the library, in the order of a tender's life.
pub(super) const EMBEDDED: &[(&str, &str)] = &[
    (
        "rules/intent.toml",
        include_str!("../../data/rules/intent.toml"),
    ),
    (
        "rules/method.toml",
        include_str!("../../data/rules/method.toml"),
    ),
    (
        "rules/notice.toml",
        include_str!("../../data/rules/notice.toml"),
    ),
    (
        "rules/periods.toml",
        include_str!("../../data/rules/periods.toml"),
    ),
    (
        "rules/fairness.toml",
        include_str!("../../data/rules/fairness.toml"),
    ),
    (
        "rules/clarification.toml",
        include_str!("../../data/rules/clarification.toml"),
    ),
    (
        "rules/deposit.toml",
        include_str!("../../data/rules/deposit.toml"),
    ),
    (
        "rules/submission.toml",
        include_str!("../../data/rules/submission.toml"),
    ),
    (
        "rules/outage.toml",
        include_str!("../../data/rules/outage.toml"),
    ),
    (
        "rules/opening.toml",
        include_str!("../../data/rules/opening.toml"),
    ),
];

/// A period longer than this is a slip of the pen, not a rule.
const LONGEST_PERIOD_DAYS: u32 = 3_660;

/// Why a rule table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("the rule file {file} cannot be read: {reason}")]
    Syntax { file: String, reason: String },
    #[error("the rule {rule} in {file} leaves {field} empty")]
    Empty {
        file: String,
        rule: String,
        field: &'static str,
    },
    #[error("the rule {rule} in {file} has a wrong place: {reason}")]
    Place {
        file: String,
        rule: String,
        reason: JurisdictionError,
    },
    #[error("the rule {rule} in {file} ends on {to}, before it starts on {from}")]
    Backwards {
        file: String,
        rule: String,
        from: NaiveDate,
        to: NaiveDate,
    },
    #[error("the rule {rule} in {file} has the impossible value {value} for {parameter}")]
    Value {
        file: String,
        rule: String,
        parameter: String,
        value: String,
    },
    #[error(
        "two rows of the rule {rule} for {track} and {place} are in force at the same time, from {from}"
    )]
    Overlap {
        rule: String,
        track: &'static str,
        place: String,
        from: NaiveDate,
    },
    #[error(
        "the softened effect {softened} of the rule {rule} in {file} is not milder than {effect}"
    )]
    NotSofter {
        file: String,
        rule: String,
        softened: &'static str,
        effect: &'static str,
    },
    #[error("the rule {rule} is to be checked, but there is no predicate for it")]
    NoPredicate { rule: String },
    #[error("there is a predicate for the rule {rule}, but no row to check by it")]
    NoRow { rule: String },
    #[error(
        "the predicate of the rule {rule} needs {parameter} as {kind}, the row for {track} lacks it"
    )]
    Parameter {
        rule: String,
        parameter: &'static str,
        kind: &'static str,
        track: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    stage: RuleStage,
    rule: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    stage: Option<RuleStage>,
    kind: Kind,
    tracks: Vec<Track>,
    jurisdiction: Option<String>,
    title_zh: String,
    title_en: String,
    law_zh: String,
    law_en: String,
    effective_from: NaiveDate,
    effective_to: Option<NaiveDate>,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    effect: Effect,
    softened_effect: Option<Effect>,
    #[serde(default)]
    escalate: bool,
    confidence: Confidence,
    confirmed_by: Option<String>,
    explanation_zh: String,
    explanation_en: String,
    kept_by_zh: Option<String>,
    kept_by_en: Option<String>,
    note: Option<String>,
}

pub(super) fn read(files: &[(&str, &str)]) -> Result<Vec<Rule>, TableError> {
    let mut rules: Vec<Rule> = Vec::new();
    for (file, text) in files {
        let parsed: File = toml::from_str(text).map_err(|error| TableError::Syntax {
            file: (*file).to_owned(),
            reason: error.to_string(),
        })?;
        for row in parsed.rule {
            let rule = checked(file, parsed.stage, row)?;
            if let Some(other) = rules.iter().find(|other| rule.collides_with(other)) {
                return Err(TableError::Overlap {
                    rule: rule.id.to_string(),
                    track: other.tracks.first().map_or("", |track| track.as_str()),
                    place: rule.jurisdiction.to_string(),
                    from: rule.effective_from.max(other.effective_from),
                });
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn checked(file: &str, stage: RuleStage, row: Row) -> Result<Rule, TableError> {
    let (file, id) = (file.to_owned(), row.id.clone());
    if let Some(field) = empty_field(&row) {
        return Err(TableError::Empty {
            file,
            rule: id,
            field,
        });
    }
    let jurisdiction = match &row.jurisdiction {
        None => Jurisdiction::china(),
        Some(text) => Jurisdiction::parse(text).map_err(|reason| TableError::Place {
            file: file.clone(),
            rule: id.clone(),
            reason,
        })?,
    };
    if let Some(to) = row.effective_to.filter(|to| *to < row.effective_from) {
        return Err(TableError::Backwards {
            file,
            rule: id,
            from: row.effective_from,
            to,
        });
    }
    if let Some((name, value)) = row.parameters.iter().find(|(_, value)| !possible(value)) {
        return Err(TableError::Value {
            file,
            rule: id,
            parameter: name.clone(),
            value: value.to_string(),
        });
    }
    if let Some(softened) = row.softened_effect.filter(|soft| *soft >= row.effect) {
        return Err(TableError::NotSofter {
            file,
            rule: id,
            softened: softened.as_str(),
            effect: row.effect.as_str(),
        });
    }
    Ok(Rule {
        id: RuleId(row.id),
        stage: row.stage.unwrap_or(stage),
        kind: row.kind,
        tracks: row.tracks,
        jurisdiction,
        title_zh: row.title_zh,
        title_en: row.title_en,
        law_zh: row.law_zh,
        law_en: row.law_en,
        effective_from: row.effective_from,
        effective_to: row.effective_to,
        parameters: row.parameters,
        effect: row.effect,
        softened_effect: row.softened_effect,
        escalate: row.escalate || row.effect == Effect::Escalate,
        confidence: row.confidence,
        confirmed_by: row.confirmed_by,
        explanation_zh: row.explanation_zh,
        explanation_en: row.explanation_en,
        kept_by_zh: row.kept_by_zh,
        kept_by_en: row.kept_by_en,
        note: row.note,
    })
}

fn empty_field(row: &Row) -> Option<&'static str> {
    let design = row.kind == Kind::Design;
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    [
        (row.id.trim().is_empty(), "id"),
        (row.tracks.is_empty(), "tracks"),
        (row.title_zh.trim().is_empty(), "title_zh"),
        (row.title_en.trim().is_empty(), "title_en"),
        (row.law_zh.trim().is_empty(), "law_zh"),
        (row.law_en.trim().is_empty(), "law_en"),
        (row.explanation_zh.trim().is_empty(), "explanation_zh"),
        (row.explanation_en.trim().is_empty(), "explanation_en"),
        (design && !said(&row.kept_by_zh), "kept_by_zh"),
        (design && !said(&row.kept_by_en), "kept_by_en"),
        (
            row.confirmed_by.is_some() && !said(&row.confirmed_by),
            "confirmed_by",
        ),
    ]
    .into_iter()
    .find_map(|(empty, field)| empty.then_some(field))
}

fn possible(value: &Parameter) -> bool {
    match value {
        Parameter::CalendarDays(days) | Parameter::WorkingDays(days) => {
            *days <= LONGEST_PERIOD_DAYS
        }
        Parameter::BasisPoints(points) => *points <= 100_000,
        Parameter::Fen(fen) => *fen >= 0,
        Parameter::Minutes(_) | Parameter::Count(_) => true,
        Parameter::Text(text) => !text.trim().is_empty(),
        Parameter::Words(words) => {
            !words.is_empty() && words.iter().all(|word| !word.trim().is_empty())
        }
    }
}
