//! One row of the rule table and its typed values.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Deserialize;
use sunbid_terms::Fen;

use super::{Confidence, Effect, Kind, RuleStage};
use crate::calendar::{CalendarDays, Days, WorkingDays};
use crate::scope::{Jurisdiction, Track};

/// The name of a rule, such as `P21`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(super) String);

impl RuleId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RuleId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value the law sets. Its type is part of the rule: calendar days never pass for working days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    CalendarDays(u32),
    WorkingDays(u32),
    /// Hundredths of a percent: 200 is 2 %.
    BasisPoints(u32),
    Fen(i64),
    Minutes(u32),
    Count(u32),
    Text(String),
    /// Words that a text is searched for.
    Words(Vec<String>),
}

/// What a predicate needs a parameter to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Calendar or working days, as the row says.
    Days,
    BasisPoints,
    Fen,
    Minutes,
    Count,
    Text,
    Words,
}

impl ParameterKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::BasisPoints => "basis points",
            Self::Fen => "fen",
            Self::Minutes => "minutes",
            Self::Count => "count",
            Self::Text => "text",
            Self::Words => "words",
        }
    }
}

impl Parameter {
    pub fn kind(&self) -> ParameterKind {
        match self {
            Self::CalendarDays(_) | Self::WorkingDays(_) => ParameterKind::Days,
            Self::BasisPoints(_) => ParameterKind::BasisPoints,
            Self::Fen(_) => ParameterKind::Fen,
            Self::Minutes(_) => ParameterKind::Minutes,
            Self::Count(_) => ParameterKind::Count,
            Self::Text(_) => ParameterKind::Text,
            Self::Words(_) => ParameterKind::Words,
        }
    }

    pub(crate) fn days(&self) -> Option<Days> {
        match self {
            Self::CalendarDays(days) => Some(Days::Calendar(CalendarDays(*days))),
            Self::WorkingDays(days) => Some(Days::Working(WorkingDays(*days))),
            _ => None,
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CalendarDays(days) => CalendarDays(*days).fmt(f),
            Self::WorkingDays(days) => WorkingDays(*days).fmt(f),
            Self::BasisPoints(points) => percent(*points, f),
            Self::Fen(fen) => write!(f, "{} yuan", Fen::new(*fen)),
            Self::Minutes(minutes) => write!(f, "{minutes} minutes"),
            Self::Count(count) => count.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Words(words) => f.write_str(&words.join("、")),
        }
    }
}

fn percent(points: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whole, rest) = (points / 100, points % 100);
    if rest == 0 {
        write!(f, "{whole} %")
    } else {
        write!(f, "{whole}.{rest:02} %")
    }
}

/// A statutory rule: who said it, of whom, since when, with which values, and what a breach means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub stage: RuleStage,
    pub kind: Kind,
    pub tracks: Vec<Track>,
    pub jurisdiction: Jurisdiction,
    pub title_zh: String,
    pub title_en: String,
    /// The law with its article.
    pub law_zh: String,
    pub law_en: String,
    pub effective_from: NaiveDate,
    /// The last day it is in force; none while nobody repealed it.
    pub effective_to: Option<NaiveDate>,
    pub parameters: BTreeMap<String, Parameter>,
    pub effect: Effect,
    /// The milder effect that the explanation names a condition for, such as a stated reason.
    pub softened_effect: Option<Effect>,
    /// A breach is also reported to the supervisor.
    pub escalate: bool,
    pub confidence: Confidence,
    /// Who confirmed a row from memory against the text, and when.
    pub confirmed_by: Option<String>,
    pub explanation_zh: String,
    pub explanation_en: String,
    /// How the platform keeps what no fact can decide.
    pub kept_by_zh: Option<String>,
    pub kept_by_en: Option<String>,
    /// Doubts, readings taken, and where a source was wrong.
    pub note: Option<String>,
}

impl Rule {
    /// Written from memory and confirmed by nobody.
    pub fn provisional(&self) -> bool {
        self.confirmed_by.is_none()
            && matches!(self.confidence, Confidence::Memory | Confidence::Unchecked)
    }

    /// The values as people read them; empty if the rule has none.
    pub fn shown_parameters(&self) -> String {
        let mut shown = self.parameters.iter();
        match (shown.next(), shown.next()) {
            (Some((_, only)), None) => only.to_string(),
            _ => self
                .parameters
                .iter()
                .map(|(name, value)| format!("{}: {value}", name.replace('_', " ")))
                .collect::<Vec<_>>()
                .join("; "),
        }
    }
}
