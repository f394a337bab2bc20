//! A tender, its committee and its bid log in memory, for the tests of this folder.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use prost::Message as _;
use sunbid_contracts::bid::v1::{Bid, BidSubmitted, BidWithdrawn, BiddingOpened, EnvelopePart};
use sunbid_contracts::common::v1::{LogHead, Record as Body, Track};
use sunbid_contracts::journal::v1::LogEntry;
use sunbid_contracts::tender::v1::{
    Holder, Lot, PartClass, PartRequirement, SheetField, SheetFieldType, Tender, Timetable,
};
use sunbid_proofs::StreamId;
use sunbid_proofs::record::{Record, RecordHeader};
use sunbid_sealing::ceremony::{CeremonyTerms, HolderKeys, Outcome, join};
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Element, IdentityKey, KeyShare, Label, OsRng, Rescue,
    SecretScalar, Subject, TenderKey, Workers, seal, supplier_message,
};
use sunbid_terms::Instant;

use super::bid_log::{BidLog, LoggedEvent};
use super::check::Supplier;
use super::closing::{self, ClosedBids, ClosingFault};
use crate::bid::{OwnBid, TenderBox};
use crate::{Aggregate, Event};

pub const TENDER: &str = "tenders/5e3d4a6c-6c1f-4a52-9f6e-0a3b1f6f2b11";
pub const ORIGIN: &str = "sandbox.test";
/// Seconds.
pub const DEADLINE: i64 = 1_800_000_000;
pub const HOLDERS: usize = 3;
pub const THRESHOLD: usize = 2;

pub struct Committee {
    pub identities: Vec<IdentityKey>,
    pub key: TenderKey,
    pub shares: Vec<KeyShare>,
}

/// Three holders of whom two must act; made once.
pub fn committee() -> &'static Committee {
    static COMMITTEE: OnceLock<Committee> = OnceLock::new();
    COMMITTEE.get_or_init(|| {
        let secrets: Vec<_> = (1..=HOLDERS as u8)
            .map(|seed| {
                (
                    IdentityKey::from_seed(&[seed; 32]).unwrap(),
                    SecretScalar::random(&mut OsRng).unwrap(),
                )
            })
            .collect();
        let keys = secrets
            .iter()
            .map(|(identity, secret)| HolderKeys {
                identity: *identity.public(),
                encryption: secret.public(),
            })
            .collect();
        let terms = CeremonyTerms::new([1; 32], THRESHOLD as u16, keys, [2; 32]).unwrap();
        let (joined, commitments): (Vec<_>, Vec<_>) = secrets
            .iter()
            .zip(1..)
            .map(|((identity, secret), index)| {
                join(&terms, index, identity, secret, &mut OsRng).unwrap()
            })
            .unzip();
        let (revealed, packages): (Vec<_>, Vec<_>) = joined
            .into_iter()
            .zip(&secrets)
            .map(|(state, (identity, _))| state.reveal(&commitments, identity).unwrap())
            .unzip();
        let (shared, posted): (Vec<_>, Vec<_>) = revealed
            .into_iter()
            .zip(&secrets)
            .map(|(state, (identity, _))| state.share(&packages, identity, &mut OsRng).unwrap())
            .unzip();
        let (mut shares, mut key) = (Vec::new(), None);
        for (state, (identity, secret)) in shared.into_iter().zip(&secrets) {
            let Outcome::Certified(certified) = state
                .conclude(&posted, identity, secret, &mut OsRng)
                .unwrap()
            else {
                panic!("an honest ceremony has no complaints");
            };
            key = Some(certified.key);
            shares.push(certified.share);
        }
        let identities = secrets.into_iter().map(|(identity, _)| identity).collect();
        Committee {
            identities,
            key: key.unwrap(),
            shares,
        }
    })
}

/// The evaluators' key.
pub fn reader() -> Element {
    static READER: OnceLock<Element> = OnceLock::new();
    *READER.get_or_init(|| SecretScalar::random(&mut OsRng).unwrap().public())
}

