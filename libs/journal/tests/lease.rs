//! The lease from outside: one holder at a time, taken over from one that went silent, and a fence
//! that stops one that was only slow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[macro_use]
mod common;

use std::time::Duration;

use common::{Place, log};
use sunbid_journal::{Lease, LogHead, PublicLog, PublicLogError, ReadError};
use sunbid_proofs::Signer;
use sunbid_terms::Instant;

promises! {
    what_was_given_back_is_free_at_once,
    a_holder_that_lost_its_lease_adds_nothing,
}

fn lease(place: &Place, patience: Duration) -> Lease {
    Lease::with_patience(place.db.clone(), "test", patience).unwrap()
}

async fn what_was_given_back_is_free_at_once(place: Place) {
    let for_ever = Duration::from_secs(1_000_000);
    let (mut one, mut two) = (lease(&place, for_ever), lease(&place, for_ever));
    assert!(one.hold().await.unwrap().is_some());
    assert!(one.hold().await.unwrap().is_some());
    if place.db.is_shared() {
        assert!(two.hold().await.unwrap().is_none());
        assert!(two.hold().await.unwrap().is_none());
    }
    one.give_back().await.unwrap();
    assert!(two.hold().await.unwrap().is_some());
    two.give_back().await.unwrap();
    // What one does not hold, it cannot give back.
    assert!(one.hold().await.unwrap().is_some());
    two.give_back().await.unwrap();
    assert!(one.hold().await.unwrap().is_some());
}

async fn a_holder_that_lost_its_lease_adds_nothing(place: Place) {
    let signer = || Signer::from_seed("log.example/epochs", &[1; 32]).unwrap();
    let opened = PublicLog::open(place.db.clone(), [3; 32], signer(), None);
    let public = opened.await.unwrap();
    // Without patience whoever looks twice takes over from a holder that is only slow.
    let mut slow = lease(&place, Duration::ZERO);
    let mut quick = lease(&place, Duration::ZERO);
    let old = slow.hold().await.unwrap().unwrap();
    public
        .seal_epoch(0, Instant::from_seconds(1), &[], Some(&old))
        .await
        .unwrap();
    while quick.hold().await.unwrap().is_none() {}
    let head = LogHead {
        log: log("a"),
        size: 1,
        root: [7; 32],
    };
    let late = public
        .seal_epoch(1, Instant::from_seconds(2), &[head], Some(&old))
        .await;
    assert!(
        matches!(
            late,
            Err(PublicLogError::Database(ReadError::Contention(_)))
        ),
        "{late:?}"
    );
    assert_eq!(public.size().await.unwrap(), 1);
    let new = quick.hold().await.unwrap().unwrap();
    public
        .seal_epoch(1, Instant::from_seconds(2), &[], Some(&new))
        .await
        .unwrap();
    assert_eq!(public.size().await.unwrap(), 2);
}
