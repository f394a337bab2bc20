//! Messages through the front door: they come back as they went, and what is wrong is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

use proptest::prelude::*;
use sunbid_bankwire::{
    Credit, CreditNotification, Message, MessageFault, Outcome, Party, Payment, PaymentOrder,
    PaymentStatus, ReceiptAcknowledgement, ReportingRequest, StatusReport, message_id,
};
use sunbid_terms::{Fen, Instant};

fn credit(reference: &str) -> Credit {
    Credit {
        bank_reference: reference.to_owned(),
        amount: Fen::new(50_000_000),
        booked_at: Instant::from_seconds(1_770_000_000),
        payer: Party {
            name: "甲公司 <&> \"乙\"".to_owned(),
            account: "140600000000000001".to_owned(),
        },
        payee_account: "12345678901234567897".to_owned(),
        end_to_end_id: "E2E-1".to_owned(),
        remittance: "投标保证金".to_owned(),
    }
}

fn notification() -> CreditNotification {
    CreditNotification {
        id: "N-1".to_owned(),
        created_at: Instant::from_seconds(1_770_000_001),
        account: "140699990000000001".to_owned(),
        credits: vec![credit("B-1"), credit("B-2")],
    }
}

fn order() -> PaymentOrder {
    let payment = |id: &str, fen| Payment {
        end_to_end_id: id.to_owned(),
        amount: Fen::new(fen),
        creditor: Party {
            name: "乙公司".to_owned(),
            account: "62220000".to_owned(),
        },
        instruction: String::new(),
        remittance: "退还投标保证金".to_owned(),
    };
    PaymentOrder {
        id: "O-1".to_owned(),
        created_at: Instant::from_seconds(1),
        initiator: "交易中心".to_owned(),
        debtor: Party {
            name: "交易中心".to_owned(),
            account: "140699990000000001".to_owned(),
        },
        execute_at: Instant::from_seconds(2),
        payments: vec![payment("P-1", 1), payment("P-2", 250)],
    }
}

/// The message with one text replaced, which must be there.
fn changed(xml: &str, from: &str, to: &str) -> Result<Message, MessageFault> {
    assert!(xml.contains(from), "{from} is not in {xml}");
    Message::parse(xml.replacen(from, to, 1).as_bytes())
}

#[test]
fn a_chinese_credit_comes_back() {
    let sent = Message::CreditNotification(notification());
    let xml = sent.to_xml();
    assert!(xml.contains("<Amt Ccy=\"CNY\">500000.00</Amt>"), "{xml}");
    assert_eq!(Message::parse(xml.as_bytes()), Ok(sent));
    assert_eq!(message_id(xml.as_bytes()), Some("N-1".to_owned()));
}

#[test]
fn what_is_wrong_with_a_credit_is_named() {
    let xml = notification().to_xml();
    let amount = "<Amt Ccy=\"CNY\">500000.00</Amt>";
    let fault = |to: &str| changed(&xml, amount, to).unwrap_err();
    assert!(matches!(fault(""), MessageFault::Form(text) if text.contains("Amt")));
    assert!(
        matches!(fault("<Amt Ccy=\"USD\">1.00</Amt>"), MessageFault::Currency(c) if c == "USD")
    );
    assert!(matches!(fault("<Amt>1.00</Amt>"), MessageFault::Form(text) if text.contains("Ccy")));
    assert!(matches!(
        fault("<Amt Ccy=\"CNY\">1.001</Amt>"),
        MessageFault::Decimals(_)
    ));
    assert!(matches!(
        fault("<Amt Ccy=\"CNY\"></Amt>"),
        MessageFault::Amount(_)
    ));
    assert!(matches!(
        fault("<Amt Ccy=\"CNY\"/>"),
        MessageFault::Amount(_)
    ));
    assert!(matches!(
        fault("<Amt Ccy=\"CNY\">-5.00</Amt>"),
        MessageFault::Amount(_)
    ));
    assert!(matches!(fault(&amount.repeat(2)), MessageFault::Form(_)));
    assert!(matches!(
        changed(&xml, "<CdtDbtInd>CRDT</CdtDbtInd>", "<CdtDbtInd>CRDT</CdtDbtInd><RvslInd>true</RvslInd>"),
        Err(MessageFault::Form(text)) if text.contains("RvslInd")
    ));
    assert!(matches!(
        changed(&xml, "CRDT", "DBIT"),
        Err(MessageFault::Value {
            element: "CdtDbtInd",
            ..
        })
    ));
    assert!(matches!(
        changed(&xml, "12345678901234567897", "12-34"),
        Err(MessageFault::Value {
            element: "CdtrAcct",
            ..
        })
    ));
    assert_eq!(
        changed(&xml, "B-2", "B-1"),
        Err(MessageFault::Duplicate {
            element: "AcctSvcrRef",
            id: "B-1".to_owned()
        })
    );
    assert!(matches!(
        changed(&xml, "camt.054.001.08", "camt.054.001.02"),
        Err(MessageFault::Kind(_))
    ));
    assert!(matches!(
        changed(&xml, "</Document>", ""),
        Err(MessageFault::Malformed(_))
    ));
    assert!(matches!(
        changed(&xml, "</Document>", "</Document>x"),
        Err(MessageFault::Malformed(_))
    ));
    assert!(matches!(
        changed(
            &xml,
            "<Document",
            "<!DOCTYPE x [<!ENTITY e \"y\">]><Document"
        ),
        Err(MessageFault::Unwanted(_))
    ));
    assert!(matches!(
        Message::parse(&[b'<', 0xff]),
        Err(MessageFault::Encoding(1))
    ));
}

