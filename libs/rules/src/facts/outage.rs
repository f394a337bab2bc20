//! An outage of the platform, and a deadline that it may move.

use sunbid_terms::Instant;

/// Maintenance that was announced before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    pub announced_at: Instant,
    pub from: Instant,
    pub until: Instant,
}

/// Facts of one outage and one tender's deadline, at recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutageFacts {
    /// The last moment at which taking bids was proven to work.
    pub from: Instant,
    /// The first moment at which it was proven to work again.
    pub until: Instant,
    /// The announced maintenance that it lies in, if there is any.
    pub maintenance: Option<Maintenance>,
    /// The deadline in force.
    pub deadline: Instant,
    /// How often outages moved this tender's deadline before.
    pub moved_before: u32,
    /// The deadline that is to hold now; none: it stays.
    pub new_deadline: Option<Instant>,
}
