//! The command line as scripts use it: exit codes, refusals in words, who holds a data folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

use sunbid_tests::{World, program};

fn sunbid(arguments: &[&str]) -> Output {
    Command::new(program().unwrap())
        .args(arguments)
        .env_remove("SUNBID_PROFILE")
        .env_remove("SUNBID_ENDPOINT")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_command_has_help_and_wrong_ones_a_code() {
    for command in [
        &["--help"][..],
        &["demo", "--help"],
        &["verify", "--help"],
        &["platform", "start", "--help"],
        &["trustee", "run", "--help"],
        &["bid", "seal", "--help"],
        &["tender", "ceremony", "--help"],
        &["opening", "record", "--help"],
    ] {
        let output = sunbid(command);
        assert!(output.status.success(), "{command:?}");
        assert!(output.stdout.len() > 100, "{command:?}");
    }
    assert_eq!(sunbid(&["nonsense"]).status.code(), Some(2));
    let away = sunbid(&["--endpoint", "http://127.0.0.1:1", "tender", "list"]);
    assert_eq!(away.status.code(), Some(5), "{}", said(&away));
    let nobody = sunbid(&["bid", "list"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("--profile"), "{}", said(&nobody));
    let rules = sunbid(&["--json", "rules", "list"]);
    let rows: serde_json::Value = serde_json::from_slice(&rules.stdout).unwrap();
    assert!(rows.as_array().unwrap().len() > 50);
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .any(|row| row["provisional"] == true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_installation_is_held_and_modes_do_not_mix() {
    let world = World::raise().await.unwrap();
    let data = world.data().display().to_string();
    let second = sunbid(&["platform", "start", &data, "--sandbox"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(said(&second).contains("in use by"), "{}", said(&second));
    let production = sunbid(&["platform", "start", &data]);
    assert!(
        said(&production).contains("sandbox"),
        "{}",
        said(&production)
    );
    let endpoint = world.stage.endpoint().to_owned();
    let missing = sunbid(&[
        "--endpoint",
        &endpoint,
        "tender",
        "show",
        "tenders/00000000-0000-4000-8000-000000000000",
    ]);
    assert_eq!(missing.status.code(), Some(4), "{}", said(&missing));
    let shown = sunbid(&["--endpoint", &endpoint, "--json", "clock", "show"]);
    let platform: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(platform["sandbox"], true);
    let access = ["rules", "access", "--role", "supervisor"];
    let access = sunbid(&[&["--endpoint", &endpoint, "--json"], &access[..]].concat());
    let rows: serde_json::Value = serde_json::from_slice(&access.stdout).unwrap();
    assert!(rows.as_array().unwrap().len() > 5, "{}", said(&access));
    assert!(access.stdout.len() > 1000);
    // Reading it is on record itself, and the next one shows it.
    let supervisor = world.stage.home().join("profiles").join("supervisor");
    let supervisor = supervisor.display().to_string();
    let trail = ["-p", &supervisor, "--json", "audit", "access"];
    assert!(sunbid(&trail).status.success());
    let read = sunbid(&trail);
    let rows: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    assert!(
        rows.iter().any(|row| row["action_zh"] == "查看访问记录"),
        "{rows:?}"
    );
    let told = sunbid(&["-p", &supervisor, "--language", "en", "audit", "access"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("the access log"));
    world.stage.kill("platform").await;
    let check = sunbid(&["platform", "check", &data]);
    assert!(check.status.success(), "{}", said(&check));
    assert!(String::from_utf8_lossy(&check.stdout).contains("registry"));
    world.stage.strike().await;
}
