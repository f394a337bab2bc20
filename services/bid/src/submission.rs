//! A checked submission inside the transaction: only the box and the bidder's own state are looked
//! at, and whatever is late is refused by the very record that closes the log.

use std::sync::Arc;

use sunbid_contracts::{
    bid::v1::{Bid, BidState, SubmitBidRequest, SubmitBidResponse},
    common::v1::Verdict,
};
use sunbid_domain::{
    Refusal,
    bid::{Envelopes, Fault, OwnBid, Shut, TenderBox, desk, fault, refuse_late, refuse_submission},
};
use sunbid_journal::{StreamId, Val, View};
use sunbid_rules::Engine;
use sunbid_service::{Decided, Problem, ledger};

use crate::{
    closing::{close_in, due_first},
    proving::{Standing, unproven},
    receipt::Act,
    rpc::box_stream,
    store,
    submit::{inline, uploaded},
};

/// A submission on its way to the journal.
pub struct Order {
    pub rules: Arc<Engine>,
    pub standing: Arc<Standing>,
    pub request: Arc<SubmitBidRequest>,
    pub bidder: String,
    pub stream: StreamId,
    /// Fresh name of the bid.
    pub name: String,
    /// What the checks before found.
    pub checked: Result<(Envelopes, Vec<Verdict>), Refusal>,
    /// Where the lot asks for a deposit: record of the last withdrawal that its answer knew of.
    pub withdrawn: Option<Option<i64>>,
}

impl Order {
    /// Inside the transaction. `whole` says that every state of the log is in the view, so that a
    /// box whose deadline has come can be closed.
    pub fn decide(
        &self,
        view: &View<'_>,
        whole: bool,
    ) -> Result<Decided<SubmitBidResponse>, Problem> {
        let tender_box: TenderBox = ledger::load(view, box_stream())?;
        let late = || {
            let facts = fault::submission_facts(&tender_box, &self.bidder, view.now, None);
            refuse_late(&self.rules, &tender_box, &facts)
        };
        match tender_box.gate(view.now) {
            Ok(()) if self.standing.takes(view.now) => {}
            Ok(()) => return Err(unproven()),
            Err(Shut::Due) if whole => {
                return Ok(close_in(view, &self.standing, Decided::new())?.refuse(late()));
            }
            Err(Shut::Due) => return Err(due_first()),
            Err(Shut::Closed) => return Err(late().into()),
            Err(shut) => return Err(desk::shut_for_suppliers(&tender_box, shut).into()),
        }
        let (envelopes, said) = self.checked.clone()?;
        let own: OwnBid = ledger::load(view, self.stream)?;
        // A withdrawal since the deposit was asked after gave the deposit back.
        let last = own.withdrawals.last().map(|withdrawal| withdrawal.seq);
        if self.withdrawn.is_some_and(|known| known != last) {
            return Err(Refusal::state(
                "BID_CHANGED",
                "贵单位的投标刚被撤回，请重新提交。",
                "Your bid was withdrawn meanwhile; submit again.",
            )
            .into());
        }
        own.check_room()?;
        let place = desk::Place {
            now: view.now,
            seq: view.head.map_or(0, |head| store::signed(head.size)),
        };
        let submitted = desk::submit(
            &tender_box,
            &own,
            self.bid(&envelopes),
            envelopes.not_before,
            place,
        )
        .map_err(|fault| self.refuse(&tender_box, view, fault))?;
        let mut decided = Decided::new()
            .event(self.stream, &submitted)
            .verdicts(said.clone())
            .fold::<OwnBid>(view, self.stream)?;
        if own.submissions.is_empty() {
            let row = [&self.bidder, &self.request.tender, &self.request.lot_id];
            decided = decided.add(
                &store::ADD_OWN_BID,
                row.map(|text| Val::Text(text.clone())).to_vec(),
            );
        }
        for (at, part) in envelopes.parts.iter().enumerate() {
            if let Some(payload) = inline(&self.request, at) {
                let row = vec![
                    Val::Blob(part.payload_root.clone()),
                    Val::Blob(payload.to_vec()),
                ];
                decided = decided.add(&store::ADD_SMALL_PAYLOAD, row);
            } else {
                let key = uploaded(&self.bidder, &self.request, part)?;
                decided = decided.demand(key.claim(part.payload_bytes));
            }
        }
        let bid = submitted.bid.unwrap_or_default();
        Ok(decided.reply(move |entries| {
            let act = Act {
                tender: &bid.tender,
                lot_id: &bid.lot_id,
                bundle: &bid.bundle,
                revision: bid.revision,
                withdrawal: false,
            };
            SubmitBidResponse {
                receipt: entries.first().map(|entry| act.receipt(entry)),
                bid: Some(bid),
                verdicts: said,
            }
        }))
    }

    fn bid(&self, envelopes: &Envelopes) -> Bid {
        Bid {
            name: self.name.clone(),
            tender: self.request.tender.clone(),
            lot_id: self.request.lot_id.clone(),
            bidder: self.bidder.clone(),
            revision: self.request.revision,
            bundle: envelopes.bundle.to_vec(),
            parts: envelopes.parts.clone(),
            certificate: self.request.certificate.clone(),
            intermediates: self.request.intermediates.clone(),
            signature: self.request.signature.clone(),
            state: BidState::Submitted as i32,
            accept_time_us: 0,
        }
    }

    fn refuse(&self, tender_box: &TenderBox, view: &View<'_>, fault: Fault) -> Refusal {
        let facts = fault::submission_facts(tender_box, &self.bidder, view.now, None);
        match fault::scope(tender_box, view.now) {
            Ok(scope) => refuse_submission(&self.rules, &scope, &facts, &[fault]),
            Err(refusal) => refusal,
        }
    }
}
