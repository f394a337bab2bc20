//! The audit's front door: public proofs and disclosure, witnesses' cosignatures, supervisors' trails.

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use sunbid_contracts::{
    audit::v1::{audit_service_server::AuditService, *},
    registry::v1::GetOrganizationRequest,
};
use sunbid_domain::{Refusal, refusal::FieldCheck};
use sunbid_journal::PublicLog;
use sunbid_proofs::{
    Checkpoint, Signature, Verifier, cosignature, note::ED25519_COSIGNATURE, tile::Tile,
};
use sunbid_service::{
    Caller, Language, Problem, Setting, access_log::SCOPE, names, page, relay::STALLED,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    access, disclosure,
    epochs::{self, Epochs},
    mirror::Mirror,
    secrecy, standing, store, trail,
};

const CHUNK: usize = 1 << 20;

/// How often a live trail looks for new records.
const LOOK: Duration = Duration::from_millis(250);

/// Serves `AuditService`.
#[derive(Clone)]
pub struct Audit {
    pub mirror: Arc<Mirror>,
    pub public_log: PublicLog,
    pub setting: Setting,
    pub epochs: Arc<Epochs>,
    /// Size of the public log, whenever an epoch is made.
    pub made: watch::Receiver<u64>,
    pub witnessed_file: PathBuf,
    pub pages: Arc<page::Pages>,
    pub desk: Arc<Desk>,
    /// Since when open bid logs take bids.
    pub opened: Arc<access::Opened>,
}

/// What giving out disclosures may take: building one reads whole logs, and each is in memory until
/// its reader has it.
pub struct Desk {
    building: Semaphore,
    serving: Arc<Semaphore>,
}

/// Disclosures that are built at a time; more wait.
const BUILDING: usize = 2;
/// Disclosures that are read at a time; more are told to come again.
const SERVING: usize = 32;

