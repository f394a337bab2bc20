//! Receipts: what the platform signs for a bid or a withdrawal on record. The signature is made
//! again each time from the record; the same record always gives the same receipt.

use std::sync::Arc;

use ring::signature::Ed25519KeyPair;
use sunbid_contracts::bid::v1::Receipt;
use sunbid_journal::EntryRef;
use sunbid_proofs::{Hash, LogId, receipt};
use sunbid_terms::Instant;

/// Signs receipts with the platform's receipt key.
pub struct Receipts {
    key: Arc<Ed25519KeyPair>,
}

/// Which act of a bidder a receipt is for.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    pub tender: &'a str,
    pub lot_id: &'a str,
    pub bundle: &'a [u8],
    pub revision: i64,
    pub withdrawal: bool,
}

impl Act<'_> {
    /// The receipt of the record that came to stand at `entry`, not yet signed.
    pub fn receipt(&self, entry: &EntryRef) -> Receipt {
        self.receipt_of(entry.log, entry.at, entry.leaf)
    }

    /// The receipt of a record with this leaf, not yet signed.
    pub fn receipt_of(&self, log: LogId, at: Instant, leaf: Hash) -> Receipt {
        Receipt {
            tender: self.tender.to_owned(),
            lot_id: self.lot_id.to_owned(),
            bundle: self.bundle.to_vec(),
            revision: self.revision,
            withdrawal: self.withdrawal,
            accept_time_us: at.micros(),
            leaf: leaf.to_vec(),
            log_id: log.as_bytes().to_vec(),
            signature: Vec::new(),
        }
    }
}

impl Receipts {
    pub fn new(key: Arc<Ed25519KeyPair>) -> Self {
        Self { key }
    }

    /// The receipt with its signature; nothing for a receipt whose fields have impossible lengths.
    pub fn sign(&self, receipt: Receipt) -> Option<Receipt> {
        let canonical = receipt::Receipt {
            tender: receipt.tender.clone(),
            lot_id: receipt.lot_id.clone(),
            bundle: receipt.bundle.clone(),
            revision: u64::try_from(receipt.revision).ok()?,
            withdrawal: receipt.withdrawal,
            accept_time_us: receipt.accept_time_us,
            leaf: receipt.leaf.as_slice().try_into().ok()?,
            log: LogId::from_slice(&receipt.log_id)?,
        };
        let signature = canonical.sign(&self.key);
        Some(Receipt {
            signature,
            ..receipt
        })
    }
}
