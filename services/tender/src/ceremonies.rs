//! Key ceremonies between the record and the holders' daemons, which call in and are never called.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt, stream};
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_contracts::{
    registry::v1::{
        GetOrganizationRequest, ListOrganizationsRequest, OrganizationKind, OrganizationState, Role,
    },
    tender::v1::{
        Ceremony, GetCeremonyRequest, GetCeremonyResponse, Holder, PostCeremonyMessageRequest,
        PostCeremonyMessageResponse, StartCeremonyRequest, StartCeremonyResponse,
        WatchCeremoniesResponse,
    },
};
use sunbid_domain::{
    Refusal,
    tender::{
        aggregate::is_public,
        ceremony::waits_for,
        committee::{self, Committee, MOST_HOLDERS},
        rounds, vouched,
    },
};
use sunbid_sealing::OsRng;
use sunbid_service::{
    Caller, Language, Problem, Step, access_log::shows_what_is_not_public, feed::Look, names,
};
use tokio::sync::watch;
use tonic::Status;

use crate::{
    NAME,
    service::{Change, Tenders, judged},
    store,
};

/// Ceremonies that wait for an institution.
pub type Waiting = Pin<Box<dyn Stream<Item = Result<WatchCeremoniesResponse, Status>> + Send>>;

impl Tenders {
    pub async fn start_ceremony(
        &self,
        caller: Caller,
        request: StartCeremonyRequest,
    ) -> Result<StartCeremonyResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let step = Step::of_caller(
            NAME,
            &request.name,
            "StartCeremony",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let dossier = self.dossier(&request.name).await?;
        let own = |tender: &sunbid_contracts::tender::v1::Tender| {
            caller.acts_for(&tender.purchaser).is_ok()
        };
        let tender = dossier.tender.filter(own).ok_or(Refusal::Forbidden)?;
        let registered = self.registered_name(&tender.purchaser).await?;
        if registered != tender.purchaser_display_name {
            return Err(Refusal::field(
                "tender.purchaser_display_name",
                format!("与登记名称“{registered}”不一致，请修改草稿。"),
                format!("is not the registered name \"{registered}\"; change the draft."),
            )
            .into());
        }
        let committee = self
            .committee(&request.holders, request.threshold, &tender.purchaser)
            .await?;
        let intent = self.intent(&tender.intent).await?;
        let mut nonce = [0; 32];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Problem::internal("no randomness"))?;
        let rules = self.rules.clone();
        let done = self
            .change(
                step,
                move |before, view| {
                    let own = caller.organization();
                    let events = committee::start(before, own, committee, nonce)?;
                    let tender = before.tender.clone().unwrap_or_default();
                    let verdicts = judged(&rules, &tender, intent.as_ref(), view.now)?;
                    Ok(Change { events, verdicts })
                },
                |after, _| StartCeremonyResponse {
                    ceremony: after.ceremony,
                },
            )
            .await?;
        Ok(done.reply)
    }

    /// The institutions with the keys the registry has of them and their own signatures over these;
    /// every wrong one is named at once.
    async fn committee(
        &self,
        organizations: &[String],
        threshold: i32,
        purchaser: &str,
    ) -> Result<Committee, Problem> {
        let mut check = sunbid_domain::refusal::FieldCheck::new();
        let (mut holders, mut evidence) = (Vec::new(), Vec::new());
        for (at, name) in organizations.iter().enumerate().take(MOST_HOLDERS + 1) {
            let field = format!("holders[{at}]");
            if names::check_organization(name, &field).is_err() {
                check.require(
                    false,
                    field,
                    "应为“organizations/{统一社会信用代码}”。",
                    "must be \"organizations/{credit_code}\".",
                );
                continue;
            }
            let asked = GetOrganizationRequest { name: name.clone() };
            let found = match self.peers.registry().get_organization(asked).await {
                Ok(answer) => answer.into_inner().organization.unwrap_or_default(),
                Err(status)
                    if matches!(
                        status.code(),
                        tonic::Code::NotFound | tonic::Code::PermissionDenied
                    ) =>
                {
                    Default::default()
                }
                Err(status) => return Err(status.into()),
            };
            let able = found.state() == OrganizationState::Active
                && found.kinds().any(|kind| kind == OrganizationKind::Trustee);
            check.require(
                able,
                field.clone(),
                format!("{name}不是已登记且有效的密钥持有机构。"),
                format!("{name} is no active institution that holds keys."),
            );
            let holder = Holder {
                index: i32::try_from(at + 1).unwrap_or(i32::MAX),
                organization: name.clone(),
                display_name: found.display_name,
                identity_key: found.identity_key,
                encryption_key: found.encryption_key,
            };
            let signed = found.key_evidence;
            let vouched =
                vouched::check_holder(&holder, signed.as_ref(), &self.origin, &self.roots);
            if let (true, Err(cause)) = (able, vouched) {
                check.require(
                    false,
                    field,
                    cause.zh(),
                    format!("cannot hold keys: {cause}."),
                );
            }
            holders.push(holder);
            evidence.push(signed.unwrap_or_default());
        }
        check.finish()?;
        Ok(Committee {
            holders,
            evidence,
            threshold,
            others: self.active_trustees_but(purchaser).await?,
        })
    }

    /// How many institutions could hold keys, the purchaser not counted; as many as make no
    /// difference are not counted any more.
    async fn active_trustees_but(&self, purchaser: &str) -> Result<usize, Problem> {
        let asked = ListOrganizationsRequest {
            page_size: i32::try_from(MOST_HOLDERS + 1).unwrap_or(i32::MAX),
            state: OrganizationState::Active as i32,
            kind: OrganizationKind::Trustee as i32,
            ..ListOrganizationsRequest::default()
        };
        let found = self.peers.registry().list_organizations(asked).await?;
        let found = found.into_inner().organizations;
        Ok(found.iter().filter(|one| one.name != purchaser).count())
    }

    pub async fn ceremony(
        &self,
        caller: Option<Caller>,
        request: GetCeremonyRequest,
    ) -> Result<GetCeremonyResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let dossier = self.dossier(&request.tender).await?;
        let tender = dossier.tender.ok_or(Refusal::Forbidden)?;
        let ceremony = dossier.ceremony;
        let concerned = |caller: &Caller| {
            let holds = ceremony
                .iter()
                .flat_map(|ceremony| &ceremony.holders)
                .any(|holder| holder.organization == caller.organization());
            caller.is_service()
                || caller.has(Role::Supervisor)
                || caller.acts_for(&tender.purchaser).is_ok()
                || (holds && caller.has(Role::Trustee))
        };
        if !is_public(&tender) && !caller.as_ref().is_some_and(concerned) {
            return Err(Refusal::Forbidden.into());
        }
        if !is_public(&tender) {
            shows_what_is_not_public();
        }
        let ceremony = ceremony.ok_or_else(|| Refusal::NotFound {
            what: format!("{}/ceremonies", request.tender),
        })?;
        Ok(GetCeremonyResponse {
            ceremony: Some(ceremony),
        })
    }

    pub async fn post(
        &self,
        caller: Caller,
        request: PostCeremonyMessageRequest,
    ) -> Result<PostCeremonyMessageResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let message = request
            .message
            .clone()
            .ok_or_else(|| Refusal::field("message", "必填。", "is required."))?;
        // The message itself tells repeats apart.
        let id = names::derived(&[&prost::Message::encode_to_vec(&message)]);
        let step = Step::of_caller(
            NAME,
            &request.tender,
            "PostCeremonyMessage",
            caller.subject(),
            &id.to_string(),
            &request,
        )?;
        let done = self
            .change(
                step,
                move |before, _| {
                    let own = caller.organization();
                    Ok(rounds::post(before, own, &message, &mut OsRng)?.into())
                },
                |after, _| PostCeremonyMessageResponse {
                    state: after.ceremony.unwrap_or_default().state,
                },
            )
            .await?;
        Ok(done.reply)
    }

    /// Every ceremony that waits for the caller's institution, now and from now on, once for each
    /// message it waits for.
    pub fn watch(self: &Arc<Self>, caller: &Caller, language: Language) -> Waiting {
        let organization = caller.organization();
        let waiting = self.waiting.watch(organization, || Watched {
            tenders: self.clone(),
            organization: organization.to_owned(),
            changes: self.journal.changes(),
        });
        let mut told: Vec<Awaited> = Vec::new();
        Box::pin(waiting.flat_map(move |seen| {
            let mut news = Vec::new();
            match seen {
                Ok(seen) => {
                    for (awaited, ceremony) in seen.iter() {
                        if !told.contains(awaited) {
                            news.push(Ok(WatchCeremoniesResponse {
                                ceremony: Some(ceremony.clone()),
                            }));
                        }
                    }
                    told = seen.iter().map(|(awaited, _)| awaited.clone()).collect();
                }
                Err(problem) => news.push(Err(problem.into_status(language))),
            }
            stream::iter(news)
        }))
    }
}

/// What is awaited: the ceremony, the round, the holder.
pub type Awaited = (Vec<u8>, i32, i32);

/// An institution that watches which ceremonies wait for it.
struct Watched {
    tenders: Arc<Tenders>,
    organization: String,
    changes: watch::Receiver<u64>,
}

#[tonic::async_trait]
impl Look for Watched {
    type Seen = Arc<Vec<(Awaited, Ceremony)>>;

    async fn look(&mut self) -> Result<Self::Seen, Problem> {
        // Seen before looking, so that a change meanwhile wakes at once.
        self.changes.mark_unchanged();
        let mut waiting = Vec::new();
        for name in store::waits(self.tenders.journal.db(), &self.organization).await? {
            let Some(ceremony) = self.tenders.dossier(&name).await?.ceremony else {
                continue;
            };
            if let Some((round, index)) = waits_for(&ceremony, &self.organization) {
                waiting.push(((ceremony.cid.clone(), round, index), ceremony));
            }
        }
        Ok(Arc::new(waiting))
    }

    async fn wait(&mut self) -> bool {
        tokio::select! {
            () = self.tenders.shutdown.cancelled() => false,
            changed = self.changes.changed() => changed.is_ok(),
        }
    }
}
