//! The simulated bank over its port: what is paid is told until acknowledged, and paid once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use sunbid_banksim::{Bank, BankFault, Options, Transfer, is_virtual_account, pay};
use sunbid_bankwire::{
    CreditNotification, FrameReader, Message, Party, Payment, PaymentOrder, PaymentStatus,
    ReceiptAcknowledgement, ReportingRequest, write_frame,
};
use sunbid_terms::{Clock, Fen, Instant};
use tokio::net::{
    TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

const ACCOUNT: &str = "12345678901234567894";
const TRUST: &str = "140699990000000001";

#[derive(Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Instant {
        Instant::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn options(folder: &Path, clock: &Arc<HandClock>) -> Options {
    Options {
        clock: clock.clone(),
        trust: Party {
            name: "交易中心".into(),
            account: TRUST.into(),
        },
        file: folder.join("bank"),
        closed_accounts: Vec::new(),
    }
}

fn transfer(id: &str, fen: i64) -> Transfer {
    Transfer {
        payer: Party {
            name: "甲公司".into(),
            account: "62220001".into(),
        },
        account: ACCOUNT.into(),
        payee_name: "交易中心".into(),
        amount: Fen::new(fen),
        end_to_end_id: id.into(),
        remittance: String::new(),
        execute_at: Instant::from_seconds(0),
        notify_twice: false,
    }
}

/// The platform's end of a connection.
struct Platform {
    reader: FrameReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Platform {
    async fn subscribe(bank: &Bank) -> Self {
        let (read, write) = TcpStream::connect(bank.address())
            .await
            .unwrap()
            .into_split();
        let mut platform = Self {
            reader: FrameReader::new(read),
            write,
        };
        let request = ReportingRequest {
            id: "S1".into(),
            created_at: Instant::default(),
            account: TRUST.into(),
            owner: "交易中心".into(),
        };
        platform.say(&Message::ReportingRequest(request)).await;
        platform
    }

    async fn say(&mut self, message: &Message) {
        write_frame(&mut self.write, message.to_xml().as_bytes())
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Message {
        Message::parse(&self.reader.next().await.unwrap().unwrap()).unwrap()
    }

    async fn notification(&mut self) -> CreditNotification {
        match self.hear().await {
            Message::CreditNotification(notification) => notification,
            other => panic!("{other:?} is no notification"),
        }
    }

    async fn acknowledge(&mut self, id: &str) {
        let receipt = ReceiptAcknowledgement {
            id: format!("A-{id}"),
            created_at: Instant::default(),
            message_id: id.into(),
            fault: String::new(),
        };
        self.say(&Message::ReceiptAcknowledgement(receipt)).await;
    }

    async fn refund(&mut self, id: &str, account: &str, fen: i64) -> PaymentStatus {
        let order = PaymentOrder {
            id: format!("O-{id}"),
            created_at: Instant::default(),
            initiator: "交易中心".into(),
            debtor: Party {
                name: "交易中心".into(),
                account: TRUST.into(),
            },
            execute_at: Instant::default(),
            payments: vec![Payment {
                end_to_end_id: id.into(),
                amount: Fen::new(fen),
                creditor: Party {
                    name: "甲公司".into(),
                    account: account.into(),
                },
                instruction: String::new(),
                remittance: String::new(),
            }],
        };
        self.say(&Message::PaymentOrder(order)).await;
        match self.hear().await {
            Message::StatusReport(report) => report.outcomes[0].status.clone(),
            other => panic!("{other:?} is no report"),
        }
    }
}

#[tokio::test]
async fn credits_are_told_until_acknowledged_even_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    let address = bank.address().to_string();
    for (id, fen) in [("P1", 100), ("P2", 200), ("P1", 100)] {
        assert_eq!(
            pay(&address, transfer(id, fen)).await.unwrap(),
            PaymentStatus::Settled
        );
    }
    let other = pay(&address, transfer("P1", 999)).await.unwrap();
    assert!(matches!(other, PaymentStatus::Rejected { code, .. } if code == "AM05"));

    let mut platform = Platform::subscribe(&bank).await;
    let first = platform.notification().await;
    let second = platform.notification().await;
    assert_eq!(
        (first.credits[0].amount, second.credits[0].amount),
        (Fen::new(100), Fen::new(200))
    );
    platform.acknowledge(&first.id).await;
    // The answer to this order shows that the acknowledgement before it was kept.
    assert!(matches!(
        platform.refund("R0", "x", 999).await,
        PaymentStatus::Rejected { .. }
    ));
    bank.close().await;

    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    assert_eq!(bank.trust_balance().await, (Fen::new(300), 0));
    let mut platform = Platform::subscribe(&bank).await;
    assert_eq!(platform.notification().await, second);
    bank.close().await;
}

#[tokio::test]
async fn a_refund_is_paid_once_and_never_to_a_closed_account() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    pay(&bank.address().to_string(), transfer("P1", 500))
        .await
        .unwrap();
    let mut platform = Platform::subscribe(&bank).await;
    platform.notification().await;
    bank.set_closed("62220001", true).await;
    let refused = platform.refund("R1", "62220001", 500).await;
    assert!(matches!(refused, PaymentStatus::Rejected { code, .. } if code == "AC04"));
    bank.set_closed("62220001", false).await;
    assert_eq!(
        platform.refund("R1", "62220001", 500).await,
        PaymentStatus::Settled
    );
    assert_eq!(
        platform.refund("R1", "62220001", 500).await,
        PaymentStatus::Settled
    );
    assert_eq!(bank.trust_balance().await, (Fen::ZERO, 1));
    bank.close().await;

    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    let mut platform = Platform::subscribe(&bank).await;
    platform.notification().await;
    assert_eq!(
        platform.refund("R1", "62220001", 500).await,
        PaymentStatus::Settled
    );
    assert_eq!(bank.trust_balance().await, (Fen::ZERO, 1));
    let poor = platform.refund("R2", "62220001", 1).await;
    assert!(matches!(poor, PaymentStatus::Rejected { code, .. } if code == "AM04"));
    bank.close().await;
}

#[tokio::test]
async fn late_payments_wait_for_their_time_and_faults_come_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    let address = bank.address().to_string();
    let late = Transfer {
        execute_at: Instant::from_seconds(60),
        notify_twice: true,
        ..transfer("L1", 100)
    };
    assert_eq!(
        pay(&address, late.clone()).await.unwrap(),
        PaymentStatus::Pending
    );
    let wrong = Transfer {
        account: "12345678901234567897".into(),
        ..transfer("W1", 1)
    };
    let wrong = pay(&address, wrong).await.unwrap();
    assert!(matches!(wrong, PaymentStatus::Rejected { code, .. } if code == "AC01"));
    let mut platform = Platform::subscribe(&bank).await;
    clock.0.store(61, Ordering::SeqCst);
    let first = platform.notification().await;
    assert_eq!(first.credits[0].booked_at, Instant::from_seconds(61));
    assert_eq!(platform.notification().await, first);
    assert_eq!(pay(&address, late).await.unwrap(), PaymentStatus::Settled);
    bank.close().await;
}

#[tokio::test]
async fn a_torn_end_of_the_books_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    pay(&bank.address().to_string(), transfer("P1", 500))
        .await
        .unwrap();
    bank.close().await;
    let file = folder.path().join("bank");
    let mut bytes = std::fs::read(&file).unwrap();
    let whole = bytes.len();
    bytes.extend([0, 0, 1, 0, b'<']);
    std::fs::write(&file, bytes).unwrap();
    let bank = Bank::open(loopback(), options(folder.path(), &clock))
        .await
        .unwrap();
    assert_eq!(bank.trust_balance().await, (Fen::new(500), 0));
    bank.close().await;
    assert_eq!(std::fs::read(&file).unwrap().len(), whole);
    let public = Bank::open(([0, 0, 0, 0], 0).into(), options(folder.path(), &clock)).await;
    assert!(matches!(public, Err(BankFault::NotLoopback(_))));
}

#[test]
fn virtual_accounts_have_a_check_digit() {
    assert!(is_virtual_account(ACCOUNT));
    assert!(!is_virtual_account("12345678901234567895"));
    assert!(!is_virtual_account("21345678901234567894"));
    assert!(!is_virtual_account("1234"));
    assert!(!is_virtual_account("１２３４５６７"));
}
