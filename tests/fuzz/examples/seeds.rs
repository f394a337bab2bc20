//! What the corpus began with: real messages of every family, from the published vectors of sealing, a
//! tender's public records and the banks' five messages. `cargo run --workspace --example seeds FOLDER`
//! writes them into FOLDER/TARGET/, from where `tests/fuzz.sh merge` takes what is new.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool of the tests"
)]

use std::{fs, path::PathBuf};

use prost::Message as _;
use sunbid_bankwire::{
    Credit, CreditNotification, Message, Outcome, Party, Payment, PaymentOrder, PaymentStatus,
    ReceiptAcknowledgement, ReportingRequest, StatusReport, frame,
};
use sunbid_certificates::{pem, trial::TrialAuthority};
use sunbid_contracts::{
    audit::v1::DisclosedLog, bid::v1 as bid, common::v1::Record, notice::v1 as notice,
    tender::v1 as tender,
};
use sunbid_fuzz::{disclosure, event_number, request_number, vectors};
use sunbid_proofs::record::SALT_LENGTH;
use sunbid_terms::{Fen, Instant};

struct Seeds {
    folder: PathBuf,
    count: usize,
}

impl Seeds {
    fn put(&mut self, target: &str, choice: u8, bytes: &[u8]) {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        self.count += 1;
        let input = [&[choice], bytes].concat();
        fs::write(folder.join(format!("seed-{:03}", self.count)), input)
            .expect("it can be written");
    }
}

fn main() {
    let folder = std::env::args().nth(1).expect("say which folder");
    let mut seeds = Seeds {
        folder: folder.into(),
        count: 0,
    };
    sealing(&mut seeds);
    certificates(&mut seeds);
    bank(&mut seeds);
    records(&mut seeds);
    requests(&mut seeds);
    texts(&mut seeds);
    println!("{} seeds", seeds.count);
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("it is short");
    [&length.to_be_bytes(), bytes].concat()
}

fn sealing(seeds: &mut Seeds) {
    let header = |at: usize| vectors::bytes(&format!("/envelopes/{at}/header"));
    for at in 0..3 {
        seeds.put("envelope", 0, &header(at));
    }
    let bundle: Vec<u8> = (0..3).flat_map(|at| long(&header(at))).collect();
    seeds.put("envelope", 1, &bundle);
    seeds.put("envelope", 2, &vectors::bytes("/envelopes/0/rescue"));
    seeds.put("envelope", 3, &vectors::bytes("/envelopes/0/partials/0"));
    seeds.put("envelope", 4, &vectors::bytes("/envelopes/1/deliveries/0"));
    seeds.put("envelope", 5, &vectors::bytes("/share_file/file"));
    seeds.put("envelope", 6, &vectors::bytes("/envelopes/0/payload"));
    seeds.put("ceremony", 0, &vectors::bytes("/ceremony/terms"));
    let transcript = vectors::bytes("/ceremony/transcript");
    let parsed = sunbid_sealing::ceremony::Transcript::parse(&transcript).expect("a transcript");
    for round in [&parsed.commitments, &parsed.packages, &parsed.shares] {
        if let Some(message) = round.first() {
            seeds.put("ceremony", 1, &message.encode());
        }
    }
    seeds.put("ceremony", 2, &transcript);
    seeds.put("ceremony", 3, &vectors::bytes("/ceremony/tender_key"));
    seeds.put("ceremony", 4, &vectors::bytes("/closing/record"));
    let canary = vectors::bytes("/canary/header");
    let length = u32::try_from(canary.len()).expect("it is short");
    let payload = vectors::bytes("/canary/payload");
    let rehearsal = [length.to_be_bytes().as_slice(), &canary, &payload].concat();
    seeds.put("ceremony", 5, &rehearsal);
}

fn certificates(seeds: &mut Seeds) {
    let root = include_bytes!("../certificates/root.der");
    let leaf = include_bytes!("../certificates/supplier.der");
    for der in [root.as_slice(), leaf] {
        seeds.put("certificate", 0, der);
        seeds.put("certificate", 3, pem::certificate(der).as_bytes());
        seeds.put("certificate", 5, der);
        seeds.put("certificate", 6, &[der, &[0x30; 70]].concat());
    }
    seeds.put("certificate", 1, &[long(leaf), long(root)].concat());
    seeds.put("certificate", 2, &[0x30, 6, 2, 1, 1, 2, 1, 1]);
    let at = Instant::from_seconds(1_800_000_000);
    let authority = TrialAuthority::new("seed", at, at.plus_seconds(86_400)).expect("an authority");
    seeds.put("certificate", 3, authority.key_pem().as_bytes());
    // Ed25519 in PKCS#8: a fixed head, then the seed.
    let head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let seed = vectors::bytes("/holders/0/identity_seed");
    seeds.put("certificate", 4, &[head.as_slice(), &seed].concat());
}

