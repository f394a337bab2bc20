//! A lawful tender and its holders, for tests.

use sunbid_contracts::{
    common::v1::{Category, FileDigest, LogHead, Track},
    tender::v1::{
        Clause, ClauseRole, Conditions, Holder, Lot, Medium, MediumKind, PartClass,
        PartRequirement, ProcurementMethod, Review, ReviewKind, ScoringFactor, SheetField,
        SheetFieldType, Tender, Timetable,
    },
};
use sunbid_rules::Engine;
use sunbid_sealing::{
    CryptoRngCore, IdentityKey, KeyShare, OsRng, SecretScalar, TenderKey,
    ceremony::{Committed, Outcome, Revealed, Shared, answer_canary, join},
};
use sunbid_terms::Instant;

use crate::{Aggregate, Event, notice::facts};

use super::{
    Dossier,
    ceremony::{self, COMMITMENT, PACKAGE, SHARES},
    draft::{self, Author},
    life, rounds,
};

pub const PURCHASER: &str = "organizations/12140600405600266Y";
pub const NAME: &str = "tenders/3f0e0f6e-0000-4000-8000-000000000000";

pub fn author() -> Author<'static> {
    Author {
        subject: "organizations/12140600405600266Y/subjects/a",
        organization: PURCHASER,
    }
}

/// A Monday morning.
pub fn start() -> Instant {
    Instant::parse("2026-03-02T09:00:00+08:00").unwrap()
}

pub fn head() -> LogHead {
    LogHead {
        log_id: vec![1; 16],
        size: 1,
        root: vec![2; 32],
    }
}

