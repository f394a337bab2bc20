//! Holding and ending tenders. Bidding is held or ended before the record says so, and released
//! after; a release that was cut off is made up for by following this service's own log.

use sunbid_contracts::{
    bid::v1::{EndBiddingRequest, HoldBiddingRequest},
    tender::v1::{
        ResumeTenderRequest, ResumeTenderResponse, SuspendTenderRequest, SuspendTenderResponse,
        Tender, TenderResumed, TenderState, TerminateTenderRequest, TerminateTenderResponse,
        Termination,
    },
};
use sunbid_domain::{
    Refusal,
    notice::facts,
    tender::{Dossier, life},
    verdicts,
};
use sunbid_rules::Engine;
use sunbid_service::{Caller, Problem, Step, names};
use sunbid_terms::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    NAME,
    service::{Change, Tenders},
};

impl Tenders {
    pub async fn suspend(
        &self,
        caller: Caller,
        request: SuspendTenderRequest,
    ) -> Result<SuspendTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let step = Step::of_caller(
            NAME,
            &request.name,
            "SuspendTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let dossier = self.dossier(&request.name).await?;
        let now = self.clock.now();
        if dossier.state() == TenderState::Announced
            && life::suspend(&dossier, caller.subject(), &request.reason, now).is_ok()
        {
            let hold = HoldBiddingRequest {
                request_id: follow_on(&request.request_id, "hold"),
                tender: request.name.clone(),
                hold: true,
                reason: request.reason.clone(),
                new_deadline_us: 0,
            };
            self.hold_bidding(hold).await?;
        }
        let done = self
            .change(
                step,
                move |before, view| {
                    Ok(life::suspend(before, caller.subject(), &request.reason, view.now)?.into())
                },
                |after, _| SuspendTenderResponse {
                    tender: after.tender,
                },
            )
            .await?;
        Ok(done.reply)
    }

    /// Holds bidding; held already is held.
    pub async fn hold_bidding(&self, hold: HoldBiddingRequest) -> Result<(), Problem> {
        match self.peers.bid().hold_bidding(hold).await {
            Ok(_) => Ok(()),
            Err(status) if reason(&status) == "BIDDING_HELD" => Ok(()),
            Err(status) => Err(status.into()),
        }
    }

    pub async fn resume(
        &self,
        caller: Caller,
        request: ResumeTenderRequest,
    ) -> Result<ResumeTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let step = Step::of_caller(
            NAME,
            &request.name,
            "ResumeTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let rules = self.rules.clone();
        let (name, reason) = (request.name.clone(), request.reason.clone());
        let done = self
            .change(
                step,
                move |before, view| {
                    Ok(life::resume(before, &request.reason, rules.calendar(), view.now)?.into())
                },
                |after, _| ResumeTenderResponse {
                    tender: after.tender,
                },
            )
            .await?;
        let tender = done.reply.tender.clone().unwrap_or_default();
        if let Some(entry) = done.entries.first() {
            let cause = [entry.log.as_bytes().as_slice(), &entry.seq.to_be_bytes()].concat();
            let resumed = TenderResumed {
                reason,
                bid_deadline_us: tender.timetable.unwrap_or_default().bid_deadline_us,
            };
            if let Err(problem) = self
                .release(&cause, &name, &resumed, entry.at, &tender)
                .await
            {
                tracing::warn!(
                    tender = name,
                    ?problem,
                    "bidding will be released in a moment"
                );
            }
        }
        Ok(done.reply)
    }

    /// Lets bidding go on after a hold that ended at `at`; repeats change nothing.
    pub async fn release(
        &self,
        cause: &[u8],
        name: &str,
        resumed: &TenderResumed,
        at: Instant,
        tender: &Tender,
    ) -> Result<(), Problem> {
        // A hold that ended before the notice never reached bidding.
        if tender.announce_time_us == 0 || at.micros() < tender.announce_time_us {
            return Ok(());
        }
        let release = HoldBiddingRequest {
            request_id: names::derived(&[b"release", cause]).to_string(),
            tender: name.to_owned(),
            hold: false,
            reason: resumed.reason.clone(),
            new_deadline_us: resumed.bid_deadline_us,
        };
        match self.peers.bid().hold_bidding(release).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::FailedPrecondition => {
                tracing::warn!(tender = name, %status, "bidding was not held any more");
                Ok(())
            }
            Err(status) => Err(status.into()),
        }
    }

    pub async fn terminate(
        &self,
        caller: Caller,
        request: TerminateTenderRequest,
    ) -> Result<TerminateTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let step = Step::of_caller(
            NAME,
            &request.name,
            "TerminateTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let termination = Termination {
            cause: request.cause,
            reason: request.reason.clone(),
            takers_told: request.takers_told,
            reported_to_finance: request.reported_to_finance,
        };
        let dossier = self.dossier(&request.name).await?;
        let own = caller.organization().to_owned();
        let (rules, now) = (self.rules.clone(), self.clock.now());
        if dossier.state() == TenderState::Announced
            && decided(&rules, &dossier, &own, &termination, now).is_ok()
        {
            let end = EndBiddingRequest {
                request_id: follow_on(&request.request_id, "end"),
                tender: request.name.clone(),
                reason: request.reason.clone(),
            };
            self.peers.bid().end_bidding(end).await?;
        }
        let done = self
            .change(
                step,
                move |before, view| decided(&rules, before, &own, &termination, view.now),
                |after, verdicts| TerminateTenderResponse {
                    tender: after.tender,
                    verdicts,
                },
            )
            .await?;
        Ok(done.reply)
    }
}

fn decided(
    rules: &Engine,
    dossier: &Dossier,
    organization: &str,
    termination: &Termination,
    now: Instant,
) -> Result<Change, Problem> {
    let events = life::terminate(dossier, organization, termination.clone())?;
    let tender = dossier.tender.as_ref().ok_or(Refusal::Forbidden)?;
    // Nobody was told of a draft, so nobody is told of its end.
    if !dossier.is_public() {
        return Ok(events.into());
    }
    let (scope, facts) = facts::termination(tender, termination, now)?;
    let verdicts = verdicts::allowed(&rules.check(&scope, &facts))?;
    Ok(Change { events, verdicts })
}

/// The machine-readable reason of another service's refusal.
fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

/// The request id of what one request asks of another service.
fn follow_on(request_id: &str, what: &str) -> String {
    names::derived(&[what.as_bytes(), request_id.as_bytes()]).to_string()
}
