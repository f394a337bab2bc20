//! Sessions that go on, and sessions that are ended: by their owner, by its organisation, by the trading
//! centre, or because their refresh token was used twice.

use sunbid_contracts::registry::v1::{
    ListSessionsRequest, ListSessionsResponse, RefreshSessionRequest, RefreshSessionResponse,
    RevokeSessionRequest, RevokeSessionResponse, Session, SessionRefreshed, SignInMethod,
};
use sunbid_domain::{
    Refusal,
    registry::{
        OrganizationState, Refreshed, SubjectState, organization_of, subject::session_over,
    },
};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit, commit_quietly, load, read},
};
use uuid::Uuid;

use crate::{
    Registry, SERVICE,
    names::{check_subject, log, organization_stream, subject_stream},
    rpc_organizations::may_see,
    rpc_subjects::authority,
    store,
};

impl Registry {
    pub(crate) async fn refresh(
        &self,
        request: RefreshSessionRequest,
    ) -> Result<RefreshSessionResponse, Problem> {
        let token = self
            .accounts
            .secrets
            .read_refresh_token(&request.refresh_token)
            .ok_or_else(session_over)?;
        let db = self.journal.db();
        let subject = store::find_session(db, &token.session_id, self.clock.now()).await?;
        let subject = subject.ok_or_else(session_over)?;
        let organization = organization_of(&subject)
            .ok_or_else(|| Problem::internal("a subject's name has no organisation"))?
            .to_owned();
        let (own, stream) = (organization_stream(), subject_stream(&subject));
        // Each use is a command of its own: the second is not answered like the first.
        let cause = Uuid::new_v4();
        let nothing = SessionRefreshed::default();
        let step = Step::of_cause(
            SERVICE,
            &organization,
            "RefreshSession",
            cause.as_bytes(),
            &nothing,
        )
        .reading(&[own, stream]);
        let lifetimes = self.accounts.lifetimes;
        let session_id = token.session_id.clone();
        commit::<SessionRefreshed, _>(&self.journal, step, move |view| {
            load::<OrganizationState>(view, own)?.active()?;
            let state: SubjectState = load(view, stream)?;
            match state.refresh(&token.session_id, token.generation, lifetimes, view.now)? {
                Refreshed::Next(next) => Ok(Decided::new()
                    .event(stream, &next)
                    .fold::<SubjectState>(view, stream)?
                    .also(store::extend_session(&next.session_id, next.expire_time_us))
                    .reply(move |_| next)),
                Refreshed::Replayed(ended) => Ok(Decided::new()
                    .event(stream, &ended)
                    .fold::<SubjectState>(view, stream)?
                    .also(store::end_session(&ended.session_id))
                    .refuse(session_over())),
            }
        })
        .await?;
        Ok(RefreshSessionResponse {
            session: Some(self.tokens_of(&organization, &subject, &session_id).await?),
        })
    }

    pub(crate) async fn sessions(
        &self,
        caller: &Caller,
        request: ListSessionsRequest,
    ) -> Result<ListSessionsResponse, Problem> {
        let organization = check_subject(&request.parent, "parent")?;
        may_see(caller, organization)?;
        let stream = subject_stream(&request.parent);
        let state: SubjectState = read(&self.journal, log(organization), stream).await?;
        // Within one's own organisation too, what does not exist is answered like what may not be seen.
        state.known()?;
        let sessions = state
            .open_sessions(self.clock.now())
            .map(|session| Session {
                name: session_name(&request.parent, &session.id),
                method: match session.method() {
                    SignInMethod::Unspecified => SignInMethod::Certificate as i32,
                    method => method as i32,
                },
                begin_time_us: session.begin_us,
                expire_time_us: session.expire_us,
                current: session.id == caller.session_id(),
            })
            .collect();
        Ok(ListSessionsResponse { sessions })
    }

    pub(crate) async fn revoke_session(
        &self,
        caller: &Caller,
        request: RevokeSessionRequest,
    ) -> Result<RevokeSessionResponse, Problem> {
        let (subject, session_id) = check_session(&request.name)?;
        let organization = check_subject(&subject, "name")?.to_owned();
        let stream = subject_stream(&subject);
        let cause = Uuid::new_v4();
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "RevokeSession",
            caller.subject(),
            &cause.to_string(),
            &request,
        )?
        .reading(&[stream]);
        let caller = caller.clone();
        commit_quietly(&self.journal, step, move |view| {
            let state: SubjectState = load(view, stream)?;
            let is_owner = caller.subject() == subject;
            let ended = state.end_session(
                &session_id,
                &request.reason,
                is_owner,
                &authority(&caller),
                view.now,
            )?;
            let Some(ended) = ended else {
                return Ok(Decided::new());
            };
            Ok(Decided::new()
                .event(stream, &ended)
                .fold::<SubjectState>(view, stream)?
                .also(store::end_session(&ended.session_id)))
        })
        .await?;
        Ok(RevokeSessionResponse {})
    }
}

fn session_name(subject: &str, id: &[u8]) -> String {
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{subject}/sessions/{id}")
}

/// Subject and identifier of a session's name.
fn check_session(name: &str) -> Result<(String, Vec<u8>), Refusal> {
    let wrong = || {
        Refusal::field(
            "name",
            "应为“organizations/{统一社会信用代码}/subjects/{编号}/sessions/{编号}”。",
            "must be \"organizations/{credit_code}/subjects/{id}/sessions/{id}\".",
        )
    };
    let (subject, id) = name.split_once("/sessions/").ok_or_else(wrong)?;
    let bytes = hex::decode(id).map_err(|_| wrong())?;
    if bytes.len() != 16 {
        return Err(wrong());
    }
    Ok((subject.to_owned(), bytes))
}
