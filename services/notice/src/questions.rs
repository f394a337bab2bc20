//! Questions about tender documents: who asked is shown to the asker alone.

use sunbid_contracts::{
    notice::v1::{
        AskQuestionRequest, AskQuestionResponse, ListQuestionsRequest, ListQuestionsResponse,
        Question, QuestionState,
    },
    registry::v1::Role,
};
use sunbid_domain::{
    Refusal,
    notice::{Board, Questions, question},
};
use sunbid_service::{
    Caller, Problem,
    ledger::{self, Decided, Step},
    names, page,
};

use crate::{Notices, SERVICE, board_stream, publish::derived, questions_stream, store};

impl Notices {
    pub(crate) async fn ask_question_of(
        &self,
        caller: &Caller,
        request: AskQuestionRequest,
    ) -> Result<AskQuestionResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let request_id = names::check_request_id(&request.request_id)?;
        let id = derived("questions", caller, "AskQuestion", &request_id);
        let name = format!("{}/{id}", request.tender);
        let asker = caller.organization().to_owned();
        let stream = questions_stream(&asker);
        let step = Step::of_caller(
            SERVICE,
            &request.tender,
            "sunbid.notice.v1.NoticeService/AskQuestion",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[board_stream(), stream]);
        let done = ledger::commit(&self.journal, step, move |view| {
            let board: Board = ledger::load(view, board_stream())?;
            let asked: Questions = ledger::load(view, stream)?;
            let (mut shown, event) =
                question::ask(&board, &asked, &asker, &name, &request.text, view.now)?;
            let row = store::keep_question(&request.tender, &asker, &shown);
            shown.own = true;
            Ok(Decided::new()
                .event(stream, &event)
                .fold::<Questions>(view, stream)?
                .also(row)
                .reply(move |_| AskQuestionResponse { question: Some(shown) }))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn list_questions_of(
        &self,
        caller: &Caller,
        request: ListQuestionsRequest,
    ) -> Result<ListQuestionsResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let log = names::log_of(SERVICE, &request.tender);
        let board: Board = ledger::read(&self.journal, log, board_stream()).await?;
        let tender = board.tender.ok_or(Refusal::Forbidden)?;
        let all = caller.has(Role::Supervisor)
            || (caller.has(Role::Purchaser) && caller.acts_for(&tender.purchaser).is_ok());
        if !all && !caller.has(Role::Supplier) {
            return Err(Refusal::Forbidden.into());
        }
        let filter = format!("questions {} {}", request.tender, caller.organization());
        let position = self.pages.position(&filter, &request.page_token)?;
        let mut after = match &position {
            Some(bytes) => decode(bytes)?,
            None => (i64::MIN, String::new()),
        };
        let size = page::size(request.page_size) as usize;
        let mut questions: Vec<Question> = Vec::new();
        // Others' unanswered questions are passed over, so a page may take more than one look.
        loop {
            let rows = store::questions(self.journal.db(), &request.tender, after.clone(), 200).await?;
            let ended = rows.len() < 200;
            for (mut question, asker) in rows {
                after = (question.ask_time_us, question.name.clone());
                question.own = asker == caller.organization();
                let answered = question.state() == QuestionState::Answered;
                if all || question.own || answered {
                    questions.push(question);
                }
                if questions.len() == size {
                    let next_page_token = self.pages.token(&filter, &encode(&after));
                    return Ok(ListQuestionsResponse { questions, next_page_token });
                }
            }
            if ended {
                return Ok(ListQuestionsResponse { questions, next_page_token: String::new() });
            }
        }
    }
}

/// A position in a list that is ordered by time and name.
pub(crate) fn encode((us, name): &(i64, String)) -> Vec<u8> {
    [&us.to_be_bytes(), name.as_bytes()].concat()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<(i64, String), Problem> {
    let read = || {
        let (us, name) = bytes.split_first_chunk::<8>()?;
        Some((i64::from_be_bytes(*us), String::from_utf8(name.to_vec()).ok()?))
    };
    read().ok_or_else(|| Problem::internal("a page token of ours does not decode"))
}
