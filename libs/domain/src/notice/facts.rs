//! What the rules are asked, derived from what is on record and from nothing else, so that anybody
//! who has the records can ask the rules again and must get the same answers.
//! A fact nobody stated stays absent; the rules refuse what is missing.

use sunbid_contracts::{
    common::v1::{Category, Track},
    notice::v1::{Clarification, Intent},
    tender::v1::{
        ClauseRole, Conditions, MediumKind, ProcurementMethod, ReviewKind, Tender, Termination,
        TerminationCause,
    },
};
use sunbid_rules::{
    Jurisdiction, Scope,
    facts::{
        self, AmendedDocument, ClarificationFacts, ConsortiumTerm, DemandSurvey, DepositForm,
        DepositKind, DepositTerms, FairCompetitionReview, IntentFacts, InternalReview, LotTerms,
        PlannedMonth, SmeReservation, TenderNoticeFacts, TerminationFacts, TerminationReason,
    },
};
use sunbid_terms::{Fen, Instant};

use crate::{Refusal, tender::life::passed, verdicts};

/// The law that applies to a project at a moment.
pub fn scope(track: i32, jurisdiction: &str, at: Instant) -> Result<Scope, Refusal> {
    let track = verdicts::track(track, "track")?;
    let place = Jurisdiction::parse(jurisdiction)
        .map_err(|error| Refusal::field("jurisdiction", error.to_string(), error.to_string()))?;
    Ok(Scope::new(track, place, at))
}

/// A tender whose notice is published at `published_at`. `intent` is the one it names, if it is
/// published.
pub fn tender_notice(
    tender: &Tender,
    intent: Option<&Intent>,
    published_at: Instant,
) -> Result<(Scope, TenderNoticeFacts), Refusal> {
    let scope = scope(tender.track, &tender.jurisdiction, published_at)?;
    let conditions = tender.conditions.clone().unwrap_or_default();
    let times = tender.timetable.unwrap_or_default();
    let moment = |us: i64| (us > 0).then(|| Instant::from_micros(us));
    let deadline = Instant::from_micros(times.bid_deadline_us);
    let whole = tender.lots.iter().try_fold(Fen::ZERO, |sum, lot| {
        sum.checked_add(Fen::new(lot.budget_fen))
    });
    let engineering = tender.track == Track::Engineering as i32;
    let only_lot = match tender.lots.as_slice() {
        [lot] => Some(lot),
        _ => None,
    };
    let has_deposit = tender.lots.iter().any(|lot| lot.deposit_fen > 0);
    let stated_urgency = text(&conditions.urgent_reason);
    let facts = TenderNoticeFacts {
        method: method(tender.method()),
        category: category(tender.category()),
        mandatory_tender: conditions.mandatory_tender,
        published_at,
        intent_published_at: intent.and_then(|intent| moment(intent.publish_time_us)),
        urgent_reason: stated_urgency.or_else(|| intent.and_then(|i| text(&i.urgent_reason))),
        implementation_plan: text(&conditions.plan_filing_number),
        demand_survey: conditions
            .demand_survey
            .as_ref()
            .map(|survey| DemandSurvey {
                objects: u32::try_from(survey.objects).unwrap_or(0),
                covered_by: text(&survey.covered_by),
            }),
        public_interest: conditions.public_interest,
        technically_complex: conditions.technically_complex,
        imported_goods: conditions.imported_goods,
        authors: tender.authors.clone(),
        internal_review: internal_review(tender),
        fair_competition_review: latest(tender, ReviewKind::FairCompetition).map(|review| {
            FairCompetitionReview {
                passed: review.passed,
                reviewer: review.reviewer.clone(),
            }
        }),
        method_approval: text(&conditions.method_approval),
        yearly_sum_without_open_tender: conditions.yearly_sum_without_open_tender_fen.map(Fen::new),
        budget_adjusted: conditions.budget_adjusted,
        sme_reservation: reservation(&conditions, whole),
        budget: whole.filter(|_| !engineering),
        estimated_price: whole.filter(|_| engineering),
        ceiling_price: only_lot.and_then(|lot| positive(lot.ceiling_fen)),
        // The notice prints every lot's ceiling.
        ceiling_stated: tender.lots.iter().any(|lot| lot.ceiling_fen > 0),
        lots: tender
            .lots
            .iter()
            .map(|lot| LotTerms {
                number: lot.lot_id.clone(),
                budget: Fen::new(lot.budget_fen),
                ceiling_price: positive(lot.ceiling_fen),
                minimum_price: None,
                deposit: positive(lot.deposit_fen),
            })
            .collect(),
        document_price: Fen::new(conditions.document_price_fen),
        // Electronic documents are neither printed nor posted.
        document_cost: Fen::ZERO,
        // Deposits are taken until the deadline for bids, and never later.
        deposit: has_deposit.then(|| DepositTerms {
            due_at: deadline,
            forms: deposit_forms(&conditions),
            guarantee_issuers_named: conditions.guarantee_issuers.clone(),
        }),
        deposits_demanded: deposits_demanded(&conditions, has_deposit),
        media: conditions.media.iter().map(medium).collect(),
        announcement_until: moment(times.announcement_until_us),
        document_from: Instant::from_micros(times.document_from_us),
        document_until: Instant::from_micros(times.document_until_us),
        bid_deadline: deadline,
        opening_at: deadline,
        consortium: if conditions.consortium_allowed {
            ConsortiumTerm::Accepted
        } else {
            ConsortiumTerm::Refused
        },
        // Documents are handed to anybody without signing in, and every tool to bid is free.
        registration_gate: false,
        required_tools: Vec::new(),
        similar_contracts_required: u32::try_from(conditions.similar_contracts_required).ok(),
        similar_contracts_reason: text(&conditions.similar_contracts_reason),
        innovative_product: conditions.innovative_product,
        clauses: clauses(&conditions),
        scoring_factors: conditions
            .scoring_factors
            .iter()
            .enumerate()
            .map(|(at, factor)| facts::ScoringFactor {
                path: format!("tender.conditions.scoring_factors[{at}]"),
                name: factor.name.clone(),
                quantified: factor.quantified,
            })
            .collect(),
        // This platform has neither prequalification nor minimum prices nor single sources.
        ..TenderNoticeFacts::default()
    };
    Ok((scope, facts))
}

