//! Drafting: create, change, check against the rules, review. The rules' breaches are shown here
//! and stop the notice, not the draft.

use sunbid_contracts::{
    registry::v1::{GetOrganizationRequest, Role},
    tender::v1::{
        CheckTenderRequest, CheckTenderResponse, CreateTenderRequest, CreateTenderResponse, Review,
        ReviewTenderRequest, ReviewTenderResponse, Tender, Timetable, UpdateTenderRequest,
        UpdateTenderResponse,
    },
};
use sunbid_domain::{
    Refusal,
    notice::facts,
    tender::{
        draft::{self, Author},
        life,
    },
};
use sunbid_service::{Caller, Problem, Step, names};
use sunbid_terms::Instant;
use uuid::Uuid;

use crate::{
    NAME,
    service::{Change, Tenders, applied, judged},
};

const SERIALS: u128 = 1_000_000;

fn missing(field: &str) -> Refusal {
    Refusal::field(field, "必填。", "is required.")
}

impl Tenders {
    pub async fn create(
        &self,
        caller: Caller,
        request: CreateTenderRequest,
    ) -> Result<CreateTenderResponse, Problem> {
        let request_id = names::check_request_id(&request.request_id)?;
        let parts = [
            b"tender".as_slice(),
            caller.subject().as_bytes(),
            request_id.as_bytes(),
        ];
        let name = format!("tenders/{}", names::derived(&parts));
        let step = Step::of_caller(
            NAME,
            &name,
            "CreateTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let mut asked = request.tender.ok_or_else(|| missing("tender"))?;
        if asked.purchaser_display_name.is_empty() {
            asked.purchaser_display_name = self.registered_name(caller.organization()).await?;
        }
        let intent = self.intent(&asked.intent).await?;
        // Random, so that codes count nothing.
        let serial = (Uuid::new_v4().as_u128() % SERIALS) as u32;
        let rules = self.rules.clone();
        let done = self
            .change(
                step,
                move |before, view| {
                    let author = author(&caller);
                    let events = draft::create(before, &asked, author, &name, serial, view.now)?;
                    let after = applied(before, &events, view.now)?;
                    let tender = after.tender.unwrap_or_default();
                    let verdicts = judged(&rules, &tender, intent.as_ref(), view.now)?;
                    Ok(Change { events, verdicts })
                },
                |after, verdicts| CreateTenderResponse {
                    tender: after.tender,
                    verdicts,
                },
            )
            .await?;
        Ok(done.reply)
    }

    pub async fn update(
        &self,
        caller: Caller,
        request: UpdateTenderRequest,
    ) -> Result<UpdateTenderResponse, Problem> {
        let asked = request.tender.clone().ok_or_else(|| missing("tender"))?;
        names::check_tender(&asked.name, "tender.name")?;
        let step = Step::of_caller(
            NAME,
            &asked.name,
            "UpdateTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let intent = self.intent(&asked.intent).await?;
        let rules = self.rules.clone();
        let done = self
            .change(
                step,
                move |before, view| {
                    let events = draft::update(before, &asked, author(&caller))?;
                    let after = applied(before, &events, view.now)?;
                    let tender = after.tender.unwrap_or_default();
                    let verdicts = judged(&rules, &tender, intent.as_ref(), view.now)?;
                    Ok(Change { events, verdicts })
                },
                |after, verdicts| UpdateTenderResponse {
                    tender: after.tender,
                    verdicts,
                },
            )
            .await?;
        Ok(done.reply)
    }

    pub async fn review(
        &self,
        caller: Caller,
        request: ReviewTenderRequest,
    ) -> Result<ReviewTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let step = Step::of_caller(
            NAME,
            &request.name,
            "ReviewTender",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let done = self
            .change(
                step,
                move |before, view| {
                    let review = Review {
                        kind: request.kind,
                        reviewer: caller.subject().to_owned(),
                        passed: request.passed,
                        conclusion: request.conclusion,
                        at_us: view.now.micros(),
                    };
                    Ok(life::review(before, caller.organization(), review)?.into())
                },
                |after, _| ReviewTenderResponse {
                    tender: after.tender,
                },
            )
            .await?;
        Ok(done.reply)
    }

    pub async fn check(
        &self,
        caller: Caller,
        request: CheckTenderRequest,
    ) -> Result<CheckTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let dossier = self.dossier(&request.name).await?;
        let allowed = |tender: &Tender| {
            caller.has(Role::Supervisor) || caller.acts_for(&tender.purchaser).is_ok()
        };
        let tender = dossier.tender.filter(allowed).ok_or(Refusal::Forbidden)?;
        let at = match request.publish_time_us {
            0 => self.clock.now(),
            us if us > 0 => Instant::from_micros(us),
            _ => {
                let refusal =
                    Refusal::field("publish_time_us", "不得为负。", "must not be negative.");
                return Err(refusal.into());
            }
        };
        let intent = self.intent(&tender.intent).await?;
        let verdicts = judged(&self.rules, &tender, intent.as_ref(), at)?;
        let scope = facts::scope(tender.track, &tender.jurisdiction, at)?;
        let planned = self
            .rules
            .timetable(&scope, facts::method(tender.method()), at);
        let stated = tender.timetable.unwrap_or_default();
        let earliest = planned.map(|plan| Timetable {
            document_from_us: at.micros(),
            document_until_us: plan.document_until.micros(),
            bid_deadline_us: plan.bid_deadline.micros(),
            announcement_until_us: plan.announcement_until.map_or(0, Instant::micros),
            ..stated
        });
        Ok(CheckTenderResponse { verdicts, earliest })
    }

    /// The name an organisation is registered under.
    pub async fn registered_name(&self, organization: &str) -> Result<String, Problem> {
        let asked = GetOrganizationRequest {
            name: organization.to_owned(),
        };
        let answer = self
            .peers
            .registry()
            .get_organization(asked)
            .await?
            .into_inner();
        Ok(answer.organization.unwrap_or_default().display_name)
    }
}

fn author(caller: &Caller) -> Author<'_> {
    Author {
        subject: caller.subject(),
        organization: caller.organization(),
    }
}