/// Goods for three million yuan, lawful if announced at `at`.
pub fn tender(at: Instant) -> Tender {
    let engine = Engine::new().unwrap();
    let mut tender = Tender {
        track: Track::GovernmentProcurement as i32,
        category: Category::Goods as i32,
        method: ProcurementMethod::OpenTender as i32,
        title: "教学设备采购".to_owned(),
        purchaser_display_name: "采购人甲".to_owned(),
        jurisdiction: "CN-140600".to_owned(),
        lots: vec![Lot {
            lot_id: "01".to_owned(),
            title: "教学设备".to_owned(),
            budget_fen: 300_000_000,
            ceiling_fen: 290_000_000,
            deposit_fen: 5_000_000,
        }],
        parts: vec![
            part(0, PartClass::OpeningSheet, "开标一览表"),
            part(1, PartClass::Evaluation, "投标文件"),
        ],
        sheet: vec![SheetField {
            key: "price".to_owned(),
            label_zh: "投标报价".to_owned(),
            label_en: "Price".to_owned(),
            r#type: SheetFieldType::Amount as i32,
            required: true,
        }],
        conditions: Some(Conditions {
            plan_filing_number: "计划1".to_owned(),
            urgent_reason: "设备损坏，不可预见。".to_owned(),
            reserved_for_small_enterprises: true,
            reserved_for_small_fen: 180_000_000,
            clauses: vec![Clause {
                role: ClauseRole::Qualification as i32,
                text: "具有独立承担民事责任的能力".to_owned(),
                answer: String::new(),
            }],
            scoring_factors: vec![ScoringFactor {
                name: "价格".to_owned(),
                quantified: true,
            }],
            media: vec![Medium {
                kind: MediumKind::ProvincialGovernmentProcurement as i32,
                name: "中国政府采购网省级分网".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let scope = facts::scope(tender.track, &tender.jurisdiction, at).unwrap();
    let plan = engine
        .timetable(&scope, facts::method(tender.method()), at)
        .unwrap();
    tender.timetable = Some(Timetable {
        document_from_us: at.micros(),
        document_until_us: plan.document_until.micros(),
        bid_deadline_us: plan.bid_deadline.micros(),
        objection_window_seconds: 300,
        bid_validity_days: 90,
        announcement_until_us: plan.announcement_until.map_or(0, Instant::micros),
    });
    tender
}

fn part(part: i32, class: PartClass, title: &str) -> PartRequirement {
    PartRequirement {
        part,
        class: class as i32,
        title: title.to_owned(),
        required: true,
        max_bytes: 1 << 20,
    }
}

pub fn document() -> FileDigest {
    FileDigest {
        file_name: "招标文件.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        size_bytes: 10,
        sha256: vec![3; 32],
    }
}

pub fn review(kind: ReviewKind) -> Review {
    Review {
        kind: kind as i32,
        reviewer: format!("{PURCHASER}/subjects/b"),
        passed: true,
        conclusion: "通过。".to_owned(),
        at_us: 1,
    }
}

/// A log in the making: events and their fold, always together.
#[derive(Clone, Default)]
pub struct Story {
    pub events: Vec<(Event, Instant)>,
    pub dossier: Dossier,
}

impl Story {
    pub fn tell(&mut self, events: Vec<Event>, at: Instant) {
        for event in events {
            self.dossier.evolve(&event, at).unwrap();
            self.events.push((event, at));
        }
    }

    pub fn tender(&self) -> &Tender {
        self.dossier.tender.as_ref().unwrap()
    }

    /// A reviewed draft with its document.
    pub fn reviewed(at: Instant) -> Self {
        let mut story = Self::default();
        let events = draft::create(&story.dossier, &tender(at), author(), NAME, 7, at).unwrap();
        story.tell(events, at);
        let events = draft::add_document(
            &story.dossier,
            PURCHASER,
            "organizations/x/subjects/author",
            &document(),
        )
        .unwrap();
        story.tell(events, at);
        for kind in [ReviewKind::Internal, ReviewKind::FairCompetition] {
            let events = life::review(&story.dossier, PURCHASER, review(kind)).unwrap();
            story.tell(events, at);
        }
        story
    }

    /// With the ceremony of these holders under way.
    pub fn started(at: Instant, holders: &[Member]) -> Self {
        let mut story = Self::reviewed(at);
        let records = holders.iter().map(|member| member.record.clone()).collect();
        let events = ceremony::start(&story.dossier, PURCHASER, records, 2, [9; 32]).unwrap();
        story.tell(events, at);
        story
    }

    /// With the key standing.
    pub fn ready(at: Instant) -> Self {
        let mut members = Member::three();
        let mut story = Self::started(at, &members);
        for _ in 0..5 {
            for member in &mut members {
                let message = member.answer(&story);
                let own = member.record.organization.clone();
                let events = rounds::post(&story.dossier, &own, &message, &mut OsRng).unwrap();
                story.tell(events, at);
            }
        }
        story
    }
}

/// Where a holder stands.
pub enum Seat {
    Outside,
    Committed(Committed),
    Revealed(Revealed),
    Shared(Shared),
    Done(Box<(TenderKey, KeyShare)>),
}

/// An honest holder.
pub struct Member {
    pub record: Holder,
    pub identity: IdentityKey,
    encryption: SecretScalar,
    pub seat: Seat,
}

impl Member {
    pub fn three() -> Vec<Self> {
        [
            "91110108551385082Q",
            "9144030071526726XG",
            "12350100MB02709751",
        ]
        .into_iter()
        .zip(1..)
        .map(|(code, index)| {
            let identity = IdentityKey::from_seed(&[index; 32]).unwrap();
            let encryption = SecretScalar::random(&mut OsRng).unwrap();
            let record = Holder {
                index: i32::from(index),
                organization: format!("organizations/{code}"),
                display_name: format!("机构{index}"),
                identity_key: identity.public().to_vec(),
                encryption_key: encryption.public().as_bytes().to_vec(),
            };
            Self {
                record,
                identity,
                encryption,
                seat: Seat::Outside,
            }
        })
        .collect()
    }

    /// The message of the round that runs.
    pub fn answer(&mut self, story: &Story) -> sunbid_contracts::tender::v1::CeremonyMessage {
        let rng: &mut dyn CryptoRngCore = &mut OsRng;
        let record = story.dossier.ceremony.as_ref().unwrap();
        let terms = ceremony::terms(record).unwrap();
        let of = |round| ceremony::messages(record, round).unwrap();
        match std::mem::replace(&mut self.seat, Seat::Outside) {
            Seat::Outside => {
                let index = u16::try_from(self.record.index).unwrap();
                let (next, message) =
                    join(&terms, index, &self.identity, &self.encryption, rng).unwrap();
                self.seat = Seat::Committed(next);
                ceremony::posted_message(&message)
            }
            Seat::Committed(seat) => {
                let (next, message) = seat.reveal(&of(COMMITMENT), &self.identity).unwrap();
                self.seat = Seat::Revealed(next);
                ceremony::posted_message(&message)
            }
            Seat::Revealed(seat) => {
                let (next, message) = seat.share(&of(PACKAGE), &self.identity, rng).unwrap();
                self.seat = Seat::Shared(next);
                ceremony::posted_message(&message)
            }
            Seat::Shared(seat) => {
                let outcome = seat
                    .conclude(&of(SHARES), &self.identity, &self.encryption, rng)
                    .unwrap();
                let Outcome::Certified(certified) = outcome else {
                    panic!("an honest holder complains");
                };
                let message = ceremony::posted_certificate(&certified.certificate);
                self.seat = Seat::Done(Box::new((certified.key, certified.share)));
                message
            }
            Seat::Done(own) => {
                let canary = ceremony::rehearsal(&record.rehearsal_envelope).unwrap();
                let partial = answer_canary(&terms, &own.0, &own.1, &canary, rng).unwrap();
                self.seat = Seat::Done(own);
                ceremony::posted_rehearsal(&partial)
            }
        }
    }
}
