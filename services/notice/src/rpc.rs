//! The notice service's front door.

use sunbid_contracts::notice::v1::{notice_service_server::NoticeService, *};
use sunbid_domain::Refusal;
use sunbid_service::{Caller, Language, Problem, names, page};
use tonic::{Request, Response, Status};

use crate::{
    Notices,
    questions::{decode, encode},
    store::{self, Before, Filter},
};

impl Notices {
    async fn intent_named(&self, name: &str) -> Result<GetIntentResponse, Problem> {
        names::check("intents", name, "name")?;
        let intent = store::intent(self.journal.db(), name).await?;
        let intent = intent.ok_or_else(|| Refusal::NotFound { what: name.to_owned() })?;
        Ok(GetIntentResponse { intent: Some(intent) })
    }

    async fn notice_named(&self, name: &str) -> Result<GetNoticeResponse, Problem> {
        names::check("notices", name, "name")?;
        Ok(GetNoticeResponse { notice: Some(store::notice(self.journal.db(), name).await?) })
    }

    async fn page(&self, request: ListNoticesRequest) -> Result<ListNoticesResponse, Problem> {
        let bound = format!("notices {} {} {}", request.kind, request.tender, request.text);
        let before = match self.pages.position(&bound, &request.page_token)? {
            None => Before { publish_us: i64::MAX, name: String::new() },
            Some(bytes) => {
                let (publish_us, name) = decode(&bytes)?;
                Before { publish_us, name }
            }
        };
        let size = page::size(request.page_size);
        let filter =
            Filter { kind: request.kind, tender: &request.tender, text: request.text.trim() };
        let notices = store::notices(self.journal.db(), before, filter, size).await?;
        let next_page_token = match notices.last() {
            Some(last) if notices.len() == size as usize => {
                let position = (last.publish_time_us, last.name.clone());
                self.pages.token(&bound, &encode(&position))
            }
            _ => String::new(),
        };
        Ok(ListNoticesResponse { notices, next_page_token })
    }
}

/// Answers one call: whoever asks, in the language asked for.
macro_rules! answer {
    ($request:expr, $body:expr) => {{
        let language = Language::of($request.metadata());
        $body.await.map(Response::new).map_err(|problem: Problem| problem.into_status(language))
    }};
}

#[tonic::async_trait]
impl NoticeService for Notices {
    async fn publish_intent(
        &self,
        request: Request<PublishIntentRequest>,
    ) -> Result<Response<PublishIntentResponse>, Status> {
        answer!(request, async {
            let caller = Caller::of(&request)?;
            self.publish_intent_of(&caller, request.get_ref().clone()).await
        })
    }

    async fn get_intent(
        &self,
        request: Request<GetIntentRequest>,
    ) -> Result<Response<GetIntentResponse>, Status> {
        answer!(request, self.intent_named(&request.get_ref().name))
    }

    async fn publish_tender_notice(
        &self,
        request: Request<PublishTenderNoticeRequest>,
    ) -> Result<Response<PublishTenderNoticeResponse>, Status> {
        answer!(request, async {
            let caller = Caller::of(&request)?;
            self.publish_tender_notice_of(&caller, request.get_ref().clone()).await
        })
    }

    async fn publish_clarification(
        &self,
        request: Request<PublishClarificationRequest>,
    ) -> Result<Response<PublishClarificationResponse>, Status> {
        answer!(request, async {
            let caller = Caller::of(&request)?;
            self.publish_clarification_of(&caller, request.get_ref().clone()).await
        })
    }

    async fn ask_question(
        &self,
        request: Request<AskQuestionRequest>,
    ) -> Result<Response<AskQuestionResponse>, Status> {
        answer!(request, async {
            let caller = Caller::of(&request)?;
            self.ask_question_of(&caller, request.get_ref().clone()).await
        })
    }

    async fn list_questions(
        &self,
        request: Request<ListQuestionsRequest>,
    ) -> Result<Response<ListQuestionsResponse>, Status> {
        answer!(request, async {
            let caller = Caller::of(&request)?;
            self.list_questions_of(&caller, request.get_ref().clone()).await
        })
    }

    async fn list_notices(
        &self,
        request: Request<ListNoticesRequest>,
    ) -> Result<Response<ListNoticesResponse>, Status> {
        answer!(request, self.page(request.get_ref().clone()))
    }

    async fn get_notice(
        &self,
        request: Request<GetNoticeRequest>,
    ) -> Result<Response<GetNoticeResponse>, Status> {
        answer!(request, self.notice_named(&request.get_ref().name))
    }
}
