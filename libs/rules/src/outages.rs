//! Where a deadline goes that fell into an outage of the platform: rules T1 and T2 as a pure function
//! of outage, deadline, calendar and the rows' parameters. Never earlier than the deadline was.

use chrono::{NaiveDate, Timelike};
use sunbid_terms::{Instant, MICROS};

use crate::calendar::Calendar;
use crate::engine::Engine;
use crate::facts::OutageFacts;
use crate::planner::Extension;
use crate::scope::Scope;
use crate::table::{Parameter, Rule};

const MINUTE: i64 = 60 * MICROS;

/// Why a deadline stays or moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Another of the two rules judges this outage.
    OtherRule,
    /// Too short to count.
    TooShort,
    /// The deadline lies before it, or long enough after.
    NotAffected,
    /// It was moved as often as the rule allows.
    Exhausted,
    /// It moves to this moment; whether the calendar of that year is not final.
    Moves(Instant, bool),
}

/// The numbers of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) shortest: u32,
    pub(crate) grace: u32,
    /// Longer outages, in minutes, get `long_extension`.
    pub(crate) long: Option<(u32, u32)>,
    pub(crate) extension: u32,
    pub(crate) opens: u32,
    pub(crate) closes: u32,
    pub(crate) most: u32,
    /// How long ahead maintenance must be announced; none: the rule for what was not announced.
    pub(crate) ahead: Option<u32>,
}

impl Numbers {
    /// The numbers of T1 or T2, or none if the row lacks one.
    pub(crate) fn of(rule: &Rule) -> Option<Self> {
        let minutes = |name: &str| match rule.parameters.get(name)? {
            Parameter::Minutes(minutes) => Some(*minutes),
            _ => None,
        };
        let most = match rule.parameters.get("most")? {
            Parameter::Count(count) => *count,
            _ => return None,
        };
        let ahead = minutes("ahead");
        let (long, extension) = match ahead {
            None => (
                Some((minutes("long")?, minutes("long_extension")?)),
                minutes("short_extension")?,
            ),
            Some(_) => (None, minutes("extension")?),
        };
        Some(Self {
            shortest: minutes("shortest")?,
            grace: minutes("grace")?,
            long,
            extension,
            opens: minutes("opens")?,
            closes: minutes("closes")?,
            most,
            ahead,
        })
    }

    fn concerns(&self, facts: &OutageFacts, ahead: u32) -> bool {
        let announced = facts.maintenance.is_some_and(|maintenance| {
            after(maintenance.announced_at, ahead) <= maintenance.from
                && maintenance.from <= facts.from
                && maintenance.until >= facts.until
        });
        announced == self.ahead.is_some()
    }

    /// What the rule says of an outage; `ahead` is how long before maintenance is to be announced.
    pub(crate) fn judge(&self, calendar: &Calendar, facts: &OutageFacts, ahead: u32) -> Judged {
        if !self.concerns(facts, ahead) {
            return Judged::OtherRule;
        }
        if facts.until < after(facts.from, self.shortest) {
            return Judged::TooShort;
        }
        if facts.deadline <= facts.from || facts.deadline > after(facts.until, self.grace) {
            return Judged::NotAffected;
        }
        if facts.moved_before >= self.most {
            return Judged::Exhausted;
        }
        let minutes = match self.long {
            Some((long, extension)) if facts.until > after(facts.from, long) => extension,
            _ => self.extension,
        };
        let moved = whole_minute(after(facts.deadline.max(facts.until), minutes));
        let (deadline, provisional) = self.working_moment(calendar, moved);
        Judged::Moves(deadline, provisional)
    }

    /// The moment itself if it is one of business, else the next at which business begins.
    fn working_moment(&self, calendar: &Calendar, at: Instant) -> (Instant, bool) {
        let day = at.china_date();
        let time = at.in_china().time();
        let minute = time.num_seconds_from_midnight().div_ceil(60);
        let known = calendar.is_provisional(day);
        if calendar.is_working_day(day) && minute <= self.closes {
            let moment = if minute < self.opens {
                self.begins(day)
            } else {
                at
            };
            return (moment, known);
        }
        let next = day.succ_opt().unwrap_or(day);
        let next = calendar.first_working_day_from(next);
        (self.begins(next.date), known || next.provisional)
    }

    fn begins(&self, day: NaiveDate) -> Instant {
        Instant::from_china(day, self.opens / 60, self.opens % 60, 0)
            .unwrap_or(Instant::from_micros(i64::MAX))
    }
}

fn after(at: Instant, minutes: u32) -> Instant {
    at.plus_micros(i64::from(minutes) * MINUTE)
}

fn whole_minute(at: Instant) -> Instant {
    let over = at.micros().rem_euclid(MINUTE);
    if over == 0 {
        at
    } else {
        at.plus_micros(MINUTE - over)
    }
}

impl Engine {
    /// Where an outage moves a deadline; the deadline itself where it stays. None if the table has no
    /// rule for it in this scope.
    pub fn deadline_after_outage(&self, scope: &Scope, facts: &OutageFacts) -> Option<Extension> {
        let ahead = Numbers::of(self.rule("T2", scope)?)?.ahead?;
        for id in ["T1", "T2"] {
            let rule = self.rule(id, scope)?;
            let judged = Numbers::of(rule)?.judge(self.calendar(), facts, ahead);
            if let Judged::Moves(deadline, provisional) = judged {
                return Some(Extension {
                    deadline,
                    extended: true,
                    rule: Some(rule.id.clone()),
                    provisional: provisional || rule.provisional(),
                });
            }
        }
        Some(Extension {
            deadline: facts.deadline,
            extended: false,
            rule: None,
            provisional: false,
        })
    }
}
