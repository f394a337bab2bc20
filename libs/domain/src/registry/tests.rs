//! The life of organisations and subjects, by cases and by random walks.

use proptest::prelude::*;
use sunbid_contracts::registry::v1::{
    Organization, OrganizationKind as Kind, OrganizationState as State, Role,
};
use sunbid_terms::{CreditCode, Instant};

use super::{subject::SESSION_MICROS, *};
use crate::{Aggregate, Event, Refusal};

/// The base point of ristretto255, RFC 9496 A.1.
const ELEMENT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
    0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(1_767_225_600 + seconds)
}

fn credential(code: &str, number: u8) -> Credential {
    Credential {
        certificate: vec![number],
        intermediates: vec![],
        fingerprint: [number; 32],
        credit_code: CreditCode::parse(code).unwrap(),
        organization_name: "甲公司".into(),
        not_before: at(-1000),
        not_after: at(100_000),
    }
}

const CODE: &str = "91110108551385082Q";
const OTHER: &str = "9144030071526726XG";

fn registration(kinds: &[Kind]) -> Registration {
    let trustee = kinds.contains(&Kind::Trustee);
    Registration {
        display_name: "甲公司".into(),
        kinds: kinds.iter().map(|kind| *kind as i32).collect(),
        basic_account: "622200001".into(),
        identity_key: if trustee { vec![1; 32] } else { vec![] },
        encryption_key: if trustee { ELEMENT.to_vec() } else { vec![] },
        key_evidence: trustee.then(Default::default),
        subject_display_name: "甲".into(),
    }
}

/// An approved organisation with its first subject.
fn enrolled(kinds: &[Kind]) -> (OrganizationState, SubjectState) {
    let mut organization = OrganizationState::default();
    let mut subject = SubjectState::default();
    let enrolment = organization
        .register(&registration(kinds), &credential(CODE, 1), at(0))
        .unwrap();
    organization
        .evolve(&Event::of(&enrolment.registered), at(0))
        .unwrap();
    subject.evolve(&Event::of(&enrolment.added), at(0)).unwrap();
    let approved = organization.approve().unwrap();
    organization.evolve(&Event::of(&approved), at(1)).unwrap();
    (organization, subject)
}

fn authority<'a>(organization: &'a str, roles: &[Role]) -> Authority<'a> {
    Authority {
        organization,
        roles: roles.iter().map(|role| *role as i32).collect(),
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::State { reason, .. } => reason,
        Refusal::Forbidden => "FORBIDDEN",
        Refusal::Fields(_) => "FIELDS",
        other => panic!("{other:?}"),
    }
}

