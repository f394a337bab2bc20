//! The registry through its front door: a real socket, the platform's guard, real certificates.

#![allow(clippy::unwrap_used, reason = "a test stops where its house falls")]

mod house;

use house::*;
use sunbid_certificates::{Signer, possession, trial::TrialAuthority};
use sunbid_contracts::registry::v1::{self as pb, OrganizationKind as Kind, Role};
use sunbid_journal::LogId;
use sunbid_terms::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Reason of a refused state, or the fields that are at fault.
fn why(status: &Status) -> String {
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        return info.reason.clone();
    }
    let fields = details.bad_request().map(|bad| &bad.field_violations);
    let mut names = Vec::new();
    for violation in fields.into_iter().flatten() {
        names.push(violation.field.as_str());
    }
    names.join(",")
}

async fn get(house: &House, token: &str, name: &str) -> Result<pb::Organization, Status> {
    let request = pb::GetOrganizationRequest { name: name.into() };
    let answer = house
        .client()
        .get_organization(with(token, request))
        .await?;
    Ok(answer.into_inner().organization.unwrap())
}

async fn suspend(house: &House, token: &str, name: &str) -> Result<(), Status> {
    let request = pb::SuspendOrganizationRequest {
        request_id: request_id(),
        name: name.into(),
        reason: "under inquiry".into(),
    };
    house
        .client()
        .suspend_organization(with(token, request))
        .await?;
    Ok(())
}

async fn revocations(house: &House, page_size: i32) -> (Vec<Vec<u8>>, Vec<String>) {
    let token = house.service_token();
    let (mut sessions, mut subjects, mut page_token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let request = pb::ListRevocationsRequest {
            page_size,
            page_token,
        };
        let page = house.client().list_revocations(with(&token, request)).await;
        let page = page.unwrap().into_inner();
        sessions.extend(page.session_ids);
        subjects.extend(page.subjects);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (sessions, subjects);
        }
    }
}

#[tokio::test]
async fn the_platform_tells_its_keys() {
    let house = House::build().await;
    let answer = house.client().get_platform(pb::GetPlatformRequest {}).await;
    let platform = answer.unwrap().into_inner();
    assert_eq!(
        (platform.token_key.len(), platform.receipt_key.len()),
        (32, 32)
    );
    assert!(
        platform
            .log_verifier_key
            .starts_with("registry.example/log+")
    );
    assert_eq!(platform.roots, [house.authority.certificate().to_vec()]);
    assert_eq!(platform.now_us, house.clock.now().micros());
    assert_eq!(platform.origin, ORIGIN);
}

