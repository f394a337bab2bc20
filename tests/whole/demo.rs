//! The first command of the README, on small files: it plays to the end and tells the story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use sunbid_tests::program;

#[test]
fn the_demonstration_plays_to_the_end() {
    let output = Command::new(program().unwrap())
        .args(["--language", "en", "demo", "--size", "2"])
        .env_remove("SUNBID_PROFILE")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    for part in [
        "The key ceremony",
        "Deposits, sealing, submission",
        "nobody attending",
        "replaced its bid",
        "session closed",
        "One byte of the public records was changed: verification fails",
        "Nobody short of t",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
}
