//! Sealing and opening one file of 100 MB in wall time, beside what people use for files: `age` and
//! `openssl cms`, where they are installed. Each reads a real file and writes one; all cores may
//! help. Prints lines like the other benchmark: a ratio above 1 is faster than the peer.
#![allow(clippy::unwrap_used, reason = "a measurement stops where it fails")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sunbid_sealing::{CheckedHeader, Class, OsRng, SharedSecret, Workers, open, seal};
use support::{checked, standing_committee, subject};

const LENGTH: usize = 100_000_000;
const RUNS: usize = 5;

fn main() {
    // `cargo test` runs benches to see that they work; measuring there would only take time.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_content(&folder.join("content"));
    let (header, secret) = seal_file(folder, "ours.sealed");
    open_file(folder, &header, &secret);
    assert!(
        same(&folder.join("content"), &folder.join("ours.opened")),
        "what was opened is what was sealed"
    );
    let age = prepare_age(folder);
    let cms = prepare_cms(folder);
    let mut best: Vec<(&str, Duration)> = Vec::new();
    // In turn, so that whatever else the machine does meets all of them alike.
    for _ in 0..RUNS {
        // Into a file of its own: every sealing has a key of its own.
        keep(&mut best, "seal", || drop(seal_file(folder, "ours.again")));
        keep(&mut best, "open", || open_file(folder, &header, &secret));
        for (installed, name, line) in [
            (
                age,
                "age seal",
                ["age", "-R", "age.public", "-o", "age.sealed", "content"].as_slice(),
            ),
            (
                age,
                "age open",
                &[
                    "age",
                    "-d",
                    "-i",
                    "age.key",
                    "-o",
                    "age.opened",
                    "age.sealed",
                ],
            ),
            (cms, "openssl cms seal", &CMS_SEAL),
            (cms, "openssl cms open", &CMS_OPEN),
        ] {
            if installed {
                keep(&mut best, name, || run(folder, line));
            }
        }
    }
    for (name, time) in &best {
        let rate = LENGTH as f64 / 1e6 / time.as_secs_f64();
        println!("{}_file_100mb\t{rate:.0}\tMB/s\t\t", name.replace(' ', "_"));
        let Some((peer, ours)) = name.rsplit_once(' ') else {
            continue;
        };
        let (_, own) = best.iter().find(|(name, _)| *name == ours).unwrap();
        let ratio = time.as_secs_f64() / own.as_secs_f64();
        let own = LENGTH as f64 / 1e6 / own.as_secs_f64();
        println!("{ours}_file_100mb\t{own:.0}\tMB/s\t{ratio:.2}\t{peer}, wall time");
    }
}

fn write_content(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let bytes: Vec<u8> = (0..LENGTH)
        .map(|position| ((position * 31) >> 3) as u8)
        .collect();
    file.write_all(&bytes).unwrap();
    file.flush().unwrap();
}

fn seal_file(folder: &Path, name: &str) -> (CheckedHeader, SharedSecret) {
    let key = standing_committee().key.sealing();
    let content = File::open(folder.join("content")).unwrap();
    let payload = File::create(folder.join(name)).unwrap();
    let subject = subject(Class::Public, 0);
    let workers = Workers::available();
    let length = LENGTH as u64;
    let sealed = seal(key, &subject, length, content, payload, workers, &mut OsRng).unwrap();
    let header = checked(&sealed);
    let secret = sealed.rescue.shared_secret(key, &header).unwrap();
    (header, secret)
}

fn open_file(folder: &Path, header: &CheckedHeader, secret: &SharedSecret) {
    let payload = File::open(folder.join("ours.sealed")).unwrap();
    let content = File::create(folder.join("ours.opened")).unwrap();
    open(header, secret, payload, content, Workers::available()).unwrap();
}

fn same(left: &Path, right: &Path) -> bool {
    std::fs::read(left).unwrap() == std::fs::read(right).unwrap()
}

const CMS_SEAL: [&str; 13] = [
    "openssl",
    "cms",
    "-encrypt",
    "-binary",
    "-stream",
    "-aes-256-gcm",
    "-outform",
    "DER",
    "-in",
    "content",
    "-out",
    "cms.sealed",
    "cms.pem",
];
const CMS_OPEN: [&str; 14] = [
    "openssl",
    "cms",
    "-decrypt",
    "-binary",
    "-inform",
    "DER",
    "-in",
    "cms.sealed",
    "-out",
    "cms.opened",
    "-recip",
    "cms.pem",
    "-inkey",
    "cms.key",
];

fn prepare_age(folder: &Path) -> bool {
    if !installed("age") {
        return false;
    }
    run(folder, &["age-keygen", "-o", "age.key"]);
    let public = Command::new("age-keygen")
        .args(["-y", "age.key"])
        .current_dir(folder)
        .output()
        .unwrap();
    std::fs::write(folder.join("age.public"), public.stdout).unwrap();
    true
}

fn prepare_cms(folder: &Path) -> bool {
    if !installed("openssl") {
        return false;
    }
    run(
        folder,
        &[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=bench",
            "-days",
            "1",
            "-keyout",
            "cms.key",
            "-out",
            "cms.pem",
        ],
    );
    true
}

fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn run(folder: &Path, line: &[&str]) {
    let (program, arguments) = line.split_first().unwrap();
    let ended = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

fn keep(best: &mut Vec<(&'static str, Duration)>, name: &'static str, work: impl FnOnce()) {
    let begun = Instant::now();
    work();
    let time = begun.elapsed();
    match best.iter_mut().find(|(known, _)| *known == name) {
        Some((_, kept)) => *kept = time.min(*kept),
        None => best.push((name, time)),
    }
}
