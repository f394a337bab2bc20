//! The rules asked again: what was recorded must be what the records' facts lead to.

use sunbid_contracts::common::v1::Verdict;
use sunbid_domain::Refusal;

use crate::fault::{Culprit, Fault};
use crate::log::{Entry, Log};

/// The recorded verdicts are the recomputed ones: the same rules, outcomes and effects, in order.
pub(crate) fn same(log: &Log, entry: &Entry, computed: &[Verdict]) -> Result<usize, Fault> {
    let recorded = entry
        .said
        .as_ref()
        .map_or(&[][..], |said| said.verdicts.as_slice());
    let key = |v: &Verdict| (v.rule_id.clone(), v.outcome, v.effect);
    if recorded.iter().map(key).eq(computed.iter().map(key)) {
        return Ok(computed.len());
    }
    let differing = computed
        .iter()
        .zip(recorded)
        .find(|(one, other)| key(one) != key(other))
        .map_or("", |(one, _)| one.rule_id.as_str());
    Err(log.fault(
        "VERDICTS",
        entry.seq,
        format!("记录的规则判定与重新计算的不同（{differing}）。"),
        format!(
            "The recorded verdicts of the rules are not those the facts lead to ({differing})."
        ),
    ))
}

/// The recorded verdicts hold at least the recomputed ones.
pub(crate) fn holds(log: &Log, entry: &Entry, computed: &[Verdict]) -> Result<usize, Fault> {
    let recorded = entry
        .said
        .as_ref()
        .map_or(&[][..], |said| said.verdicts.as_slice());
    let key = |v: &Verdict| (v.rule_id.clone(), v.outcome, v.effect);
    match computed
        .iter()
        .find(|one| !recorded.iter().any(|other| key(other) == key(one)))
    {
        None => Ok(computed.len()),
        Some(missing) => Err(log.fault(
            "VERDICTS",
            entry.seq,
            format!("规则{}的判定与重新计算的不同。", missing.rule_id),
            format!(
                "The verdict of rule {} is not the one the facts lead to.",
                missing.rule_id
            ),
        )),
    }
}

/// What is on record could not have been decided like this.
pub(crate) fn refused(log: &Log, seq: u64, refusal: &Refusal) -> Fault {
    let (zh, en) = match refusal {
        Refusal::Rules(verdicts) => {
            let each = |text: fn(&Verdict) -> String| -> String {
                let broken = |v: &&Verdict| {
                    v.outcome == sunbid_contracts::common::v1::RuleOutcome::Breached as i32
                };
                verdicts
                    .iter()
                    .filter(broken)
                    .map(text)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            (
                each(|v| format!("{}（{}）", v.message_zh, v.rule_id)),
                each(|v| format!("{} ({})", v.message_en, v.rule_id)),
            )
        }
        Refusal::Fields(fields) => {
            let each = |text: fn(&sunbid_domain::FieldViolation) -> String| -> String {
                fields.iter().map(text).collect::<Vec<_>>().join(" ")
            };
            (
                each(|f| format!("{}：{}", f.field, f.zh)),
                each(|f| format!("{}: {}", f.field, f.en)),
            )
        }
        Refusal::State { zh, en, .. } => (zh.clone(), en.clone()),
        other => (String::new(), format!("{other:?}")),
    };
    Fault::new(
        "NOT_LAWFUL",
        Culprit::Platform,
        log.place(seq),
        format!("该事项依规则不应被接受：{zh}"),
        format!("By its own rules the platform could not have taken this: {en}"),
    )
}
