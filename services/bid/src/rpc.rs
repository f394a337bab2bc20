//! gRPC in, a command or a question out, the answer back. Who may call an RPC at all was decided
//! before; here and in the rooms beside it only the caller's own organisation is looked at.

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use sunbid_contracts::bid::v1::{
    AnnounceMaintenanceRequest, AnnounceMaintenanceResponse, EndBiddingRequest, EndBiddingResponse,
    GetBidRequest, GetBidResponse, GetUploadRequest, GetUploadResponse, HoldBiddingRequest,
    HoldBiddingResponse, ListBidsRequest, ListBidsResponse, ListClosedBidsRequest,
    ListClosedBidsResponse, ListOutagesRequest, ListOutagesResponse, MoveDeadlineRequest,
    MoveDeadlineResponse, ReadPayloadsRequest, ReadPayloadsResponse, SubmitBidRequest,
    SubmitBidResponse, UploadPartRequest, UploadPartResponse, WithdrawBidRequest,
    WithdrawBidResponse, bid_service_server::BidService,
};
use sunbid_domain::{Refusal, bid::TenderBox, bid::tender_box};
use sunbid_journal::{Journal, LogId, StreamId};
use sunbid_rules::Engine;
use sunbid_service::{Caller, Language, Peers, Problem, ledger, names, page::Pages};
use sunbid_terms::Clock;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    NAME,
    boxes::Boxes,
    checks::Checks,
    closed::ClosedLogs,
    line::Line,
    proving::{Failing, Standing},
    receipt::Receipts,
    streams::BidStreams,
    supplier::Suppliers,
    upload::Uploads,
    vault::Vault,
};

/// Everything the service works with.
pub struct Office {
    pub clock: Arc<dyn Clock>,
    pub rules: Arc<Engine>,
    pub peers: Peers,
    pub journal: Journal,
    pub receipts: Receipts,
    pub pages: Pages,
    pub suppliers: Suppliers,
    pub boxes: Boxes,
    pub streams: BidStreams,
    pub uploads: Uploads,
    pub closed: ClosedLogs,
    pub checks: Checks,
    pub line: Line,
    pub vault: Vault,
    /// The last proof that bids can be taken.
    pub standing: Arc<Standing>,
    /// Held by whoever makes the next proof.
    pub proving: tokio::sync::Mutex<()>,
    /// What did not work when a proof was last tried. Locked for the length of a copy.
    pub failing: std::sync::Mutex<Option<Failing>>,
}

/// The tender's bid log.
pub fn log_of(tender: &str) -> LogId {
    names::log_of(NAME, tender)
}

/// The stream of the tender's box.
pub fn box_stream() -> StreamId {
    StreamId::of(tender_box::STREAM)
}

/// Runs what blocks away from the threads that serve.
pub async fn off_thread<T, F>(work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Problem::internal)
}

impl Office {
    /// The box of a tender, from memory or as last committed. Its deadline may have moved since:
    /// whoever decides looks again inside the transaction.
    pub async fn tender_box(&self, tender: &str) -> Result<Arc<TenderBox>, Problem> {
        // Where other processes write too, what this one remembers may be long out of date.
        let remembered = !self.journal.db().is_shared();
        match self.boxes.get(tender).filter(|_| remembered) {
            Some(known) => Ok(known),
            None => self.refresh(tender).await,
        }
    }

    /// The box by the deadline that is in force: after an outage it may be another than the one that
    /// has passed.
    pub async fn box_in_force(&self, tender: &str) -> Result<Arc<TenderBox>, Problem> {
        let tender_box = self.tender_box(tender).await?;
        if self.standing.takes(self.clock.now()) {
            return Ok(tender_box);
        }
        self.prove().await?;
        self.refresh(tender).await
    }

    /// The box as last committed; remembered.
    pub async fn refresh(&self, tender: &str) -> Result<Arc<TenderBox>, Problem> {
        let found: TenderBox = ledger::read(&self.journal, log_of(tender), box_stream()).await?;
        if found.tender.is_empty() {
            return Err(Refusal::NotFound {
                what: tender.to_owned(),
            }
            .into());
        }
        let found = Arc::new(found);
        self.boxes.remember(found.clone());
        Ok(found)
    }
}

/// The service as gRPC sees it.
pub struct Rpc {
    pub office: Arc<Office>,
}

type Answer<T> = Result<Response<T>, Status>;

