//! A tender notice with its document, about to be published, and its appearance in the media.

use sunbid_terms::{Fen, Instant};

use super::DepositForm;

/// How the supplier is chosen. Engineering knows only the two tenders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// 公开招标
    #[default]
    OpenTender,
    /// 邀请招标
    InvitedTender,
    /// 竞争性谈判
    CompetitiveNegotiation,
    /// 竞争性磋商
    CompetitiveConsultation,
    /// 询价
    Inquiry,
    /// 单一来源采购
    SingleSource,
}

impl Method {
    pub const ALL: [Self; 6] = [
        Self::OpenTender,
        Self::InvitedTender,
        Self::CompetitiveNegotiation,
        Self::CompetitiveConsultation,
        Self::Inquiry,
        Self::SingleSource,
    ];

    /// Open or invited: the periods of tendering apply.
    pub const fn is_tender(self) -> bool {
        matches!(self, Self::OpenTender | Self::InvitedTender)
    }

    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenTender => "open_tender",
            Self::InvitedTender => "invited_tender",
            Self::CompetitiveNegotiation => "competitive_negotiation",
            Self::CompetitiveConsultation => "competitive_consultation",
            Self::Inquiry => "inquiry",
            Self::SingleSource => "single_source",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    pub const fn zh(self) -> &'static str {
        match self {
            Self::OpenTender => "公开招标",
            Self::InvitedTender => "邀请招标",
            Self::CompetitiveNegotiation => "竞争性谈判",
            Self::CompetitiveConsultation => "竞争性磋商",
            Self::Inquiry => "询价",
            Self::SingleSource => "单一来源采购",
        }
    }

    pub const fn en(self) -> &'static str {
        match self {
            Self::OpenTender => "open tender",
            Self::InvitedTender => "invited tender",
            Self::CompetitiveNegotiation => "competitive negotiation",
            Self::CompetitiveConsultation => "competitive consultation",
            Self::Inquiry => "inquiry",
            Self::SingleSource => "single-source procurement",
        }
    }
}

/// What is bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Category {
    #[default]
    Goods,
    /// In engineering: survey, design, supervision and the like.
    Services,
    Works,
}

impl Category {
    pub const ALL: [Self; 3] = [Self::Goods, Self::Services, Self::Works];

    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goods => "goods",
            Self::Services => "services",
            Self::Works => "works",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub const fn zh(self) -> &'static str {
        match self {
            Self::Goods => "货物",
            Self::Services => "服务",
            Self::Works => "工程",
        }
    }
}

/// 需求调查 made before the demand was fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemandSurvey {
    /// Market participants asked.
    pub objects: u32,
    /// An earlier survey of the last year or a feasibility study that covers the same matters.
    pub covered_by: Option<String>,
}

/// 采购需求和采购实施计划审查 by the purchaser's own review body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalReview {
    pub general_passed: bool,
    /// 重点审查: discrimination, competition, policy, performance risk.
    pub key_passed: bool,
    /// Who reviewed, by the caller's identifiers.
    pub reviewers: Vec<String>,
}

/// 公平竞争审查 of the tender document by the purchaser or tenderer itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FairCompetitionReview {
    pub passed: bool,
    pub reviewer: String,
}

/// 单一来源公示 before approval is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SingleSourcePublicity {
    pub published_at: Instant,
    pub ended_at: Instant,
}

/// 添购 from the supplier of an earlier contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdditionalPurchase {
    pub original_contract: Fen,
    pub added_before: Fen,
    pub adds_now: Fen,
}

/// 预留采购份额 for small and medium enterprises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmeReservation {
    /// The part of the budget that small and medium enterprises can suitably supply.
    pub suitable: Fen,
    pub reserved: Fen,
    /// Of `reserved`, the part kept for small and micro enterprises.
    pub reserved_for_small: Fen,
    /// Which case of 财库〔2020〕46号 art 6 allows not to reserve.
    pub exemption: Option<String>,
}

/// Where a notice appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediumKind {
    /// 中国政府采购网
    ChinaGovernmentProcurement,
    /// 中国政府采购网省级分网
    ProvincialGovernmentProcurement,
    /// 中国招标投标公共服务平台
    ChinaTendering,
    /// The province's 招标投标公共服务平台 or electronic trading publication site.
    ProvincialTendering,
    Other,
}

/// One medium and whether it carries the very same text, free of charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    pub kind: MediumKind,
    pub name: String,
    pub same_text: bool,
    pub charges_reader_or_publisher: bool,
}

/// 资格预审 ahead of the tender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prequalification {
    pub published_at: Instant,
    /// When the prequalification file stops being sold or issued.
    pub file_available_until: Instant,
    pub application_deadline: Instant,
    pub file_price: Fen,
}

