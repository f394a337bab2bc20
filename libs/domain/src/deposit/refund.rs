//! Payments back: each has a random identifier that the bank pays once, is ordered until the bank
//! confirms it, and leaves the books only then.

use sunbid_contracts::deposit::v1::{
    RefundCause, RefundConfirmed, RefundDue, RefundRejected, RefundSent,
};
use sunbid_proofs::hash::sha256;
use sunbid_terms::{Fen, Instant};

use super::{
    BANK, Credit, DepositAccount, Refund, RefundStanding,
    posting::{self, posting},
};
use crate::Event;

/// First and longest pause before a refused payment is ordered again, seconds. An account that was
/// closed is mended by people, in hours or days.
const FIRST_PAUSE: i64 = 60;
const LONGEST_PAUSE: i64 = 6 * 3600;

/// Fresh randomness from which a decision draws the identifiers of its payments.
#[derive(Clone, Debug)]
pub struct PaymentSeed([u8; 32]);

impl PaymentSeed {
    pub const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The identifier of the payment at place `at`: 34 characters, as ISO 20022 takes at most 35.
    pub(super) fn id(&self, at: u32) -> String {
        let hash = sha256(&[&self.0, &at.to_be_bytes()]);
        let digits = hash.iter().take(16).map(|byte| format!("{byte:02X}"));
        std::iter::once("RF".to_owned()).chain(digits).collect()
    }
}

/// Money that goes back from suspense.
pub(super) struct Owed<'a> {
    pub cause: RefundCause,
    pub due: Option<Instant>,
    pub credit: &'a Credit,
    pub amount: Fen,
}

pub(super) fn due_from_suspense(deposit: &str, owed: &Owed<'_>, seed: &PaymentSeed) -> Event {
    let account = &owed.credit.virtual_account;
    let refund = posting::refund(account);
    Event::of(&RefundDue {
        deposit: deposit.to_owned(),
        cause: owed.cause as i32,
        amount_fen: owed.amount.get(),
        due_time_us: owed.due.map_or(0, Instant::micros),
        lines: posting(
            &posting::suspense(account),
            owed.amount,
            &[(&refund, owed.amount)],
        ),
        payment_id: seed.id(0),
        creditor_account: owed.credit.payer_account.clone(),
        creditor_name: owed.credit.payer_name.clone(),
    })
}

/// The bank was told; nothing new if it was told before or has answered.
pub fn send(account: &DepositAccount, payment_id: &str) -> Option<Event> {
    let refund = open(account, payment_id)?;
    (refund.standing() == RefundStanding::Due).then(|| {
        Event::of(&RefundSent {
            payment_id: refund.payment_id.clone(),
            deposit: name(account),
        })
    })
}

/// The bank paid; nothing new if it said so before.
pub fn confirm(account: &DepositAccount, virtual_account: &str, payment_id: &str) -> Option<Event> {
    let refund = open(account, payment_id)?;
    let amount = Fen::new(refund.amount_fen);
    Some(Event::of(&RefundConfirmed {
        payment_id: refund.payment_id.clone(),
        deposit: name(account),
        lines: posting(&posting::refund(virtual_account), amount, &[(BANK, amount)]),
    }))
}

/// The bank refused; the same payment is ordered again later. Nothing new if it is to be ordered
/// again anyway, or was paid.
pub fn reject(
    account: &DepositAccount,
    payment_id: &str,
    reason: &str,
    now: Instant,
) -> Option<Event> {
    let refund = open(account, payment_id)?;
    (refund.standing() == RefundStanding::Sent).then(|| {
        Event::of(&RefundRejected {
            payment_id: refund.payment_id.clone(),
            deposit: name(account),
            reason: reason.to_owned(),
            retry_time_us: next_try(refund.rejections, now).micros(),
        })
    })
}

/// When a payment that was refused `rejections` times before is ordered again.
pub fn next_try(rejections: u32, now: Instant) -> Instant {
    let pause = FIRST_PAUSE
        .checked_shl(rejections.min(20))
        .unwrap_or(LONGEST_PAUSE);
    now.plus_seconds(pause.min(LONGEST_PAUSE))
}

fn open<'a>(account: &'a DepositAccount, payment_id: &str) -> Option<&'a Refund> {
    account
        .refund(payment_id)
        .filter(|r| r.standing() != RefundStanding::Confirmed)
}

fn name(account: &DepositAccount) -> String {
    account
        .deposit
        .as_ref()
        .map(|deposit| deposit.name.clone())
        .unwrap_or_default()
}
