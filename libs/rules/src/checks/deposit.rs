//! What a document may ask of bid deposits (D1 to D3, D5).

use super::case::percent;
use super::{Case, Ruling};
use crate::facts::{DepositForm, DepositKind, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

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

pub(super) fn no_deposit() -> Ruling {
    Ruling::not_applicable("没有要求投标保证金。", "No bid deposit is asked for.")
}
