//! When a deposit must be back, and what a late refund costs.

use sunbid_terms::{Fen, Instant};

use crate::calendar::Calendar;
use crate::checks::last_day;
use crate::engine::Engine;
use crate::facts::RefundCause;
use crate::scope::{Scope, Track};
use crate::table::{Parameter, RuleId};

/// Basis points in a whole.
const WHOLE: i128 = 10_000;

/// The last moment a deposit may still be returned in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundDue {
    /// End of the last China day.
    pub latest: Instant,
    /// Bank interest is owed with it, late or not.
    pub with_interest: bool,
    pub rule: RuleId,
    /// The period is set by analogy only, its row is unconfirmed, or holidays are not known.
    pub provisional: bool,
}

impl Engine {
    /// When the deposit of a bidder must be back, counted from the event of `cause`.
    /// None if the table has no rule for it in this scope.
    pub fn refund_due(
        &self,
        scope: &Scope,
        cause: RefundCause,
        triggered_at: Instant,
    ) -> Option<RefundDue> {
        let (id, parameter) = refund_period(scope.track, cause);
        let rule = self.rule(id, scope)?;
        let days = rule.parameters.get(parameter)?.days()?;
        let end =
            self.calendar()
                .period_end(triggered_at.china_date(), days, last_day(scope.track));
        Some(RefundDue {
            latest: Calendar::end_of_day(end.date),
            with_interest: interest_is_owed(scope.track, cause),
            rule: rule.id.clone(),
            provisional: end.provisional || rule.provisional() || by_analogy(parameter),
        })
    }

    /// The occupancy fee (超期资金占用费) of a deposit returned `days_late` days late, at the
    /// benchmark rate of the same period in basis points a year; rounded half up to the fen.
    /// None where no law sets one (engineering), or the amount cannot be held.
    pub fn late_refund_fee(
        &self,
        scope: &Scope,
        principal: Fen,
        benchmark_basis_points: u32,
        days_late: u32,
    ) -> Option<Fen> {
        let rule = self.rule("D9", scope)?;
        let Parameter::BasisPoints(factor) = rule.parameters.get("factor")? else {
            return None;
        };
        let Parameter::Count(year) = rule.parameters.get("days_of_year")? else {
            return None;
        };
        let numerator = i128::from(principal.get().max(0))
            .checked_mul(i128::from(benchmark_basis_points))?
            .checked_mul(i128::from(*factor))?
            .checked_mul(i128::from(days_late))?;
        let denominator = WHOLE * WHOLE * i128::from(*year);
        if denominator == 0 {
            return None;
        }
        let rounded = (numerator + denominator / 2) / denominator;
        i64::try_from(rounded).ok().map(Fen::new)
    }
}

/// The rule and the parameter a refund's period stands in.
pub(crate) fn refund_period(track: Track, cause: RefundCause) -> (&'static str, &'static str) {
    match (cause, track) {
        (RefundCause::Withdrawn, _) => ("D7", "maximum"),
        (RefundCause::NotAwarded | RefundCause::Awarded, _) => ("D8", "maximum"),
        (RefundCause::Failed, _) => ("D8", "failed_by_analogy"),
        (RefundCause::Terminated, Track::GovernmentProcurement) => ("P35", "refund"),
        // 招标投标法实施条例 art 31 only says 及时.
        (RefundCause::Terminated, Track::Engineering) => ("P35", "refund_by_analogy"),
    }
}

pub(crate) fn by_analogy(parameter: &str) -> bool {
    parameter.ends_with("_by_analogy")
}

/// 招标投标法实施条例 arts 31, 57; 财政部令第87号 art 29.
pub(crate) fn interest_is_owed(track: Track, cause: RefundCause) -> bool {
    match cause {
        RefundCause::Terminated => true,
        RefundCause::NotAwarded | RefundCause::Awarded => track == Track::Engineering,
        RefundCause::Withdrawn | RefundCause::Failed => false,
    }
}
