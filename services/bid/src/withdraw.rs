//! A bid taken back before the deadline: the supplier signs for the very bundle that is live.

use std::sync::Arc;

use sunbid_certificates::supplier;
use sunbid_contracts::bid::v1::{BidWithdrawn, WithdrawBidRequest, WithdrawBidResponse};
use sunbid_domain::{
    Refusal,
    bid::{OwnBid, Shut, TenderBox, desk, fault, refuse_late_withdrawal},
    refusal::FieldCheck,
};
use sunbid_journal::{StreamId, View};
use sunbid_rules::Engine;
use sunbid_service::{Caller, Decided, Problem, Step, ledger, names};
use sunbid_terms::CreditCode;

use crate::{
    NAME,
    closing::{close_in, due_first, is_log_closed},
    proving::{Standing, unproven},
    receipt::Act,
    rpc::{Office, box_stream, log_of, off_thread},
    store,
    supplier::Signed,
    upload::unknown_lot,
};

const METHOD: &str = "sunbid.bid.v1.BidService/WithdrawBid";

/// A withdrawal on its way to the journal.
struct Order {
    rules: Arc<Engine>,
    standing: Arc<Standing>,
    request: WithdrawBidRequest,
    stream: StreamId,
    /// The bundle that the signature is over.
    checked: Result<Vec<u8>, Refusal>,
}

impl Office {
    /// Takes a bid back or refuses to.
    pub async fn withdraw(
        self: Arc<Self>,
        caller: &Caller,
        request: WithdrawBidRequest,
    ) -> Result<WithdrawBidResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let code = names::check_organization(caller.organization(), "organization")?;
        FieldCheck::new()
            .text(&request.lot_id, 32, "lot_id")
            .finish()?;
        names::check_request_id(&request.request_id)?;
        let tender_box = self.tender_box(&request.tender).await?;
        if tender_box.lot(&request.lot_id).is_none() {
            return Err(unknown_lot(&request.lot_id).into());
        }
        let stream = self.streams.of(&request.tender, &request.lot_id, &code);
        let request = Arc::new(request);
        let checked = self
            .clone()
            .signed_bundle(code, &tender_box, stream, request.clone())
            .await?;
        let request = Arc::unwrap_or_clone(request);
        let order = Arc::new(Order {
            rules: self.rules.clone(),
            standing: self.standing.clone(),
            request,
            stream,
            checked,
        });
        let tender = order.request.tender.clone();
        let mut looked_again = false;
        let done = self
            .attempt(false, |whole| {
                looked_again |= whole;
                let step = Step::of_caller(
                    NAME,
                    &tender,
                    METHOD,
                    caller.subject(),
                    &order.request.request_id,
                    &order.request,
                )?;
                let step = if whole {
                    step.reading_all()
                } else {
                    step.reading(&[box_stream(), stream])
                };
                let order = order.clone();
                Ok(ledger::commit(&self.journal, step, move |view| {
                    order.decide(view, whole)
                }))
            })
            .await;
        if looked_again {
            self.refresh(&tender).await?;
        }
        let mut response = match done {
            Err(problem) if is_log_closed(&problem) => {
                let (tender_box, now) = (self.refresh(&tender).await?, self.clock.now());
                return Err(match tender_box.gate(now) {
                    Err(Shut::Ended) => desk::shut_for_suppliers(&tender_box, Shut::Ended),
                    _ => refuse_late_withdrawal(&self.rules, &tender_box, now),
                }
                .into());
            }
            other => other?.reply,
        };
        let receipt = response
            .receipt
            .take()
            .and_then(|receipt| self.receipts.sign(receipt));
        response.receipt = Some(receipt.ok_or_else(|| Problem::internal("no receipt"))?);
        Ok(response)
    }

    /// The live bundle, if the supplier signed its withdrawal.
    async fn signed_bundle(
        self: Arc<Self>,
        code: CreditCode,
        tender_box: &Arc<TenderBox>,
        stream: StreamId,
        request: Arc<WithdrawBidRequest>,
    ) -> Result<Result<Vec<u8>, Refusal>, Problem> {
        let own: OwnBid = ledger::read(&self.journal, log_of(&request.tender), stream).await?;
        let Some(live) = own.live() else {
            return Ok(Err(desk::nothing_to_withdraw()));
        };
        let (bundle, office, tender_box) = (live.bundle.clone(), self.clone(), tender_box.clone());
        let _permit = self.checks.permit(&live.bidder).await?;
        off_thread(move || {
            let message = supplier::withdrawal(&request.certificate, &bundle);
            let signed = Signed {
                certificate: &request.certificate,
                intermediates: &request.intermediates,
                message: &message,
                signature: &request.signature,
            };
            let now = office.clock.now();
            match office.suppliers.check(&signed, &code, now) {
                Ok(()) => Ok(bundle),
                Err(faults) => Err(fault::refuse_withdrawal(
                    &office.rules,
                    &tender_box,
                    now,
                    &faults,
                )),
            }
        })
        .await
    }
}

impl Order {
    fn decide(
        &self,
        view: &View<'_>,
        whole: bool,
    ) -> Result<Decided<WithdrawBidResponse>, Problem> {
        let tender_box: TenderBox = ledger::load(view, box_stream())?;
        let late = || refuse_late_withdrawal(&self.rules, &tender_box, view.now);
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
        let bundle = self.checked.clone()?;
        let own: OwnBid = ledger::load(view, self.stream)?;
        let place = desk::Place {
            now: view.now,
            seq: view.head.map_or(0, |head| store::signed(head.size)),
        };
        let proof = BidWithdrawn {
            certificate: self.request.certificate.clone(),
            intermediates: self.request.intermediates.clone(),
            signature: self.request.signature.clone(),
            ..BidWithdrawn::default()
        };
        let withdrawn = desk::withdraw(&own, &bundle, proof, place)?;
        let said = fault::withdrawal_allowed(&self.rules, &tender_box, view.now)?;
        let (tender, revision) = (tender_box.tender.clone(), own.last_revision());
        Ok(Decided::new()
            .event(self.stream, &withdrawn)
            .verdicts(said)
            .fold::<OwnBid>(view, self.stream)?
            .reply(move |entries| {
                let act = Act {
                    tender: &tender,
                    lot_id: &withdrawn.lot_id,
                    bundle: &withdrawn.bundle,
                    revision,
                    withdrawal: true,
                };
                WithdrawBidResponse {
                    receipt: entries.first().map(|entry| act.receipt(entry)),
                }
            }))
    }
}
