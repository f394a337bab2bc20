//! The closing list: every submission of the log with how it ended, and how each lot stands.

use std::collections::HashMap;

use sunbid_contracts::bid::v1::{BidState, BiddingClosed, ClosingEntry, ClosingStatus, LotClosing};

use super::{OwnBid, TenderBox};

/// With fewer bidders a lot is not opened (招标投标法实施条例 art. 44, 财政部令第87号 art. 41).
pub const MINIMUM_BIDDERS: usize = 3;

/// The closing record of a box with the bids of all its bidders and lots, in any order.
pub fn closing(tender_box: &TenderBox, bids: &[OwnBid]) -> BiddingClosed {
    let mut bidders: HashMap<&str, usize> = HashMap::new();
    for live in bids.iter().filter_map(OwnBid::live) {
        *bidders.entry(live.lot_id.as_str()).or_default() += 1;
    }
    let lots: Vec<LotClosing> = tender_box
        .lots
        .iter()
        .map(|lot| {
            let count = bidders.get(lot.lot_id.as_str()).copied().unwrap_or(0);
            LotClosing {
                lot_id: lot.lot_id.clone(),
                bidders: i32::try_from(count).unwrap_or(i32::MAX),
                opens: count >= MINIMUM_BIDDERS,
            }
        })
        .collect();
    let opens = |lot_id: &str| lots.iter().any(|lot| lot.lot_id == lot_id && lot.opens);
    let mut entries: Vec<ClosingEntry> = Vec::new();
    for own in bids {
        let lot_opens = own.last.as_ref().is_some_and(|bid| opens(&bid.lot_id));
        entries.extend(own.submissions.iter().map(|submission| {
            let status = match BidState::try_from(submission.state) {
                Ok(BidState::Submitted) if lot_opens => ClosingStatus::Live,
                Ok(BidState::Submitted) => ClosingStatus::LotFailed,
                Ok(BidState::Replaced) => ClosingStatus::Superseded,
                Ok(BidState::Withdrawn) => ClosingStatus::Withdrawn,
                // No event leads to another state.
                _ => ClosingStatus::Invalid,
            };
            ClosingEntry {
                seq: submission.seq,
                bundle: submission.bundle.clone(),
                status: status as i32,
            }
        }));
    }
    entries.sort_by_key(|entry| entry.seq);
    BiddingClosed {
        deadline_us: tender_box.deadline_us,
        entries,
        lots,
    }
}
