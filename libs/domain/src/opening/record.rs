//! The opening record (开标记录): what every sheet said, or whose fault it is that it says nothing.
//! Pure, so that the public verifier makes the same record from the same envelopes and compares.
//!
//! Bids are announced by lot in the tender's order, and within a lot by the bidder's credit code:
//! the order of submission would tell when each bidder came, which is nobody's business, and no
//! order that anybody chooses can be suspected of favour.

use std::collections::BTreeMap;

use prost::Message;
use sunbid_contracts::opening::v1::{
    EnvelopeFault, HolderFault, LotRecord, OpeningLine, OpeningRecord,
};
use sunbid_proofs::hash::{Hash, sha256};
use sunbid_sealing::{
    CheckedHeader, OpenError, Rescue, RescueError, SharedSecret, StoreFault, SupplierFault,
    TenderKey, open_short, padded_length,
};
use sunbid_terms::Instant;

use super::check::Envelope;
use super::closing::ClosedBids;
use super::sheet;

/// What a sealed chunk is longer than its plaintext, bytes.
const TAG: u64 = sunbid_sealing::TAG as u64;

/// What became of one sheet's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetOutcome {
    /// The content as it was sealed.
    Content(Vec<u8>),
    Fault {
        fault: EnvelopeFault,
        zh: String,
        en: String,
    },
}

/// The sealed size above which an opening sheet cannot be within its bound.
pub fn most_sealed_bytes() -> u64 {
    padded_length(sheet::MOST_BYTES as u64)
        .unwrap_or(0)
        .saturating_add(TAG)
}

/// Whether the header alone shows that the sheet is too large to be one.
pub fn is_too_large(header: &CheckedHeader) -> bool {
    header.payload_length() > most_sealed_bytes()
}

/// Opens one sheet with its envelope's secret. `payload` is the stored sealed bytes, or why the
/// store does not have them.
pub fn open_sheet(
    header: &CheckedHeader,
    secret: &SharedSecret,
    payload: Result<&[u8], &str>,
) -> SheetOutcome {
    if is_too_large(header) {
        return SheetOutcome::supplier(
            format!(
                "密封的开标一览表有{}字节，超过上限。",
                header.payload_length()
            ),
            format!(
                "The sealed opening sheet has {} bytes, which is too many.",
                header.payload_length()
            ),
        );
    }
    let payload = match payload {
        Ok(payload) => payload,
        Err(cause) => {
            return SheetOutcome::store(
                "平台存储的密封文件缺失或已损坏。".to_owned(),
                format!("The store does not have the sealed bytes: {cause}"),
            );
        }
    };
    match open_short(header, secret, payload) {
        Ok(content) => SheetOutcome::Content(content.to_vec()),
        Err(OpenError::Supplier(fault)) => {
            SheetOutcome::supplier(supplier_fault_zh(&fault).to_owned(), fault.to_string())
        }
        Err(OpenError::Store(fault)) => {
            SheetOutcome::store(store_fault_zh(&fault).to_owned(), fault.to_string())
        }
        Err(error @ (OpenError::Io(_) | OpenError::Cipher(_))) => {
            SheetOutcome::store("平台无法解开密封文件。".to_owned(), error.to_string())
        }
    }
}

impl SheetOutcome {
    fn supplier(zh: String, en: String) -> Self {
        Self::Fault {
            fault: EnvelopeFault::Supplier,
            zh,
            en,
        }
    }

    fn store(zh: String, en: String) -> Self {
        Self::Fault {
            fault: EnvelopeFault::Store,
            zh,
            en,
        }
    }
}

const fn supplier_fault_zh(fault: &SupplierFault) -> &'static str {
    match fault {
        SupplierFault::KeyCommitment => "投标人的密封信封与其密钥承诺不符，无法解密。",
        SupplierFault::Chunk { .. } => "投标人密封的内容无法用该信封的密钥解密。",
        SupplierFault::ContentLength { .. } => "投标人密封的内容长度与填充不符。",
        SupplierFault::Padding => "投标人密封的内容填充有误。",
    }
}

const fn store_fault_zh(fault: &StoreFault) -> &'static str {
    match fault {
        StoreFault::Shorter { .. } => "平台存储的密封文件不完整。",
        StoreFault::Longer { .. } => "平台存储的密封文件长度超出投标人所签长度。",
        StoreFault::Root { .. } => "平台存储的密封文件与投标人所签摘要不符。",
    }
}

