//! What one supplier may take of what others need: bytes, files, time on the processors. And how
//! long what nobody uses is kept.

use std::time::Duration;

use sunbid_contracts::bid::v1::{SubmitBidRequest, UploadPartHeader};
use sunbid_sealing::Class;
use sunbid_terms::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::house::{House, deadline, reason};
use crate::supplier::{Envelopes, Plan, Supplier};

const DAY: i64 = 86_400;

fn large(supplier: &Supplier, house: &House) -> Plan {
    let mut plan = supplier.plan(house, 1);
    plan.parts[1] = (1, Class::Evaluators, vec![7; 200_000]);
    plan
}

async fn send_ahead(supplier: &Supplier, plan: &Plan, sealed: &Envelopes) -> SubmitBidRequest {
    let header = sealed.upload_header(plan, 1, 0);
    let done = supplier.upload(header, &sealed.payloads[1]).await.unwrap();
    assert!(done.complete);
    let mut request = supplier.request(plan, sealed);
    request.inline_payloads[1].clear();
    request
}

fn retry(status: &Status) -> Option<Duration> {
    let details = status.get_error_details();
    details.retry_info().and_then(|info| info.retry_delay)
}

#[tokio::test]
async fn a_lots_open_uploads_are_bounded_for_each_supplier() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let plan = large(&a, &house);
    let sealed = plan.seal();
    let header = |number: u8| UploadPartHeader {
        payload_root: vec![number; 32],
        ..sealed.upload_header(&plan, 1, 0)
    };
    // Three parts, sixteen files each; none of them says more than its size.
    for number in 0..48 {
        a.upload(header(number), &[]).await.unwrap();
    }
    house.clock.set(house.clock.now().plus_seconds(DAY));
    let status = a.upload(header(48), &[]).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "UPLOAD_QUOTA")
    );
    assert_eq!(retry(&status), Some(Duration::from_secs(2 * DAY as u64)));
    // What is begun goes on, another lot and another supplier have their own room.
    a.upload(header(3), &[]).await.unwrap();
    let elsewhere = UploadPartHeader {
        lot_id: "02".into(),
        ..header(48)
    };
    a.upload(elsewhere, &[]).await.unwrap();
    b.upload(header(48), &[]).await.unwrap();
}

#[tokio::test]
async fn bytes_count_before_they_come() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = a.plan(&house, 1);
    let header = |number: u8| UploadPartHeader {
        tender: plan.tender.clone(),
        lot_id: plan.lot.clone(),
        payload_root: vec![number; 32],
        payload_bytes: 7_340_144,
        offset: 0,
    };
    // Four bids of three parts of 8 MiB.
    for number in 0..13 {
        a.upload(header(number), &[]).await.unwrap();
    }
    let status = a.upload(header(13), &[]).await.unwrap_err();
    assert_eq!(reason(&status), "UPLOAD_QUOTA");
    assert!(status.message().contains("102762016 bytes"), "{status:?}");
}

#[tokio::test]
async fn what_no_bid_uses_goes_and_what_a_bid_uses_stays() {
    let house = House::build().await;
    let [a, b, c] = house.suppliers();
    let sealed_of = |supplier: &Supplier| {
        let plan = large(supplier, &house);
        let sealed = plan.seal();
        (plan, sealed)
    };
    let [(plan_a, sealed_a), (plan_b, sealed_b), (plan_c, sealed_c)] = [&a, &b, &c].map(sealed_of);
    let used = send_ahead(&a, &plan_a, &sealed_a).await;
    let late = send_ahead(&b, &plan_b, &sealed_b).await;
    a.send(used).await.unwrap();
    let gone = async |sealed: &Envelopes| {
        house
            .until(async || house.place_of(&sealed.payloads[1]).is_none())
            .await;
    };
    house.clock.set(house.clock.now().plus_seconds(3 * DAY));
    gone(&sealed_b).await;
    let status = b.send(late).await.unwrap_err();
    assert!(status.message().contains("(E7)"), "{status:?}");
    // Sent again it is as good as new, and asked for it is kept for another while.
    let again = send_ahead(&b, &plan_b, &sealed_b).await;
    house.clock.set(house.clock.now().plus_seconds(2 * DAY));
    let refused = SubmitBidRequest {
        request_id: crate::house::request_id(),
        signature: vec![],
        ..again.clone()
    };
    b.send(refused).await.unwrap_err();
    b.send(again).await.unwrap();
    // The closing takes what was left over.
    send_ahead(&c, &plan_c, &sealed_c).await;
    house.clock.set(deadline());
    gone(&sealed_c).await;
    for sealed in [&sealed_a, &sealed_b] {
        assert!(house.place_of(&sealed.payloads[1]).is_some());
    }
}
