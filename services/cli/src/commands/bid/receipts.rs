//! Receipts: whether one is what the platform owes for a bid, and how people read it.

use anyhow::Context as _;
use sunbid_contracts::bid::v1::{Bid, Receipt};
use sunbid_proofs::{LogId, receipt};
use sunbid_sealing::{Bundle, CheckedHeader};

use crate::{connection::Connection, output};

/// What a receipt must be for.
pub(super) struct Expected<'a> {
    pub(super) tender: &'a str,
    pub(super) lot_id: &'a str,
    pub(super) bundle: &'a [u8],
    pub(super) withdrawal: bool,
}

/// A receipt is worth keeping only if it is for what was sent and the platform's key signed it.
pub(super) async fn check_receipt(
    connection: &Connection,
    receipt: &Receipt,
    expected: &Expected<'_>,
) -> anyhow::Result<()> {
    let log = LogId::of("bid", expected.tender);
    let is_for_this = receipt.tender == expected.tender
        && receipt.lot_id == expected.lot_id
        && receipt.bundle == expected.bundle
        && receipt.withdrawal == expected.withdrawal
        && receipt.log_id == log.as_bytes();
    anyhow::ensure!(
        is_for_this,
        "THE RECEIPT IS FOR SOMETHING ELSE; do not rely on it"
    );
    let canonical = receipt::Receipt {
        tender: receipt.tender.clone(),
        lot_id: receipt.lot_id.clone(),
        bundle: receipt.bundle.clone(),
        revision: u64::try_from(receipt.revision)?,
        withdrawal: receipt.withdrawal,
        accept_time_us: receipt.accept_time_us,
        leaf: receipt
            .leaf
            .as_slice()
            .try_into()
            .context("the receipt's leaf is not 32 bytes")?,
        log,
    };
    let key = connection.platform().await?.receipt_key;
    canonical
        .verify(&receipt.signature, &key)
        .context("THE RECEIPT IS NOT SIGNED BY THE PLATFORM'S KEY; do not rely on it")
}

/// The bundle that the platform says is ours is of this tender and lot: what is signed to withdraw
/// it can withdraw nothing else.
pub(super) fn own_bundle(bid: &Bid, tender: &str, lot: &str) -> anyhow::Result<()> {
    let headers = bid
        .parts
        .iter()
        .map(|part| Ok(CheckedHeader::parse(&part.header)?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for header in &headers {
        let subject = header.subject();
        let ours = subject.tender.as_bytes() == tender.as_bytes()
            && subject.lot.as_bytes() == lot.as_bytes();
        anyhow::ensure!(ours, "the platform named the bid of another tender or lot");
    }
    let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())?;
    anyhow::ensure!(
        bundle.id().as_slice() == bid.bundle,
        "the platform named another bundle"
    );
    Ok(())
}

/// A receipt for people.
pub fn show_receipt(receipt: &Receipt) -> String {
    let kind = if receipt.withdrawal {
        "撤回回执 / withdrawal receipt"
    } else {
        "投标回执 / bid receipt"
    };
    output::fields(&[
        ("回执", kind.to_owned()),
        ("项目", receipt.tender.clone()),
        ("标段", receipt.lot_id.clone()),
        ("版次", receipt.revision.to_string()),
        ("收到时间", output::time(receipt.accept_time_us)),
        ("bundle", hex::encode(&receipt.bundle)),
        ("leaf", hex::encode(&receipt.leaf)),
        ("signature", hex::encode(&receipt.signature)),
    ])
}
