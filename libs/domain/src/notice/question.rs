//! Suppliers' questions about the documents. One state for each asker and tender, so that nobody
//! needs to see who else asked.

use prost::Message;
use sunbid_contracts::notice::v1::{Question, QuestionAnswered, QuestionAsked, QuestionState};
use sunbid_terms::Instant;

use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck};

use super::Board;

/// Most questions of one organisation about one tender that wait for an answer.
pub const MOST_OPEN: usize = 20;

/// One organisation's questions about one tender.
#[derive(Clone, PartialEq, Message)]
pub struct Questions {
    #[prost(message, repeated, tag = "1")]
    pub questions: Vec<Question>,
}

impl Aggregate for Questions {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        if let Some(asked) = event.read::<QuestionAsked>()? {
            self.questions.extend(asked.question);
        } else if let Some(answered) = event.read::<QuestionAnswered>()? {
            let question = self
                .questions
                .iter_mut()
                .find(|q| q.name == answered.question);
            let question = question.ok_or_else(|| Unreadable::Impossible {
                name: event.name.clone(),
                reason: "the question was never asked".to_owned(),
            })?;
            question.set_state(QuestionState::Answered);
            question.answer_notice = answered.notice;
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

/// A question, `name` being random.
pub fn ask(
    board: &Board,
    questions: &Questions,
    asker: &str,
    name: &str,
    text: &str,
    now: Instant,
) -> Result<(Question, QuestionAsked), Refusal> {
    let tender = board.bidding(now)?;
    if asker.is_empty() || tender.purchaser == asker {
        return Err(Refusal::Forbidden);
    }
    FieldCheck::new().text(text, 2_000, "text").finish()?;
    let open = questions
        .questions
        .iter()
        .filter(|q| q.state() == QuestionState::Asked)
        .count();
    if open >= MOST_OPEN {
        return Err(Refusal::state(
            "TOO_MANY_QUESTIONS",
            format!("贵单位对本项目已有{open}个问题待答复，请待答复后再提出。"),
            format!(
                "Your organisation has {open} unanswered questions about this tender; wait for answers."
            ),
        ));
    }
    let question = Question {
        name: name.to_owned(),
        text: text.to_owned(),
        state: QuestionState::Asked as i32,
        ask_time_us: now.micros(),
        ..Default::default()
    };
    let event = QuestionAsked {
        question: Some(question.clone()),
        asker: asker.to_owned(),
    };
    Ok((question, event))
}

/// A question that a published clarification answers; none if it is answered already.
pub fn answered(questions: &Questions, question: &str, notice: &str) -> Option<QuestionAnswered> {
    let open = |one: &&Question| one.name == question && one.state() == QuestionState::Asked;
    questions
        .questions
        .iter()
        .find(open)
        .map(|_| QuestionAnswered {
            question: question.to_owned(),
            notice: notice.to_owned(),
        })
}
