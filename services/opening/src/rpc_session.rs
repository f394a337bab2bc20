//! The session for everybody: what it shows, and what suppliers and the purchaser do in it.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use sunbid_contracts::opening::v1::{
    AnswerObjectionRequest, AnswerObjectionResponse, CheckInRequest, CheckInResponse,
    CloseSessionRequest, CloseSessionResponse, ConfirmRecordRequest, ConfirmRecordResponse,
    GetOpeningRecordRequest, GetOpeningRecordResponse, GetSessionRequest, GetSessionResponse,
    PublishRescueRequest, PublishRescueResponse, RaiseObjectionRequest, RaiseObjectionResponse,
    Session, WatchSessionRequest, WatchSessionResponse,
};
use sunbid_domain::Refusal;
use sunbid_domain::opening::{SessionState, decide, record};
use sunbid_service::{Caller, Language, Problem, Step, feed::Look, ledger, names};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Opening, SERVICE, decided, rpc::Answers, store, stream as session_stream};

/// What depends on the time alone is looked at this often.
const TIME_PASSES: Duration = Duration::from_secs(1);
/// A session that somebody watches.
struct Watched {
    opening: Arc<Opening>,
    tender: String,
    changes: watch::Receiver<u64>,
}

#[tonic::async_trait]
impl Look for Watched {
    type Seen = Session;

    async fn look(&mut self) -> Result<Session, Problem> {
        self.opening.seen(&self.tender).await
    }

    async fn wait(&mut self) -> bool {
        self.opening.wait(&mut self.changes).await
    }
}

/// Pause between two looks: many commits make one look.
pub const BREATH: Duration = Duration::from_millis(15);

impl Opening {
    async fn seen(&self, tender: &str) -> Result<Session, Problem> {
        names::check_tender(tender, "tender")?;
        let session = self.session(tender).await?;
        if !session.exists() {
            return Err(Refusal::NotFound {
                what: tender.to_owned(),
            }
            .into());
        }
        Ok(session.seen(self.setting.clock.now()))
    }

    pub async fn get_session(
        &self,
        request: GetSessionRequest,
    ) -> Result<GetSessionResponse, Problem> {
        Ok(GetSessionResponse {
            session: Some(self.seen(&request.tender).await?),
        })
    }

    /// The session now and whenever it changes. To resume, watch again: the first answer is the
    /// whole session.
    pub async fn watch_session(
        self: Arc<Self>,
        language: Language,
        request: WatchSessionRequest,
    ) -> Result<Answers<WatchSessionResponse>, Problem> {
        self.seen(&request.tender).await?;
        let opening = self.clone();
        let tender = request.tender.clone();
        let answers = self.sessions.watch(&request.tender, move || Watched {
            changes: opening.journal.changes(),
            opening,
            tender,
        });
        Ok(Box::pin(answers.map(move |seen| match seen {
            Ok(session) => Ok(WatchSessionResponse {
                session: Some(session),
            }),
            Err(problem) => Err(problem.into_status(language)),
        })))
    }

    /// Waits for a commit or for time to pass; false when the process stops.
    pub(crate) async fn wait(&self, changes: &mut watch::Receiver<u64>) -> bool {
        tokio::select! {
            () = self.setting.shutdown.cancelled() => return false,
            changed = changes.changed() => if changed.is_err() {
                return false;
            },
            () = tokio::time::sleep(TIME_PASSES) => {}
        }
        tokio::time::sleep(BREATH).await;
        true
    }

