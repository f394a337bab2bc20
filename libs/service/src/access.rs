//! Who may call which RPC, in what relation to its record: one table, denying by default, kept as a
//! text that anyone can read. The role is checked from here; the relation each service checks itself,
//! for it alone knows whose record it is.

use std::collections::HashMap;

use sunbid_contracts::registry::v1::Role;

use crate::Caller;

/// The table: one line for each RPC.
pub const TABLE: &str = include_str!("access.txt");

/// Who may call an RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, signed in or not.
    Public,
    /// Anyone signed in.
    SignedIn,
    /// Callers with one of these roles.
    Roles(Vec<Role>),
}

/// Who never bids in that role.
const OFFICES: [Role; 5] = [
    Role::Administrator,
    Role::Supervisor,
    Role::Purchaser,
    Role::Reviewer,
    Role::Trustee,
];

/// Holders' calls whose number or length tells how many bids there are, before the record does.
const FOLLOW_FROM_BIDS: [&str; 3] = [
    "/sunbid.opening.v1.OpeningService/ReadClosing",
    "/sunbid.opening.v1.OpeningService/SignClosing",
    "/sunbid.opening.v1.OpeningService/PostShares",
];

/// What the caller's organisation has to do with the record, besides its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Any,
    Own,
    OwnOrOverseer,
    Purchaser,
    Holder,
    Party,
}

impl Relation {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "any" => Self::Any,
            "own" => Self::Own,
            "own-or-overseer" => Self::OwnOrOverseer,
            "purchaser" => Self::Purchaser,
            "holder" => Self::Holder,
            "party" => Self::Party,
            _ => return None,
        })
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub access: Access,
    pub relation: Relation,
}

/// Why the table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    #[error("line {0} of the access table is not \"service/method: who\"")]
    Form(usize),
    #[error("line {line} of the access table names {word:?}, which is no role")]
    Role { line: usize, word: String },
    #[error(
        "line {line} of the access table says {word:?} where the relation to the record belongs"
    )]
    Relation { line: usize, word: String },
    #[error("line {0} of the access table repeats an RPC")]
    Repeated(usize),
}

/// The parsed table.
#[derive(Clone, Debug)]
pub struct AccessTable {
    rows: HashMap<String, Row>,
}

impl AccessTable {
    /// Reads the table this program was built with.
    pub fn built_in() -> Result<Self, TableFault> {
        Self::parse(TABLE)
    }