pub fn tender() -> Tender {
    let committee = committee();
    let part = |part: i32, class: PartClass| PartRequirement {
        part,
        class: class as i32,
        required: true,
        max_bytes: 1 << 20,
        ..PartRequirement::default()
    };
    let holder = |(identity, index): (&IdentityKey, i32)| Holder {
        index,
        organization: format!("organizations/HOLDER{index}"),
        identity_key: identity.public().to_vec(),
        ..Holder::default()
    };
    Tender {
        name: TENDER.into(),
        title: "试验项目".into(),
        track: Track::Engineering as i32,
        purchaser: "organizations/PURCHASER".into(),
        lots: ["01", "02"]
            .map(|lot_id| Lot {
                lot_id: lot_id.into(),
                ..Lot::default()
            })
            .to_vec(),
        parts: vec![
            part(0, PartClass::OpeningSheet),
            part(1, PartClass::Evaluation),
            part(2, PartClass::SecondStage),
        ],
        sheet: vec![SheetField {
            key: "price".into(),
            r#type: SheetFieldType::Amount as i32,
            required: true,
            ..SheetField::default()
        }],
        timetable: Some(Timetable {
            bid_deadline_us: at(DEADLINE).micros(),
            ..Timetable::default()
        }),
        holders: committee.identities.iter().zip(1..).map(holder).collect(),
        threshold: THRESHOLD as i32,
        key_id: committee.key.id().to_vec(),
        public_key: committee.key.sealing().element().as_bytes().to_vec(),
        evaluator_key: reader().as_bytes().to_vec(),
        ..Tender::default()
    }
}

pub const fn at(seconds: i64) -> Instant {
    Instant::from_seconds(seconds)
}

/// A bid log as the bid service writes it, folded by its own aggregates.
pub struct Log {
    pub events: Vec<(String, LoggedEvent)>,
    pub tender_box: TenderBox,
    pub bids: BTreeMap<String, OwnBid>,
    pub now: Instant,
    /// Sealed payloads by their roots.
    pub payloads: BTreeMap<[u8; 32], Vec<u8>>,
    pub rescues: Vec<Rescue>,
}

impl Log {
    pub fn opened() -> Self {
        let mut log = Self {
            events: Vec::new(),
            tender_box: TenderBox::default(),
            bids: BTreeMap::new(),
            now: at(DEADLINE - 1_000),
            payloads: BTreeMap::new(),
            rescues: Vec::new(),
        };
        let opened = BiddingOpened {
            tender: Some(tender()),
            notice_head: Some(LogHead::default()),
        };
        log.record("box", Event::of(&opened));
        log
    }

    pub fn record(&mut self, stream: &str, event: Event) {
        if stream == "box" {
            self.tender_box.evolve(&event, self.now).unwrap();
        } else {
            self.bids
                .entry(stream.into())
                .or_default()
                .evolve(&event, self.now)
                .unwrap();
        }
        let seq = self.events.len() as u64;
        self.events.push((
            stream.into(),
            LoggedEvent {
                seq,
                at: self.now,
                event,
            },
        ));
    }

    pub fn own(&self, lot: &str, code: &str) -> OwnBid {
        self.bids
            .get(&format!("{lot}/{code}"))
            .cloned()
            .unwrap_or_default()
    }

    /// Submits or replaces; `sheet` is the content of part 0.
    pub fn submit(&mut self, lot: &str, code: &str, sheet: &[u8]) {
        let revision = self.own(lot, code).last_revision() + 1;
        let bid = self.bid(lot, code, revision, sheet);
        let seq = self.events.len() as i64;
        self.record(
            &format!("{lot}/{code}"),
            Event::of(&BidSubmitted {
                bid: Some(bid),
                seq,
            }),
        );
    }

    pub fn withdraw(&mut self, lot: &str, code: &str) {
        let own = self.own(lot, code);
        let Some(live) = own.live() else { return };
        let message = [
            b"SEALBID-V1 supplier withdrawal\0".as_slice(),
            code.as_bytes(),
            &live.bundle,
        ]
        .concat();
        let withdrawn = BidWithdrawn {
            bid: live.name.clone(),
            bundle: live.bundle.clone(),
            certificate: code.as_bytes().to_vec(),
            signature: sign(code, &message),
            bidder: live.bidder.clone(),
            lot_id: lot.into(),
            seq: self.events.len() as i64,
            ..BidWithdrawn::default()
        };
        self.record(&format!("{lot}/{code}"), Event::of(&withdrawn));
    }

