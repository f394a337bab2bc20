//! Documents of a draft on their way to the platform and back.

use std::path::Path;

use anyhow::Context as _;
use sunbid_contracts::{
    common::v1::FileDigest,
    tender::v1::{
        DownloadDocumentRequest, UploadDocumentHeader, UploadDocumentRequest,
        UploadDocumentResponse, upload_document_request::Step,
    },
};
use tokio::io::AsyncWriteExt;

use crate::{
    connection::{Connection, request_id},
    progress,
    sending::in_chunks,
};

/// Bytes of a document sent at once.
const CHUNK: usize = 256 * 1024;

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
    let source = tokio::fs::File::open(file).await?;
    let request = |step| UploadDocumentRequest { step: Some(step) };
    let (stream, sending) = in_chunks(
        source,
        CHUNK,
        request(Step::Header(header)),
        move |chunk| request(Step::Chunk(chunk)),
        bar,
    );
    let answer = connection
        .tender()
        .upload_document(stream)
        .await?
        .into_inner();
    sending.await??;
    Ok(answer)
}

pub(super) async fn download(
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
