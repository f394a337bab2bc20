//! What the simulated bank knows, and what it decides about an order. Pure: the books are the fold
//! of the messages kept, so a restart knows what was known before.

use std::collections::{BTreeSet, HashMap};

use sunbid_bankwire::{
    Credit, CreditNotification, Message, Outcome, Party, Payment, PaymentOrder, PaymentStatus,
};
use sunbid_terms::{Fen, Instant};

/// Instruction of a payment whose credit is to be notified twice, as banks sometimes do.
pub const NOTIFY_TWICE: &str = "SIMULATOR: NOTIFY TWICE";

/// A payment that was taken; whether the money moved yet.
#[derive(Clone, Debug)]
struct Taken {
    payment: Payment,
    debtor: Party,
    execute_at: Instant,
    settled: bool,
}

/// A notification and whether it was acknowledged.
#[derive(Clone, Debug)]
struct Notified {
    notification: CreditNotification,
    acknowledged: bool,
}

/// The books of the bank.
#[derive(Debug)]
pub(crate) struct Books {
    trust: Party,
    closed: BTreeSet<String>,
    // By end-to-end identifier.
    taken: HashMap<String, Taken>,
    // In the order of booking; one that is told twice stands here twice.
    notified: Vec<Notified>,
    bookings: usize,
    balance: Fen,
    paid_out: usize,
}

impl Books {
    pub fn new(trust: Party, closed: impl IntoIterator<Item = String>) -> Self {
        Self {
            trust,
            closed: closed.into_iter().collect(),
            taken: HashMap::new(),
            notified: Vec::new(),
            bookings: 0,
            balance: Fen::ZERO,
            paid_out: 0,
        }
    }

    pub fn set_closed(&mut self, account: &str, closed: bool) {
        if closed {
            self.closed.insert(account.to_owned());
        } else {
            self.closed.remove(account);
        }
    }

    pub fn balance(&self) -> (Fen, usize) {
        (self.balance, self.paid_out)
    }

    pub fn is_trust_account(&self, account: &str) -> bool {
        account == self.trust.account
    }

    /// Changes the books by a message that is kept.
    pub fn keep(&mut self, message: &Message) {
        match message {
            Message::PaymentOrder(order) => order.payments.iter().for_each(|p| self.take(order, p)),
            Message::CreditNotification(notification) => self.book(notification),
            Message::ReceiptAcknowledgement(receipt) => {
                for notified in &mut self.notified {
                    if notified.notification.id == receipt.message_id {
                        notified.acknowledged = true;
                    }
                }
            }
            Message::ReportingRequest(_) | Message::StatusReport(_) => {}
        }
    }

    fn take(&mut self, order: &PaymentOrder, payment: &Payment) {
        let from_trust = self.is_trust_account(&order.debtor.account);
        if from_trust {
            self.balance = self
                .balance
                .checked_sub(payment.amount)
                .unwrap_or(self.balance);
            self.paid_out += 1;
        }
        let taken = Taken {
            payment: payment.clone(),
            debtor: order.debtor.clone(),
            execute_at: order.execute_at,
            settled: from_trust,
        };
        self.taken.insert(payment.end_to_end_id.clone(), taken);
    }

    fn book(&mut self, notification: &CreditNotification) {
        let mut times = 1;
        for credit in &notification.credits {
            self.bookings += 1;
            self.balance = self
                .balance
                .checked_add(credit.amount)
                .unwrap_or(self.balance);
            if let Some(taken) = self.taken.get_mut(&credit.end_to_end_id) {
                taken.settled = true;
                if taken.payment.instruction == NOTIFY_TWICE {
                    times = 2;
                }
            }
        }
        for _ in 0..times {
            let notification = notification.clone();
            self.notified.push(Notified {
                notification,
                acknowledged: false,
            });
        }
    }

