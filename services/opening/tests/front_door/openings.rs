//! Whole openings: honest, with holders away or lying, broken off, rescued, and failed.

use sunbid_contracts::{
    journal::v1::LogEntry,
    opening::v1::{
        AnswerObjectionRequest, CheckInRequest, CloseSessionRequest, ConfirmRecordRequest,
        DownloadPartRequest, EnvelopeFault, GetOpeningRecordRequest, ListDeliveriesRequest,
        OpeningRecord, PostSharesRequest, PublishRescueRequest, RaiseObjectionRequest,
        ReadClosingRequest, SessionState, SignClosingRequest, WatchOpeningsRequest,
        WatchOpeningsResponse, WatchSessionRequest,
    },
    registry::v1::Role,
};
use sunbid_domain::opening::{CheckedBids, record, session::STALL_SECONDS};
use sunbid_sealing::{CheckedHeader, Delivery, combine_deliveries, open_short};
use tonic::{Code, Status};

use crate::{
    committee::organization,
    house::{House, PURCHASER, Supplier, deadline},
};

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A holder's day: what waits for it, the log it checks, its signature, its shares.
struct Day {
    index: usize,
    close: [u8; 32],
    bids: CheckedBids,
}

async fn waiting(house: &House, index: usize) -> WatchOpeningsResponse {
    let request = house.of(&organization(index), Role::Trustee, WatchOpeningsRequest {});
    let mut stream = house
        .client()
        .watch_openings(request)
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap()
}

async fn begin(house: &House, index: usize) -> Day {
    let wanted = waiting(house, index).await;
    let request = ReadClosingRequest {
        tender: house.tender.name.clone(),
    };
    let request = house.of(&organization(index), Role::Trustee, request);
    let mut stream = house
        .client()
        .read_closing(request)
        .await
        .unwrap()
        .into_inner();
    let mut entries: Vec<LogEntry> = Vec::new();
    while let Some(page) = stream.message().await.unwrap() {
        entries.extend(page.entries);
    }
    let (closed, bids) = house.recompute(&entries);
    assert_eq!(
        Some(closed.message()),
        wanted.closing,
        "what is asked is what the records say"
    );
    Day {
        index,
        close: closed.close(),
        bids,
    }
}

async fn sign(house: &House, day: &Day) -> Result<(), Status> {
    let request = SignClosingRequest {
        tender: house.tender.name.clone(),
        close: day.close.to_vec(),
        signature: Some(house.committee.sign(day.index, &day.close)),
    };
    let request = house.of(&organization(day.index), Role::Trustee, request);
    house.client().sign_closing(request).await.map(drop)
}

async fn share(house: &House, day: &Day, lie: bool) -> Result<(), Status> {
    let reader = house.reader.public();
    let mut shares = house
        .committee
        .share(day.index, &day.bids, &day.close, &reader);
    if lie {
        shares.partials[1][70] ^= 1;
    }
    let request = PostSharesRequest {
        tender: house.tender.name.clone(),
        close: day.close.to_vec(),
        shares: Some(shares),
    };
    let request = house.of(&organization(day.index), Role::Trustee, request);
    house.client().post_shares(request).await.map(drop)
}

async fn record_of(house: &House) -> OpeningRecord {
    let request = GetOpeningRecordRequest {
        tender: house.tender.name.clone(),
    };
    house
        .client()
        .get_opening_record(request)
        .await
        .unwrap()
        .into_inner()
        .record
        .unwrap()
}

fn prices(record: &OpeningRecord) -> Vec<(&str, &str)> {
    let lines = record.lots[0].lines.iter();
    let price = |line: &'_ sunbid_contracts::opening::v1::OpeningLine| line.values.len();
    lines
        .filter(|line| price(line) > 0)
        .map(|line| (line.bidder.as_str(), line.values[0].value.as_str()))
        .collect()
}