fn bank(seeds: &mut Seeds) {
    let party = |name: &str| Party {
        name: name.to_owned(),
        account: "140600000000000001".to_owned(),
    };
    let at = Instant::from_seconds(1_770_000_000);
    let credit = Credit {
        bank_reference: "B-1".to_owned(),
        amount: Fen::new(50_000_000),
        booked_at: at,
        payer: party("甲公司 <&>"),
        payee_account: "12345678901234567897".to_owned(),
        end_to_end_id: "E2E-1".to_owned(),
        remittance: "投标保证金".to_owned(),
    };
    let payment = Payment {
        end_to_end_id: "P-1".to_owned(),
        amount: Fen::new(250),
        creditor: party("乙公司"),
        instruction: String::new(),
        remittance: "退还投标保证金".to_owned(),
    };
    let outcome = |id: &str, status| Outcome {
        end_to_end_id: id.to_owned(),
        status,
    };
    let messages = [
        Message::CreditNotification(CreditNotification {
            id: "N-1".to_owned(),
            created_at: at,
            account: "140699990000000001".to_owned(),
            credits: vec![credit],
        }),
        Message::PaymentOrder(PaymentOrder {
            id: "O-1".to_owned(),
            created_at: at,
            initiator: "交易中心".to_owned(),
            debtor: party("交易中心"),
            execute_at: at,
            payments: vec![payment],
        }),
        Message::StatusReport(StatusReport {
            id: "S-1".to_owned(),
            created_at: at,
            order_id: "O-1".to_owned(),
            outcomes: vec![
                outcome("P-1", PaymentStatus::Settled),
                outcome("P-2", PaymentStatus::Pending),
                outcome(
                    "P-3",
                    PaymentStatus::Rejected {
                        code: "AC04".to_owned(),
                        text: "账户已销户".to_owned(),
                    },
                ),
            ],
        }),
        Message::ReportingRequest(ReportingRequest {
            id: "R-1".to_owned(),
            created_at: at,
            account: "140699990000000001".to_owned(),
            owner: "交易中心".to_owned(),
        }),
        Message::ReceiptAcknowledgement(ReceiptAcknowledgement {
            id: "A-1".to_owned(),
            created_at: at,
            message_id: "N-1".to_owned(),
            fault: "it could not be read".to_owned(),
        }),
    ];
    let mut stream = vec![7];
    for message in &messages {
        let xml = message.to_xml();
        seeds.put("bank", 0, xml.as_bytes());
        if stream.len() < 2000 {
            stream.extend(frame(xml.as_bytes()).expect("it is short"));
        }
    }
    seeds.put("bank", 1, &stream);
    seeds.put("bank", 2, b"message");
}

/// Logs of a tender's public records: their records, the events in them, and proofs.
fn records(seeds: &mut Seeds) {
    let files = disclosure::published();
    for path in ["index.note", "checkpoint.note"] {
        seeds.put("proof", 0, &files[path]);
    }
    let note = sunbid_proofs::Note::parse(&files["checkpoint.note"]).expect("a note");
    for signature in note.signatures.iter().take(2) {
        seeds.put("proof", 1, signature.line().as_bytes());
    }
    seeds.put("proof", 2, disclosure::log_key().as_bytes());
    seeds.put("proof", 3, note.text.as_bytes());
    for path in ["tile/0/x001/234", "tile/entries/067.p/13", "tile/5/000"] {
        seeds.put("proof", 4, path.as_bytes());
    }
    seeds.put("proof", 5, &[0, 2, 0, 1, 9, 0, 2, 8, 8]);
    seeds.put("proof", 6, &[[0, 2].as_slice(), &[4; 64]].concat());
    let numbers = |one: u64, two: u64| [one.to_be_bytes(), two.to_be_bytes()].concat();
    seeds.put(
        "proof",
        9,
        &[5_u64.to_be_bytes().as_slice(), &[4; 64]].concat(),
    );
    seeds.put("proof", 10, &[numbers(3, 7).as_slice(), &[4; 96]].concat());
    seeds.put("proof", 11, &[numbers(3, 7).as_slice(), &[4; 128]].concat());
    seeds.put("proof", 8, &[7; 48]);
    for (path, aggregate) in [
        ("logs/tender.pb", 2),
        ("logs/intent.pb", 3),
        ("logs/notice.pb", 4),
        ("logs/bid.pb", 8),
        ("logs/opening.pb", 10),
    ] {
        let log = DisclosedLog::decode(files[path].as_slice()).expect("a log");
        if let Some(proof) = log.proofs.first() {
            seeds.put("proof", 12, &proof.encode_to_vec());
        }
        let mut story = Vec::new();
        for entry in &log.entries {
            if story.is_empty() {
                seeds.put("proof", 7, &entry.record);
            }
            let Some(body) = entry
                .salted_body
                .as_deref()
                .and_then(|b| b.get(SALT_LENGTH..))
            else {
                continue;
            };
            let body = Record::decode(body).expect("a body");
            if let Some(kind) = event_number(&body.r#type) {
                story.push(kind);
                story.extend(long(&body.event));
            }
        }
        seeds.put("event", aggregate, &story);
        if path == "logs/bid.pb" {
            seeds.put("event", 9, &story);
            seeds.put("event", 11, &story);
        }
    }
    for again in [0, 1] {
        seeds.put("disclosure", again, &[]);
        for (file, act) in (0..13).zip([0, 1, 2, 3, 4, 5, 6].into_iter().cycle()) {
            seeds.put("disclosure", again, &[file, act, 0, 40, 3, 1, 2, 3]);
        }
    }
}

