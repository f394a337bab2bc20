//! A deposit as it came in (D3, D4, D6).

use sunbid_terms::Fen;

use super::deposit::no_deposit;
use super::{Case, Ruling};
use crate::facts::{DepositFacts, DepositForm, SubmissionFacts};

type Credit<'a> = Case<'a, DepositFacts>;

/// D3 when a deposit comes in: cash is not taken in government procurement.
pub(super) fn cash_is_not_taken(case: &Credit<'_>) -> Option<Ruling> {
    if case.is_engineering() {
        return Some(Ruling::not_applicable(
            "本规则约束招标文件，不约束投标人选择的形式。",
            "This rule binds the document, not the form a bidder chose.",
        ));
    }
    let form = case.facts.form;
    Some(if form == DepositForm::Cash {
        Ruling::breached(
            "form",
            "保证金以现金缴纳；只能以支票、汇票、本票、保函等非现金形式缴纳。",
            "The deposit was paid in cash; only cheque, draft, promissory note, guarantee and other non-cash forms are lawful.",
        )
    } else {
        Ruling::satisfied(
            format!("保证金以{}形式提交。", form.zh()),
            format!("The deposit was given by {}.", form.en()),
        )
    })
}

/// D4
pub(super) fn basic_account_pays(case: &Credit<'_>) -> Option<Ruling> {
    let facts = case.facts;
    if !facts.mandatory_tender {
        return Some(Ruling::not_applicable(
            "本项目不是依法必须招标的项目。",
            "This project need not be tendered by law.",
        ));
    }
    if facts.form == DepositForm::Guarantee {
        return Some(match (facts.guarantee_until, facts.bids_valid_until) {
            (Some(guarantee), Some(bids)) if guarantee >= bids => Ruling::satisfied(
                format!("保函有效至{guarantee}，不早于投标有效期{bids}。"),
                format!("The guarantee holds until {guarantee}, as long as bids do ({bids})."),
            ),
            (Some(guarantee), Some(bids)) => Ruling::breached(
                "guarantee_until",
                format!("保函有效至{guarantee}，早于投标有效期{bids}；应当一致。"),
                format!(
                    "The guarantee holds until {guarantee} only, bids until {bids}; both must match."
                ),
            ),
            _ => Ruling::breached(
                "guarantee_until",
                "没有保函有效期或者投标有效期，无法核对二者是否一致。",
                "The validity of the guarantee or of bids is missing, so they cannot be compared.",
            ),
        });
    }
    Some(match (&facts.payer, facts.from_basic_account) {
        (Some(payer), _) if *payer != facts.bidder => Ruling::breached(
            "payer",
            format!(
                "保证金由{payer}支付，不是投标人{}；应当从投标人的基本账户转出。",
                facts.bidder
            ),
            format!(
                "The deposit was paid by {payer}, not by the bidder {}; it must come from the bidder's basic account.",
                facts.bidder
            ),
        ),
        (Some(_), Some(true)) => Ruling::satisfied(
            "保证金从投标人的基本账户转出。",
            "The deposit came from the bidder's basic account.",
        ),
        (Some(_), Some(false)) => Ruling::breached(
            "from_basic_account",
            "保证金不是从投标人的基本账户转出。",
            "The deposit did not come from the bidder's basic account.",
        ),
        _ => Ruling::breached(
            "from_basic_account",
            "付款人或者其账户性质不明，请核对是否为投标人的基本账户。",
            "Payer or kind of account is unknown; check that it is the bidder's basic account.",
        ),
    })
}

/// D6 when the deposit comes in.
pub(super) fn deposit_is_as_asked(case: &Credit<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let short = facts.required.checked_sub(facts.received)?;
    Some(if short > Fen::ZERO {
        Ruling::breached(
            "received",
            format!(
                "应缴保证金{}元，到账{}元，差{short}元。",
                facts.required, facts.received
            ),
            format!(
                "A deposit of {} yuan is asked, {} yuan came in; {short} yuan are missing.",
                facts.required, facts.received
            ),
        )
    } else if facts.received_at > facts.deadline {
        Ruling::breached(
            "received_at",
            format!(
                "保证金于{}到账（出具），晚于截止时间{}。",
                facts.received_at, facts.deadline
            ),
            format!(
                "The deposit came in at {}, after the deadline of {}.",
                facts.received_at, facts.deadline
            ),
        )
    } else {
        match &facts.payer {
            Some(payer) if *payer == facts.bidder => Ruling::satisfied(
                format!(
                    "保证金{}元于{}到账，付款人为投标人本人。",
                    facts.received, facts.received_at
                ),
                format!(
                    "The deposit of {} yuan came in at {} from the bidder itself.",
                    facts.received, facts.received_at
                ),
            ),
            Some(payer) => Ruling::breached(
                "payer",
                format!("保证金由{payer}支付（申请），不是投标人{}。", facts.bidder),
                format!(
                    "The deposit was given by {payer}, not by the bidder {}.",
                    facts.bidder
                ),
            ),
            None => Ruling::breached(
                "payer",
                "保证金付款人不明，无法确认由投标人提交。",
                "The payer of the deposit is unknown, so nobody can say that the bidder gave it.",
            ),
        }
    })
}

/// D6 when the bid comes in.
pub(super) fn deposit_stands(case: &Case<'_, SubmissionFacts>) -> Option<Ruling> {
    Some(match case.facts.deposit_valid {
        None => no_deposit(),
        Some(true) => Ruling::satisfied("投标保证金有效。", "The deposit stands."),
        Some(false) => Ruling::breached(
            "deposit_valid",
            "投标保证金尚未有效提交；截止时仍未提交的，投标无效。",
            "No valid deposit stands; a bid without it at the deadline is invalid.",
        ),
    })
}
