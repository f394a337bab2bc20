//! Ending a tender for good (终止招标).

/// Why a tender is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminationReason {
    /// 因重大变故采购任务取消, with what happened.
    TaskCancelled(String),
    Other(String),
}

/// Facts of a termination at the moment it would take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminationFacts {
    pub reason: Option<TerminationReason>,
    /// A notice stands, or is published with it, in the media of the first notice.
    pub announced: bool,
    /// Everyone who took the document or was invited is told in writing.
    pub takers_told: bool,
    /// Government procurement: reported to the finance department.
    pub reported_to_finance: bool,
    /// Refund of document fees and deposits with interest is ordered.
    pub refunds_ordered: bool,
}