    pub async fn get_opening_record(
        &self,
        request: GetOpeningRecordRequest,
    ) -> Result<GetOpeningRecordResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        match store::record(self.journal.db(), &request.tender).await? {
            Some(record) => Ok(GetOpeningRecordResponse {
                record: Some(record),
            }),
            None => Err(Refusal::NotFound {
                what: format!("{}/opening/record", request.tender),
            }
            .into()),
        }
    }

    pub async fn check_in(
        &self,
        caller: &Caller,
        request: CheckInRequest,
    ) -> Result<CheckInResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let organization = caller.organization().to_owned();
        let step = self.step(
            caller,
            "opening/CheckIn",
            &request.tender,
            &request.request_id,
            &request,
        )?;
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            let events = decide::check_in(&session, &organization)?;
            Ok(decided(view, session, events, Vec::new())?.0)
        });
        Ok(done.await?.reply)
    }

    pub async fn publish_rescue(
        self: &Arc<Self>,
        caller: &Caller,
        request: PublishRescueRequest,
    ) -> Result<PublishRescueResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let session = self.session(&request.tender).await?;
        if session.closing.is_none() {
            return Err(Refusal::Forbidden.into());
        }
        let case = self.case(&request.tender).await?;
        let checked = self.checked(&case).await?;
        // Another bidder's envelope and one that does not exist get the same answer.
        let own = checked.sheets.iter().find(|sheet| {
            sheet.header.id().as_slice() == request.header_id
                && sheet.bidder == caller.organization()
        });
        let envelope = own.ok_or(Refusal::Forbidden)?;
        record::rescue(&case.key, &envelope.header, &request.secret).map_err(|fault| {
            Refusal::field(
                "secret",
                "不是该信封的密钥。",
                format!("is not this envelope's: {fault}"),
            )
        })?;
        let step = self.step(
            caller,
            "opening/PublishRescue",
            &request.tender,
            &request.request_id,
            &request,
        )?;
        let tender = request.tender.clone();
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            let events = decide::rescue(&session, &request.header_id, &request.secret, view.now)?;
            Ok(decided(view, session, events, Vec::new())?.0)
        })
        .await?;
        self.look_at(&tender);
        Ok(done.reply)
    }

    pub async fn raise_objection(
        &self,
        caller: &Caller,
        request: RaiseObjectionRequest,
    ) -> Result<RaiseObjectionResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let step = self.step(
            caller,
            "opening/RaiseObjection",
            &request.tender,
            &request.request_id,
            &request,
        )?;
        let (organization, rules) = (caller.organization().to_owned(), self.setting.rules.clone());
        let name = format!("{}/objections/{}", request.tender, Uuid::new_v4());
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            let (objection, (events, said)) = decide::raise_objection(
                &session,
                &organization,
                name,
                &request.text,
                &rules,
                view.now,
            )?;
            let (decided, _) = decided(view, session, events, said)?;
            Ok(decided.reply(|_| RaiseObjectionResponse {
                objection: Some(objection),
            }))
        });
        Ok(done.await?.reply)
    }

    pub async fn answer_objection(
        &self,
        caller: &Caller,
        request: AnswerObjectionRequest,
    ) -> Result<AnswerObjectionResponse, Problem> {
        let tender = request
            .name
            .split_once("/objections/")
            .map_or("", |(tender, _)| tender)
            .to_owned();
        names::check_tender(&tender, "name")?;
        let step = self.step(
            caller,
            "opening/AnswerObjection",
            &tender,
            &request.request_id,
            &request,
        )?;
        let caller = caller.clone();
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            caller.acts_for(session.purchaser())?;
            let events = decide::answer_objection(
                &session,
                &request.name,
                &request.answer,
                caller.subject(),
            )?;
            let (decided, after) = decided(view, session, events, Vec::new())?;
            let objection = after
                .objections
                .into_iter()
                .find(|objection| objection.name == request.name);
            Ok(decided.reply(|_| AnswerObjectionResponse { objection }))
        });
        Ok(done.await?.reply)
    }

    pub async fn confirm_record(
        &self,
        caller: &Caller,
        request: ConfirmRecordRequest,
    ) -> Result<ConfirmRecordResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let step = self.step(
            caller,
            "opening/ConfirmRecord",
            &request.tender,
            &request.request_id,
            &request,
        )?;
        let organization = caller.organization().to_owned();
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            let events = decide::confirm(&session, &organization, &request.record_sha256)?;
            Ok(decided(view, session, events, Vec::new())?.0)
        });
        Ok(done.await?.reply)
    }

    pub async fn close_session(
        &self,
        caller: &Caller,
        request: CloseSessionRequest,
    ) -> Result<CloseSessionResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let step = self.step(
            caller,
            "opening/CloseSession",
            &request.tender,
            &request.request_id,
            &request,
        )?;
        // A published record never changes, so it may be read before the decision.
        let record = store::record(self.journal.db(), &request.tender)
            .await?
            .unwrap_or_default();
        let (caller, rules) = (caller.clone(), self.setting.rules.clone());
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            caller.acts_for(session.purchaser())?;
            let (events, said) = decide::close(&session, &record, &rules, view.now)?;
            let (decided, after) = decided(view, session, events, said)?;
            let seen = after.seen(view.now);
            Ok(decided.reply(|_| CloseSessionResponse {
                session: Some(seen),
            }))
        });
        Ok(done.await?.reply)
    }

    fn step(
        &self,
        caller: &Caller,
        method: &'static str,
        tender: &str,
        request_id: &str,
        request: &impl prost::Message,
    ) -> Result<Step, Problem> {
        let step = Step::of_caller(
            SERVICE,
            tender,
            method,
            caller.subject(),
            request_id,
            request,
        )?;
        Ok(step.reading(&[session_stream()]))
    }
}
