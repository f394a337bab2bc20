//! Many bidders at once across the deadline, and a restart at the worst moment.

use std::collections::BTreeMap;

use sunbid_contracts::bid::v1::{BidSubmitted, BiddingClosed, ClosingStatus};
use sunbid_terms::Clock;

use crate::house::{House, deadline, rules};
use crate::outages::proven_at;

const BIDDERS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_receipt_is_in_the_closing_list_and_nothing_follows_it() {
    let house = House::build().await;
    house.clock.set(deadline().plus_micros(-40));
    let house = std::sync::Arc::new(house);
    let bidding = (0..BIDDERS).map(|number| {
        let house = house.clone();
        tokio::spawn(async move {
            let supplier = house.supplier(&format!("91110108551{number:03}082"));
            let mut taken = Vec::new();
            for revision in 1..4 {
                // Time passes with every bid, so that the deadline falls into the middle.
                house.clock.set(house.clock.now().plus_micros(2));
                match supplier.bid(&house, revision).await {
                    Ok(answer) => taken.push(answer.bid.unwrap()),
                    Err(status) => {
                        assert_eq!(rules(&status)[0], "B3", "{status:?}");
                        break;
                    }
                }
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for bidder in bidding.collect::<Vec<_>>() {
        taken.extend(bidder.await.unwrap());
    }
    house.clock.set(deadline());
    house.until(async || house.is_closed().await).await;

    let events = house.events().await;
    assert!(events.last().unwrap().is::<BiddingClosed>());
    let recorded: Vec<BidSubmitted> = events.iter().filter_map(|e| e.read().unwrap()).collect();
    assert_eq!(recorded.len(), taken.len());
    let closed = house.closing_record().await;
    let listed: BTreeMap<_, _> = closed
        .entries
        .iter()
        .map(|e| (e.bundle.clone(), e))
        .collect();
    assert_eq!(listed.len(), taken.len());
    for bid in &taken {
        assert!(bid.accept_time_us < deadline().micros());
        assert!(listed.contains_key(&bid.bundle));
    }
    let live = closed
        .entries
        .iter()
        .filter(|e| e.status == ClosingStatus::Live as i32)
        .count();
    let mut bidders: Vec<_> = taken.iter().map(|bid| &bid.bidder).collect();
    bidders.sort();
    bidders.dedup();
    assert_eq!(live, if bidders.len() < 3 { 0 } else { bidders.len() });
    assert_eq!(house.journal.check().await.unwrap().wrong, None);
}

#[tokio::test]
async fn a_service_that_restarts_at_the_deadline_closes_when_it_is_back() {
    let mut house = House::build().await;
    let [a, ..] = house.suppliers();
    a.bid(&house, 1).await.unwrap();
    house.clock.set(deadline().plus_seconds(-10));
    house
        .until(async || proven_at(&house).await == house.clock_micros())
        .await;
    house.tasks.abort_all();
    while house.tasks.join_next().await.is_some() {}
    house.journal.stop().await;
    // Too short for an outage, which would move the deadline.
    house.clock.set(deadline().plus_seconds(15));
    let started = house.start_again().await;
    house.journal = started.journal;
    house.tasks = started.tasks;
    house.until(async || house.is_closed().await).await;
    assert_eq!(house.closing_record().await.entries.len(), 1);
}
