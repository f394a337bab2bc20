//! Organisations: registering, approving, suspending, reinstating, showing.

use prost::{Message, Name};
use sunbid_certificates::possession;
use sunbid_contracts::registry::v1::{
    ApproveOrganizationRequest, ApproveOrganizationResponse, GetOrganizationRequest,
    GetOrganizationResponse, ListOrganizationsRequest, ListOrganizationsResponse, Organization,
    OrganizationKind, OrganizationState as State, RegisterOrganizationRequest,
    RegisterOrganizationResponse, ReinstateOrganizationRequest, ReinstateOrganizationResponse,
    Role, SuspendOrganizationRequest, SuspendOrganizationResponse,
};
use sunbid_domain::{
    Aggregate, Event, Refusal,
    registry::{OrganizationState, Registration, SubjectState, organization_name, subject_name},
};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit, load, read},
    names::check_organization,
    page,
};
use sunbid_terms::Instant;

use crate::{
    Registry, SERVICE, credential,
    names::{log, organization_stream, subject_stream},
    store,
};

impl Registry {
    pub(crate) async fn register(
        &self,
        request: RegisterOrganizationRequest,
    ) -> Result<RegisterOrganizationResponse, Problem> {
        let now = self.clock.now();
        let credential = credential::verify(
            &request.certificate,
            &request.intermediates,
            &self.roots,
            now,
        )?;
        // Asked only if this is no repeat: a repeat may come after the challenge has ended.
        let proven = self.proven(&request, now);
        let evidence = credential::key_evidence(&request, &self.origin, &self.roots, now);
        let organization = organization_name(&credential.credit_code);
        let subject = subject_name(&organization, &credential.fingerprint);
        let (own, first) = (organization_stream(), subject_stream(&subject));
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "RegisterOrganization",
            &subject,
            &request.request_id,
            &request,
        )?
        .reading(&[own, first]);
        let mut registration = Registration {
            display_name: request.display_name,
            kinds: request.kinds,
            basic_account: request.basic_account,
            identity_key: request.identity_key,
            encryption_key: request.encryption_key,
            key_evidence: None,
            subject_display_name: request.subject_display_name,
        };
        let done = commit(&self.journal, step, move |view| {
            proven?;
            registration.key_evidence = evidence?;
            let state: OrganizationState = load(view, own)?;
            let enrolment = state.register(&registration, &credential, view.now)?;
            let reply = RegisterOrganizationResponse {
                organization: Some(enrolment.organization.clone()),
                subject: Some(enrolment.subject.clone()),
            };
            Ok(Decided::new()
                .event(own, &enrolment.registered)
                .event(first, &enrolment.added)
                .fold::<OrganizationState>(view, own)?
                .fold::<SubjectState>(view, first)?
                .also(store::put_organization(&enrolment.organization))
                .also(store::put_subject(
                    &enrolment.organization.name,
                    &enrolment.subject,
                    Instant::default(),
                ))
                .reply(move |_| reply))
        })
        .await?;
        Ok(done.reply)
    }

    fn proven(&self, request: &RegisterOrganizationRequest, now: Instant) -> Result<(), Refusal> {
        self.challenges.check(&request.challenge, now)?;
        let digest = possession::Registration {
            origin: &self.origin,
            request_id: &request.request_id,
            display_name: &request.display_name,
            kinds: &request.kinds,
            basic_account: &request.basic_account,
            certificate: &request.certificate,
            identity_key: &request.identity_key,
            encryption_key: &request.encryption_key,
            subject_display_name: &request.subject_display_name,
        }
        .digest();
        let message = possession::registration(&request.challenge, &digest);
        credential::verify_possession(&request.certificate, &message, &request.signature)
    }

    pub(crate) async fn approve(
        &self,
        caller: &Caller,
        request: ApproveOrganizationRequest,
    ) -> Result<ApproveOrganizationResponse, Problem> {
        let change = Change::new("ApproveOrganization", caller, &request.request_id, &request);
        let organization = self
            .change(change, &request.name, OrganizationState::approve)
            .await?;
        Ok(ApproveOrganizationResponse {
            organization: Some(shown_to(caller, organization)),
        })
    }

    pub(crate) async fn suspend(
        &self,
        caller: &Caller,
        request: SuspendOrganizationRequest,
    ) -> Result<SuspendOrganizationResponse, Problem> {
        let change = Change {
            ends_sessions: true,
            ..Change::new("SuspendOrganization", caller, &request.request_id, &request)
        };
        let (reason, own) = (request.reason.clone(), caller.organization().to_owned());
        let organization = self
            .change(change, &request.name, move |state| {
                state.suspend(&reason, &own)
            })
            .await?;
        Ok(SuspendOrganizationResponse {
            organization: Some(shown_to(caller, organization)),
        })
    }

    pub(crate) async fn reinstate(
        &self,
        caller: &Caller,
        request: ReinstateOrganizationRequest,
    ) -> Result<ReinstateOrganizationResponse, Problem> {
        let change = Change::new(
            "ReinstateOrganization",
            caller,
            &request.request_id,
            &request,
        );
        let reason = request.reason.clone();
        let organization = self
            .change(change, &request.name, move |state| state.reinstate(&reason))
            .await?;
        Ok(ReinstateOrganizationResponse {
            organization: Some(shown_to(caller, organization)),
        })
    }

    /// One event of an organisation, its new state, and its row.
    async fn change<M: Message + Name>(
        &self,
        change: Change<'_, impl Message>,
        name: &str,
        decide: impl FnOnce(&OrganizationState) -> Result<M, Refusal> + Send + 'static,
    ) -> Result<Organization, Problem> {
        check_organization(name, "name")?;
        let own = organization_stream();
        let ends_sessions = change.ends_sessions;
        let step = Step::of_caller(
            SERVICE,
            name,
            change.method,
            change.caller.subject(),
            change.request_id,
            change.request,
        )?
        .reading(&[own]);
        let done = commit(&self.journal, step, move |view| {
            let mut state: OrganizationState = load(view, own)?;
            let event = decide(&state)?;
            state.evolve(&Event::of(&event), view.now)?;
            let organization = state.known()?.clone();
            let mut decided = Decided::new()
                .event(own, &event)
                .fold::<OrganizationState>(view, own)?
                .also(store::put_organization(&organization));
            if ends_sessions {
                decided = decided.also(store::end_sessions_of_organization(&organization.name));
            }
            Ok(decided.reply(move |_| organization))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn show_organization(
        &self,
        caller: &Caller,
        request: GetOrganizationRequest,
    ) -> Result<GetOrganizationResponse, Problem> {
        check_organization(&request.name, "name")?;
        may_see(caller, &request.name)?;
        let organization = self.organization(&request.name).await?;
        Ok(GetOrganizationResponse {
            organization: Some(shown_to(caller, organization)),
        })
    }

    pub(crate) async fn organization(&self, name: &str) -> Result<Organization, Problem> {
        let state: OrganizationState =
            read(&self.journal, log(name), organization_stream()).await?;
        Ok(state.known()?.clone())
    }

    pub(crate) async fn organizations(
        &self,
        caller: &Caller,
        request: ListOrganizationsRequest,
    ) -> Result<ListOrganizationsResponse, Problem> {
        let (state, kind) = visible(caller, request.state, request.kind)?;
        let filter = format!("organizations {state} {kind}");
        let after = match self.pages.position(&filter, &request.page_token)? {
            Some(position) => String::from_utf8(position).map_err(Problem::internal)?,
            None => String::new(),
        };
        let size = page::size(request.page_size);
        let found = store::organizations(self.journal.db(), &after, state, kind, size).await?;
        let next_page_token = match found.last() {
            Some(last) if found.len() == size as usize => {
                self.pages.token(&filter, last.name.as_bytes())
            }
            _ => String::new(),
        };
        Ok(ListOrganizationsResponse {
            organizations: found
                .into_iter()
                .map(|organization| Organization {
                    key_evidence: None,
                    ..shown_to(caller, organization)
                })
                .collect(),
            next_page_token,
        })
    }
}

/// What the commands on an organisation have in common.
struct Change<'a, M> {
    method: &'static str,
    caller: &'a Caller,
    request_id: &'a str,
    request: &'a M,
    ends_sessions: bool,
}

impl<'a, M> Change<'a, M> {
    fn new(method: &'static str, caller: &'a Caller, request_id: &'a str, request: &'a M) -> Self {
        Self {
            method,
            caller,
            request_id,
            request,
            ends_sessions: false,
        }
    }
}

/// Own organisation, trading centre, supervisors, services.
pub(crate) fn may_see(caller: &Caller, organization: &str) -> Result<(), Refusal> {
    if caller.has(Role::Administrator) || caller.has(Role::Supervisor) || caller.is_service() {
        return Ok(());
    }
    caller.acts_for(organization)
}

/// State and kind that a caller's list is narrowed to. Purchasers choose among active trustees and
/// see nobody else: who is registered as a supplier is none of their business.
fn visible(caller: &Caller, state: i32, kind: i32) -> Result<(i32, i32), Refusal> {
    if caller.has(Role::Administrator) || caller.has(Role::Supervisor) || caller.is_service() {
        return Ok((state, kind));
    }
    let (active, trustee) = (State::Active as i32, OrganizationKind::Trustee as i32);
    let within = (state == 0 || state == active) && (kind == 0 || kind == trustee);
    if caller.has(Role::Purchaser) && within {
        return Ok((active, trustee));
    }
    Err(Refusal::Forbidden)
}

/// The basic account is for the organisation itself and for services.
pub(crate) fn shown_to(caller: &Caller, mut organization: Organization) -> Organization {
    if !caller.is_service() && caller.organization() != organization.name {
        organization.basic_account.clear();
    }
    organization
}