    fn parse(text: &str) -> Result<Self, TableFault> {
        let mut rows = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = at + 1;
            let (rpc, who) = line.split_once(':').ok_or(TableFault::Form(number))?;
            let (who, relation) = match who.split_once(';') {
                Some((who, word)) => {
                    let word = word.trim();
                    let relation = Relation::parse(word).ok_or_else(|| TableFault::Relation {
                        line: number,
                        word: word.to_owned(),
                    })?;
                    (who.trim(), relation)
                }
                // What is public is so whoever asks; every other row must say.
                None if who.trim() == "public" => ("public", Relation::Any),
                None => {
                    return Err(TableFault::Relation {
                        line: number,
                        word: String::new(),
                    });
                }
            };
            let access = match who {
                "public" => Access::Public,
                "signed-in" => Access::SignedIn,
                roles => Access::Roles(
                    roles
                        .split(',')
                        .map(|word| {
                            let word = word.trim();
                            Role::from_str_name(&format!("ROLE_{}", word.to_uppercase()))
                                .filter(|role| *role != Role::Unspecified)
                                .ok_or_else(|| TableFault::Role {
                                    line: number,
                                    word: word.to_owned(),
                                })
                        })
                        .collect::<Result<_, _>>()?,
                ),
            };
            let row = Row { access, relation };
            if rows.insert(format!("/{}", rpc.trim()), row).is_some() {
                return Err(TableFault::Repeated(number));
            }
        }
        Ok(Self { rows })
    }

    /// The row of an RPC by its path, "/package.Service/Method".
    pub fn row(&self, path: &str) -> Option<&Row> {
        self.rows.get(path)
    }

    /// Whether the caller (if any) may call the RPC. No row: no.
    pub fn allows(&self, path: &str, caller: Option<&Caller>) -> bool {
        match (self.rows.get(path).map(|row| &row.access), caller) {
            (Some(Access::Public), _) | (Some(Access::SignedIn), Some(_)) => true,
            (Some(Access::Roles(roles)), Some(caller)) => roles.iter().any(|r| caller.has(*r)),
            _ => false,
        }
    }

    /// Whether offices and holders alone may call it, and nothing about it follows from who bids. Only such
    /// calls may be counted or traced; whatever is not known to be so is not.
    pub fn is_open(&self, path: &str) -> bool {
        let Some(Access::Roles(roles)) = self.rows.get(path).map(|row| &row.access) else {
            return false;
        };
        roles.iter().all(|role| OFFICES.contains(role)) && !FOLLOW_FROM_BIDS.contains(&path)
    }

    /// Paths of all rows.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use prost::Message;

    /// The parts of a descriptor that name RPCs; prost's own types would be one more dependency.
    #[derive(Message)]
    struct Files {
        #[prost(message, repeated, tag = "1")]
        file: Vec<File>,
    }
    #[derive(Message)]
    struct File {
        #[prost(string, tag = "2")]
        package: String,
        #[prost(message, repeated, tag = "6")]
        service: Vec<Service>,
    }
    #[derive(Message)]
    struct Service {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, repeated, tag = "2")]
        method: Vec<Method>,
    }
    #[derive(Message)]
    struct Method {
        #[prost(string, tag = "1")]
        name: String,
    }

    #[test]
    fn every_rpc_has_a_row_and_every_row_an_rpc() {
        let files = Files::decode(sunbid_contracts::DESCRIPTORS).unwrap();
        let mut rpcs = BTreeSet::new();
        for file in files.file {
            for service in file.service {
                for method in service.method {
                    rpcs.insert(format!(
                        "/{}.{}/{}",
                        file.package, service.name, method.name
                    ));
                }
            }
        }
        assert!(rpcs.len() > 50);
        let table = AccessTable::built_in().unwrap();
        let rows: BTreeSet<String> = table
            .paths()
            .filter(|path| path.starts_with("/sunbid."))
            .map(str::to_owned)
            .collect();
        assert_eq!(rows, rpcs);
    }

    #[test]
    fn what_suppliers_and_the_public_call_is_not_open() {
        let table = AccessTable::built_in().unwrap();
        let open = |rpc: &str| table.is_open(&format!("/sunbid.{rpc}"));
        for sealed in [
            "bid.v1.BidService/SubmitBid",
            "bid.v1.BidService/HoldBidding",
            "deposit.v1.DepositService/CheckDeposit",
            "notice.v1.NoticeService/AskQuestion",
            "registry.v1.RegistryService/SignIn",
            "tender.v1.TenderService/DownloadDocument",
            "opening.v1.OpeningService/PostShares",
            "journal.v1.LogService/ReadLog",
            "no.v1.Such/Thing",
        ] {
            assert!(!open(sealed), "{sealed}");
        }
        assert!(open("tender.v1.TenderService/CreateTender"));
        assert!(open("opening.v1.OpeningService/WatchOpenings"));
        for path in FOLLOW_FROM_BIDS {
            assert!(table.row(path).is_some(), "{path}");
        }
    }

    #[test]
    fn what_has_no_row_is_denied() {
        let table = AccessTable::built_in().unwrap();
        assert!(!table.allows("/sunbid.bid.v1.BidService/Nothing", None));
        assert!(AccessTable::parse("x").is_err());
        assert!(AccessTable::parse("a/b: emperor; any").is_err());
        assert!(AccessTable::parse("a/b: supplier").is_err());
        assert!(AccessTable::parse("a/b: supplier; cousin").is_err());
        assert!(AccessTable::parse("a/b: supplier; own").is_ok());
        assert!(AccessTable::parse("a/b: public\na/b: public").is_err());
    }
}
