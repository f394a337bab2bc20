//! What becomes of a credit: kept towards the deposit, or held in suspense and sent back.

use sunbid_contracts::{
    common::v1::Verdict,
    deposit::v1::{CreditReceived, Deposit, DepositLocked, DepositState, RefundCause},
};
use sunbid_rules::Engine;
use sunbid_terms::{CreditCode, Fen, Instant};

use super::{
    BANK, DepositAccount, PaymentSeed, Terms,
    judge::{self, Standing},
    notes::Note,
    posting::{self, posting},
    refund::{Owed, due_from_suspense},
};
use crate::{Aggregate, Event, Refusal, verdicts};

/// The largest credit that is booked, fen: a trillion yuan. None is so large; a message that says
/// so is wrong, and sums over all accounts stay within what the books can hold.
const LARGEST: Fen = Fen::new(100_000_000_000_000);

/// A credit as the bank reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub bank_reference: String,
    pub virtual_account: String,
    pub amount: Fen,
    pub payer_name: String,
    pub payer_account: String,
    pub booked_at: Instant,
}

/// Whose deposit it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bidder {
    pub code: CreditCode,
    /// As registered.
    pub name: String,
    pub basic_account: String,
}

/// What follows from a credit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Empty for a credit that is in the books already.
    pub events: Vec<Event>,
    pub verdicts: Vec<Verdict>,
}

/// Why a credit goes back whole, if it does.
fn turned_away(
    account: &Deposit,
    terms: &Terms,
    credit: &Credit,
    payer_is_bidder: bool,
) -> Option<(RefundCause, Note)> {
    if terms.ended {
        Some((RefundCause::Terminated, Note::terminated()))
    } else if !payer_is_bidder {
        Some((RefundCause::Unmatched, Note::wrong_payer()))
    } else if credit.booked_at >= terms.deadline() {
        Some((RefundCause::Unmatched, Note::late()))
    } else if terms.lot_failed(&account.lot_id) {
        Some((RefundCause::Failed, Note::lot_failed()))
    } else if terms.closed.is_some() && !terms.has_live_bid(&account.lot_id, &account.supplier) {
        Some((RefundCause::NoBid, Note::no_bid()))
    } else {
        None
    }
}

/// Decides what becomes of a credit to an account that was given out.
pub fn receive(
    account: &DepositAccount,
    terms: &Terms,
    bidder: &Bidder,
    credit: &Credit,
    rules: &Engine,
    now: Instant,
    seed: &PaymentSeed,
) -> Result<Received, Refusal> {
    if account.references.contains(&credit.bank_reference) {
        return Ok(Received::default());
    }
    check_size(credit)?;
    let deposit = account.deposit.clone().ok_or(Refusal::Forbidden)?;
    let due = Fen::new(deposit.due_fen);
    let kept = account.kept();
    let payer_is_bidder = same_name(&credit.payer_name, &bidder.name);
    let from_basic_account =
        !bidder.basic_account.is_empty() && credit.payer_account == bidder.basic_account;
    let mut turned = turned_away(&deposit, terms, credit, payer_is_bidder);
    let missing = due.checked_sub(kept).unwrap_or(Fen::ZERO).max(Fen::ZERO);
    let mut taken = match turned {
        Some(_) => Fen::ZERO,
        None => missing.min(credit.amount),
    };
    // What is kept after it, or what would have been: the rules are asked of every credit.
    let would_be = kept
        .checked_add(missing.min(credit.amount))
        .ok_or_else(too_large)?;
    let standing = Standing {
        required: due,
        received: would_be,
        received_at: credit.booked_at,
        payer_is_bidder,
        from_basic_account: Some(
            from_basic_account && account.paid_from_basic_account().unwrap_or(true),
        ),
    };
    let found = judge::ask(rules, terms, &bidder.code, &standing, now)?;
    let complete = taken > Fen::ZERO && would_be == due;
    // After closing nothing can be added any more: money that still leaves a gap goes back.
    if turned.is_none() && terms.closed.is_some() && !complete {
        taken = Fen::ZERO;
        turned = Some((RefundCause::Unmatched, Note::late()));
    }
    let suspended = credit.amount.checked_sub(taken).ok_or_else(too_large)?;
    let valid = if complete {
        found.is_allowed()
    } else {
        account.valid
    };
    let kept = kept.checked_add(taken).ok_or_else(too_large)?;
    let note = match &turned {
        Some((_, note)) => note.clone(),
        None if kept < due => Note::missing(kept, due.checked_sub(kept).unwrap_or(Fen::ZERO)),
        None if complete && !valid => refused(&found),
        None if suspended > Fen::ZERO => Note::excess(suspended),
        None => breached(&found),
    };

    let lines = posting(
        BANK,
        credit.amount,
        &[
            (&posting::deposit(&deposit.name), taken),
            (&posting::suspense(&credit.virtual_account), suspended),
        ],
    );
    let after = Deposit {
        received_fen: kept.get(),
        state: state_after(account, kept, valid) as i32,
        note_zh: note.zh,
        note_en: note.en,
        ..deposit.clone()
    };
    let mut events = vec![Event::of(&CreditReceived {
        deposit: deposit.name.clone(),
        lines,
        after: Some(after),
        from_basic_account,
        ..reported(credit)
    })];
    if complete && valid && terms.closed.is_some() {
        events.push(Event::of(&DepositLocked {
            deposit: deposit.name.clone(),
        }));
    }
    if suspended > Fen::ZERO {
        let cause = turned.map_or(RefundCause::Unmatched, |(cause, _)| cause);
        let owed = Owed {
            cause,
            due: None,
            credit,
            amount: suspended,
        };
        events.push(due_from_suspense(&deposit.name, &owed, seed));
    }
    fold(account, &events, now)?;
    Ok(Received {
        events,
        verdicts: verdicts::messages(&found),
    })
}

