//! Facts that break no rule: the ground every breach is made from by one change.

use sunbid_rules::facts::*;
use sunbid_rules::{Engine, Jurisdiction, Scope, Track};
use sunbid_terms::{CreditCode, Fen, Instant};

pub fn engine() -> Engine {
    Engine::new().unwrap()
}

pub fn scope(track: Track) -> Scope {
    Scope::new(
        track,
        Jurisdiction::parse("CN-140602").unwrap(),
        at("2026-03-02 09:00"),
    )
}

/// Civil time in China, to the minute.
pub fn at(text: &str) -> Instant {
    let rfc = format!("{}:00+08:00", text.replace(' ', "T"));
    Instant::parse(&rfc).unwrap()
}

pub fn yuan(text: &str) -> Fen {
    Fen::parse_yuan(text).unwrap()
}

pub fn supplier() -> CreditCode {
    CreditCode::parse("91110108551385082Q").unwrap()
}

pub fn other_supplier() -> CreditCode {
    CreditCode::parse("9144030071526726XG").unwrap()
}

pub fn intent() -> IntentFacts {
    IntentFacts {
        project_name: "信息设备采购".to_owned(),
        demand_summary: "计算机一百台".to_owned(),
        budget: Some(yuan("3,000,000")),
        planned_month: Some(PlannedMonth {
            year: 2026,
            month: 3,
        }),
        published_at: at("2026-01-20 10:00"),
        budget_approved_at: Some(at("2026-01-05 09:00")),
        planned_start: Some(at("2026-03-02 09:00")),
    }
}

/// An open tender for goods published on Monday, 2026-03-02.
pub fn notice(track: Track) -> TenderNoticeFacts {
    let procurement = track == Track::GovernmentProcurement;
    let medium = if procurement {
        MediumKind::ProvincialGovernmentProcurement
    } else {
        MediumKind::ChinaTendering
    };
    TenderNoticeFacts {
        method: Method::OpenTender,
        category: Category::Goods,
        mandatory_tender: !procurement,
        published_at: at("2026-03-02 09:00"),
        intent_published_at: Some(at("2026-01-20 10:00")),
        implementation_plan: Some("140602-2026-0001".to_owned()),
        demand_survey: Some(DemandSurvey {
            objects: 3,
            covered_by: None,
        }),
        authors: vec!["author".to_owned()],
        internal_review: Some(InternalReview {
            general_passed: true,
            key_passed: true,
            reviewers: vec!["reviewer".to_owned()],
        }),
        fair_competition_review: Some(FairCompetitionReview {
            passed: true,
            reviewer: "reviewer".to_owned(),
        }),
        sme_reservation: Some(SmeReservation {
            suitable: yuan("3,000,000"),
            reserved: yuan("1,000,000"),
            reserved_for_small: yuan("600,000"),
            exemption: None,
        }),
        budget: Some(yuan("3,000,000")),
        estimated_price: Some(yuan("3,000,000")),
        ceiling_price: Some(yuan("2,900,000")),
        ceiling_stated: true,
        lots: vec![
            lot("1", "1,000,000", "20,000"),
            lot("2", "2,000,000", "40,000"),
        ],
        deposit: Some(DepositTerms {
            due_at: at("2026-03-23 09:00"),
            forms: vec![
                DepositForm::Transfer,
                DepositForm::Cheque,
                DepositForm::Draft,
                DepositForm::PromissoryNote,
                DepositForm::Guarantee,
            ],
            guarantee_issuers_named: Vec::new(),
        }),
        deposits_demanded: vec![DepositKind::Bid],
        media: vec![Medium {
            kind: medium,
            name: "指定媒体".to_owned(),
            same_text: true,
            charges_reader_or_publisher: false,
        }],
        announcement_until: Some(at("2026-03-10 00:00")),
        document_from: at("2026-03-02 09:00"),
        document_until: at("2026-03-10 00:00"),
        bid_deadline: at("2026-03-23 09:00"),
        opening_at: at("2026-03-23 09:00"),
        consortium: ConsortiumTerm::Refused,
        similar_contracts_required: Some(2),
        clauses: vec![clause("qualifications[0]", "具有独立承担民事责任的能力")],
        scoring_factors: vec![ScoringFactor {
            path: "factors[0]".to_owned(),
            name: "质量保证期".to_owned(),
            quantified: true,
        }],
        ..TenderNoticeFacts::default()
    }
}

