//! What deploy/ says to machines is true: files parse and name each other, settings and commands in them are the
//! program's own, and nothing there runs with more than it needs. No container engine and no cluster is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser;
use serde_json::Value;
use sunbid_cli::commands::{Arguments, settings::variable};
use sunbid_platform::{
    Config,
    overrides::{Override, SETTINGS},
    readiness::health_name,
    serve::SERVICES,
};
use sunbid_telemetry::metrics::GAUGES;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(deploy().join(folder)).unwrap();
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.to_string_lossy().ends_with(ending));
    all.sort();
    assert!(!all.is_empty(), "{folder}");
    all
}

/// The documents of a YAML file.
fn documents(path: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document(path: &Path) -> Value {
    let mut all = documents(path);
    assert_eq!(all.len(), 1, "{}", path.display());
    all.remove(0)
}

/// Everything under a key, wherever it stands.
fn all_under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if name == key {
                    found.push(inner);
                }
                all_under(inner, key, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| all_under(inner, key, found)),
        _ => {}
    }
}

fn under<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    all_under(value, key, &mut found);
    found
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The program takes these arguments.
fn takes(whence: &str, arguments: &[&str]) {
    let line = ["sunbid"].iter().chain(arguments).map(|word| match *word {
        "TENDER" => "tenders/6f1c2a52-0b6a-4c7e-9a53-3f0f7c1d2e4b",
        other => other,
    });
    if let Err(error) = Arguments::try_parse_from(line) {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
        assert!(
            matches!(error.kind(), DisplayHelp | DisplayVersion),
            "{whence}: {arguments:?}: {error}"
        );
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let alerts = document(&deploy().join("observability/alerts.yaml"));
    let mut named = BTreeSet::new();
    let mut count = 0;
    for rule in list(&alerts["groups"])
        .iter()
        .flat_map(|group| list(&group["rules"]))
    {
        let name = text(&rule["alert"]);
        let severity = text(&rule["labels"]["severity"]);
        assert!(["warning", "critical"].contains(&severity), "{name}");
        assert!(!text(&rule["annotations"]["summary"]).is_empty(), "{name}");
        let page = text(&rule["annotations"]["runbook_url"]);
        assert!(deploy().join(page).exists(), "{name}: {page}");
        named.insert(page.trim_start_matches("runbooks/").to_owned());
        count += 1;
    }
    assert!(count >= 20, "{count}");
    let known: BTreeSet<String> = GAUGES.iter().map(|gauge| gauge.name.to_owned()).collect();
    let mut known: Vec<String> = known.into_iter().collect();
    known.push("database_seconds_sum database_seconds_count".to_owned());
    let known = known.join(" ");
    for path in files("runbooks", ".md") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(named.contains(&name), "{name} is the page of no alert");
        let page = read(&path);
        for heading in [
            "## What it means",
            "## What users notice",
            "## How to look",
            "## What to do",
            "## What never to do",
        ] {
            assert!(page.contains(heading), "{name}: {heading}");
        }
        let mut commands = page
            .split("```sh\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap());
        let commands = commands
            .next()
            .unwrap_or_else(|| panic!("{name} has no commands"));
        for line in commands.lines() {
            let command = line.split(" | ").next().unwrap();
            if let Some(arguments) = command.strip_prefix("sunbid ") {
                takes(&name, &arguments.split_whitespace().collect::<Vec<_>>());
            }
            if let Some((_, pattern)) = line.split_once("/metrics | grep -E ") {
                for word in pattern.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                    assert!(known.contains(word.trim_matches('_')), "{name}: {word}");
                }
            }
        }
        // Commands within sentences.
        for quoted in page.split("`sunbid ").skip(1) {
            let arguments = quoted.split('`').next().unwrap();
            if arguments.split_whitespace().count() > 2 || arguments.ends_with("--help") {
                takes(&name, &arguments.split_whitespace().collect::<Vec<_>>());
            }
        }
        // Pages that are named must be there.
        for word in page.split(|c: char| c.is_whitespace() || "(),".contains(c)) {
            if let Some(other) = word.trim_end_matches(['.', ';', ':']).strip_suffix(".md")
                && !other.contains('/')
            {
                assert!(
                    path.with_file_name(format!("{other}.md")).exists(),
                    "{name}: {other}"
                );
            }
        }
    }
}

#[test]
fn the_rules_are_taken_by_promtool() {
    let folder = deploy().join("observability");
    if Command::new("promtool").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "promtool is missing, and CI may not skip it"
        );
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    }
    for arguments in [
        ["check", "rules", "alerts.yaml"],
        ["check", "config", "prometheus.yaml"],
        ["test", "rules", "alerts_test.yaml"],
    ] {
        let done = Command::new("promtool")
            .args(arguments)
            .current_dir(&folder)
            .output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
        // Every alert that is tried is one there is; promtool itself takes any name.
        assert!(!said.contains("FAILED"), "{said}");
    }
    let alerts = read(&folder.join("alerts.yaml"));
    for line in read(&folder.join("alerts_test.yaml")).lines() {
        if let Some((_, rest)) = line.split_once("alertname: ") {
            let name = rest.split([',', ' ']).next().unwrap();
            assert!(alerts.contains(&format!("alert: {name}\n")), "{name}");
        }
    }
}

