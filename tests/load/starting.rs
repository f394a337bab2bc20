//! A platform that starts: its memory when nothing happens, and how soon it serves.

use std::time::{Duration, Instant as Timer};

use anyhow::Context as _;
use sunbid_tests::{World, process};

use crate::{report, sizes::Sizes, yardstick};

/// Seconds that a start may take, and MiB that an idle platform may hold.
const START_TARGET: f64 = 1.0;
const MEMORY_TARGET: f64 = 100.0;
/// A platform that was left alone for so long is idle.
const REST: Duration = Duration::from_secs(2);
const STARTS: usize = 3;

pub async fn measure(sizes: &Sizes) -> anyhow::Result<()> {
    let world = World::raise().await?;
    let short = start(&world).await?;
    tokio::time::sleep(REST).await;
    let memory = resident(&world).await?;
    report::line(
        "idle_memory",
        memory,
        "MiB",
        memory / MEMORY_TARGET,
        "100 MiB",
    );
    world.stage.kill("platform").await;
    yardstick::fill(&world.data(), "notice", sizes.entries).await?;
    let long = start(&world).await?;
    report::line(
        "start_to_serving_new_platform",
        short,
        "s",
        short / START_TARGET,
        "1 s",
    );
    report::line(
        &format!("start_to_serving_{}_entries", sizes.entries),
        long,
        "s",
        long / START_TARGET,
        "1 s",
    );
    tokio::time::sleep(REST).await;
    let memory = resident(&world).await?;
    report::line(
        &format!("memory_after_start_{}_entries", sizes.entries),
        memory,
        "MiB",
        memory / MEMORY_TARGET,
        "100 MiB",
    );
    world.stage.strike().await;
    Ok(())
}

/// Seconds from starting the program to its word that it serves; the median of a few starts, the
/// last of which goes on running.
async fn start(world: &World) -> anyhow::Result<f64> {
    let mut runs = Vec::new();
    for _ in 0..STARTS {
        world.stage.kill("platform").await;
        let begun = Timer::now();
        world.stage.start_platform().await?;
        runs.push(begun.elapsed().as_secs_f64());
    }
    runs.sort_by(f64::total_cmp);
    Ok(runs.get(STARTS / 2).copied().unwrap_or_default())
}

async fn resident(world: &World) -> anyhow::Result<f64> {
    let pid = world.stage.pid("platform").await;
    process::resident_mebibytes(pid.context("the platform runs")?)
}
