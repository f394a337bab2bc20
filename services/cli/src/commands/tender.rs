//! Tenders: draft, check, review, key ceremony, documents, suspension, termination.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::{
    common::v1::FileDigest,
    tender::v1::{
        CheckTenderRequest, CreateTenderRequest, DownloadDocumentRequest, GetCeremonyRequest,
        GetTenderRequest, ListTendersRequest, ResumeTenderRequest, ReviewKind, ReviewTenderRequest,
        StartCeremonyRequest, SuspendTenderRequest, Tender, TenderState, TerminateTenderRequest,
        TerminationCause, UpdateTenderRequest, UploadDocumentHeader, UploadDocumentRequest,
        UploadDocumentResponse, upload_document_request::Step,
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{digest, moment, organization_name, tender_name};
use crate::{
    connection::{Connection, request_id},
    context::Context,
    output, progress,
};

/// Bytes of a document sent at once.
const CHUNK: usize = 256 * 1024;

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

/// Sends a document of a draft, its digest first.
pub async fn upload(
    connection: &Connection,
    tender: &str,
    file: &Path,
    media_type: &str,
) -> anyhow::Result<UploadDocumentResponse> {
    let name = file
        .file_name()
        .and_then(|n| n.to_str())
        .context("the file has no name")?;
    let size = tokio::fs::metadata(file)
        .await
        .with_context(|| file.display().to_string())?
        .len();
    let digest = digest_of(file)?;
    let bar = progress::bytes(name, size);
    let header = UploadDocumentHeader {
        request_id: request_id(),
        tender: tender.to_owned(),
        document: Some(FileDigest {
            file_name: name.to_owned(),
            media_type: media_type.to_owned(),
            size_bytes: i64::try_from(size)?,
            sha256: digest.to_vec(),
        }),
    };
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut source = tokio::fs::File::open(file).await?;
    let sending = tokio::spawn(async move {
        let first = UploadDocumentRequest {
            step: Some(Step::Header(header)),
        };
        if sender.send(first).await.is_err() {
            return Ok(());
        }
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = source.read(&mut chunk).await?;
            if read == 0 {
                return Ok::<(), std::io::Error>(());
            }
            chunk.truncate(read);
            bar.inc(read as u64);
            if sender
                .send(UploadDocumentRequest {
                    step: Some(Step::Chunk(chunk)),
                })
                .await
                .is_err()
            {
                // The platform answered before the end; its answer says why.
                return Ok(());
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answer = connection
        .tender()
        .upload_document(stream)
        .await?
        .into_inner();
    sending.await??;
    Ok(answer)
}

async fn download(
    connection: &Connection,
    tender: &str,
    digest: Vec<u8>,
    to: &Path,
) -> anyhow::Result<()> {
    let request = DownloadDocumentRequest {
        tender: tender.to_owned(),
        sha256: digest.clone(),
    };
    let mut stream = connection
        .tender()
        .download_document(request)
        .await?
        .into_inner();
    let beside = to.with_extension("part");
    let mut file = tokio::fs::File::create(&beside).await?;
    while let Some(message) = stream.message().await? {
        file.write_all(&message.chunk).await?;
    }
    file.sync_all().await?;
    anyhow::ensure!(
        digest_of(&beside)?.as_slice() == digest,
        "what the platform sent is not the document with this digest"
    );
    tokio::fs::rename(&beside, to).await?;
    Ok(())
}

fn digest_of(file: &Path) -> anyhow::Result<[u8; 32]> {
    use std::io::Read;
    let mut source = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
    }
    context
        .finish()
        .as_ref()
        .try_into()
        .context("SHA-256 gives 32 bytes")
}

fn show(tender: &Tender) -> String {
    let times = tender.timetable.unwrap_or_default();
    let lots: Vec<String> = tender
        .lots
        .iter()
        .map(|lot| {
            format!(
                "{} {} 预算 {} 最高限价 {} 保证金 {}",
                lot.lot_id,
                lot.title,
                output::amount(lot.budget_fen),
                output::amount(lot.ceiling_fen),
                output::amount(lot.deposit_fen)
            )
        })
        .collect();
    let holders: Vec<String> = tender
        .holders
        .iter()
        .map(|h| format!("{} {}", h.index, h.display_name))
        .collect();
    output::fields(&[
        ("name", tender.name.clone()),
        ("统一交易标识码", tender.deal_code.clone()),
        ("项目", tender.title.clone()),
        ("采购人", tender.purchaser_display_name.clone()),
        ("状态", state(tender).to_owned()),
        ("原因", tender.state_reason.clone()),
        ("标段", lots.join("\n")),
        (
            "文件获取",
            format!(
                "{} — {}",
                output::time(times.document_from_us),
                output::time(times.document_until_us)
            ),
        ),
        ("投标截止/开标", output::time(times.bid_deadline_us)),
        ("持钥机构", holders.join("\n")),
        (
            "开标门限",
            if tender.threshold == 0 {
                String::new()
            } else {
                format!("{} / {}", tender.threshold, tender.holders.len())
            },
        ),
        ("公钥", hex::encode(&tender.public_key)),
        ("etag", tender.etag.to_string()),
        (
            "暂停",
            tender
                .hold
                .as_ref()
                .map(|h| h.reason.clone())
                .unwrap_or_default(),
        ),
    ])
}

fn show_ceremony(ceremony: &sunbid_contracts::tender::v1::Ceremony) -> String {
    let mut rows = vec![
        ("name", ceremony.name.clone()),
        ("ceremony id", hex::encode(&ceremony.cid)),
        ("state", ceremony.state().as_str_name().to_owned()),
        (
            "threshold",
            format!("{} / {}", ceremony.threshold, ceremony.holders.len()),
        ),
        ("fault", ceremony.fault.clone()),
    ];
    for round in 1..=5 {
        let done: Vec<String> = ceremony
            .messages
            .iter()
            .filter(|message| message.round == round)
            .map(|message| message.index.to_string())
            .collect();
        let label = [
            "commitments",
            "packages",
            "posted shares",
            "certificates",
            "rehearsal",
        ];
        if let Some(label) = label.get(usize::try_from(round - 1).unwrap_or_default()) {
            rows.push((label, done.join(" ")));
        }
    }
    output::fields(&rows)
}

fn state(tender: &Tender) -> &'static str {
    if tender.hold.is_some() {
        return "暂停";
    }
    match tender.state() {
        TenderState::Draft => "文件编制",
        TenderState::Ceremony => "密钥仪式",
        TenderState::Ready => "待发布",
        TenderState::Announced => "公告/投标",
        TenderState::Closed => "截标",
        TenderState::Opened => "已开标",
        TenderState::Failed => "流标",
        TenderState::Terminated => "终止",
        TenderState::Unspecified => "",
    }
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
