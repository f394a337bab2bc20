//! The share reserved for small and medium enterprises (P13, P14).

use sunbid_terms::Fen;

use super::case::filled;
use super::{Case, Ruling};
use crate::facts::{Category, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

/// P13
pub(super) fn share_is_reserved(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let whole_up_to = match facts.category {
        Category::Works => case.fen("works")?,
        Category::Goods | Category::Services => case.fen("goods_services")?,
    };
    let (share, small_share) = (
        case.basis_points("share")?,
        case.basis_points("small_share")?,
    );
    let Some(reservation) = &facts.sme_reservation else {
        return Some(Ruling::breached(
            "sme_reservation",
            "没有写明面向中小企业预留的份额；请填写预留金额，或者写明属于第六条哪一项可以不预留的情形。",
            "Nothing is said of the share reserved for small and medium enterprises; give it, or name the case of art 6 that allows none.",
        ));
    };
    if let Some(case_of_art_6) = filled(reservation.exemption.as_deref()) {
        return Some(Ruling::satisfied(
            format!("不预留份额的情形：{case_of_art_6}。"),
            format!("Nothing need be reserved: {case_of_art_6}."),
        ));
    }
    let Some(budget) = facts.budget else {
        return Some(Ruling::breached(
            "budget",
            "没有预算金额，无法核对预留份额。",
            "Without a budget the reserved share cannot be checked.",
        ));
    };
    let suitable = reservation.suitable;
    let (least, least_small) = if budget <= whole_up_to {
        (suitable, Fen::ZERO)
    } else {
        (
            at_least(suitable, share)?,
            at_least(reservation.reserved, small_share)?,
        )
    };
    let (reserved, small) = (reservation.reserved, reservation.reserved_for_small);
    Some(if reserved < least {
        Ruling::breached(
            "sme_reservation.reserved",
            format!(
                "预算{budget}元，适宜中小企业提供的部分{suitable}元，预留{reserved}元，应当不少于{least}元。"
            ),
            format!(
                "Of the budget of {budget} yuan {suitable} yuan suit small and medium enterprises; {reserved} yuan are reserved, at least {least} yuan must be."
            ),
        )
    } else if small < least_small {
        Ruling::breached(
            "sme_reservation.reserved_for_small",
            format!("预留{reserved}元中给小微企业{small}元，应当不少于{least_small}元。"),
            format!(
                "Of the {reserved} yuan reserved {small} yuan are for small and micro enterprises, at least {least_small} yuan must be."
            ),
        )
    } else {
        Ruling::satisfied(
            format!("预留{reserved}元（其中小微企业{small}元），符合要求。"),
            format!(
                "{reserved} yuan are reserved, {small} yuan of them for small and micro enterprises, as required."
            ),
        )
    })
}

/// P14
pub(super) fn works_reserve_more(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let (above, share) = (case.fen("works")?, case.basis_points("share")?);
    let price = facts.budget.or(facts.estimated_price);
    let large = facts.category == Category::Works && price.is_some_and(|price| price > above);
    let reservation = match &facts.sme_reservation {
        Some(reservation) if large && filled(reservation.exemption.as_deref()).is_none() => {
            reservation
        }
        _ => {
            return Some(Ruling::not_applicable(
                "本项目不是应当提高预留份额的工程。",
                "This is not works with a higher reserved share.",
            ));
        }
    };
    let (suitable, reserved) = (reservation.suitable, reservation.reserved);
    let least = at_least(suitable, share)?;
    Some(if reserved >= least {
        Ruling::satisfied(
            format!("工程适宜部分{suitable}元，预留{reserved}元，不少于{least}元。"),
            format!(
                "Of the suitable {suitable} yuan of works {reserved} yuan are reserved, at least {least} yuan must be."
            ),
        )
    } else {
        Ruling::breached(
            "sme_reservation.reserved",
            format!("工程适宜部分{suitable}元，预留{reserved}元，阶段性要求不少于{least}元。"),
            format!(
                "Of the suitable {suitable} yuan of works {reserved} yuan are reserved; for the time being at least {least} yuan must be."
            ),
        )
    })
}

/// A share that must be reached, rounded up to the fen.
fn at_least(amount: Fen, basis_points: u32) -> Option<Fen> {
    let points = i64::from(basis_points);
    let down = amount.share(points, 10_000)?;
    let exact = i128::from(down.get()) * 10_000 == i128::from(amount.get()) * i128::from(points);
    if exact {
        Some(down)
    } else {
        down.checked_add(Fen::new(1))
    }
}
