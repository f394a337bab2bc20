//! A platform goes back to an earlier point: its witnesses and its own memory notice, and it goes on
//! only after the loss was declared and accepted. And data of an earlier program are opened by this one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use sunbid_cli::demo::{cast::HOLDERS, stage::PASSPHRASE};
use sunbid_tests::{World, program};

fn sunbid(arguments: &[&str]) -> Output {
    Command::new(program().unwrap())
        .args(arguments)
        .env_remove("SUNBID_PROFILE")
        .env_remove("SUNBID_ENDPOINT")
        .env("SUNBID_PASSPHRASE", PASSPHRASE)
        .env("SUNBID_BACKUP_PASSPHRASE", "a long passphrase of one's own")
        .env("SUNBID_LANGUAGE", "en")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn done(arguments: &[&str]) -> String {
    let output = sunbid(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// How far witnesses are known to have seen.
fn witnessed(data: &Path) -> u64 {
    let text = fs::read_to_string(data.join("witnessed.txt")).unwrap_or_default();
    let size = text.split(' ').next().unwrap_or_default();
    size.parse().unwrap_or_default()
}

/// Waits until something is so.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it never came to this: {what}");
}

fn evidence(trustee: &Path, what: &str) -> bool {
    let files = fs::read_dir(trustee).unwrap().flatten();
    let start = format!("evidence-{what}");
    files
        .into_iter()
        .any(|file| file.file_name().to_string_lossy().starts_with(&start))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_is_noticed_and_needs_everybodys_consent() {
    let world = World::raise().await.unwrap();
    for part in &HOLDERS {
        world.stage.start_trustee(part, "").await.unwrap();
    }
    let data = world.data();
    let home = data.parent().unwrap().to_owned();
    let (backup, aside) = (home.join("backup"), home.join("aside"));
    until("witnesses see the log", || witnessed(&data) > 2).await;
    done(&["platform", "backup", text(&data), text(&backup)]);
    let then = witnessed(&data);
    until("the log grows", || witnessed(&data) > then + 3).await;
    assert!(world.stage.stop("platform").await.unwrap());
    done(&["platform", "check", text(&data)]);
    let seen = fs::read_to_string(data.join("witnessed.txt")).unwrap();
    fs::rename(&data, &aside).unwrap();

    let wrong = home.join("keyless");
    let refused = Command::new(program().unwrap())
        .args([
            "platform",
            "restore",
            text(&backup),
            text(&wrong),
            "--trust-backup",
        ])
        .env("SUNBID_BACKUP_PASSPHRASE", "another long passphrase")
        .output()
        .unwrap();
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(!wrong.join("keys").exists());
    done(&[
        "platform",
        "restore",
        text(&backup),
        text(&data),
        "--trust-backup",
    ]);
    // What witnesses saw since is known from the lost machine, or from them.
    fs::write(data.join("witnessed.txt"), &seen).unwrap();
    let check = sunbid(&["platform", "check", text(&data)]);
    assert_eq!(check.status.code(), Some(6), "{}", said(&check));
    assert!(
        said(&check).contains("witnesses saw the public log"),
        "{}",
        said(&check)
    );
    let start = sunbid(&["platform", "start", text(&data), "--sandbox"]);
    assert_eq!(start.status.code(), Some(1));
    assert!(said(&start).contains("fork the log"), "{}", said(&start));

    let note = home.join("loss.note");
    let declare = [
        "platform",
        "declare-loss",
        text(&data),
        "--reason",
        "the disk failed",
        "--out",
        text(&note),
    ];
    done(&declare);
    let again = sunbid(&declare);
    assert!(
        said(&again).contains("no loss to declare"),
        "{}",
        said(&again)
    );
    let restored = witnessed(&data);
    world.stage.start_platform().await.unwrap();
    let folders: Vec<PathBuf> = HOLDERS
        .iter()
        .map(|part| home.join("trustees").join(part.profile))
        .collect();
    // The daemons run on, and none takes the older log for its own.
    for folder in &folders {
        until("the witness keeps evidence", || {
            evidence(folder, "checkpoint")
        })
        .await;
    }
    assert_eq!(
        witnessed(&data),
        restored,
        "a witness cosigned what it may not"
    );
    let first = folders.first().unwrap();
    world
        .stage
        .kill(&format!("trustee-{}", HOLDERS[0].profile))
        .await;
    let accept = |confirm: &str| {
        sunbid(&[
            "trustee",
            "accept-loss",
            text(first),
            text(&note),
            "--confirm",
            confirm,
        ])
    };
    assert!(!accept("1").status.success());
    let accepted = accept(&restored.to_string());
    assert!(accepted.status.success(), "{}", said(&accepted));
    assert!(evidence(first, "loss"));
    world.stage.start_trustee(&HOLDERS[0], "").await.unwrap();
    until("the witness goes on", || witnessed(&data) > restored).await;
    assert!(world.stage.stop("platform").await.unwrap());
    done(&["platform", "check", text(&data)]);
    world.stage.strike().await;
}

/// Data of a finished tender, made by the program of an earlier commit and not stopped in order.
#[test]
fn data_of_an_earlier_program_go_on() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("platform");
    fs::create_dir(&data).unwrap();
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/upgrade/7ef0b03.tar.gz"
    );
    let unpacked = Command::new("tar")
        .args(["-xzf", fixture, "-C", text(&data)])
        .status();
    assert!(unpacked.unwrap().success());
    for folder in ["bid/sealed", "tender/documents"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    let findings = || {
        let output = sunbid(&["--json", "platform", "check", text(&data)]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["records"].as_u64().unwrap() > 150, "{report}");
        assert!(report["epochs"].as_u64().unwrap() > 10, "{report}");
        report
    };
    let before = findings();
    // The fixture is without payloads and documents; nothing else may be found.
    let gone = before["findings"].as_array().unwrap();
    assert!(!gone.is_empty());
    for finding in gone {
        assert!(finding.as_str().unwrap().contains("is gone"), "{finding}");
    }
    let mut platform = Command::new(program().unwrap())
        .args([
            "platform",
            "start",
            text(&data),
            "--sandbox",
            "--listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(platform.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let endpoint = format!("http://{}", line.trim().rsplit(' ').next().unwrap());
    let notices = done(&["--endpoint", &endpoint, "notice", "list"]);
    assert!(notices.contains("教学设备"), "{notices}");
    let record = done(&["--endpoint", &endpoint, "tender", "list"]);
    assert!(record.contains("tenders/"), "{record}");
    // It goes on: the public log grows.
    let grown = before["epochs"].as_u64().unwrap();
    let size = || {
        let note = done(&["--endpoint", &endpoint, "audit", "checkpoint"]);
        let size = note
            .lines()
            .nth(1)
            .and_then(|line| line.parse::<u64>().ok());
        size.unwrap_or_default()
    };
    for _ in 0..600 {
        if size() > grown {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(size() > grown, "{}", size());
    let stop = Command::new("kill").arg(platform.id().to_string()).status();
    assert!(stop.unwrap().success());
    assert!(platform.wait().unwrap().success());
    let after = findings();
    for finding in after["findings"].as_array().unwrap() {
        assert!(finding.as_str().unwrap().contains("is gone"), "{finding}");
    }
    assert_eq!(after["stopped_in_order"], true);
    assert!(after["epochs"].as_u64() > Some(grown), "{after}");
}
