//! pain.002.001.10, CustomerPaymentStatusReport: what became of an order's payments.

use serde::{Deserialize, Serialize};
use sunbid_terms::Instant;

use crate::{
    MessageFault, field,
    xml::{self, Code},
};

pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10";

/// The bank's answer to a payment order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    pub id: String,
    pub created_at: Instant,
    /// Message identifier of the order.
    pub order_id: String,
    /// At least one; no end-to-end identifier twice.
    pub outcomes: Vec<Outcome>,
}

/// What became of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub end_to_end_id: String,
    pub status: PaymentStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// ACSC: the money left the debtor's account.
    Settled,
    /// PDNG: taken, and to be settled later.
    Pending,
    /// RJCT: nothing was paid.
    Rejected {
        /// ISO 20022 external status reason, such as AC04 (the account is closed).
        code: String,
        /// In words; may be empty.
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Document", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "CstmrPmtStsRpt")]
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "GrpHdr")]
    header: Header,
    #[serde(rename = "OrgnlGrpInfAndSts")]
    group: Group,
    #[serde(rename = "OrgnlPmtInfAndSts")]
    order: Order,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "MsgId")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "OrgnlMsgId")]
    order_id: String,
    #[serde(rename = "OrgnlMsgNmId")]
    order_kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "OrgnlPmtInfId")]
    id: String,
    #[serde(rename = "TxInfAndSts")]
    transactions: Vec<Transaction>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transaction {
    #[serde(rename = "OrgnlEndToEndId")]
    end_to_end_id: String,
    #[serde(rename = "TxSts")]
    status: String,
    #[serde(rename = "StsRsnInf", skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(rename = "Rsn")]
    reason: Code,
    #[serde(rename = "AddtlInf", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl StatusReport {
    pub(crate) fn read(text: &str) -> Result<Self, MessageFault> {
        let Document {
            body:
                Body {
                    header,
                    group,
                    order,
                },
            ..
        } = xml::read(text)?;
        if group.order_kind != "pain.001.001.09" {
            let wanted = "only reports on pain.001.001.09 are taken";
            return Err(MessageFault::value(
                "OrgnlMsgNmId",
                &group.order_kind,
                wanted,
            ));
        }
        field::read_id("OrgnlPmtInfId", order.id)?;
        let outcomes: Vec<Outcome> = order
            .transactions
            .into_iter()
            .map(Transaction::read)
            .collect::<Result<_, _>>()?;
        let ids = outcomes
            .iter()
            .map(|outcome| outcome.end_to_end_id.as_str());
        field::check_distinct("OrgnlEndToEndId", ids)?;
        Ok(Self {
            id: field::read_id("GrpHdr/MsgId", header.id)?,
            created_at: field::read_time("GrpHdr/CreDtTm", &header.created)?,
            order_id: field::read_id("OrgnlMsgId", group.order_id)?,
            outcomes,
        })
    }

    pub fn to_xml(&self) -> String {
        xml::write(&Document {
            namespace: NAMESPACE.to_owned(),
            body: Body {
                header: Header {
                    id: self.id.clone(),
                    created: field::write_time(self.created_at),
                },
                group: Group {
                    order_id: self.order_id.clone(),
                    order_kind: "pain.001.001.09".to_owned(),
                },
                order: Order {
                    id: self.order_id.clone(),
                    transactions: self.outcomes.iter().map(Transaction::of).collect(),
                },
            },
        })
    }
}

impl Transaction {
    fn read(self) -> Result<Outcome, MessageFault> {
        let status = match (self.status.as_str(), self.reason) {
            ("ACSC", None) => PaymentStatus::Settled,
            ("PDNG", None) => PaymentStatus::Pending,
            ("ACSC" | "PDNG", Some(reason)) => {
                let wanted = "only a rejected payment has a reason";
                return Err(MessageFault::value(
                    "StsRsnInf",
                    &reason.reason.code,
                    wanted,
                ));
            }
            ("RJCT", Some(reason)) => PaymentStatus::Rejected {
                code: read_reason(reason.reason.code)?,
                text: field::read_text("AddtlInf", reason.text.unwrap_or_default())?,
            },
            ("RJCT", None) => {
                return Err(MessageFault::value(
                    "StsRsnInf",
                    "",
                    "a rejection names its reason",
                ));
            }
            (other, _) => {
                return Err(MessageFault::value(
                    "TxSts",
                    other,
                    "only ACSC, PDNG and RJCT are taken",
                ));
            }
        };
        Ok(Outcome {
            end_to_end_id: field::read_id("OrgnlEndToEndId", self.end_to_end_id)?,
            status,
        })
    }

    fn of(outcome: &Outcome) -> Self {
        let (status, reason) = match &outcome.status {
            PaymentStatus::Settled => ("ACSC", None),
            PaymentStatus::Pending => ("PDNG", None),
            PaymentStatus::Rejected { code, text } => (
                "RJCT",
                Some(Reason {
                    reason: Code { code: code.clone() },
                    text: (!text.is_empty()).then(|| text.clone()),
                }),
            ),
        };
        Self {
            end_to_end_id: outcome.end_to_end_id.clone(),
            status: status.to_owned(),
            reason,
        }
    }
}

/// ExternalStatusReason1Code: 1 to 4 letters and digits.
fn read_reason(code: String) -> Result<String, MessageFault> {
    let good =
        (1..=4).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        return Ok(code);
    }
    Err(MessageFault::value(
        "Rsn/Cd",
        &code,
        "a code of 1 to 4 letters and digits is wanted",
    ))
}
