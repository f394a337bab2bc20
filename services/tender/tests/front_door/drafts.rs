use sunbid_contracts::{
    common::v1::RuleOutcome,
    registry::v1::Role,
    tender::v1::{
        CheckTenderRequest, CreateTenderRequest, GetTenderRequest, ListTendersRequest,
        PostCeremonyMessageRequest, ReviewTenderRequest, Tender, TenderState, UpdateTenderRequest,
        WatchCeremoniesRequest,
    },
};
use tonic::Code;

use crate::house::{House, OTHER, PURCHASER, draft, english, fields, id, reason, start_of_time};

#[tokio::test]
async fn a_repeated_request_makes_one_draft() {
    let house = House::build().await;
    let request = CreateTenderRequest {
        request_id: id(),
        tender: Some(draft(start_of_time())),
    };
    let mut client = house.tender();
    let first = client
        .create_tender(house.purchaser(request.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = client
        .create_tender(house.purchaser(request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    // What is missing is told, and stops nothing yet: nobody has reviewed the draft.
    let breached: Vec<_> = first
        .verdicts
        .iter()
        .filter(|verdict| verdict.outcome == RuleOutcome::Breached as i32)
        .map(|verdict| verdict.rule_id.as_str())
        .collect();
    assert!(breached.contains(&"P6"), "{breached:?}");
    let mut changed = request;
    changed.tender.as_mut().unwrap().title = "别的".to_owned();
    let refused = client
        .create_tender(house.purchaser(changed))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let own = ListTendersRequest {
        own: true,
        ..Default::default()
    };
    let listed = client
        .list_tenders(house.purchaser(own))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.tenders, [first.tender.unwrap()]);
    let public = client
        .list_tenders(english(ListTendersRequest::default()))
        .await
        .unwrap();
    assert!(public.into_inner().tenders.is_empty());
}

#[tokio::test]
async fn a_wrong_draft_is_told_all_its_faults() {
    let house = House::build().await;
    let request = CreateTenderRequest {
        request_id: id(),
        tender: Some(Tender {
            purchaser_display_name: "甲".to_owned(),
            ..Default::default()
        }),
    };
    let refused = house
        .tender()
        .create_tender(house.purchaser(request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let named = fields(&refused);
    for field in [
        "tender.title",
        "tender.lots",
        "tender.parts",
        "tender.sheet",
        "tender.timetable",
    ] {
        assert!(
            named.iter().any(|one| one == field),
            "{field} is missing in {named:?}"
        );
    }
}

#[tokio::test]
async fn a_strangers_draft_looks_like_no_tender_at_all() {
    let house = House::build().await;
    let tender = house.draft().await;
    let absent = "tenders/00000000-0000-4000-8000-000000000000";
    let mut answers = Vec::new();
    for name in [tender.name.as_str(), absent] {
        let get = || GetTenderRequest {
            name: name.to_owned(),
        };
        let update = || UpdateTenderRequest {
            request_id: id(),
            tender: Some(Tender {
                name: name.to_owned(),
                ..draft(start_of_time())
            }),
        };
        let check = || CheckTenderRequest {
            name: name.to_owned(),
            publish_time_us: 0,
        };
        let post = || PostCeremonyMessageRequest {
            tender: name.to_owned(),
            message: Some(Default::default()),
        };
        let review = || ReviewTenderRequest {
            request_id: id(),
            name: name.to_owned(),
            kind: 1,
            passed: true,
            conclusion: "通过".to_owned(),
        };
        let mut client = house.tender();
        let by = |role| (OTHER, "x", role);
        let (o, p, r) = by(Role::Purchaser);
        answers.push([
            client.get_tender(english(get())).await.unwrap_err(),
            client.get_tender(house.supplier(get())).await.unwrap_err(),
            client
                .update_tender(house.by(o, p, r, update()))
                .await
                .unwrap_err(),
            client
                .check_tender(house.by(o, p, r, check()))
                .await
                .unwrap_err(),
            client
                .review_tender(house.by(o, p, Role::Reviewer, review()))
                .await
                .unwrap_err(),
            client
                .post_ceremony_message(house.by(o, p, Role::Trustee, post()))
                .await
                .unwrap_err(),
        ]);
    }
    let [there, nowhere] = answers.try_into().unwrap();
    for (one, other) in there.iter().zip(&nowhere) {
        assert_eq!(one.code(), Code::PermissionDenied);
        assert_eq!(
            (one.code(), one.message(), one.details()),
            (other.code(), other.message(), other.details())
        );
    }
    let get = GetTenderRequest { name: tender.name };
    let seen = house
        .tender()
        .get_tender(house.supervisor(get))
        .await
        .unwrap()
        .into_inner();
    assert!(seen.head.is_some());
}

#[tokio::test]
async fn drafts_are_changed_by_etag_checked_and_reviewed_by_others() {
    let house = House::build().await;
    let tender = house.draft().await;
    let mut client = house.tender();
    let mut changed = tender.clone();
    changed.title = "改名 100%".to_owned();
    let update = |tender: &Tender| UpdateTenderRequest {
        request_id: id(),
        tender: Some(tender.clone()),
    };
    let answer = client
        .update_tender(house.purchaser(update(&changed)))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().tender.unwrap().etag, 2);
    let outdated = client
        .update_tender(house.purchaser(update(&changed)))
        .await
        .unwrap_err();
    assert_eq!(outdated.code(), Code::Aborted);
    let review = |request_id| ReviewTenderRequest {
        request_id,
        name: tender.name.clone(),
        kind: 1,
        passed: true,
        conclusion: "通过".to_owned(),
    };
    let own = house.by(PURCHASER, "a", Role::Reviewer, review(id()));
    assert_eq!(
        reason(&client.review_tender(own).await.unwrap_err()),
        "REVIEWER_IS_AUTHOR"
    );
    let other = house.by(PURCHASER, "b", Role::Reviewer, review(id()));
    let answer = client.review_tender(other).await.unwrap().into_inner();
    assert_eq!(answer.tender.unwrap().reviews.len(), 1);
    let check = CheckTenderRequest {
        name: tender.name.clone(),
        publish_time_us: 0,
    };
    let answer = client
        .check_tender(house.purchaser(check))
        .await
        .unwrap()
        .into_inner();
    let earliest = answer.earliest.unwrap().bid_deadline_us;
    assert_eq!(earliest, tender.timetable.unwrap().bid_deadline_us);
    let found = ListTendersRequest {
        own: true,
        text: "0%".to_owned(),
        ..Default::default()
    };
    let found = client
        .list_tenders(house.purchaser(found))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.tenders.len(), 1);
}

#[tokio::test]
async fn lists_have_pages() {
    let house = House::build().await;
    for _ in 0..5 {
        house.draft().await;
    }
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTendersRequest {
            own: true,
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let answer = house
            .tender()
            .list_tenders(house.purchaser(request))
            .await
            .unwrap();
        let answer = answer.into_inner();
        assert!(answer.tenders.len() <= 2);
        names.extend(answer.tenders.into_iter().map(|tender| tender.name));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[tokio::test]
async fn a_watch_of_ceremonies_waits_quietly() {
    let house = House::build().await;
    let watch = house.by(OTHER, "t", Role::Trustee, WatchCeremoniesRequest {});
    let mut stream = house
        .tender()
        .watch_ceremonies(watch)
        .await
        .unwrap()
        .into_inner();
    let tender = house.ready().await;
    assert_eq!(tender.state(), TenderState::Ready);
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), stream.message()).await;
    assert!(quiet.is_err());
}
