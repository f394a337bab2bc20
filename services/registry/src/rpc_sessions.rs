//! Signing in and out, who calls, and which tokens are refused before their time.

use ring::rand::{SecureRandom, SystemRandom};
use sunbid_certificates::possession;
use sunbid_contracts::registry::v1::{
    CreateChallengeResponse, GetCallerRequest, GetCallerResponse, ListRevocationsRequest,
    ListRevocationsResponse, Role, SignInRequest, SignInResponse, SignOutRequest, SignOutResponse,
    SignedIn, Subject,
};
use sunbid_domain::{
    Refusal,
    registry::{OrganizationState, SubjectState, organization_of},
};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit, commit_quietly, load, read},
    page,
    token::{self, Claims},
};
use uuid::Uuid;

use crate::{
    Registry, SERVICE, credential,
    names::{log, organization_stream, subject_stream},
    store,
};

impl Registry {
    pub(crate) fn challenge(&self) -> Result<CreateChallengeResponse, Problem> {
        let (challenge, end) = self.challenges.issue(self.clock.now())?;
        Ok(CreateChallengeResponse {
            challenge: challenge.to_vec(),
            expire_time_us: end.micros(),
        })
    }

    /// Nothing is told of a certificate before its key has signed the challenge.
    pub(crate) async fn open_session(
        &self,
        request: SignInRequest,
    ) -> Result<SignInResponse, Problem> {
        let now = self.clock.now();
        self.challenges.check(&request.challenge, now)?;
        let message = possession::sign_in(&request.challenge, &self.origin);
        credential::verify_possession(&request.certificate, &message, &request.signature)?;
        let fingerprint = sunbid_certificates::fingerprint(&request.certificate);
        let subject = store::find_subject(self.journal.db(), &fingerprint)
            .await?
            .ok_or_else(unknown_certificate)?;
        // The chain anew: a root may have been taken away since the certificate was registered.
        credential::verify(
            &request.certificate,
            &subject.intermediates,
            &self.roots,
            now,
        )?;
        let signed_in = self.record_sign_in(&request, &subject).await?;
        let claims = Claims {
            subject: subject.name.clone(),
            organization: organization_of(&subject.name)
                .unwrap_or_default()
                .to_owned(),
            roles: subject.roles.clone(),
            session_id: signed_in.session_id,
            expire_us: signed_in.expire_time_us,
            origin: self.origin.clone(),
        };
        Ok(SignInResponse {
            access_token: token::mint(&self.token_key, &claims),
            expire_time_us: signed_in.expire_time_us,
            subject: Some(subject),
        })
    }