/// The collector and Prometheus look where the settings say that there is something.
#[test]
fn the_collector_meets_the_platform() {
    let settings = read(&deploy().join("platform.toml"));
    let metrics = text(&document(&deploy().join("observability/prometheus.yaml"))["scrape_configs"][0]
        ["static_configs"][0]["targets"][0])
    .to_owned();
    assert!(
        settings.contains(&format!("metrics = \"{metrics}\"")),
        "{metrics}"
    );
    let collector = document(&deploy().join("observability/collector.yaml"));
    let spans = text(&collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]);
    assert!(
        settings.contains(&format!("endpoint = \"http://{spans}\"")),
        "{spans}"
    );
    let scrape = &collector["receivers"]["prometheus"]["config"]["scrape_configs"][0];
    assert_eq!(text(&scrape["static_configs"][0]["targets"][0]), metrics);
    assert_eq!(text(&scrape["job_name"]), "sunbid");
    for pipeline in collector["service"]["pipelines"]
        .as_object()
        .unwrap()
        .values()
    {
        for (part, whole) in [
            ("receivers", "receivers"),
            ("processors", "processors"),
            ("exporters", "exporters"),
        ] {
            for name in list(&pipeline[part]) {
                assert!(!collector[whole][text(name)].is_null(), "{name}");
            }
        }
    }
    let tls = under(&collector["exporters"], "tls");
    assert!(!tls.is_empty() && under(&collector, "insecure").is_empty());
}

#[test]
fn the_image_is_made_of_what_is_there() {
    let file = read(&deploy().join("Containerfile"));
    let root = deploy().join("..");
    let mut copied = BTreeSet::new();
    for line in file
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from="))
    {
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        for source in &words[..words.len() - 1] {
            assert!(root.join(source).exists(), "{source}");
            copied.insert((*source).to_owned());
        }
    }
    let manifest: toml::Table = read(&root.join("Cargo.toml")).parse().unwrap();
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let folder = member.as_str().unwrap().trim_end_matches("/*");
        let with = |above: &String| Path::new(folder).starts_with(above);
        assert!(copied.iter().any(with), "{folder} is not copied");
    }
    for needed in ["Cargo.lock", "rust-toolchain.toml", "proto", "migrations"] {
        assert!(copied.contains(needed), "{needed} is not copied");
    }
    let version = manifest["workspace"]["package"]["rust-version"]
        .as_str()
        .unwrap();
    assert!(file.contains(&format!("rust:{version}-slim")), "{version}");
    let last = file.rsplit("\nFROM ").next().unwrap();
    assert!(last.contains("\nUSER 10001:10001\n"), "{last}");
    let words = |key: &str| -> Vec<String> {
        let line = last
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        serde_json::from_str(line.trim()).unwrap()
    };
    let (entry, command) = (words("ENTRYPOINT"), words("CMD"));
    assert_eq!(entry[0], "/usr/bin/sunbid");
    let arguments: Vec<&str> = entry[1..]
        .iter()
        .chain(&command)
        .map(String::as_str)
        .collect();
    takes("Containerfile", &arguments);
}

#[test]
fn units_start_what_there_is() {
    let mut units = 0;
    for path in files("", ".service") {
        let unit = read(&path).replace("%i", "bid").replace("%d", "/run");
        // A line may go on on the next one.
        let unit = unit.replace("\\\n", " ");
        for line in unit
            .lines()
            .filter_map(|line| line.strip_prefix("ExecStart=/usr/bin/sunbid "))
        {
            takes(
                &path.display().to_string(),
                &line.split_whitespace().collect::<Vec<_>>(),
            );
            units += 1;
        }
    }
    assert_eq!(units, 4);
}

