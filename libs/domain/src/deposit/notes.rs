//! What a supplier is told of a deposit that is not as it should be, in both languages.

use sunbid_terms::Fen;

/// A note in Chinese and in English.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    pub zh: String,
    pub en: String,
}

impl Note {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    pub fn wrong_payer() -> Self {
        Self::new(
            "付款户名与投标人名称不一致，款项将原路退回；请从投标人本单位账户重新缴纳。",
            "The payer's name is not the bidder's; the money goes back to the paying account. Please pay from the bidder's own account.",
        )
    }

    pub fn late() -> Self {
        Self::new(
            "款项在截止时间之后到账，将原路退回。",
            "The money arrived after the deadline and goes back to the paying account.",
        )
    }

    pub fn terminated() -> Self {
        Self::new(
            "招标（采购）已终止，款项将原路退回。",
            "The tender was terminated; the money goes back to the paying account.",
        )
    }

    pub fn lot_failed() -> Self {
        Self::new(
            "该标段（包）已流标，款项将原路退回。",
            "The lot failed; the money goes back to the paying account.",
        )
    }

    pub fn no_bid() -> Self {
        Self::new(
            "截止时贵单位在该标段（包）没有有效的投标，款项将原路退回。",
            "There was no bid of yours for this lot at the deadline; the money goes back to the paying account.",
        )
    }

    pub fn missing(received: Fen, missing: Fen) -> Self {
        Self::new(
            format!("已到账{received}元，尚缺{missing}元；请在截止时间前补足。"),
            format!(
                "{received} yuan have arrived, {missing} yuan are missing; please pay them before the deadline."
            ),
        )
    }

    pub fn excess(excess: Fen) -> Self {
        Self::new(
            format!("多缴的{excess}元将原路退回。"),
            format!("{excess} yuan more than due go back to the paying account."),
        )
    }
}
