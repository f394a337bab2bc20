//! What happens to every machine sooner or later, in the middle of a storm of submissions that are
//! sent until they are acknowledged: a full disk, a slow database and a silent one, a restarted one,
//! the network cut between two services, a clock that jumps by hours. Afterwards everything
//! acknowledged is there, nothing is there twice or in half, and all of it goes on without a hand.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use sunbid_cli::demo::cast::{HOLDERS, PURCHASER};
use sunbid_contracts::{
    opening::v1::{GetSessionRequest, SessionState},
    tender::v1::Tender,
};
use sunbid_journal::trial::Cluster;
use sunbid_platform::{
    Config,
    divide::FRONT,
    serve::{SANDBOX_CLOCK, SERVICES},
};
use sunbid_service::clock::WRONG_BY;
use sunbid_terms::{Instant, MICROS};
use sunbid_tests::{
    World, books,
    crowd::Crowd,
    proxy::{Proxy, Road},
    storm::announced,
    stubborn::Stubborn,
    tenders,
};
use tokio::time::sleep;

use crate::{Form, Played, dice::Dice};

const SUPPLIERS: usize = 8;
const LOTS: usize = 4;
/// Acknowledgements before a fault and after it, at least.
const CALM: usize = 20;
/// How long a fault lasts.
const WHILE: Duration = Duration::from_secs(3);
const HOUR: i64 = 3600 * MICROS;
/// Room on the disk that is filled: more than the floor below which nothing is taken.
const DISK: &str = "size=768m";

pub async fn run(form: Form) -> Played {
    let rounds = match form {
        Form::Short => 1,
        Form::Long => 20,
    };
    let mut figures = Vec::new();
    figures.push(disk_full(rounds).await.context("disk full")?);
    figures.push(database_restart(rounds).await.context("database restart")?);
    figures.push(slow_database(rounds).await.context("slow database")?);
    figures.push(clock_jumps(rounds).await.context("clock jumps")?);
    figures.push(network_cuts(rounds).await.context("network cuts")?);
    Ok(figures.join("; "))
}

/// A platform in the middle of a storm.
struct Scene {
    world: World,
    tender: Tender,
    storm: Stubborn,
}

impl Scene {
    async fn set(world: World) -> anyhow::Result<Self> {
        let crowd = Arc::new(Crowd::enrol(&world, SUPPLIERS).await?);
        let tender = tenders::of_sheets(&world, LOTS).await?;
        // The clock was moved for the notice.
        crowd.sign_in().await?;
        let mut storm = Stubborn::begin(&crowd, &tender);
        storm.wait_for(CALM).await?;
        Ok(Self {
            world,
            tender,
            storm,
        })
    }

    /// Ends the storm and looks at everything; what it came to.
    async fn clear(self, what: &str) -> anyhow::Result<String> {
        let told = self.storm.told();
        let kept = self.storm.end(&self.tender).await?;
        let parts: Vec<&str> = if self.world.stage.is_apart() {
            SERVICES.into_iter().chain([FRONT]).collect()
        } else {
            vec!["platform"]
        };
        for part in parts {
            ensure!(self.world.stage.stop(part).await?, "{part} ended badly");
        }
        let records = books::check(&self.world, &SERVICES).await?;
        self.world.stage.strike().await;
        let line = format!(
            "{what}: {kept} acknowledged, 0 lost, 0 twice, {records} records without a gap; meanwhile \
             told: {told}"
        );
        eprintln!("faults: {line}");
        Ok(line)
    }
}

/// A folder in a small file system of its own; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where this process may not mount.
    fn mount() -> anyhow::Result<Option<Self>> {
        let folder = tempfile::Builder::new()
            .prefix("sunbid-disk-")
            .tempdir()?
            .keep();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "none"])
            .arg(&folder)
            .output()?;
        if mounted.status.success() {
            return Ok(Some(Self(folder)));
        }
        fs::remove_dir(&folder)?;
        Ok(None)
    }

    /// Takes every byte that is left.
    fn fill(&self) -> anyhow::Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = File::create(&path)?;
        let mut piece = vec![1; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What stays mounted goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        let _ = fs::remove_dir(&self.0);
    }
}

