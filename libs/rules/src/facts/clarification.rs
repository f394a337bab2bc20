//! A clarification or modification (澄清或者修改) about to be published.

use sunbid_terms::Instant;

use super::Method;

/// Which document is clarified or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AmendedDocument {
    #[default]
    Tender,
    Prequalification,
}

/// Facts of a clarification at the moment of its publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClarificationFacts {
    pub method: Method,
    pub document: AmendedDocument,
    /// Its content may affect how bids (or applications) are prepared.
    pub affects_bids: bool,
    pub published_at: Instant,
    /// The deadline in force for bids, first responses or applications.
    pub deadline: Instant,
    /// The deadline published together with the clarification; none keeps the old one.
    pub proposed_deadline: Option<Instant>,
    /// It changes what is bought (采购标的).
    pub changes_subject: bool,
    pub changes_qualification: bool,
}
