//! Elements that several messages share, as they stand in XML.

use quick_xml::se::Serializer;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sunbid_terms::{Fen, Instant};

use crate::{
    fault::{MessageFault, clip},
    field,
};

/// Someone with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// As the bank knows it, at most 140 characters.
    pub name: String,
    /// Account number, 1 to 34 letters and digits.
    pub account: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    #[serde(rename = "@Ccy")]
    pub currency: String,
    #[serde(rename = "$text", default)]
    pub value: String,
}

impl Amount {
    pub fn of(amount: Fen) -> Self {
        Self {
            currency: "CNY".to_owned(),
            value: field::write_amount(amount),
        }
    }

    pub fn read(&self) -> Result<Fen, MessageFault> {
        field::check_currency(&self.currency)?;
        field::read_amount(&self.value)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    #[serde(rename = "Id")]
    pub id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountId {
    #[serde(rename = "Othr")]
    pub other: Other,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    #[serde(rename = "Id")]
    pub id: AccountId,
}

impl Account {
    pub fn of(number: &str) -> Self {
        Self {
            id: AccountId {
                other: Other {
                    id: number.to_owned(),
                },
            },
        }
    }

    pub fn read(self, element: &'static str) -> Result<String, MessageFault> {
        field::read_account(element, self.id.other.id)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    #[serde(rename = "Nm")]
    pub name: String,
}

/// `Pty` of a choice between a party and an agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartyChoice {
    #[serde(rename = "Pty")]
    pub party: Named,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remittance {
    #[serde(rename = "Ustrd")]
    pub text: String,
}

impl Remittance {
    pub fn of(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
        })
    }

    pub fn read(remittance: Option<Self>) -> Result<String, MessageFault> {
        remittance.map_or(Ok(String::new()), |r| {
            field::read_text("RmtInf/Ustrd", r.text)
        })
    }
}

/// A one-element code such as `<Cd>BOOK</Cd>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    #[serde(rename = "Cd")]
    pub code: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DateTime {
    #[serde(rename = "DtTm")]
    pub at: String,
}

impl DateTime {
    pub fn of(at: Instant) -> Self {
        Self {
            at: field::write_time(at),
        }
    }
}

/// The XML text of a document.
pub(crate) fn write(document: &impl Serialize) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    match document.serialize(Serializer::new(&mut text)) {
        Ok(_) => text,
        // Documents are structs of texts with fixed element names, which always have a form; were
        // one ever without, the other side gets something it refuses.
        Err(_) => String::new(),
    }
}

pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, MessageFault> {
    quick_xml::de::from_str(text).map_err(|error| MessageFault::Form(clip(&error.to_string())))
}
