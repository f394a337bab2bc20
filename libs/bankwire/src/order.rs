//! pain.001.001.09, CustomerCreditTransferInitiation: pay this from that account.

use serde::{Deserialize, Serialize};
use sunbid_terms::{Fen, Instant};

use crate::{
    MessageFault,
    fault::clip,
    field,
    xml::{self, Account, Amount, DateTime, Named, Other, Party, Remittance},
};

pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// An order to pay from one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentOrder {
    pub id: String,
    pub created_at: Instant,
    /// Who orders.
    pub initiator: String,
    pub debtor: Party,
    /// Not to be paid before this.
    pub execute_at: Instant,
    /// At least one; no end-to-end identifier twice.
    pub payments: Vec<Payment>,
}

/// One payment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Identifies the payment for ever: a bank pays it once.
    pub end_to_end_id: String,
    pub amount: Fen,
    pub creditor: Party,
    /// Word to the debtor's bank (`InstrForDbtrAgt`); mostly empty.
    pub instruction: String,
    /// Word to the creditor; may be empty.
    pub remittance: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Document", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "CstmrCdtTrfInitn")]
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "GrpHdr")]
    header: Header,
    #[serde(rename = "PmtInf")]
    order: Order,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "MsgId")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
    #[serde(rename = "NbOfTxs")]
    count: String,
    #[serde(rename = "CtrlSum")]
    sum: String,
    #[serde(rename = "InitgPty")]
    initiator: Named,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "PmtInfId")]
    id: String,
    #[serde(rename = "PmtMtd")]
    method: String,
    #[serde(rename = "ReqdExctnDt")]
    execute: DateTime,
    #[serde(rename = "Dbtr")]
    debtor: Named,
    #[serde(rename = "DbtrAcct")]
    debtor_account: Account,
    #[serde(rename = "DbtrAgt")]
    debtor_bank: Agent,
    #[serde(rename = "CdtTrfTxInf")]
    payments: Vec<Transfer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    #[serde(rename = "FinInstnId")]
    institution: Institution,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Institution {
    #[serde(rename = "Othr")]
    other: Other,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    #[serde(rename = "PmtId")]
    id: PaymentId,
    #[serde(rename = "Amt")]
    amount: InstructedAmount,
    #[serde(rename = "Cdtr")]
    creditor: Named,
    #[serde(rename = "CdtrAcct")]
    creditor_account: Account,
    #[serde(rename = "InstrForDbtrAgt", skip_serializing_if = "Option::is_none")]
    instruction: Option<String>,
    #[serde(rename = "RmtInf", skip_serializing_if = "Option::is_none")]
    remittance: Option<Remittance>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentId {
    #[serde(rename = "EndToEndId")]
    end_to_end_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstructedAmount {
    #[serde(rename = "InstdAmt")]
    amount: Amount,
}

impl PaymentOrder {
    pub(crate) fn read(text: &str) -> Result<Self, MessageFault> {
        let Document {
            body: Body { header, order },
            ..
        } = xml::read(text)?;
        field::read_id("PmtInfId", order.id)?;
        if order.method != "TRF" {
            return Err(MessageFault::value(
                "PmtMtd",
                &order.method,
                "only TRF is taken",
            ));
        }
        let payments: Vec<Payment> = order
            .payments
            .into_iter()
            .map(Transfer::read)
            .collect::<Result<_, _>>()?;
        field::check_distinct(
            "EndToEndId",
            payments.iter().map(|p| p.end_to_end_id.as_str()),
        )?;
        if header.count != payments.len().to_string() {
            let said = clip(&header.count);
            return Err(MessageFault::Count {
                said,
                found: payments.len(),
            });
        }
        if Some(field::read_amount(&header.sum)?) != sum(&payments) {
            return Err(MessageFault::Sum {
                said: clip(&header.sum),
            });
        }
        Ok(Self {
            id: field::read_id("GrpHdr/MsgId", header.id)?,
            created_at: field::read_time("GrpHdr/CreDtTm", &header.created)?,
            initiator: field::read_name("InitgPty/Nm", header.initiator.name)?,
            debtor: Party {
                name: field::read_name("Dbtr/Nm", order.debtor.name)?,
                account: order.debtor_account.read("DbtrAcct")?,
            },
            execute_at: field::read_time("ReqdExctnDt", &order.execute.at)?,
            payments,
        })
    }

    pub fn to_xml(&self) -> String {
        xml::write(&Document {
            namespace: NAMESPACE.to_owned(),
            body: Body {
                header: Header {
                    id: self.id.clone(),
                    created: field::write_time(self.created_at),
                    count: self.payments.len().to_string(),
                    sum: sum(&self.payments)
                        .map(field::write_amount)
                        .unwrap_or_default(),
                    initiator: Named {
                        name: self.initiator.clone(),
                    },
                },
                order: Order {
                    id: self.id.clone(),
                    method: "TRF".to_owned(),
                    execute: DateTime::of(self.execute_at),
                    debtor: Named {
                        name: self.debtor.name.clone(),
                    },
                    debtor_account: Account::of(&self.debtor.account),
                    // The bank that is spoken to; ISO 20022's word where no code is needed.
                    debtor_bank: Agent {
                        institution: Institution {
                            other: Other {
                                id: "NOTPROVIDED".to_owned(),
                            },
                        },
                    },
                    payments: self.payments.iter().map(Transfer::of).collect(),
                },
            },
        })
    }
}

fn sum(payments: &[Payment]) -> Option<Fen> {
    payments
        .iter()
        .try_fold(Fen::ZERO, |sum, payment| sum.checked_add(payment.amount))
}

impl Transfer {
    fn read(self) -> Result<Payment, MessageFault> {
        Ok(Payment {
            end_to_end_id: field::read_id("EndToEndId", self.id.end_to_end_id)?,
            amount: self.amount.amount.read()?,
            creditor: Party {
                name: field::read_name("Cdtr/Nm", self.creditor.name)?,
                account: self.creditor_account.read("CdtrAcct")?,
            },
            instruction: field::read_text("InstrForDbtrAgt", self.instruction.unwrap_or_default())?,
            remittance: Remittance::read(self.remittance)?,
        })
    }

    fn of(payment: &Payment) -> Self {
        Self {
            id: PaymentId {
                end_to_end_id: payment.end_to_end_id.clone(),
            },
            amount: InstructedAmount {
                amount: Amount::of(payment.amount),
            },
            creditor: Named {
                name: payment.creditor.name.clone(),
            },
            creditor_account: Account::of(&payment.creditor.account),
            instruction: (!payment.instruction.is_empty()).then(|| payment.instruction.clone()),
            remittance: Remittance::of(&payment.remittance),
        }
    }
}
