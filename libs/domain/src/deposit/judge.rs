//! What the rules say of a deposit as it stands.

use sunbid_contracts::common::v1::Verdict;
use sunbid_rules::{
    Engine, Verdicts,
    facts::{DepositFacts, DepositForm},
};
use sunbid_terms::{CreditCode, Fen, Instant};

use super::{DepositAccount, Terms};
use crate::{Refusal, verdicts};

/// The answer to whether a deposit stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub valid: bool,
    pub verdicts: Vec<Verdict>,
}

/// A deposit, as far as the rules ask.
pub(super) struct Standing {
    pub required: Fen,
    pub received: Fen,
    pub received_at: Instant,
    pub payer_is_bidder: bool,
    pub from_basic_account: Option<bool>,
}

pub(super) fn ask(
    rules: &Engine,
    terms: &Terms,
    bidder: &CreditCode,
    standing: &Standing,
    now: Instant,
) -> Result<Verdicts, Refusal> {
    let facts = DepositFacts {
        form: DepositForm::Transfer,
        required: standing.required,
        received: standing.received,
        received_at: standing.received_at,
        deadline: terms.deadline(),
        bidder: bidder.clone(),
        // A bank says a payer's name, not its code: it is the bidder's, or nobody's we know.
        payer: standing.payer_is_bidder.then(|| bidder.clone()),
        from_basic_account: standing.from_basic_account,
        mandatory_tender: terms.mandatory_tender(),
        guarantee_until: None,
        bids_valid_until: terms.bids_valid_until(),
    };
    Ok(rules.check(&terms.scope(now)?, &facts))
}

/// Whether the deposit of `bidder` for a lot stands now; `account` is none if none was opened.
pub fn check(
    rules: &Engine,
    terms: &Terms,
    lot_id: &str,
    bidder: &CreditCode,
    account: Option<&DepositAccount>,
    now: Instant,
) -> Result<Check, Refusal> {
    let due = terms.due(lot_id).ok_or_else(|| Refusal::NotFound {
        what: format!("lot {lot_id}"),
    })?;
    if due == Fen::ZERO {
        return Ok(Check {
            valid: true,
            verdicts: Vec::new(),
        });
    }
    let kept = account.map_or(Fen::ZERO, DepositAccount::kept);
    let standing = Standing {
        required: due,
        received: kept,
        received_at: match account {
            Some(account) if kept > Fen::ZERO => Instant::from_micros(account.kept_time_us),
            _ => now,
        },
        payer_is_bidder: kept > Fen::ZERO,
        from_basic_account: account.and_then(DepositAccount::paid_from_basic_account),
    };
    let found = ask(rules, terms, bidder, &standing, now)?;
    let stands = account.is_some_and(|account| account.valid);
    Ok(Check {
        valid: stands && !terms.ended,
        verdicts: verdicts::messages(&found),
    })
}