fn fields(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::Fields(all) => all.into_iter().map(|one| one.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_organisation_waits_for_approval() {
    let mut state = OrganizationState::default();
    assert_eq!(state.active(), Err(Refusal::Forbidden));
    assert_eq!(state.approve(), Err(Refusal::Forbidden));
    let enrolment = state
        .register(
            &registration(&[Kind::Purchaser]),
            &credential(CODE, 1),
            at(0),
        )
        .unwrap();
    assert_eq!(
        enrolment.subject.roles,
        [Role::Purchaser as i32, Role::Reviewer as i32]
    );
    state
        .evolve(&Event::of(&enrolment.registered), at(0))
        .unwrap();
    assert_eq!(reason(state.active().unwrap_err()), "ORGANIZATION_PENDING");
    assert_eq!(
        reason(state.reinstate("x").unwrap_err()),
        "WRONG_ORGANIZATION_STATE"
    );
    state
        .evolve(&Event::of(&state.approve().unwrap()), at(1))
        .unwrap();
    assert!(state.active().is_ok());
    assert_eq!(
        reason(state.approve().unwrap_err()),
        "WRONG_ORGANIZATION_STATE"
    );
    let again = state.register(
        &registration(&[Kind::Supplier]),
        &credential(CODE, 2),
        at(2),
    );
    assert_eq!(reason(again.unwrap_err()), "ALREADY_REGISTERED");
}

#[test]
fn suspension_stops_and_reinstatement_restores() {
    let (mut state, _) = enrolled(&[Kind::Supplier]);
    let name = format!("organizations/{CODE}");
    assert_eq!(
        reason(state.suspend("x", &name).unwrap_err()),
        "OWN_ORGANIZATION"
    );
    assert_eq!(fields(state.suspend(" ", "o").unwrap_err()), ["reason"]);
    state
        .evolve(&Event::of(&state.suspend("欠缴", "o").unwrap()), at(2))
        .unwrap();
    assert_eq!(
        reason(state.active().unwrap_err()),
        "ORGANIZATION_SUSPENDED"
    );
    assert_eq!(state.known().unwrap().state_reason, "欠缴");
    state
        .evolve(&Event::of(&state.reinstate("已缴").unwrap()), at(3))
        .unwrap();
    assert!(state.active().unwrap().state_reason.is_empty());
}

#[test]
fn the_operator_of_the_platform_does_not_bid() {
    let state = OrganizationState::default();
    for kinds in [
        [Kind::TradingCentre, Kind::Supplier],
        [Kind::Supplier, Kind::TradingCentre],
        [Kind::TradingCentre, Kind::Supervisor],
        [Kind::Supervisor, Kind::Supplier],
        [Kind::Supervisor, Kind::Purchaser],
        [Kind::Trustee, Kind::Supplier],
        [Kind::Supplier, Kind::Supplier],
        [Kind::Supplier, Kind::Unspecified],
    ] {
        let refused = state.register(&registration(&kinds), &credential(CODE, 1), at(0));
        assert_eq!(fields(refused.unwrap_err()), ["kinds"], "{kinds:?}");
    }
    for kinds in [
        [Kind::Purchaser, Kind::Supplier],
        [Kind::Purchaser, Kind::Trustee],
    ] {
        let taken = state.register(&registration(&kinds), &credential(CODE, 1), at(0));
        assert!(taken.is_ok(), "{kinds:?}");
    }
}

#[test]
fn a_registration_names_everything_that_is_wrong_with_it() {
    let wrong = Registration {
        display_name: " ".into(),
        kinds: vec![99],
        basic_account: "twelve".into(),
        identity_key: vec![1],
        encryption_key: vec![],
        key_evidence: None,
        subject_display_name: "甲".repeat(201),
    };
    let refused = OrganizationState::default().register(&wrong, &credential(CODE, 1), at(0));
    assert_eq!(
        fields(refused.unwrap_err()),
        [
            "display_name",
            "subject_display_name",
            "kinds",
            "basic_account",
            "identity_key"
        ]
    );
    let mut missing = registration(&[Kind::Supplier]);
    missing.basic_account.clear();
    let refused = OrganizationState::default().register(&missing, &credential(CODE, 1), at(0));
    assert_eq!(fields(refused.unwrap_err()), ["basic_account"]);
}

#[test]
fn trustees_bring_keys_that_can_be_used() {
    let state = OrganizationState::default();
    let good = registration(&[Kind::Trustee]);
    assert!(state.register(&good, &credential(CODE, 1), at(0)).is_ok());
    // The identity, a non-canonical encoding, and too few bytes.
    for key in [vec![0; 32], vec![0xff; 32], vec![1; 31]] {
        let wrong = Registration {
            encryption_key: key,
            ..good.clone()
        };
        let refused = state.register(&wrong, &credential(CODE, 1), at(0));
        assert_eq!(fields(refused.unwrap_err()), ["encryption_key"]);
    }
    let unsigned = Registration {
        key_evidence: None,
        ..good.clone()
    };
    let refused = state.register(&unsigned, &credential(CODE, 1), at(0));
    assert_eq!(fields(refused.unwrap_err()), ["keys_signature"]);
    // A name that the certificate does not bear: suppliers would read it.
    let renamed = Registration {
        display_name: "公证处".into(),
        ..good
    };
    let refused = state.register(&renamed, &credential(CODE, 1), at(0));
    assert_eq!(fields(refused.unwrap_err()), ["display_name"]);
}

fn add(
    organization: &Organization,
    others: &[SubjectState],
    roles: &[Role],
    credential: &Credential,
    by: &Authority<'_>,
    now: Instant,
) -> Result<(), Refusal> {
    let roles: Vec<i32> = roles.iter().map(|role| *role as i32).collect();
    let addition = Addition {
        display_name: "乙",
        roles: &roles,
        credential,
    };
    SubjectState::default()
        .add(organization, others, &addition, by, now)
        .map(|_| ())
}

#[test]
fn nobody_hands_out_what_it_does_not_have() {
    let (organization, first) = enrolled(&[Kind::Purchaser]);
    let organization = organization.known().unwrap();
    let others = [first];
    let name = &organization.name;
    let new = credential(CODE, 2);
    let reviewer = authority(name, &[Role::Reviewer]);
    assert!(
        add(
            organization,
            &others,
            &[Role::Reviewer],
            &new,
            &reviewer,
            at(5)
        )
        .is_ok()
    );
    let more = add(
        organization,
        &others,
        &[Role::Purchaser],
        &new,
        &reviewer,
        at(5),
    );
    assert_eq!(reason(more.unwrap_err()), "ROLE_NOT_HELD");
    // A role that no person of a purchaser can have, whoever asks.
    for role in [
        Role::Supplier,
        Role::Administrator,
        Role::Service,
        Role::Unspecified,
    ] {
        let foreign = add(organization, &others, &[role], &new, &reviewer, at(5));
        assert_eq!(fields(foreign.unwrap_err()), ["roles[0]"]);
    }
    let stranger = authority("organizations/x", &[Role::Purchaser, Role::Reviewer]);
    let refused = add(
        organization,
        &others,
        &[Role::Reviewer],
        &new,
        &stranger,
        at(5),
    );
    assert_eq!(refused, Err(Refusal::Forbidden));
    let foreign = credential(OTHER, 3);
    let refused = add(
        organization,
        &others,
        &[Role::Reviewer],
        &foreign,
        &reviewer,
        at(5),
    );
    assert_eq!(fields(refused.unwrap_err()), ["certificate"]);
}

#[test]
fn the_trading_centre_adds_only_where_nobody_else_can() {
    let (organization, first) = enrolled(&[Kind::Supplier]);
    let organization = organization.known().unwrap();
    let administrator = authority("organizations/centre", &[Role::Administrator]);
    let mut new = credential(CODE, 2);
    new.not_after = at(1_000_000);
    let others = [first];
    let early = add(
        organization,
        &others,
        &[Role::Supplier],
        &new,
        &administrator,
        at(5),
    );
    assert_eq!(early, Err(Refusal::Forbidden));
    let late = add(
        organization,
        &others,
        &[Role::Supplier],
        &new,
        &administrator,
        at(200_000),
    );
    assert_eq!(late, Ok(()));
}

#[test]
fn the_last_administrator_stays() {
    let (_, first) = enrolled(&[Kind::TradingCentre]);
    let name = format!("organizations/{CODE}");
    let by = authority(&name, &[Role::Administrator]);
    let refused = first.revoke(&[], "x", &by, at(5)).unwrap_err();
    assert_eq!(reason(refused), "LAST_ADMINISTRATOR");
    let second = first.clone();
    assert!(
        first
            .revoke(std::slice::from_ref(&second), "x", &by, at(5))
            .is_ok()
    );
    // A certificate that ran out signs nobody in.
    let refused = first.revoke(&[second], "x", &by, at(200_000)).unwrap_err();
    assert_eq!(reason(refused), "LAST_ADMINISTRATOR");
}

#[test]
fn sessions_end_by_time_by_sign_out_and_by_revocation() {
    let (_, mut subject) = enrolled(&[Kind::Supplier]);
    let signed_in = subject.sign_in([1; 16], at(10)).unwrap();
    assert_eq!(
        signed_in.expire_time_us,
        at(10).plus_micros(SESSION_MICROS).micros()
    );
    subject.evolve(&Event::of(&signed_in), at(10)).unwrap();
    assert_eq!(subject.sign_out(&[2; 16]), Ok(None));
    let signed_out = subject.sign_out(&[1; 16]).unwrap().unwrap();
    subject.evolve(&Event::of(&signed_out), at(11)).unwrap();
    assert!(subject.sessions.is_empty());

    let late = at(100_000 - 10);
    let short = subject.sign_in([3; 16], late).unwrap();
    assert_eq!(
        short.expire_time_us,
        at(100_000).micros(),
        "not past the certificate"
    );
    assert_eq!(
        reason(subject.sign_in([3; 16], at(100_001)).unwrap_err()),
        "CERTIFICATE_NOT_VALID_NOW"
    );

    subject.evolve(&Event::of(&short), late).unwrap();
    let name = format!("organizations/{CODE}");
    let by = authority(&name, &[Role::Supplier]);
    let revoked = subject.revoke(&[], "离职", &by, late).unwrap();
    subject.evolve(&Event::of(&revoked), late).unwrap();
    assert!(subject.sessions.is_empty());
    assert_eq!(
        reason(subject.sign_in([4; 16], at(20)).unwrap_err()),
        "SUBJECT_REVOKED"
    );
    assert_eq!(
        reason(subject.revoke(&[], "again", &by, late).unwrap_err()),
        "SUBJECT_REVOKED"
    );
}

#[test]
fn names_tell_their_organisation() {
    let name = subject_name("organizations/x", &[0xab; 32]);
    assert_eq!(organization_of(&name), Some("organizations/x"));
    for bad in ["organizations/x", "organizations/x/subjects/1", ""] {
        assert_eq!(organization_of(bad), None);
    }
}

proptest! {
    /// Whatever is asked in whatever order: states stay readable, and only an approved organisation
    /// that is not suspended is active.
    #[test]
    fn random_lives_stay_lawful(steps in proptest::collection::vec(0..4_u8, 0..30)) {
        let mut state = OrganizationState::default();
        let (mut approved, mut suspended) = (false, false);
        for (step, number) in steps.into_iter().zip(0_i64..) {
            let now = at(number);
            let event = match step {
                0 => state
                    .register(&registration(&[Kind::Supplier]), &credential(CODE, 1), now)
                    .map(|enrolment| Event::of(&enrolment.registered)),
                1 => state.approve().map(|event| Event::of(&event)),
                2 => state.suspend("x", "o").map(|event| Event::of(&event)),
                _ => state.reinstate("x").map(|event| Event::of(&event)),
            };
            let Ok(event) = event else { continue };
            state.evolve(&event, now).unwrap();
            match step {
                1 => approved = true,
                2 => suspended = true,
                3 => (approved, suspended) = (true, false),
                _ => {}
            }
            let again = OrganizationState::load(Some(&prost::Message::encode_to_vec(&state)));
            prop_assert_eq!(again.as_ref(), Ok(&state));
            prop_assert_eq!(state.active().is_ok(), approved && !suspended);
            prop_assert_eq!(
                state.known().unwrap().state() == State::Suspended,
                suspended
            );
        }
    }

    /// Sessions that are kept are always such as could still be open.
    #[test]
    fn no_session_outlives_its_time(waits in proptest::collection::vec(0..1200_i64, 1..40)) {
        let (_, mut subject) = enrolled(&[Kind::Supplier]);
        let mut time = 0;
        for (wait, number) in waits.into_iter().zip(0_u8..) {
            time += wait;
            let signed_in = subject.sign_in([number; 16], at(time)).unwrap();
            subject.evolve(&Event::of(&signed_in), at(time)).unwrap();
            prop_assert!(subject.sessions.iter().all(|s| s.expire_us > at(time).micros()));
            prop_assert_eq!(&subject.sessions.last().unwrap().id, &signed_in.session_id);
        }
    }
}
