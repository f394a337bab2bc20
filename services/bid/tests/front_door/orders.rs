//! Withdrawals, and orders of other services: moved deadlines, holds, the end.

use sunbid_contracts::bid::v1::{
    BidState, BidWithdrawn, EndBiddingRequest, HoldBiddingRequest, MoveDeadlineRequest,
};
use tonic::{Code, Status};

use crate::house::{House, deadline, fields, reason, request_id, rules, with};
use crate::submission::verify;
use crate::supplier::Plan;

async fn hold(house: &House, hold: bool, new_deadline_us: i64) -> Result<i64, Status> {
    let request = HoldBiddingRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
        hold,
        reason: "投诉处理".into(),
        new_deadline_us,
    };
    let answer = house
        .client()
        .hold_bidding(house.from("tender", request))
        .await?;
    Ok(answer.into_inner().deadline_us)
}

async fn move_to(house: &House, new_deadline_us: i64) -> Result<i64, Status> {
    let request = MoveDeadlineRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
        new_deadline_us,
        cause: "notices/2".into(),
    };
    let answer = house
        .client()
        .move_deadline(house.from("tender", request))
        .await?;
    Ok(answer.into_inner().deadline_us)
}

#[tokio::test]
async fn a_bid_is_withdrawn_and_submitted_again() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    assert_eq!(
        reason(&a.withdraw(&house, &[0; 32]).await.unwrap_err()),
        "NO_LIVE_BID"
    );
    let bundle = a.bid(&house, 1).await.unwrap().bid.unwrap().bundle;
    let status = a.withdraw(&house, &[0; 32]).await.unwrap_err();
    assert!(
        status.message().contains("(E6)") && rules(&status) == ["B1"],
        "{status:?}"
    );
    assert_eq!(
        reason(&b.withdraw(&house, &bundle).await.unwrap_err()),
        "NO_LIVE_BID"
    );

    let request = a.withdrawal(&house, &bundle);
    let done = a.send_withdrawal(request.clone()).await.unwrap();
    let receipt = done.receipt.clone().unwrap();
    assert!(receipt.withdrawal && receipt.bundle == bundle);
    verify(&house, &receipt);
    assert_eq!(a.send_withdrawal(request).await.unwrap(), done);
    let events = house.events().await;
    let withdrawn: Vec<BidWithdrawn> = events.iter().filter_map(|e| e.read().unwrap()).collect();
    assert_eq!(withdrawn.len(), 1);
    assert_eq!((withdrawn[0].seq, withdrawn[0].lot_id.as_str()), (2, "01"));
    assert_eq!(
        a.own(&house).await.unwrap().bid.unwrap().state,
        BidState::Withdrawn as i32
    );

    let again = a.bid(&house, 1).await.unwrap_err();
    assert!(again.message().contains("(E8)"));
    a.bid(&house, 2).await.unwrap();
    let own = a.own(&house).await.unwrap();
    assert_eq!(own.bid.unwrap().state, BidState::Submitted as i32);
    let acts: Vec<_> = own
        .receipts
        .iter()
        .map(|r| (r.revision, r.withdrawal))
        .collect();
    assert_eq!(acts, [(1, false), (1, true), (2, false)]);
    own.receipts
        .iter()
        .for_each(|receipt| verify(&house, receipt));
}

