//! What trustees call: which openings wait for them, the closed log to check, signatures, shares.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, stream};
use sunbid_contracts::opening::v1::{
    ClosingSignature, PostSharesRequest, PostSharesResponse, ReadClosingRequest,
    ReadClosingResponse, SessionState as Stage, SignClosingRequest, SignClosingResponse,
    WatchOpeningsResponse,
};
use sunbid_domain::Refusal;
use sunbid_domain::opening::{SessionState, decide};
use sunbid_service::{Caller, Language, Problem, Step, feed::Look, ledger, names};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Opening, SERVICE, case::blocking, decided, rpc::Answers, store, stream as session_stream,
};

/// Holders may be late by so much and still do their part, seconds.
const LATE_SECONDS: i64 = 7 * 86_400;
/// Records of one answer, bytes: well under what a peer takes in one message.
const ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// A tender's opening and what is asked of the institution.
pub type Duty = (String, WatchOpeningsResponse);

/// An institution that watches what waits for it.
struct Watched {
    opening: Arc<Opening>,
    organization: String,
    changes: watch::Receiver<u64>,
}

#[tonic::async_trait]
impl Look for Watched {
    type Seen = Arc<Vec<Duty>>;

    async fn look(&mut self) -> Result<Self::Seen, Problem> {
        let found = self.opening.openings_for(&self.organization).await?;
        Ok(Arc::new(found))
    }

    async fn wait(&mut self) -> bool {
        self.opening.wait(&mut self.changes).await
    }
}

impl Opening {
    /// Openings that wait for the caller's institution, now and whenever that changes.
    pub fn watch_openings(
        self: Arc<Self>,
        language: Language,
        caller: &Caller,
    ) -> Answers<WatchOpeningsResponse> {
        let organization = caller.organization().to_owned();
        let opening = self.clone();
        let start = {
            let organization = organization.clone();
            move || Watched {
                changes: opening.journal.changes(),
                opening,
                organization,
            }
        };
        let mut told: HashMap<String, WatchOpeningsResponse> = HashMap::new();
        let duties = self.duties.watch(&organization, start);
        let answers = duties.flat_map(move |seen| {
            let news: Vec<_> = match seen {
                Ok(duties) => duties
                    .iter()
                    .filter(|(tender, answer)| {
                        told.insert(tender.clone(), answer.clone()).as_ref() != Some(answer)
                    })
                    .map(|(_, answer)| Ok(answer.clone()))
                    .collect(),
                Err(problem) => vec![Err(problem.into_status(language))],
            };
            stream::iter(news)
        });
        Box::pin(answers)
    }

    async fn openings_for(&self, organization: &str) -> Result<Vec<Duty>, Problem> {
        let stages = [
            Stage::Closing,
            Stage::Decrypting,
            Stage::Announced,
            Stage::Failed,
        ];
        let since = self.setting.clock.now().plus_seconds(-LATE_SECONDS);
        let mut found = Vec::new();
        for tender in store::sessions(self.journal.db(), &stages, since).await? {
            let session = self.session(&tender).await?;
            let Some(holder) = session.holder_of(organization) else {
                continue;
            };
            let (signed, shared) = (
                session.has_signed(holder.index),
                session.has_shared(holder.index),
            );
            let shares_wanted = session.shares_wanted();
            if signed && (shared || !shares_wanted) {
                continue;
            }
            let signatures = if shares_wanted {
                session.signatures.clone()
            } else {
                Vec::new()
            };
            let closing = session.closing;
            found.push((
                tender,
                WatchOpeningsResponse {
                    closing,
                    shares_wanted,
                    signed,
                    shared,
                    signatures,
                },
            ));
        }
        Ok(found)
    }

