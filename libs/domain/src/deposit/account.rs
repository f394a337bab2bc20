//! One virtual account: the deposit it is for, whose money it holds, what goes back. The fold of
//! its events and nothing else; an event that would make or lose a fen cannot follow.

use prost::Message;
use sunbid_contracts::deposit::v1::{
    CreditReceived, Deposit, DepositLocked, DepositOpened, DepositState, PostingLine, RefundCause,
    RefundConfirmed, RefundDue, RefundRejected, RefundSent,
};
use sunbid_terms::{Fen, Instant};

use super::posting;
use crate::{Aggregate, Event, Unreadable};

/// Money of one paying account that counts towards the deposit.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Holding {
    #[prost(string, tag = "1")]
    pub payer_account: String,
    #[prost(string, tag = "2")]
    pub payer_name: String,
    #[prost(int64, tag = "3")]
    pub kept_fen: i64,
    #[prost(bool, tag = "4")]
    pub from_basic_account: bool,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RefundStanding {
    Due = 0,
    /// The bank was told and has not answered.
    Sent = 1,
    /// The bank paid. Nothing follows.
    Confirmed = 2,
}

/// One payment back to a paying account.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Refund {
    #[prost(string, tag = "1")]
    pub payment_id: String,
    #[prost(int64, tag = "2")]
    pub amount_fen: i64,
    #[prost(string, tag = "3")]
    pub creditor_account: String,
    #[prost(string, tag = "4")]
    pub creditor_name: String,
    #[prost(enumeration = "RefundCause", tag = "5")]
    pub cause: i32,
    #[prost(enumeration = "RefundStanding", tag = "6")]
    pub standing: i32,
    /// Of money that counted towards the deposit.
    #[prost(bool, tag = "7")]
    pub of_deposit: bool,
    #[prost(int64, tag = "8")]
    pub due_time_us: i64,
    /// How often the bank refused it.
    #[prost(uint32, tag = "9")]
    pub rejections: u32,
}

/// The state of one virtual account.
#[derive(Clone, PartialEq, Message)]
pub struct DepositAccount {
    /// As shown to its supplier; none for a number that was never given out.
    #[prost(message, optional, tag = "1")]
    pub deposit: Option<Deposit>,
    #[prost(message, repeated, tag = "2")]
    pub holdings: Vec<Holding>,
    #[prost(message, repeated, tag = "3")]
    pub refunds: Vec<Refund>,
    /// Bank references of all credits so far.
    #[prost(string, repeated, tag = "4")]
    pub references: Vec<String>,
    /// The sums of all postings by ledger account.
    #[prost(message, repeated, tag = "5")]
    pub ledger: Vec<PostingLine>,
    /// The rules take what is kept as the deposit.
    #[prost(bool, tag = "6")]
    pub valid: bool,
    #[prost(bool, tag = "7")]
    pub locked: bool,
    /// When the last credit that counts was booked.
    #[prost(int64, tag = "8")]
    pub kept_time_us: i64,
}

impl DepositAccount {
    /// Received and kept.
    pub fn kept(&self) -> Fen {
        Fen::new(self.holdings.iter().map(|holding| holding.kept_fen).sum())
    }

    /// All that ever came: it is kept, or it goes or went back.
    fn came(&self) -> Option<Fen> {
        let back = self
            .refunds
            .iter()
            .map(|refund| Fen::new(refund.amount_fen));
        back.chain([self.kept()])
            .try_fold(Fen::ZERO, Fen::checked_add)
    }

    pub fn refund(&self, payment_id: &str) -> Option<&Refund> {
        self.refunds
            .iter()
            .find(|refund| refund.payment_id == payment_id)
    }

    /// Every kept credit came from the bidder's basic account; none if nothing is kept.
    pub(super) fn paid_from_basic_account(&self) -> Option<bool> {
        let mut kept = self
            .holdings
            .iter()
            .filter(|holding| holding.kept_fen > 0)
            .peekable();
        kept.peek()?;
        Some(kept.all(|holding| holding.from_basic_account))
    }

    /// Where the deposit stands, from what is kept and what goes back.
    pub(super) fn standing(&self) -> DepositState {
        let open = |refund: &&Refund| refund.standing() != RefundStanding::Confirmed;
        if self.kept() > Fen::ZERO {
            return match (self.locked, self.valid) {
                (true, _) => DepositState::Locked,
                (false, true) => DepositState::Valid,
                (false, false) => DepositState::Unmatched,
            };
        }
        let slowest = self
            .refunds
            .iter()
            .filter(|r| r.of_deposit)
            .map(Refund::standing)
            .min();
        match slowest {
            Some(RefundStanding::Due) => DepositState::ReturnDue,
            Some(RefundStanding::Sent) => DepositState::Returning,
            Some(RefundStanding::Confirmed) => DepositState::Returned,
            None if self.refunds.iter().any(|refund| open(&refund)) => DepositState::Unmatched,
            None => DepositState::Required,
        }
    }

    fn post(&mut self, event: &Event, lines: &[PostingLine]) -> Result<(), Unreadable> {
        if !posting::balances(lines) {
            return Err(impossible(event, "its lines do not sum to zero"));
        }
        for line in lines {
            let before = self.balance(&line.account).get();
            let amount_fen = before
                .checked_add(line.amount_fen)
                .ok_or_else(|| impossible(event, "a ledger account overflows"))?;
            // The bank holds money (debit); all others are owed it (credit). Nobody can spend more.
            let overdrawn = if line.account == posting::BANK {
                amount_fen < 0
            } else {
                amount_fen > 0
            };
            if overdrawn {
                return Err(impossible(event, "a ledger account is overdrawn"));
            }
            self.ledger.retain(|sum| sum.account != line.account);
            self.ledger.push(PostingLine {
                account: line.account.clone(),
                amount_fen,
            });
        }
        Ok(())
    }

