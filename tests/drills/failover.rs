//! The database's server dies in the middle of a storm of submissions and its standby takes over.
//! With a synchronous standby nothing that was acknowledged may be lost; with an asynchronous one
//! something may be, and it is said what.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_journal::trial::Cluster;
use sunbid_tests::{
    World,
    storm::{self, Storm},
};

use crate::{Form, Played};

const STANDBY: &str = "standby";
/// Acknowledgements before the server dies, at least, and after the standby took over.
const BEFORE: usize = 20;
const AFTER: usize = 10;

pub async fn run(form: Form) -> Played {
    let rounds = match form {
        Form::Short => 1,
        Form::Long => 10,
    };
    let mut figures = Vec::new();
    for synchronous in [true, false] {
        let how = if synchronous {
            "synchronous"
        } else {
            "asynchronous"
        };
        let (mut acknowledged, mut lost) = (0, 0);
        for round in 1..=rounds {
            let (kept, gone) = one(synchronous).await?;
            eprintln!("failover, {how} standby, round {round}: {kept} acknowledged, {gone} lost");
            acknowledged += kept;
            lost += gone;
        }
        figures.push(format!(
            "{how} standby: {rounds} times the server was killed, {acknowledged} submissions \
             acknowledged, {lost} lost"
        ));
        ensure!(
            !synchronous || lost == 0,
            "{lost} acknowledged submissions were lost"
        );
    }
    Ok(figures.join("; "))
}

/// Kills the server once; how many submissions were acknowledged, and how many of them are gone.
async fn one(synchronous: bool) -> anyhow::Result<(usize, usize)> {
    let base = std::env::temp_dir();
    let base: &Path = &base;
    let primary = Cluster::start_in(base, &[])?.context("PostgreSQL is not installed")?;
    let address = primary.database().await?;
    let database = address.rsplit('/').next().unwrap_or_default();
    let standby = primary.standby(base, STANDBY)?;
    if synchronous {
        primary.commit_with(STANDBY).await?;
    }
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{database}",
        primary.port(),
        standby.port()
    );
    let world = Arc::new(World::raise_on(Some(both)).await?);
    let tender = world.announced(0).await?;
    let storm = Storm::begin(&world, &tender);
    storm.wait_for(BEFORE).await?;
    // At no special moment of anything.
    let mut moment = [0];
    SystemRandom::new()
        .fill(&mut moment)
        .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    tokio::time::sleep(Duration::from_millis(u64::from(moment[0]))).await;
    primary.kill()?;
    standby.promote()?;
    storm.wait_for(AFTER).await?;
    let acknowledged = storm.end().await?;
    let lost = storm::lost(&world, &tender, &acknowledged).await?;
    for (supplier, receipt) in &lost {
        eprintln!("  lost: {supplier}, leaf {}", hex::encode(&receipt.leaf));
    }
    world.stage.strike().await;
    Ok((acknowledged.len(), lost.len()))
}
