//! Which predicates judge which facts, in the order findings are reported: the list a newcomer
//! adds a rule to.

use super::case::{Need, Predicate};
use super::{
    clarification, credit, deposit, fairness, intent, method, notice, objection, opening, outage,
    periods, preparation, publication, refund, reservation, submission, termination,
};
use crate::engine::Subject;
use crate::facts::{
    ClarificationFacts, DepositFacts, DocumentObjectionFacts, IntentFacts, OpeningCloseFacts,
    OpeningFacts, OpeningObjectionFacts, OutageFacts, PublicationFacts, RefundFacts,
    SubmissionFacts, TenderNoticeFacts, TerminationFacts, WithdrawalFacts,
};
use crate::table::ParameterKind::{self, BasisPoints, Count, Days, Fen, Minutes, Words};

/// A predicate as the engine's construction sees it: which row it needs, and with what.
pub(crate) struct Registered {
    pub rule: &'static str,
    pub needs: &'static [Need],
}

macro_rules! needs {
    ($($name:literal: $kind:ident),*) => { &[$(Need { name: $name, kind: $kind }),*] };
}

/// Lists the predicates of each kind of facts: rule, predicate, parameters the row must carry.
macro_rules! subjects {
    ($($facts:ty { $($rule:literal $judge:path $([$($name:literal: $kind:ident),*])?;)+ })+) => {
        $(
            impl Subject for $facts {
                fn predicates() -> &'static [Predicate<Self>] {
                    &[$(Predicate {
                        rule: $rule,
                        needs: needs!($($($name: $kind),*)?),
                        judge: $judge,
                    }),+]
                }
            }
        )+

        /// Every predicate of every kind of facts.
        pub(crate) fn registered() -> Vec<Registered> {
            let mut all = Vec::new();
            $(all.extend(<$facts>::predicates().iter().map(|predicate| Registered {
                rule: predicate.rule,
                needs: predicate.needs,
            }));)+
            all
        }
    };
}

/// Values predicates and computations read outside a predicate's own row.
pub(crate) const LOOKED_UP: &[(&str, &str, ParameterKind)] = &[
    ("P8", "open_tender", Fen),
    ("D9", "factor", BasisPoints),
    ("D9", "days_of_year", Count),
    ("D8", "failed_by_analogy", Days),
];

subjects! {
    IntentFacts {
        "P1" intent::intent_leaves_time ["minimum": Days];
        "P2" intent::intent_follows_budget ["maximum": Days];
        "P3" intent::intent_is_complete;
    }
    TenderNoticeFacts {
        "P1" intent::notice_follows_intent ["minimum": Days];
        "P4" preparation::plan_is_filed;
        "P5" preparation::demand_is_surveyed ["objects": Count, "goods_services": Fen, "works": Fen];
        "P6" preparation::demand_is_reviewed;
        "SZ4" preparation::competition_is_reviewed;
        "P7" method::large_contracts_are_tendered ["works": Fen, "goods": Fen, "services": Fen];
        "P9" method::purchases_are_not_split;
        "P10" method::other_method_is_approved;
        "P11" method::single_source_is_publicised ["minimum": Days];
        "P12" method::additions_are_small ["maximum": BasisPoints];
        "P13" reservation::share_is_reserved
            ["goods_services": Fen, "works": Fen, "share": BasisPoints, "small_share": BasisPoints];
        "P14" reservation::works_reserve_more ["works": Fen, "share": BasisPoints];
        "P15" notice::prices_are_open;
        "P16" notice::procurement_media;
        "P17" notice::tendering_media;
        "P18" periods::notice_stands ["minimum": Days];
        "P19" periods::document_can_be_had ["minimum": Days];
        "P20" periods::document_can_be_had ["minimum": Days];
        "P21" periods::bidders_have_time ["minimum": Days];
        "P22" periods::consultation_periods ["response": Days, "document": Days];
        "P23" periods::negotiation_periods ["response": Days];
        "P24" periods::applicants_have_time ["minimum": Days];
        "P28" notice::document_is_cheap;
        "P29" notice::access_is_open;
        "P30" notice::deposits_close_with_bids;
        "P31" fairness::size_is_no_condition ["scale": Words, "authorisation": Words];
        "P32" fairness::few_contracts_are_asked ["maximum": Count];
        "P33" fairness::factors_are_sound;
        "P34" fairness::nobody_is_discriminated ["suspect": Words];
        "D1" deposit::deposit_is_small ["maximum": BasisPoints];
        "D2" deposit::deposit_is_capped ["works": Fen, "goods": Fen, "services": Fen];
        "D3" deposit::forms_are_free;
        "D5" deposit::no_other_deposits;
        "B7" submission::consortium_term_is_stated;
        "O1" opening::opening_is_set_to_deadline;
    }
    PublicationFacts {
        "P16" publication::posted_within_days ["posting": Days];
        "P17" publication::posted_within_hours ["posting": Minutes];
    }
    ClarificationFacts {
        "P22" clarification::consultation_change_leaves_time ["clarification": Days];
        "P23" clarification::negotiation_change_leaves_time ["clarification": Days];
        "P25" clarification::tender_change_leaves_time ["minimum": Days];
        "P26" clarification::prequalification_change_leaves_time ["minimum": Days];
        "P27" clarification::subject_and_qualification_stay;
    }
    DocumentObjectionFacts {
        "R8" objection::objection_is_answered
            ["tender_document": Days, "prequalification_file": Days, "answer": Days];
    }
    DepositFacts {
        "D3" credit::cash_is_not_taken;
        "D4" credit::basic_account_pays;
        "D6" credit::deposit_is_as_asked;
    }
    RefundFacts {
        "D7" refund::refund_is_timely ["maximum": Days];
        "D8" refund::refund_is_timely ["maximum": Days];
        "P35" refund::refund_is_timely;
    }
    SubmissionFacts {
        "B2" submission::bid_is_sealed;
        "B3" submission::bid_is_in_time;
        "B5" submission::related_bidders_stay_apart;
        "B6" submission::bidder_is_not_excluded;
        "B7" submission::consortium_is_lawful;
        "D6" credit::deposit_stands;
    }
    WithdrawalFacts {
        "B1" submission::withdrawal_is_before_deadline;
    }
    OutageFacts {
        "T1" outage::deadline_moves_as_declared
            ["shortest": Minutes, "grace": Minutes, "long": Minutes, "short_extension": Minutes,
            "long_extension": Minutes, "opens": Minutes, "closes": Minutes, "most": Count];
        "T2" outage::deadline_moves_as_declared
            ["ahead": Minutes, "shortest": Minutes, "grace": Minutes, "extension": Minutes,
            "opens": Minutes, "closes": Minutes, "most": Count];
    }
    OpeningFacts {
        "O1" opening::opening_starts_at_deadline;
        "O2" opening::every_lot_has_enough_bidders ["minimum": Count];
        "O7" opening::right_people_are_present;
        "O8" opening::recording_runs;
    }
    OpeningCloseFacts {
        "O4" opening::failures_are_decided;
        "O5" opening::record_is_published;
        "O6" opening::objections_are_answered;
        "O8" opening::recording_has_no_gap;
    }
    OpeningObjectionFacts {
        "O6" objection::raised_on_the_spot;
    }
    TerminationFacts {
        "P35" termination::termination_is_lawful;
    }
}
