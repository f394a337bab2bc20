//! Subjects: adding, revoking, listing.

use sunbid_contracts::registry::v1::{
    AddSubjectRequest, AddSubjectResponse, ListSubjectsRequest, ListSubjectsResponse,
    RevokeSubjectRequest, RevokeSubjectResponse, Role,
};
use sunbid_domain::{
    Aggregate, Event,
    registry::{
        Addition, Authority, OrganizationState, SubjectState, organization_name, subject,
        subject_name,
    },
};
use sunbid_journal::{StreamId, View};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit, load},
    names::check_organization,
    page,
};
use sunbid_terms::Instant;

use crate::{
    Registry, SERVICE, credential,
    names::{check_subject, organization_stream, subject_stream},
    rpc_organizations::may_see,
    store,
};

impl Registry {
    pub(crate) async fn add(
        &self,
        caller: &Caller,
        request: AddSubjectRequest,
    ) -> Result<AddSubjectResponse, Problem> {
        let now = self.clock.now();
        let credential = credential::verify(
            &request.certificate,
            &request.intermediates,
            &self.roots,
            now,
        )?;
        let organization = organization_name(&credential.credit_code);
        let new = subject_stream(&subject_name(&organization, &credential.fingerprint));
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "AddSubject",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading_all();
        let caller = caller.clone();
        let done = commit(&self.journal, step, move |view| {
            let state: OrganizationState = load(view, organization_stream())?;
            let addition = Addition {
                display_name: &request.display_name,
                roles: &request.roles,
                credential: &credential,
            };
            let others = others(view, new)?;
            let added = load::<SubjectState>(view, new)?.add(
                state.known()?,
                &others,
                &addition,
                &authority(&caller),
                view.now,
            )?;
            let mut decided = Decided::new()
                .event(new, &added)
                .fold::<SubjectState>(view, new)?;
            if let Some(subject) = &added.subject {
                decided = decided.also(store::put_subject(
                    &organization,
                    subject,
                    Instant::default(),
                ));
            }
            Ok(decided.reply(move |_| AddSubjectResponse {
                subject: added.subject,
            }))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn revoke(
        &self,
        caller: &Caller,
        request: RevokeSubjectRequest,
    ) -> Result<RevokeSubjectResponse, Problem> {
        let organization = check_subject(&request.name, "name")?.to_owned();
        let stream = subject_stream(&request.name);
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "RevokeSubject",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading_all();
        let caller = caller.clone();
        let done = commit(&self.journal, step, move |view| {
            let mut state: SubjectState = load(view, stream)?;
            let others = others(view, stream)?;
            let revoked = state.revoke(&others, &request.reason, &authority(&caller), view.now)?;
            state.evolve(&Event::of(&revoked), view.now)?;
            let subject = state.known()?.clone();
            let until = view.now.plus_micros(subject::SESSION_MICROS);
            Ok(Decided::new()
                .event(stream, &revoked)
                .fold::<SubjectState>(view, stream)?
                .also(store::put_subject(&organization, &subject, until))
                .also(store::end_sessions_of_subject(&subject.name))
                .reply(move |_| RevokeSubjectResponse {
                    subject: Some(subject),
                }))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn subjects(
        &self,
        caller: &Caller,
        request: ListSubjectsRequest,
    ) -> Result<ListSubjectsResponse, Problem> {
        check_organization(&request.parent, "parent")?;
        may_see(caller, &request.parent)?;
        let filter = format!("subjects {}", request.parent);
        let after = match self.pages.position(&filter, &request.page_token)? {
            Some(position) => String::from_utf8(position).map_err(Problem::internal)?,
            None => String::new(),
        };
        let size = page::size(request.page_size);
        let subjects = store::subjects(self.journal.db(), &request.parent, &after, size).await?;
        let next_page_token = match subjects.last() {
            Some(last) if subjects.len() == size as usize => {
                self.pages.token(&filter, last.name.as_bytes())
            }
            _ => String::new(),
        };
        Ok(ListSubjectsResponse {
            subjects,
            next_page_token,
        })
    }
}

pub(crate) fn authority(caller: &Caller) -> Authority<'_> {
    let known = [
        Role::Administrator,
        Role::Purchaser,
        Role::Reviewer,
        Role::Supplier,
        Role::Supervisor,
        Role::Trustee,
    ];
    Authority {
        organization: caller.organization(),
        roles: known
            .into_iter()
            .filter(|role| caller.has(*role))
            .map(|role| role as i32)
            .collect(),
    }
}

/// The organisation's subjects but one.
fn others(view: &View<'_>, but: StreamId) -> Result<Vec<SubjectState>, Problem> {
    let own = organization_stream();
    view.states()
        .filter(|(stream, _)| *stream != own && *stream != but)
        .map(|(_, state)| Ok(SubjectState::load(Some(&state.body))?))
        .collect()
}