impl Default for Desk {
    fn default() -> Self {
        Self {
            building: Semaphore::new(BUILDING),
            serving: Arc::new(Semaphore::new(SERVING)),
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn stream<T: Send + 'static>(receiver: mpsc::Receiver<Result<T, Status>>) -> Answers<T> {
    Box::pin(ReceiverStream::new(receiver))
}

fn number(value: i64, field: &str) -> Result<u64, Problem> {
    Ok(u64::try_from(value)
        .map_err(|_| Refusal::field(field, "不得为负。", "must not be negative."))?)
}

impl Audit {
    async fn consistency(
        &self,
        old: u64,
        new: u64,
    ) -> Result<GetConsistencyProofResponse, Problem> {
        let size = self.public_log.size().await?;
        let new = if new == 0 { size } else { new };
        let mut check = FieldCheck::new();
        check.require(
            new <= size,
            "new_size",
            "大于公开日志的大小。",
            "is beyond the public log.",
        );
        check.require(
            old <= new,
            "old_size",
            "大于 new_size。",
            "is beyond new_size.",
        );
        check.finish()?;
        let proof = self
            .public_log
            .consistency(old, new)
            .await?
            .unwrap_or_default();
        Ok(GetConsistencyProofResponse {
            proof: proof.iter().map(|hash| hash.to_vec()).collect(),
            new_size: i64::try_from(new).unwrap_or(i64::MAX),
        })
    }

    async fn take_cosignature(
        &self,
        caller: &Caller,
        request: AddCosignatureRequest,
    ) -> Result<(), Problem> {
        let size = number(request.size, "size")?;
        let refused = |zh: &str, en: &str| Refusal::field("signature_line", zh, en);
        let signature = Signature::parse_line(&request.signature_line)
            .map_err(|_| refused("不是规范的签名行。", "is not a signature line of a note."))?;
        let name = caller.organization().to_owned();
        let mut registry = self.setting.peers.registry();
        let organization = registry
            .get_organization(GetOrganizationRequest { name })
            .await?
            .into_inner()
            .organization;
        let key: [u8; 32] = organization
            .and_then(|organization| organization.identity_key.try_into().ok())
            .ok_or(Refusal::Forbidden)?;
        // The name is the institution's own: nobody cosigns in another's name.
        let code = caller.organization().trim_start_matches("organizations/");
        if signature.name != format!("{code}.witness") {
            return Err(refused(
                "署名不是本机构的见证名称。",
                "is not in this institution's name.",
            )
            .into());
        }
        let witness = Verifier::new(&signature.name, ED25519_COSIGNATURE, key)
            .map_err(|_| refused("见证名称无效。", "has no valid name."))?;
        let offered = self
            .public_log
            .add_cosignature(&witness, size, &signature)
            .await
            .map_err(|error| {
                Problem::Refused(refused(
                    &format!("见证签名不被接受：{error}"),
                    &format!("is not accepted: {error}"),
                ))
            })?;
        standing::compare_clocks(code, offered.time, self.setting.clock.now());
        let root = self.public_log.root_at(size).await?;
        epochs::keep_witnessed(&self.witnessed_file, size, &root).map_err(Problem::Internal)
    }

    async fn page_of_trail(&self, request: ListTrailRequest) -> Result<ListTrailResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        self.mirror.catch_up().await?;
        let position = self.pages.position(&request.tender, &request.page_token)?;
        let from = position
            .and_then(|p| p.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        let all = trail::whole(&self.mirror, &self.setting.peers, &request.tender).await?;
        if all.is_empty() {
            return Err(Refusal::Forbidden.into());
        }
        let size = page::size(request.page_size) as usize;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let total = all.len();
        let entries: Vec<_> = all.into_iter().skip(from).take(size).collect();
        let next = from.saturating_add(entries.len());
        let next_page_token = if next < total {
            self.pages
                .token(&request.tender, &(next as u64).to_be_bytes())
        } else {
            String::new()
        };
        Ok(ListTrailResponse {
            entries,
            next_page_token,
        })
    }

    async fn follow_trail(
        self,
        tender: String,
        sender: mpsc::Sender<Result<WatchTrailResponse, Status>>,
    ) -> Result<(), Problem> {
        let mut cursors: std::collections::BTreeMap<(&'static str, String, bool), i64> =
            std::collections::BTreeMap::new();
        while !sender.is_closed() {
            self.mirror.catch_up().await?;
            let mut fresh = Vec::new();
            for part in trail::parts(&self.mirror, &self.setting.peers, &tender).await? {
                // What was left out before the closing is told once it is no secret any more.
                let told = (part.service, part.scope.clone(), false);
                let key = (part.service, part.scope.clone(), part.open);
                let skip = if part.open {
                    cursors.get(&told).copied().unwrap_or(0)
                } else {
                    0
                };
                let from = cursors.get(&key).copied().unwrap_or(0);
                let (entries, next) = trail::entries(&self.setting.peers, &part, from).await?;
                fresh.extend(
                    entries
                        .into_iter()
                        .filter(|e| e.seq >= skip || secrecy::is_sealed_event(&e.r#type)),
                );
                cursors.insert(key, next);
            }
            fresh.sort_by(|one: &TrailEntry, other| {
                (one.at_us, &one.service, one.seq).cmp(&(other.at_us, &other.service, other.seq))
            });
            for entry in fresh {
                if sender
                    .send(Ok(WatchTrailResponse { entry: Some(entry) }))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
            tokio::select! {
                () = self.setting.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }

    async fn status(&self) -> Result<GetStatusResponse, Problem> {
        let faults = store::faults(self.mirror.journal().db()).await?;
        let mut logs = Vec::new();
        for (service, verified) in self.mirror.by_service().await {
            // Where their number would tell of suppliers, only records of closed logs are counted,
            // and refusals and accesses, which are logs of their own, not at all.
            let known = verified
                .iter()
                .filter(|log| !log.scope.starts_with("refusals/"))
                .filter(|log| !log.scope.starts_with(SCOPE));
            let counted = known
                .clone()
                .filter(|log| log.closed || !secrecy::counts_tell(service));
            let fault = faults.iter().find(|fault| fault.service == service);
            logs.push(LogStatus {
                service: service.to_owned(),
                logs: i64::try_from(known.count()).unwrap_or(i64::MAX),
                records_verified: counted
                    .map(|log| i64::try_from(log.size).unwrap_or(i64::MAX))
                    .sum(),
                fault: fault
                    .map(|f| format!("log {} record {}: {}", f.log, f.seq, f.fault))
                    .unwrap_or_default(),
            });
        }
        let size = self.public_log.size().await?;
        let note = self
            .public_log
            .checkpoint()
            .await
            .map_err(Problem::internal)?;
        let mut witnesses = Vec::new();
        for size in (size.saturating_sub(5)..=size).filter(|size| *size > 0) {
            let Ok(note) = self.public_log.note_at(size).await else {
                continue;
            };
            for signature in note.signatures.iter().skip(1) {
                let Some(time) = cosignature::stated_time(signature) else {
                    continue;
                };
                let status = WitnessStatus {
                    name: signature.name.clone(),
                    size: i64::try_from(size).unwrap_or(i64::MAX),
                    cosign_time_us: i64::try_from(time)
                        .unwrap_or(i64::MAX)
                        .saturating_mul(1_000_000),
                };
                witnesses.retain(|known: &WitnessStatus| known.name != status.name);
                witnesses.push(status);
            }
        }
        let checkpoint = Checkpoint::parse(&note.text).map_err(Problem::internal)?;
        Ok(GetStatusResponse {
            logs,
            witnesses,
            epochs: i64::try_from(checkpoint.size).unwrap_or(i64::MAX),
        })
    }

    async fn send_disclosure(
        self,
        tender: String,
        files: disclosure::Files,
        sender: mpsc::Sender<Result<DownloadDisclosureResponse, Status>>,
    ) -> Result<(), Problem> {
        for (path, content) in files {
            let mut path = Some(path);
            let mut send = async |chunk: Vec<u8>| {
                let path = path.take().unwrap_or_default();
                // A document comes over a connection that others of the platform use: a reader that
                // stops reading must not stop them.
                let answer = Ok(DownloadDisclosureResponse { path, chunk });
                sender.send_timeout(answer, STALLED).await.is_ok()
            };
            match content {
                disclosure::Content::Bytes(bytes) if bytes.is_empty() => {
                    if !send(Vec::new()).await {
                        return Ok(());
                    }
                }
                disclosure::Content::Bytes(bytes) => {
                    for chunk in bytes.chunks(CHUNK) {
                        if !send(chunk.to_vec()).await {
                            return Ok(());
                        }
                    }
                }
                disclosure::Content::Document { sha256, .. } => {
                    let mut document = disclosure::document(&self.setting, &tender, sha256).await?;
                    while let Some(message) = document.message().await? {
                        if !send(message.chunk).await {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let language = Language::of(request.metadata());
        let note = self.public_log.checkpoint().await;
        note.map(|note| {
            Response::new(GetCheckpointResponse {
                note: note.format(),
            })
        })
        .map_err(|error| Problem::internal(error).into_status(language))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let language = Language::of(request.metadata());
        let request = request.into_inner();
        let answer = async {
            let (old, new) = (
                number(request.old_size, "old_size")?,
                number(request.new_size, "new_size")?,
            );
            self.consistency(old, new).await
        };
        answer
            .await
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    async fn get_tile(
        &self,
        request: Request<GetTileRequest>,
    ) -> Result<Response<GetTileResponse>, Status> {
        let language = Language::of(request.metadata());
        let path = request.into_inner().path;
        let answer = async {
            let tile = Tile::parse(&path).ok_or_else(|| {
                Refusal::field("path", "不是瓦片路径。", "is not a path of a tile.")
            })?;
            let content = self.public_log.tile(tile).await?;
            content.ok_or_else(|| Problem::from(Refusal::NotFound { what: path.clone() }))
        };
        answer
            .await
            .map(|content| Response::new(GetTileResponse { content }))
            .map_err(|problem| problem.into_status(language))
    }

    async fn add_cosignature(
        &self,
        request: Request<AddCosignatureRequest>,
    ) -> Result<Response<AddCosignatureResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = async {
            let caller = Caller::of(&request)?;
            self.take_cosignature(&caller, request.into_inner()).await
        };
        answer
            .await
            .map(|()| Response::new(AddCosignatureResponse {}))
            .map_err(|problem| problem.into_status(language))
    }

    async fn prove_closing(
        &self,
        request: Request<ProveClosingRequest>,
    ) -> Result<Response<ProveClosingResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = async {
            let caller = Caller::of(&request)?;
            self.prove_closing_to(&caller, &request.get_ref().tender)
                .await
        };
        answer
            .await
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    type WatchCheckpointsStream = Answers<WatchCheckpointsResponse>;

    async fn watch_checkpoints(
        &self,
        request: Request<WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        let language = Language::of(request.metadata());
        let mut old = number(request.into_inner().old_size, "old_size")
            .map_err(|problem| problem.into_status(language))?;
        let (sender, receiver) = mpsc::channel(4);
        let audit = self.clone();
        let mut made = self.made.clone();
        // Ends with its watcher, or with the process.
        tokio::spawn(async move {
            loop {
                let next = async {
                    let size = audit.public_log.size().await?;
                    if old > size {
                        // The watcher has seen more than there is: it must be told, not humoured.
                        return Err(Problem::Refused(Refusal::state(
                            "BEHIND_WITNESS",
                            "公开日志短于见证人所见。",
                            "The public log is shorter than what the witness has seen.",
                        )));
                    }
                    let note = audit
                        .public_log
                        .note_at(size)
                        .await
                        .map_err(Problem::internal)?;
                    let proof = audit.consistency(old, size).await?;
                    Ok((size, note, proof.proof))
                };
                let (answer, size) = match next.await {
                    Ok((size, _, _)) if size == old || size == 0 => (None, size),
                    Ok((size, note, consistency_proof)) => {
                        let note = note.format();
                        (
                            Some(Ok(WatchCheckpointsResponse {
                                note,
                                consistency_proof,
                            })),
                            size,
                        )
                    }
                    Err(problem) => (Some(Err(problem.into_status(language))), old),
                };
                if let Some(answer) = answer {
                    let failed = answer.is_err();
                    if sender.send(answer).await.is_err() || failed {
                        return;
                    }
                }
                old = size;
                tokio::select! {
                    () = audit.setting.shutdown.cancelled() => return,
                    () = sender.closed() => return,
                    changed = made.changed() => if changed.is_err() { return },
                }
            }
        });
        Ok(Response::new(stream(receiver)))
    }

    type DownloadDisclosureStream = Answers<DownloadDisclosureResponse>;

    async fn download_disclosure(
        &self,
        request: Request<DownloadDisclosureRequest>,
    ) -> Result<Response<Self::DownloadDisclosureStream>, Status> {
        let language = Language::of(request.metadata());
        let tender = request.into_inner().tender;
        let built = async {
            names::check_tender(&tender, "tender")?;
            let served = self.desk.serving.clone().try_acquire_owned();
            let served = served.map_err(|_| Problem::TooMuch {
                reason: "DISCLOSURES_TOO_MANY",
                zh: format!("正在提供的公开记录已达{SERVING}份，请稍后再试。"),
                en: format!("{SERVING} disclosures are being read already; try again soon."),
                retry: Some(STALLED),
            })?;
            let _turn = self.desk.building.acquire().await;
            let files =
                disclosure::build(&self.setting, &self.mirror, &self.public_log, &tender).await?;
            Ok((files, served))
        };
        let (files, served) = built
            .await
            .map_err(|problem: Problem| problem.into_status(language))?;
        let (sender, receiver) = mpsc::channel(4);
        let audit = self.clone();
        tokio::spawn(async move {
            let _served = served;
            if let Err(problem) = audit.send_disclosure(tender, files, sender.clone()).await {
                let _ = sender.send(Err(problem.into_status(language))).await;
            }
        });
        Ok(Response::new(stream(receiver)))
    }

    async fn list_trail(
        &self,
        request: Request<ListTrailRequest>,
    ) -> Result<Response<ListTrailResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = self.page_of_trail(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    type WatchTrailStream = Answers<WatchTrailResponse>;

    async fn watch_trail(
        &self,
        request: Request<WatchTrailRequest>,
    ) -> Result<Response<Self::WatchTrailStream>, Status> {
        let language = Language::of(request.metadata());
        let tender = request.into_inner().tender;
        names::check_tender(&tender, "tender")
            .map_err(|refusal| Problem::from(refusal).into_status(language))?;
        let (sender, receiver) = mpsc::channel(64);
        let audit = self.clone();
        tokio::spawn(async move {
            if let Err(problem) = audit.follow_trail(tender, sender.clone()).await {
                let _ = sender.send(Err(problem.into_status(language))).await;
            }
        });
        Ok(Response::new(stream(receiver)))
    }

    async fn list_access_rules(
        &self,
        _: Request<ListAccessRulesRequest>,
    ) -> Result<Response<ListAccessRulesResponse>, Status> {
        let rules = access::rules();
        Ok(Response::new(ListAccessRulesResponse { rules }))
    }

    async fn list_access(
        &self,
        request: Request<ListAccessRequest>,
    ) -> Result<Response<ListAccessResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = self.page_of_access(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = self.status().await;
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }
}
