//! gRPC in, the service's own call out; who calls and in which language comes from the request.

use std::sync::Arc;

use sunbid_contracts::notice::v1::{
    AskQuestionRequest, AskQuestionResponse, GetIntentRequest, GetIntentResponse, GetNoticeRequest,
    GetNoticeResponse, ListNoticesRequest, ListNoticesResponse, ListQuestionsRequest,
    ListQuestionsResponse, PublishClarificationRequest, PublishClarificationResponse,
    PublishIntentRequest, PublishIntentResponse, PublishTenderNoticeRequest,
    PublishTenderNoticeResponse, notice_service_server::NoticeService,
};
use sunbid_service::{Caller, Language, Problem, finish::to_the_end};
use tonic::{Request, Response, Status};

use crate::service::Notices;

/// The front door.
pub struct Rpc {
    pub notices: Arc<Notices>,
}

/// Answers a caller who is signed in.
macro_rules! signed_in {
    ($self:ident, $request:ident, $call:ident) => {{
        let language = Language::of($request.metadata());
        let answer = match Caller::of(&$request) {
            Ok(caller) => $self.notices.$call(caller, $request.into_inner()).await,
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
                let (notices, request) = ($self.notices.clone(), $request.into_inner());
                to_the_end(async move { notices.$call(caller, request).await }).await
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
            $self.notices.$call(caller, $request.into_inner()).await,
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
impl NoticeService for Rpc {
    async fn publish_intent(
        &self,
        request: Request<PublishIntentRequest>,
    ) -> Result<Response<PublishIntentResponse>, Status> {
        signed_in!(self, request, publish_intent)
    }

    async fn get_intent(
        &self,
        request: Request<GetIntentRequest>,
    ) -> Result<Response<GetIntentResponse>, Status> {
        anybody!(self, request, get_intent)
    }

    async fn publish_tender_notice(
        &self,
        request: Request<PublishTenderNoticeRequest>,
    ) -> Result<Response<PublishTenderNoticeResponse>, Status> {
        carried_out!(self, request, publish_tender)
    }

    async fn publish_clarification(
        &self,
        request: Request<PublishClarificationRequest>,
    ) -> Result<Response<PublishClarificationResponse>, Status> {
        carried_out!(self, request, publish_clarification)
    }

    async fn ask_question(
        &self,
        request: Request<AskQuestionRequest>,
    ) -> Result<Response<AskQuestionResponse>, Status> {
        signed_in!(self, request, ask)
    }

    async fn list_questions(
        &self,
        request: Request<ListQuestionsRequest>,
    ) -> Result<Response<ListQuestionsResponse>, Status> {
        signed_in!(self, request, questions)
    }

    async fn list_notices(
        &self,
        request: Request<ListNoticesRequest>,
    ) -> Result<Response<ListNoticesResponse>, Status> {
        anybody!(self, request, list)
    }

    async fn get_notice(
        &self,
        request: Request<GetNoticeRequest>,
    ) -> Result<Response<GetNoticeResponse>, Status> {
        anybody!(self, request, get_notice)
    }
}
