//! admi.007.001.01, ReceiptAcknowledgement: a message was received and is kept.

use serde::{Deserialize, Serialize};
use sunbid_terms::Instant;

use crate::{MessageFault, field, xml};

pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:admi.007.001.01";

/// Says that a message need not be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptAcknowledgement {
    pub id: String,
    pub created_at: Instant,
    /// Message identifier of what was received.
    pub message_id: String,
    /// Why it could not be read; empty if it was. Either way it is kept.
    pub fault: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Document", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "RctAck")]
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "MsgId")]
    header: Header,
    #[serde(rename = "Rpt")]
    report: Report,
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
struct Report {
    #[serde(rename = "RltdRef")]
    related: Related,
    #[serde(rename = "ReqHdlg")]
    handling: Handling,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Related {
    #[serde(rename = "Ref")]
    reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handling {
    #[serde(rename = "StsCd")]
    status: String,
    #[serde(rename = "Desc", skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl ReceiptAcknowledgement {
    pub(crate) fn read(text: &str) -> Result<Self, MessageFault> {
        let Document {
            body: Body { header, report },
            ..
        } = xml::read(text)?;
        let Handling {
            status,
            description,
        } = report.handling;
        let fault = match (status.as_str(), description) {
            ("ACPT", None) => String::new(),
            ("RJCT", Some(description)) => field::read_name("ReqHdlg/Desc", description)?,
            _ => {
                let wanted = "ACPT, or RJCT with a description, is wanted";
                return Err(MessageFault::value("ReqHdlg/StsCd", &status, wanted));
            }
        };
        Ok(Self {
            id: field::read_id("MsgId/MsgId", header.id)?,
            created_at: field::read_time("MsgId/CreDtTm", &header.created)?,
            message_id: field::read_id("RltdRef/Ref", report.related.reference)?,
            fault,
        })
    }

    pub fn to_xml(&self) -> String {
        let read = self.fault.is_empty();
        xml::write(&Document {
            namespace: NAMESPACE.to_owned(),
            body: Body {
                header: Header {
                    id: self.id.clone(),
                    created: field::write_time(self.created_at),
                },
                report: Report {
                    related: Related {
                        reference: self.message_id.clone(),
                    },
                    handling: Handling {
                        status: if read { "ACPT" } else { "RJCT" }.to_owned(),
                        description: (!read).then(|| self.fault.clone()),
                    },
                },
            },
        })
    }
}