#[tokio::test]
async fn an_organisation_registers_is_approved_and_signs_in() {
    let house = House::build().await;
    let supplier = house.issue(SUPPLIER);
    assert_eq!(
        why(&house.sign_in(&supplier).await.unwrap_err()),
        "CERTIFICATE_UNKNOWN"
    );

    let request = registration(&supplier, Kind::Supplier, house.challenge().await);
    let first = house.client().register_organization(request.clone()).await;
    let first = first.unwrap().into_inner();
    let organization = first.organization.clone().unwrap();
    assert_eq!(organization.name, format!("organizations/{SUPPLIER}"));
    assert_eq!(organization.state(), pb::OrganizationState::Pending);
    assert_eq!(
        why(&house.sign_in(&supplier).await.unwrap_err()),
        "ORGANIZATION_PENDING"
    );

    // The same request again, after its challenge has ended: the first answer again.
    house.clock.advance(600);
    let again = house.client().register_organization(request.clone()).await;
    assert_eq!(again.unwrap().into_inner(), first);
    // The same request id with other content.
    let other = pb::RegisterOrganizationRequest {
        display_name: "x".into(),
        ..request
    };
    let refused = house
        .client()
        .register_organization(other)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), why(&refused).as_str()),
        (Code::InvalidArgument, "request_id")
    );
    // Another registration of the same organisation.
    let refused = house.register(&supplier, Kind::Supplier).await.unwrap_err();
    assert_eq!(why(&refused), "ALREADY_REGISTERED");

    let administrator = house.token(&house.administrator).await;
    let approve = pb::ApproveOrganizationRequest {
        request_id: request_id(),
        name: organization.name.clone(),
    };
    let approved = house
        .client()
        .approve_organization(with(&administrator, approve))
        .await;
    let approved = approved.unwrap().into_inner().organization.unwrap();
    assert_eq!(approved.state(), pb::OrganizationState::Active);
    assert_eq!(
        approved.basic_account, "",
        "the account is not the trading centre's business"
    );

    let session = house.sign_in(&supplier).await.unwrap();
    assert_eq!(
        session.expire_time_us,
        house.clock.now().plus_seconds(900).micros()
    );
    let answer = house
        .client()
        .get_caller(with(&session.access_token, pb::GetCallerRequest {}))
        .await;
    let me = answer.unwrap().into_inner();
    assert_eq!(me.organization.unwrap().basic_account, "6222000011112222");
    assert_eq!(me.subject.unwrap().roles, [Role::Supplier as i32]);

    house.clock.advance(900);
    let expired = house
        .client()
        .get_caller(with(&session.access_token, pb::GetCallerRequest {}))
        .await
        .unwrap_err();
    assert_eq!(
        (expired.code(), why(&expired).as_str()),
        (Code::Unauthenticated, "TOKEN_EXPIRED")
    );
}

#[tokio::test]
async fn only_the_keys_holder_registers_and_signs_in() {
    let house = House::build().await;
    let (supplier, thief) = (house.issue(SUPPLIER), house.issue(SUPPLIER));

    // A registration whose particulars were changed after it was signed.
    let mut request = registration(&supplier, Kind::Supplier, house.challenge().await);
    request.basic_account = "1".into();
    let refused = house
        .client()
        .register_organization(request)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), why(&refused).as_str()),
        (Code::InvalidArgument, "signature")
    );

    house.enrol(&supplier, Kind::Supplier).await;
    let refuse = async |request: pb::SignInRequest| {
        let refused = house.client().sign_in(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        why(&refused)
    };
    let good = sign_in_request(&supplier, house.challenge().await);
    // Another key's signature under the certificate.
    let stolen = pb::SignInRequest {
        signature: sign_in_request(&thief, good.challenge.clone()).signature,
        ..good.clone()
    };
    assert_eq!(refuse(stolen).await, "signature");
    // A signature made for another platform.
    let signer: Signer = supplier.signer().unwrap();
    let foreign = possession::sign_in(&good.challenge, "elsewhere.example");
    let foreign = pb::SignInRequest {
        signature: signer.sign(&foreign).unwrap(),
        ..good.clone()
    };
    assert_eq!(refuse(foreign).await, "signature");
    // A challenge that the platform never issued.
    assert_eq!(
        refuse(sign_in_request(&supplier, vec![7; 32])).await,
        "challenge"
    );
    // The good one works once, however it is signed again.
    house.client().sign_in(good.clone()).await.unwrap();
    assert_eq!(refuse(good.clone()).await, "challenge");
    assert_eq!(
        refuse(sign_in_request(&supplier, good.challenge)).await,
        "challenge"
    );
    // And not after two minutes.
    let late = sign_in_request(&supplier, house.challenge().await);
    house.clock.advance(120);
    assert_eq!(refuse(late).await, "challenge");
}

