//! What happens to those whose certificates an authority revokes, through the registry's front door.

#![allow(clippy::unwrap_used, reason = "a test stops where its house falls")]

mod house;

use house::*;
use sunbid_certificates::{RevocationLists, WithoutFreshList};
use sunbid_contracts::registry::v1::{self as pb, OrganizationKind as Kind};
use sunbid_journal::LogId;
use sunbid_terms::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn field(status: &Status) -> String {
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    format!("{}: {}", violations[0].field, violations[0].description)
}

fn publish(house: &House, revoked: &[Vec<u8>], seconds: i64) {
    let now = house.clock.now();
    let until = now.plus_seconds(seconds);
    let list = house.authority.revocation_list(revoked, now, until);
    let rule = WithoutFreshList::Refuse;
    let lists = RevocationLists::new(&[list.unwrap()], &house.roots, rule, now);
    house.roots.replace_revoked(lists.unwrap());
}

async fn ended_sessions(house: &House) -> Vec<Vec<u8>> {
    let request = pb::ListRevocationsRequest::default();
    let token = house.service_token();
    let answer = house.client().list_revocations(with(&token, request)).await;
    answer.unwrap().into_inner().session_ids
}

#[tokio::test]
async fn a_revoked_certificate_registers_nothing_signs_in_nowhere_and_its_sessions_end() {
    let house = House::build().await;
    let (supplier, purchaser) = (house.issue(SUPPLIER), house.issue(PURCHASER));
    house.enrol(&supplier, Kind::Supplier).await;
    let session = house.sign_in(&supplier).await.unwrap();
    let administrator = house.sign_in(&house.administrator).await.unwrap();
    publish(
        &house,
        &[supplier.certificate.clone(), purchaser.certificate.clone()],
        86_400,
    );

    for refused in [
        house.sign_in(&supplier).await.map(|_| ()).unwrap_err(),
        house
            .register(&purchaser, Kind::Purchaser)
            .await
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(field(&refused).starts_with("certificate: "), "{refused:?}");
    }
    let add = pb::AddSubjectRequest {
        request_id: request_id(),
        display_name: "乙".into(),
        roles: vec![pb::Role::Supplier as i32],
        certificate: supplier.certificate.clone(),
        intermediates: vec![],
    };
    let refused = house
        .client()
        .add_subject(with(&session.access_token, add))
        .await
        .unwrap_err();
    assert!(field(&refused).starts_with("certificate: "));

    // Its open session ends, on the record; the administrator's, whose certificate is good, goes on.
    let ended = loop {
        let ended = ended_sessions(&house).await;
        if !ended.is_empty() {
            break ended;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(ended.len(), 1);
    let log = LogId::of("registry", &format!("organizations/{SUPPLIER}"));
    let entries = house.journal.read(log, 0, 100).await.unwrap();
    let last = entries.last().unwrap().salted_body.clone().unwrap();
    let text = String::from_utf8_lossy(&last).into_owned();
    assert!(text.contains("sunbid.registry.v1.SessionsEnded"), "{text}");
    let request = with(&administrator.access_token, pb::GetCallerRequest {});
    house.client().get_caller(request).await.unwrap();
    assert!(house.sign_in(&house.administrator).await.is_ok());

    // A certificate on hold that comes back signs in again: nobody revoked the person.
    house.clock.advance(1);
    publish(&house, &[], 86_400);
    house.sign_in(&supplier).await.unwrap();
    // Nobody knows any more once the list has run out.
    house.clock.advance(86_400);
    let refused = house.sign_in(&supplier).await.unwrap_err();
    assert!(field(&refused).contains("ran out") || field(&refused).contains("到期"));
}