/// The record of all sheets; `outcomes` are in the order of `sheets`. What only the moment of
/// publishing knows is filled in by [`complete`].
pub fn draft(
    closed: &ClosedBids,
    sheets: &[Envelope],
    outcomes: &[SheetOutcome],
    holders_used: Vec<i32>,
) -> OpeningRecord {
    let tender = &closed.tender;
    let mut by_lot: BTreeMap<&str, Vec<OpeningLine>> = BTreeMap::new();
    for (envelope, outcome) in sheets.iter().zip(outcomes) {
        let line = line(closed, envelope, outcome);
        by_lot.entry(&envelope.lot_id).or_default().push(line);
    }
    let lots = tender
        .lots
        .iter()
        .map(|lot| {
            let closing = closed
                .lots
                .iter()
                .find(|closing| closing.lot_id == lot.lot_id);
            let mut lines = by_lot.remove(lot.lot_id.as_str()).unwrap_or_default();
            lines.sort_by(|one, other| one.bidder.cmp(&other.bidder));
            for (line, position) in lines.iter_mut().zip(1..) {
                line.position = position;
            }
            LotRecord {
                lot_id: lot.lot_id.clone(),
                title: lot.title.clone(),
                bidders: closing.map_or(0, |closing| closing.bidders),
                failed: !closing.is_some_and(|closing| closing.opens),
                lines,
            }
        })
        .collect();
    OpeningRecord {
        tender: tender.name.clone(),
        title: tender.title.clone(),
        deadline_us: closed.deadline.micros(),
        closed_time_us: closed.closed_at.micros(),
        opened_time_us: 0,
        close: closed.close().to_vec(),
        lots,
        holders_used,
        holder_faults: Vec::new(),
    }
}

/// Fills in what is known when the record is published: the time, who had signed in, and which
/// holders had done wrong by then.
pub fn complete(
    mut record: OpeningRecord,
    at: Instant,
    checked_in: &[String],
    holder_faults: Vec<HolderFault>,
) -> OpeningRecord {
    record.opened_time_us = at.micros();
    record.holder_faults = holder_faults;
    for line in record.lots.iter_mut().flat_map(|lot| &mut lot.lines) {
        line.checked_in = checked_in.contains(&line.bidder);
    }
    record
}

/// What bidders confirm: SHA-256 of the encoded record.
pub fn digest(record: &OpeningRecord) -> Hash {
    sha256(&[&record.encode_to_vec()])
}

fn line(closed: &ClosedBids, envelope: &Envelope, outcome: &SheetOutcome) -> OpeningLine {
    let mut line = OpeningLine {
        bidder: envelope.bidder.clone(),
        bidder_display_name: envelope.bidder_display_name.clone(),
        bundle: envelope.bundle.to_vec(),
        header_id: envelope.header.id().to_vec(),
        ..OpeningLine::default()
    };
    let (fault, zh, en) = match outcome {
        SheetOutcome::Content(content) => match sheet::parse(content, &closed.tender.sheet) {
            Ok(values) => {
                line.values = values;
                (EnvelopeFault::None, String::new(), String::new())
            }
            Err(faults) => (
                EnvelopeFault::Supplier,
                shortened(&faults.zh()),
                shortened(&faults.en()),
            ),
        },
        SheetOutcome::Fault { fault, zh, en } => (*fault, zh.clone(), en.clone()),
    };
    line.set_fault(fault);
    line.fault_note_zh = zh;
    line.fault_note_en = en;
    line
}

/// A sheet of rubbish has many faults; a record need not repeat it.
fn shortened(text: &str) -> String {
    const MOST: usize = 1_000;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The secret of an envelope from what its supplier published; refused unless it is the envelope's.
pub fn rescue(
    key: &TenderKey,
    header: &CheckedHeader,
    secret: &[u8],
) -> Result<SharedSecret, RescueError> {
    // The form of the rescue file that the sealer keeps.
    let file = [b"SEALRSC1".as_slice(), secret, &header.encode()].concat();
    Rescue::parse(&file)?.shared_secret(key.sealing(), header)
}
