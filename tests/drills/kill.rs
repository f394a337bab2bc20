//! Any process of the platform is killed at once, at moments without meaning, again and again in the
//! middle of a storm of submissions that are sent until they are acknowledged: all services in one
//! process, and each in its own; over SQLite and over PostgreSQL. Nothing acknowledged may be lost,
//! nothing may be there twice, and no log may have a gap.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use sunbid_journal::trial;
use sunbid_platform::{divide::FRONT, serve::SERVICES};
use sunbid_tests::{World, books, crowd::Crowd, stubborn::Stubborn, tenders};

use crate::{Form, Played, dice::Dice};

/// Suppliers in the storm.
const SUPPLIERS: usize = 24;
/// Lots of the tender: enough for the longest storm.
const LOTS: usize = 10;
/// The longest that a process lives after it was started, in milliseconds.
const LIFE: u64 = 250;
/// Acknowledgements before the first and after the last kill, at least.
const CALM: usize = 30;
/// How often a start is tried: a killed process may not be gone yet.
const STARTS: u32 = 100;

pub async fn run(form: Form) -> Played {
    let (whole, apart) = match form {
        Form::Short => (5, 5),
        Form::Long => (600, 400),
    };
    let whole = crate::number("SUNBID_KILLS")?.unwrap_or(whole);
    let apart = crate::number("SUNBID_KILLS_APART")?.unwrap_or(apart);
    let mut figures = Vec::new();
    for engine in ["SQLite", "PostgreSQL"] {
        let database = async || -> anyhow::Result<Option<String>> {
            if engine == "SQLite" {
                return Ok(None);
            }
            let address = trial::fresh_address().await?;
            Ok(Some(address.context("PostgreSQL is not installed")?))
        };
        let world = World::raise_on(database().await?).await?;
        let (kept, records) = storm(world, &["platform"], whole).await?;
        figures.push(format!(
            "{engine}, one process: {whole} kills, {kept} acknowledged, 0 lost, 0 twice, \
             {records} records without a gap"
        ));
        eprintln!("kill: {}", figures[figures.len() - 1]);
        let parts: Vec<&str> = SERVICES.into_iter().chain([FRONT]).collect();
        let world = World::raise_apart_on(database().await?).await?;
        let (kept, records) = storm(world, &parts, apart).await?;
        figures.push(format!(
            "{engine}, {} processes: {apart} kills, {kept} acknowledged, 0 lost, 0 twice, \
             {records} records without a gap",
            parts.len()
        ));
        eprintln!("kill: {}", figures[figures.len() - 1]);
    }
    Ok(figures.join("; "))
}

/// Kills one of the processes after the other; how many bids were acknowledged, and how many records
/// there are.
async fn storm(world: World, processes: &[&str], kills: usize) -> anyhow::Result<(usize, u64)> {
    let crowd = Arc::new(Crowd::enrol(&world, SUPPLIERS).await?);
    let tender = tenders::of_sheets(&world, LOTS).await?;
    // The clock was moved for the notice.
    crowd.sign_in().await?;
    let mut storm = Stubborn::begin(&crowd, &tender);
    storm.wait_for(CALM).await?;
    let dice = Dice::default();
    for kill in 0..kills {
        let process = processes[usize::try_from(dice.below(processes.len() as u64)?)?];
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE)?)).await;
        world.stage.kill(process).await;
        // Some die while they start.
        if dice.below(8)? == 0 {
            let life = Duration::from_millis(dice.below(100)?);
            let _ = tokio::time::timeout(life, start(&world, process)).await;
            world.stage.kill(process).await;
        }
        started(&world, process).await?;
        if (kill + 1).is_multiple_of(50) {
            eprintln!(
                "kill: {} of {kills}, {} acknowledged",
                kill + 1,
                storm.count()
            );
        }
    }
    storm.wait_for(CALM).await?;
    let kept = storm.end(&tender).await?;
    for process in processes {
        ensure!(world.stage.stop(process).await?, "{process} ended badly");
    }
    let records = books::check(&world, &SERVICES).await?;
    world.stage.strike().await;
    Ok((kept, records))
}

async fn start(world: &World, process: &str) -> anyhow::Result<()> {
    if world.stage.is_apart() {
        world.stage.start_part(process).await
    } else {
        world.stage.start_platform().await
    }
}

async fn started(world: &World, process: &str) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..STARTS {
        match start(world, process).await {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(last.context("nothing was tried")?)
}