/// Decides what becomes of a credit to a number that was never given out: it goes back.
pub fn receive_unknown(
    account: &DepositAccount,
    credit: &Credit,
    now: Instant,
    seed: &PaymentSeed,
) -> Result<Vec<Event>, Refusal> {
    if account.references.contains(&credit.bank_reference) {
        return Ok(Vec::new());
    }
    check_size(credit)?;
    let suspense = posting::suspense(&credit.virtual_account);
    let lines = posting(BANK, credit.amount, &[(&suspense, credit.amount)]);
    let owed = Owed {
        cause: RefundCause::Unmatched,
        due: None,
        credit,
        amount: credit.amount,
    };
    let events = vec![
        Event::of(&CreditReceived {
            lines,
            ..reported(credit)
        }),
        due_from_suspense("", &owed, seed),
    ];
    fold(account, &events, now)?;
    Ok(events)
}

fn check_size(credit: &Credit) -> Result<(), Refusal> {
    if credit.amount > Fen::ZERO && credit.amount <= LARGEST {
        Ok(())
    } else {
        Err(too_large())
    }
}

/// Refuses events that the account could not take, before anything is committed.
fn fold(account: &DepositAccount, events: &[Event], now: Instant) -> Result<(), Refusal> {
    let mut after = account.clone();
    events
        .iter()
        .try_for_each(|event| after.evolve(event, now))
        .map_err(|_| too_large())
}

fn reported(credit: &Credit) -> CreditReceived {
    CreditReceived {
        virtual_account: credit.virtual_account.clone(),
        bank_reference: credit.bank_reference.clone(),
        amount_fen: credit.amount.get(),
        payer_name: credit.payer_name.clone(),
        payer_account: credit.payer_account.clone(),
        booked_time_us: credit.booked_at.micros(),
        ..CreditReceived::default()
    }
}

fn state_after(account: &DepositAccount, kept: Fen, valid: bool) -> DepositState {
    if kept == Fen::ZERO {
        account.standing()
    } else if account.locked {
        DepositState::Locked
    } else if valid {
        DepositState::Valid
    } else {
        DepositState::Unmatched
    }
}

/// Names as banks and registers write them differ in blanks and in the width of brackets.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '（' => '(',
                '）' => ')',
                other => other,
            })
            .collect()
    };
    !one.trim().is_empty() && plain(one) == plain(other)
}

fn refused(found: &sunbid_rules::Verdicts) -> Note {
    join(found.refused().into_iter())
}

fn breached(found: &sunbid_rules::Verdicts) -> Note {
    join(found.breached())
}

fn join<'a>(findings: impl Iterator<Item = &'a sunbid_rules::Finding>) -> Note {
    let (zh, en): (Vec<&str>, Vec<&str>) = findings
        .map(|f| (f.message_zh.as_str(), f.message_en.as_str()))
        .unzip();
    Note::new(zh.join(""), en.join(" "))
}

fn too_large() -> Refusal {
    Refusal::state(
        "AMOUNT_TOO_LARGE",
        "金额超出系统可记账的范围。",
        "The amount is larger than the books can hold.",
    )
}
