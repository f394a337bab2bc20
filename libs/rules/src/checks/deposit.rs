//! Bid deposits: what may be asked, what came in, what goes back (D1 to D8, P35).

use sunbid_terms::Fen;

use super::{Case, Ruling};
use crate::calendar::Calendar;
use crate::facts::{
    DepositFacts, DepositForm, DepositKind, RefundFacts, SubmissionFacts, TenderNoticeFacts,
};
use crate::refunds::{by_analogy, interest_is_owed, refund_period};

type Notice<'a> = Case<'a, TenderNoticeFacts>;
type Credit<'a> = Case<'a, DepositFacts>;

/// D1
pub(super) fn deposit_is_small(case: &Notice<'_>) -> Option<Ruling> {
    let share = case.basis_points("maximum")?;
    let mut asked = false;
    for (at, lot) in case.facts.lots.iter().enumerate() {
        let Some(deposit) = lot.deposit else { continue };
        asked = true;
        let most = lot.budget.share(i64::from(share), 10_000)?;
        if deposit > most {
            return Some(Ruling::breached(
                format!("lots[{at}].deposit"),
                format!(
                    "第{}包（标段）投标保证金{deposit}元，超过其预算（估算价）{}元的{}；最高可收{most}元。",
                    lot.number,
                    lot.budget,
                    percent(share)
                ),
                format!(
                    "The deposit of {deposit} yuan of lot {} exceeds {} of its budget of {} yuan; at most {most} yuan may be asked.",
                    lot.number,
                    percent(share),
                    lot.budget
                ),
            ));
        }
    }
    Some(if asked {
        Ruling::satisfied(
            format!(
                "各包（标段）投标保证金均不超过预算（估算价）的{}。",
                percent(share)
            ),
            format!(
                "Every lot's deposit is at most {} of its budget.",
                percent(share)
            ),
        )
    } else {
        no_deposit()
    })
}

/// D2
pub(super) fn deposit_is_capped(case: &Notice<'_>) -> Option<Ruling> {
    let category = case.facts.category;
    let cap = case.fen(category.as_str())?;
    let mut asked = false;
    for (at, lot) in case.facts.lots.iter().enumerate() {
        let Some(deposit) = lot.deposit else { continue };
        asked = true;
        if deposit > cap {
            return Some(Ruling::breached(
                format!("lots[{at}].deposit"),
                format!(
                    "第{}标段投标保证金{deposit}元，超过{}类上限{cap}元。",
                    lot.number,
                    category.zh()
                ),
                format!(
                    "The deposit of {deposit} yuan of lot {} exceeds the cap of {cap} yuan for {}.",
                    lot.number,
                    category.as_str()
                ),
            ));
        }
    }
    Some(if asked {
        Ruling::satisfied(
            format!("各标段投标保证金均不超过{cap}元。"),
            format!("Every lot's deposit is at most {cap} yuan."),
        )
    } else {
        no_deposit()
    })
}

/// D3 in the document.
pub(super) fn forms_are_free(case: &Notice<'_>) -> Option<Ruling> {
    let Some(terms) = &case.facts.deposit else {
        return Some(no_deposit());
    };
    if let Some(issuer) = terms.guarantee_issuers_named.first() {
        return Some(Ruling::breached(
            "deposit.guarantee_issuers_named[0]",
            format!("指定由{issuer}出具保函；不得指定出具机构。"),
            format!("Guarantees must come from {issuer}; no issuer may be prescribed."),
        ));
    }
    // Engineering law asks that guarantees are taken; procurement law names the forms to choose
    // from and excludes cash.
    let needed: &[DepositForm] = if case.is_engineering() {
        &[DepositForm::Guarantee]
    } else {
        &[
            DepositForm::Cheque,
            DepositForm::Draft,
            DepositForm::PromissoryNote,
            DepositForm::Guarantee,
        ]
    };
    if !case.is_engineering() && terms.forms.contains(&DepositForm::Cash) {
        return Some(Ruling::breached(
            "deposit.forms",
            "允许以现金缴纳保证金；应当采用非现金形式。",
            "Deposits may be paid in cash; only non-cash forms are lawful.",
        ));
    }
    let missing: Vec<&DepositForm> = needed
        .iter()
        .filter(|form| !terms.forms.contains(form))
        .collect();
    if missing.is_empty() {
        return Some(Ruling::satisfied(
            "供应商可以自主选择法定的保证金形式，包括保函。",
            "Suppliers choose freely among the lawful forms, guarantees included.",
        ));
    }
    let zh: Vec<&str> = missing.iter().map(|form| form.zh()).collect();
    let en: Vec<&str> = missing.iter().map(|form| form.en()).collect();
    Some(Ruling::breached(
        "deposit.forms",
        format!("保证金形式不接受{}；应当允许。", zh.join("、")),
        format!(
            "Deposits by {} are not accepted; they must be.",
            en.join(", ")
        ),
    ))
}

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

