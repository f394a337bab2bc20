//! Sealed files in a remote store: sent there piece by piece, resumed from nothing but the table and the
//! store, named where the store lost or changed them, refused for the moment while it is away.

use std::{net::SocketAddr, path::Path, time::Duration};

use sunbid_contracts::bid::v1::{
    GetUploadRequest, ReadPayloadsRequest, ReadPayloadsResponse, SubmitBidRequest, UploadPartHeader,
};
use sunbid_objects::trial::Server;
use sunbid_sealing::{CHUNK, Class, TAG};
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::house::{House, deadline, files_below, with};
use crate::supplier::{Envelopes, Plan, Supplier};

/// Bytes of a piece.
const PIECE: usize = 8 * (CHUNK + TAG);

async fn server(folder: &Path, address: SocketAddr) -> Server {
    Server::start(folder, address, None).await.unwrap()
}

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A tender whose parts may be as large as several pieces, and a bid for it.
async fn large(house: &House, supplier: &Supplier) -> (Plan, Envelopes) {
    let mut tender = house.tender.clone();
    tender.name = format!("tenders/{}", uuid::Uuid::new_v4());
    tender.parts[1].max_bytes = 32 << 20;
    house.announce(&tender).await;
    bid_for(house, supplier, &tender.name)
}

fn bid_for(house: &House, supplier: &Supplier, tender: &str) -> (Plan, Envelopes) {
    let mut plan = supplier.plan(house, 1);
    plan.tender = tender.to_owned();
    let content = (0..18_000_000_u32).map(|at| (at % 253) as u8).collect();
    plan.parts[1] = (1, Class::Evaluators, content);
    let sealed = plan.seal();
    (plan, sealed)
}

fn at(header: &UploadPartHeader, offset: usize) -> UploadPartHeader {
    UploadPartHeader {
        offset: i64::try_from(offset).unwrap(),
        ..header.clone()
    }
}

async fn committed(house: &House, supplier: &Supplier, header: &UploadPartHeader) -> usize {
    let request = GetUploadRequest {
        tender: header.tender.clone(),
        lot_id: header.lot_id.clone(),
        payload_root: header.payload_root.clone(),
    };
    let mut client = house.client();
    let answer = client.get_upload(with(&supplier.token, request)).await;
    usize::try_from(answer.unwrap().into_inner().committed_bytes).unwrap()
}

async fn submit(supplier: &Supplier, plan: &Plan, sealed: &Envelopes) {
    let mut request: SubmitBidRequest = supplier.request(plan, sealed);
    request.inline_payloads[1].clear();
    supplier.send(request).await.unwrap();
}

async fn read(
    house: &House,
    header: &UploadPartHeader,
) -> Result<Vec<ReadPayloadsResponse>, Status> {
    let request = ReadPayloadsRequest {
        tender: header.tender.clone(),
        payload_roots: vec![header.payload_root.clone()],
    };
    let request = house.from("opening", request);
    let stream = house.client().read_payloads(request).await?.into_inner();
    stream.collect::<Result<Vec<_>, _>>().await
}

