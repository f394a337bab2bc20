//! What services may read once a log is closed: its bids in order, each with how it ended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sunbid_contracts::{
    bid::v1::{
        Bid, BidState, BidSubmitted, BiddingClosed, ClosingEntry, ClosingStatus,
        ListClosedBidsRequest, ListClosedBidsResponse, Receipt,
    },
    common::v1::Record,
};
use sunbid_domain::{Event, Refusal};
use sunbid_journal::Entry;
use sunbid_proofs::Hash;
use sunbid_service::{Problem, names, page};

use crate::{
    receipt::Act,
    rpc::{Office, log_of},
    store,
};

/// Records read at a time.
const PAGE: u32 = 500;
/// Closed logs remembered at most.
const MOST: usize = 256;
/// One closed log: its closing list, and the payloads of its live bids with their sizes.
#[derive(Debug)]
pub struct ClosedLog {
    entries: Vec<ClosingEntry>,
    pub live: HashMap<Hash, u64>,
}

/// Closed logs at hand; they never change.
#[derive(Debug, Default)]
pub struct ClosedLogs {
    // Locked for the length of a look-up.
    known: Mutex<HashMap<String, Arc<ClosedLog>>>,
}

impl Office {
    /// Bids of a closed log in the order of their records.
    pub async fn closed_bids(
        &self,
        request: &ListClosedBidsRequest,
    ) -> Result<ListClosedBidsResponse, Problem> {
        let closed = self.closed_log(&request.tender).await?;
        let filter = format!("{}|{}", request.tender, request.live_only);
        let after = match self.pages.position(&filter, &request.page_token)? {
            None => -1,
            Some(position) => i64::from_be_bytes(
                position
                    .try_into()
                    .map_err(|_| Problem::internal("a position"))?,
            ),
        };
        let live = ClosingStatus::Live as i32;
        let mut wanted = closed
            .entries
            .iter()
            .filter(|entry| entry.seq > after && (!request.live_only || entry.status == live));
        let size = usize::try_from(page::size(request.page_size)).unwrap_or(usize::MAX);
        let mut response = ListClosedBidsResponse::default();
        for entry in wanted.by_ref().take(size) {
            let (mut bid, receipt) = self.bid_at(&request.tender, entry.seq).await?;
            bid.state = state_of(entry.status) as i32;
            response.bids.push(bid);
            response.receipts.push(receipt);
            response.seqs.push(entry.seq);
        }
        if let (Some(last), Some(_)) = (response.seqs.last(), wanted.next()) {
            response.next_page_token = self.pages.token(&filter, &last.to_be_bytes());
        }
        Ok(response)
    }

    /// The closed log of a tender; refused while bidding is not closed.
    pub async fn closed_log(&self, tender: &str) -> Result<Arc<ClosedLog>, Problem> {
        names::check_tender(tender, "tender")?;
        {
            let known = self
                .closed
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(closed) = known.get(tender) {
                return Ok(closed.clone());
            }
        }
        if !self.refresh(tender).await?.closed {
            return Err(Refusal::state(
                "BIDDING_OPEN",
                "投标尚未截止，任何人不得读取投标。",
                "Bidding has not closed; nobody reads bids before.",
            )
            .into());
        }
        let closed = Arc::new(self.read_closed(tender).await?);
        let mut known = self
            .closed
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(tender.to_owned(), closed.clone());
        Ok(closed)
    }

    async fn read_closed(&self, tender: &str) -> Result<ClosedLog, Problem> {
        let log = log_of(tender);
        let mut sizes: HashMap<i64, Vec<(Hash, u64)>> = HashMap::new();
        let mut next = 0;
        loop {
            let entries = self.journal.read(log, next, PAGE).await?;
            let Some(last) = entries.last() else {
                return Err(Problem::internal(format!(
                    "{tender} is closed without a closing record"
                )));
            };
            next = last.seq + 1;
            for entry in &entries {
                let event = event_of(entry)?;
                if let Some(submitted) = event.read::<BidSubmitted>()? {
                    let parts = submitted.bid.unwrap_or_default().parts;
                    let parts = parts.into_iter().filter_map(|part| {
                        let root = part.payload_root.try_into().ok()?;
                        Some((root, store::unsigned(part.payload_bytes)))
                    });
                    sizes.insert(submitted.seq, parts.collect());
                } else if let Some(closed) = event.read::<BiddingClosed>()? {
                    let live = closed
                        .entries
                        .iter()
                        .filter(|entry| entry.status == ClosingStatus::Live as i32)
                        .filter_map(|entry| sizes.remove(&entry.seq))
                        .flatten()
                        .collect();
                    return Ok(ClosedLog {
                        entries: closed.entries,
                        live,
                    });
                }
            }
        }
    }

    /// The bid of a record with its receipt.
    async fn bid_at(&self, tender: &str, seq: i64) -> Result<(Bid, Receipt), Problem> {
        let log = log_of(tender);
        let entries = self.journal.read(log, store::unsigned(seq), 1).await?;
        let no_bid = || Problem::internal(format!("record {seq} of {tender} is no bid"));
        let entry = entries
            .first()
            .filter(|entry| store::signed(entry.seq) == seq);
        let entry = entry.ok_or_else(no_bid)?;
        let submitted: BidSubmitted = event_of(entry)?.read()?.ok_or_else(no_bid)?;
        let bid = submitted.bid.ok_or_else(no_bid)?;
        let act = Act {
            tender,
            lot_id: &bid.lot_id,
            bundle: &bid.bundle,
            revision: bid.revision,
            withdrawal: false,
        };
        let receipt = self
            .receipts
            .sign(act.receipt_of(log, entry.at, entry.leaf));
        Ok((bid, receipt.ok_or_else(no_bid)?))
    }
}

fn event_of(entry: &Entry) -> Result<Event, Problem> {
    let body = entry
        .body()
        .ok_or_else(|| Problem::internal("a record without its body"))?;
    let record = <Record as prost::Message>::decode(body).map_err(Problem::internal)?;
    Ok(Event {
        name: record.r#type,
        bytes: record.event,
    })
}

fn state_of(status: i32) -> BidState {
    match ClosingStatus::try_from(status) {
        Ok(ClosingStatus::Live) => BidState::Sealed,
        Ok(ClosingStatus::Superseded) => BidState::Replaced,
        Ok(ClosingStatus::Withdrawn) => BidState::Withdrawn,
        _ => BidState::NeverOpened,
    }
}
