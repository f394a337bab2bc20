//! Who may call which RPC: one table, denying by default, kept as a text that anyone can read.
//! Says nothing of whose record it is: that relation each service checks itself.

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

/// Why the table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    #[error("line {0} of the access table is not \"service/method: who\"")]
    Form(usize),
    #[error("line {line} of the access table names {word:?}, which is no role")]
    Role { line: usize, word: String },
    #[error("line {0} of the access table repeats an RPC")]
    Repeated(usize),
}

/// The parsed table.
#[derive(Clone, Debug)]
pub struct AccessTable {
    rows: HashMap<String, Access>,
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
            let access = match who.trim() {
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
            if rows.insert(format!("/{}", rpc.trim()), access).is_some() {
                return Err(TableFault::Repeated(number));
            }
        }
        Ok(Self { rows })
    }

    /// The row of an RPC by its path, "/package.Service/Method".
    pub fn row(&self, path: &str) -> Option<&Access> {
        self.rows.get(path)
    }

    /// Whether the caller (if any) may call the RPC. No row: no.
    pub fn allows(&self, path: &str, caller: Option<&Caller>) -> bool {
        match (self.rows.get(path), caller) {
            (Some(Access::Public), _) | (Some(Access::SignedIn), Some(_)) => true,
            (Some(Access::Roles(roles)), Some(caller)) => roles.iter().any(|r| caller.has(*r)),
            _ => false,
        }
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
    fn what_has_no_row_is_denied() {
        let table = AccessTable::built_in().unwrap();
        assert!(!table.allows("/sunbid.bid.v1.BidService/Nothing", None));
        assert!(AccessTable::parse("x").is_err());
        assert!(AccessTable::parse("a/b: emperor").is_err());
        assert!(AccessTable::parse("a/b: public\na/b: public").is_err());
    }
}
