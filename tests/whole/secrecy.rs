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
    scraped::{free_address, samples, scrape},
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

/// Samples that follow from the time that passed, and from holders' daemons that come again and again. Their
/// names and labels are compared, not their values.
const OF_TIME: [&str; 9] = [
    "sunbid_up_seconds",
    "sunbid_looked_seconds_ago",
    "sunbid_epoch_age_seconds",
    "sunbid_witness_silence_seconds",
    "sunbid_holder_silence_seconds",
    "sunbid_clock_offset_seconds",
    "sunbid_database_seconds",
    "sunbid_call_seconds",
    "sunbid_calls_total{method=\"sunbid.audit.v1.AuditService/",
];

/// What metrics gained between two readings.
fn gained(before: &str, after: &str) -> String {
    let before = samples(before);
    let mut shown = String::new();
    for (sample, value) in samples(after) {
        let counts =
            sample.contains("_total{") || sample.contains("_count{") || sample.contains("_sum{");
        let was = before.get(&sample).copied().unwrap_or(0.0);
        // Buckets follow from counts and times; the counts are compared.
        if sample.contains("_bucket{") {
            continue;
        }
        if OF_TIME.iter().any(|name| sample.starts_with(name)) {
            shown.push_str(&format!("{sample}\n"));
        } else {
            let value = if counts { value - was } else { value };
            shown.push_str(&format!("{sample} {value}\n"));
        }
    }
    shown
}

/// Log lines without when they were written.
fn lines_of(log: &str) -> String {
    let mut lines = Vec::new();
    for line in log.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("timestamp");
        lines.push(line.to_string());
    }
    lines.sort();
    lines.join("\n")
}

async fn run(bidders: usize) -> Seen {
    let world = World::raise().await.unwrap();
    let metrics = free_address().await.unwrap();
    // A collector that is away is nobody's fault.
    let away = format!("http://{}", free_address().await.unwrap());
    assert!(world.stage.stop("platform").await.unwrap());
    let settings = [
        "--json",
        "--telemetry-metrics",
        &metrics,
        "--telemetry-endpoint",
        &away,
        "--telemetry-sample-percent",
        "100",
    ];
    world.stage.start_platform_with(&settings).await.unwrap();
    let parts: Vec<Part> = (0..ENROLLED).map(supplier).collect();
    for part in &parts {
        world.stage.enrol_supplier(part).await.unwrap();
    }
    let tender = world.announced(5_000_000).await.unwrap();
    let log = world.stage.logs().join("platform.log");
    // Once everything has been looked at.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let (metrics_before, log_before) = (
        scrape(&metrics).await.unwrap(),
        std::fs::read_to_string(&log).unwrap(),
    );
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
    let now = scrape(&metrics).await.unwrap();
    seen.push((
        "operator: metrics".to_owned(),
        gained(&metrics_before, &now),
    ));
    let log = std::fs::read_to_string(&log).unwrap();
    let log = log.strip_prefix(&log_before).unwrap();
    seen.push(("operator: log".to_owned(), lines_of(log)));
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
    let metrics = few
        .iter()
        .find(|(surface, _)| surface == "operator: metrics")
        .unwrap();
    for shown in ["sunbid_strain{service=\"bid\"", "sunbid_calls_total"] {
        assert!(metrics.1.contains(shown), "{}", metrics.1);
    }
    // The comparison sees what is there: the purchaser's view is not empty.
    let tender = few
        .iter()
        .find(|(surface, _)| surface == "purchaser: get_tender")
        .unwrap();
    assert!(tender.1.contains("多媒体教学设备"), "{}", tender.1);
}
