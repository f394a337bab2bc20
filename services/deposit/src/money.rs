//! Money that comes and goes: credits into the books, refunds out of them. Commits only; talking to
//! the bank is `bank`'s. Every step may be repeated after a crash and has its effect once.

use prost::Message;
use sunbid_bankwire::{Credit as BankCredit, PaymentStatus};
use sunbid_contracts::{
    deposit::v1::{BankMessageRefused, CreditReceived},
    registry::v1::GetOrganizationRequest,
};
use sunbid_domain::{
    Refusal,
    deposit::{self, Bidder, Credit, VirtualAccount},
};
use sunbid_proofs::{StreamId, hash::sha256};
use sunbid_service::{Decided, Problem, Step, ledger, names};

use crate::{
    SERVICE,
    deposits::{BANK_SCOPE, Decision, Deposits, payment_seed},
    store,
};

/// What became of a reported credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Booking {
    /// In the books, now or since an earlier report.
    Booked,
    /// Not to be booked: why.
    Refused(String),
}

impl Deposits {
    /// Takes a credit into the books, once.
    pub async fn book(&self, reported: &BankCredit) -> Result<Booking, Problem> {
        let said = CreditReceived {
            virtual_account: reported.payee_account.clone(),
            bank_reference: reported.bank_reference.clone(),
            amount_fen: reported.amount.get(),
            payer_name: reported.payer.name.clone(),
            payer_account: reported.payer.account.clone(),
            booked_time_us: reported.booked_at.micros(),
            ..CreditReceived::default()
        };
        let digest = sha256(&[&said.encode_to_vec()]);
        let db = self.journal.db();
        if let Some(before) = store::credit_digest(db, &said.bank_reference).await? {
            return Ok(if before == digest {
                Booking::Booked
            } else {
                Booking::Refused(format!(
                    "the bank reference {} was used before with another content",
                    said.bank_reference
                ))
            });
        }
        let credit = Credit {
            bank_reference: said.bank_reference.clone(),
            virtual_account: said.virtual_account.clone(),
            amount: reported.amount,
            payer_name: said.payer_name.clone(),
            payer_account: said.payer_account.clone(),
            booked_at: reported.booked_at,
        };
        let known = match VirtualAccount::parse(&said.virtual_account) {
            Some(number) => store::find_account(db, number.as_str()).await?,
            None => None,
        };
        let seed = payment_seed()?;
        let remember = store::put_credit(&said.bank_reference, &digest);
        let cause = said.bank_reference.as_bytes();
        let booked = match known {
            None => {
                let account = said.virtual_account.clone();
                self.change(
                    BANK_SCOPE,
                    &account,
                    "book",
                    cause,
                    &said,
                    move |state, _, now| {
                        let events = deposit::receive_unknown(state, &credit, now, &seed)?;
                        Ok(Decision {
                            writes: vec![remember],
                            ..events.into()
                        })
                    },
                )
                .await
            }
            Some(row) => {
                let bidder = self.bidder(&row.supplier).await?;
                let rules = self.rules.clone();
                let (scope, account) = (row.tender, row.account);
                self.change(
                    &scope,
                    &account,
                    "book",
                    cause,
                    &said,
                    move |state, terms, now| {
                        let received =
                            deposit::receive(state, terms, &bidder, &credit, &rules, now, &seed)?;
                        Ok(Decision {
                            events: received.events,
                            verdicts: received.verdicts,
                            writes: vec![remember],
                        })
                    },
                )
                .await
            }
        };
        match booked {
            Ok(()) => Ok(Booking::Booked),
            Err(Problem::Refused(Refusal::State { en, .. })) => Ok(Booking::Refused(en)),
            Err(problem) => Err(problem),
        }
    }

    async fn bidder(&self, supplier: &str) -> Result<Bidder, Problem> {
        let code = names::check_organization(supplier, "supplier")?;
        let request = GetOrganizationRequest {
            name: supplier.to_owned(),
        };
        let organization = self
            .peers
            .registry()
            .get_organization(request)
            .await?
            .into_inner()
            .organization
            .ok_or_else(|| Problem::internal("the registry answered without an organisation"))?;
        Ok(Bidder {
            code,
            name: organization.display_name,
            basic_account: organization.basic_account,
        })
    }

    /// Notes that the bank was told to pay; `order` is the identifier of that message.
    pub async fn refund_sent(&self, refund: &store::RefundRow, order: &str) -> Result<(), Problem> {
        let payment_id = refund.payment_id.clone();
        let cause = order.as_bytes();
        self.change(
            &refund.scope,
            &refund.account,
            "send",
            cause,
            &(),
            move |account, _, _| {
                Ok(deposit::send(account, &payment_id)
                    .into_iter()
                    .collect::<Vec<_>>()
                    .into())
            },
        )
        .await
    }

    /// Notes what the bank says of a payment; `report` is the identifier of its message. Whether
    /// the payment is one of ours.
    pub async fn refund_reported(
        &self,
        payment_id: &str,
        status: &PaymentStatus,
        report: &str,
    ) -> Result<bool, Problem> {
        let Some(refund) = store::find_refund(self.journal.db(), payment_id).await? else {
            return Ok(false);
        };
        let cause = [report.as_bytes(), b"\0", payment_id.as_bytes()].concat();
        let (number, payment_id) = (refund.account.clone(), payment_id.to_owned());
        let status = status.clone();
        self.change(
            &refund.scope,
            &refund.account,
            "report",
            &cause,
            &(),
            move |account, _, now| {
                let event = match status {
                    PaymentStatus::Settled => deposit::confirm(account, &number, &payment_id),
                    PaymentStatus::Pending => None,
                    PaymentStatus::Rejected { code, text } => {
                        let reason = format!("{code} {text}");
                        deposit::reject(account, &payment_id, reason.trim_end(), now)
                    }
                };
                Ok(event.into_iter().collect::<Vec<_>>().into())
            },
        )
        .await?;
        Ok(true)
    }

    /// Keeps a message of the bank that could not be taken, as it came; the same bytes once.
    pub async fn refuse(&self, message: &[u8], reason: &str) -> Result<(), Problem> {
        let refused = BankMessageRefused {
            message: message.to_vec(),
            reason: reason.to_owned(),
        };
        let cause = sha256(&[message]);
        let step = Step::of_cause(SERVICE, BANK_SCOPE, "refuse", &cause, &());
        ledger::commit_quietly(&self.journal, step, move |_| {
            Ok(Decided::new().event(StreamId::of("refused"), &refused))
        })
        .await?;
        Ok(())
    }
}
