//! The opening service's calls: gRPC in, answer out. Who may call at all is settled before; here it
//! is only asked whose session it is. What each call does stands in the `rpc_` files by subject.

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use sunbid_contracts::opening::v1::{
    AnswerObjectionRequest, AnswerObjectionResponse, CheckInRequest, CheckInResponse,
    CloseSessionRequest, CloseSessionResponse, ConfirmRecordRequest, ConfirmRecordResponse,
    DownloadPartRequest, DownloadPartResponse, GetOpeningRecordRequest, GetOpeningRecordResponse,
    GetSessionRequest, GetSessionResponse, ListDeliveriesRequest, ListDeliveriesResponse,
    PostSharesRequest, PostSharesResponse, PublishRescueRequest, PublishRescueResponse,
    RaiseObjectionRequest, RaiseObjectionResponse, ReadClosingRequest, ReadClosingResponse,
    SignClosingRequest, SignClosingResponse, WatchOpeningsRequest, WatchOpeningsResponse,
    WatchSessionRequest, WatchSessionResponse, opening_service_server::OpeningService,
};
use sunbid_service::{Caller, Language, Problem};
use tonic::{Request, Response, Status};

use crate::Opening;

pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves the calls.
pub struct Rpc {
    pub opening: Arc<Opening>,
}

fn answer<T>(language: Language, result: Result<T, Problem>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|problem| problem.into_status(language))
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// A call of somebody who is signed in. Written as the attribute on the trait would write it, since
/// that does not see into macros.
macro_rules! signed_in {
    ($name:ident, $request:ty, $response:ty) => {
        fn $name<'a, 'b>(&'a self, request: Request<$request>) -> Answer<'b, $response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async move {
                let language = Language::of(request.metadata());
                let result = async {
                    let caller = Caller::of(&request)?;
                    self.opening.$name(&caller, request.into_inner()).await
                };
                answer(language, result.await)
            })
        }
    };
}

#[tonic::async_trait]
impl OpeningService for Rpc {
    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        let language = Language::of(request.metadata());
        answer(
            language,
            self.opening.get_session(request.into_inner()).await,
        )
    }

    type WatchSessionStream = Answers<WatchSessionResponse>;

    async fn watch_session(
        &self,
        request: Request<WatchSessionRequest>,
    ) -> Result<Response<Self::WatchSessionStream>, Status> {
        let language = Language::of(request.metadata());
        answer(
            language,
            self.opening
                .clone()
                .watch_session(language, request.into_inner())
                .await,
        )
    }

    async fn get_opening_record(
        &self,
        request: Request<GetOpeningRecordRequest>,
    ) -> Result<Response<GetOpeningRecordResponse>, Status> {
        let language = Language::of(request.metadata());
        answer(
            language,
            self.opening.get_opening_record(request.into_inner()).await,
        )
    }

    type WatchOpeningsStream = Answers<WatchOpeningsResponse>;

    async fn watch_openings(
        &self,
        request: Request<WatchOpeningsRequest>,
    ) -> Result<Response<Self::WatchOpeningsStream>, Status> {
        let language = Language::of(request.metadata());
        let result = Caller::of(&request)
            .map(|caller| self.opening.clone().watch_openings(language, &caller));
        answer(language, result)
    }

    type ReadClosingStream = Answers<ReadClosingResponse>;

    async fn read_closing(
        &self,
        request: Request<ReadClosingRequest>,
    ) -> Result<Response<Self::ReadClosingStream>, Status> {
        let language = Language::of(request.metadata());
        let result = async {
            let caller = Caller::of(&request)?;
            self.opening
                .read_closing(&caller, request.into_inner())
                .await
        };
        answer(language, result.await)
    }

    type DownloadPartStream = Answers<DownloadPartResponse>;

    async fn download_part(
        &self,
        request: Request<DownloadPartRequest>,
    ) -> Result<Response<Self::DownloadPartStream>, Status> {
        let language = Language::of(request.metadata());
        let result = async {
            let caller = Caller::of(&request)?;
            self.opening
                .download_part(language, &caller, request.into_inner())
                .await
        };
        answer(language, result.await)
    }

    signed_in!(check_in, CheckInRequest, CheckInResponse);
    signed_in!(sign_closing, SignClosingRequest, SignClosingResponse);
    signed_in!(post_shares, PostSharesRequest, PostSharesResponse);
    signed_in!(publish_rescue, PublishRescueRequest, PublishRescueResponse);
    signed_in!(
        raise_objection,
        RaiseObjectionRequest,
        RaiseObjectionResponse
    );
    signed_in!(
        answer_objection,
        AnswerObjectionRequest,
        AnswerObjectionResponse
    );
    signed_in!(confirm_record, ConfirmRecordRequest, ConfirmRecordResponse);
    signed_in!(close_session, CloseSessionRequest, CloseSessionResponse);
    signed_in!(
        list_deliveries,
        ListDeliveriesRequest,
        ListDeliveriesResponse
    );
}