    fn bid(&mut self, lot: &str, code: &str, revision: i64, sheet: &[u8]) -> Bid {
        let contents = [
            (0, Class::Public, sheet),
            (1, Class::Evaluators, b"plan"),
            (2, Class::AfterDecision, b"price"),
        ];
        let mut headers = Vec::new();
        let mut parts = Vec::new();
        for (part, class, content) in contents {
            let subject = Subject {
                tender: Label::new(TENDER).unwrap(),
                lot: Label::new(lot).unwrap(),
                part,
                class,
                bidder: Label::new(code).unwrap(),
                revision: revision as u32,
                not_before: (self.tender_box.deadline_us / 1_000_000) as u64,
            };
            let mut payload = Vec::new();
            let key = committee().key.sealing();
            let length = content.len() as u64;
            let sealed = seal(
                key,
                &subject,
                length,
                content,
                &mut payload,
                Workers::ONE,
                &mut OsRng,
            )
            .unwrap();
            let header = CheckedHeader::parse(&sealed.header.encode()).unwrap();
            self.rescues.push(sealed.rescue);
            parts.push(EnvelopePart {
                header: header.encode(),
                header_id: header.id().to_vec(),
                part: part.into(),
                payload_bytes: payload.len() as i64,
                payload_root: header.payload_root().to_vec(),
            });
            self.payloads.insert(*header.payload_root(), payload);
            headers.push(header);
        }
        let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())
            .unwrap()
            .id();
        Bid {
            name: format!("{TENDER}/lots/{lot}/bids/{code}"),
            tender: TENDER.into(),
            lot_id: lot.into(),
            bidder: format!("organizations/{code}"),
            revision,
            bundle: bundle.to_vec(),
            parts,
            certificate: code.as_bytes().to_vec(),
            signature: sign(code, &supplier_message(code.as_bytes(), &bundle)),
            ..Bid::default()
        }
    }

    /// Writes the closing record as the bid service decides it.
    pub fn close(&mut self) {
        self.now = self.now.max(self.tender_box.deadline());
        let bids: Vec<OwnBid> = self.bids.values().cloned().collect();
        let closed = crate::bid::closing(&self.tender_box, &bids);
        self.record("box", Event::of(&closed));
    }

    /// The records as they travel.
    pub fn entries(&self) -> Vec<LogEntry> {
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        self.events
            .iter()
            .map(|(stream, logged)| {
                let version = versions.entry(stream).or_default();
                *version += 1;
                let body = Body {
                    r#type: logged.event.name.clone(),
                    event: logged.event.bytes.clone(),
                    ..Body::default()
                };
                let salted = [vec![9; 32], body.encode_to_vec()].concat();
                let header = RecordHeader {
                    log: closing::log_of(TENDER),
                    seq: logged.seq,
                    stream: StreamId::of(stream),
                    version: *version,
                    at: logged.at.micros(),
                };
                LogEntry {
                    seq: logged.seq as i64,
                    record: Record::new(header, &salted).encode(),
                    salted_body: Some(salted),
                }
            })
            .collect()
    }

    pub fn fold(&self) -> Result<ClosedBids, ClosingFault> {
        let log = BidLog::read(closing::log_of(TENDER), &self.entries()).unwrap();
        closing::fold(TENDER, ORIGIN, &log.events, &log.head())
    }
}

/// A signature that stands for one by the key of the certificate, which here is the code itself.
pub fn sign(code: &str, message: &[u8]) -> Vec<u8> {
    sunbid_proofs::hash::sha256(&[code.as_bytes(), message]).to_vec()
}

pub fn supplier(
    certificate: &[u8],
    _: &[Vec<u8>],
    message: &[u8],
    signature: &[u8],
    _: Instant,
) -> Result<Supplier, String> {
    let code = String::from_utf8(certificate.to_vec()).unwrap();
    if sign(&code, message) != signature {
        return Err("the signature is forged".into());
    }
    Ok(Supplier {
        organization_name: format!("{code}公司"),
        credit_code: code,
    })
}