    /// What becomes of every payment of an order, and the part of the order that is to be kept.
    pub fn judge(&self, order: &PaymentOrder) -> (Vec<Outcome>, Option<PaymentOrder>) {
        let mut kept = Vec::new();
        let mut left = self.balance;
        let mut outcomes = Vec::new();
        for payment in &order.payments {
            let status = match self.taken.get(&payment.end_to_end_id) {
                Some(taken) => repeated(taken, order, payment),
                None => {
                    let fresh = self.judge_fresh(order, payment, left);
                    if !matches!(fresh, PaymentStatus::Rejected { .. }) {
                        if self.is_trust_account(&order.debtor.account) {
                            left = left.checked_sub(payment.amount).unwrap_or(left);
                        }
                        kept.push(payment.clone());
                    }
                    fresh
                }
            };
            outcomes.push(Outcome {
                end_to_end_id: payment.end_to_end_id.clone(),
                status,
            });
        }
        let kept = (!kept.is_empty()).then(|| PaymentOrder {
            payments: kept,
            ..order.clone()
        });
        (outcomes, kept)
    }

    fn judge_fresh(&self, order: &PaymentOrder, payment: &Payment, left: Fen) -> PaymentStatus {
        if self.closed.contains(&payment.creditor.account) {
            return rejected("AC04", "收款账户已销户 the creditor's account is closed");
        }
        if self.is_trust_account(&order.debtor.account) {
            if payment.amount > left {
                return rejected("AM04", "余额不足 the balance does not suffice");
            }
            return PaymentStatus::Settled;
        }
        if !is_virtual_account(&payment.creditor.account) {
            return rejected(
                "AC01",
                "收款账号有误 the creditor's account number is wrong",
            );
        }
        // Settled when it is booked, which is at once unless a later time was asked for.
        PaymentStatus::Pending
    }

    /// Notifications of the payments whose time has come, to be kept and sent.
    pub fn due(&self, now: Instant) -> Vec<CreditNotification> {
        let mut due: Vec<&Taken> = self
            .taken
            .values()
            .filter(|taken| !taken.settled && taken.execute_at <= now)
            .collect();
        due.sort_by(|a, b| {
            (a.execute_at, &a.payment.end_to_end_id).cmp(&(b.execute_at, &b.payment.end_to_end_id))
        });
        due.into_iter()
            .enumerate()
            .map(|(at, taken)| {
                let number = self.bookings + at + 1;
                CreditNotification {
                    id: format!("CN{number:012}"),
                    created_at: now,
                    account: self.trust.account.clone(),
                    credits: vec![Credit {
                        bank_reference: format!("BK{number:012}"),
                        amount: taken.payment.amount,
                        booked_at: now,
                        payer: taken.debtor.clone(),
                        payee_account: taken.payment.creditor.account.clone(),
                        end_to_end_id: taken.payment.end_to_end_id.clone(),
                        remittance: taken.payment.remittance.clone(),
                    }],
                }
            })
            .collect()
    }

    /// Whether a payment's money moved.
    pub fn is_settled(&self, end_to_end_id: &str) -> bool {
        self.taken
            .get(end_to_end_id)
            .is_some_and(|taken| taken.settled)
    }

    /// The first notification from place `from` on that was not acknowledged, and the place behind.
    pub fn waiting(&self, from: usize) -> Option<(CreditNotification, usize)> {
        let (at, notified) = self
            .notified
            .iter()
            .enumerate()
            .skip(from)
            .find(|(_, n)| !n.acknowledged)?;
        Some((notified.notification.clone(), at + 1))
    }
}

/// The answer to an identifier that was taken before: paid once, whatever is sent again.
fn repeated(taken: &Taken, order: &PaymentOrder, payment: &Payment) -> PaymentStatus {
    if taken.payment != *payment || taken.debtor != order.debtor {
        return rejected(
            "AM05",
            "支付编号重复 this identifier was used for another payment",
        );
    }
    if taken.settled {
        PaymentStatus::Settled
    } else {
        PaymentStatus::Pending
    }
}

fn rejected(code: &str, text: &str) -> PaymentStatus {
    PaymentStatus::Rejected {
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

/// Whether a number is one of the virtual accounts under a trust account: 20 digits whose Luhn
/// check (ISO/IEC 7812-1) holds. Which of them were given out only the platform knows.
pub fn is_virtual_account(number: &str) -> bool {
    if number.len() != 20 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match at % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