fn requests(seeds: &mut Seeds) {
    let published = disclosure::announced();
    let announced = published
        .notice
        .and_then(|n| n.announced)
        .expect("a tender");
    let mut put = |name: &str, bytes: Vec<u8>| {
        seeds.put("request", request_number(name).expect("a request"), &bytes);
    };
    let id = "3f0e0f6e-0000-4000-8000-000000000000".to_owned();
    let create = tender::CreateTenderRequest {
        request_id: id.clone(),
        tender: Some(announced.clone()),
    };
    put(
        "sunbid.tender.v1.CreateTenderRequest",
        create.encode_to_vec(),
    );
    put(
        "sunbid.tender.v1.UpdateTenderRequest",
        create.encode_to_vec(),
    );
    let document = announced.documents.first().cloned();
    let upload = tender::UploadDocumentRequest {
        step: Some(tender::upload_document_request::Step::Header(
            tender::UploadDocumentHeader {
                request_id: id.clone(),
                tender: announced.name.clone(),
                document,
            },
        )),
    };
    put(
        "sunbid.tender.v1.UploadDocumentRequest",
        upload.encode_to_vec(),
    );
    let clarification = notice::PublishClarificationRequest {
        request_id: id.clone(),
        tender: announced.name.clone(),
        text: "澄清".to_owned(),
        affects_bids: true,
        ..notice::PublishClarificationRequest::default()
    };
    put(
        "sunbid.notice.v1.PublishClarificationRequest",
        clarification.encode_to_vec(),
    );
    let intent = notice::PublishIntentRequest {
        request_id: id.clone(),
        intent: Some(disclosure::intent()),
    };
    put(
        "sunbid.notice.v1.PublishIntentRequest",
        intent.encode_to_vec(),
    );
    let submit = bid::SubmitBidRequest {
        request_id: id,
        tender: announced.name,
        lot_id: "01".to_owned(),
        revision: 1,
        headers: vec![vectors::bytes("/envelopes/0/header")],
        certificate: include_bytes!("../certificates/supplier.der").to_vec(),
        ..bid::SubmitBidRequest::default()
    };
    put("sunbid.bid.v1.SubmitBidRequest", submit.encode_to_vec());
    for number in 0..100 {
        seeds.put("request", number, &[10, 1, b'1', 18, 1, b'2']);
    }
}

fn texts(seeds: &mut Seeds) {
    for (choice, text) in [
        (0, "tenders/3f0e0f6e-0000-4000-8000-000000000000"),
        (0, "organizations/91110108551385082Q"),
        (0, "organizations/91110108551385082Q/subjects/ab"),
        (0, "CN-140600"),
        (1, "CgF4EgF5.AAAA"),
        (2, "\u{3}a=bAAAA"),
        (3, "91110108551385082Q"),
        (4, "12345678901234567897"),
        (5, "1,234.56"),
        (6, "2026-03-02T09:00:00+08:00"),
        (7, "en-GB,zh;q=0.5"),
        (7, "500m"),
        (8, r#"{"k0":"123456","k1":"60","k2":"文\u0041\n","k3":"x"}"#),
        (8, r#"{"k0": "1"}"#),
        (9, "0123456789abcdef"),
    ] {
        seeds.put("text", choice, text.as_bytes());
    }
}
