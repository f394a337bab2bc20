use sunbid_contracts::tender::v1::DownloadDocumentRequest;
use sunbid_proofs::hash::sha256;
use tonic::{Code, Request, Status};

use crate::house::{House, english, fields};

async fn download(
    house: &House,
    request: Request<DownloadDocumentRequest>,
) -> Result<Vec<u8>, Status> {
    let mut stream = house
        .tender()
        .download_document(request)
        .await?
        .into_inner();
    let mut whole = Vec::new();
    while let Some(part) = stream.message().await? {
        whole.extend(part.chunk);
    }
    Ok(whole)
}

#[tokio::test]
async fn documents_come_back_as_they_were_sent_or_not_at_all() {
    let house = House::build().await;
    let tender = house.draft().await;
    let content: Vec<u8> = (0..2_600_000).map(|at| (at % 251) as u8).collect();
    let digest = sha256(&[&content]).to_vec();
    let wrong = house
        .upload(&tender.name, &content, &[0; 32])
        .await
        .unwrap_err();
    assert_eq!(fields(&wrong), ["header.document.sha256"]);
    assert_eq!(std::fs::read_dir(&house.documents).unwrap().count(), 0);
    let answer = house.upload(&tender.name, &content, &digest).await.unwrap();
    assert_eq!(answer.tender.unwrap().documents.len(), 1);
    let again = house.upload(&tender.name, &content, &digest).await.unwrap();
    assert_eq!(again.tender.unwrap().documents.len(), 1);

    let request = || DownloadDocumentRequest {
        tender: tender.name.clone(),
        sha256: digest.clone(),
    };
    let denied = download(&house, english(request())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(
        download(&house, house.purchaser(request())).await.unwrap(),
        content
    );

    let file = std::fs::read_dir(&house.documents)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut changed = content.clone();
    changed[2_000_000] ^= 1;
    std::fs::write(&file, changed).unwrap();
    let lost = download(&house, house.purchaser(request()))
        .await
        .unwrap_err();
    assert_eq!(lost.code(), Code::DataLoss);
    std::fs::remove_file(&file).unwrap();
    let lost = download(&house, house.purchaser(request()))
        .await
        .unwrap_err();
    assert_eq!(lost.code(), Code::DataLoss);
}

#[tokio::test]
async fn announced_documents_are_everybodys() {
    let house = House::build().await;
    let tender = house.announced().await;
    let request = DownloadDocumentRequest {
        tender: tender.name.clone(),
        sha256: tender.documents[0].sha256.clone(),
    };
    assert_eq!(
        download(&house, english(request)).await.unwrap(),
        b"the tender document"
    );
    let unknown = DownloadDocumentRequest {
        tender: tender.name.clone(),
        sha256: vec![1; 32],
    };
    let refused = download(&house, english(unknown)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let late = house
        .upload(&tender.name, b"more", &sha256(&[b"more"]))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
}
