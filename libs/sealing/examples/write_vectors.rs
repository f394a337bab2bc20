//! Writes the vectors of one whole tender to `tests/vectors/tender-vectors.json`.
//! The file is for other implementations; a test checks that it is what this library makes.
#![allow(
    clippy::unwrap_used,
    reason = "a tool of the tests stops where it fails"
)]

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/tender-vectors.json"
    );
    let made = serde_json::to_string_pretty(&support::vectors::make()).unwrap();
    std::fs::write(path, made + "\n").unwrap();
}