#[tokio::test]
async fn what_was_sent_piece_by_piece_is_served_whole_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), anywhere()).await;
    let house = House::on(&server).await;
    let [a, b, c] = house.suppliers();
    let (plan, sealed) = large(&house, &a).await;
    let (header, payload) = (sealed.upload_header(&plan, 1, 0), &sealed.payloads[1]);
    assert!(payload.len() > 2 * PIECE);
    // Cut in the middle of the second piece: the first stays, and nothing of it on this machine.
    let cut = a
        .upload(header.clone(), &payload[..PIECE + 3_000_000])
        .await
        .unwrap();
    assert_eq!((cut.committed_bytes, cut.complete), (PIECE as i64, false));
    assert_eq!(committed(&house, &a, &header).await, PIECE);
    assert_eq!(files_below(&house.data), Vec::<std::path::PathBuf>::new());
    let stored = || {
        let mut objects = files_below(server.bucket()).into_iter();
        objects.find(|file| std::fs::read(file).is_ok_and(|bytes| bytes == *payload))
    };
    assert_eq!(stored(), None, "what is not whole is not there");
    let done = a
        .upload(at(&header, PIECE), &payload[PIECE..])
        .await
        .unwrap();
    assert!(done.complete);
    let object = stored().expect("the store has it");
    submit(&a, &plan, &sealed).await;
    // A lot of fewer than three is not opened.
    for other in [&b, &c] {
        let mut plan = other.plan(&house, 1);
        plan.tender = header.tender.clone();
        other
            .send(other.request(&plan, &plan.seal()))
            .await
            .unwrap();
    }
    house.clock.set(deadline());
    house
        .until(async || read(&house, &header).await.is_ok())
        .await;
    let whole = read(&house, &header).await.unwrap();
    let bytes: Vec<u8> = whole.iter().flat_map(|piece| piece.chunk.clone()).collect();
    assert_eq!(&bytes, payload);
    assert!(whole.iter().all(|piece| piece.fault.is_empty()) && whole.last().unwrap().last);

    // A byte at its very end: not one of those before it is served.
    let mut changed = payload.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (bytes, why) in [
        (Some(&changed[..]), "another digest"),
        (Some(&payload[..PIECE]), "has changed"),
        (None, "it is lost"),
    ] {
        match bytes {
            Some(bytes) => std::fs::write(&object, bytes).unwrap(),
            None => std::fs::remove_file(&object).unwrap(),
        }
        let told = read(&house, &header).await.unwrap();
        assert_eq!(told.len(), 1, "{why}");
        assert!(
            told[0].chunk.is_empty() && told[0].fault.contains(why),
            "{told:?}"
        );
        for name in [&plan.tender, &hex::encode(&header.payload_root)] {
            assert!(told[0].fault.contains(name), "{told:?}");
        }
    }
    // Another, empty bucket in its place has lost nothing: it is not this installation's.
    for file in files_below(server.bucket()) {
        std::fs::remove_file(file).unwrap();
    }
    let status = read(&house, &header).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_store_that_is_away_takes_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = server(folder.path(), anywhere()).await;
    let address = first.address();
    let house = House::on(&first).await;
    let [a, ..] = house.suppliers();
    let (plan, sealed) = large(&house, &a).await;
    let (header, payload) = (sealed.upload_header(&plan, 1, 0), &sealed.payloads[1]);
    a.upload(header.clone(), &payload[..PIECE]).await.unwrap();
    first.kill().await;
    let status = a
        .upload(at(&header, PIECE), &payload[PIECE..])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let hint = status
        .get_error_details()
        .retry_info()
        .and_then(|info| info.retry_delay);
    assert!(hint.is_some_and(|hint| hint > Duration::ZERO), "{status:?}");
    assert_eq!(committed(&house, &a, &header).await, PIECE);
    let mut early = a.request(&plan, &sealed);
    early.inline_payloads[1].clear();
    let refused = a.send(early).await.unwrap_err();
    assert!(refused.message().contains("(E7)"), "{refused:?}");
    let _second = server(folder.path(), address).await;
    assert!(
        a.upload(at(&header, PIECE), &payload[PIECE..])
            .await
            .unwrap()
            .complete
    );
    submit(&a, &plan, &sealed).await;
}

#[tokio::test]
async fn what_no_bid_uses_goes_from_the_store_and_what_one_uses_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), anywhere()).await;
    let house = House::on(&server).await;
    let [a, b, c] = house.suppliers();
    let (plan, used) = large(&house, &a).await;
    let (plan_b, unused) = bid_for(&house, &b, &plan.tender);
    let (plan_c, begun) = bid_for(&house, &c, &plan.tender);
    a.upload(used.upload_header(&plan, 1, 0), &used.payloads[1])
        .await
        .unwrap();
    submit(&a, &plan, &used).await;
    b.upload(unused.upload_header(&plan_b, 1, 0), &unused.payloads[1])
        .await
        .unwrap();
    let half = begun.upload_header(&plan_c, 1, 0);
    c.upload(half, &begun.payloads[1][..PIECE]).await.unwrap();
    let large = || {
        let objects = files_below(folder.path()).into_iter();
        let large =
            objects.filter(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 1 << 20));
        large.collect::<Vec<_>>()
    };
    assert_eq!(large().len(), 3);
    house.clock.set(deadline());
    house.until(async || large().len() == 1).await;
    assert_eq!(std::fs::read(&large()[0]).unwrap(), used.payloads[1]);
}