/// Lawful notices that between them touch every rule about notices.
pub fn notices(track: Track) -> Vec<TenderNoticeFacts> {
    let base = notice(track);
    let mut surveyed = base.clone();
    surveyed.public_interest = true;
    let mut all = vec![
        base.clone(),
        surveyed,
        with_prequalification(track),
        works(track),
    ];
    if track == Track::GovernmentProcurement {
        let mut consultation = base.clone();
        consultation.method = Method::CompetitiveConsultation;
        consultation.method_approval = Some("财批〔2026〕1号".to_owned());
        consultation.yearly_sum_without_open_tender = Some(yuan("3,000,000"));
        let mut inquiry = consultation.clone();
        inquiry.method = Method::Inquiry;
        all.extend([consultation, inquiry, single_source(), addition()]);
    }
    all
}

pub fn with_prequalification(track: Track) -> TenderNoticeFacts {
    let mut facts = notice(track);
    facts.prequalification = Some(Prequalification {
        published_at: at("2026-03-02 09:00"),
        file_available_until: at("2026-03-10 00:00"),
        application_deadline: at("2026-03-16 09:00"),
        file_price: Fen::ZERO,
    });
    facts
}

pub fn works(track: Track) -> TenderNoticeFacts {
    let mut facts = notice(track);
    facts.category = Category::Works;
    facts.budget = Some(yuan("5,000,000"));
    facts.estimated_price = facts.budget;
    facts.sme_reservation = Some(SmeReservation {
        suitable: yuan("5,000,000"),
        reserved: yuan("2,000,000"),
        reserved_for_small: yuan("1,200,000"),
        exemption: None,
    });
    facts
}

pub fn single_source() -> TenderNoticeFacts {
    let mut facts = notice(Track::GovernmentProcurement);
    facts.method = Method::SingleSource;
    facts.method_approval = Some("财批〔2026〕2号".to_owned());
    facts.yearly_sum_without_open_tender = Some(yuan("3,000,000"));
    facts.single_source_publicity = Some(SingleSourcePublicity {
        published_at: at("2026-02-03 09:00"),
        ended_at: at("2026-02-11 00:00"),
    });
    facts
}

pub fn addition() -> TenderNoticeFacts {
    let mut facts = single_source();
    facts.additional_purchase = Some(AdditionalPurchase {
        original_contract: yuan("1,000,000"),
        added_before: yuan("60,000"),
        adds_now: yuan("40,000"),
    });
    facts
}

fn lot(number: &str, budget: &str, deposit: &str) -> LotTerms {
    LotTerms {
        number: number.to_owned(),
        budget: yuan(budget),
        deposit: Some(yuan(deposit)),
        ..LotTerms::default()
    }
}

pub fn clause(path: &str, text: &str) -> Clause {
    Clause {
        path: path.to_owned(),
        role: ClauseRole::Qualification,
        text: text.to_owned(),
        answer: None,
    }
}

pub fn publication() -> PublicationFacts {
    PublicationFacts {
        handed_over_at: at("2026-03-02 09:00"),
        posted_at: Some(at("2026-03-02 15:00")),
        now: at("2026-03-05 09:00"),
    }
}

pub fn clarification(method: Method, document: AmendedDocument) -> ClarificationFacts {
    ClarificationFacts {
        method,
        document,
        affects_bids: true,
        published_at: at("2026-03-05 16:00"),
        deadline: at("2026-03-23 09:00"),
        ..ClarificationFacts::default()
    }
}

