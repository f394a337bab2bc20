//! Questions about the documents. Who asked is kept in a log of its own and told to nobody.

use sunbid_contracts::{
    notice::v1::{
        AskQuestionRequest, AskQuestionResponse, ListQuestionsRequest, ListQuestionsResponse,
        QuestionAnswered,
    },
    registry::v1::Role,
};
use sunbid_domain::{
    Aggregate, Event, Refusal,
    notice::{Questions, question},
};
use sunbid_service::{Caller, Decided, Problem, Step, ledger, names, page};

use crate::{
    NAME, reading,
    service::{Notices, asker_stream, questions_scope},
    store,
};

impl Notices {
    pub async fn ask(
        &self,
        caller: Caller,
        request: AskQuestionRequest,
    ) -> Result<AskQuestionResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let id = names::check_request_id(&request.request_id)?;
        let parts = [
            b"question".as_slice(),
            caller.subject().as_bytes(),
            id.as_bytes(),
        ];
        let name = format!("{}/questions/{}", request.tender, names::derived(&parts));
        let step = Step::of_caller(
            NAME,
            &questions_scope(&request.tender),
            "AskQuestion",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let board = self.board(&request.tender).await?;
        let stream = asker_stream(caller.organization());
        let step = step.reading(&[stream]);
        let done = ledger::commit(&self.journal, step, move |view| {
            let questions: Questions = ledger::load(view, stream)?;
            let asker = caller.organization();
            let (mut question, event) =
                question::ask(&board, &questions, asker, &name, &request.text, view.now)?;
            let write = store::put_question(&question, &request.tender, asker);
            question.own = true;
            Ok(Decided::new()
                .event(stream, &event)
                .fold::<Questions>(view, stream)?
                .also(write)
                .reply(|_| AskQuestionResponse {
                    question: Some(question),
                }))
        })
        .await?;
        Ok(done.reply)
    }

    /// Notes that a clarification, whose record is the cause, answers a question. Repeats change
    /// nothing.
    pub async fn answer(
        &self,
        cause: &[u8],
        tender: &str,
        question: &str,
        notice: &str,
    ) -> Result<(), Problem> {
        let Some(asker) = store::asker(self.journal.db(), question).await? else {
            return Ok(());
        };
        let event = QuestionAnswered {
            question: question.to_owned(),
            notice: notice.to_owned(),
        };
        let scope = questions_scope(tender);
        let stream = asker_stream(&asker);
        let step = Step::of_cause(NAME, &scope, "AnswerQuestion", cause, &event).reading(&[stream]);
        let tender = tender.to_owned();
        ledger::commit_quietly(&self.journal, step, move |view| {
            let mut questions: Questions = ledger::load(view, stream)?;
            let Some(answered) = question::answered(&questions, &event.question, &event.notice)
            else {
                return Ok(Decided::new());
            };
            questions.evolve(&Event::of(&answered), view.now)?;
            let mut decided = Decided::new()
                .event(stream, &answered)
                .fold::<Questions>(view, stream)?;
            for one in questions
                .questions
                .iter()
                .filter(|one| one.name == answered.question)
            {
                decided = decided.also(store::put_question(one, &tender, &asker));
            }
            Ok(decided)
        })
        .await?;
        Ok(())
    }

    pub async fn questions(
        &self,
        caller: Caller,
        request: ListQuestionsRequest,
    ) -> Result<ListQuestionsResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let board = self.board(&request.tender).await?;
        let tender = board.tender.ok_or(Refusal::Forbidden)?;
        let sees_all = caller.has(Role::Supervisor) || caller.acts_for(&tender.purchaser).is_ok();
        if !sees_all && !caller.has(Role::Supplier) {
            return Err(Refusal::Forbidden.into());
        }
        let own = caller.organization();
        let asker = if sees_all { "" } else { own };
        let bound = format!("{:?}", (&request.tender, asker));
        let after = reading::position(self.pages.position(&bound, &request.page_token)?)?;
        let size = page::size(request.page_size);
        let mut found =
            store::questions(self.journal.db(), &request.tender, asker, after, size + 1).await?;
        let more = found.len() > size as usize;
        found.truncate(size as usize);
        let next_page_token = match found.last().filter(|_| more) {
            Some((_, last)) => self
                .pages
                .token(&bound, &reading::positioned(last.ask_time_us, &last.name)),
            None => String::new(),
        };
        let questions = found.into_iter().map(|(asker, mut question)| {
            question.own = asker == own;
            question
        });
        Ok(ListQuestionsResponse {
            questions: questions.collect(),
            next_page_token,
        })
    }
}
