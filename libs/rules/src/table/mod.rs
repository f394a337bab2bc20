//! The rule table: every statutory rule as a row of data with its article, versioned by date and
//! place. Owns the rows and their selection; knows nothing of predicates or facts.

mod load;
mod rule;
mod vocabulary;

use std::collections::BTreeMap;

use crate::scope::{Jurisdiction, Scope, Track};

pub use load::TableError;
pub use rule::{Parameter, ParameterKind, Rule, RuleId};
pub use vocabulary::{Confidence, Effect, Kind, RuleStage};

/// All rows, in the order of their files, checked for contradictions.
#[derive(Clone, Debug)]
pub struct RuleTable {
    rules: Vec<Rule>,
    by_id: BTreeMap<RuleId, Vec<usize>>,
}

impl RuleTable {
    /// The table shipped with the library.
    pub fn embedded() -> Result<Self, TableError> {
        Self::from_files(load::EMBEDDED)
    }

    /// A table of rule files, each given with the name to complain under.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, TableError> {
        let rules = load::read(files)?;
        let mut by_id: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            by_id.entry(rule.id.clone()).or_default().push(at);
        }
        Ok(Self { rules, by_id })
    }

    /// Every row, of all tracks, places and times.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The row of this id in force in this scope: the one of the nearest place.
    pub fn select(&self, id: &str, scope: &Scope) -> Option<&Rule> {
        let rows = self.by_id.get(id)?;
        rows.iter()
            .filter_map(|at| self.rules.get(*at))
            .filter_map(|rule| Some((rule.nearness_to(scope)?, rule)))
            .max_by_key(|(nearness, _)| *nearness)
            .map(|(_, rule)| rule)
    }

    /// All rows in force for a track, a place and a day, one per id, in the order of the table.
    pub fn in_force(&self, scope: &Scope) -> Vec<&Rule> {
        self.rules
            .iter()
            .filter(|rule| {
                self.select(rule.id.as_str(), scope)
                    .is_some_and(|chosen| std::ptr::eq(chosen, *rule))
            })
            .collect()
    }
}

impl Rule {
    /// How near the row's place is to the scope's; none if the row does not apply in it.
    fn nearness_to(&self, scope: &Scope) -> Option<usize> {
        let in_time = self.effective_from <= scope.on
            && self.effective_to.is_none_or(|last| scope.on <= last);
        let on_track = self.tracks.contains(&scope.track);
        if in_time && on_track {
            scope.jurisdiction.nearness_of(&self.jurisdiction)
        } else {
            None
        }
    }

    /// Whether two rows of one id could both be chosen for the same act.
    fn collides_with(&self, other: &Self) -> bool {
        let shared = |track: &Track| other.tracks.contains(track);
        let starts_before_end = |a: &Self, b: &Self| {
            b.effective_to
                .is_none_or(|b_last| a.effective_from <= b_last)
        };
        let same_place = |a: &Jurisdiction, b: &Jurisdiction| a == b;
        self.id == other.id
            && same_place(&self.jurisdiction, &other.jurisdiction)
            && self.tracks.iter().any(shared)
            && starts_before_end(self, other)
            && starts_before_end(other, self)
    }
}

#[cfg(test)]
mod tests;
