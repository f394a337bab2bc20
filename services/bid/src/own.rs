//! A supplier's own bids with their receipts. Nobody else's are ever looked up here.

use std::sync::Arc;

use sunbid_contracts::bid::v1::{
    Bid, BidState, GetBidRequest, GetBidResponse, ListBidsRequest, ListBidsResponse, Receipt,
};
use sunbid_domain::{
    Refusal,
    bid::{OwnBid, TenderBox},
    refusal::FieldCheck,
};
use sunbid_journal::Val;
use sunbid_service::{Caller, Problem, ledger, names, page};

use crate::{
    receipt::Act,
    rpc::{Office, log_of},
    store,
};

/// Between the two halves of a position in the list; in neither.
const SEPARATOR: char = '\n';

impl Office {
    /// The caller's bid for a lot with all its receipts.
    pub async fn own_bid(
        &self,
        caller: &Caller,
        request: &GetBidRequest,
    ) -> Result<GetBidResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        FieldCheck::new()
            .text(&request.lot_id, 32, "lot_id")
            .finish()?;
        let tender_box = self.tender_box(&request.tender).await?;
        let own = self
            .state_of(caller, &request.tender, &request.lot_id)
            .await?;
        let Some(bid) = told(&tender_box, &own) else {
            let what = format!("{}/lots/{}/bids", request.tender, request.lot_id);
            return Err(Refusal::NotFound { what }.into());
        };
        Ok(GetBidResponse {
            receipts: self.receipts_of(&bid, &own).await?,
            bid: Some(bid),
        })
    }

    /// The caller's bids, by tender and lot.
    pub async fn own_bids(
        &self,
        caller: &Caller,
        request: &ListBidsRequest,
    ) -> Result<ListBidsResponse, Problem> {
        let organization = caller.organization();
        let after = self
            .pages
            .position(organization, &request.page_token)?
            .unwrap_or_default();
        let after = String::from_utf8(after).map_err(Problem::internal)?;
        let (tender, lot_id) = after.split_once(SEPARATOR).unwrap_or_default();
        let size = page::size(request.page_size);
        let values = [
            Val::Text(organization.to_owned()),
            Val::Text(tender.to_owned()),
            Val::Text(lot_id.to_owned()),
            Val::Int(i64::from(size) + 1),
        ];
        let rows = self.journal.db().rows(store::OWN_BIDS, &values).await?;
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        let mut response = ListBidsResponse::default();
        let mut last = String::new();
        for row in rows.iter().take(wanted) {
            let (tender, lot_id) = (row.text(0)?, row.text(1)?);
            let tender_box = self.tender_box(&tender).await?;
            let own = self.state_of(caller, &tender, &lot_id).await?;
            response.bids.extend(told(&tender_box, &own));
            last = format!("{tender}{SEPARATOR}{lot_id}");
        }
        if rows.len() > wanted {
            response.next_page_token = self.pages.token(organization, last.as_bytes());
        }
        Ok(response)
    }

    async fn state_of(
        &self,
        caller: &Caller,
        tender: &str,
        lot_id: &str,
    ) -> Result<OwnBid, Problem> {
        let code = names::check_organization(caller.organization(), "organization")?;
        let stream = self.streams.of(tender, lot_id, &code);
        ledger::read(&self.journal, log_of(tender), stream).await
    }

    async fn receipts_of(&self, bid: &Bid, own: &OwnBid) -> Result<Vec<Receipt>, Problem> {
        let submissions = own
            .submissions
            .iter()
            .map(|s| (s.seq, &s.bundle, s.revision, false));
        let withdrawals = own
            .withdrawals
            .iter()
            .map(|w| (w.seq, &w.bundle, w.revision, true));
        let mut acts: Vec<_> = submissions.chain(withdrawals).collect();
        acts.sort_by_key(|(seq, ..)| *seq);
        let log = log_of(&bid.tender);
        let mut receipts = Vec::new();
        for (seq, bundle, revision, withdrawal) in acts {
            let entries = self.journal.read(log, store::unsigned(seq), 1).await?;
            let entry = entries
                .first()
                .filter(|entry| entry.seq == store::unsigned(seq))
                .ok_or_else(|| {
                    Problem::internal(format!("record {seq} of {} is gone", bid.tender))
                })?;
            let act = Act {
                tender: &bid.tender,
                lot_id: &bid.lot_id,
                bundle,
                revision,
                withdrawal,
            };
            let signed = self
                .receipts
                .sign(act.receipt_of(log, entry.at, entry.leaf));
            receipts.push(signed.ok_or_else(|| Problem::internal("an impossible receipt"))?);
        }
        Ok(receipts)
    }
}

/// The last bid as it stands now: after the closing a live one is sealed, or never opened.
fn told(tender_box: &Arc<TenderBox>, own: &OwnBid) -> Option<Bid> {
    let mut bid = own.last.clone()?;
    if bid.state == BidState::Submitted as i32 {
        let state = match tender_box.lot_opens(&bid.lot_id) {
            _ if tender_box.ended => BidState::NeverOpened,
            Some(true) => BidState::Sealed,
            Some(false) => BidState::NeverOpened,
            None => BidState::Submitted,
        };
        bid.state = state as i32;
    }
    Some(bid)
}