/// What the document says of bid deposits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepositTerms {
    /// Until when the deposit must be in.
    pub due_at: Instant,
    /// Forms a supplier may choose from.
    pub forms: Vec<DepositForm>,
    /// Issuers a guarantee must come from; empty if any lawful issuer is accepted.
    pub guarantee_issuers_named: Vec<String>,
}

/// One lot (标段/包).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LotTerms {
    pub number: String,
    /// 预算金额; in engineering the estimated price (估算价).
    pub budget: Fen,
    /// 最高限价, if one is set.
    pub ceiling_price: Option<Fen>,
    /// 最低限价, which no tender may have.
    pub minimum_price: Option<Fen>,
    /// Bid deposit asked for; none if no deposit is asked.
    pub deposit: Option<Fen>,
}

/// A deposit the document demands, of whatever name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepositKind {
    Bid,
    Performance,
    Quality,
    MigrantWages,
    Other(String),
}

/// What the notice says of consortia (联合体).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsortiumTerm {
    Accepted,
    Refused,
    #[default]
    NotStated,
}

/// What a clause of the document does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClauseRole {
    Qualification,
    Score,
    Demand,
    Contract,
}

/// A clause, and the author's answer to a hit of the clause scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Path of the input, such as `qualifications[2]`.
    pub path: String,
    pub role: ClauseRole,
    pub text: String,
    /// Why the clause is lawful although a word of the scan occurs in it.
    pub answer: Option<String>,
}

/// One factor of the evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoringFactor {
    pub path: String,
    pub name: String,
    /// Points follow from numbers or listed steps, not from an impression.
    pub quantified: bool,
}

/// Facts of a notice and its document at the moment of publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenderNoticeFacts {
    pub method: Method,
    pub category: Category,
    /// Engineering: the project must be tendered by law (依法必须招标).
    pub mandatory_tender: bool,
    pub published_at: Instant,

    // Before the notice.
    /// First publication of the intent; none if there was none.
    pub intent_published_at: Option<Instant>,
    /// Why an unforeseeable urgent need had no (timely) intent.
    pub urgent_reason: Option<String>,
    /// Filing number of the implementation plan (采购实施计划备案).
    pub implementation_plan: Option<String>,
    pub demand_survey: Option<DemandSurvey>,
    pub public_interest: bool,
    pub technically_complex: bool,
    pub imported_goods: bool,
    /// Who wrote demand and plan, by the caller's identifiers.
    pub authors: Vec<String>,
    pub internal_review: Option<InternalReview>,
    pub fair_competition_review: Option<FairCompetitionReview>,

    // Method and policy.
    /// Approval of a method other than open tender.
    pub method_approval: Option<String>,
    /// Sum of this budget year for the same budget project and category bought without open
    /// tender, this procurement included.
    pub yearly_sum_without_open_tender: Option<Fen>,
    /// The budget of the project was changed in the year (预算调整).
    pub budget_adjusted: bool,
    pub single_source_publicity: Option<SingleSourcePublicity>,
    pub additional_purchase: Option<AdditionalPurchase>,
    pub sme_reservation: Option<SmeReservation>,

    // Money.
    /// Budget published in the document (采购项目预算金额).
    pub budget: Option<Fen>,
    /// Engineering: estimated price of the tendered contract (合同估算价).
    pub estimated_price: Option<Fen>,
    pub ceiling_price: Option<Fen>,
    /// The ceiling, or how it is computed, is stated in the document.
    pub ceiling_stated: bool,
    pub minimum_price: Option<Fen>,
    pub lots: Vec<LotTerms>,
    /// Price of the electronic tender document.
    pub document_price: Fen,
    /// What printing and posting it costs.
    pub document_cost: Fen,
    pub deposit: Option<DepositTerms>,
    /// Every deposit the document demands.
    pub deposits_demanded: Vec<DepositKind>,

    // Where and when.
    pub media: Vec<Medium>,
    /// End of the announcement period (公告期限).
    pub announcement_until: Option<Instant>,
    /// From when the document can be had.
    pub document_from: Instant,
    pub document_until: Instant,
    pub prequalification: Option<Prequalification>,
    pub bid_deadline: Instant,
    pub opening_at: Instant,

    // Terms.
    pub consortium: ConsortiumTerm,
    /// A supplier must register or apply for this tender before it can have the document.
    pub registration_gate: bool,
    /// Software or certificates of a named maker that must be bought to take part.
    pub required_tools: Vec<String>,
    /// Contracts of the same kind demanded as qualification.
    pub similar_contracts_required: Option<u32>,
    /// Why more of them are needed than usual.
    pub similar_contracts_reason: Option<String>,
    /// The purchase supports innovative products (创新产品).
    pub innovative_product: bool,
    pub clauses: Vec<Clause>,
    pub scoring_factors: Vec<ScoringFactor>,
}

/// When a notice went to the first medium and when it stood there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicationFacts {
    pub handed_over_at: Instant,
    /// None while it is not posted.
    pub posted_at: Option<Instant>,
    /// The moment of judging.
    pub now: Instant,
}