/// Who calls and which language it reads.
fn caller<T>(request: &Request<T>) -> Result<(Caller, Language), Status> {
    let language = Language::of(request.metadata());
    let caller = Caller::of(request).map_err(|problem| problem.into_status(language))?;
    Ok((caller, language))
}

/// Who calls for an organisation.
fn supplier<T>(request: &Request<T>) -> Result<(Caller, Language), Status> {
    let (caller, language) = caller(request)?;
    caller
        .acts_for(caller.organization())
        .map_err(|refusal| Problem::from(refusal).into_status(language))?;
    Ok((caller, language))
}

/// A service that calls.
fn service<T>(request: &Request<T>) -> Result<(Caller, Language), Status> {
    let (caller, language) = caller(request)?;
    if !caller.is_service() {
        return Err(Problem::from(Refusal::Forbidden).into_status(language));
    }
    Ok((caller, language))
}

fn answer<T>(result: Result<T, Problem>, language: Language) -> Answer<T> {
    result
        .map(Response::new)
        .map_err(|problem| problem.into_status(language))
}

#[tonic::async_trait]
impl BidService for Rpc {
    type ReadPayloadsStream =
        Pin<Box<dyn Stream<Item = Result<ReadPayloadsResponse, Status>> + Send>>;

    async fn upload_part(
        &self,
        request: Request<Streaming<UploadPartRequest>>,
    ) -> Answer<UploadPartResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office
                .clone()
                .receive_part(caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn get_upload(&self, request: Request<GetUploadRequest>) -> Answer<GetUploadResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office
                .upload_progress(&caller, request.get_ref())
                .await,
            language,
        )
    }

    async fn submit_bid(&self, request: Request<SubmitBidRequest>) -> Answer<SubmitBidResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office
                .clone()
                .submit(&caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn withdraw_bid(
        &self,
        request: Request<WithdrawBidRequest>,
    ) -> Answer<WithdrawBidResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office
                .clone()
                .withdraw(&caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn get_bid(&self, request: Request<GetBidRequest>) -> Answer<GetBidResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office.own_bid(&caller, request.get_ref()).await,
            language,
        )
    }

    async fn list_bids(&self, request: Request<ListBidsRequest>) -> Answer<ListBidsResponse> {
        let (caller, language) = supplier(&request)?;
        answer(
            self.office.own_bids(&caller, request.get_ref()).await,
            language,
        )
    }

    async fn move_deadline(
        &self,
        request: Request<MoveDeadlineRequest>,
    ) -> Answer<MoveDeadlineResponse> {
        let (caller, language) = service(&request)?;
        answer(
            self.office
                .move_deadline(&caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn hold_bidding(
        &self,
        request: Request<HoldBiddingRequest>,
    ) -> Answer<HoldBiddingResponse> {
        let (caller, language) = service(&request)?;
        answer(
            self.office
                .hold_or_release(&caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn end_bidding(&self, request: Request<EndBiddingRequest>) -> Answer<EndBiddingResponse> {
        let (caller, language) = service(&request)?;
        answer(
            self.office.end_bidding(&caller, request.into_inner()).await,
            language,
        )
    }

    async fn announce_maintenance(
        &self,
        request: Request<AnnounceMaintenanceRequest>,
    ) -> Answer<AnnounceMaintenanceResponse> {
        let (caller, language) = caller(&request)?;
        answer(
            self.office
                .announce_maintenance(&caller, request.into_inner())
                .await,
            language,
        )
    }

    async fn list_outages(
        &self,
        request: Request<ListOutagesRequest>,
    ) -> Answer<ListOutagesResponse> {
        let language = Language::of(request.metadata());
        answer(self.office.outages(request.get_ref()).await, language)
    }

    async fn list_closed_bids(
        &self,
        request: Request<ListClosedBidsRequest>,
    ) -> Answer<ListClosedBidsResponse> {
        let (_, language) = service(&request)?;
        answer(self.office.closed_bids(request.get_ref()).await, language)
    }

    async fn read_payloads(
        &self,
        request: Request<ReadPayloadsRequest>,
    ) -> Answer<Self::ReadPayloadsStream> {
        let (_, language) = service(&request)?;
        answer(
            self.office
                .clone()
                .read_payloads(request.into_inner(), language)
                .await,
            language,
        )
    }
}
