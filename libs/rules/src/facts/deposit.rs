//! Bid deposits (投标保证金): what came in, and what must go back by when.

use sunbid_terms::{CreditCode, Fen, Instant};

/// How a deposit is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DepositForm {
    /// 银行转账, 电汇
    #[default]
    Transfer,
    /// 支票
    Cheque,
    /// 汇票
    Draft,
    /// 本票
    PromissoryNote,
    /// 保函 of a bank, insurer or guarantee institution
    Guarantee,
    /// 现金
    Cash,
}

impl DepositForm {
    pub const ALL: [Self; 6] = [
        Self::Transfer,
        Self::Cheque,
        Self::Draft,
        Self::PromissoryNote,
        Self::Guarantee,
        Self::Cash,
    ];

    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Cheque => "cheque",
            Self::Draft => "draft",
            Self::PromissoryNote => "promissory_note",
            Self::Guarantee => "guarantee",
            Self::Cash => "cash",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    pub const fn zh(self) -> &'static str {
        match self {
            Self::Transfer => "转账",
            Self::Cheque => "支票",
            Self::Draft => "汇票",
            Self::PromissoryNote => "本票",
            Self::Guarantee => "保函",
            Self::Cash => "现金",
        }
    }

    pub const fn en(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Cheque => "cheque",
            Self::Draft => "draft",
            Self::PromissoryNote => "promissory note",
            Self::Guarantee => "guarantee",
            Self::Cash => "cash",
        }
    }
}

/// A deposit as it came in for one bidder and one lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositFacts {
    pub form: DepositForm,
    pub required: Fen,
    pub received: Fen,
    /// When it was credited, or the guarantee issued.
    pub received_at: Instant,
    /// Until when it had to be in.
    pub deadline: Instant,
    pub bidder: CreditCode,
    /// Who paid, or whom the guarantee is for; none if the bank did not say.
    pub payer: Option<CreditCode>,
    /// The paying account is the payer's basic account (基本账户); none if unknown.
    pub from_basic_account: Option<bool>,
    /// Engineering: the project must be tendered by law.
    pub mandatory_tender: bool,
    /// Until when a guarantee holds.
    pub guarantee_until: Option<Instant>,
    /// Until when bids hold (投标有效期).
    pub bids_valid_until: Option<Instant>,
}

/// Why a deposit goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundCause {
    /// 撤回 before the deadline.
    Withdrawn,
    /// 未中标. Runs from the award notice (GP) or the contract (ENG).
    NotAwarded,
    /// 中标. Runs from the contract.
    Awarded,
    /// 终止招标.
    Terminated,
    /// 流标: too few bidders, nothing opened.
    Failed,
}

impl RefundCause {
    pub const ALL: [Self; 5] = [
        Self::Withdrawn,
        Self::NotAwarded,
        Self::Awarded,
        Self::Terminated,
        Self::Failed,
    ];

    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::NotAwarded => "not_awarded",
            Self::Awarded => "awarded",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// A refund that is due or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundFacts {
    pub cause: RefundCause,
    /// The event the period runs from, see [`RefundCause`].
    pub triggered_at: Instant,
    /// When the money left; none while it has not.
    pub refunded_at: Option<Instant>,
    /// The moment of judging.
    pub now: Instant,
    /// Bank interest was (or will be) paid with it.
    pub with_interest: bool,
    /// The bidder itself keeps the refund from being made, and how.
    pub bidder_at_fault: Option<String>,
}
