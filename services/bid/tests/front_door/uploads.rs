//! Payloads sent ahead: cut, resumed, damaged, too large, without space.

use sunbid_contracts::bid::v1::{
    GetUploadRequest, GetUploadResponse, SubmitBidRequest, UploadPartHeader, UploadPartRequest,
    upload_part_request::Step,
};
use sunbid_sealing::{CHUNK, Class, TAG};
use tonic::Code;

use crate::house::{House, deadline, fields, reason, rules, with};
use crate::supplier::{Plan, Supplier};

const FULL: i64 = (CHUNK + TAG) as i64;

fn large(supplier: &Supplier, house: &House) -> Plan {
    let content: Vec<u8> = (0..2_600_000_u32).map(|at| (at % 251) as u8).collect();
    let mut plan = supplier.plan(house, 1);
    plan.parts[1] = (1, Class::Evaluators, content);
    plan
}

async fn progress(
    house: &House,
    supplier: &Supplier,
    header: &UploadPartHeader,
) -> GetUploadResponse {
    let request = GetUploadRequest {
        tender: header.tender.clone(),
        lot_id: header.lot_id.clone(),
        payload_root: header.payload_root.clone(),
    };
    house
        .client()
        .get_upload(with(&supplier.token, request))
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn a_cut_upload_goes_on_where_it_stood() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let payload = &sealed.payloads[1];
    let header = sealed.upload_header(&plan, 1, 0);
    assert_eq!(
        progress(&house, &a, &header).await,
        GetUploadResponse::default()
    );

    let cut = a
        .upload(header.clone(), &payload[..1_500_000])
        .await
        .unwrap();
    assert_eq!((cut.committed_bytes, cut.complete), (FULL, false));
    assert_eq!(progress(&house, &a, &header).await.committed_bytes, FULL);
    // Another organisation's upload of the same payload is its own affair.
    assert_eq!(
        progress(&house, &b, &header).await,
        GetUploadResponse::default()
    );
    let mut request = a.request(&plan, &sealed);
    request.inline_payloads[1].clear();
    let early = a.send(request.clone()).await.unwrap_err();
    assert!(
        early.message().contains("(E7)") && rules(&early)[0] == "B3",
        "{early:?}"
    );

    let astray = a.upload(header.clone(), payload).await.unwrap_err();
    assert_eq!(
        (astray.code(), reason(&astray).as_str()),
        (Code::FailedPrecondition, "UPLOAD_OFFSET")
    );
    let rest = UploadPartHeader {
        offset: FULL,
        ..header.clone()
    };
    let done = a.upload(rest, &payload[CHUNK + TAG..]).await.unwrap();
    assert_eq!(
        (done.committed_bytes, done.complete),
        (header.payload_bytes, true)
    );
    assert!(progress(&house, &a, &header).await.complete);
    // Sent again it is there already.
    assert!(a.upload(header.clone(), &[]).await.unwrap().complete);

    // What one uploaded, another cannot build a bid on.
    let copied = SubmitBidRequest {
        inline_payloads: vec![],
        ..b.request(&plan, &sealed)
    };
    assert!(b.send(copied).await.is_err());
    request.request_id = crate::house::request_id();
    a.send(request).await.unwrap();
    assert!(house.place_of(payload).is_some());
    assert_eq!(
        std::fs::read_dir(house.data.join("incoming"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_damaged_upload_begins_again() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let header = sealed.upload_header(&plan, 1, 0);
    let mut damaged = sealed.payloads[1].clone();
    damaged[1_200_000] ^= 1;
    let status = a.upload(header.clone(), &damaged).await.unwrap_err();
    assert!(status.message().contains("(E7)"), "{status:?}");
    assert_eq!(
        progress(&house, &a, &header).await,
        GetUploadResponse::default()
    );
    assert!(
        a.upload(header, &sealed.payloads[1])
            .await
            .unwrap()
            .complete
    );
}

#[tokio::test]
async fn sizes_are_bounded() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let header = sealed.upload_header(&plan, 1, 0);
    for payload_bytes in [16 << 20, header.payload_bytes + 1, 0, -1] {
        let odd = UploadPartHeader {
            payload_bytes,
            ..header.clone()
        };
        let status = a.upload(odd, &[]).await.unwrap_err();
        assert!(
            status.message().contains("(E5)"),
            "{payload_bytes}: {status:?}"
        );
    }
    let mut longer = sealed.payloads[1].clone();
    longer.push(0);
    let status = a.upload(header.clone(), &longer).await.unwrap_err();
    assert_eq!(
        (status.code(), fields(&status)),
        (Code::InvalidArgument, vec!["chunk".into()])
    );
    let lost = UploadPartHeader {
        lot_id: "09".into(),
        ..header.clone()
    };
    assert_eq!(fields(&a.upload(lost, &[]).await.unwrap_err()), ["lot_id"]);
    // A part larger than the tender takes is refused even where its bytes came.
    let mut small = house.tender.clone();
    small.name = format!("tenders/{}", uuid::Uuid::new_v4());
    small.parts[1].max_bytes = 1024;
    house.announce(&small).await;
    let plan = Plan {
        tender: small.name.clone(),
        ..a.plan(&house, 1)
    };
    let status = a.send(a.request(&plan, &plan.seal())).await.unwrap_err();
    assert!(status.message().contains("(E5)"), "{status:?}");
}

#[tokio::test]
async fn a_full_disk_stops_uploads_and_every_bid_alike() {
    let house = House::with_floor(u64::MAX).await;
    let [a, ..] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let header = sealed.upload_header(&plan, 1, 0);
    let status = a
        .upload(header.clone(), &sealed.payloads[1])
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "STORAGE_FULL")
    );
    assert_eq!(
        progress(&house, &a, &header).await,
        GetUploadResponse::default()
    );
    // A small bid is no better off: where some cannot bid nobody can, and the deadline waits.
    let status = a.bid(&house, 1).await.unwrap_err();
    assert_eq!(reason(&status), "STORAGE_FULL", "{status:?}");
}

