//! Tenders: draft, check, review, key ceremony, documents, suspension, termination.

mod files;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::tender::v1::{
    CheckTenderRequest, CreateTenderRequest, GetCeremonyRequest, GetTenderRequest,
    ListTendersRequest, ResumeTenderRequest, ReviewKind, ReviewTenderRequest, StartCeremonyRequest,
    SuspendTenderRequest, Tender, TerminateTenderRequest, TerminationCause, UpdateTenderRequest,
};

use super::{digest, moment, organization_name, tender_name};
use crate::{connection::request_id, context::Context, output};

use files::download;
pub use files::upload;
use text::{show, show_ceremony, state};

#[derive(Debug, Subcommand)]
pub enum TenderCommand {
    /// Print a draft in JSON to start from.
    Template,
    /// Create a draft from a JSON file (purchaser).
    Create { file: PathBuf },
    /// Change a draft: the whole draft as JSON, with the etag it was read with (purchaser).
    Update { file: PathBuf },
    /// Add a document to a draft (purchaser).
    Upload {
        #[arg(value_parser = tender_name)]
        tender: String,
        file: PathBuf,
        #[arg(long, default_value = "application/pdf")]
        media_type: String,
    },
    /// Get a document of an announced tender.
    Download {
        #[arg(value_parser = tender_name)]
        tender: String,
        /// SHA-256 of the document.
        #[arg(long, value_parser = digest)]
        sha256: Vec<u8>,
        #[arg(long)]
        to: PathBuf,
    },
    /// What the rules say of a draft, and the earliest lawful dates.
    Check {
        #[arg(value_parser = tender_name)]
        tender: String,
        /// As if published at this time.
        #[arg(long, value_parser = moment)]
        publish: Option<i64>,
    },
    /// Review a draft: never by its author (reviewer).
    Review {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long, value_parser = ["internal", "fair-competition"])]
        kind: String,
        #[arg(long)]
        conclusion: String,
        /// The review finds fault.
        #[arg(long)]
        failed: bool,
    },
    /// Freeze the draft and invite the institutions that hold the key (purchaser).
    Ceremony {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long, required = true, value_parser = organization_name)]
        holder: Vec<String>,
        #[arg(long)]
        threshold: i32,
    },
    /// How the key ceremony stands.
    CeremonyStatus {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Hold a tender: nothing moves and the clocks stop (supervisor).
    Suspend {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        reason: String,
    },
    /// End a hold (supervisor).
    Resume {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        reason: String,
    },
    /// End a tender for good (purchaser).
    Terminate {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        reason: String,
        /// Announced tenders: a major change cancelled the task (重大变故).
        #[arg(long)]
        task_cancelled: bool,
        /// Whoever took the documents or was invited has been told in writing.
        #[arg(long)]
        takers_told: bool,
        /// Government procurement: reported to the finance department.
        #[arg(long)]
        reported_to_finance: bool,
    },
    /// Show a tender.
    Show {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// List tenders.
    List {
        /// Own ones, drafts included.
        #[arg(long)]
        own: bool,
        #[arg(long, default_value = "")]
        text: String,
    },
}

pub async fn run(context: &Context, command: TenderCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        TenderCommand::Template => {
            print!("{}", include_str!("tender_template.json"));
            Ok(())
        }
        TenderCommand::Create { file } => {
            let request = CreateTenderRequest {
                request_id: request_id(),
                tender: Some(read_draft(&file)?),
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .create_tender(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let shown = answer.tender.as_ref().map(show).unwrap_or_default();
                format!("{shown}\n{}", output::verdicts(&answer.verdicts, output))
            })
        }
        TenderCommand::Update { file } => {
            let request = UpdateTenderRequest {
                request_id: request_id(),
                tender: Some(read_draft(&file)?),
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .update_tender(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let shown = answer.tender.as_ref().map(show).unwrap_or_default();
                format!("{shown}\n{}", output::verdicts(&answer.verdicts, output))
            })
        }
        TenderCommand::Upload {
            tender,
            file,
            media_type,
        } => {
            let answer = upload(&context.caller().await?, &tender, &file, &media_type).await?;
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::Download { tender, sha256, to } => {
            download(&context.reader().await?, &tender, sha256, &to).await?;
            println!("{}", to.display());
            Ok(())
        }
        TenderCommand::Check { tender, publish } => {
            let request = CheckTenderRequest {
                name: tender,
                publish_time_us: publish.unwrap_or_default(),
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .check_tender(request)
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let earliest = answer.earliest.unwrap_or_default();
                let dates = output::fields(&[
                    ("最早文件获取截止", output::time(earliest.document_until_us)),
                    ("最早投标截止", output::time(earliest.bid_deadline_us)),
                ]);
                format!("{}\n{dates}", output::verdicts(&answer.verdicts, output))
            })
        }
        TenderCommand::Review {
            tender,
            kind,
            conclusion,
            failed,
        } => {
            let kind = if kind == "internal" {
                ReviewKind::Internal
            } else {
                ReviewKind::FairCompetition
            };
            let request = ReviewTenderRequest {
                request_id: request_id(),
                name: tender,
                kind: kind as i32,
                passed: !failed,
                conclusion,
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .review_tender(request)
                .await?
                .into_inner();
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::Ceremony {
            tender,
            holder,
            threshold,
        } => {
            let request = StartCeremonyRequest {
                request_id: request_id(),
                name: tender,
                holders: holder,
                threshold,
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .start_ceremony(request)
                .await?
                .into_inner();
            output.message(&answer.ceremony.unwrap_or_default(), show_ceremony)
        }
        TenderCommand::CeremonyStatus { tender } => {
            let mut tenders = context.reader().await?.tender();
            let answer = tenders
                .get_ceremony(GetCeremonyRequest { tender })
                .await?
                .into_inner();
            output.message(&answer.ceremony.unwrap_or_default(), show_ceremony)
        }
        TenderCommand::Suspend { tender, reason } => {
            let request = SuspendTenderRequest {
                request_id: request_id(),
                name: tender,
                reason,
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .suspend_tender(request)
                .await?
                .into_inner();
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::Resume { tender, reason } => {
            let request = ResumeTenderRequest {
                request_id: request_id(),
                name: tender,
                reason,
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .resume_tender(request)
                .await?
                .into_inner();
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::Terminate {
            tender,
            reason,
            task_cancelled,
            takers_told,
            reported_to_finance,
        } => {
            let cause = if task_cancelled {
                TerminationCause::TaskCancelled
            } else {
                TerminationCause::Other
            };
            let request = TerminateTenderRequest {
                request_id: request_id(),
                name: tender,
                reason,
                cause: cause as i32,
                takers_told,
                reported_to_finance,
            };
            let answer = context
                .caller()
                .await?
                .tender()
                .terminate_tender(request)
                .await?
                .into_inner();
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::Show { tender } => {
            let mut tenders = context.reader().await?.tender();
            let answer = tenders
                .get_tender(GetTenderRequest { name: tender })
                .await?
                .into_inner();
            output.message(&answer.tender.unwrap_or_default(), show)
        }
        TenderCommand::List { own, text } => {
            let connection = if own {
                context.caller().await?
            } else {
                context.reader().await?
            };
            let mut tenders = connection.tender();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListTendersRequest {
                    page_size: 200,
                    page_token,
                    text: text.clone(),
                    own,
                    ..ListTendersRequest::default()
                };
                let page = tenders.list_tenders(request).await?.into_inner();
                all.extend(page.tenders);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["项目", "采购人", "状态", "投标截止", "name"];
            output.list(
                &all,
                &header,
                output.say("没有项目。", "No tenders."),
                |t| {
                    let deadline = t
                        .timetable
                        .as_ref()
                        .map_or(0, |times| times.bid_deadline_us);
                    vec![
                        t.title.clone(),
                        t.purchaser_display_name.clone(),
                        state(t).to_owned(),
                        output::time(deadline),
                        t.name.clone(),
                    ]
                },
            )
        }
    }
}

fn read_draft(file: &Path) -> anyhow::Result<Tender> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    output::from_json(&text).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_draft() {
        let draft: Tender = output::from_json(include_str!("tender_template.json")).unwrap();
        assert!(!draft.lots.is_empty() && !draft.parts.is_empty() && !draft.sheet.is_empty());
    }
}