#[test]
fn orders_say_what_they_hold() {
    let xml = order().to_xml();
    assert_eq!(
        Message::parse(xml.as_bytes()),
        Ok(Message::PaymentOrder(order()))
    );
    assert!(matches!(
        changed(&xml, "<NbOfTxs>2<", "<NbOfTxs>3<"),
        Err(MessageFault::Count { found: 2, .. })
    ));
    assert!(matches!(
        changed(&xml, "<CtrlSum>2.51<", "<CtrlSum>2.52<"),
        Err(MessageFault::Sum { .. })
    ));
    assert!(matches!(
        changed(&xml, "P-2", "P-1"),
        Err(MessageFault::Duplicate { .. })
    ));
    assert!(matches!(
        changed(&xml, "TRF", "CHK"),
        Err(MessageFault::Value { .. })
    ));
}

#[test]
fn reports_requests_and_receipts_come_back() {
    let at = Instant::from_seconds(5);
    let rejected = PaymentStatus::Rejected {
        code: "AC04".into(),
        text: "账户已销户".into(),
    };
    let outcome = |id: &str, status| Outcome {
        end_to_end_id: id.into(),
        status,
    };
    let report = StatusReport {
        id: "R-1".into(),
        created_at: at,
        order_id: "O-1".into(),
        outcomes: vec![
            outcome("P-1", PaymentStatus::Settled),
            outcome("P-2", rejected),
        ],
    };
    let request = ReportingRequest {
        id: "S-1".into(),
        created_at: at,
        account: "1".into(),
        owner: "交易中心".into(),
    };
    let receipt = |fault: &str| ReceiptAcknowledgement {
        id: "A-1".into(),
        created_at: at,
        message_id: "N-1".into(),
        fault: fault.into(),
    };
    for sent in [
        Message::StatusReport(report.clone()),
        Message::ReportingRequest(request),
        Message::ReceiptAcknowledgement(receipt("")),
        Message::ReceiptAcknowledgement(receipt("the amount is missing")),
    ] {
        assert_eq!(Message::parse(sent.to_xml().as_bytes()), Ok(sent));
    }
    let xml = report.to_xml();
    assert!(changed(&xml, "ACSC", "ACWC").is_err());
    assert!(changed(&xml, "ACSC", "RJCT").is_err());
    assert!(changed(&xml, "<Cd>AC04</Cd>", "<Cd>LONG5</Cd>").is_err());
}

fn name() -> impl Strategy<Value = String> {
    "[\\p{Han}A-Za-z0-9<>&'\"（）·]{1,20}"
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9/:.,'+_-]{1,35}"
}

prop_compose! {
    fn any_credit()(
        amount in 1..i64::MAX / 4, booked in 0..4_000_000_000_000_000_i64, name in name(),
        account in "[A-Z0-9]{1,34}", payee in "[0-9]{20}", e2e in id(), remittance in "[\\p{Han}<&]{0,20}",
    ) -> Credit {
        Credit {
            bank_reference: String::new(),
            amount: Fen::new(amount),
            booked_at: Instant::from_micros(booked),
            payer: Party { name, account },
            payee_account: payee,
            end_to_end_id: e2e,
            remittance,
        }
    }
}

proptest! {
    #[test]
    fn credits_come_back(
        mut credits in prop::collection::vec(any_credit(), 1..4), id in id(), account in "[0-9]{1,34}",
    ) {
        for (at, credit) in credits.iter_mut().enumerate() {
            credit.bank_reference = format!("B{at}");
        }
        let sent = CreditNotification { id, created_at: Instant::from_seconds(9), account, credits };
        prop_assert_eq!(
            Message::parse(sent.to_xml().as_bytes()),
            Ok(Message::CreditNotification(sent))
        );
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
        let _ = message_id(&bytes);
    }

    #[test]
    fn spoiled_messages_never_panic_nor_gain_credits(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let sent = notification();
        let mut xml = sent.to_xml().into_bytes();
        let at = at.index(xml.len());
        xml[at] = byte;
        if let Ok(Message::CreditNotification(read)) = Message::parse(&xml) {
            prop_assert_eq!(read.credits.len(), sent.credits.len());
        }
        let _ = message_id(&xml);
        let _ = Message::parse(&xml[..at]);
    }
}
