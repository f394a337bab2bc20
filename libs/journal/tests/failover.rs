//! Servers that may lose what they acknowledge are refused, and a journal whose server dies goes on
//! with the standby that took over: nothing acknowledged is lost, nothing happens twice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{SetClock, command, event, log};
use sunbid_journal::trial::Cluster;
use sunbid_journal::{CommitError, Db, Journal, Postgres};

async fn refusal(settings: &Postgres) -> String {
    Db::postgres(settings).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_lose_commits_is_refused_and_a_standby_takes_over() {
    let base = std::env::temp_dir();
    let Some(primary) = Cluster::start_in(&base, &[]).unwrap() else {
        eprintln!("PostgreSQL half skipped: no initdb found");
        return;
    };
    let address = primary.database().await.unwrap();
    let database = address.rsplit('/').next().unwrap();
    for value in ["off", "local"] {
        let set = format!("ALTER DATABASE {database} SET synchronous_commit = {value}");
        primary.tell(&set).await.unwrap();
        let settings = Postgres::parse(&address).unwrap();
        let why = refusal(&settings).await;
        assert!(
            why.contains(&format!("synchronous_commit = {value}")),
            "{why}"
        );
        Db::postgres(&settings.accepting_loss()).await.unwrap();
    }
    let reset = format!("ALTER DATABASE {database} RESET synchronous_commit");
    primary.tell(&reset).await.unwrap();

    let standby = primary.standby(&base, "standby").unwrap();
    let alone = format!("{}/{database}", standby.server());
    let why = refusal(&Postgres::parse(&alone).unwrap()).await;
    assert!(why.contains("only reads"), "{why}");
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{database}",
        standby.port(),
        primary.port()
    );
    let settings = Postgres::parse(&both).unwrap().in_schema("test");
    let why = refusal(&settings.clone().requiring_standby()).await;
    assert!(why.contains("no synchronous standby"), "{why}");
    primary.commit_with("standby").await.unwrap();
    let db = Db::postgres(&settings.requiring_standby()).await.unwrap();

    let journal = Journal::open(db, Arc::new(SetClock::default()))
        .await
        .unwrap();
    for id in 0..20 {
        let one = command("a", id, event(&id.to_be_bytes()));
        journal.commit(one).await.unwrap();
    }
    primary.kill().unwrap();
    let lost = journal
        .commit(command("a", 20, event(&20_u64.to_be_bytes())))
        .await;
    assert!(matches!(lost, Err(CommitError::Unavailable(_))), "{lost:?}");
    standby.promote().unwrap();
    let mut went_on = false;
    for _ in 0..100 {
        let again = command("a", 20, event(&20_u64.to_be_bytes()));
        match journal.commit(again).await {
            Ok(_) => {
                went_on = true;
                break;
            }
            Err(CommitError::Unavailable(_)) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(went_on, "the journal did not find the new server");
    let report = journal.check().await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let entries = journal.read(log("a"), 0, 100).await.unwrap();
    let found: Vec<u64> = entries
        .iter()
        .map(|entry| u64::from_be_bytes(entry.body().unwrap().try_into().unwrap()))
        .collect();
    assert_eq!(found, (0..=20).collect::<Vec<u64>>());
}
