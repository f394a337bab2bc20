//! The deadline: what is late, what the closing record says, and what may be read after it.

use sunbid_contracts::bid::v1::{
    Bid, BidState, ClosingStatus, ListClosedBidsRequest, ListClosedBidsResponse,
    ReadPayloadsRequest, ReadPayloadsResponse,
};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::house::{House, deadline, reason, rules};
use crate::supplier::Supplier;

async fn closed_bids(house: &House, live_only: bool) -> Result<ListClosedBidsResponse, Status> {
    let mut all = ListClosedBidsResponse::default();
    loop {
        let request = ListClosedBidsRequest {
            tender: house.tender.name.clone(),
            page_size: 2,
            page_token: all.next_page_token.clone(),
            live_only,
        };
        let page = house
            .client()
            .list_closed_bids(house.from("opening", request))
            .await?;
        let page = page.into_inner();
        all.bids.extend(page.bids);
        all.seqs.extend(page.seqs);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn payloads(
    house: &House,
    payload_roots: Vec<Vec<u8>>,
) -> Result<Vec<ReadPayloadsResponse>, Status> {
    let request = ReadPayloadsRequest {
        tender: house.tender.name.clone(),
        payload_roots,
    };
    let stream = house
        .client()
        .read_payloads(house.from("opening", request))
        .await?;
    stream.into_inner().collect::<Result<Vec<_>, _>>().await
}

fn roots(bid: &Bid) -> Vec<Vec<u8>> {
    bid.parts
        .iter()
        .map(|part| part.payload_root.clone())
        .collect()
}

#[tokio::test]
async fn one_microsecond_decides() {
    let mut house = House::build().await;
    // Without the timer: the late bid itself has to write the closing record.
    house.tasks.abort_all();
    while house.tasks.join_next().await.is_some() {}
    let [a, b, _] = house.suppliers();
    house.clock.set(deadline().plus_micros(-1));
    let taken = a.bid(&house, 1).await.unwrap().bid.unwrap();
    assert_eq!(taken.accept_time_us, deadline().micros() - 1);
    house.clock.set(deadline());
    assert!(!house.is_closed().await);
    let late = b.bid(&house, 1).await.unwrap_err();
    assert_eq!(
        (late.code(), rules(&late)[0].as_str()),
        (Code::FailedPrecondition, "B3")
    );
    assert!(late.message().contains("(E9)"), "{late:?}");
    assert!(house.is_closed().await);
    let closed = house.closing_record().await;
    assert_eq!(closed.entries.len(), 1);
    assert_eq!(closed.deadline_us, deadline().micros());

    // Whatever the clock says then, the log is closed.
    house.clock.set(deadline().plus_seconds(-3600));
    let again = b.bid(&house, 1).await.unwrap_err();
    assert_eq!(rules(&again)[0], "B3", "{again:?}");
    let withdrawal = a.withdraw(&house, &taken.bundle).await.unwrap_err();
    assert_eq!(rules(&withdrawal)[0], "B1", "{withdrawal:?}");
    assert_eq!(house.closing_record().await, closed);
}

#[tokio::test]
async fn a_late_withdrawal_closes_too() {
    let mut house = House::build().await;
    house.tasks.abort_all();
    while house.tasks.join_next().await.is_some() {}
    let [a, ..] = house.suppliers();
    let bundle = a.bid(&house, 1).await.unwrap().bid.unwrap().bundle;
    house.clock.set(deadline());
    let late = a.withdraw(&house, &bundle).await.unwrap_err();
    assert_eq!(rules(&late)[0], "B1", "{late:?}");
    let closed = house.closing_record().await;
    assert_eq!(closed.entries[0].status, ClosingStatus::LotFailed as i32);
    assert_eq!(
        a.own(&house).await.unwrap().bid.unwrap().state,
        BidState::NeverOpened as i32
    );
}

/// Three live bids, one of them replaced; a fourth bidder withdrew.
async fn full_house(house: &House) -> [Supplier; 4] {
    let [a, b, c] = house.suppliers();
    let d = house.supplier("91440101190463172");
    a.bid(house, 1).await.unwrap();
    let bundle = d.bid(house, 1).await.unwrap().bid.unwrap().bundle;
    b.bid(house, 1).await.unwrap();
    a.bid(house, 2).await.unwrap();
    d.withdraw(house, &bundle).await.unwrap();
    c.bid(house, 1).await.unwrap();
    [a, b, c, d]
}

#[tokio::test]
async fn a_closed_log_is_read_by_services_and_before_by_nobody() {
    let house = House::build().await;
    let [a, _, _, d] = full_house(&house).await;
    assert_eq!(
        reason(&closed_bids(&house, false).await.unwrap_err()),
        "BIDDING_OPEN"
    );
    let own = a.own(&house).await.unwrap().bid.unwrap();
    assert_eq!(
        reason(&payloads(&house, roots(&own)).await.unwrap_err()),
        "BIDDING_OPEN"
    );

    house.clock.set(deadline());
    house.until(async || house.is_closed().await).await;
    let closed = house.closing_record().await;
    let statuses: Vec<_> = closed.entries.iter().map(|entry| entry.status).collect();
    use ClosingStatus::{Live, Superseded, Withdrawn};
    assert_eq!(
        statuses,
        [Superseded, Withdrawn, Live, Live, Live].map(|status| status as i32)
    );
    assert_eq!((closed.lots[0].bidders, closed.lots[0].opens), (3, true));
    assert_eq!((closed.lots[1].bidders, closed.lots[1].opens), (0, false));

    let all = closed_bids(&house, false).await.unwrap();
    assert_eq!(
        all.seqs,
        closed
            .entries
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>()
    );
    use BidState::{Replaced, Sealed, Withdrawn as TakenBack};
    let states: Vec<_> = all.bids.iter().map(|bid| bid.state).collect();
    assert_eq!(
        states,
        [Replaced, TakenBack, Sealed, Sealed, Sealed].map(|state| state as i32)
    );
    for (bid, entry) in all.bids.iter().zip(&closed.entries) {
        assert_eq!(bid.bundle, entry.bundle);
    }
    let live = closed_bids(&house, true).await.unwrap();
    assert_eq!(live.seqs, all.seqs[2..]);
    house
        .until(async || a.own(&house).await.unwrap().bid.unwrap().state == Sealed as i32)
        .await;

    // Payloads come whole and in the order asked for; those of others than live bids never come.
    let wanted: Vec<_> = live.bids.iter().flat_map(roots).collect();
    let pieces = payloads(&house, wanted.clone()).await.unwrap();
    let told: Vec<_> = pieces
        .iter()
        .filter(|p| p.last)
        .map(|p| p.payload_root.clone())
        .collect();
    assert_eq!(told, wanted);
    for part in live.bids.iter().flat_map(|bid| &bid.parts) {
        let bytes: Vec<u8> = pieces
            .iter()
            .filter(|piece| piece.payload_root == part.payload_root)
            .flat_map(|piece| piece.chunk.clone())
            .collect();
        assert!(sunbid_domain::bid::check_payload(part, &bytes));
    }
    let withdrawn = d.own(&house).await.unwrap().bid.unwrap();
    let refused = payloads(&house, roots(&withdrawn)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let replaced = payloads(&house, roots(&all.bids[0])).await.unwrap_err();
    assert_eq!(replaced.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn changed_or_lost_payloads_are_named_and_not_served() {
    let house = House::build().await;
    let [a, b, c] = house.suppliers();
    let mut files = Vec::new();
    for supplier in [&a, &b, &c] {
        let mut plan = supplier.plan(&house, 1);
        plan.parts[1].2 = vec![3; 1_500_000];
        let sealed = plan.seal();
        let header = sealed.upload_header(&plan, 1, 0);
        assert!(
            supplier
                .upload(header.clone(), &sealed.payloads[1])
                .await
                .unwrap()
                .complete
        );
        let mut request = supplier.request(&plan, &sealed);
        request.inline_payloads[1].clear();
        supplier.send(request).await.unwrap();
        let place = house.place_of(&sealed.payloads[1]).unwrap();
        files.push((header.payload_root, place));
    }
    house.clock.set(deadline());
    house.until(async || house.is_closed().await).await;
    let mut bytes = std::fs::read(&files[0].1).unwrap();
    bytes[1_300_000] ^= 1;
    std::fs::write(&files[0].1, bytes).unwrap();
    std::fs::remove_file(&files[1].1).unwrap();
    let wanted: Vec<_> = files.iter().map(|(root, _)| root.clone()).collect();
    let pieces = payloads(&house, wanted.clone()).await.unwrap();
    for (root, fault) in wanted[..2].iter().zip(["another digest", "it is lost"]) {
        let told: Vec<_> = pieces
            .iter()
            .filter(|piece| piece.payload_root == *root)
            .collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].last && told[0].chunk.is_empty() && told[0].fault.contains(fault));
        let named = [&house.tender.name, &hex::encode(root)];
        assert!(named.iter().all(|name| told[0].fault.contains(*name)));
    }
    let whole: Vec<u8> = pieces
        .iter()
        .filter(|piece| piece.payload_root == wanted[2])
        .flat_map(|piece| piece.chunk.clone())
        .collect();
    assert_eq!(std::fs::read(&files[2].1).unwrap(), whole);
}
