//! camt.060.001.05, AccountReportingRequest: who wants to hear of which account.

use serde::{Deserialize, Serialize};
use sunbid_terms::Instant;

use crate::{
    MessageFault, field,
    xml::{self, Account, Named, PartyChoice},
};

pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.060.001.05";

/// The kind of report asked for.
const ASKED: &str = "camt.054.001.08";

/// A wish to be told of every credit to an account, those not yet acknowledged first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportingRequest {
    pub id: String,
    pub created_at: Instant,
    pub account: String,
    pub owner: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Document", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "AcctRptgReq")]
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "GrpHdr")]
    header: Header,
    #[serde(rename = "RptgReq")]
    request: Request,
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
struct Request {
    #[serde(rename = "ReqdMsgNmId")]
    asked: String,
    #[serde(rename = "Acct")]
    account: Account,
    #[serde(rename = "AcctOwnr")]
    owner: PartyChoice,
}

impl ReportingRequest {
    pub(crate) fn read(text: &str) -> Result<Self, MessageFault> {
        let Document {
            body: Body { header, request },
            ..
        } = xml::read(text)?;
        if request.asked != ASKED {
            let wanted = "only camt.054.001.08 is reported";
            return Err(MessageFault::value("ReqdMsgNmId", &request.asked, wanted));
        }
        Ok(Self {
            id: field::read_id("GrpHdr/MsgId", header.id)?,
            created_at: field::read_time("GrpHdr/CreDtTm", &header.created)?,
            account: request.account.read("Acct")?,
            owner: field::read_name("AcctOwnr/Pty/Nm", request.owner.party.name)?,
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
                request: Request {
                    asked: ASKED.to_owned(),
                    account: Account::of(&self.account),
                    owner: PartyChoice {
                        party: Named {
                            name: self.owner.clone(),
                        },
                    },
                },
            },
        })
    }
}
