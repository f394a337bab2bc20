use std::sync::OnceLock;

use proptest::prelude::*;
use sunbid_contracts::tender::v1::{
    CeremonyState, ReviewKind, Tender, TenderState, Termination, TerminationCause,
};
use sunbid_rules::Calendar;
use sunbid_sealing::OsRng;
use sunbid_terms::{Instant, MICROS};

use super::{
    Dossier, ceremony, draft,
    hash::document_hash,
    life, rounds,
    sample::{self, Member, PURCHASER, Story, start},
};
use crate::{Aggregate, Refusal};

fn fields(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::Fields(all) => all.into_iter().map(|one| one.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_wrong_fields_are_told_at_once() {
    let mut wrong = sample::tender(start());
    wrong.title.clear();
    wrong.track = 0;
    wrong.jurisdiction = "Shuozhou".to_owned();
    wrong.lots.push(wrong.lots[0].clone());
    wrong.lots[1].deposit_fen = -1;
    wrong.parts[0].required = false;
    wrong.parts[1].part = 0;
    wrong.parts[1].max_bytes = 5 << 30;
    wrong.sheet[0].r#type = 3;
    wrong.evaluator_key = vec![255; 32];
    wrong.timetable.as_mut().unwrap().bid_deadline_us += 1;
    let found = fields(
        draft::create(
            &Dossier::default(),
            &wrong,
            sample::author(),
            sample::NAME,
            1,
            start(),
        )
        .unwrap_err(),
    );
    for field in [
        "tender.title",
        "tender.track",
        "tender.jurisdiction",
        "tender.lots[1].lot_id",
        "tender.lots[1].deposit_fen",
        "tender.parts[0].required",
        "tender.parts[1].part",
        "tender.parts[1].class",
        "tender.parts[1].max_bytes",
        "tender.sheet",
        "tender.evaluator_key",
        "tender.timetable.bid_deadline_us",
    ] {
        assert!(
            found.iter().any(|one| one == field),
            "{field} is missing in {found:?}"
        );
    }
    let empty = fields(
        draft::create(
            &Dossier::default(),
            &Tender::default(),
            sample::author(),
            "",
            1,
            start(),
        )
        .unwrap_err(),
    );
    assert!(empty.len() >= 10, "{empty:?}");
}

#[test]
fn output_fields_of_a_draft_are_the_platforms() {
    let mut asked = sample::tender(start());
    asked.state = TenderState::Ready as i32;
    asked.key_id = vec![1; 32];
    asked.announce_time_us = 5;
    asked.reviews = vec![sample::review(ReviewKind::Internal)];
    asked.purchaser = "organizations/91110108551385082Q".to_owned();
    let mut story = Story::default();
    let events = draft::create(
        &story.dossier,
        &asked,
        sample::author(),
        sample::NAME,
        42,
        start(),
    )
    .unwrap();
    story.tell(events, start());
    let tender = story.tender();
    assert_eq!(tender.state(), TenderState::Draft);
    assert_eq!(
        (tender.key_id.len(), tender.announce_time_us, tender.etag),
        (0, 0, 1)
    );
    assert_eq!(tender.purchaser, PURCHASER);
    assert!(tender.reviews.is_empty());
    assert!(
        tender
            .deal_code
            .starts_with("D01-12140600405600266Y-20260302-000042-")
    );
}

#[test]
fn a_draft_changes_by_etag_and_loses_its_reviews() {
    let mut story = Story::reviewed(start());
    let mut asked = story.tender().clone();
    asked.title = "改名".to_owned();
    let stranger = draft::Author {
        organization: "organizations/x",
        ..sample::author()
    };
    assert_eq!(
        draft::update(&story.dossier, &asked, stranger),
        Err(Refusal::Forbidden)
    );
    asked.etag -= 1;
    let outdated = draft::update(&story.dossier, &asked, sample::author());
    assert!(matches!(outdated, Err(Refusal::Outdated { .. })));
    asked.etag += 1;
    asked.track = 2;
    let fixed = fields(draft::update(&story.dossier, &asked, sample::author()).unwrap_err());
    assert_eq!(fixed, ["tender.track"]);
    asked.track = 1;
    let events = draft::update(&story.dossier, &asked, sample::author()).unwrap();
    story.tell(events, start());
    assert_eq!(story.tender().title, "改名");
    assert!(story.tender().reviews.is_empty());
    assert_eq!(story.tender().documents.len(), 1);
}

#[test]
fn nobody_reviews_what_they_wrote() {
    let mut story = Story::reviewed(start());
    let other = draft::Author {
        subject: "organizations/12140600405600266Y/subjects/b",
        ..sample::author()
    };
    let asked = story.tender().clone();
    let events = draft::update(&story.dossier, &asked, other).unwrap();
    story.tell(events, start());
    let refused = life::review(
        &story.dossier,
        PURCHASER,
        sample::review(ReviewKind::Internal),
    );
    assert!(matches!(
        refused,
        Err(Refusal::State {
            reason: "REVIEWER_IS_AUTHOR",
            ..
        })
    ));
    let holders = Member::three()
        .into_iter()
        .map(|member| member.record)
        .collect();
    let unreviewed = ceremony::start(&story.dossier, PURCHASER, holders, 2, [0; 32]);
    assert!(matches!(
        unreviewed,
        Err(Refusal::State {
            reason: "REVIEW_MISSING",
            ..
        })
    ));
}

#[test]
fn honest_holders_make_a_key_that_anybody_can_check() {
    let story = ready();
    let tender = story.tender();
    assert_eq!(tender.state(), TenderState::Ready);
    let record = story.dossier.ceremony.as_ref().unwrap();
    assert_eq!(record.state(), CeremonyState::Done);
    let key = ceremony::verify(record).unwrap();
    assert_eq!(tender.key_id, key.id());
    assert_eq!(tender.public_key, key.sealing().element().as_bytes());
    assert_eq!(record.tender_hash, document_hash(tender));
    let mut announced = tender.clone();
    announced.announce_time_us = 9;
    announced.set_state(TenderState::Announced);
    assert_eq!(document_hash(&announced), document_hash(tender));
    announced.lots[0].budget_fen += 1;
    assert_ne!(document_hash(&announced), document_hash(tender));
}

#[test]
fn a_ceremony_takes_each_message_once_and_only_from_its_holder() {
    let mut members = Member::three();
    let mut story = Story::started(start(), &members);
    let own = |member: &Member| member.record.organization.clone();
    let first = members[0].answer(&story);
    let by = own(&members[0]);
    let stranger = rounds::post(&story.dossier, &own(&members[1]), &first, &mut OsRng);
    assert_eq!(stranger, Err(Refusal::Forbidden));
    let mut forged = first.clone();
    forged.payload[0] ^= 1;
    assert_eq!(
        fields(rounds::post(&story.dossier, &by, &forged, &mut OsRng).unwrap_err()),
        ["message"]
    );
    let mut early = first.clone();
    early.round = ceremony::PACKAGE;
    let refused = rounds::post(&story.dossier, &by, &early, &mut OsRng);
    assert!(matches!(
        refused,
        Err(Refusal::State {
            reason: "OUT_OF_TURN",
            ..
        })
    ));

    let events = rounds::post(&story.dossier, &by, &first, &mut OsRng).unwrap();
    story.tell(events, start());
    assert_eq!(
        rounds::post(&story.dossier, &by, &first, &mut OsRng),
        Ok(Vec::new())
    );
    let record = story.dossier.ceremony.as_ref().unwrap();
    assert_eq!(ceremony::waits_for(record, &by), None);
    assert_eq!(ceremony::waits_for(record, &own(&members[1])), Some((1, 2)));

    // Two different messages signed for one round end the ceremony, by name.
    let twin = Member::three().remove(0);
    let terms = ceremony::terms(record).unwrap();
    let other = sunbid_sealing::ceremony::Message::sign(
        &terms,
        sunbid_sealing::ceremony::Round::Commitment,
        1,
        vec![0; 32],
        &twin.identity,
    );
    let other = ceremony::posted_message(&other);
    let events = rounds::post(&story.dossier, &by, &other, &mut OsRng).unwrap();
    story.tell(events, start());
    let record = story.dossier.ceremony.as_ref().unwrap();
    assert_eq!(record.state(), CeremonyState::Failed);
    assert!(record.fault.contains("Holder 1"), "{}", record.fault);

    // A failed ceremony is held again under another nonce.
    let records = members.iter().map(|member| member.record.clone()).collect();
    let events = ceremony::start(&story.dossier, PURCHASER, records, 2, [8; 32]).unwrap();
    story.tell(events, start());
    let record = story.dossier.ceremony.as_ref().unwrap();
    assert_eq!(record.state(), CeremonyState::Committing);
    assert!(record.name.ends_with("/ceremonies/2"));
}

#[test]
fn a_package_that_was_not_committed_to_fails_the_ceremony() {
    let mut members = Member::three();
    let mut story = Story::started(start(), &members);
    for member in &mut members {
        let message = member.answer(&story);
        let events = rounds::post(
            &story.dossier,
            &member.record.organization,
            &message,
            &mut OsRng,
        );
        story.tell(events.unwrap(), start());
    }
    let terms = ceremony::terms(story.dossier.ceremony.as_ref().unwrap()).unwrap();
    for member in &mut members {
        let mut message = member.answer(&story);
        if member.record.index == 2 {
            let wrong = sunbid_sealing::ceremony::Message::sign(
                &terms,
                sunbid_sealing::ceremony::Round::Package,
                2,
                vec![1; 128],
                &member.identity,
            );
            message = ceremony::posted_message(&wrong);
        }
        let events = rounds::post(
            &story.dossier,
            &member.record.organization,
            &message,
            &mut OsRng,
        );
        story.tell(events.unwrap(), start());
    }
    let record = story.dossier.ceremony.as_ref().unwrap();
    assert_eq!(record.state(), CeremonyState::Failed);
    assert!(record.fault.contains("Holder 2"), "{}", record.fault);
}

#[test]
fn holders_are_distinct_and_their_threshold_is_a_majority_short_of_all() {
    let story = Story::reviewed(start());
    let mut holders: Vec<_> = Member::three().into_iter().map(|m| m.record).collect();
    for threshold in [i32::MIN, 0, 1, 3, 4, i32::MAX] {
        let refused = ceremony::start(
            &story.dossier,
            PURCHASER,
            holders.clone(),
            threshold,
            [0; 32],
        );
        assert_eq!(fields(refused.unwrap_err()), ["threshold"]);
    }
    let first = holders[0].identity_key.clone();
    holders[2].identity_key = first;
    let refused = ceremony::start(&story.dossier, PURCHASER, holders, 2, [0; 32]);
    assert_eq!(fields(refused.unwrap_err()), ["holders[2]"]);
}

#[test]
fn a_hold_moves_the_deadline_to_a_working_day() {
    let calendar = Calendar::embedded().unwrap();
    let at = |text: &str| Instant::parse(text).unwrap();
    let moved = |until: &str| {
        let deadline = at("2026-03-26T09:30:00+08:00");
        let since = at("2026-03-10T10:00:00+08:00");
        life::deadline_after_hold(deadline, since, at(until), &calendar).to_string()
    };
    assert_eq!(
        moved("2026-03-10T10:00:00+08:00"),
        "2026-03-26 09:30:00+08:00"
    );
    assert_eq!(
        moved("2026-03-10T10:00:01.5+08:00"),
        "2026-03-26 09:30:02+08:00"
    );
    // Two days later is a Saturday.
    assert_eq!(
        moved("2026-03-12T10:00:00+08:00"),
        "2026-03-30 09:30:00+08:00"
    );
    assert_eq!(
        moved("2026-03-09T10:00:00+08:00"),
        "2026-03-26 09:30:00+08:00"
    );
}

/// A tender with its key, made once: the ceremony takes the time.
fn ready() -> Story {
    static READY: OnceLock<Story> = OnceLock::new();
    READY.get_or_init(|| Story::ready(start())).clone()
}

#[test]
fn what_was_announced_wins_over_what_was_changed_meanwhile() {
    let mut story = ready();
    let mut announced = story.tender().clone();
    announced.announce_time_us = 77;
    announced.set_state(TenderState::Announced);
    let mut asked = story.tender().clone();
    asked.title = "另一个".to_owned();
    let events = draft::update(&story.dossier, &asked, sample::author()).unwrap();
    story.tell(events, start());
    assert_eq!(story.dossier.state(), TenderState::Draft);
    assert!(story.tender().key_id.is_empty());
    let events = life::announce(&story.dossier, &announced, "notices/x", sample::head()).unwrap();
    story.tell(events, start());
    assert_eq!(story.dossier.state(), TenderState::Announced);
    assert_eq!(document_hash(story.tender()), document_hash(&announced));
    assert_eq!(story.tender().key_id, announced.key_id);
    let again = life::announce(&story.dossier, &announced, "notices/x", sample::head());
    assert_eq!(again, Ok(Vec::new()));
}

#[derive(Clone, Debug)]
enum Act {
    Update,
    AddDocument(u8),
    Review(bool),
    Suspend,
    Resume,
    Terminate,
    Announce,
    Move(i64),
    Close(bool),
    Open,
    StartCeremony,
}

fn acts() -> impl Strategy<Value = Vec<(Act, i64)>> {
    let act = prop_oneof![
        1 => Just(Act::Update),
        1 => any::<u8>().prop_map(Act::AddDocument),
        1 => any::<bool>().prop_map(Act::Review),
        1 => Just(Act::Suspend),
        1 => Just(Act::Resume),
        1 => Just(Act::Terminate),
        3 => Just(Act::Announce),
        1 => (0_i64..1_000_000).prop_map(Act::Move),
        1 => any::<bool>().prop_map(Act::Close),
        1 => Just(Act::Open),
        1 => Just(Act::StartCeremony),
    ];
    proptest::collection::vec((act, 0_i64..400_000), 0..25)
}

fn act(story: &Story, act: &Act, now: Instant) -> Result<Vec<crate::Event>, Refusal> {
    let dossier = &story.dossier;
    let tender = story.tender();
    match act {
        Act::Update => draft::update(dossier, tender, sample::author()),
        Act::AddDocument(byte) => {
            let mut document = sample::document();
            document.sha256 = vec![*byte; 32];
            draft::add_document(
                dossier,
                PURCHASER,
                "organizations/x/subjects/author",
                &document,
            )
        }
        Act::Review(passed) => {
            let mut review = sample::review(ReviewKind::FairCompetition);
            review.passed = *passed;
            life::review(dossier, PURCHASER, review)
        }
        Act::Suspend => life::suspend(dossier, "s", "原因", now),
        Act::Resume => life::resume(dossier, "原因", &Calendar::embedded().unwrap(), now),
        Act::Terminate => life::terminate(
            dossier,
            PURCHASER,
            Termination {
                cause: TerminationCause::TaskCancelled as i32,
                reason: "取消".to_owned(),
                ..Default::default()
            },
        ),
        Act::Announce if tender.state() == TenderState::Ready => {
            let mut announced = tender.clone();
            announced.set_state(TenderState::Announced);
            announced.announce_time_us = now.micros();
            life::announce(dossier, &announced, "notices/x", sample::head())
        }
        Act::Announce => Ok(Vec::new()),
        Act::Move(seconds) => {
            let old = Instant::from_micros(tender.timetable.unwrap_or_default().bid_deadline_us);
            life::change_deadline(dossier, "notices/y", old.plus_seconds(*seconds))
        }
        Act::Close(opens) => {
            let lots = || vec!["01".to_owned()];
            let (opening, failed) = if *opens {
                (lots(), vec![])
            } else {
                (vec![], lots())
            };
            life::close(dossier, sample::head(), opening, failed)
        }
        Act::Open => life::opened(dossier, sample::head()),
        Act::StartCeremony => {
            let holders = Member::three()
                .into_iter()
                .map(|member| member.record)
                .collect();
            ceremony::start(dossier, PURCHASER, holders, 2, [4; 32])
        }
    }
}

/// Where a state may lead by one command.
fn may_follow(from: TenderState, to: TenderState) -> bool {
    use TenderState::{Announced, Ceremony, Closed, Draft, Failed, Opened, Ready, Terminated};
    from == to
        || matches!(
            (from, to),
            (Draft | Ceremony | Ready | Announced, Terminated)
                | (Draft, Ceremony)
                | (Ready, Draft | Announced)
                | (Announced, Closed | Failed)
                | (Closed, Opened)
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_commands_leaves_the_road(acts in acts()) {
        let mut story = ready();
        let mut now = start();
        for (step, seconds) in acts {
            now = now.plus_seconds(seconds);
            let before = story.dossier.clone();
            let Ok(events) = act(&story, &step, now) else {
                continue;
            };
            story.tell(events.clone(), now);
            let (old, new) = (before.tender.as_ref().unwrap(), story.tender());
            prop_assert!(may_follow(old.state(), new.state()), "{step:?}: {:?} to {:?}", old.state(), new.state());
            prop_assert_eq!((&old.name, &old.deal_code, old.track), (&new.name, &new.deal_code, new.track));
            prop_assert_eq!(new.etag, old.etag + events.len() as i64);
            if old.hold.is_some() && !events.is_empty() {
                prop_assert!(matches!(step, Act::Resume | Act::Terminate | Act::Announce | Act::Move(_) | Act::Close(_) | Act::Open), "{step:?}");
            }
            let deadline = |tender: &Tender| tender.timetable.unwrap_or_default().bid_deadline_us;
            prop_assert_eq!(deadline(new) % MICROS, 0);
            if story.dossier.is_public() {
                prop_assert!(deadline(new) >= deadline(old));
                prop_assert!(!new.key_id.is_empty());
            }
            if before.is_public() {
                prop_assert!(story.dossier.is_public());
                prop_assert_eq!(&new.lots, &old.lots);
                prop_assert_eq!(&new.documents, &old.documents);
            }
        }
        let mut folded = Dossier::default();
        for (event, at) in &story.events {
            folded.evolve(event, *at).unwrap();
        }
        prop_assert_eq!(&folded, &story.dossier);
        let bytes = prost::Message::encode_to_vec(&folded);
        prop_assert_eq!(Dossier::load(Some(&bytes)).unwrap(), story.dossier);
    }
}