/// D5
pub(super) fn no_other_deposits(case: &Notice<'_>) -> Option<Ruling> {
    let other = case.facts.deposits_demanded.iter().enumerate();
    let found = other.into_iter().find_map(|(at, kind)| match kind {
        DepositKind::Other(name) => Some((at, name)),
        // Quality and wage deposits are of construction.
        DepositKind::Bid
        | DepositKind::Performance
        | DepositKind::Quality
        | DepositKind::MigrantWages => None,
    });
    Some(match found {
        Some((at, name)) => Ruling::breached(
            format!("deposits_demanded[{at}]"),
            format!("要求缴纳“{name}”；没有法律法规依据的保证金不得收取，请删除。"),
            format!(
                "A deposit called \"{name}\" is demanded; deposits without a basis in law are not allowed, remove it."
            ),
        ),
        None => Ruling::satisfied(
            "没有收取法定以外的保证金。",
            "No deposit beyond those of the law is demanded.",
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

/// D7, D8 and P35: each speaks of the refunds whose period stands in its row.
pub(super) fn refund_is_timely(case: &Case<'_, RefundFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let track = case.scope.track;
    let (rule, parameter) = refund_period(track, facts.cause);
    if rule != case.rule.id.as_str() {
        return Some(Ruling::not_applicable(
            "本规则不针对这种退还情形。",
            "This rule is about refunds of another cause.",
        ));
    }
    let days = case.days(parameter)?;
    let end = case.period_end(facts.triggered_at, days);
    let latest = Calendar::end_of_day(end.date);
    let by = end.date;
    let interest = interest_is_owed(track, facts.cause);
    let ruling = match (facts.refunded_at, &facts.bidder_at_fault) {
        (None, Some(fault)) => Ruling::not_applicable(
            format!("因投标人自身原因无法及时退还：{fault}。"),
            format!("The bidder itself keeps the refund from being made: {fault}."),
        ),
        (None, None) if facts.now <= latest => Ruling::satisfied(
            format!("保证金应当于{by}前（含当日）退还，尚未到期。"),
            format!("The deposit is to be returned by the end of {by}, which has not passed."),
        ),
        (None, None) => Ruling::breached(
            "refunded_at",
            format!(
                "保证金应当于{by}前（含当日，{}）退还，至今没有退还。",
                days.zh()
            ),
            format!("The deposit was to be returned by the end of {by} ({days}) and is not."),
        ),
        (Some(_), _) if interest && !facts.with_interest => Ruling::breached(
            "with_interest",
            "退还保证金时没有一并退还银行利息（孳息）。",
            "The deposit was returned without the bank interest owed with it.",
        ),
        (Some(at), fault) if at > latest && fault.is_none() => Ruling::breached(
            "refunded_at",
            format!("保证金于{at}退还，最迟应当于{by}（{}）退还。", days.zh()),
            format!("The deposit was returned at {at}; it was due by the end of {by} ({days})."),
        ),
        (Some(at), _) => Ruling::satisfied(
            format!("保证金于{at}退还，期限为{by}。"),
            format!("The deposit was returned at {at}; it was due by the end of {by}."),
        ),
    };
    Some(
        ruling
            .softened()
            .provisional(end.provisional || by_analogy(parameter)),
    )
}

fn no_deposit() -> Ruling {
    Ruling::not_applicable("没有要求投标保证金。", "No bid deposit is asked for.")
}

fn percent(basis_points: u32) -> String {
    crate::table::Parameter::BasisPoints(basis_points).to_string()
}
