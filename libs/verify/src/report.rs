//! What a verification is given besides the records, and what it says when nothing is wrong.

use std::collections::BTreeMap;

use sunbid_contracts::audit::v1::TrustAnchors;
use sunbid_contracts::bid::v1::Receipt;

/// What the caller knows from elsewhere. The records carry keys themselves; a verification is worth
/// as much as the caller's reason to believe in those.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The platform's keys and roots, as published by whoever the caller trusts.
    pub anchors: Option<TrustAnchors>,
    /// Ed25519 identity keys of institutions, by credit code. Where any is given, every holder must
    /// be among them.
    pub holders: BTreeMap<String, [u8; 32]>,
    /// Receipts that suppliers hold.
    pub receipts: Vec<Receipt>,
}

/// One kind of thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub zh: &'static str,
    pub en: &'static str,
    /// How many.
    pub count: usize,
}

/// How the tender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Bids were opened.
    Opened,
    /// No lot had three bidders; nothing was or can be opened.
    Failed,
    /// Ended before the deadline.
    Terminated,
}

/// An institution that holds a share of the tender's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// "organizations/{credit_code}".
    pub organization: String,
    pub display_name: String,
    /// Ed25519, 32 bytes.
    pub identity_key: Vec<u8>,
}

/// Nothing is wrong.
#[derive(Clone, Debug)]
pub struct Report {
    /// "tenders/{uuid}".
    pub tender: String,
    pub title: String,
    pub outcome: Outcome,
    pub checks: Vec<Check>,
    pub anchors: TrustAnchors,
    /// The anchors are the caller's own.
    pub pinned: bool,
    pub holders: Vec<KeyHolder>,
    /// How many holders open.
    pub threshold: usize,
}

/// Counts checks as they are made; one line for each kind, in the order of the first.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Check>);

impl Tally {
    pub(crate) fn add(&mut self, zh: &'static str, en: &'static str, count: usize) {
        match self.0.iter_mut().find(|check| check.en == en) {
            Some(check) => check.count += count,
            None => self.0.push(Check { zh, en, count }),
        }
    }

    pub(crate) fn done(self) -> Vec<Check> {
        self.0
    }
}
