//! The opening of bids (开标): its start and its close.

use sunbid_terms::Instant;

/// How many bids a lot holds at its closing record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotCount {
    pub lot: String,
    pub bids: u32,
}

/// Who presides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostRole {
    Purchaser,
    Agency,
    PlatformOperator,
    Supervisor,
    Bidder,
    Expert,
}

impl HostRole {
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Purchaser => "采购人（招标人）",
            Self::Agency => "代理机构",
            Self::PlatformOperator => "平台运营机构",
            Self::Supervisor => "监督部门",
            Self::Bidder => "投标人",
            Self::Expert => "评审专家",
        }
    }

    pub const fn en(self) -> &'static str {
        match self {
            Self::Purchaser => "the purchaser or tenderer",
            Self::Agency => "the agency",
            Self::PlatformOperator => "the operator of the platform",
            Self::Supervisor => "a supervisor",
            Self::Bidder => "a bidder",
            Self::Expert => "an expert",
        }
    }
}

/// Facts at the start of an opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningFacts {
    /// Opening time of the document.
    pub scheduled_at: Instant,
    pub bid_deadline: Instant,
    /// The moment of judging.
    pub now: Instant,
    /// Lots to be opened.
    pub lots: Vec<LotCount>,
    /// None while nobody presides.
    pub host: Option<HostRole>,
    /// Committee members signed in to the opening.
    pub committee_members_present: Vec<String>,
    /// Audio and video are being recorded.
    pub recording: bool,
}

/// Why a bid could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    Bidder,
    /// The platform, the key holders, force majeure: anything but the bidder.
    Other,
    /// Nobody has decided yet.
    Undecided,
}

/// What a bid that was not decrypted is held to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureTreatment {
    /// 撤销
    Revoked,
    /// 撤回
    Withdrawn,
}

/// One bid that was not decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecryptionFailure {
    /// Path or name of the bid in the opening record.
    pub bid: String,
    pub cause: FailureCause,
    /// None while nothing is decided.
    pub treatment: Option<FailureTreatment>,
}

/// Facts at the close of an opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningCloseFacts {
    pub failures: Vec<DecryptionFailure>,
    /// Objections without an answer on record.
    pub open_objections: u32,
    pub record_generated: bool,
    /// It is, or with the close will be, published.
    pub record_published: bool,
    /// A lawful duty of secrecy keeps the record from the public.
    pub secret_project: bool,
    /// Parts of the session without recording, in seconds.
    pub recording_gap_seconds: u32,
}
