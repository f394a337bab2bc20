//! camt.054.001.08, BankToCustomerDebitCreditNotification: money came to the account.

use serde::{Deserialize, Serialize};
use sunbid_terms::{Fen, Instant};

use crate::{
    MessageFault, field,
    xml::{self, Account, Amount, Code, DateTime, Party, PartyChoice, Remittance},
};

pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08";

/// Credits that a bank booked to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNotification {
    pub id: String,
    pub created_at: Instant,
    /// The account of whoever is told.
    pub account: String,
    /// At least one; no bank reference twice.
    pub credits: Vec<Credit>,
}

/// One booked credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The bank's own reference of the entry, unique at that bank.
    pub bank_reference: String,
    pub amount: Fen,
    pub booked_at: Instant,
    pub payer: Party,
    /// The (virtual) account that the payer wrote.
    pub payee_account: String,
    /// The payer's own identifier of the payment.
    pub end_to_end_id: String,
    /// What the payer wrote to it; may be empty.
    pub remittance: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Document", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "BkToCstmrDbtCdtNtfctn")]
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "GrpHdr")]
    header: Header,
    #[serde(rename = "Ntfctn")]
    notification: Notification,
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
struct Notification {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Acct")]
    account: Account,
    #[serde(rename = "Ntry")]
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "Amt")]
    amount: Amount,
    #[serde(rename = "CdtDbtInd")]
    direction: String,
    #[serde(rename = "Sts")]
    status: Code,
    #[serde(rename = "BookgDt")]
    booked: DateTime,
    #[serde(rename = "AcctSvcrRef")]
    bank_reference: String,
    #[serde(rename = "BkTxCd")]
    kind: TransactionCode,
    #[serde(rename = "NtryDtls")]
    details: Details,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionCode {
    #[serde(rename = "Domn")]
    domain: Domain,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    #[serde(rename = "Cd")]
    code: String,
    #[serde(rename = "Fmly")]
    family: Family,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    #[serde(rename = "Cd")]
    code: String,
    #[serde(rename = "SubFmlyCd")]
    sub_family: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    #[serde(rename = "TxDtls")]
    transaction: Transaction,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transaction {
    #[serde(rename = "Refs")]
    references: References,
    #[serde(rename = "RltdPties")]
    parties: Parties,
    #[serde(rename = "RmtInf", skip_serializing_if = "Option::is_none")]
    remittance: Option<Remittance>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct References {
    #[serde(rename = "EndToEndId")]
    end_to_end_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parties {
    #[serde(rename = "Dbtr")]
    debtor: PartyChoice,
    #[serde(rename = "DbtrAcct")]
    debtor_account: Account,
    #[serde(rename = "CdtrAcct")]
    creditor_account: Account,
}

impl CreditNotification {
    pub(crate) fn read(text: &str) -> Result<Self, MessageFault> {
        let Document {
            body: Body {
                header,
                notification,
            },
            ..
        } = xml::read(text)?;
        field::read_id("Ntfctn/Id", notification.id)?;
        let credits: Vec<Credit> = notification
            .entries
            .into_iter()
            .map(Entry::read)
            .collect::<Result<_, _>>()?;
        field::check_distinct(
            "AcctSvcrRef",
            credits.iter().map(|c| c.bank_reference.as_str()),
        )?;
        Ok(Self {
            id: field::read_id("GrpHdr/MsgId", header.id)?,
            created_at: field::read_time("GrpHdr/CreDtTm", &header.created)?,
            account: notification.account.read("Ntfctn/Acct")?,
            credits,
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
                notification: Notification {
                    id: self.id.clone(),
                    account: Account::of(&self.account),
                    entries: self.credits.iter().map(Entry::of).collect(),
                },
            },
        })
    }
}

impl Entry {
    fn read(self) -> Result<Credit, MessageFault> {
        if self.direction != "CRDT" {
            return Err(MessageFault::value(
                "CdtDbtInd",
                &self.direction,
                "only CRDT is taken",
            ));
        }
        if self.status.code != "BOOK" {
            return Err(MessageFault::value(
                "Sts",
                &self.status.code,
                "only BOOK is taken",
            ));
        }
        let transaction = self.details.transaction;
        let parties = transaction.parties;
        Ok(Credit {
            bank_reference: field::read_id("AcctSvcrRef", self.bank_reference)?,
            amount: self.amount.read()?,
            booked_at: field::read_time("BookgDt", &self.booked.at)?,
            payer: Party {
                name: field::read_name("Dbtr/Pty/Nm", parties.debtor.party.name)?,
                account: parties.debtor_account.read("DbtrAcct")?,
            },
            payee_account: parties.creditor_account.read("CdtrAcct")?,
            end_to_end_id: field::read_id("EndToEndId", transaction.references.end_to_end_id)?,
            remittance: Remittance::read(transaction.remittance)?,
        })
    }

    fn of(credit: &Credit) -> Self {
        Self {
            amount: Amount::of(credit.amount),
            direction: "CRDT".to_owned(),
            status: Code {
                code: "BOOK".to_owned(),
            },
            booked: DateTime::of(credit.booked_at),
            bank_reference: credit.bank_reference.clone(),
            // Payments, received credit transfers, domestic.
            kind: TransactionCode {
                domain: Domain {
                    code: "PMNT".to_owned(),
                    family: Family {
                        code: "RCDT".to_owned(),
                        sub_family: "DMCT".to_owned(),
                    },
                },
            },
            details: Details {
                transaction: Transaction {
                    references: References {
                        end_to_end_id: credit.end_to_end_id.clone(),
                    },
                    parties: Parties {
                        debtor: PartyChoice {
                            party: xml::Named {
                                name: credit.payer.name.clone(),
                            },
                        },
                        debtor_account: Account::of(&credit.payer.account),
                        creditor_account: Account::of(&credit.payee_account),
                    },
                    remittance: Remittance::of(&credit.remittance),
                },
            },
        }
    }
}
