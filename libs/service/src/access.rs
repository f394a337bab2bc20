//! Who may call which RPC, in what relation to its record, and what of it is journaled: one table,
//! denying by default, kept as a text that anyone can read (`access.txt`) and compared with the
//! contracts at build. The role is checked from here; the relation each service checks itself, for it
//! alone knows whose record it is.

use sunbid_contracts::registry::v1::Role;

use crate::Caller;

/// Who may call an RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, signed in or not.
    Public,
    /// Anyone signed in.
    SignedIn,
    /// Callers with one of these roles.
    Roles(&'static [Role]),
}

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

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// "/package.Service/Method".
    pub path: &'static str,
    pub access: Access,
    pub relation: Relation,
    /// What these roles read here is not public and not their own: it is journaled.
    pub recorded: &'static [Role],
    /// Where a request names its record: numbers of fields, one within another.
    pub names: &'static [&'static [u32]],
    /// The row as the table writes it, after the path.
    pub text: &'static str,
    /// What the RPC does, in words.
    pub zh: &'static str,
    pub en: &'static str,
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

/// A word of the table, in Chinese and in English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
}

mod table {
    use super::{Access, Relation, Role, Row};

    include!(concat!(env!("OUT_DIR"), "/access.rs"));
}

/// Every row, in the order of paths.
pub fn rows() -> &'static [Row] {
    table::ROWS
}

/// The row of an RPC by its path. No row: nobody may call it.
pub fn row(path: &str) -> Option<&'static Row> {
    let at = table::ROWS
        .binary_search_by(|row| row.path.cmp(path))
        .ok()?;
    table::ROWS.get(at)
}

/// Whether the caller (if any) may call the RPC. No row: no.
pub fn allows(path: &str, caller: Option<&Caller>) -> bool {
    match (row(path).map(|row| row.access), caller) {
        (Some(Access::Public), _) | (Some(Access::SignedIn), Some(_)) => true,
        (Some(Access::Roles(roles)), Some(caller)) => roles.iter().any(|role| caller.has(*role)),
        _ => false,
    }
}

/// Whether offices and holders alone may call it, and nothing about it follows from who bids. Only such
/// calls may be counted or traced; whatever is not known to be so is not.
pub fn is_open(path: &str) -> bool {
    let Some(Access::Roles(roles)) = row(path).map(|row| row.access) else {
        return false;
    };
    roles.iter().all(|role| OFFICES.contains(role)) && !FOLLOW_FROM_BIDS.contains(&path)
}

/// What a role is called.
pub fn role_word(role: Role) -> Word {
    let known = table::ROLES.iter().find(|(one, ..)| *one == role);
    known.map_or(said(("none", "无", "none")), |(_, word, zh, en)| {
        said((word, zh, en))
    })
}

impl Row {
    /// Who may call it, in words.
    pub fn callers(&self) -> Vec<Word> {
        match self.access {
            Access::Public => vec![said(table::PUBLIC)],
            Access::SignedIn => vec![said(table::SIGNED_IN)],
            Access::Roles(roles) => roles.iter().map(|role| role_word(*role)).collect(),
        }
    }

    /// In what relation to the record, in words.
    pub fn relation_word(&self) -> Word {
        let known = table::RELATIONS
            .iter()
            .find(|(one, ..)| *one == self.relation);
        known.map_or(said(("none", "无", "none")), |(_, word, zh, en)| {
            said((word, zh, en))
        })
    }
}

