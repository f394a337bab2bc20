//! What an operator sees: one trace from the command line to the journal through every service on its way,
//! metrics for every dashboard and alert, and nothing of any bid in metrics, spans and log lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, path::Path, process::Stdio};

use sunbid_cli::demo::{
    acts::{self, make_bid},
    cast::{CENTRE, HOLDERS, PURCHASER, SUPPLIERS},
    money::pay_deposit,
};
use sunbid_contracts::tender::v1::TenderState;
use sunbid_platform::{Config, config::Telemetry, divide::FRONT, serve::SERVICES};
use sunbid_tests::{
    World,
    collector::{Collector, Span},
    program,
    scraped::{asked_for, free_address, names, scrape, scrape_until},
};

/// Runs the program as somebody, and sends its spans.
async fn sunbid(world: &World, collector: &Collector, arguments: &[&str]) {
    let output = tokio::process::Command::new(program().unwrap())
        .args(["--trace-to", &collector.endpoint()])
        .args(arguments)
        .env("SUNBID_HOME", world.stage.home())
        .env_remove("SUNBID_PROFILE")
        .env_remove("SUNBID_ENDPOINT")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
}

/// The spans of the trace that begins with a command.
fn trace_of(spans: &[Span], command: &str) -> Vec<Span> {
    let root = spans.iter().find(|span| span.name == command);
    let trace = root.map(|root| root.trace.clone()).unwrap_or_default();
    spans
        .iter()
        .filter(|span| span.trace == trace)
        .cloned()
        .collect()
}

fn processes(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.process.as_str()).collect()
}

/// Every span but the first stands under another of the same trace, and commands end in the journal.
fn hangs_together(trace: &[Span]) {
    let ids: BTreeSet<_> = trace.iter().map(|span| &span.id).collect();
    let first: Vec<_> = trace.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(first.len(), 1, "{first:?}");
    for span in trace.iter().filter(|span| !span.parent.is_empty()) {
        assert!(ids.contains(&span.parent), "{span:?}");
    }
}

/// Waits until a command's trace goes through the front door and the registry (which it signs in with) to
/// `commits`, where it waits for the journal and is written, and to `further` services.
async fn goes_through(collector: &Collector, command: &str, commits: &str, further: &[&str]) {
    let whole = |spans: &[Span]| {
        let trace = trace_of(spans, command);
        let there = processes(&trace);
        let within = |name: &str| {
            let here = |span: &Span| span.process == commits && span.name == name;
            trace.iter().any(here)
        };
        ["sunbid", "front", "registry", commits]
            .iter()
            .chain(further)
            .all(|process| there.contains(process))
            && within("journal wait")
            && within("journal transaction")
    };
    let spans = collector.wait(whole).await;
    let trace = trace_of(&spans, command);
    let shown = trace
        .iter()
        .map(|span| format!("{} {}", span.process, span.name));
    assert!(whole(&spans), "{:#?}", shown.collect::<Vec<_>>());
    hangs_together(&trace);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_command_line_to_the_journal() {
    let world = World::raise_apart().await.unwrap();
    let stage = &world.stage;
    let tender = world.ready().await.unwrap();
    let collector = Collector::start().await.unwrap();
    for part in SERVICES.into_iter().chain([FRONT]) {
        let folder = stage.part(part);
        let mut config = Config::read(&folder).unwrap();
        config.telemetry = Telemetry {
            metrics: None,
            endpoint: Some(collector.endpoint()),
            sample_percent: 100,
            join_callers: true,
            // A sandbox may: here it is the supplier's road that is to be seen.
            trace_sealed_calls: true,
        };
        config.write(&folder).unwrap();
        assert!(stage.stop(part).await.unwrap(), "{part}");
        stage.start_part(part).await.unwrap();
    }
    let publish = ["-p", PURCHASER.profile, "notice", "publish", &tender];
    sunbid(&world, &collector, &publish).await;
    goes_through(&collector, "sunbid notice publish", "notice", &["tender"]).await;

    let announced = acts::wait_for_state(stage, &tender, TenderState::Announced);
    let tender = announced.await.unwrap();
    pay_deposit(stage, &SUPPLIERS[0], &tender.name, "01")
        .await
        .unwrap();
    let sealed = make_bid(stage, &SUPPLIERS[0], &tender, "01", "2700000.00", 1, 0)
        .await
        .unwrap();
    let folder = stage.desk(SUPPLIERS[0].profile).unwrap();
    let folder = folder.join(format!("sealed-{}-{}", sealed.lot_id, sealed.revision));
    let folder = folder.display().to_string();
    let hand_in = ["-p", SUPPLIERS[0].profile, "bid", "submit", &folder];
    sunbid(&world, &collector, &hand_in).await;
    goes_through(&collector, "sunbid bid submit", "bid", &["deposit"]).await;

    let hold = [
        "-p",
        HOLDERS[0].profile,
        "tender",
        "suspend",
        &tender.name,
        "--reason",
        "投诉处理",
    ];
    sunbid(&world, &collector, &hold).await;
    goes_through(&collector, "sunbid tender suspend", "tender", &["bid"]).await;
    world.stage.strike().await;
}

/// Expressions of all dashboards and alerts.
fn expressions() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/observability");
    let mut all = asked_for(&std::fs::read_to_string(folder.join("alerts.yaml")).unwrap());
    let mut boards = 0;
    for file in std::fs::read_dir(folder.join("dashboards")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let board: serde_json::Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let asked = asked_for(target["expr"].as_str().unwrap());
                assert!(!asked.is_empty(), "{target}");
                all.extend(asked);
            }
        }
        boards += 1;
    }
    assert!(boards >= 4 && all.len() >= 20, "{boards} {all:?}");
    all
}

