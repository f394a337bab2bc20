//! Planning ahead: the earliest lawful dates of a tender, and the deadline a clarification forces.
//! Every proposal falls on a working day, so it holds under each reading of a last day on a holiday.

use chrono::{NaiveDate, Timelike};
use sunbid_terms::Instant;

use crate::calendar::{Calendar, Counted};
use crate::checks::last_day;
use crate::engine::Engine;
use crate::facts::{AmendedDocument, ClarificationFacts, Method};
use crate::scope::Scope;
use crate::table::RuleId;

/// The hour of a proposed deadline, China time. Practice, not law: the day is what the law sets.
const PROPOSED_DEADLINE_HOUR: u32 = 9;

/// The earliest lawful dates of a procedure whose notice is published at a given moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable {
    pub published_at: Instant,
    /// Earliest end of the announcement period; none where the law sets no such period.
    pub announcement_until: Option<Instant>,
    /// Earliest end of the time in which the document can be had.
    pub document_until: Instant,
    /// Earliest deadline of prequalification applications, should there be a prequalification
    /// whose file is available until `document_until`; none outside tenders.
    pub application_deadline: Option<Instant>,
    /// Earliest deadline of bids or first responses, which is also the opening and the last
    /// moment of deposits.
    pub bid_deadline: Instant,
    /// The rules the dates come from.
    pub rules: Vec<RuleId>,
    /// A day was counted in a year whose holidays are not finally known, or by an unconfirmed row.
    pub provisional: bool,
}

/// The deadline after a clarification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The old deadline if it stands, else the earliest lawful one at the same time of day.
    pub deadline: Instant,
    pub extended: bool,
    /// The rule that asks for it; none if no bid is affected.
    pub rule: Option<RuleId>,
    pub provisional: bool,
}

impl Engine {
    /// The earliest lawful dates for a notice published at `notice_at`.
    ///
    /// None if the method has no public notice (single source), or the table has no rule for it in
    /// this scope.
    pub fn timetable(
        &self,
        scope: &Scope,
        method: Method,
        notice_at: Instant,
    ) -> Option<Timetable> {
        let mut plan = Plan::new(self, scope, notice_at);
        let announcement = if method.is_tender() {
            plan.period("P18", "minimum", notice_at)
        } else {
            None
        };
        let (document_rule, response_rule) = match method {
            Method::OpenTender | Method::InvitedTender => {
                let gp = plan.has("P19");
                (
                    Some((if gp { "P19" } else { "P20" }, "minimum")),
                    ("P21", "minimum"),
                )
            }
            Method::CompetitiveConsultation => (Some(("P22", "document")), ("P22", "response")),
            Method::CompetitiveNegotiation | Method::Inquiry => (None, ("P23", "response")),
            Method::SingleSource => return None,
        };
        let response = plan.period(response_rule.0, response_rule.1, notice_at)?;
        let document = match document_rule {
            Some((rule, parameter)) => plan.period(rule, parameter, notice_at)?,
            // No period of its own: the document can be had until the day before the responses.
            None => response.pred_opt()?,
        };
        let document_until = Calendar::end_of_day(document);
        let application = if method.is_tender() {
            let from = if scope_is_engineering(scope) {
                document_until
            } else {
                notice_at
            };
            plan.period("P24", "minimum", from)
        } else {
            None
        };
        // Nobody may still be fetching the document when bids close.
        let bid_day = response.max(document.succ_opt()?);
        let bid_day = plan.working(bid_day);
        Some(Timetable {
            published_at: notice_at,
            announcement_until: announcement.map(Calendar::end_of_day),
            document_until,
            application_deadline: application.and_then(proposed),
            bid_deadline: proposed(bid_day)?,
            rules: plan.rules,
            provisional: plan.provisional,
        })
    }

    /// The deadline that a clarification published now leaves or forces.
    ///
    /// None if the table has no rule for it in this scope, or no date can be reached.
    pub fn extended_deadline(
        &self,
        scope: &Scope,
        facts: &ClarificationFacts,
    ) -> Option<Extension> {
        if !facts.affects_bids {
            return Some(Extension {
                deadline: facts.deadline,
                extended: false,
                rule: None,
                provisional: false,
            });
        }
        let (id, parameter) = match (facts.document, facts.method) {
            (AmendedDocument::Prequalification, _) => ("P26", "minimum"),
            (AmendedDocument::Tender, Method::OpenTender | Method::InvitedTender) => {
                ("P25", "minimum")
            }
            (AmendedDocument::Tender, Method::CompetitiveConsultation) => ("P22", "clarification"),
            (AmendedDocument::Tender, Method::CompetitiveNegotiation | Method::Inquiry) => {
                ("P23", "clarification")
            }
            (AmendedDocument::Tender, Method::SingleSource) => return None,
        };
        let rule = self.rule(id, scope)?;
        let days = rule.parameters.get(parameter)?.days()?;
        let least = self.calendar().period_end(
            facts.published_at.china_date(),
            days,
            last_day(scope.track),
        );
        if least.date <= facts.deadline.china_date() {
            return Some(Extension {
                deadline: facts.deadline,
                extended: false,
                rule: Some(rule.id.clone()),
                provisional: least.provisional || rule.provisional(),
            });
        }
        let worked = self.calendar().first_working_day_from(least.date);
        let hour = facts.deadline.in_china().time();
        let deadline = Instant::from_china(worked.date, hour.hour(), hour.minute(), hour.second())?;
        Some(Extension {
            deadline,
            extended: true,
            rule: Some(rule.id.clone()),
            provisional: least.provisional || worked.provisional || rule.provisional(),
        })
    }
}

/// Dates in the making, with the rules they used.
struct Plan<'a> {
    engine: &'a Engine,
    scope: &'a Scope,
    rules: Vec<RuleId>,
    provisional: bool,
}

impl<'a> Plan<'a> {
    fn new(engine: &'a Engine, scope: &'a Scope, notice_at: Instant) -> Self {
        let provisional = engine.calendar().is_provisional(notice_at.china_date());
        Self {
            engine,
            scope,
            rules: Vec::new(),
            provisional,
        }
    }

    fn has(&self, rule: &str) -> bool {
        self.engine.rule(rule, self.scope).is_some()
    }

    /// The last day of a rule's period from the day of `from`, moved on to a working day.
    fn period(&mut self, rule: &str, parameter: &str, from: Instant) -> Option<NaiveDate> {
        let rule = self.engine.rule(rule, self.scope)?;
        let days = rule.parameters.get(parameter)?.days()?;
        let end =
            self.engine
                .calendar()
                .period_end(from.china_date(), days, last_day(self.scope.track));
        self.provisional |= rule.provisional();
        if !self.rules.contains(&rule.id) {
            self.rules.push(rule.id.clone());
        }
        self.note(end);
        Some(self.working(end.date))
    }

    fn working(&mut self, day: NaiveDate) -> NaiveDate {
        let worked = self.engine.calendar().first_working_day_from(day);
        self.note(worked);
        worked.date
    }

    fn note(&mut self, counted: Counted) {
        self.provisional |= counted.provisional;
    }
}

fn scope_is_engineering(scope: &Scope) -> bool {
    scope.track == crate::scope::Track::Engineering
}

fn proposed(day: NaiveDate) -> Option<Instant> {
    Instant::from_china(day, PROPOSED_DEADLINE_HOUR, 0, 0)
}
