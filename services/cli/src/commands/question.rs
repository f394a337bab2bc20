//! Questions about tender documents. Who asked is shown to the asker alone.

use clap::Subcommand;
use sunbid_contracts::notice::v1::{AskQuestionRequest, ListQuestionsRequest};

use super::tender_name;
use crate::{connection::request_id, context::Context, output};

#[derive(Debug, Subcommand)]
pub enum QuestionCommand {
    /// Ask (supplier).
    Ask {
        #[arg(value_parser = tender_name)]
        tender: String,
        text: String,
    },
    /// List: the purchaser sees all without their askers, a supplier its own and the answered ones.
    List {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
}

pub async fn run(context: &Context, command: QuestionCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        QuestionCommand::Ask { tender, text } => {
            let request = AskQuestionRequest {
                request_id: request_id(),
                tender,
                text,
            };
            let answer = context
                .caller()
                .await?
                .notice()
                .ask_question(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                answer
                    .question
                    .as_ref()
                    .map(|q| q.name.clone())
                    .unwrap_or_default()
            })
        }
        QuestionCommand::List { tender } => {
            let mut notices = context.caller().await?.notice();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListQuestionsRequest {
                    tender: tender.clone(),
                    page_size: 200,
                    page_token,
                };
                let page = notices.list_questions(request).await?.into_inner();
                all.extend(page.questions);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["name", "提问", "时间", "答复公告"];
            output.list(
                &all,
                &header,
                output.say("没有提问。", "No questions."),
                |q| {
                    vec![
                        q.name.clone(),
                        q.text.clone(),
                        output::time(q.ask_time_us),
                        q.answer_notice.clone(),
                    ]
                },
            )
        }
    }
}
