//! Nobody learns who bids or how many: the same tender with 3 and with 30 bidders shows the same
//! bytes on every surface that anyone but a bidder has before the opening.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sunbid_cli::demo::{
    acts::{make_bid, submit},
    cast::{CENTRE, HOLDERS, PURCHASER, Part, SUPPLIERS},
    money::pay_deposit,
};
use sunbid_cli::{commands::organization::Kind, connection::Connection};
use sunbid_contracts::opening::v1::CheckInRequest;
use sunbid_tests::{
    World,
    surfaces::{Seen, seen_by},
};

const ENROLLED: usize = 30;

/// Suppliers beyond the cast; the same in both runs.
fn supplier(number: usize) -> Part {
    let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    Part {
        profile: text(format!("bidder-{number}")),
        code: text(format!("91140600MA00001{number:02}")),
        name: text(format!("投标人{number:02}")),
        kinds: &[Kind::Supplier],
        account: text(format!("620000000000000001{number:02}")),
    }
}

async fn run(bidders: usize) -> Seen {
    let world = World::raise().await.unwrap();
    let parts: Vec<Part> = (0..ENROLLED).map(supplier).collect();
    for part in &parts {
        world.stage.enrol_supplier(part).await.unwrap();
    }
    let tender = world.announced(5_000_000).await.unwrap();
    for part in &parts[..bidders] {
        pay_deposit(&world.stage, part, &tender.name, "01")
            .await
            .unwrap();
        let sealed = make_bid(&world.stage, part, &tender, "01", "2700000.00", 1, 1)
            .await
            .unwrap();
        submit(&world.stage, part, &sealed).await.unwrap();
        let request = CheckInRequest {
            request_id: sunbid_cli::connection::request_id(),
            tender: tender.name.clone(),
        };
        // Before the hour of signing in this is refused; either way nobody else may notice.
        let _ = world
            .stage
            .of(part.profile)
            .await
            .unwrap()
            .opening()
            .check_in(request)
            .await;
    }
    // A few epochs of the public log, busy in one run and idle in the other.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let mut seen = Seen::new();
    let anyone = Connection::anonymous(world.stage.endpoint(), true)
        .await
        .unwrap();
    seen.extend(seen_by("anyone", &anyone, &tender.name).await.unwrap());
    for reader in [&PURCHASER, &HOLDERS[0], &CENTRE, &SUPPLIERS[4]] {
        let connection = world.stage.of(reader.profile).await.unwrap();
        seen.extend(
            seen_by(reader.profile, &connection, &tender.name)
                .await
                .unwrap(),
        );
    }
    world.stage.strike().await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn three_and_thirty_bidders_look_the_same() {
    let (few, many) = (run(3).await, run(30).await);
    assert_eq!(few.len(), many.len());
    assert!(few.len() > 80, "{} surfaces", few.len());
    for ((surface, few), (_, many)) in few.iter().zip(&many) {
        let differ = few
            .lines()
            .zip(many.lines())
            .find(|(few, many)| few != many);
        assert!(few == many, "{surface}: {differ:?}");
    }
    // The comparison sees what is there: the purchaser's view is not empty.
    let tender = few
        .iter()
        .find(|(surface, _)| surface == "purchaser: get_tender")
        .unwrap();
    assert!(tender.1.contains("多媒体教学设备"), "{}", tender.1);
}
