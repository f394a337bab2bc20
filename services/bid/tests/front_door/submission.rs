//! Submissions: the good one and every bad one.

use sunbid_certificates::{RevocationLists, WithoutFreshList, trial::TrialAuthority};
use sunbid_contracts::bid::v1::{Bid, BidState, ListBidsRequest, Receipt, SubmitBidRequest};
use sunbid_contracts::registry::v1::Role;
use sunbid_proofs::{LogId, receipt};
use sunbid_sealing::{Class, OsRng, SealingKey, SecretScalar};
use tonic::{Code, Status};

use crate::house::{EXCLUDED, House, deadline, fields, request_id, rules, start_of_time, with};
use crate::supplier::{Envelopes, Plan, Supplier};

/// Checks a receipt as its bearer does, with nothing but the platform's public key.
pub fn verify(house: &House, receipt: &Receipt) {
    let canonical = receipt::Receipt {
        tender: receipt.tender.clone(),
        lot_id: receipt.lot_id.clone(),
        bundle: receipt.bundle.clone(),
        revision: u64::try_from(receipt.revision).unwrap(),
        withdrawal: receipt.withdrawal,
        accept_time_us: receipt.accept_time_us,
        leaf: receipt.leaf.as_slice().try_into().unwrap(),
        log: LogId::from_slice(&receipt.log_id).unwrap(),
    };
    canonical
        .verify(&receipt.signature, &house.receipt_key())
        .unwrap();
}

#[tokio::test]
async fn a_bid_is_taken_receipted_and_shown_to_its_owner_alone() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let plan = a.plan(&house, 1);
    let request = a.request(&plan, &plan.seal());
    let taken = a.send(request.clone()).await.unwrap();
    let receipt = taken.receipt.clone().unwrap();
    verify(&house, &receipt);
    let bid = taken.bid.clone().unwrap();
    assert_eq!((bid.state, bid.revision), (BidState::Submitted as i32, 1));
    assert_eq!(bid.accept_time_us, house.clock_micros());
    assert!(taken.verdicts.iter().any(|verdict| verdict.rule_id == "B3"));
    // The receipt names the very record.
    let log = LogId::from_slice(&receipt.log_id).unwrap();
    let leaves = house.journal.leaves(log, 2).await.unwrap();
    assert_eq!(leaves[1].to_vec(), receipt.leaf);

    assert_eq!(a.send(request.clone()).await.unwrap(), taken);
    let other = SubmitBidRequest {
        revision: 2,
        ..request
    };
    let refused = a.send(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), fields(&refused)),
        (Code::InvalidArgument, vec!["request_id".into()])
    );
    assert_eq!(house.submissions().await.len(), 1);

    let own = a.own(&house).await.unwrap();
    assert_eq!((own.bid, own.receipts), (Some(bid.clone()), vec![receipt]));
    assert_eq!(list(&house, &a).await, vec![bid]);
    // Nobody else sees that there is one.
    assert_eq!(b.own(&house).await.unwrap_err().code(), Code::NotFound);
    assert!(list(&house, &b).await.is_empty());
    let purchaser = house.token(&format!("organizations/{}", b.code), Role::Purchaser);
    let ask = with(&purchaser, ListBidsRequest::default());
    let refused = house.client().list_bids(ask).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

async fn list(house: &House, supplier: &Supplier) -> Vec<Bid> {
    let mut bids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = with(
            &supplier.token,
            ListBidsRequest {
                page_size: 1,
                page_token,
            },
        );
        let page = house
            .client()
            .list_bids(request)
            .await
            .unwrap()
            .into_inner();
        bids.extend(page.bids);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return bids;
        }
    }
}

#[tokio::test]
async fn own_bids_come_page_by_page() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    for lot in ["01", "02"] {
        let plan = Plan {
            lot: lot.into(),
            ..a.plan(&house, 1)
        };
        a.send(a.request(&plan, &plan.seal())).await.unwrap();
    }
    let lots: Vec<_> = list(&house, &a)
        .await
        .into_iter()
        .map(|bid| bid.lot_id)
        .collect();
    assert_eq!(lots, ["01", "02"]);
}

/// Expects a refusal with this code of the sealing scheme under this rule, and nothing recorded.
async fn refused(
    house: &House,
    status: Result<impl Sized, Status>,
    code: &str,
    rule: &str,
) -> Status {
    let Err(status) = status else {
        panic!("{code} was taken")
    };
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(
        status.message().contains(&format!("({code})")),
        "{code}: {status:?}"
    );
    assert_eq!(rules(&status)[0], rule, "{code}: {status:?}");
    assert_eq!(house.submissions().await, vec![], "{code}");
    status
}