    async fn record_sign_in(
        &self,
        request: &SignInRequest,
        subject: &Subject,
    ) -> Result<SignedIn, Problem> {
        let organization = organization_of(&subject.name)
            .ok_or_else(|| Problem::internal("a subject's name has no organisation"))?
            .to_owned();
        let (own, stream) = (organization_stream(), subject_stream(&subject.name));
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "SignIn",
            &subject.name,
            &once(&request.challenge),
            request,
        )?
        .reading(&[own, stream]);
        let mut session_id = [0; 16];
        SystemRandom::new()
            .fill(&mut session_id)
            .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
        let done = commit(&self.journal, step, move |view| {
            load::<OrganizationState>(view, own)?.active()?;
            let signed_in = load::<SubjectState>(view, stream)?.sign_in(session_id, view.now)?;
            Ok(Decided::new()
                .event(stream, &signed_in)
                .fold::<SubjectState>(view, stream)?
                .also(store::drop_expired_sessions(view.now))
                .also(store::put_session(
                    &signed_in.session_id,
                    &signed_in.subject,
                    &organization,
                    signed_in.expire_time_us,
                ))
                .reply(move |_| signed_in))
        })
        .await;
        match done {
            Ok(done) if !done.replayed => Ok(done.reply),
            Ok(_) | Err(Problem::RequestReused) => Err(used_challenge().into()),
            Err(problem) => Err(problem),
        }
    }

    pub(crate) async fn end_session(
        &self,
        caller: &Caller,
        _: SignOutRequest,
    ) -> Result<SignOutResponse, Problem> {
        let organization = organization_of(caller.subject()).ok_or(Refusal::Forbidden)?;
        let stream = subject_stream(caller.subject());
        let session = caller.session_id().to_vec();
        let step = Step::of_caller(
            SERVICE,
            organization,
            "SignOut",
            caller.subject(),
            &once(&session),
            &SignOutRequest {},
        )?
        .reading(&[stream]);
        commit_quietly(&self.journal, step, move |view| {
            let state: SubjectState = load(view, stream)?;
            let Some(signed_out) = state.sign_out(&session)? else {
                return Ok(Decided::new());
            };
            Ok(Decided::new()
                .event(stream, &signed_out)
                .fold::<SubjectState>(view, stream)?
                .also(store::end_session(&signed_out.session_id)))
        })
        .await?;
        Ok(SignOutResponse {})
    }

    pub(crate) async fn who(
        &self,
        caller: &Caller,
        _: GetCallerRequest,
    ) -> Result<GetCallerResponse, Problem> {
        let token_expire_time_us = caller.expire_us();
        if caller.is_service() {
            return Ok(GetCallerResponse {
                organization: None,
                subject: Some(Subject {
                    name: caller.subject().to_owned(),
                    roles: vec![Role::Service as i32],
                    ..Subject::default()
                }),
                token_expire_time_us,
            });
        }
        let (own, stream) = (log(caller.organization()), subject_stream(caller.subject()));
        let state: SubjectState = read(&self.journal, own, stream).await?;
        Ok(GetCallerResponse {
            organization: Some(self.organization(caller.organization()).await?),
            subject: Some(state.known()?.clone()),
            token_expire_time_us,
        })
    }

    /// First the ended sessions, then the revoked subjects, each as long as a token could last.
    pub(crate) async fn revocations(
        &self,
        request: ListRevocationsRequest,
    ) -> Result<ListRevocationsResponse, Problem> {
        const FILTER: &str = "revocations";
        let position = self.pages.position(FILTER, &request.page_token)?;
        let size = page::size(request.page_size);
        let (now, db) = (self.clock.now(), self.journal.db());
        let mut answer = ListRevocationsResponse::default();
        let (part, after) = match position.as_deref().and_then(<[u8]>::split_first) {
            Some((part, after)) => (*part, after.to_vec()),
            None => (SESSIONS, Vec::new()),
        };
        if part == SESSIONS {
            answer.session_ids = store::ended_sessions(db, now, &after, size).await?;
            let next = match answer.session_ids.last() {
                Some(last) if answer.session_ids.len() == size as usize => {
                    [&[SESSIONS], last.as_slice()].concat()
                }
                _ => vec![SUBJECTS],
            };
            answer.next_page_token = self.pages.token(FILTER, &next);
            return Ok(answer);
        }
        let after = String::from_utf8(after).map_err(Problem::internal)?;
        answer.subjects = store::refused_subjects(db, now, &after, size).await?;
        if let Some(last) = answer.subjects.last()
            && answer.subjects.len() == size as usize
        {
            let next = [&[SUBJECTS], last.as_bytes()].concat();
            answer.next_page_token = self.pages.token(FILTER, &next);
        }
        Ok(answer)
    }
}

/// First byte of a page's position in the revocations.
const SESSIONS: u8 = 0;
const SUBJECTS: u8 = 1;

/// The request id of what may happen once only for these bytes.
fn once(bytes: &[u8]) -> String {
    let digest = sunbid_proofs::hash::sha256(&[bytes]);
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    Uuid::from_bytes(id).to_string()
}

fn unknown_certificate() -> Refusal {
    Refusal::state(
        "CERTIFICATE_UNKNOWN",
        "该证书未登记。请先登记单位，或由本单位已登记的人员添加。",
        "This certificate is not registered: register the organisation, or have a registered person of it add you.",
    )
}

fn used_challenge() -> Refusal {
    Refusal::field(
        "challenge",
        "该随机数已使用过，请重新获取。",
        "was used already; ask for another.",
    )
}