async fn disk_full(rounds: usize) -> anyhow::Result<String> {
    let Some(disk) = SmallDisk::mount()? else {
        return Ok("disk full: SKIPPED, no file system may be mounted here".to_owned());
    };
    let mut scene = Scene::set(World::raise_in(&disk.0, None).await?).await?;
    for _ in 0..rounds {
        let filler = disk.fill()?;
        sleep(WHILE).await;
        fs::remove_file(filler)?;
        scene.storm.wait_for(CALM).await?;
    }
    scene
        .clear(&format!("{rounds} times the disk was full"))
        .await
}

async fn database_restart(rounds: usize) -> anyhow::Result<String> {
    let base = std::env::temp_dir();
    let Some(cluster) = Cluster::start_in(&base, &[])? else {
        return Ok("database restart: SKIPPED, PostgreSQL is not installed".to_owned());
    };
    let world = World::raise_on(Some(cluster.database().await?)).await?;
    let mut scene = Scene::set(world).await?;
    for _ in 0..rounds {
        cluster.stop()?;
        sleep(WHILE).await;
        cluster.resume()?;
        scene.storm.wait_for(CALM).await?;
        cluster.kill()?;
        cluster.resume()?;
        scene.storm.wait_for(CALM).await?;
    }
    ensure!(
        scene.storm.told().contains("Unavailable with a hint"),
        "nobody was told to try again: {}",
        scene.storm.told()
    );
    scene
        .clear(&format!(
            "{rounds} times the database was stopped and {rounds} times killed"
        ))
        .await
}

async fn slow_database(rounds: usize) -> anyhow::Result<String> {
    let Some(cluster) = Cluster::start(&["fsync=off"])? else {
        return Ok("slow database: SKIPPED, PostgreSQL is not installed".to_owned());
    };
    let road = Proxy::to(SocketAddr::from(([127, 0, 0, 1], cluster.port()))).await?;
    let address = cluster.database().await?;
    let name = address.rsplit('/').next().unwrap_or_default();
    let address = format!("postgres://postgres@{}/{name}", road.address);
    let mut scene = Scene::set(World::raise_on(Some(address)).await?).await?;
    for _ in 0..rounds {
        for fault in [
            Road::Slow(Duration::from_millis(100)),
            Road::Silent,
            Road::Cut,
        ] {
            road.make(fault);
            sleep(WHILE).await;
            road.make(Road::Open);
            scene.storm.wait_for(CALM).await?;
        }
    }
    scene
        .clear(&format!(
            "{rounds} times the database was slow, silent and cut off"
        ))
        .await
}

/// The machine's clock jumps under the running platform; then the platform's own clock is truly wrong,
/// and the holders, who look at their own, do not follow it.
async fn clock_jumps(rounds: usize) -> anyhow::Result<String> {
    let mut scene = Scene::set(World::raise().await?).await?;
    let clock = scene.world.data().join(SANDBOX_CLOCK);
    let wrong = clock.with_extension(WRONG_BY);
    let before = scene.world.stage.now().await?;
    let deadline = scene.tender.timetable.unwrap_or_default().bid_deadline_us;
    // Further than the deadline is away, and back as far.
    let far = deadline - before.micros() + 5 * HOUR;
    for _ in 0..rounds {
        for jump in [5 * HOUR, -5 * HOUR, far, -far] {
            fs::write(&wrong, jump.to_string())?;
            sleep(WHILE).await;
            let now = scene.world.stage.now().await?;
            ensure!(
                (before.micros()..before.micros() + HOUR).contains(&now.micros()),
                "the machine's clock jumped and the platform's followed: from {before} to {now}"
            );
            scene.storm.wait_for(CALM).await?;
        }
    }
    fs::remove_file(&wrong)?;
    let holders = scene.world.data().join("holders-clock");
    fs::copy(&clock, &holders)?;
    for part in [&PURCHASER].into_iter().chain(&HOLDERS) {
        scene
            .world
            .stage
            .start_trustee_by(part, "", &holders)
            .await?;
    }
    // Nobody bids any more; the receipts are compared before the tender closes too early.
    let Scene {
        world,
        tender,
        storm,
    } = scene;
    let told = storm.told();
    let kept = storm.end(&tender).await?;
    world.stage.advance(Instant::from_micros(deadline)).await?;
    sleep(2 * WHILE).await;
    let session = session(&world, &tender).await?;
    ensure!(
        session != SessionState::Announced,
        "the tender was opened although no holder's clock had come to the deadline"
    );
    fs::copy(&clock, &holders)?;
    announced(&world, &tender).await?;
    ensure!(
        world.stage.stop("platform").await?,
        "the platform ended badly"
    );
    let records = books::check(&world, &SERVICES).await?;
    world.stage.strike().await;
    let line = format!(
        "{rounds} times the clock jumped 5 h and past the deadline, forward and back: {kept} \
         acknowledged, 0 lost, 0 twice, {records} records without a gap, no deadline passed; the \
         platform alone past the deadline: not opened before the holders' own clocks; told: {told}"
    );
    eprintln!("faults: {line}");
    Ok(line)
}

