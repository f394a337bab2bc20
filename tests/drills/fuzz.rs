//! Bytes from outside, made up by a fuzzer that watches which branches they take: no parser panics,
//! takes two spellings of one thing, or takes more memory than its input deserves. `tests/fuzz.sh`
//! does it; this only plays it among the other drills.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::{Form, Played};

pub async fn run(form: Form) -> Played {
    let word = match form {
        Form::Short => "short",
        Form::Long => "long",
    };
    let output = Command::new("tests/fuzz.sh")
        .arg(word)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("tests/fuzz.sh does not start; drills are run from the repository's root")?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<&str> = lines.lines().collect();
    let figures = figures.join("; ");
    ensure!(output.status.success(), "{figures}");
    Ok(figures)
}
