//! From a supplier's payment at its bank to a deposit that stands, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

mod house;

use house::{DUE, FIRST, House, Loss, SECOND, paid, until};
use sunbid_banksim::Transfer;
use sunbid_bankwire::Party;
use sunbid_contracts::{deposit::v1::DepositState, registry::v1::Role};
use sunbid_proofs::LogId;
use sunbid_terms::{Clock, Fen};
use tonic::Code;

#[tokio::test]
async fn parts_add_up_repeats_count_once_and_the_excess_goes_back() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    let deposit = house.open(&service, FIRST, "01").await;
    assert_eq!(
        (deposit.state(), deposit.due_fen),
        (DepositState::Required, DUE)
    );
    assert_eq!(deposit.due_time_us, house.deadline().micros());
    assert_eq!(
        house.open(&service, FIRST, "01").await,
        deposit,
        "a lot has one account"
    );
    let other = house.open(&service, SECOND, "01").await;
    assert_ne!(other.virtual_account, deposit.virtual_account);
    assert!(!house.check(&service, FIRST).await.valid);

    paid(&bank, house.transfer("P1", &deposit.virtual_account, 4_000)).await;
    let partial = house
        .stands(&service, FIRST, DepositState::Unmatched, 0)
        .await;
    assert_eq!(partial.received_fen, 4_000);
    assert!(
        partial.note_en.contains("60.00 yuan are missing"),
        "{}",
        partial.note_en
    );
    assert!(!house.check(&service, FIRST).await.valid);

    let twice = Transfer {
        notify_twice: true,
        ..house.transfer("P2", &deposit.virtual_account, 7_000)
    };
    paid(&bank, twice).await;
    let whole = house
        .stands(&service, FIRST, DepositState::Valid, 1_000)
        .await;
    assert_eq!(whole.received_fen, DUE);
    assert!(house.check(&service, FIRST).await.valid);
    assert_eq!(bank.trust_balance().await, (Fen::new(DUE), 1));
    // The other supplier sees nothing of it.
    assert_eq!(house.get(&service, SECOND).await.received_fen, 0);
    assert!(!house.check(&service, SECOND).await.valid);
    assert!(house.trial_balance(&service).await.balanced);
    assert!(service.journal.check().await.unwrap().is_ok());
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn a_lot_without_deposit_stands_as_it_is() {
    let house = House::build().await;
    let service = house.start().await;
    let deposit = house.open(&service, FIRST, "02").await;
    assert_eq!((deposit.state(), deposit.due_fen), (DepositState::Valid, 0));
    assert!(deposit.virtual_account.is_empty());
    service.kill().await;
}

