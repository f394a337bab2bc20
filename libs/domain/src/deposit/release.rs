//! When a deposit goes back: withdrawal, no bid, failure, termination; or is locked at the deadline.
//! Refunds for losers and winners follow the award and are not decided here.

use sunbid_contracts::deposit::v1::{DepositLocked, RefundCause, RefundDue};
use sunbid_rules::{Engine, facts};
use sunbid_terms::{Fen, Instant};

use super::{
    DepositAccount, PaymentSeed, Terms,
    posting::{self, posting},
};
use crate::{Event, Refusal};

/// The cause in the rules' words. The law knows no payer without a bid; by analogy the bid counts
/// as withdrawn before the deadline. Money that could not be taken has no statutory period.
fn statutory(cause: RefundCause) -> Option<facts::RefundCause> {
    match cause {
        RefundCause::Withdrawn | RefundCause::NoBid => Some(facts::RefundCause::Withdrawn),
        RefundCause::Lost => Some(facts::RefundCause::NotAwarded),
        RefundCause::Failed => Some(facts::RefundCause::Failed),
        RefundCause::Terminated => Some(facts::RefundCause::Terminated),
        RefundCause::Unmatched | RefundCause::Unspecified => None,
    }
}

/// Everything that is kept goes back to the accounts it came from. Nothing if nothing is kept.
/// The statutory period runs from `triggered_at`.
pub fn release(
    account: &DepositAccount,
    terms: &Terms,
    cause: RefundCause,
    triggered_at: Instant,
    rules: &Engine,
    seed: &PaymentSeed,
) -> Result<Vec<Event>, Refusal> {
    let Some(deposit) = &account.deposit else {
        return Ok(Vec::new());
    };
    let scope = terms.scope(triggered_at)?;
    let due = statutory(cause).and_then(|cause| rules.refund_due(&scope, cause, triggered_at));
    let kept = posting::deposit(&deposit.name);
    let refund = posting::refund(&deposit.virtual_account);
    let holdings = account
        .holdings
        .iter()
        .filter(|holding| holding.kept_fen > 0);
    Ok(holdings
        .zip(0_u32..)
        .map(|(holding, at)| {
            let amount = Fen::new(holding.kept_fen);
            Event::of(&RefundDue {
                deposit: deposit.name.clone(),
                cause: cause as i32,
                amount_fen: holding.kept_fen,
                due_time_us: due.as_ref().map_or(0, |due| due.latest.micros()),
                lines: posting(&kept, amount, &[(&refund, amount)]),
                payment_id: seed.id(at),
                creditor_account: holding.payer_account.clone(),
                creditor_name: holding.payer_name.clone(),
            })
        })
        .collect())
}

/// What the deadline or the end of the tender does to an account.
pub fn settle(
    account: &DepositAccount,
    terms: &Terms,
    triggered_at: Instant,
    rules: &Engine,
    seed: &PaymentSeed,
) -> Result<Vec<Event>, Refusal> {
    let Some(deposit) = account
        .deposit
        .as_ref()
        .filter(|_| account.kept() > Fen::ZERO)
    else {
        return Ok(Vec::new());
    };
    let cause = if terms.ended {
        RefundCause::Terminated
    } else if terms.closed.is_none() {
        return Ok(Vec::new());
    } else if terms.lot_failed(&deposit.lot_id) {
        RefundCause::Failed
    } else if !terms.has_live_bid(&deposit.lot_id, &deposit.supplier) {
        RefundCause::NoBid
    } else if account.locked {
        return Ok(Vec::new());
    } else if account.valid {
        return Ok(vec![Event::of(&DepositLocked {
            deposit: deposit.name.clone(),
        })]);
    } else {
        RefundCause::Unmatched
    };
    release(account, terms, cause, triggered_at, rules, seed)
}
