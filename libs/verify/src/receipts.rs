//! Receipts: each is the platform's word that a record stands in the bid log; here it is kept.

use std::collections::{BTreeSet, HashMap};

use sunbid_contracts::audit::v1::DisclosedReceipts;
use sunbid_contracts::bid::v1::{BidSubmitted, Receipt};
use sunbid_domain::opening::{ClosedBids, parallel};
use sunbid_proofs::receipt::Receipt as Signed;
use sunbid_proofs::{Hash, LogId};

use crate::canonical;
use crate::closing::Bidding;
use crate::fault::{Culprit, Fault};
use crate::index::{Files, RECEIPTS};
use crate::log::{Entry, Log};
use crate::report::Tally;

/// The receipts among the records: one for each bid that opens, and no other.
pub(crate) fn disclosed(
    files: &Files,
    log: &Log,
    bidding: &Bidding,
    closed: Option<&ClosedBids>,
    tally: &mut Tally,
) -> Result<(), Fault> {
    let receipts: DisclosedReceipts = canonical::file(files.wanted(RECEIPTS)?, RECEIPTS)?;
    let desk = Desk::new(files, log, bidding);
    let found: Vec<u64> =
        parallel::try_map(&receipts.receipts, |receipt| desk.check(receipt, RECEIPTS))?;
    let live: BTreeSet<u64> = closed
        .iter()
        .flat_map(|closed| &closed.claims)
        .map(|claim| claim.seq)
        .collect();
    let distinct: BTreeSet<u64> = found.iter().copied().collect();
    if distinct != live || found.len() != live.len() {
        return Err(Fault::platform(
            "RECEIPTS",
            RECEIPTS,
            "公开的回执与已开启的投标不是一一对应。",
            "The receipts disclosed are not one for each bid that was opened.",
        ));
    }
    tally.add(
        "平台出具的投标回执",
        "receipts of the platform for bids that were opened",
        found.len(),
    );
    Ok(())
}

/// Receipts that suppliers hold, of whatever became of the bid.
pub(crate) fn given(
    files: &Files,
    log: &Log,
    bidding: &Bidding,
    receipts: &[Receipt],
    tally: &mut Tally,
) -> Result<(), Fault> {
    let desk = Desk::new(files, log, bidding);
    for receipt in receipts {
        desk.check(receipt, "receipt")?;
    }
    if !receipts.is_empty() {
        tally.add(
            "供应商自持的回执",
            "receipts that suppliers hold",
            receipts.len(),
        );
    }
    Ok(())
}

/// What receipts are compared with.
struct Desk<'a> {
    files: &'a Files,
    log: &'a Log,
    bidding: &'a Bidding,
    places: HashMap<Hash, &'a Entry>,
}

impl<'a> Desk<'a> {
    fn new(files: &'a Files, log: &'a Log, bidding: &'a Bidding) -> Self {
        let places = log
            .entries
            .iter()
            .map(|entry| (entry.leaf, entry))
            .collect();
        Self {
            files,
            log,
            bidding,
            places,
        }
    }

    /// The record that a receipt speaks of.
    fn check(&self, receipt: &Receipt, from: &str) -> Result<u64, Fault> {
        let of_supplier = from != RECEIPTS;
        let forged = |en: &str| {
            let culprit = if of_supplier {
                Culprit::Records
            } else {
                Culprit::Platform
            };
            let bundle = hex::encode(receipt.bundle.get(..4).unwrap_or_default());
            Fault::new(
                "RECEIPT_FORGED",
                culprit,
                from,
                format!("回执（{bundle}…）不是平台出具的本项目回执。"),
                format!("Receipt {bundle}...: {en}"),
            )
        };
        let signed = Signed {
            tender: receipt.tender.clone(),
            lot_id: receipt.lot_id.clone(),
            bundle: receipt.bundle.clone(),
            revision: u64::try_from(receipt.revision)
                .map_err(|_| forged("its revision is negative."))?,
            withdrawal: receipt.withdrawal,
            accept_time_us: receipt.accept_time_us,
            leaf: receipt
                .leaf
                .as_slice()
                .try_into()
                .map_err(|_| forged("its leaf does not have 32 bytes."))?,
            log: LogId::from_slice(&receipt.log_id)
                .ok_or_else(|| forged("its log id does not have 16 bytes."))?,
        };
        signed
            .verify(&receipt.signature, &self.files.anchors.receipt_key)
            .map_err(|_| forged("it does not carry the platform's signature."))?;
        if signed.tender != self.files.tender || signed.log != self.log.id {
            return Err(forged("it is of another tender."));
        }
        // From here on the platform has signed: what does not agree is its own doing.
        let entry = self.places.get(&signed.leaf).ok_or_else(|| {
            Fault::platform(
                "RECEIPT_NOT_IN_LOG",
                from,
                "平台出具了回执，但日志中没有相应记录。",
                "The platform gave this receipt, but no record of the log has its leaf.",
            )
        })?;
        let fault = |en: &str| {
            self.log
                .fault("RECEIPT_DIFFERS", entry.seq, "回执与日志中的记录不符。", en)
        };
        let act = self
            .bidding
            .acts
            .get(&entry.seq)
            .ok_or_else(|| fault("The receipt's leaf is that of a record that is no bid."))?;
        if entry.at.micros() != signed.accept_time_us {
            return Err(fault("The receipt states another time than the record."));
        }
        if !act.bundle.is_empty() {
            let same = act.bundle == signed.bundle
                && act.revision == signed.revision
                && act.withdrawal == signed.withdrawal;
            if !same {
                return Err(fault(
                    "The receipt states another bid, revision or act than the record and the closing.",
                ));
            }
        }
        let bid = entry.read::<BidSubmitted>().and_then(|event| event.bid);
        if bid.is_some_and(|bid| bid.lot_id != signed.lot_id || bid.bundle != signed.bundle) {
            return Err(fault(
                "The receipt states another lot or bundle than the bid.",
            ));
        }
        Ok(entry.seq)
    }
}
