//! Which predicates judge which facts, in the order findings are reported.

use super::Predicate;
use crate::engine::Subject;
use crate::facts::{
    ClarificationFacts, DepositFacts, DocumentObjectionFacts, IntentFacts, OpeningCloseFacts,
    OpeningFacts, OpeningObjectionFacts, PublicationFacts, RefundFacts, SubmissionFacts,
    TenderNoticeFacts, TerminationFacts, WithdrawalFacts,
};

macro_rules! subject {
    ($facts:ty: $($rule:literal),* $(,)?) => {
        impl Subject for $facts {
            fn predicates() -> &'static [Predicate<Self>] {
                &[]
            }
        }
    };
}
subject!(IntentFacts:);
subject!(TenderNoticeFacts:);
subject!(PublicationFacts:);
subject!(ClarificationFacts:);
subject!(DepositFacts:);
subject!(RefundFacts:);
subject!(SubmissionFacts:);
subject!(WithdrawalFacts:);
subject!(OpeningFacts:);
subject!(OpeningCloseFacts:);
subject!(OpeningObjectionFacts:);
subject!(DocumentObjectionFacts:);
subject!(TerminationFacts:);