#[tokio::test]
async fn what_is_held_neither_takes_nor_closes() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let bundle = a.bid(&house, 1).await.unwrap().bid.unwrap().bundle;
    assert_eq!(hold(&house, true, 0).await.unwrap(), deadline().micros());
    assert_eq!(
        reason(&hold(&house, true, 0).await.unwrap_err()),
        "BIDDING_HELD"
    );
    assert_eq!(reason(&b.bid(&house, 1).await.unwrap_err()), "BIDDING_HELD");
    assert_eq!(
        reason(&a.withdraw(&house, &bundle).await.unwrap_err()),
        "BIDDING_HELD"
    );
    let later = deadline().plus_seconds(7 * 86_400);
    assert_eq!(
        reason(&move_to(&house, later.micros()).await.unwrap_err()),
        "BIDDING_HELD"
    );
    house.clock.set(deadline().plus_seconds(60));
    assert_eq!(reason(&b.bid(&house, 1).await.unwrap_err()), "BIDDING_HELD");
    assert!(!house.is_closed().await);
    // A deadline that has passed cannot be the one it goes on to.
    let status = hold(&house, false, deadline().micros()).await.unwrap_err();
    assert_eq!(fields(&status), ["new_deadline_us"]);
    assert_eq!(
        hold(&house, false, later.micros()).await.unwrap(),
        later.micros()
    );
    let stale = b.bid(&house, 1).await.unwrap_err();
    assert!(stale.message().contains("(E2)"), "{stale:?}");
    let plan = Plan {
        not_before: later.seconds(),
        ..b.plan(&house, 1)
    };
    b.send(b.request(&plan, &plan.seal())).await.unwrap();
    house.clock.set(later);
    house.until(async || house.is_closed().await).await;
    // The bid sealed for the old deadline is as good as the other.
    assert_eq!(house.closing_record().await.entries.len(), 2);
}

#[tokio::test]
async fn a_deadline_moves_later_only_and_only_for_services() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    for wrong in [deadline().micros() - 1_000_000, deadline().micros() + 1, 0] {
        let status = move_to(&house, wrong).await.unwrap_err();
        assert_eq!(fields(&status)[0], "new_deadline_us", "{wrong}");
    }
    let later = deadline().plus_seconds(86_400);
    assert_eq!(
        move_to(&house, later.micros()).await.unwrap(),
        later.micros()
    );
    house.clock.set(deadline());
    let plan = Plan {
        not_before: later.seconds(),
        ..a.plan(&house, 1)
    };
    let taken = a
        .send(a.request(&plan, &plan.seal()))
        .await
        .unwrap()
        .bid
        .unwrap();
    assert_eq!(taken.accept_time_us, deadline().micros());
    let request = MoveDeadlineRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
        new_deadline_us: later.plus_seconds(60).micros(),
        cause: "x".into(),
    };
    let refused = house
        .client()
        .move_deadline(with(&a.token, request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Once it is due, no order comes before the closing record.
    house.clock.set(later);
    let late = move_to(&house, later.plus_seconds(86_400).micros())
        .await
        .unwrap_err();
    assert_eq!(reason(&late), "BIDDING_CLOSED");
    assert!(house.is_closed().await);
    assert_eq!(
        reason(&hold(&house, true, 0).await.unwrap_err()),
        "BIDDING_CLOSED"
    );
}

#[tokio::test]
async fn an_ended_tender_takes_nothing_and_never_closes() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let bundle = a.bid(&house, 1).await.unwrap().bid.unwrap().bundle;
    let request = EndBiddingRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
        reason: "采购任务取消".into(),
    };
    house
        .client()
        .end_bidding(house.from("tender", request.clone()))
        .await
        .unwrap();
    let again = EndBiddingRequest {
        request_id: request_id(),
        ..request
    };
    house
        .client()
        .end_bidding(house.from("tender", again))
        .await
        .unwrap();
    assert_eq!(
        reason(&a.bid(&house, 2).await.unwrap_err()),
        "BIDDING_ENDED"
    );
    assert_eq!(
        reason(&a.withdraw(&house, &bundle).await.unwrap_err()),
        "BIDDING_ENDED"
    );
    assert_eq!(
        a.own(&house).await.unwrap().bid.unwrap().state,
        BidState::NeverOpened as i32
    );
    house.clock.set(deadline());
    assert_eq!(
        reason(&a.bid(&house, 2).await.unwrap_err()),
        "BIDDING_ENDED"
    );
    assert!(house.events().await.len() == 3);
}
