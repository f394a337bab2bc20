//! The rule engine's findings in the form records and answers carry them.

use sunbid_contracts::common::v1::{RuleEffect, RuleOutcome, Track, Verdict};
use sunbid_rules::{Effect, Finding, Outcome, Verdicts};

use crate::Refusal;

/// Findings as they stand in a record.
pub fn messages(verdicts: &Verdicts) -> Vec<Verdict> {
    verdicts.findings.iter().map(message).collect()
}

/// The findings for the record, or the refusal if a rule refuses.
pub fn allowed(verdicts: &Verdicts) -> Result<Vec<Verdict>, Refusal> {
    if verdicts.is_allowed() {
        Ok(messages(verdicts))
    } else {
        Err(Refusal::Rules(messages(verdicts)))
    }
}

/// Whether a rule refuses, by findings that came from elsewhere.
pub fn refuse(said: &[Verdict]) -> bool {
    said.iter().any(|verdict| {
        verdict.outcome() == RuleOutcome::Breached && verdict.effect() == RuleEffect::Refuse
    })
}

fn message(finding: &Finding) -> Verdict {
    let outcome = match finding.outcome {
        Outcome::Satisfied => RuleOutcome::Satisfied,
        Outcome::Breached => RuleOutcome::Breached,
        Outcome::NotApplicable => RuleOutcome::NotApplicable,
    };
    let effect = match finding.effect {
        Effect::Refuse => RuleEffect::Refuse,
        Effect::Escalate => RuleEffect::Escalate,
        Effect::Warn | Effect::Record if finding.escalate => RuleEffect::Escalate,
        Effect::Warn => RuleEffect::Warn,
        Effect::Record => RuleEffect::Record,
    };
    Verdict {
        rule_id: finding.rule.as_str().to_owned(),
        outcome: outcome as i32,
        effect: effect as i32,
        provisional: finding.provisional,
        law_zh: finding.law_zh.clone(),
        law_en: finding.law_en.clone(),
        parameter: finding.parameter.clone(),
        field: finding.field.clone().unwrap_or_default(),
        message_zh: finding.message_zh.clone(),
        message_en: finding.message_en.clone(),
    }
}

/// The engine's name of a track; a project without one is refused.
pub fn track(track: i32, field: &str) -> Result<sunbid_rules::Track, Refusal> {
    match Track::try_from(track) {
        Ok(Track::GovernmentProcurement) => Ok(sunbid_rules::Track::GovernmentProcurement),
        Ok(Track::Engineering) => Ok(sunbid_rules::Track::Engineering),
        _ => Err(Refusal::field(
            field,
            "请选择政府采购或工程建设项目招标。",
            "must be government procurement or engineering tender.",
        )),
    }
}
