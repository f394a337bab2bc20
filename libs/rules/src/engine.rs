//! The engine: facts in, findings out. Built once; every row and every predicate is matched then,
//! so that a rule without its check, or a check without its rule, never reaches a tender.

use crate::calendar::{Calendar, CalendarError};
use crate::checks::{Case, LOOKED_UP, Predicate, Ruling, registered};
use crate::facts::RefundCause;
use crate::finding::{Finding, Verdicts};
use crate::refunds::refund_period;
use crate::scope::{Scope, Track};
use crate::table::{Effect, Kind, ParameterKind, Rule, RuleTable, TableError};

/// Why there is no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Facts that rules can be asked about. The structs of [`crate::facts`] are the only ones.
pub trait Subject: Sized + 'static {
    #[doc(hidden)]
    fn predicates() -> &'static [Predicate<Self>];
}

/// The rule table and the calendar, ready to judge.
#[derive(Clone, Debug)]
pub struct Engine {
    table: RuleTable,
    calendar: Calendar,
}

impl Engine {
    /// The engine of the rules and the calendar shipped with the library.
    pub fn new() -> Result<Self, EngineError> {
        Self::from_parts(RuleTable::embedded()?, Calendar::embedded()?)
    }

    /// An engine of other data, checked as strictly.
    pub fn from_parts(table: RuleTable, calendar: Calendar) -> Result<Self, EngineError> {
        every_row_has_its_predicate(&table)?;
        every_predicate_has_its_row(&table)?;
        Ok(Self { table, calendar })
    }

    /// Judges facts by every rule in force for them, in the order of the predicates.
    pub fn check<F: Subject>(&self, scope: &Scope, facts: &F) -> Verdicts {
        let findings = F::predicates()
            .iter()
            .filter_map(|predicate| {
                let rule = self.table.select(predicate.rule, scope)?;
                let case = Case {
                    facts,
                    rule,
                    calendar: &self.calendar,
                    scope,
                    table: &self.table,
                };
                Some(finding(
                    rule,
                    (predicate.judge)(&case).unwrap_or_else(incomplete),
                ))
            })
            .collect();
        Verdicts { findings }
    }

    /// Every row of the table, for people to browse: `provisional()` marks the unconfirmed.
    pub fn table(&self) -> &[Rule] {
        self.table.rules()
    }

    /// The rows in force for a track, a place and a day, one per id.
    pub fn in_force(&self, scope: &Scope) -> Vec<&Rule> {
        self.table.in_force(scope)
    }

    /// The row of one id in force in a scope.
    pub fn rule(&self, id: &str, scope: &Scope) -> Option<&Rule> {
        self.table.select(id, scope)
    }

    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }
}

fn every_row_has_its_predicate(table: &RuleTable) -> Result<(), TableError> {
    let judged = registered();
    let orphan = table.rules().iter().find(|rule| {
        rule.kind == Kind::Check && !judged.iter().any(|one| one.rule == rule.id.as_str())
    });
    match orphan {
        Some(rule) => Err(TableError::NoPredicate {
            rule: rule.id.to_string(),
        }),
        None => Ok(()),
    }
}

fn every_predicate_has_its_row(table: &RuleTable) -> Result<(), TableError> {
    for one in registered() {
        for need in one.needs {
            carries(table, one.rule, need.name, need.kind)?;
        }
        let row = |rule: &&Rule| rule.id.as_str() == one.rule && rule.kind == Kind::Check;
        if !table.rules().iter().any(|rule| row(&rule)) {
            return Err(TableError::NoRow {
                rule: one.rule.to_owned(),
            });
        }
    }
    for (rule, parameter, kind) in LOOKED_UP {
        carries(table, rule, parameter, *kind)?;
    }
    refund_periods_stand(table)
}

/// Whether a rule has rows and every one carries a parameter of the kind its readers expect.
fn carries(
    table: &RuleTable,
    id: &str,
    parameter: &'static str,
    kind: ParameterKind,
) -> Result<(), TableError> {
    let mut rows = table.rules().iter().filter(|rule| rule.id.as_str() == id);
    if rows.clone().next().is_none() {
        return Err(TableError::NoRow {
            rule: id.to_owned(),
        });
    }
    let lacking =
        rows.find(|rule| rule.parameters.get(parameter).map(|value| value.kind()) != Some(kind));
    match lacking {
        Some(rule) => Err(TableError::Parameter {
            rule: id.to_owned(),
            parameter,
            kind: kind.as_str(),
            track: rule.tracks.first().map_or("", |track| track.as_str()),
        }),
        None => Ok(()),
    }
}

/// The period of each cause of refund stands in the row that each track names for it.
fn refund_periods_stand(table: &RuleTable) -> Result<(), TableError> {
    for track in Track::ALL {
        for cause in RefundCause::ALL {
            let (id, parameter) = refund_period(track, cause);
            let lacking = table.rules().iter().any(|rule| {
                rule.id.as_str() == id
                    && rule.tracks.contains(&track)
                    && rule
                        .parameters
                        .get(parameter)
                        .and_then(|value| value.days())
                        .is_none()
            });
            if lacking {
                return Err(TableError::Parameter {
                    rule: id.to_owned(),
                    parameter,
                    kind: ParameterKind::Days.as_str(),
                    track: track.as_str(),
                });
            }
        }
    }
    Ok(())
}

fn finding(rule: &Rule, ruling: Ruling) -> Finding {
    let softened = ruling.softened.then_some(rule.softened_effect).flatten();
    let effect = softened.unwrap_or(rule.effect);
    Finding {
        rule: rule.id.clone(),
        title_zh: rule.title_zh.clone(),
        title_en: rule.title_en.clone(),
        outcome: ruling.outcome,
        effect,
        escalate: rule.escalate || effect == Effect::Escalate,
        provisional: rule.provisional() || ruling.provisional,
        law_zh: rule.law_zh.clone(),
        law_en: rule.law_en.clone(),
        parameter: rule.shown_parameters(),
        field: ruling.field,
        message_zh: ruling.zh,
        message_en: ruling.en,
    }
}

/// The engine's construction rules this out; should it happen, it must not let anything pass.
fn incomplete() -> Ruling {
    Ruling::breached(
        "rules",
        "该规则缺少所需参数，无法判断，因此不予放行；请修正规则表。",
        "This rule lacks a parameter it needs and cannot be judged, so nothing passes it; the rule table must be mended.",
    )
}

#[cfg(test)]
mod tests;
