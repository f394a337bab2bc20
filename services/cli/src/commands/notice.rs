//! What is published: announce a tender, clarify it, and read.

use clap::{Args, Subcommand};
use sunbid_contracts::notice::v1::{
    GetNoticeRequest, ListNoticesRequest, Notice, NoticeKind, PublishClarificationRequest,
    PublishTenderNoticeRequest,
};

use super::{moment, tender_name};
use crate::{connection::request_id, context::Context, output};

#[derive(Debug, Subcommand)]
pub enum NoticeCommand {
    /// Announce a tender whose key stands (purchaser).
    Publish {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Clarify or amend an announced tender (purchaser).
    Clarify(ClarifyArguments),
    /// List notices, newest first.
    List {
        #[arg(long, value_parser = tender_name)]
        tender: Option<String>,
        /// Words of the title.
        #[arg(long, default_value = "")]
        text: String,
        /// How many.
        #[arg(long, default_value_t = 50)]
        most: usize,
    },
    /// Show a notice as published.
    Show { name: String },
}

#[derive(Debug, Args)]
pub struct ClarifyArguments {
    #[arg(value_parser = tender_name)]
    tender: String,
    #[arg(long)]
    text: String,
    /// It may affect how bids are made; the deadline moves where the law asks for it.
    #[arg(long)]
    affects_bids: bool,
    /// It changes what is bought or who may bid.
    #[arg(long)]
    changes_subject: bool,
    #[arg(long, value_parser = moment)]
    new_deadline: Option<i64>,
    /// The question it answers.
    #[arg(long, default_value = "")]
    question: String,
}

pub async fn run(context: &Context, command: NoticeCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        NoticeCommand::Publish { tender } => {
            let request = PublishTenderNoticeRequest {
                request_id: request_id(),
                tender,
            };
            let answer = context
                .caller()
                .await?
                .notice()
                .publish_tender_notice(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let shown = answer
                    .notice
                    .as_ref()
                    .map(|n| show(n, context))
                    .unwrap_or_default();
                format!("{shown}\n{}", output::verdicts(&answer.verdicts, output))
            })
        }
        NoticeCommand::Clarify(arguments) => {
            let request = PublishClarificationRequest {
                request_id: request_id(),
                tender: arguments.tender,
                text: arguments.text,
                affects_bids: arguments.affects_bids,
                changes_subject_or_qualification: arguments.changes_subject,
                new_deadline_us: arguments.new_deadline.unwrap_or_default(),
                question: arguments.question,
            };
            let answer = context
                .caller()
                .await?
                .notice()
                .publish_clarification(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let shown = answer
                    .notice
                    .as_ref()
                    .map(|n| show(n, context))
                    .unwrap_or_default();
                format!("{shown}\n{}", output::verdicts(&answer.verdicts, output))
            })
        }
        NoticeCommand::List { tender, text, most } => {
            let mut notices = context.reader().await?.notice();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListNoticesRequest {
                    page_size: i32::try_from(most.min(200)).unwrap_or(200),
                    page_token,
                    kind: 0,
                    tender: tender.clone().unwrap_or_default(),
                    text: text.clone(),
                };
                let page = notices.list_notices(request).await?.into_inner();
                all.extend(page.notices);
                page_token = page.next_page_token;
                if page_token.is_empty() || all.len() >= most {
                    all.truncate(most);
                    break;
                }
            }
            let header = ["时间", "类别", "标题", "name"];
            output.list(
                &all,
                &header,
                output.say("没有公告。", "No notices."),
                |n| {
                    vec![
                        output::time(n.publish_time_us),
                        kind(n).to_owned(),
                        n.title.clone(),
                        n.name.clone(),
                    ]
                },
            )
        }
        NoticeCommand::Show { name } => {
            let mut notices = context.reader().await?.notice();
            let answer = notices
                .get_notice(GetNoticeRequest { name })
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                answer
                    .notice
                    .as_ref()
                    .map(|n| show(n, context))
                    .unwrap_or_default()
            })
        }
    }
}

fn show(notice: &Notice, context: &Context) -> String {
    let head = output::fields(&[
        ("name", notice.name.clone()),
        ("类别", kind(notice).to_owned()),
        ("标题", notice.title.clone()),
        ("发布时间", output::time(notice.publish_time_us)),
    ]);
    format!(
        "{head}\n\n{}",
        context.output.say(&notice.body_zh, &notice.body_en)
    )
}

fn kind(notice: &Notice) -> &'static str {
    match notice.kind() {
        NoticeKind::Intent => "采购意向",
        NoticeKind::Tender => "采购/招标公告",
        NoticeKind::Clarification => "澄清或修改",
        NoticeKind::OpeningRecord => "开标记录",
        NoticeKind::Failure => "流标",
        NoticeKind::Termination => "终止",
        NoticeKind::Suspension => "暂停",
        NoticeKind::Resumption => "恢复",
        NoticeKind::Outage => "停机顺延",
        NoticeKind::Unspecified => "",
    }
}
