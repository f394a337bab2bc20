//! What a predicate is handed and what it hands back.

use chrono::NaiveDate;
use sunbid_terms::{Fen, Instant};

use crate::calendar::{Calendar, Counted, Days, LastDay};
use crate::finding::Outcome;
use crate::scope::{Scope, Track};
use crate::table::{Parameter, ParameterKind, Rule, RuleTable};

/// A parameter a predicate cannot do without, and the tracks whose rows must carry it.
pub struct Need {
    pub name: &'static str,
    pub kind: ParameterKind,
}

/// One rule's judgement of one kind of facts.
pub struct Predicate<F: 'static> {
    pub rule: &'static str,
    pub needs: &'static [Need],
    pub judge: fn(&Case<'_, F>) -> Option<Ruling>,
}

/// Facts, the row they are judged by, and the calendar.
pub struct Case<'a, F> {
    pub facts: &'a F,
    pub rule: &'a Rule,
    pub calendar: &'a Calendar,
    pub scope: &'a Scope,
    pub table: &'a RuleTable,
}

/// A value of another row, and whether that row is unconfirmed.
pub struct Other {
    pub value: Fen,
    pub provisional: bool,
}

impl<F> Case<'_, F> {
    pub fn days(&self, name: &str) -> Option<Days> {
        self.parameter(name)?.days()
    }

    pub fn fen(&self, name: &str) -> Option<Fen> {
        match self.parameter(name)? {
            Parameter::Fen(fen) => Some(Fen::new(*fen)),
            _ => None,
        }
    }

    pub fn count(&self, name: &str) -> Option<u32> {
        match self.parameter(name)? {
            Parameter::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub fn basis_points(&self, name: &str) -> Option<u32> {
        match self.parameter(name)? {
            Parameter::BasisPoints(points) => Some(*points),
            _ => None,
        }
    }

    pub fn minutes(&self, name: &str) -> Option<u32> {
        match self.parameter(name)? {
            Parameter::Minutes(minutes) => Some(*minutes),
            _ => None,
        }
    }

    pub fn words(&self, name: &str) -> Option<&[String]> {
        match self.parameter(name)? {
            Parameter::Words(words) => Some(words),
            _ => None,
        }
    }

    /// An amount that stands in another rule's row of the same scope.
    pub fn other_fen(&self, rule: &str, name: &str) -> Option<Other> {
        let row = self.table.select(rule, self.scope)?;
        match row.parameters.get(name)? {
            Parameter::Fen(fen) => Some(Other {
                value: Fen::new(*fen),
                provisional: row.provisional(),
            }),
            _ => None,
        }
    }

    /// A number of minutes that stands in another rule's row of the same scope.
    pub fn other_minutes(&self, rule: &str, name: &str) -> Option<u32> {
        match self.table.select(rule, self.scope)?.parameters.get(name)? {
            Parameter::Minutes(minutes) => Some(*minutes),
            _ => None,
        }
    }

    /// The last day of a period that starts with the China day of `from`.
    pub fn period_end(&self, from: Instant, days: Days) -> Counted {
        self.calendar
            .period_end(from.china_date(), days, last_day(self.scope.track))
    }

    pub fn is_engineering(&self) -> bool {
        self.scope.track == Track::Engineering
    }

    fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.rule.parameters.get(name)
    }
}

/// Which last days a track's law moves: 财政部令第87号 art 85, or 民法典 art 203.
pub(crate) fn last_day(track: Track) -> LastDay {
    match track {
        Track::GovernmentProcurement => LastDay::AfterHoliday,
        Track::Engineering => LastDay::AfterRestDay,
    }
}

/// The China day a period that ends at `end` still covers: an end at midnight is the day before's.
pub(super) fn last_covered_day(end: Instant) -> NaiveDate {
    end.plus_micros(-1).china_date()
}

/// What a predicate found, in full sentences with the actual values.
pub struct Ruling {
    pub outcome: Outcome,
    pub field: Option<String>,
    /// The condition of the row's softened effect is met.
    pub softened: bool,
    pub provisional: bool,
    pub zh: String,
    pub en: String,
}

impl Ruling {
    pub fn satisfied(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(Outcome::Satisfied, None, zh.into(), en.into())
    }

    pub fn not_applicable(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(Outcome::NotApplicable, None, zh.into(), en.into())
    }

    pub fn breached(
        field: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self::new(Outcome::Breached, Some(field.into()), zh.into(), en.into())
    }

    pub fn softened(mut self) -> Self {
        self.softened = true;
        self
    }

    pub fn softened_if(mut self, softened: bool) -> Self {
        self.softened = softened;
        self
    }

    pub fn provisional(mut self, provisional: bool) -> Self {
        self.provisional |= provisional;
        self
    }

    fn new(outcome: Outcome, field: Option<String>, zh: String, en: String) -> Self {
        Self {
            outcome,
            field,
            softened: false,
            provisional: false,
            zh,
            en,
        }
    }
}

/// A text that says something.
pub(super) fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// A share as people read it: 200 basis points are `2 %`.
pub(super) fn percent(basis_points: u32) -> String {
    Parameter::BasisPoints(basis_points).to_string()
}