/// An intent published at `published_at`.
pub fn intent(intent: &Intent, published_at: Instant) -> Result<(Scope, IntentFacts), Refusal> {
    let scope = scope(intent.track, &intent.jurisdiction, published_at)?;
    let moment = |us: i64| (us > 0).then(|| Instant::from_micros(us));
    let facts = IntentFacts {
        project_name: intent.title.clone(),
        demand_summary: intent.demand.clone(),
        budget: positive(intent.budget_fen),
        planned_month: moment(intent.planned_time_us).and_then(month),
        published_at,
        budget_approved_at: moment(intent.budget_approval_time_us),
        // An intent names a month, not a day.
        planned_start: None,
    };
    Ok((scope, facts))
}

/// A clarification of an announced tender published at `published_at`.
pub fn clarification(
    tender: &Tender,
    clarification: &Clarification,
    published_at: Instant,
) -> Result<(Scope, ClarificationFacts), Refusal> {
    let scope = scope(tender.track, &tender.jurisdiction, published_at)?;
    let (old, new) = (clarification.old_deadline_us, clarification.new_deadline_us);
    let facts = ClarificationFacts {
        method: method(tender.method()),
        document: AmendedDocument::Tender,
        affects_bids: clarification.affects_bids,
        published_at,
        deadline: Instant::from_micros(old),
        proposed_deadline: (new != old).then(|| Instant::from_micros(new)),
        // One statement covers both; the law forbids either.
        changes_subject: clarification.changes_subject_or_qualification,
        changes_qualification: clarification.changes_subject_or_qualification,
    };
    Ok((scope, facts))
}

/// The end of an announced tender at `at`.
pub fn termination(
    tender: &Tender,
    termination: &Termination,
    at: Instant,
) -> Result<(Scope, TerminationFacts), Refusal> {
    let scope = scope(tender.track, &tender.jurisdiction, at)?;
    let reason = termination.reason.clone();
    let facts = TerminationFacts {
        reason: match termination.cause() {
            TerminationCause::Unspecified => None,
            TerminationCause::TaskCancelled => Some(TerminationReason::TaskCancelled(reason)),
            TerminationCause::Other => Some(TerminationReason::Other(reason)),
        },
        // The notice of termination and the refunds follow from the record by themselves.
        announced: true,
        takers_told: termination.takers_told,
        reported_to_finance: termination.reported_to_finance,
        refunds_ordered: true,
    };
    Ok((scope, facts))
}

