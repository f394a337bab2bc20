//! Refunds over real sockets: paid once, whatever breaks between any two steps.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

mod house;

use house::{BUNDLE, DUE, FIRST, House, Loss, SECOND, Service, paid, until};
use sunbid_banksim::Bank;
use sunbid_contracts::{
    bid::v1::{BiddingEnded, DeadlineMoved},
    deposit::v1::{Deposit, DepositState, RefundCause},
};
use sunbid_terms::Fen;

/// A supplier with a deposit that stands and a bid.
async fn with_bid(house: &House, bank: &Bank, service: &Service) -> Deposit {
    let deposit = house.open(service, FIRST, "01").await;
    paid(bank, house.transfer("P1", &deposit.virtual_account, DUE)).await;
    let deposit = house.stands(service, FIRST, DepositState::Valid, 0).await;
    house.submit(FIRST, BUNDLE).await;
    deposit
}

#[tokio::test]
async fn a_refund_is_paid_once_whatever_is_lost_and_whoever_dies() {
    let house = House::build().await;
    let mut bank = house.bank().await;
    let mut service = house.start().await;
    with_bid(&house, &bank, &service).await;

    // The order is lost on its way; the service dies and starts again, twice.
    house.line.lose(Loss::Orders);
    house.withdraw(BUNDLE).await;
    for _ in 0..2 {
        let before = house.line.lost();
        until("an order is lost", async || {
            (house.line.lost() > before).then_some(())
        })
        .await;
        service.kill().await;
        service = house.start().await;
    }
    assert_eq!(bank.trust_balance().await, (Fen::new(DUE), 0));
    let due = house.get(&service, FIRST).await;
    assert_eq!(due.refund_cause(), RefundCause::Withdrawn);
    assert!(matches!(
        due.state(),
        DepositState::ReturnDue | DepositState::Returning
    ));

    // The bank pays and its answer is lost; both die and start again.
    house.line.lose(Loss::Reports);
    for _ in 0..3 {
        let before = house.line.lost();
        until("a report is lost", async || {
            (house.line.lost() > before).then_some(())
        })
        .await;
        assert_eq!(bank.trust_balance().await, (Fen::ZERO, 1));
        service.kill().await;
        bank.close().await;
        bank = house.bank().await;
        service = house.start().await;
    }
    house.line.lose(Loss::Nothing);
    let back = house
        .stands(&service, FIRST, DepositState::Returned, DUE)
        .await;
    assert_eq!(back.received_fen, 0);
    assert_eq!(bank.trust_balance().await, (Fen::ZERO, 1));
    let report = service.journal.check().await.unwrap();
    assert!(report.is_ok(), "{:?}", report.wrong);
    assert!(house.trial_balance(&service).await.balanced);
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn a_refund_to_a_closed_account_waits_for_it_to_open() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    with_bid(&house, &bank, &service).await;
    bank.set_closed(&house.transfer("", "", 1).payer.account, true)
        .await;
    house.withdraw(BUNDLE).await;
    until("the bank refuses", async || {
        let (sent, back) = tokio::join!(
            service
                .journal
                .head(sunbid_proofs::LogId::of("deposit", &house.tender)),
            house.get(&service, FIRST)
        );
        // Terms, opening, credit, refund due, sent, rejected.
        let refused = sent.unwrap()?.size == 6 && back.state() == DepositState::ReturnDue;
        refused.then_some(())
    })
    .await;
    assert_eq!(bank.trust_balance().await, (Fen::new(DUE), 0));
    bank.set_closed(&house.transfer("", "", 1).payer.account, false)
        .await;
    house.clock.advance(61);
    house
        .stands(&service, FIRST, DepositState::Returned, DUE)
        .await;
    assert_eq!(bank.trust_balance().await, (Fen::ZERO, 1));
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn without_a_bid_at_the_deadline_the_deposit_goes_back() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    with_bid(&house, &bank, &service).await;
    let idle = house.open(&service, SECOND, "01").await;
    let mut transfer = house.transfer("P2", &idle.virtual_account, DUE);
    transfer.payer.name = "乙公司".into();
    transfer.payer.account = format!("6222{SECOND}");
    paid(&bank, transfer).await;
    house.stands(&service, SECOND, DepositState::Valid, 0).await;
    house.close_bids(&[BUNDLE], true).await;
    house.stands(&service, FIRST, DepositState::Locked, 0).await;
    let back = house
        .stands(&service, SECOND, DepositState::Returned, DUE)
        .await;
    assert_eq!(back.refund_cause(), RefundCause::NoBid);
    assert_eq!(bank.trust_balance().await, (Fen::new(DUE), 1));
    // What is locked still goes back when the tender is terminated.
    house
        .bid_log(BiddingEnded {
            reason: "重大变故".into(),
        })
        .await;
    let back = house
        .stands(&service, FIRST, DepositState::Returned, DUE)
        .await;
    assert_eq!(back.refund_cause(), RefundCause::Terminated);
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn a_failed_lot_gives_every_deposit_back() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    with_bid(&house, &bank, &service).await;
    house.close_bids(&[BUNDLE], false).await;
    let back = house
        .stands(&service, FIRST, DepositState::Returned, DUE)
        .await;
    assert_eq!(back.refund_cause(), RefundCause::Failed);
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn a_moved_deadline_is_the_deposits_deadline_too() {
    let house = House::build().await;
    let service = house.start().await;
    let deposit = house.open(&service, FIRST, "01").await;
    let new_deadline_us = house.deadline().plus_seconds(86_400).micros();
    house
        .bid_log(DeadlineMoved {
            old_deadline_us: deposit.due_time_us,
            new_deadline_us,
            cause: "notices/x".into(),
        })
        .await;
    until("the deadline moves", async || {
        (house.get(&service, FIRST).await.due_time_us == new_deadline_us).then_some(())
    })
    .await;
    service.kill().await;
}