#[tokio::test]
async fn what_an_envelope_says_must_be_what_it_is_sent_for() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let good = a.plan(&house, 1);
    let secret = SecretScalar::random(&mut OsRng).unwrap();
    let mut wrong_class = good.clone();
    wrong_class.parts[1].1 = Class::Public;
    let mut unknown_part = good.clone();
    unknown_part.parts.push((9, Class::Evaluators, vec![1]));
    let mut missing_part = good.clone();
    missing_part.parts.pop();
    let wrong = [
        Plan {
            tender: "tenders/other".into(),
            ..good.clone()
        },
        Plan {
            lot: "02".into(),
            ..good.clone()
        },
        Plan {
            bidder: b.code.clone(),
            ..good.clone()
        },
        Plan {
            revision: 2,
            ..good.clone()
        },
        Plan {
            not_before: deadline().seconds() + 1,
            ..good.clone()
        },
        Plan {
            not_before: deadline().seconds() - 1,
            ..good.clone()
        },
        Plan {
            key: SealingKey::new([8; 32], secret.public()),
            ..good.clone()
        },
        wrong_class,
        unknown_part,
        missing_part,
    ];
    for plan in wrong {
        let request = a.request(&good, &plan.seal());
        let status = refused(&house, a.send(request).await, "E2", "B2").await;
        assert!(fields(&status)[0].starts_with("headers"), "{status:?}");
    }
    let mut swapped = good.seal();
    swapped.headers.reverse();
    swapped.payloads.reverse();
    refused(&house, a.send(a.request(&good, &swapped)).await, "E2", "B2").await;
    // The same bid without fault is taken: the faults were what was refused.
    a.send(a.request(&good, &good.seal())).await.unwrap();
}

#[tokio::test]
async fn damaged_envelopes_and_payloads_are_refused() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let plan = a.plan(&house, 1);
    let good = plan.seal();
    let damaged = |at: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut envelopes = good.clone();
        change(&mut envelopes.headers[at]);
        a.request(&plan, &envelopes)
    };
    let cut = damaged(0, &|header| {
        header.pop();
    });
    refused(&house, a.send(cut).await, "E1", "B2").await;
    let trailing = damaged(1, &|header| header.push(0));
    let status = refused(&house, a.send(trailing).await, "E1", "B2").await;
    assert_eq!(fields(&status)[0], "headers[1]");
    let suite = damaged(0, &|header| header[9] = 2);
    refused(&house, a.send(suite).await, "E2", "B2").await;
    let length = good.headers[0].len();
    let element = damaged(0, &|header| header[length - 200..length - 168].fill(0xff));
    refused(&house, a.send(element).await, "E3", "B2").await;
    let proof = damaged(0, &|header| header[length - 64] ^= 1);
    refused(&house, a.send(proof).await, "E4", "B2").await;
    let root = damaged(0, &|header| header[length - 70] ^= 1);
    refused(&house, a.send(root).await, "E4", "B2").await;

    let mut request = a.request(&plan, &good);
    request.inline_payloads[0][5] ^= 1;
    let status = refused(&house, a.send(request).await, "E7", "B2").await;
    assert_eq!(fields(&status)[0], "inline_payloads[0]");
    let mut request = a.request(&plan, &good);
    request.inline_payloads[1].pop();
    refused(&house, a.send(request).await, "E7", "B2").await;
    let absent = SubmitBidRequest {
        inline_payloads: vec![],
        ..a.request(&plan, &good)
    };
    refused(&house, a.send(absent).await, "E7", "B3").await;
}

#[tokio::test]
async fn only_the_bidders_own_signature_counts() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let plan = a.plan(&house, 1);
    let sealed = plan.seal();
    let good = a.request(&plan, &sealed);

    let mut forged = good.clone();
    forged.signature[8] ^= 1;
    let status = refused(&house, a.send(forged).await, "E6", "B2").await;
    assert_eq!(fields(&status), ["signature"]);
    // Another supplier's certificate and signature under one's own envelopes.
    let lent = SubmitBidRequest {
        certificate: b.identity.certificate.clone(),
        signature: b.sign(&sealed.headers),
        ..good.clone()
    };
    let status = refused(&house, a.send(lent).await, "E6", "B2").await;
    assert_eq!(fields(&status), ["certificate"]);
    // A certificate of an authority that is no root here.
    let from = start_of_time().plus_seconds(-86_400);
    let stranger = TrialAuthority::new("别的根证书", from, from.plus_seconds(99 * 86_400)).unwrap();
    let foreign = Supplier::of(&house, &stranger, &a.code[..17]);
    refused(
        &house,
        foreign.send(foreign.request(&plan, &sealed)).await,
        "E6",
        "B2",
    )
    .await;
    // Another supplier's envelopes under one's own signature.
    let copied = b.request(&plan, &sealed);
    refused(&house, b.send(copied).await, "E2", "B2").await;
    // An expired certificate.
    let expired = SubmitBidRequest {
        request_id: request_id(),
        ..good.clone()
    };
    house.clock.set(start_of_time().plus_seconds(366 * 86_400));
    let late = a.send(expired).await.unwrap_err();
    assert_eq!(rules(&late)[0], "B3");
}