fn text(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn positive(fen: i64) -> Option<Fen> {
    (fen > 0).then(|| Fen::new(fen))
}

/// The method as the rules name it.
pub fn method(method: ProcurementMethod) -> facts::Method {
    match method {
        ProcurementMethod::Unspecified | ProcurementMethod::OpenTender => facts::Method::OpenTender,
        ProcurementMethod::InvitedTender => facts::Method::InvitedTender,
        ProcurementMethod::CompetitiveConsultation => facts::Method::CompetitiveConsultation,
        ProcurementMethod::CompetitiveNegotiation => facts::Method::CompetitiveNegotiation,
        ProcurementMethod::Inquiry => facts::Method::Inquiry,
        ProcurementMethod::SingleSource => facts::Method::SingleSource,
    }
}

fn category(category: Category) -> facts::Category {
    match category {
        Category::Unspecified | Category::Goods => facts::Category::Goods,
        Category::Services => facts::Category::Services,
        Category::Works => facts::Category::Works,
    }
}

fn latest(tender: &Tender, kind: ReviewKind) -> Option<&sunbid_contracts::tender::v1::Review> {
    tender
        .reviews
        .iter()
        .rev()
        .find(|review| review.kind() == kind)
}

fn internal_review(tender: &Tender) -> Option<InternalReview> {
    let general = latest(tender, ReviewKind::Internal)?;
    let key = latest(tender, ReviewKind::Key);
    let reviewers = std::iter::once(general)
        .chain(key)
        .map(|review| review.reviewer.clone());
    Some(InternalReview {
        general_passed: general.passed,
        key_passed: passed(tender, ReviewKind::Key),
        reviewers: reviewers.collect(),
    })
}

fn reservation(conditions: &Conditions, budget: Option<Fen>) -> Option<SmeReservation> {
    let small = Fen::new(conditions.reserved_for_small_fen);
    if let Some(reason) = text(&conditions.not_reserved_reason) {
        return Some(SmeReservation {
            exemption: Some(reason),
            ..SmeReservation::default()
        });
    }
    if conditions.reserved_for_small_enterprises {
        let whole = budget?;
        return Some(SmeReservation {
            suitable: whole,
            reserved: whole,
            reserved_for_small: small,
            exemption: None,
        });
    }
    positive(conditions.suitable_for_small_enterprises_fen).map(|suitable| SmeReservation {
        suitable,
        reserved: Fen::new(conditions.reserved_fen),
        reserved_for_small: small,
        exemption: None,
    })
}

/// Forms a supplier may choose from; no form named means every form but cash.
pub fn deposit_forms(conditions: &Conditions) -> Vec<DepositForm> {
    if conditions.deposit_forms.is_empty() {
        return DepositForm::ALL
            .into_iter()
            .filter(|form| *form != DepositForm::Cash)
            .collect();
    }
    conditions
        .deposit_forms
        .iter()
        .filter_map(|form| DepositForm::parse(form))
        .collect()
}

fn deposits_demanded(conditions: &Conditions, bid: bool) -> Vec<DepositKind> {
    let others = conditions
        .other_deposits
        .iter()
        .map(|name| match name.as_str() {
            "performance" => DepositKind::Performance,
            "quality" => DepositKind::Quality,
            "migrant_wages" => DepositKind::MigrantWages,
            other => DepositKind::Other(other.to_owned()),
        });
    bid.then_some(DepositKind::Bid)
        .into_iter()
        .chain(others)
        .collect()
}

fn medium(medium: &sunbid_contracts::tender::v1::Medium) -> facts::Medium {
    facts::Medium {
        kind: match medium.kind() {
            MediumKind::ChinaGovernmentProcurement => facts::MediumKind::ChinaGovernmentProcurement,
            MediumKind::ProvincialGovernmentProcurement => {
                facts::MediumKind::ProvincialGovernmentProcurement
            }
            MediumKind::ChinaTendering => facts::MediumKind::ChinaTendering,
            MediumKind::ProvincialTendering => facts::MediumKind::ProvincialTendering,
            MediumKind::Unspecified | MediumKind::Other => facts::MediumKind::Other,
        },
        name: medium.name.clone(),
        same_text: !medium.other_text,
        charges_reader_or_publisher: medium.charges,
    }
}

fn clauses(conditions: &Conditions) -> Vec<facts::Clause> {
    let clause = |(at, clause): (usize, &sunbid_contracts::tender::v1::Clause)| facts::Clause {
        path: format!("tender.conditions.clauses[{at}]"),
        role: match clause.role() {
            ClauseRole::Unspecified | ClauseRole::Qualification => facts::ClauseRole::Qualification,
            ClauseRole::Score => facts::ClauseRole::Score,
            ClauseRole::Demand => facts::ClauseRole::Demand,
            ClauseRole::Contract => facts::ClauseRole::Contract,
        },
        text: clause.text.clone(),
        answer: text(&clause.answer),
    };
    conditions.clauses.iter().enumerate().map(clause).collect()
}

fn month(at: Instant) -> Option<PlannedMonth> {
    let day = at.china_date();
    Some(PlannedMonth {
        year: day.format("%Y").to_string().parse().ok()?,
        month: day.format("%m").to_string().parse().ok()?,
    })
}