/// What no metric, span or log line may hold: who the suppliers are, what they bid and where they bank, who
/// signed in, and with what.
fn secrets() -> Vec<String> {
    let mut secrets: Vec<String> = ["Bearer", "投标员", "经办人", "审查人", "管理员"]
        .map(str::to_owned)
        .to_vec();
    for supplier in &SUPPLIERS {
        secrets.extend([supplier.name, supplier.code, supplier.account].map(str::to_owned));
        secrets.push(supplier.profile.to_owned());
    }
    // Sheets of the story, in yuan and in fen.
    for price in [
        "2788000",
        "265000050",
        "2650000.50",
        "271234567",
        "2590000",
        "1480000",
        "1455000",
    ] {
        secrets.push(price.to_owned());
    }
    secrets
}

fn holds_no_secret(what: &str, text: &str) {
    for secret in secrets() {
        let line = text.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{what} holds {secret}: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_tender_shows_what_an_operator_needs_and_nothing_of_bids() {
    let world = World::raise().await.unwrap();
    let stage = &world.stage;
    let collector = Collector::start().await.unwrap();
    let address = free_address().await.unwrap();
    assert!(stage.stop("platform").await.unwrap());
    let endpoint = collector.endpoint();
    let settings = [
        "--json",
        "--telemetry-metrics",
        &address,
        "--telemetry-endpoint",
        &endpoint,
        "--telemetry-sample-percent",
        "100",
    ];
    stage.start_platform_with(&settings).await.unwrap();
    acts::play(stage, &world.narrator, 1).await.unwrap();
    // Whoever begins a trace outside is pointed at, and not joined.
    const COMMAND: &str = "sunbid audit status";
    const CALL: &str = "sunbid.audit.v1.AuditService/GetStatus";
    let asked = ["-p", CENTRE.profile, "audit", "status"];
    sunbid(&world, &collector, &asked).await;
    let pointed = |spans: &[Span]| {
        let outside = trace_of(spans, COMMAND);
        let here = spans.iter().rfind(|span| span.name == CALL);
        outside.len() == 1 && here.is_some_and(|here| here.links.contains(&outside[0].trace))
    };
    let spans = collector.wait(pointed).await;
    assert!(pointed(&spans), "{:?}", trace_of(&spans, COMMAND));

    let wanted = expressions();
    let text = scrape_until(&address, &wanted).await.unwrap();
    // That of the database's clock needs a database with one; its name is there by the witnesses'.
    let missing: Vec<_> = wanted.difference(&names(&text)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?} in\n{text}");
    assert!(
        scrape(stage.endpoint().trim_start_matches("http://"))
            .await
            .is_err()
    );

    holds_no_secret("metrics", &text);
    for span in &spans {
        holds_no_secret(&span.name, &span.text);
        // Outside a sandbox's own wish, suppliers' and the public's calls are not traced.
        if let Some(rpc) = span
            .name
            .starts_with("sunbid.")
            .then(|| format!("/{}", span.name))
        {
            let inner = !span.parent.is_empty();
            assert!(inner || sunbid_service::access::is_open(&rpc), "{span:?}");
        }
    }
    let mut lines = 0;
    let mut traced = 0;
    for file in std::fs::read_dir(stage.logs()).unwrap() {
        let path = file.unwrap().path();
        // The bank is not the platform's; its simulator is one of many.
        if path.ends_with("bank.log") {
            continue;
        }
        let log = std::fs::read_to_string(&path).unwrap();
        holds_no_secret(&path.display().to_string(), &log);
        if path.ends_with("platform.log") {
            for line in log.lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(line["fields"]["message"].is_string(), "{line}");
                traced += usize::from(line["span"]["trace_id"].is_string());
                lines += 1;
            }
        }
    }
    assert!(lines > 3, "{lines} lines, {traced} of traced calls");
    world.stage.strike().await;
}