#[tokio::test]
async fn half_an_upload_goes_when_the_tender_closes() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let header = sealed.upload_header(&plan, 1, 0);
    a.upload(header.clone(), &sealed.payloads[1][..1_500_000])
        .await
        .unwrap();
    let incoming = house.data.join("incoming");
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 1);
    house.clock.set(deadline());
    let gone = || std::fs::read_dir(&incoming).unwrap().count() == 0;
    house.until(async || gone()).await;
    house
        .until(async || progress(&house, &a, &header).await.committed_bytes == 0)
        .await;
    let status = a.upload(header, &[]).await.unwrap_err();
    assert_eq!(rules(&status)[0], "B3");
}

#[tokio::test]
async fn four_streams_at_a_time_and_a_broken_one_keeps_its_chunks() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = large(&a, &house);
    let mut waiting = Vec::new();
    let mut headers = Vec::new();
    for _ in 0..5 {
        let sealed = plan.seal();
        let header = sealed.upload_header(&plan, 1, 0);
        let (sender, receiver) = tokio::sync::mpsc::channel(8);
        let step = Some(Step::Header(header.clone()));
        sender.send(UploadPartRequest { step }).await.unwrap();
        if headers.len() < 4 {
            for chunk in sealed.payloads[1][..CHUNK + TAG + 9].chunks(CHUNK) {
                let step = Some(Step::Chunk(chunk.to_vec()));
                sender.send(UploadPartRequest { step }).await.unwrap();
            }
        }
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let (request, mut client) = (with(&a.token, stream), house.client());
        if headers.len() < 4 {
            let call = tokio::spawn(async move { client.upload_part(request).await });
            // The file appears when the stream has its turn.
            let incoming = house.data.join("incoming");
            let expected = headers.len() + 1;
            house
                .until(async || std::fs::read_dir(&incoming).unwrap().count() == expected)
                .await;
            waiting.push((sender, call));
            headers.push(header);
        } else {
            let refused = client.upload_part(request).await.unwrap_err();
            assert_eq!(reason(&refused), "UPLOADS_TOO_MANY");
        }
    }
    let busy = a.upload(headers[0].clone(), &[]).await.unwrap_err();
    assert_eq!(reason(&busy), "UPLOAD_UNDER_WAY");
    for (sender, call) in waiting {
        // The connection goes without a word.
        call.abort();
        drop(sender);
    }
    for header in &headers {
        house
            .until(async || progress(&house, &a, header).await.committed_bytes == FULL)
            .await;
    }
    house
        .until(async || {
            let again = UploadPartHeader {
                offset: FULL,
                ..headers[0].clone()
            };
            a.upload(again, &[])
                .await
                .is_ok_and(|answer| answer.committed_bytes == FULL)
        })
        .await;
}
