//! A bid coming in, and a bid being taken back.

use sunbid_terms::Instant;

/// A tie that bars a bidder from this tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExcludedRelation {
    /// Designed the project, wrote its specification, manages, supervises or inspects it.
    ServedTheProject,
    /// Compiled the base price (标底) of the project.
    CompiledBasePrice,
    /// An interest with the tenderer that may affect fairness.
    InterestWithTenderer,
    /// Operates the trading platform, or is tied to who does.
    OperatesPlatform,
}

impl ExcludedRelation {
    pub const fn zh(self) -> &'static str {
        match self {
            Self::ServedTheProject => {
                "为本项目提供整体设计、规范编制或者项目管理、监理、检测等服务"
            }
            Self::CompiledBasePrice => "接受委托编制本项目标底",
            Self::InterestWithTenderer => "与招标人存在可能影响招标公正性的利害关系",
            Self::OperatesPlatform => "系本交易平台的运营机构或者与其有关联",
        }
    }

    pub const fn en(self) -> &'static str {
        match self {
            Self::ServedTheProject => {
                "designed, specified, manages, supervises or inspects this project"
            }
            Self::CompiledBasePrice => "compiled the base price of this project",
            Self::InterestWithTenderer => {
                "has an interest with the tenderer that may affect fairness"
            }
            Self::OperatesPlatform => "operates this trading platform or is tied to its operator",
        }
    }
}

/// Facts of a bid at the moment its record would be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmissionFacts {
    /// When the last byte was in; none if the transmission is not complete.
    pub complete_at: Option<Instant>,
    pub deadline: Instant,
    /// The closing record of the bid log stands already: whatever comes now is late.
    pub log_closed: bool,
    /// It is sealed as the document asks: encrypted to the tender's key.
    pub sealed: bool,
    /// The bidder's signature over the sealed bid verifies.
    pub signature_valid: bool,
    /// The proof that the sealed bid can be opened by the trustees verifies.
    pub proof_valid: bool,
    /// The bidder passed the prequalification; none if there was none.
    pub prequalified: Option<bool>,
    /// The deposit stands; none if the document asks for none.
    pub deposit_valid: Option<bool>,
    pub excluded_relation: Option<ExcludedRelation>,
    /// Single-source procurement, to which the bar on project services does not apply.
    pub single_source: bool,
    /// Other bidders of the lot under the same head, holding or management, as far as known.
    pub related_bidders: Vec<String>,
    /// The bid is a consortium's.
    pub consortium: bool,
    /// The notice refuses consortia.
    pub consortium_refused: bool,
    /// Members (or the bidder itself) that already bid in this lot alone or in another consortium.
    pub members_bidding_elsewhere: Vec<String>,
    /// A member joined, left or changed after prequalification.
    pub consortium_changed_after_prequalification: bool,
}

/// Facts of a withdrawal (撤回) at the moment its record would be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithdrawalFacts {
    pub requested_at: Instant,
    pub deadline: Instant,
    pub log_closed: bool,
    /// The notice of withdrawal is signed by the bidder (书面通知).
    pub signature_valid: bool,
}
