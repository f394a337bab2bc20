//! What the engine says of facts: one finding per rule, in full sentences with the actual values.

use crate::table::{Effect, RuleId};

/// Whether a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Satisfied,
    Breached,
    /// The rule says nothing of these facts.
    NotApplicable,
}

impl Outcome {
    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::Breached => "breached",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// One rule's verdict on one set of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: RuleId,
    pub title_zh: String,
    pub title_en: String,
    pub outcome: Outcome,
    /// What a breach of this rule brings about here.
    pub effect: Effect,
    /// Whether a breach is also reported to the supervisor.
    pub escalate: bool,
    /// The row is not confirmed against its primary text, or a day was counted in a year whose
    /// holiday arrangement is not known. To be shown with the finding.
    pub provisional: bool,
    /// The law with its article, 中文.
    pub law_zh: String,
    pub law_en: String,
    /// The rule's values as shown to people, such as "20 calendar days"; empty if it has none.
    pub parameter: String,
    /// Path of the offending input, such as `lots[1].deposit`.
    pub field: Option<String>,
    pub message_zh: String,
    pub message_en: String,
}

impl Finding {
    pub fn is_refusal(&self) -> bool {
        self.outcome == Outcome::Breached && self.effect == Effect::Refuse
    }
}

/// All findings on one set of facts, in the order of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "verdicts are to be obeyed or shown"]
pub struct Verdicts {
    pub findings: Vec<Finding>,
}

impl Verdicts {
    /// Breaches that stop the act.
    pub fn refused(&self) -> Vec<&Finding> {
        self.breached_with(Effect::Refuse)
    }

    /// Breaches that need a reason and stay visible.
    pub fn warnings(&self) -> Vec<&Finding> {
        self.breached_with(Effect::Warn)
    }

    /// Breaches that the supervisor is to hear of, whatever else they bring about.
    pub fn escalated(&self) -> Vec<&Finding> {
        self.breached().filter(|finding| finding.escalate).collect()
    }

    /// Every breach.
    pub fn breached(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Breached)
    }

    /// No breach stops the act.
    pub fn is_allowed(&self) -> bool {
        !self.findings.iter().any(Finding::is_refusal)
    }

    /// The finding of one rule.
    pub fn of(&self, rule: &str) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.rule.as_str() == rule)
    }

    fn breached_with(&self, effect: Effect) -> Vec<&Finding> {
        self.breached()
            .filter(|finding| finding.effect == effect)
            .collect()
    }
}
