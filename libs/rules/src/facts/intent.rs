//! A procurement intent (采购意向) about to be published.

use sunbid_terms::{Fen, Instant};

/// The month a procurement is expected to start in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMonth {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

/// Facts of an intent at the moment of its publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentFacts {
    pub project_name: String,
    /// 采购内容及需求概况.
    pub demand_summary: String,
    pub budget: Option<Fen>,
    pub planned_month: Option<PlannedMonth>,
    pub published_at: Instant,
    /// When the budget was approved (预算批复); none while it is not.
    pub budget_approved_at: Option<Instant>,
    /// When the procurement is to start, if a day is known already.
    pub planned_start: Option<Instant>,
}
