//! Compares the access table with the contracts and makes it part of the program: an RPC without a
//! row, a row without an RPC, a role or relation that is none stops the build.

mod table;

use std::{env, fs, path::PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sources = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("src");
    let (rows, words) = (sources.join("access.txt"), sources.join("access_words.txt"));
    for file in [&rows, &words] {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    // Told by the build of the contracts.
    let descriptors = fs::read(env::var("DEP_SUNBID_CONTRACTS_DESCRIPTORS")?)?;
    let contracts = table::Contracts::of(&FileDescriptorSet::decode(descriptors.as_slice())?);
    let checked = table::check(
        &fs::read_to_string(rows)?,
        &fs::read_to_string(words)?,
        &contracts,
    );
    let made = match checked {
        Ok(checked) => checked.code(),
        Err(faults) => return Err(format!("the access table:\n{}", faults.join("\n")).into()),
    };
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("access.rs"), made)?;
    Ok(())
}
