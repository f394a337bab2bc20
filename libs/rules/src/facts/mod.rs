//! What the rules are asked about: plain data that a caller fills from its own state.
//!
//! A fact that does not exist is `None`, never a made-up value. The default of every struct is the
//! emptiest one: nothing done, nothing filed, no time given; the rules refuse what is missing.

mod clarification;
mod deposit;
mod intent;
mod notice;
mod objection;
mod opening;
mod outage;
mod submission;
mod termination;

pub use clarification::{AmendedDocument, ClarificationFacts};
pub use deposit::{DepositFacts, DepositForm, RefundCause, RefundFacts};
pub use intent::{IntentFacts, PlannedMonth};
pub use notice::{
    AdditionalPurchase, Category, Clause, ClauseRole, ConsortiumTerm, DemandSurvey, DepositKind,
    DepositTerms, FairCompetitionReview, InternalReview, LotTerms, Medium, MediumKind, Method,
    Prequalification, PublicationFacts, ScoringFactor, SingleSourcePublicity, SmeReservation,
    TenderNoticeFacts,
};
pub use objection::{DocumentObjectionFacts, OpeningObjectionFacts};
pub use opening::{
    DecryptionFailure, FailureCause, FailureTreatment, HostRole, LotCount, OpeningCloseFacts,
    OpeningFacts,
};
pub use outage::{Maintenance, OutageFacts};
pub use submission::{ExcludedRelation, SubmissionFacts, WithdrawalFacts};
pub use termination::{TerminationFacts, TerminationReason};