pub fn document_objection() -> DocumentObjectionFacts {
    DocumentObjectionFacts {
        document: AmendedDocument::Tender,
        raised_at: at("2026-03-05 09:00"),
        deadline: at("2026-03-23 09:00"),
        answered_at: Some(at("2026-03-08 23:00")),
        paused: true,
        now: at("2026-03-09 09:00"),
    }
}

pub fn deposit() -> DepositFacts {
    DepositFacts {
        form: DepositForm::Transfer,
        required: yuan("20,000"),
        received: yuan("20,000"),
        received_at: at("2026-03-20 10:00"),
        deadline: at("2026-03-23 09:00"),
        bidder: supplier(),
        payer: Some(supplier()),
        from_basic_account: Some(true),
        mandatory_tender: true,
        guarantee_until: None,
        bids_valid_until: Some(at("2026-06-21 09:00")),
    }
}

pub fn refund(cause: RefundCause) -> RefundFacts {
    RefundFacts {
        cause,
        triggered_at: at("2026-03-27 09:00"),
        refunded_at: Some(at("2026-03-31 16:00")),
        now: at("2026-04-20 09:00"),
        with_interest: true,
        bidder_at_fault: None,
    }
}

pub fn submission() -> SubmissionFacts {
    SubmissionFacts {
        complete_at: Some(at("2026-03-23 08:59")),
        deadline: at("2026-03-23 09:00"),
        sealed: true,
        signature_valid: true,
        proof_valid: true,
        deposit_valid: Some(true),
        ..SubmissionFacts::default()
    }
}

pub fn withdrawal() -> WithdrawalFacts {
    WithdrawalFacts {
        requested_at: at("2026-03-23 08:59"),
        deadline: at("2026-03-23 09:00"),
        log_closed: false,
        signature_valid: true,
    }
}

pub fn opening() -> OpeningFacts {
    OpeningFacts {
        scheduled_at: at("2026-03-23 09:00"),
        bid_deadline: at("2026-03-23 09:00"),
        now: at("2026-03-23 09:00"),
        lots: vec![LotCount {
            lot: "1".to_owned(),
            bids: 3,
        }],
        host: Some(HostRole::Agency),
        committee_members_present: Vec::new(),
        recording: true,
    }
}

/// An outage over the deadline, or announced maintenance over it.
pub fn outage(announced: bool) -> OutageFacts {
    let maintenance = Maintenance {
        announced_at: at("2026-03-21 18:00"),
        from: at("2026-03-23 08:00"),
        until: at("2026-03-23 12:00"),
    };
    OutageFacts {
        from: at("2026-03-23 08:30"),
        until: at("2026-03-23 11:30"),
        maintenance: announced.then_some(maintenance),
        deadline: at("2026-03-23 09:00"),
        moved_before: 0,
        new_deadline: Some(at(if announced {
            "2026-03-23 13:30"
        } else {
            "2026-03-24 11:30"
        })),
    }
}

pub fn opening_close() -> OpeningCloseFacts {
    OpeningCloseFacts {
        failures: vec![
            DecryptionFailure {
                bid: "甲".to_owned(),
                cause: FailureCause::Bidder,
                treatment: Some(FailureTreatment::Revoked),
            },
            DecryptionFailure {
                bid: "乙".to_owned(),
                cause: FailureCause::Other,
                treatment: Some(FailureTreatment::Withdrawn),
            },
        ],
        record_generated: true,
        record_published: true,
        ..OpeningCloseFacts::default()
    }
}

pub fn opening_objection() -> OpeningObjectionFacts {
    OpeningObjectionFacts {
        session_open: true,
        raised_by_bidder: true,
    }
}

pub fn termination() -> TerminationFacts {
    TerminationFacts {
        reason: Some(TerminationReason::TaskCancelled(
            "规划调整，项目取消".to_owned(),
        )),
        announced: true,
        takers_told: true,
        reported_to_finance: true,
        refunds_ordered: true,
    }
}
