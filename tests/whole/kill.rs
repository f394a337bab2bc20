//! Nothing acknowledged is lost: the platform is killed with SIGKILL again and again in the middle of
//! a storm of submissions; afterwards every receipt is accounted for, by its supplier's own view and
//! by public verification. Then no byte of the public records can be changed unnoticed, not even by
//! an operator who signs a new index.
//! SUNBID_KILLS sets how often (long form: 200); the short form kills six times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ring::rand::{SecureRandom, SystemRandom};
use sunbid_cli::{
    commands::verify,
    demo::cast::{PURCHASER, SUPPLIERS},
    output::to_json,
};
use sunbid_contracts::{bid::v1::Receipt, tender::v1::Tender};
use sunbid_proofs::{Note, Signer, sha256};
use sunbid_terms::Instant;
use sunbid_tests::{
    OUTPUT, World,
    storm::{self, Storm},
};

async fn kill_again_and_again(world: &World) {
    let kills: u32 = std::env::var("SUNBID_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(6);
    for _ in 0..kills {
        let mut byte = [0];
        SystemRandom::new().fill(&mut byte).unwrap();
        tokio::time::sleep(Duration::from_millis(300 + 4 * u64::from(byte[0]))).await;
        world.stage.kill("platform").await;
        world.stage.start_platform().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_receipt_survives_and_every_byte_counts() {
    let world = Arc::new(World::raise().await.unwrap());
    let tender = world.announced(0).await.unwrap();
    let storm = Storm::begin(&world, &tender);
    kill_again_and_again(&world).await;
    let acknowledged = storm.end().await.unwrap();
    assert!(
        acknowledged.len() >= SUPPLIERS.len(),
        "{} acknowledged",
        acknowledged.len()
    );
    let lost = storm::lost(&world, &tender, &acknowledged).await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let deadline = tender.timetable.unwrap().bid_deadline_us;
    world
        .stage
        .advance(Instant::from_micros(deadline))
        .await
        .unwrap();
    let folder = disclosed(&world, &tender).await;
    let desk = world.stage.desk("receipts").unwrap();
    let kept = |name: &str, receipt: &Receipt| {
        let file = desk.join(format!("{name}.json"));
        fs::write(&file, to_json(receipt).unwrap().to_string()).unwrap();
        file
    };
    let receipts: Vec<PathBuf> = acknowledged
        .iter()
        .enumerate()
        .map(|(at, (_, receipt))| kept(&at.to_string(), receipt))
        .collect();
    verify::check(&folder, None, &receipts, OUTPUT).unwrap();
    // A receipt for something that never came is noticed too.
    let mut forged = acknowledged[0].1.clone();
    forged.leaf[0] ^= 1;
    assert!(verify::check(&folder, None, &[kept("forged", &forged)], OUTPUT).is_err());
    every_byte_counts(&world, &folder);
    world.stage.strike().await;
}

/// Waits for the opening record and its disclosure.
async fn disclosed(world: &World, tender: &Tender) -> std::path::PathBuf {
    storm::announced(world, tender).await.unwrap();
    let connection = world.stage.of(PURCHASER.profile).await.unwrap();
    let desk = world.stage.desk("citizen").unwrap();
    for attempt in 0..100 {
        let folder = desk.join(format!("records-{attempt}"));
        match verify::download(&connection, &tender.name, &folder).await {
            Ok(()) => return folder,
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
    panic!("the records were not disclosed");
}

fn every_byte_counts(world: &World, folder: &Path) {
    let index = fs::read_to_string(folder.join("index.note")).unwrap();
    let listed: Vec<String> = index
        .lines()
        .take_while(|line| !line.is_empty())
        .skip(2)
        .map(|line| line.split(' ').nth(2).unwrap().to_owned())
        .collect();
    assert!(listed.len() >= 9, "{listed:?}");
    for path in listed.iter().map(String::as_str).chain(["index.note"]) {
        let file = folder.join(path);
        let whole = fs::read(&file).unwrap();
        for at in places(whole.len()) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            let found = verify::check(folder, None, &[], OUTPUT).is_err();
            assert!(found, "byte {at} of {path}");
            // An operator signs a new index over the changed file: the content itself must tell.
            // The checkpoint carries more cosignatures than are needed, each on its own.
            // Keys that nobody pinned are whatever the records say; that is why they are printed.
            if !["index.note", "checkpoint.note", "anchors.pb"].contains(&path) {
                sign_index(world, folder, &listed);
                let found = verify::check(folder, None, &[], OUTPUT).is_err();
                assert!(found, "byte {at} of {path}, index signed anew");
                fs::write(folder.join("index.note"), &index).unwrap();
            }
        }
        fs::write(&file, &whole).unwrap();
    }
    verify::check(folder, None, &[], OUTPUT).unwrap();
}

/// A few places of a file: its ends and some between.
fn places(length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..6).map(|n| n * length / 6).collect();
    places.push(length - 1);
    places.dedup();
    places
}

/// What a corrupt operator would do after changing a file.
fn sign_index(world: &World, folder: &Path, listed: &[String]) {
    let note = Note::parse(&fs::read(folder.join("index.note")).unwrap()).unwrap();
    let head: Vec<&str> = note.text.lines().take(2).collect();
    let mut text = format!("{}\n{}\n", head[0], head[1]);
    for path in listed {
        let bytes = fs::read(folder.join(path)).unwrap();
        text.push_str(&format!(
            "{} {} {path}\n",
            hex::encode(sha256(&[&bytes])),
            bytes.len()
        ));
    }
    let seed = fs::read(world.data().join("keys/log.secret")).unwrap();
    let signer = Signer::from_seed("sandbox.demo/log", &seed.try_into().unwrap()).unwrap();
    let signature = signer.sign(&text).unwrap();
    let note = Note {
        text,
        signatures: vec![signature],
    };
    fs::write(folder.join("index.note"), note.format()).unwrap();
}
