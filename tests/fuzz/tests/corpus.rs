//! The committed corpus through every target, without the engine: what the fuzzer once found stays
//! mended, and the lists of what is fuzzed are whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where it fails"
)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use prost_reflect::DescriptorPool;
use sunbid_fuzz::{TARGETS, event_number, request_number};

/// All inputs together, bytes: a clone stays small.
const MOST_BYTES: u64 = 1 << 20;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn no_input_of_the_corpus_breaks_a_property() {
    for target in TARGETS {
        let mut count = 0;
        for file in fs::read_dir(corpus().join(target.name)).unwrap() {
            let path = file.unwrap().path();
            // Named by the test's output if it stops here.
            println!("{}", path.display());
            (target.run)(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 1, "{} has no corpus", target.name);
    }
}

#[test]
fn every_folder_of_the_corpus_is_a_target_s_and_all_stay_small() {
    let folders: BTreeSet<String> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let targets: BTreeSet<String> = TARGETS.iter().map(|one| one.name.to_owned()).collect();
    assert_eq!(folders, targets);
    let bytes: u64 = folders
        .iter()
        .flat_map(|folder| fs::read_dir(corpus().join(folder)).unwrap())
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < MOST_BYTES, "the corpus has {bytes} bytes");
}

#[test]
fn the_script_runs_every_target() {
    let script = include_str!("../../fuzz.sh");
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let line = format!("targets=({})", names.join(" "));
    assert!(script.lines().any(|one| one == line), "{line} is not in it");
}

/// Adding an RPC or an event without adding it to what is fuzzed fails here.
#[test]
fn every_request_and_every_event_is_fuzzed() {
    let pool = DescriptorPool::decode(sunbid_contracts::DESCRIPTORS).unwrap();
    for service in pool.services() {
        if !service.full_name().starts_with("sunbid.") {
            continue;
        }
        for method in service.methods() {
            let name = method.input().full_name().to_owned();
            assert!(request_number(&name).is_some(), "{name} is not fuzzed");
        }
    }
    for file in pool.files() {
        if !file.name().ends_with("/events.proto") {
            continue;
        }
        for message in file.messages() {
            let name = message.full_name().to_owned();
            assert!(event_number(&name).is_some(), "{name} is not fuzzed");
        }
    }
}
