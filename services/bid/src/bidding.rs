//! Orders of other services: move the deadline, hold, release, end. What is due is closed first,
//! so no order comes between a deadline and its closing record.

use std::sync::Arc;

use sunbid_contracts::bid::v1::{
    EndBiddingRequest, EndBiddingResponse, HoldBiddingRequest, HoldBiddingResponse,
    MoveDeadlineRequest, MoveDeadlineResponse,
};
use sunbid_domain::{
    Refusal,
    bid::{Shut, TenderBox, desk},
};
use sunbid_journal::View;
use sunbid_service::{Caller, Decided, Problem, Step, ledger, names};

use crate::{
    NAME,
    closing::{close_in, is_log_closed, schedule},
    rpc::{Office, box_stream},
};

const MOVE: &str = "sunbid.bid.v1.BidService/MoveDeadline";
const HOLD: &str = "sunbid.bid.v1.BidService/HoldBidding";
const END: &str = "sunbid.bid.v1.BidService/EndBidding";

impl Office {
    /// Moves the deadline later.
    pub async fn move_deadline(
        &self,
        caller: &Caller,
        request: MoveDeadlineRequest,
    ) -> Result<MoveDeadlineResponse, Problem> {
        let tender = check_tender(&request.tender)?;
        let step = || {
            Step::of_caller(
                NAME,
                &tender,
                MOVE,
                caller.subject(),
                &request.request_id,
                &request,
            )
        };
        let (deadline_us, cause) = (request.new_deadline_us, request.cause.clone());
        self.order(&tender, step, move |view, tender_box| {
            let moved = desk::move_deadline(tender_box, deadline_us, &cause, view.now)?;
            Ok(Decided::new()
                .event(box_stream(), &moved)
                .fold::<TenderBox>(view, box_stream())?
                .also(schedule(&tender_box.tender, deadline_us, false, false))
                .reply(move |_| MoveDeadlineResponse { deadline_us }))
        })
        .await
    }

    /// Holds bidding, or releases it with the deadline it goes on to.
    pub async fn hold_or_release(
        &self,
        caller: &Caller,
        request: HoldBiddingRequest,
    ) -> Result<HoldBiddingResponse, Problem> {
        let tender = check_tender(&request.tender)?;
        let step = || {
            Step::of_caller(
                NAME,
                &tender,
                HOLD,
                caller.subject(),
                &request.request_id,
                &request,
            )
        };
        let asked = request.clone();
        self.order(&tender, step, move |view, tender_box| {
            let request = &asked;
            let (decided, deadline_us) = if request.hold {
                let held = desk::hold(tender_box, &request.reason, view.now)?;
                (
                    Decided::new().event(box_stream(), &held),
                    tender_box.deadline_us,
                )
            } else {
                let new = request.new_deadline_us;
                let released = desk::release(tender_box, &request.reason, new, view.now)?;
                (Decided::new().event(box_stream(), &released), new)
            };
            Ok(decided
                .fold::<TenderBox>(view, box_stream())?
                .also(schedule(
                    &tender_box.tender,
                    deadline_us,
                    request.hold,
                    false,
                ))
                .reply(move |_| HoldBiddingResponse { deadline_us }))
        })
        .await
    }

    /// Ends bidding of a terminated tender for good.
    pub async fn end_bidding(
        &self,
        caller: &Caller,
        request: EndBiddingRequest,
    ) -> Result<EndBiddingResponse, Problem> {
        let tender = check_tender(&request.tender)?;
        let step = || {
            Step::of_caller(
                NAME,
                &tender,
                END,
                caller.subject(),
                &request.request_id,
                &request,
            )
        };
        let reason = request.reason.clone();
        let done = self
            .order(&tender, step, move |view, tender_box| {
                let Some(ended) = desk::end(tender_box, &reason, view.now)? else {
                    return Ok(Decided::new());
                };
                Ok(Decided::new()
                    .event(box_stream(), &ended)
                    .fold::<TenderBox>(view, box_stream())?
                    .also(schedule(
                        &tender_box.tender,
                        tender_box.deadline_us,
                        false,
                        true,
                    ))
                    .close())
            })
            .await;
        match done {
            // Ended before by another request: that is what was asked.
            Err(Problem::Refused(Refusal::State {
                reason: "BIDDING_ENDED",
                ..
            })) => Ok(EndBiddingResponse {}),
            other => other,
        }
    }

    /// Commits an order on the whole log; if the deadline has come, closes it and refuses.
    async fn order<R, D>(
        &self,
        tender: &str,
        step: impl Fn() -> Result<Step, Refusal>,
        decide: D,
    ) -> Result<R, Problem>
    where
        R: prost::Message + Default + 'static,
        D: Fn(&View<'_>, &TenderBox) -> Result<Decided<R>, Problem> + Clone + Send + 'static,
    {
        let done = self
            .attempt(true, |_| {
                let (decide, standing) = (decide.clone(), self.standing.clone());
                let step = step()?.reading_all();
                Ok(ledger::commit(&self.journal, step, move |view| {
                    let tender_box: TenderBox = ledger::load(view, box_stream())?;
                    if tender_box.is_due(view.now) {
                        let closed = desk::shut_for_orders(&tender_box, Shut::Due);
                        return Ok(close_in(view, &standing, Decided::new())?.refuse(closed));
                    }
                    decide(view, &tender_box)
                }))
            })
            .await;
        let tender_box: Arc<TenderBox> = self.refresh(tender).await?;
        match done {
            Err(problem) if is_log_closed(&problem) => {
                let shut = if tender_box.ended {
                    Shut::Ended
                } else {
                    Shut::Closed
                };
                Err(desk::shut_for_orders(&tender_box, shut).into())
            }
            other => Ok(other?.reply),
        }
    }
}

fn check_tender(tender: &str) -> Result<String, Refusal> {
    names::check_tender(tender, "tender")?;
    Ok(tender.to_owned())
}