    pub async fn read_closing(
        self: &Arc<Self>,
        caller: &Caller,
        request: ReadClosingRequest,
    ) -> Result<Answers<ReadClosingResponse>, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let session = self.session(&request.tender).await?;
        session
            .holder_of(caller.organization())
            .ok_or(Refusal::Forbidden)?;
        let case = self.case(&request.tender).await?;
        let answers = stream::unfold((case, 0), |(case, mut next)| async move {
            let mut bytes = 0;
            let mut entries = Vec::new();
            while let Some(entry) = case.entries.get(next) {
                bytes += entry.record.len() + entry.salted_body.as_ref().map_or(0, Vec::len);
                entries.push(entry.clone());
                next += 1;
                if bytes >= ANSWER_BYTES {
                    break;
                }
            }
            if entries.is_empty() {
                return None;
            }
            Some((Ok(ReadClosingResponse { entries }), (case, next)))
        });
        Ok(Box::pin(answers))
    }

    pub async fn sign_closing(
        &self,
        caller: &Caller,
        request: SignClosingRequest,
    ) -> Result<SignClosingResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let step = self.trustee_step(caller, "opening/SignClosing", &request.tender, &request)?;
        let organization = caller.organization().to_owned();
        let signature: ClosingSignature = request.signature.clone().unwrap_or_default();
        let done = ledger::commit(&self.journal, step, move |view| {
            let session: SessionState = ledger::load(view, session_stream())?;
            let events = decide::sign(&session, &organization, &request.close, signature)?;
            Ok(decided(view, session, events, Vec::new())?.0)
        });
        Ok(done.await?.reply)
    }

    /// Every proof is checked before shares count; wrong ones are put on record with their holder.
    pub async fn post_shares(
        self: &Arc<Self>,
        caller: &Caller,
        request: PostSharesRequest,
    ) -> Result<PostSharesResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let tender = request.tender.clone();
        let organization = caller.organization().to_owned();
        let session = self.session(&tender).await?;
        let empty = sunbid_contracts::opening::v1::HolderShares::default();
        let index = decide::may_share(
            &session,
            &organization,
            &request.close,
            request.shares.as_ref().unwrap_or(&empty),
        )?;
        if session.has_shared(index) {
            return Ok(PostSharesResponse {});
        }
        let case = self.case(&tender).await?;
        let checked = self.checked(&case).await?;
        let step = self.trustee_step(caller, "opening/PostShares", &tender, &request)?;
        let (verifying, shares) = (case.clone(), request.shares.unwrap_or_default());
        let verified = blocking(move || Ok(verifying.verify(&checked, shares))).await?;
        match verified {
            Ok(accepted) => {
                let shares = accepted.shares.clone();
                let done = ledger::commit(&self.journal, step, move |view| {
                    let session: SessionState = ledger::load(view, session_stream())?;
                    decide::may_share(&session, &organization, &request.close, &shares)?;
                    let events = decide::accept_shares(&session, shares);
                    Ok(decided(view, session, events, Vec::new())?.0)
                })
                .await?;
                case.keep(accepted);
                self.look_at(&tender);
                Ok(done.reply)
            }
            Err((shares, reason)) => {
                tracing::warn!(tender, index, reason, "a holder's shares are wrong");
                let done = ledger::commit(&self.journal, step, move |view| {
                    let session: SessionState = ledger::load(view, session_stream())?;
                    decide::may_share(&session, &organization, &request.close, &shares)?;
                    let (events, refusal) = decide::refuse_shares(shares, &reason);
                    let (decided, _) = decided(view, session, events, Vec::new())?;
                    Ok(decided.refuse(refusal))
                });
                Ok(done.await?.reply)
            }
        }
    }

    /// A trustee's repeat is recognised by the state, so its commands need no request id.
    fn trustee_step(
        &self,
        caller: &Caller,
        method: &'static str,
        tender: &str,
        request: &impl prost::Message,
    ) -> Result<Step, Problem> {
        let once = Uuid::new_v4().to_string();
        let step = Step::of_caller(SERVICE, tender, method, caller.subject(), &once, request)?;
        Ok(step.reading(&[session_stream()]))
    }
}
