//! The whole platform on PostgreSQL: the demonstration plays; two processes serve one database and
//! either may die; a database that goes away is told as such and work goes on when it is back.
//! Without PostgreSQL's programs these tests say that they were skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::PathBuf, process::Command, sync::Arc, time::Duration};

use sunbid_cli::{
    commands::verify,
    demo::{
        acts::{make_bid, submit},
        cast::{CENTRE, PURCHASER, SUPPLIERS},
    },
    output::to_json,
};
use sunbid_contracts::{
    audit::v1::{GetStatusRequest, GetStatusResponse},
    bid::v1::Receipt,
    tender::v1::{GetTenderRequest, Tender},
};
use sunbid_journal::trial::{self, Cluster};
use sunbid_platform::{readiness::health_name, serve::SERVICES};
use sunbid_terms::Instant;
use sunbid_tests::{
    OUTPUT, World, program,
    storm::{self, Storm},
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_plays_on_postgresql() {
    let Some(address) = trial::fresh_address().await.unwrap() else {
        return;
    };
    let output = Command::new(program().unwrap())
        .args(["--language", "en", "demo", "--size", "1", "--database"])
        .arg(address)
        .env_remove("SUNBID_PROFILE")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(
        told.contains("One byte of the public records was changed: verification fails"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_serve_one_database_and_either_may_die() {
    let Some(address) = trial::fresh_address().await.unwrap() else {
        return;
    };
    let world = Arc::new(World::raise_on(Some(address)).await.unwrap());
    let stage = &world.stage;
    let (second, endpoint) = stage.start_second_platform().await.unwrap();
    // The tender's own way, too, leads through both: what one wrote, the other sees.
    let purchaser = stage.reach(PURCHASER.profile, &endpoint).await.unwrap();
    stage.use_connection(PURCHASER.profile, purchaser).await;
    let tender = world.announced(0).await.unwrap();
    let (here, there) = SUPPLIERS.split_at(2);
    for supplier in there {
        let over = stage.reach(supplier.profile, &endpoint).await.unwrap();
        stage.use_connection(supplier.profile, over).await;
    }
    let storm = Storm::begin(&world, &tender);
    storm.wait_for(12).await.unwrap();
    stage.kill("platform").await;
    for supplier in here {
        let over = stage.reach(supplier.profile, &endpoint).await.unwrap();
        stage.use_connection(supplier.profile, over).await;
    }
    storm.wait_for(8).await.unwrap();
    stage.start_platform().await.unwrap();
    stage.kill(second).await;
    let first = stage.endpoint();
    for part in SUPPLIERS.iter().chain([&PURCHASER]) {
        let over = stage.reach(part.profile, first).await.unwrap();
        stage.use_connection(part.profile, over).await;
    }
    storm.wait_for(8).await.unwrap();
    let acknowledged = storm.end().await.unwrap();
    let lost = storm::lost(&world, &tender, &acknowledged).await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let receipts: Vec<Receipt> = acknowledged.into_iter().map(|(_, kept)| kept).collect();
    // The second process is there for the opening again, in which each may take any share.
    stage.start_second_platform().await.unwrap();
    open_and_verify(&world, &tender, &receipts).await;
    checked(&world);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_away_is_told_and_work_goes_on_when_it_is_back() {
    let Some(cluster) = Cluster::start(&[]).unwrap() else {
        eprintln!("PostgreSQL half skipped: no initdb found");
        return;
    };
    let address = cluster.database().await.unwrap();
    let world = World::raise_on(Some(address)).await.unwrap();
    let tender = world.announced(0).await.unwrap();
    let [one, two, three, ..] = &SUPPLIERS;
    let bid = async |supplier| {
        make_bid(&world.stage, supplier, &tender, "01", "2700000.00", 1, 0)
            .await
            .unwrap()
    };
    let (first, second, third) = (bid(one).await, bid(two).await, bid(three).await);
    let mut receipts = vec![submit(&world.stage, one, &first).await.unwrap()];
    cluster.stop().unwrap();
    let reader = world.stage.of(PURCHASER.profile).await.unwrap();
    let asked = GetTenderRequest {
        name: tender.name.clone(),
    };
    let read = reader.tender().get_tender(asked.clone()).await;
    assert_retry(&read.unwrap_err());
    let written = submit(&world.stage, two, &second).await.unwrap_err();
    let status = written.chain().find_map(|e| e.downcast_ref::<Status>());
    assert_retry(status.expect("a status"));
    is_ready(&world, false).await;
    cluster.resume().unwrap();
    let mut answered = false;
    for _ in 0..300 {
        answered = reader.tender().get_tender(asked.clone()).await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(answered, "reading does not go on");
    is_ready(&world, true).await;
    for (supplier, sealed) in [(two, &second), (three, &third)] {
        receipts.push(submit(&world.stage, supplier, sealed).await.unwrap());
    }
    open_and_verify(&world, &tender, &receipts).await;
    checked(&world);
    world.stage.strike().await;
}

/// Waits until the platform says of its services that they can work, or cannot.
async fn is_ready(world: &World, ready: bool) {
    let endpoint = Endpoint::from_shared(world.stage.endpoint().to_owned()).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    for service in SERVICES {
        let request = HealthCheckRequest {
            service: health_name(service),
        };
        let mut watched = health.watch(request).await.unwrap().into_inner();
        loop {
            let said = watched.message().await.unwrap().unwrap().status();
            if (said == ServingStatus::Serving) == ready {
                break;
            }
        }
    }
}

/// Away for the moment, with a hint when to ask again.
fn assert_retry(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let hint = status.get_details_retry_info();
    assert!(
        hint.is_some_and(|info| info.retry_delay.is_some()),
        "{status:?}"
    );
}

/// Moves on to the opening; everybody's receipts must be in what is disclosed.
async fn open_and_verify(world: &World, tender: &Tender, receipts: &[Receipt]) {
    // In a sandbox weeks pass in a moment; the public log must have seen the bids before that.
    let seen = status(world).await.epochs;
    while status(world).await.epochs < seen + 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let deadline = tender.timetable.unwrap().bid_deadline_us;
    let deadline = Instant::from_micros(deadline);
    world.stage.advance(deadline).await.unwrap();
    storm::announced(world, tender).await.unwrap();
    let desk = world.stage.desk("receipts").unwrap();
    let files: Vec<PathBuf> = receipts
        .iter()
        .enumerate()
        .map(|(at, receipt)| {
            let file = desk.join(format!("{at}.json"));
            fs::write(&file, to_json(receipt).unwrap().to_string()).unwrap();
            file
        })
        .collect();
    let citizen = world.stage.of(PURCHASER.profile).await.unwrap();
    let mut folder = None;
    for attempt in 0..200 {
        let place = world.stage.desk(&format!("citizen-{attempt}")).unwrap();
        let place = place.join("records");
        if verify::download(&citizen, &tender.name, &place)
            .await
            .is_ok()
        {
            folder = Some(place);
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let folder = folder.expect("the records are disclosed");
    verify::check(&folder, None, &files, OUTPUT).unwrap();
    for log in &status(world).await.logs {
        assert!(log.fault.is_empty(), "{log:?}");
    }
}

/// What the audit says of itself.
async fn status(world: &World) -> GetStatusResponse {
    let centre = world.stage.of(CENTRE.profile).await.unwrap();
    let status = centre.audit().get_status(GetStatusRequest {}).await;
    status.unwrap().into_inner()
}

/// Every log of every service is without gaps and verifies.
fn checked(world: &World) {
    let output = Command::new(program().unwrap())
        .args(["platform", "check"])
        .arg(world.data())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("bid: "), "{told}");
}