    /// The sum over a ledger account of this virtual account.
    pub fn balance(&self, ledger_account: &str) -> Fen {
        let line = self
            .ledger
            .iter()
            .find(|line| line.account == ledger_account);
        Fen::new(line.map_or(0, |line| line.amount_fen))
    }

    fn take_credit(&mut self, event: &Event, credit: CreditReceived) -> Result<(), Unreadable> {
        if self.references.contains(&credit.bank_reference) {
            return Err(impossible(event, "this credit is in the books already"));
        }
        // All that ever came must be countable, so that no later sum of parts of it overflows.
        let before = self
            .came()
            .ok_or_else(|| impossible(event, "its books overflow"))?;
        if before.checked_add(Fen::new(credit.amount_fen)).is_none() {
            return Err(impossible(event, "more came than the books can hold"));
        }
        self.post(event, &credit.lines)?;
        self.references.push(credit.bank_reference);
        let kept = part_of(&credit.lines, &posting::deposit(&credit.deposit));
        if kept < 0 {
            self.kept_time_us = credit.booked_time_us;
            let holding = self.holdings.iter_mut().find(|holding| {
                holding.payer_account == credit.payer_account
                    && holding.payer_name == credit.payer_name
            });
            match holding {
                Some(holding) => holding.kept_fen -= kept,
                None => self.holdings.push(Holding {
                    payer_account: credit.payer_account,
                    payer_name: credit.payer_name,
                    kept_fen: -kept,
                    from_basic_account: credit.from_basic_account,
                }),
            }
        }
        if let Some(after) = credit.after {
            let state = after.state();
            self.valid = matches!(state, DepositState::Valid | DepositState::Locked);
            self.deposit = Some(after);
        }
        Ok(())
    }

    fn owe(&mut self, event: &Event, due: RefundDue) -> Result<(), Unreadable> {
        if self.refund(&due.payment_id).is_some() {
            return Err(impossible(event, "this payment is in the books already"));
        }
        self.post(event, &due.lines)?;
        let of_deposit = part_of(&due.lines, &posting::deposit(&due.deposit));
        if of_deposit > 0 {
            let holding = self
                .holdings
                .iter_mut()
                .find(|h| {
                    h.payer_account == due.creditor_account && h.payer_name == due.creditor_name
                })
                .filter(|holding| holding.kept_fen >= of_deposit)
                .ok_or_else(|| impossible(event, "more goes back than came"))?;
            holding.kept_fen -= of_deposit;
            self.holdings.retain(|holding| holding.kept_fen > 0);
            self.valid = false;
            self.locked = false;
        }
        self.refunds.push(Refund {
            payment_id: due.payment_id,
            amount_fen: due.amount_fen,
            creditor_account: due.creditor_account,
            creditor_name: due.creditor_name,
            cause: due.cause,
            standing: RefundStanding::Due as i32,
            of_deposit: of_deposit > 0,
            due_time_us: due.due_time_us,
            rejections: 0,
        });
        if let Some(deposit) = &mut self.deposit {
            deposit.refund_cause = due.cause;
            deposit.refund_due_time_us = due.due_time_us;
        }
        Ok(())
    }

    fn change(
        &mut self,
        event: &Event,
        payment_id: &str,
        change: impl FnOnce(&mut Refund),
    ) -> Result<i64, Unreadable> {
        let refund = self
            .refunds
            .iter_mut()
            .find(|refund| refund.payment_id == payment_id)
            .ok_or_else(|| impossible(event, "there is no such refund"))?;
        if refund.standing() == RefundStanding::Confirmed {
            return Err(impossible(event, "this refund was paid"));
        }
        change(refund);
        Ok(refund.amount_fen)
    }
}

impl Aggregate for DepositAccount {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        if let Some(opened) = event.read::<DepositOpened>()? {
            self.deposit = opened.deposit;
        } else if let Some(credit) = event.read::<CreditReceived>()? {
            self.take_credit(event, credit)?;
        } else if event.is::<DepositLocked>() {
            self.locked = true;
        } else if let Some(due) = event.read::<RefundDue>()? {
            self.owe(event, due)?;
        } else if let Some(sent) = event.read::<RefundSent>()? {
            self.change(event, &sent.payment_id, |r| {
                r.set_standing(RefundStanding::Sent)
            })?;
        } else if let Some(rejected) = event.read::<RefundRejected>()? {
            self.change(event, &rejected.payment_id, |refund| {
                refund.set_standing(RefundStanding::Due);
                refund.rejections += 1;
            })?;
        } else if let Some(confirmed) = event.read::<RefundConfirmed>()? {
            self.post(event, &confirmed.lines)?;
            let paid = self.change(event, &confirmed.payment_id, |refund| {
                refund.set_standing(RefundStanding::Confirmed);
            })?;
            if part_of(&confirmed.lines, posting::BANK) != -paid {
                return Err(impossible(event, "another amount was due"));
            }
            if let Some(deposit) = &mut self.deposit {
                deposit.refunded_fen += paid;
            }
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        let (state, kept) = (self.standing(), self.kept());
        if let Some(deposit) = &mut self.deposit {
            deposit.received_fen = kept.get();
            deposit.set_state(state);
        }
        Ok(())
    }
}

fn part_of(lines: &[PostingLine], account: &str) -> i64 {
    lines
        .iter()
        .filter(|line| line.account == account)
        .map(|line| line.amount_fen)
        .sum()
}

fn impossible(event: &Event, reason: &str) -> Unreadable {
    Unreadable::Impossible {
        name: event.name.clone(),
        reason: reason.to_owned(),
    }
}
