//! Tender documents coming in and going out. Bytes are on the disk and checked before the record
//! names them.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use sunbid_contracts::tender::v1::{
    DownloadDocumentRequest, DownloadDocumentResponse, UploadDocumentHeader, UploadDocumentRequest,
    UploadDocumentResponse, upload_document_request,
};
use sunbid_domain::{
    Refusal,
    tender::{aggregate::is_public, draft},
};
use sunbid_objects::StoreFault;
use sunbid_service::{
    Caller, Language, Problem, Step, access_log::shows_what_is_not_public, names,
};
use tonic::{Status, Streaming};

use crate::{NAME, files::CHUNK, reading::may_see, service::Tenders};

/// The chunks of a document.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<DownloadDocumentResponse, Status>> + Send>>;

impl Tenders {
    pub async fn upload(
        &self,
        caller: Caller,
        mut steps: Streaming<UploadDocumentRequest>,
    ) -> Result<UploadDocumentResponse, Problem> {
        let header = match steps.message().await?.and_then(|message| message.step) {
            Some(upload_document_request::Step::Header(header)) => header,
            _ => return Err(order("header").into()),
        };
        names::check_tender(&header.tender, "header.tender")?;
        let step = Step::of_caller(
            NAME,
            &header.tender,
            "UploadDocument",
            caller.subject(),
            &header.request_id,
            &header,
        )?;
        let document = header
            .document
            .clone()
            .ok_or_else(|| Refusal::field("header.document", "必填。", "is required."))?;
        let dossier = self.dossier(&header.tender).await?;
        let known = dossier.tender.as_ref().is_some_and(|tender| {
            tender.purchaser == caller.organization()
                && tender
                    .documents
                    .iter()
                    .any(|one| one.sha256 == document.sha256)
        });
        // What is on record already was checked then; a repeat is answered without its bytes.
        if !known {
            draft::may_add_document(&dossier, caller.organization(), &document)?;
            self.receive(&header, steps).await?;
        }
        let done = self
            .change(
                step,
                move |before, _| {
                    Ok(draft::add_document(
                        before,
                        caller.organization(),
                        caller.subject(),
                        &document,
                    )?
                    .into())
                },
                |after, _| UploadDocumentResponse {
                    tender: after.tender,
                },
            )
            .await?;
        Ok(done.reply)
    }

    async fn receive(
        &self,
        header: &UploadDocumentHeader,
        mut steps: Streaming<UploadDocumentRequest>,
    ) -> Result<(), Problem> {
        let document = header.document.clone().unwrap_or_default();
        let stated = u64::try_from(document.size_bytes).unwrap_or(0);
        let mut incoming = self.files.take().await?;
        while let Some(message) = steps.message().await? {
            let Some(upload_document_request::Step::Chunk(chunk)) = message.step else {
                return Err(order("chunk").into());
            };
            if chunk.len() > CHUNK {
                return Err(Refusal::field(
                    "chunk",
                    format!("每块最多{CHUNK}字节。"),
                    format!("has at most {CHUNK} bytes."),
                )
                .into());
            }
            if incoming.length() + chunk.len() as u64 > stated {
                return Err(wrong_size(stated).into());
            }
            incoming.write(&chunk).await?;
        }
        if incoming.length() != stated {
            return Err(wrong_size(stated).into());
        }
        if incoming.keep(&document.sha256).await? {
            return Ok(());
        }
        Err(Refusal::field(
            "header.document.sha256",
            "与收到的内容不符，请重新上传。",
            "does not fit the bytes that came; upload again.",
        )
        .into())
    }

    pub async fn download(
        &self,
        caller: Option<Caller>,
        request: DownloadDocumentRequest,
        language: Language,
    ) -> Result<Chunks, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let dossier = self.dossier(&request.tender).await?;
        let tender = dossier.tender.ok_or(Refusal::Forbidden)?;
        if !may_see(caller.as_ref(), &tender) {
            return Err(Refusal::Forbidden.into());
        }
        let found = tender
            .documents
            .iter()
            .find(|document| document.sha256 == request.sha256);
        let Some(document) = found else {
            let what = format!("document {}", hex::encode(&request.sha256));
            return Err(Refusal::NotFound { what }.into());
        };
        if !is_public(&tender) {
            shows_what_is_not_public();
        }
        let bytes = u64::try_from(document.size_bytes).unwrap_or(0);
        let which = Which {
            tender: request.tender,
            file_name: document.file_name.clone(),
            sha256: hex::encode(&document.sha256),
        };
        let chunks = match self.files.give(&document.sha256, bytes).await {
            Ok(chunks) => chunks,
            Err(fault) => return Err(which.not_served(fault)),
        };
        Ok(Box::pin(chunks.map(move |chunk| match chunk {
            Ok(chunk) => Ok(DownloadDocumentResponse { chunk }),
            Err(fault) => Err(which.not_served(fault).into_status(language)),
        })))
    }
}

/// Which document of which tender.
struct Which {
    tender: String,
    file_name: String,
    sha256: String,
}

impl Which {
    /// Names a document that is lost or changed; what is wrong with the store itself is no fault of it.
    fn not_served(&self, fault: StoreFault) -> Problem {
        let Self {
            tender,
            file_name,
            sha256,
        } = self;
        if !fault.is_of_the_file() {
            return fault.into();
        }
        tracing::error!(tender, sha256, %fault, "a document is not served");
        let zh = match fault {
            StoreFault::Lost => "已存文件缺失",
            _ => "已存文件内容已改变",
        };
        Problem::Passed(Status::data_loss(format!(
            "{zh}，不予提供 (the stored document is not served): {tender}, {file_name}, SHA-256 {sha256}: {fault}"
        )))
    }
}

fn order(expected: &str) -> Refusal {
    Refusal::field(
        "step",
        format!("此处应为{expected}：先发送文件说明，再发送内容。"),
        format!("must be a {expected} here: the header comes first, then the chunks."),
    )
}

fn wrong_size(stated: u64) -> Refusal {
    Refusal::field(
        "header.document.size_bytes",
        format!("与收到的内容不符：声明为{stated}字节。"),
        format!("does not fit the bytes that came: {stated} are stated."),
    )
}
