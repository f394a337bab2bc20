//! gRPC in, the service's own call out; who calls and in which language comes from the request.

use std::sync::Arc;

use sunbid_contracts::tender::v1::{
    CheckTenderRequest, CheckTenderResponse, CreateTenderRequest, CreateTenderResponse,
    DownloadDocumentRequest, GetCeremonyRequest, GetCeremonyResponse, GetTenderRequest,
    GetTenderResponse, ListTendersRequest, ListTendersResponse, PostCeremonyMessageRequest,
    PostCeremonyMessageResponse, ResumeTenderRequest, ResumeTenderResponse, ReviewTenderRequest,
    ReviewTenderResponse, StartCeremonyRequest, StartCeremonyResponse, SuspendTenderRequest,
    SuspendTenderResponse, TerminateTenderRequest, TerminateTenderResponse, UpdateTenderRequest,
    UpdateTenderResponse, UploadDocumentRequest, UploadDocumentResponse, WatchCeremoniesRequest,
    tender_service_server::TenderService,
};
use sunbid_service::{Caller, Language, Problem, finish::to_the_end};
use tonic::{Request, Response, Status, Streaming};

use crate::{ceremonies::Waiting, documents::Chunks, service::Tenders};

/// The front door.
pub struct Rpc {
    pub tenders: Arc<Tenders>,
}

/// Answers a caller who is signed in.
macro_rules! signed_in {
    ($self:ident, $request:ident, $call:ident) => {{
        let language = Language::of($request.metadata());
        let answer = match Caller::of(&$request) {
            Ok(caller) => $self.tenders.$call(caller, $request.into_inner()).await,
            Err(problem) => Err(problem),
        };
        told(answer, language)
    }};
}

/// Carries out what takes several steps for a caller who is signed in, and stops at none of them.
macro_rules! carried_out {
    ($self:ident, $request:ident, $call:ident) => {{
        let language = Language::of($request.metadata());
        let answer = match Caller::of(&$request) {
            Ok(caller) => {
                let (tenders, request) = ($self.tenders.clone(), $request.into_inner());
                to_the_end(async move { tenders.$call(caller, request).await }).await
            }
            Err(problem) => Err(problem),
        };
        told(answer, language)
    }};
}

/// Answers anybody.
macro_rules! anybody {
    ($self:ident, $request:ident, $call:ident) => {{
        let language = Language::of($request.metadata());
        let caller = Caller::maybe(&$request);
        told(
            $self.tenders.$call(caller, $request.into_inner()).await,
            language,
        )
    }};
}

fn told<R>(answer: Result<R, Problem>, language: Language) -> Result<Response<R>, Status> {
    answer
        .map(Response::new)
        .map_err(|problem| problem.into_status(language))
}

#[tonic::async_trait]
impl TenderService for Rpc {
    type DownloadDocumentStream = Chunks;
    type WatchCeremoniesStream = Waiting;

    async fn create_tender(
        &self,
        request: Request<CreateTenderRequest>,
    ) -> Result<Response<CreateTenderResponse>, Status> {
        signed_in!(self, request, create)
    }
    async fn update_tender(
        &self,
        request: Request<UpdateTenderRequest>,
    ) -> Result<Response<UpdateTenderResponse>, Status> {
        signed_in!(self, request, update)
    }
    async fn get_tender(
        &self,
        request: Request<GetTenderRequest>,
    ) -> Result<Response<GetTenderResponse>, Status> {
        anybody!(self, request, get)
    }
    async fn list_tenders(
        &self,
        request: Request<ListTendersRequest>,
    ) -> Result<Response<ListTendersResponse>, Status> {
        anybody!(self, request, list)
    }
    async fn upload_document(
        &self,
        request: Request<Streaming<UploadDocumentRequest>>,
    ) -> Result<Response<UploadDocumentResponse>, Status> {
        signed_in!(self, request, upload)
    }
    async fn download_document(
        &self,
        request: Request<DownloadDocumentRequest>,
    ) -> Result<Response<Chunks>, Status> {
        let language = Language::of(request.metadata());
        let caller = Caller::maybe(&request);
        let chunks = self
            .tenders
            .download(caller, request.into_inner(), language)
            .await;
        told(chunks, language)
    }
    async fn review_tender(
        &self,
        request: Request<ReviewTenderRequest>,
    ) -> Result<Response<ReviewTenderResponse>, Status> {
        signed_in!(self, request, review)
    }
    async fn check_tender(
        &self,
        request: Request<CheckTenderRequest>,
    ) -> Result<Response<CheckTenderResponse>, Status> {
        signed_in!(self, request, check)
    }
    async fn start_ceremony(
        &self,
        request: Request<StartCeremonyRequest>,
    ) -> Result<Response<StartCeremonyResponse>, Status> {
        signed_in!(self, request, start_ceremony)
    }
    async fn get_ceremony(
        &self,
        request: Request<GetCeremonyRequest>,
    ) -> Result<Response<GetCeremonyResponse>, Status> {
        anybody!(self, request, ceremony)
    }
    async fn post_ceremony_message(
        &self,
        request: Request<PostCeremonyMessageRequest>,
    ) -> Result<Response<PostCeremonyMessageResponse>, Status> {
        signed_in!(self, request, post)
    }
    async fn suspend_tender(
        &self,
        request: Request<SuspendTenderRequest>,
    ) -> Result<Response<SuspendTenderResponse>, Status> {
        carried_out!(self, request, suspend)
    }
    async fn resume_tender(
        &self,
        request: Request<ResumeTenderRequest>,
    ) -> Result<Response<ResumeTenderResponse>, Status> {
        carried_out!(self, request, resume)
    }
    async fn terminate_tender(
        &self,
        request: Request<TerminateTenderRequest>,
    ) -> Result<Response<TerminateTenderResponse>, Status> {
        carried_out!(self, request, terminate)
    }

    async fn watch_ceremonies(
        &self,
        request: Request<WatchCeremoniesRequest>,
    ) -> Result<Response<Waiting>, Status> {
        let language = Language::of(request.metadata());
        let caller = Caller::of(&request).map_err(|problem| problem.into_status(language))?;
        Ok(Response::new(self.tenders.watch(&caller, language)))
    }
}