const fn said((word, zh, en): (&'static str, &'static str, &'static str)) -> Word {
    Word { word, zh, en }
}

#[cfg(test)]
#[path = "../build/table.rs"]
mod building;

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::{
        building::{Contracts, check},
        *,
    };

    const TABLE: &str = include_str!("access.txt");
    const WORDS: &str = include_str!("access_words.txt");

    fn contracts() -> Contracts {
        let files = FileDescriptorSet::decode(sunbid_contracts::DESCRIPTORS).unwrap();
        Contracts::of(&files)
    }

    fn fault(table: &str, words: &str) -> String {
        check(table, words, &contracts()).unwrap_err().join("\n")
    }

    #[test]
    fn what_suppliers_and_the_public_call_is_not_open() {
        let open = |rpc: &str| super::is_open(&format!("/sunbid.{rpc}"));
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
            assert!(row(path).is_some(), "{path}");
        }
    }

    #[test]
    fn what_has_no_row_is_denied() {
        assert!(rows().len() > 80);
        assert!(rows().is_sorted_by_key(|row| row.path));
        assert!(!allows("/sunbid.bid.v1.BidService/Nothing", None));
        assert!(!allows("/sunbid.bid.v1.BidService/SubmitBid", None));
        assert!(allows("/sunbid.notice.v1.NoticeService/ListNotices", None));
        let submit = row("/sunbid.bid.v1.BidService/SubmitBid").unwrap();
        assert_eq!(submit.access, Access::Roles(&[Role::Supplier]));
        assert_eq!(submit.relation, Relation::Own);
        assert_eq!((submit.zh, submit.callers()[0].zh), ("提交投标", "供应商"));
        // The tender and its lot; and those of a header that stands within another message.
        assert_eq!(submit.names.len(), 2);
        let upload = row("/sunbid.bid.v1.BidService/UploadPart").unwrap();
        assert_eq!(upload.names, [[1, 1], [1, 2]]);
    }

    #[test]
    fn an_rpc_without_a_row_stops_the_build() {
        let code = check(TABLE, WORDS, &contracts()).unwrap().code();
        assert!(code.contains("Access::Roles(&[Role::Supplier]), relation: Relation::Own"));
        let row = "sunbid.bid.v1.BidService/SubmitBid: supplier; own\n";
        assert!(TABLE.contains(row));
        let without = TABLE.replace(row, "");
        assert!(fault(&without, WORDS).contains("BidService/SubmitBid has no row"));
        let more = format!("{TABLE}sunbid.bid.v1.BidService/Nothing: public\n");
        assert!(fault(&more, WORDS).contains("Nothing has a row in access.txt and is no RPC"));
        let twice = format!("{TABLE}{row}");
        assert!(fault(&twice, WORDS).contains("has a row already"));
    }

    #[test]
    fn a_row_that_is_not_understood_stops_the_build() {
        let other = |says: &str| {
            let row = "BidService/SubmitBid: supplier; own\n";
            fault(
                &TABLE.replace(row, &format!("BidService/SubmitBid{says}\n")),
                WORDS,
            )
        };
        assert!(other(": emperor; any").contains("\"emperor\" is no role"));
        assert!(other(": supplier; cousin").contains("\"cousin\" is no relation"));
        assert!(other(": supplier").contains("in what relation"));
        assert!(other(": unspecified; any").contains("no role"));
        assert!(other(": supplier; own; record supervisor").contains("who may not call it"));
        assert!(other(": supplier; own; record emperor").contains("no role"));
        assert!(other(": supplier; own; keep supplier").contains("is not"));
        assert!(other("").contains("is not"));
    }

    #[test]
    fn what_has_no_words_stops_the_build() {
        let line = "relation own: 本机构的记录 | the organisation's own record\n";
        assert!(WORDS.contains(line));
        assert!(fault(TABLE, &WORDS.replace(line, "")).contains("relation own has no words"));
        let idle = format!("{WORDS}role emperor: 皇帝 | emperor\n");
        assert!(fault(TABLE, &idle).contains("role emperor, which the table does not"));
        assert!(fault(TABLE, &format!("{WORDS}{line}")).contains("said twice"));
        assert!(fault(TABLE, "half: a line").contains("is not"));
    }

    /// Whatever more than one organisation's people may read, besides what is public, is either the
    /// services' alone, somebody's own, or journaled.
    #[test]
    fn every_reading_across_organisations_is_journaled() {
        for row in rows() {
            let reads = ["Get", "List", "Read", "Watch", "Check", "Prove", "Download"]
                .iter()
                .any(|verb| {
                    row.path
                        .split('/')
                        .nth(2)
                        .is_some_and(|m| m.starts_with(verb))
                });
            let Access::Roles(roles) = row.access else {
                continue;
            };
            let across = !matches!(row.relation, Relation::Own | Relation::Holder)
                && roles != [Role::Service];
            // Trustees see checkpoints, which are public, as they are made; check-in is no reading.
            let known = ["WatchCheckpoints", "CheckIn", "CheckDeposit"];
            if reads && across && !known.iter().any(|name| row.path.ends_with(name)) {
                assert!(!row.recorded.is_empty(), "{}", row.path);
            }
        }
    }
}