#[tokio::test]
async fn certificates_must_be_good_at_the_time_of_sign_in() {
    let house = House::build().await;
    let supplier = identity(&house.authority, SUPPLIER, "甲", 30);
    house.enrol(&supplier, Kind::Supplier).await;
    house.clock.advance(31 * 86_400);
    let expired = house.sign_in(&supplier).await.unwrap_err();
    assert_eq!(
        (expired.code(), why(&expired).as_str()),
        (Code::InvalidArgument, "certificate")
    );
    assert!(
        expired.message().contains("有效期"),
        "{}",
        expired.message()
    );

    let from = start_of_time().plus_seconds(-86_400);
    let stranger = TrialAuthority::new("other", from, from.plus_seconds(86_400 * 999)).unwrap();
    let foreign = identity(&stranger, TRUSTEE, "乙", 365);
    let refused = house.register(&foreign, Kind::Purchaser).await.unwrap_err();
    assert_eq!(why(&refused), "certificate");
    let wrong = identity(&house.authority, "911101085513850820", "丙", 365);
    let refused = house.register(&wrong, Kind::Supplier).await.unwrap_err();
    assert_eq!(why(&refused), "certificate");

    // Nobody of the supplier can sign in any more, so the trading centre lets a new one in.
    let renewed = house.issue(SUPPLIER);
    let administrator = house.token(&house.administrator).await;
    let add = pb::AddSubjectRequest {
        request_id: request_id(),
        display_name: "甲".into(),
        roles: vec![Role::Supplier as i32],
        certificate: renewed.certificate.clone(),
        intermediates: vec![],
    };
    house
        .client()
        .add_subject(with(&administrator, add.clone()))
        .await
        .unwrap();
    house.sign_in(&renewed).await.unwrap();
    let another = pb::AddSubjectRequest {
        request_id: request_id(),
        certificate: house.issue(SUPPLIER).certificate,
        ..add
    };
    let refused = house
        .client()
        .add_subject(with(&administrator, another))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_one_may_not_see_is_answered_like_what_does_not_exist() {
    let house = House::build().await;
    let (supplier, purchaser) = (house.issue(SUPPLIER), house.issue(PURCHASER));
    let own = house.enrol(&supplier, Kind::Supplier).await;
    let buyer = house.enrol(&purchaser, Kind::Purchaser).await;
    let (supplier, purchaser) = (house.token(&supplier).await, house.token(&purchaser).await);

    assert_eq!(
        get(&house, &supplier, &own).await.unwrap().basic_account,
        "6222000011112222"
    );
    let hidden = get(&house, &supplier, &buyer).await.unwrap_err();
    let missing = format!("organizations/{TRUSTEE}");
    let nothing = get(&house, &supplier, &missing).await.unwrap_err();
    assert_eq!(hidden.code(), Code::PermissionDenied);
    assert_eq!(
        (hidden.code(), hidden.message(), hidden.details()),
        (nothing.code(), nothing.message(), nothing.details())
    );
    let service = get(&house, &house.service_token(), &own).await.unwrap();
    assert_eq!(service.basic_account, "6222000011112222");
    let administrator = house.token(&house.administrator).await;
    assert_eq!(
        get(&house, &administrator, &own)
            .await
            .unwrap()
            .basic_account,
        ""
    );

    let list = async |token: &str, kind: Kind, page_size: i32| {
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListOrganizationsRequest {
                page_size,
                page_token,
                state: 0,
                kind: kind as i32,
            };
            let page = house
                .client()
                .list_organizations(with(token, request))
                .await?;
            let page = page.into_inner();
            names.extend(page.organizations.into_iter().map(|o| o.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok::<_, Status>(names);
            }
        }
    };
    let centre = format!("organizations/{CENTRE}");
    let all = [centre.clone(), buyer.clone(), own.clone()];
    for page_size in [1, 2, 3, 0] {
        let found = list(&administrator, Kind::Unspecified, page_size)
            .await
            .unwrap();
        assert_eq!(found, all, "pages of {page_size}");
    }
    let found = list(&administrator, Kind::Supplier, 0).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&own));
    assert_eq!(
        list(&supplier, Kind::Trustee, 0).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        list(&purchaser, Kind::Supplier, 0)
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    assert!(
        list(&purchaser, Kind::Unspecified, 0)
            .await
            .unwrap()
            .is_empty()
    );
    let trustee = house.issue(TRUSTEE);
    house.register(&trustee, Kind::Trustee).await.unwrap();
    assert!(
        list(&purchaser, Kind::Trustee, 0).await.unwrap().is_empty(),
        "not approved yet"
    );

    let subjects = async |token: &str, parent: &str| {
        let request = pb::ListSubjectsRequest {
            parent: parent.into(),
            ..Default::default()
        };
        house.client().list_subjects(with(token, request)).await
    };
    let people = subjects(&supplier, &own)
        .await
        .unwrap()
        .into_inner()
        .subjects;
    assert_eq!(people.len(), 1);
    let refused = subjects(&supplier, &buyer).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    // A purchaser's token does not do an administrator's work.
    let refused = suspend(&house, &purchaser, &own).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn page_tokens_are_bound_to_their_query() {
    let house = House::build().await;
    house.enrol(&house.issue(SUPPLIER), Kind::Supplier).await;
    let administrator = house.token(&house.administrator).await;
    let ask = async |page_token: String, kind: i32| {
        let request = pb::ListOrganizationsRequest {
            page_size: 1,
            page_token,
            state: 0,
            kind,
        };
        house
            .client()
            .list_organizations(with(&administrator, request))
            .await
    };
    let token = ask(String::new(), 0)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    assert!(!token.is_empty());
    for (token, kind) in [(token, Kind::Supplier as i32), ("AAAA".into(), 0)] {
        let refused = ask(token, kind).await.unwrap_err();
        assert_eq!(why(&refused), "page_token");
    }
}

#[tokio::test]
async fn sessions_end_when_they_are_ended() {
    let house = House::build().await;
    let supplier = house.issue(SUPPLIER);
    let name = house.enrol(&supplier, Kind::Supplier).await;
    let (first, second) = (house.token(&supplier).await, house.token(&supplier).await);
    assert_eq!(revocations(&house, 0).await, (vec![], vec![]));

    for _ in 0..2 {
        let out = house
            .client()
            .sign_out(with(&first, pb::SignOutRequest {}))
            .await;
        out.unwrap();
    }
    assert_eq!(revocations(&house, 1).await.0.len(), 1);

    let administrator = house.token(&house.administrator).await;
    suspend(&house, &administrator, &name).await.unwrap();
    assert_eq!(
        why(&house.sign_in(&supplier).await.unwrap_err()),
        "ORGANIZATION_SUSPENDED"
    );
    assert_eq!(
        revocations(&house, 1).await.0.len(),
        2,
        "the second session ended too"
    );
    let own = format!("organizations/{CENTRE}");
    let refused = suspend(&house, &administrator, &own).await.unwrap_err();
    assert_eq!(why(&refused), "OWN_ORGANIZATION");

    let reinstate = pb::ReinstateOrganizationRequest {
        request_id: request_id(),
        name: name.clone(),
        reason: "cleared".into(),
    };
    house
        .client()
        .reinstate_organization(with(&administrator, reinstate))
        .await
        .unwrap();
    let fresh = house.sign_in(&supplier).await.unwrap();
    assert_eq!(
        revocations(&house, 0).await.0.len(),
        2,
        "the new session is not among them"
    );

    let subject = fresh.subject.unwrap().name;
    let revoke = pb::RevokeSubjectRequest {
        request_id: request_id(),
        name: subject.clone(),
        reason: "left".into(),
    };
    let answer = house.client().revoke_subject(with(&second, revoke)).await;
    assert!(answer.unwrap().into_inner().subject.unwrap().revoked);
    assert_eq!(
        why(&house.sign_in(&supplier).await.unwrap_err()),
        "SUBJECT_REVOKED"
    );
    let (sessions, subjects) = revocations(&house, 1).await;
    assert_eq!((sessions.len(), subjects), (3, vec![subject]));

    // Past their tokens' time nothing needs to be listed.
    house.clock.advance(901);
    assert_eq!(revocations(&house, 0).await, (vec![], vec![]));
}

#[tokio::test]
async fn people_are_added_within_their_bounds() {
    let house = House::build().await;
    let purchaser = house.issue(PURCHASER);
    let name = house.enrol(&purchaser, Kind::Purchaser).await;
    let chief = house.token(&purchaser).await;
    let add = async |token: &str, code: &str, roles: &[Role]| {
        let person = house.issue(code);
        let request = pb::AddSubjectRequest {
            request_id: request_id(),
            display_name: "乙".into(),
            roles: roles.iter().map(|role| *role as i32).collect(),
            certificate: person.certificate.clone(),
            intermediates: vec![],
        };
        let answer = house.client().add_subject(with(token, request)).await?;
        Ok::<_, Status>((person, answer.into_inner().subject.unwrap()))
    };
    let (drafter, subject) = add(&chief, PURCHASER, &[Role::Purchaser]).await.unwrap();
    assert!(subject.name.starts_with(&format!("{name}/subjects/")));
    let drafter = house.token(&drafter).await;
    let more = add(&drafter, PURCHASER, &[Role::Reviewer])
        .await
        .unwrap_err();
    assert_eq!(why(&more), "ROLE_NOT_HELD");
    let foreign = add(&chief, PURCHASER, &[Role::Administrator])
        .await
        .unwrap_err();
    assert_eq!(why(&foreign), "roles[0]");
    // Another organisation, known or not, is answered the same.
    for code in [CENTRE, SUPPLIER] {
        let denied = add(&chief, code, &[Role::Purchaser]).await.unwrap_err();
        assert!(denied.code() == Code::PermissionDenied, "{denied:?}");
    }
    let last = house.sign_in(&house.administrator).await.unwrap();
    let revoke = pb::RevokeSubjectRequest {
        request_id: request_id(),
        name: last.subject.unwrap().name,
        reason: "x".into(),
    };
    let refused = house
        .client()
        .revoke_subject(with(&last.access_token, revoke))
        .await;
    assert_eq!(why(&refused.unwrap_err()), "LAST_ADMINISTRATOR");
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token() {
    let house = House::build().await;
    let missing = house
        .client()
        .get_caller(pb::GetCallerRequest {})
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::Unauthenticated);
    let administrator = house.token(&house.administrator).await;
    let request = pb::ListRevocationsRequest::default();
    let refused = house
        .client()
        .list_revocations(with(&administrator, request))
        .await;
    assert_eq!(
        refused.unwrap_err().code(),
        Code::PermissionDenied,
        "for services alone"
    );
}

#[tokio::test]
async fn states_are_the_fold_of_their_records() {
    use prost::Message;
    use sunbid_contracts::common::v1::Record;
    use sunbid_domain::{
        Aggregate, Event,
        registry::{OrganizationState, SubjectState},
    };
    use sunbid_journal::StreamId;

    let house = House::build().await;
    let supplier = house.issue(SUPPLIER);
    let name = house.enrol(&supplier, Kind::Supplier).await;
    house.token(&supplier).await;
    let administrator = house.token(&house.administrator).await;
    suspend(&house, &administrator, &name).await.unwrap();

    let log = LogId::of("registry", &name);
    let entries = house.journal.read(log, 0, 100).await.unwrap();
    assert_eq!(entries.len(), 5);
    let mut checked = 0;
    for (stream, state) in house.journal.states(log).await.unwrap() {
        let (mut organization, mut subject) = Default::default();
        for entry in entries.iter().filter(|entry| entry.stream == stream) {
            let record = Record::decode(entry.body().unwrap()).unwrap();
            let event = Event {
                name: record.r#type,
                bytes: record.event,
            };
            if stream == StreamId::of("organization") {
                OrganizationState::evolve(&mut organization, &event, entry.at).unwrap();
            } else {
                SubjectState::evolve(&mut subject, &event, entry.at).unwrap();
            }
        }
        let folded = if stream == StreamId::of("organization") {
            organization.encode_to_vec()
        } else {
            subject.encode_to_vec()
        };
        assert_eq!(folded, state.body);
        checked += 1;
    }
    assert_eq!(checked, 2);
}