#[tokio::test]
async fn money_that_cannot_be_taken_goes_back_by_itself() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    let deposit = house.open(&service, FIRST, "01").await;
    let stranger = Transfer {
        payer: Party {
            name: "丙公司".into(),
            account: "62223333".into(),
        },
        ..house.transfer("W1", &deposit.virtual_account, DUE)
    };
    paid(&bank, stranger).await;
    let refused = house
        .stands(&service, FIRST, DepositState::Required, DUE)
        .await;
    assert!(refused.note_zh.contains("户名"), "{}", refused.note_zh);
    // 20 digits that check, never given out.
    paid(&bank, house.transfer("U1", "12345678901234567894", 77)).await;
    until("the unknown account's money goes back", async || {
        (bank.trust_balance().await == (Fen::ZERO, 2)).then_some(())
    })
    .await;
    let left = house.deadline().seconds() - house.clock.now().seconds();
    house.clock.advance(left);
    paid(&bank, house.transfer("L1", &deposit.virtual_account, DUE)).await;
    let late = house
        .stands(&service, FIRST, DepositState::Required, 2 * DUE)
        .await;
    assert!(
        late.note_en.contains("after the deadline"),
        "{}",
        late.note_en
    );
    assert_eq!(bank.trust_balance().await, (Fen::ZERO, 3));
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn a_credit_is_booked_once_however_often_the_line_breaks() {
    let house = House::build().await;
    let bank = house.bank().await;
    house.line.lose(Loss::Acknowledgements);
    let mut service = house.start().await;
    let deposit = house.open(&service, FIRST, "01").await;
    paid(&bank, house.transfer("P1", &deposit.virtual_account, DUE)).await;
    for _ in 0..3 {
        let before = house.line.lost();
        until("an acknowledgement is lost", async || {
            (house.line.lost() > before).then_some(())
        })
        .await;
        service.kill().await;
        service = house.start().await;
    }
    let stands = house.stands(&service, FIRST, DepositState::Valid, 0).await;
    assert_eq!(stands.received_fen, DUE);
    house.line.lose(Loss::Nothing);
    paid(&bank, house.transfer("P2", &deposit.virtual_account, 1)).await;
    house.stands(&service, FIRST, DepositState::Valid, 1).await;
    assert_eq!(bank.trust_balance().await, (Fen::new(DUE), 1));
    assert!(service.journal.check().await.unwrap().is_ok());
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn nobody_learns_of_deposits_before_the_bids_are_closed() {
    let house = House::build().await;
    let bank = house.bank().await;
    let service = house.start().await;
    let deposit = house.open(&service, FIRST, "01").await;
    paid(&bank, house.transfer("P1", &deposit.virtual_account, DUE)).await;
    let deposit = house.stands(&service, FIRST, DepositState::Valid, 0).await;
    let secret = house
        .list(&service, "x", Role::Supervisor)
        .await
        .unwrap_err();
    assert_eq!(secret.code(), Code::FailedPrecondition);
    for role in [Role::Purchaser, Role::Administrator, Role::Trustee] {
        let denied = house.list(&service, "x", role).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
    }
    assert_eq!(
        house.list(&service, FIRST, Role::Supplier).await.unwrap(),
        [deposit]
    );
    assert_eq!(
        house.list(&service, SECOND, Role::Supplier).await.unwrap(),
        []
    );
    let balance = house.trial_balance(&service).await;
    assert!(balance.balanced && balance.lines.is_empty());

    house.submit(FIRST, house::BUNDLE).await;
    house.close_bids(&[house::BUNDLE], true).await;
    let locked = house.stands(&service, FIRST, DepositState::Locked, 0).await;
    assert_eq!(
        house.list(&service, "x", Role::Supervisor).await.unwrap(),
        [locked]
    );
    let balance = house.trial_balance(&service).await;
    let lines: Vec<_> = balance
        .lines
        .iter()
        .map(|line| (line.account_kind.as_str(), line.debit_fen, line.credit_fen))
        .collect();
    assert_eq!(lines, [("bank", DUE, 0), ("deposit", 0, DUE)]);
    service.kill().await;
    bank.close().await;
}

#[tokio::test]
async fn what_the_bank_says_wrongly_is_kept_and_not_asked_for_again() {
    use sunbid_bankwire::{FrameReader, Message, write_frame};
    let house = House::build().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.line.lead_to(Some(listener.local_addr().unwrap()));
    let service = house.start().await;
    let (read, mut write) = listener.accept().await.unwrap().0.into_split();
    let mut reader = FrameReader::new(read);
    let subscription = reader.next().await.unwrap().unwrap();
    assert!(matches!(
        Message::parse(&subscription),
        Ok(Message::ReportingRequest(_))
    ));
    let wrong = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
        <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>X1</MsgId></GrpHdr></BkToCstmrDbtCdtNtfctn></Document>";
    for _ in 0..2 {
        write_frame(&mut write, wrong.as_bytes()).await.unwrap();
        let answer = Message::parse(&reader.next().await.unwrap().unwrap()).unwrap();
        let Message::ReceiptAcknowledgement(receipt) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(receipt.message_id, "X1");
        assert!(receipt.fault.contains("CreDtTm"), "{}", receipt.fault);
    }
    write_frame(&mut write, b"\xff\xfe no message at all")
        .await
        .unwrap();
    until("both messages are kept once", async || {
        let head = service
            .journal
            .head(LogId::of("deposit", "bank"))
            .await
            .unwrap()?;
        (head.size == 2).then_some(())
    })
    .await;
    service.kill().await;
}
