//! Objections (异议): to the opening on the spot, and to a document in writing.

use sunbid_terms::Instant;

use super::AmendedDocument;

/// An objection to the opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningObjectionFacts {
    /// The opening session is still open.
    pub session_open: bool,
    /// Raised by a bidder of this opening.
    pub raised_by_bidder: bool,
}

/// An objection to a tender or prequalification document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentObjectionFacts {
    pub document: AmendedDocument,
    pub raised_at: Instant,
    /// The deadline for bids or applications.
    pub deadline: Instant,
    pub answered_at: Option<Instant>,
    /// The activity is paused until the answer.
    pub paused: bool,
    /// The moment of judging.
    pub now: Instant,
}