/// From the moment that a list names it; what it signed before stands, for the receipt said so.
#[tokio::test]
async fn a_revoked_certificate_submits_nothing_further() {
    let house = House::build().await;
    let [a, b, _] = house.suppliers();
    let first = a.plan(&house, 1);
    a.send(a.request(&first, &first.seal())).await.unwrap();
    let now = start_of_time();
    let publish = |revoked: &[Vec<u8>], until| {
        let earlier = now.plus_seconds(-60);
        let list = house.authority.revocation_list(revoked, earlier, until);
        let rule = WithoutFreshList::Refuse;
        let lists = RevocationLists::new(&[list.unwrap()], &house.roots, rule, now);
        house.roots.replace_revoked(lists.unwrap());
    };
    publish(
        std::slice::from_ref(&a.identity.certificate),
        now.plus_seconds(86_400),
    );
    let second = a.plan(&house, 2);
    let refused = a
        .send(a.request(&second, &second.seal()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["certificate"]);
    assert!(refused.message().contains("revoked") || format!("{refused:?}").contains("revoked"));
    let own = a.own(&house).await.unwrap().bid.unwrap();
    assert_eq!((own.state, own.revision), (BidState::Submitted as i32, 1));
    let other = b.plan(&house, 1);
    b.send(b.request(&other, &other.seal())).await.unwrap();
    // A list that has run out says nothing any more, and nobody signs meanwhile.
    publish(&[], now);
    let other = b.plan(&house, 2);
    let refused = b.send(b.request(&other, &other.seal())).await.unwrap_err();
    assert_eq!(fields(&refused), ["certificate"]);
}

#[tokio::test]
async fn revisions_follow_one_another() {
    let house = House::build().await;
    let [a, ..] = house.suppliers();
    let skipped = a.bid(&house, 2).await.unwrap_err();
    assert!(skipped.message().contains("(E8)"), "{skipped:?}");
    let first = a.bid(&house, 1).await.unwrap().bid.unwrap();
    let again = a.bid(&house, 1).await.unwrap_err();
    assert!(again.message().contains("(E8)"), "{again:?}");
    let second = a.bid(&house, 2).await.unwrap().bid.unwrap();
    assert_ne!(first.name, second.name);
    let own = a.own(&house).await.unwrap();
    assert_eq!(own.bid.unwrap().revision, 2);
    assert_eq!(
        own.receipts.iter().map(|r| r.revision).collect::<Vec<_>>(),
        [1, 2]
    );
    own.receipts
        .iter()
        .for_each(|receipt| verify(&house, receipt));
}

#[tokio::test]
async fn who_may_not_bid_and_what_is_unknown_is_refused() {
    let house = House::build().await;
    let excluded = house.supplier(EXCLUDED);
    let status = excluded.bid(&house, 1).await.unwrap_err();
    assert_eq!(rules(&status), ["B6"], "{status:?}");
    let [a, ..] = house.suppliers();
    let plan = a.plan(&house, 1);
    let sealed = Envelopes {
        headers: vec![],
        payloads: vec![],
    };
    let lot = SubmitBidRequest {
        lot_id: "09".into(),
        ..a.request(&plan, &sealed)
    };
    assert_eq!(fields(&a.send(lot).await.unwrap_err()), ["lot_id"]);
    let tender = SubmitBidRequest {
        tender: format!("tenders/{}", uuid::Uuid::new_v4()),
        ..a.request(&plan, &sealed)
    };
    assert_eq!(a.send(tender).await.unwrap_err().code(), Code::NotFound);
    let form = SubmitBidRequest {
        revision: 0,
        inline_payloads: vec![vec![0; 65_537]],
        ..a.request(&plan, &plan.seal())
    };
    let status = a.send(form).await.unwrap_err();
    assert_eq!(
        fields(&status),
        ["revision", "inline_payloads", "inline_payloads[0]"]
    );
}