/// Bids of three suppliers, the last credit code first.
async fn three_bids(house: &mut House) -> Vec<Supplier> {
    let mut suppliers: Vec<_> = [3, 1, 2].map(|number| house.supplier(number)).into();
    for (supplier, price) in suppliers.iter().zip(["30.00", "10.00", "20.00"]) {
        house
            .bid(supplier, &format!("{{\"price\":\"{price}\"}}"))
            .await;
    }
    suppliers.sort_by(|one, other| one.code.cmp(&other.code));
    suppliers
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_with_a_liar_from_deadline_to_close() {
    let mut house = House::build().await;
    let suppliers = three_bids(&mut house).await;
    let tender = house.tender.name.clone();
    let before = house.session().await.unwrap();
    assert_eq!(
        (before.state(), before.envelopes),
        (SessionState::Scheduled, 0)
    );
    let check_in = CheckInRequest {
        request_id: request_id(),
        tender: tender.clone(),
    };
    let own = suppliers[1].organization();
    house
        .client()
        .check_in(house.of(&own, Role::Supplier, check_in))
        .await
        .unwrap();
    assert_eq!(
        house.session().await.unwrap(),
        before,
        "who signed in does not show"
    );

    let watch = WatchSessionRequest {
        tender: tender.clone(),
    };
    let mut hall = house
        .client()
        .watch_session(watch)
        .await
        .unwrap()
        .into_inner();
    house.close_bidding().await;
    let (one, two, three) = (
        begin(&house, 1).await,
        begin(&house, 2).await,
        begin(&house, 3).await,
    );
    assert_eq!(
        share(&house, &one, false).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    sign(&house, &one).await.unwrap();
    sign(&house, &one).await.unwrap();
    sign(&house, &two).await.unwrap();
    let wanted = waiting(&house, 1).await;
    assert!(wanted.shares_wanted && wanted.signed && !wanted.shared);
    assert_eq!(wanted.signatures.len(), 2);

    assert_eq!(
        share(&house, &two, true).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    share(&house, &one, false).await.unwrap();
    share(&house, &one, false).await.unwrap();
    share(&house, &three, false).await.unwrap();
    let session = house.reaches(SessionState::Announced).await;
    assert_eq!((session.envelopes, session.opened), (3, 3));
    assert_eq!(session.share_holders, [1, 3]);
    assert_eq!(session.holder_faults[0].index, 2);
    let record = record_of(&house).await;
    let codes: Vec<_> = suppliers.iter().map(Supplier::organization).collect();
    let expected: Vec<_> = codes
        .iter()
        .map(String::as_str)
        .zip(["10.00", "20.00", "30.00"])
        .collect();
    assert_eq!(prices(&record), expected);
    assert_eq!(record.holders_used, [1, 3]);
    assert_eq!(record.holder_faults.len(), 1);
    let signed_in: Vec<_> = record.lots[0]
        .lines
        .iter()
        .map(|line| line.checked_in)
        .collect();
    assert_eq!(signed_in, [false, true, false]);
    // The hall saw every state once, in order.
    let mut states = Vec::new();
    while states.last() != Some(&SessionState::Announced) {
        let session = hall.message().await.unwrap().unwrap().session.unwrap();
        states.push(session.state());
    }
    states.dedup();
    assert!(states.is_sorted(), "{states:?}");

    objections(&house, &own, &record).await;
    deliveries(&house).await;
    // A holder may come to its senses, late; that it lied stays on record.
    share(&house, &two, false).await.unwrap();
    let session = house.session().await.unwrap();
    assert_eq!(
        (session.share_holders.len(), session.holder_faults.len()),
        (3, 1)
    );
    close(&house, PURCHASER).await.unwrap();
    house.reaches(SessionState::Closed).await;
}

async fn close(house: &House, organization: &str) -> Result<(), Status> {
    let request = CloseSessionRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
    };
    house
        .client()
        .close_session(house.of(organization, Role::Purchaser, request))
        .await
        .map(drop)
}

async fn objections(house: &House, bidder: &str, record: &OpeningRecord) {
    let tender = &house.tender.name;
    let raise = |organization: &str| {
        let text = "唱标价格与投标不符".to_owned();
        let request = RaiseObjectionRequest {
            request_id: request_id(),
            tender: tender.clone(),
            text,
        };
        let request = house.of(organization, Role::Supplier, request);
        let mut client = house.client();
        async move {
            client
                .raise_objection(request)
                .await
                .map(|a| a.into_inner())
        }
    };
    let stranger = house.supplier(9).organization();
    assert_eq!(
        raise(&stranger).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let objection = raise(bidder).await.unwrap().objection.unwrap();
    assert_eq!(
        close(house, PURCHASER).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    assert_eq!(
        close(house, &stranger).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    house.clock.set(deadline().plus_seconds(400));
    assert_eq!(
        raise(bidder).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    assert_eq!(
        close(house, PURCHASER).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    let answer = |organization: &str| {
        let request = AnswerObjectionRequest {
            request_id: request_id(),
            name: objection.name.clone(),
            answer: "已当场核对".into(),
        };
        let request = house.of(organization, Role::Purchaser, request);
        let mut client = house.client();
        async move {
            client
                .answer_objection(request)
                .await
                .map(|a| a.into_inner())
        }
    };
    assert_eq!(
        answer(&stranger).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        answer(PURCHASER).await.unwrap().objection.unwrap().answer,
        "已当场核对"
    );
    let confirm = |digest: Vec<u8>| {
        let request = ConfirmRecordRequest {
            request_id: request_id(),
            tender: tender.clone(),
            record_sha256: digest,
        };
        let request = house.of(bidder, Role::Supplier, request);
        let mut client = house.client();
        async move { client.confirm_record(request).await.map(drop) }
    };
    assert_eq!(
        confirm(vec![0; 32]).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    confirm(record::digest(record).to_vec()).await.unwrap();
}

/// The evaluators' key, and nothing else, opens what was delivered to it.
async fn deliveries(house: &House) {
    let list = ListDeliveriesRequest {
        tender: house.tender.name.clone(),
        page_size: 2,
        page_token: String::new(),
    };
    let denied = house.of(
        &house.supplier(9).organization(),
        Role::Purchaser,
        list.clone(),
    );
    let denied = house.client().list_deliveries(denied).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut parts = Vec::new();
    let mut page_token = String::new();
    let close = loop {
        let request = ListDeliveriesRequest {
            page_token,
            ..list.clone()
        };
        let request = house.of(PURCHASER, Role::Purchaser, request);
        let page = house
            .client()
            .list_deliveries(request)
            .await
            .unwrap()
            .into_inner();
        parts.extend(page.parts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break page.close;
        }
    };
    assert_eq!(parts.len(), 3);
    let (key, reader) = (&house.committee.key, house.reader.public());
    let close: [u8; 32] = close.try_into().unwrap();
    for part in parts {
        let header = CheckedHeader::parse(&part.header).unwrap();
        let delivered: Vec<_> = part
            .deliveries
            .iter()
            .map(|bytes| {
                Delivery::parse(bytes)
                    .unwrap()
                    .verify(key, &header, &close, &reader)
                    .unwrap()
            })
            .collect();
        let secret = combine_deliveries(key, &header, &house.reader, &delivered).unwrap();
        let request = DownloadPartRequest {
            tender: house.tender.name.clone(),
            header_id: header.id().to_vec(),
        };
        let request = house.of(PURCHASER, Role::Purchaser, request);
        let mut stream = house
            .client()
            .download_part(request)
            .await
            .unwrap()
            .into_inner();
        let mut payload = Vec::new();
        while let Some(piece) = stream.message().await.unwrap() {
            payload.extend(piece.chunk);
        }
        assert_eq!(
            open_short(&header, &secret, &payload).unwrap().as_slice(),
            b"plan"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_ended_goes_on_where_it_was() {
    let mut house = House::build().await;
    three_bids(&mut house).await;
    house.close_bidding().await;
    let (one, two) = (begin(&house, 1).await, begin(&house, 2).await);
    house.start().await;
    sign(&house, &one).await.unwrap();
    sign(&house, &two).await.unwrap();
    house.start().await;
    share(&house, &one, false).await.unwrap();
    house.start().await;
    share(&house, &two, false).await.unwrap();
    house.start().await;
    house.reaches(SessionState::Announced).await;
    assert_eq!(prices(&record_of(&house).await).len(), 3);
    house.start().await;
    deliveries(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suppliers_open_what_holders_fail_to() {
    let mut house = House::build().await;
    let suppliers = three_bids(&mut house).await;
    house.close_bidding().await;
    let (one, two) = (begin(&house, 1).await, begin(&house, 2).await);
    sign(&house, &one).await.unwrap();
    sign(&house, &two).await.unwrap();
    share(&house, &one, false).await.unwrap();
    let rescue = |supplier: &Supplier, whose: &Supplier| {
        let rescue = &house.rescues[&whose.organization()];
        let request = PublishRescueRequest {
            request_id: request_id(),
            tender: house.tender.name.clone(),
            header_id: rescue.header().id().to_vec(),
            secret: rescue.encode()[8..40].to_vec(),
        };
        let request = house.of(&supplier.organization(), Role::Supplier, request);
        let mut client = house.client();
        async move { client.publish_rescue(request).await.map(drop) }
    };
    let [first, second, third] = &suppliers[..] else {
        panic!()
    };
    assert_eq!(
        rescue(first, first).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    house.clock.set(deadline().plus_seconds(STALL_SECONDS + 1));
    let named: Vec<_> = house
        .session()
        .await
        .unwrap()
        .holder_faults
        .iter()
        .map(|fault| fault.index)
        .collect();
    assert_eq!(named, [2, 3]);
    assert_eq!(
        rescue(first, second).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    for supplier in [first, second, third] {
        assert_eq!(
            house.session().await.unwrap().state(),
            SessionState::Decrypting
        );
        rescue(supplier, supplier).await.unwrap();
    }
    house.reaches(SessionState::Announced).await;
    let record = record_of(&house).await;
    assert_eq!(prices(&record).len(), 3);
    assert!(record.holders_used.is_empty());
    assert_eq!(record.holder_faults.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tender_stays_sealed() {
    let mut house = House::build().await;
    for number in [1, 2] {
        let supplier = house.supplier(number);
        house.bid(&supplier, "{\"price\":\"1\"}").await;
    }
    house.close_bidding().await;
    let (one, two) = (begin(&house, 1).await, begin(&house, 2).await);
    sign(&house, &one).await.unwrap();
    sign(&house, &two).await.unwrap();
    let session = house.reaches(SessionState::Failed).await;
    assert_eq!((session.envelopes, session.signatures.len()), (0, 2));
    assert_eq!(
        share(&house, &one, false).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_payload_and_a_bad_sheet_are_laid_at_their_own_doors() {
    let mut house = House::build().await;
    let suppliers = [1, 2, 3, 4].map(|number| house.supplier(number));
    for supplier in &suppliers[..3] {
        house.bid(supplier, "{\"price\":\"5\"}").await;
    }
    house.bid(&suppliers[3], "{\"prize\":\"5\"}").await;
    let lost = house.rescues[&suppliers[0].organization()]
        .header()
        .payload_root()
        .to_vec();
    house.payloads.0.lock().unwrap().remove(&lost);
    house.close_bidding().await;
    let (one, two) = (begin(&house, 1).await, begin(&house, 2).await);
    sign(&house, &one).await.unwrap();
    sign(&house, &two).await.unwrap();
    share(&house, &one, false).await.unwrap();
    share(&house, &two, false).await.unwrap();
    house.reaches(SessionState::Announced).await;
    let record = record_of(&house).await;
    let faults: Vec<_> = record.lots[0]
        .lines
        .iter()
        .map(|line| line.fault())
        .collect();
    use EnvelopeFault::{None, Store, Supplier};
    assert_eq!(faults, [Store, None, None, Supplier]);
}