/// A pod's containers, hardened, with probes that somebody answers.
fn check_pod(whence: &str, pod: &Value) {
    assert_eq!(pod["automountServiceAccountToken"], false, "{whence}");
    let all = &pod["securityContext"];
    assert_eq!(all["runAsNonRoot"], true, "{whence}");
    assert!(all["runAsUser"].as_u64().unwrap() >= 1000, "{whence}");
    assert_eq!(
        text(&all["seccompProfile"]["type"]),
        "RuntimeDefault",
        "{whence}"
    );
    assert!(
        pod["hostNetwork"].is_null() && pod["hostPID"].is_null(),
        "{whence}"
    );
    let volumes: BTreeSet<_> = list(&pod["volumes"])
        .iter()
        .map(|one| text(&one["name"]))
        .collect();
    for volume in list(&pod["volumes"]) {
        assert!(volume["hostPath"].is_null(), "{whence}: {volume}");
    }
    for container in list(&pod["containers"]) {
        let name = text(&container["name"]);
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false, "{whence} {name}");
        assert_eq!(own["readOnlyRootFilesystem"], true, "{whence} {name}");
        assert_eq!(
            own["capabilities"]["drop"],
            serde_json::json!(["ALL"]),
            "{whence} {name}"
        );
        assert!(
            !container["resources"]["limits"]["memory"].is_null(),
            "{whence} {name}"
        );
        let image = text(&container["image"]);
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{whence} {name}");
        for mount in list(&container["volumeMounts"]) {
            let claimed =
                volumes.contains(text(&mount["name"])) || text(&mount["name"]) == "folder";
            assert!(claimed, "{whence} {name}: {mount}");
        }
        for variable_given in list(&container["env"]) {
            let key = text(&variable_given["name"]);
            if key.contains("PASSWORD") || key.contains("PASSPHRASE") {
                let secret = &variable_given["valueFrom"]["secretKeyRef"];
                assert!(
                    secret.is_object(),
                    "{whence} {name}: {key} stands in the open"
                );
            }
        }
        if image.contains("/sunbid:") {
            let arguments: Vec<_> = list(&container["args"]).iter().map(text).collect();
            takes(whence, &arguments);
        }
        let ports: BTreeSet<_> = under(container, "containerPort")
            .into_iter()
            .map(Value::as_u64)
            .collect();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let grpc = &container[probe]["grpc"];
            if container[probe].is_null() {
                continue;
            }
            assert!(
                ports.contains(&grpc["port"].as_u64()),
                "{whence} {name}: {probe}"
            );
            if let Some(service) = grpc["service"].as_str() {
                assert!(
                    SERVICES.map(health_name).contains(&service.to_owned()),
                    "{service}"
                );
            }
        }
    }
}

#[test]
fn kubernetes_runs_what_there_is_with_no_more_than_it_needs() {
    let mut labels = BTreeSet::new();
    let mut budgets = Vec::new();
    let mut settings = BTreeMap::new();
    let mut pods = 0;
    for path in files("kubernetes", ".yaml") {
        for one in documents(&path) {
            let kind = text(&one["kind"]).to_owned();
            let whence = format!("{}: {kind} {}", path.display(), one["metadata"]["name"]);
            assert!(!text(&one["apiVersion"]).is_empty(), "{whence}");
            assert_ne!(kind, "Secret", "{whence}: secrets are made apart");
            if kind == "ConfigMap" {
                for (key, value) in one["data"].as_object().unwrap() {
                    settings.insert(key.clone(), text(value).to_owned());
                }
            }
            if kind == "PodDisruptionBudget" {
                budgets.push(one["spec"]["selector"]["matchLabels"]["app"].clone());
            }
            let template = &one["spec"]["template"];
            if template.is_object() {
                check_pod(&whence, &template["spec"]);
                if ["Deployment", "StatefulSet"].contains(&kind.as_str()) {
                    let app = &template["metadata"]["labels"]["app"];
                    assert_eq!(
                        app, &one["spec"]["selector"]["matchLabels"]["app"],
                        "{whence}"
                    );
                    labels.insert(text(app).to_owned());
                }
                pods += 1;
            }
        }
    }
    assert_eq!(pods, 3);
    // Whatever serves is kept from being drained away as a whole.
    let budgets: BTreeSet<_> = budgets.iter().map(|app| text(app).to_owned()).collect();
    assert_eq!(budgets, labels);
    // The settings are the program's own, and good ones beside what `init` writes.
    let mut given = Vec::new();
    for (key, value) in &settings {
        let described = SETTINGS.iter().find(|row| variable(row.key) == *key);
        let described = described.unwrap_or_else(|| panic!("{key} is no setting"));
        given.push(Override {
            key: described.key.to_owned(),
            value: value.clone(),
            from: key.clone(),
        });
    }
    assert!(given.len() >= 5);
    given.push(Override {
        key: "listen".to_owned(),
        value: "10.0.0.9:7700".to_owned(),
        from: "SUNBID_LISTEN".to_owned(),
    });
    let folder = tempfile::tempdir().unwrap();
    let written = "origin = \"ggzy.example.cn\"\nlisten = \"127.0.0.1:7700\"\nroots = [\"roots/roots.pem\"]\n";
    std::fs::write(folder.path().join("platform.toml"), written).unwrap();
    let config = Config::read_with(folder.path(), &given).unwrap();
    assert!(config.telemetry.metrics.is_some() && !config.telemetry.trace_sealed_calls);
}