async fn session(world: &World, tender: &Tender) -> anyhow::Result<SessionState> {
    let request = GetSessionRequest {
        tender: tender.name.clone(),
    };
    let mut opening = world.stage.anyone().await?.opening();
    let session = opening.get_session(request).await?.into_inner().session;
    Ok(session.context("there is a session")?.state())
}

/// All roads between the processes of a divided platform, by who calls whom.
struct Roads(Vec<(&'static str, &'static str, Proxy)>);

impl Roads {
    /// Stops everything, leads every road through a proxy, and starts again.
    async fn lay(world: &World) -> anyhow::Result<Self> {
        let parts: Vec<&'static str> = SERVICES.into_iter().chain([FRONT]).collect();
        let mut roads = Vec::new();
        for part in &parts {
            ensure!(world.stage.stop(part).await?, "{part} ended badly");
            let folder = world.stage.part(part);
            let mut config = Config::read(&folder)?;
            for service in SERVICES {
                if let Some(place) = config.peers.get_mut(service) {
                    let proxy = Proxy::to(place.parse()?).await?;
                    *place = proxy.address.to_string();
                    roads.push((*part, service, proxy));
                }
            }
            write(&config, &folder)?;
        }
        world.stage.start_platform().await?;
        Ok(Self(roads))
    }
}

fn write(config: &Config, folder: &Path) -> anyhow::Result<()> {
    config.write(folder)?;
    Ok(())
}

async fn network_cuts(rounds: usize) -> anyhow::Result<String> {
    let world = World::raise_apart().await?;
    let roads = Roads::lay(&world).await?;
    let mut scene = Scene::set(world).await?;
    let dice = Dice::default();
    let mut cut = Vec::new();
    for round in 0..rounds * 6 {
        // The road of every submission twice, then any.
        let first = roads
            .0
            .iter()
            .position(|road| (road.0, road.1) == (FRONT, "bid"));
        let place = match first {
            Some(first) if round < 2 => first,
            _ => usize::try_from(dice.below(roads.0.len() as u64)?)?,
        };
        let (from, to, road) = &roads.0[place];
        let how = if round % 2 == 0 {
            Road::Cut
        } else {
            Road::Silent
        };
        eprintln!("faults: {from} to {to}: {how:?}");
        road.make(how);
        sleep(WHILE / 2).await;
        road.make(Road::Open);
        scene.storm.wait_for(CALM / 2).await?;
        cut.push(format!("{from}-{to}"));
    }
    for part in [&PURCHASER].into_iter().chain(&HOLDERS) {
        scene.world.stage.start_trustee(part, "").await?;
    }
    let told = scene.storm.told();
    let kept = scene.storm.end(&scene.tender).await?;
    let (world, tender) = (scene.world, scene.tender);
    let deadline = tender.timetable.unwrap_or_default().bid_deadline_us;
    world.stage.advance(Instant::from_micros(deadline)).await?;
    // The opening goes over the same roads, and every one is cut once on the way.
    for (_, _, road) in &roads.0 {
        road.make(Road::Cut);
        sleep(Duration::from_millis(100)).await;
        road.make(Road::Open);
    }
    announced(&world, &tender).await?;
    for part in SERVICES.into_iter().chain([FRONT]) {
        ensure!(world.stage.stop(part).await?, "{part} ended badly");
    }
    let records = books::check(&world, &SERVICES).await?;
    world.stage.strike().await;
    let line = format!(
        "{} cuts between two services in the storm and {} at the opening: {kept} acknowledged, 0 \
         lost, 0 twice, {records} records without a gap, opened by itself; told: {told}",
        cut.len(),
        roads.0.len()
    );
    eprintln!("faults: {line}");
    Ok(line)
}
