//! Outages that repair themselves: the platform goes away around a tender's deadline, in several ways,
//! on working days, over weekends and holidays, and again and again. What became of each deadline is
//! compared with an oracle of its own (`oracle/outage.py`), asked with the outage as it was published;
//! and that record with when the platform really was away. In the end bids are opened, by holders that
//! check all of it, and verified from public records. The rule alone is compared on many more cases.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use serde_json::{Value, json};
use sunbid_cli::{
    commands::verify,
    demo::{
        acts::{make_bid, submit, wait_for_state},
        cast::{HOLDERS, PURCHASER, SUPPLIERS},
    },
};
use sunbid_contracts::{
    bid::v1::{ListOutagesRequest, Outage},
    notice::v1::{ListNoticesRequest, Notice, NoticeKind},
    opening::v1::GetSessionRequest,
    tender::v1::{GetTenderRequest, Tender, TenderState},
};
use sunbid_platform::serve::SANDBOX_CLOCK;
use sunbid_rules::{
    Engine, Jurisdiction, Scope, Track,
    facts::{Maintenance, OutageFacts},
};
use sunbid_service::clock::SandboxClock;
use sunbid_terms::Instant;
use sunbid_tests::{OUTPUT, World, storm};

use crate::{Form, Played};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const PAUSE: Duration = Duration::from_millis(100);
/// How long is waited for what must come; in steps of [`PAUSE`].
const STEPS: u32 = 1800;
/// A proof that bids can be taken is renewed every second; on a busy machine somewhat later.
const SLACK: i64 = 20;
/// What hangs for less is no outage.
const HANG: Duration = Duration::from_secs(33);
/// An outage moves a tender's deadline so often at most.
const MOST: u32 = 10;

/// How the platform goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// SIGKILL.
    Killed,
    /// SIGTERM: it ends in order.
    Stopped,
    /// SIGSTOP: it hangs.
    Hung,
    /// Sealed files cannot be written.
    NoFiles,
}

/// Where an outage lies: from and until, in seconds from the deadline in force.
#[derive(Clone, Copy, Debug)]
struct Around {
    from: i64,
    until: i64,
}

impl Around {
    /// The outage, or a short one over the deadline where it would have to be over by now.
    fn with_room(self, tender: &Tender, now: Instant) -> Self {
        let at = |seconds| deadline(tender).plus_seconds(seconds);
        let begins = at(self.from).max(now);
        if begins.plus_seconds(5 * MINUTE) <= at(self.until) || self.until >= 0 {
            return self;
        }
        Self {
            from: -20 * MINUTE,
            until: 20 * MINUTE,
        }
    }
}

pub async fn run(form: Form) -> Played {
    let seed = seed()?;
    eprintln!("outage: seed {}", hex::encode(seed));
    let mut dice = Dice { seed, thrown: 0 };
    let cases = match form {
        Form::Short => 500,
        Form::Long => 20_000,
    };
    rule_alone(&mut dice, cases)?;
    let wanted = match form {
        Form::Short => 4,
        Form::Long => 50,
    };
    let world = Arc::new(World::raise().await?);
    let (mut injected, mut moved, mut tenders) = (0, 0, 0);
    while injected < wanted {
        let mut tender = world.announced(0).await?;
        tenders += 1;
        let first = &SUPPLIERS[0];
        let sealed = make_bid(&world.stage, first, &tender, "01", "2600000.00", 1, 0).await?;
        submit(&world.stage, first, &sealed).await?;
        let mut moves = 0;
        // What comes after the last move that the rule allows would close it.
        while injected < wanted && moves < MOST {
            let (way, around) = plan(&mut dice, form, injected);
            let around = around.with_room(&tender, world.stage.now().await?);
            let was = deadline(&tender);
            tender = one(&world, &tender, moves, way, around).await?;
            injected += 1;
            moves += u32::from(deadline(&tender) > was);
        }
        moved += moves;
        opened(&world, &tender).await?;
        // The next tender begins with empty desks, and with a ceremony, which starts the daemons.
        for holder in [&PURCHASER].into_iter().chain(&HOLDERS) {
            world
                .stage
                .kill(&format!("trustee-{}", holder.profile))
                .await;
        }
        for supplier in &SUPPLIERS {
            std::fs::remove_dir_all(world.stage.desk(supplier.profile)?)?;
        }
    }
    world.stage.strike().await;
    Ok(format!(
        "{injected} outages injected, {moved} of them moved a deadline, all as the oracle says, with \
         notices; {tenders} tenders opened and their public records verified; the rule alone on {cases} more cases"
    ))
}

/// What the next outage is, so that every kind of place and way has its turn.
fn plan(dice: &mut Dice, form: Form, number: u32) -> (Way, Around) {
    let minutes =
        |dice: &mut Dice, from: i64, until: i64| dice.between(from * MINUTE, until * MINUTE);
    let around = match number % 7 {
        // In the middle of it, short.
        0 => Around {
            from: -minutes(dice, 3, 50),
            until: minutes(dice, 1, 60),
        },
        // Over before the deadline, but not long.
        1 => Around {
            from: -minutes(dice, 200, 230),
            until: -minutes(dice, 2, 110),
        },
        // Over long before: nothing moves.
        2 => Around {
            from: -minutes(dice, 260, 300),
            until: -minutes(dice, 130, 250),
        },
        // Long.
        3 => Around {
            from: -minutes(dice, 2, 90),
            until: dice.between(3 * HOUR, 30 * HOUR),
        },
        // Days, over whatever days off there are.
        4 => Around {
            from: -minutes(dice, 2, 90),
            until: dice.between(2 * DAY, 12 * DAY),
        },
        // To the very moment of it, and hardly beyond.
        5 => Around {
            from: -minutes(dice, 2, 4),
            until: 0,
        },
        _ => Around {
            from: -minutes(dice, 2, 20),
            until: dice.between(1, 59),
        },
    };
    let way = match (form, number) {
        (Form::Short, 1) => Way::Hung,
        (Form::Long, 7 | 21 | 35) => Way::Hung,
        (Form::Long, 8 | 28 | 45) => Way::NoFiles,
        _ if number % 3 == 2 => Way::Stopped,
        _ => Way::Killed,
    };
    (way, around)
}

/// Injects an outage and compares what became of the tender's deadline; the tender as it is then.
async fn one(
    world: &World,
    tender: &Tender,
    moves: u32,
    way: Way,
    around: Around,
) -> anyhow::Result<Tender> {
    let before = deadline(tender);
    let known = outages(world).await?;
    let from = before.plus_seconds(around.from);
    world.stage.advance(from).await?;
    // The proof is renewed after that moment.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let until = before.plus_seconds(around.until);
    let (last_up, first_up) = go_away(world, way, until).await?;
    // Tokens are short-lived, and time went on.
    world.stage.renew().await?;
    let outage = wait_for("a record of the outage", async || {
        let all = outages(world).await.ok()?;
        (all.len() > known.len())
            .then(|| all.into_iter().next())
            .flatten()
    })
    .await?;
    // What was measured is what was.
    ensure!(
        outage.from_us >= from.micros() && outage.from_us <= last_up.micros(),
        "{outage:?} begins at another moment than {from} to {last_up}"
    );
    ensure!(
        outage.until_us >= first_up.micros()
            && outage.until_us <= first_up.plus_seconds(SLACK).micros(),
        "{outage:?} ends at another moment than soon after {first_up}"
    );
    let question = json!({
        "from_us": outage.from_us,
        "until_us": outage.until_us,
        "deadline_us": before.micros(),
        "moved_before": moves,
    });
    let expected =
        Instant::from_micros(*ask(&[question])?.first().context("the oracle is silent")?);
    eprintln!(
        "outage: {way:?} {} to {}: {before} becomes {expected}",
        Instant::from_micros(outage.from_us),
        Instant::from_micros(outage.until_us)
    );
    if expected == before && before <= Instant::from_micros(outage.until_us) {
        bail!("the drill is to leave no deadline in an outage that does not move it");
    }
    let now = everywhere(world, tender, before, expected, &outage).await?;
    Ok(now)
}

/// Waits until the deadline is the expected one wherever it shows: the tender, the opening, notices.
async fn everywhere(
    world: &World,
    tender: &Tender,
    before: Instant,
    expected: Instant,
    outage: &Outage,
) -> anyhow::Result<Tender> {
    let connection = world.stage.anyone().await?;
    let now = wait_for(&format!("the deadline {expected} everywhere"), async || {
        let name = tender.name.clone();
        let request = GetTenderRequest { name: name.clone() };
        let shown = connection.tender().get_tender(request).await.ok()?;
        let shown = shown.into_inner().tender?;
        let session = GetSessionRequest { tender: name };
        let session = connection.opening().get_session(session).await.ok()?;
        let session = session.into_inner().session?;
        let agrees = deadline(&shown) == expected && session.deadline_us == expected.micros();
        agrees.then_some(shown)
    })
    .await?;
    let notices = extensions(world, tender).await?;
    let of_this = |notice: &&Notice| {
        let extension = notice.outage_extension.clone().unwrap_or_default();
        extension.outage.as_ref() == Some(outage)
    };
    let told: Vec<&Notice> = notices.iter().filter(of_this).collect();
    ensure!(
        told.len() == usize::from(expected != before),
        "{} notices of {outage:?}",
        told.len()
    );
    if let Some(notice) = told.first() {
        ensure!(notice.deadline_us == expected.micros(), "{notice:?}");
    }
    Ok(now)
}

async fn extensions(world: &World, tender: &Tender) -> anyhow::Result<Vec<Notice>> {
    let request = ListNoticesRequest {
        page_size: 200,
        kind: NoticeKind::Outage as i32,
        tender: tender.name.clone(),
        ..ListNoticesRequest::default()
    };
    let anyone = world.stage.anyone().await?;
    Ok(anyone
        .notice()
        .list_notices(request)
        .await?
        .into_inner()
        .notices)
}

/// Takes the platform away, lets the time pass, and brings it back: the last moment at which it was
/// surely there, and the first at which it was again.
async fn go_away(world: &World, way: Way, until: Instant) -> anyhow::Result<(Instant, Instant)> {
    let clock = SandboxClock::open(&world.data().join(SANDBOX_CLOCK))?;
    let now = || sunbid_terms::Clock::now(&clock);
    match way {
        Way::Killed | Way::Stopped => {
            if way == Way::Killed {
                world.stage.kill("platform").await;
            } else {
                ensure!(
                    world.stage.stop("platform").await?,
                    "it did not end in order"
                );
            }
            let last_up = now();
            let first_up = clock.advance_to(until)?;
            world.stage.start_platform().await?;
            Ok((last_up, first_up))
        }
        Way::Hung => {
            let pid = world.stage.pid("platform").await.context("it runs")?;
            signal(pid, "STOP")?;
            let last_up = now();
            let first_up = clock.advance_to(until)?;
            tokio::time::sleep(HANG).await;
            let first_up = first_up.max(now());
            signal(pid, "CONT")?;
            Ok((last_up, first_up))
        }
        Way::NoFiles => {
            let (files, away) = (world.data().join("bid"), world.data().join("bid-away"));
            std::fs::rename(&files, &away)?;
            let last_up = now().plus_seconds(1);
            clock.advance_to(until)?;
            tokio::time::sleep(HANG).await;
            let first_up = now();
            std::fs::rename(&away, &files)?;
            Ok((last_up, first_up))
        }
    }
}

fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()?;
    ensure!(sent.success(), "{pid} did not get {name}");
    Ok(())
}

/// Everybody bids for the deadline in force; it passes; holders open; the public records verify.
async fn opened(world: &World, tender: &Tender) -> anyhow::Result<()> {
    for supplier in &SUPPLIERS {
        let revision = if supplier.profile == SUPPLIERS[0].profile {
            2
        } else {
            1
        };
        let sealed = make_bid(
            &world.stage,
            supplier,
            tender,
            "01",
            "2500000.00",
            revision,
            0,
        )
        .await?;
        submit(&world.stage, supplier, &sealed).await?;
    }
    world.stage.advance(deadline(tender)).await?;
    storm::announced(world, tender).await?;
    wait_for_state(&world.stage, &tender.name, TenderState::Opened).await?;
    let connection = world.stage.of(PURCHASER.profile).await?;
    let desk = world.stage.desk("citizen")?;
    let mut attempt = 0;
    let folder = wait_for("public records", async || {
        attempt += 1;
        let id = tender.name.replace('/', "-");
        let folder = desk.join(format!("{id}-{attempt}"));
        let got = verify::download(&connection, &tender.name, &folder).await;
        got.ok().map(|()| folder)
    })
    .await?;
    verify::check(&folder, None, &[], OUTPUT).context("the public records do not verify")
}

async fn outages(world: &World) -> anyhow::Result<Vec<Outage>> {
    let request = ListOutagesRequest {
        page_size: 200,
        page_token: String::new(),
    };
    let anyone = world.stage.anyone().await?;
    let answer = anyone.bid().list_outages(request).await?.into_inner();
    Ok(answer
        .entries
        .into_iter()
        .filter_map(|entry| entry.outage)
        .collect())
}

async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    for _ in 0..STEPS {
        if let Some(found) = look().await {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("{what} did not come")
}

fn deadline(tender: &Tender) -> Instant {
    Instant::from_micros(tender.timetable.unwrap_or_default().bid_deadline_us)
}

/// The rule itself, without a platform, on cases of all kinds between 2024 and 2027.
fn rule_alone(dice: &mut Dice, cases: u32) -> anyhow::Result<()> {
    let engine = Engine::new()?;
    let first = Instant::parse("2024-01-01T00:00:00+08:00").context("a moment")?;
    let (mut questions, mut said) = (Vec::new(), Vec::new());
    for _ in 0..cases {
        let from =
            first.plus_micros(dice.between(0, 1_400 * DAY) * 1_000_000 + dice.between(0, 999_999));
        let length = match dice.between(0, 3) {
            0 => dice.between(1, 3 * MINUTE),
            1 => dice.between(0, 4) * 30 * MINUTE + 60 * MINUTE,
            2 => dice.between(1, 40 * HOUR),
            _ => dice.between(1, 15 * DAY),
        };
        let until = from.plus_seconds(length);
        let near = if dice.between(0, 1) == 0 { from } else { until };
        let beside = match dice.between(0, 2) {
            0 => dice.between(-2, 2) * HOUR,
            1 => dice.between(-3 * HOUR, 3 * HOUR),
            _ => dice.between(-2, 2),
        };
        let deadline = near.plus_seconds(beside);
        let moved_before = u32::try_from(dice.between(0, i64::from(MOST) + 1))?;
        let maintenance = (dice.between(0, 2) == 0).then(|| {
            let begins = from.plus_seconds(-dice.between(-1, 2) * 10 * MINUTE);
            Maintenance {
                announced_at: begins.plus_seconds(-dice.between(0, 2) * 12 * HOUR - 12 * HOUR),
                from: begins,
                until: until.plus_seconds(dice.between(-1, 2) * 10 * MINUTE),
            }
        });
        questions.push(json!({
            "from_us": from.micros(),
            "until_us": until.micros(),
            "deadline_us": deadline.micros(),
            "moved_before": moved_before,
            "maintenance": maintenance.map(|m| json!({
                "announced_us": m.announced_at.micros(),
                "from_us": m.from.micros(),
                "until_us": m.until.micros(),
            })),
        }));
        let facts = OutageFacts {
            from,
            until,
            maintenance,
            deadline,
            moved_before,
            new_deadline: None,
        };
        let scope = Scope::new(Track::GovernmentProcurement, Jurisdiction::china(), until);
        let extension = engine.deadline_after_outage(&scope, &facts);
        said.push(extension.context("there is a rule")?.deadline.micros());
    }
    let answers = ask(&questions)?;
    ensure!(answers.len() == said.len(), "{} answers", answers.len());
    for ((question, answer), said) in questions.iter().zip(&answers).zip(&said) {
        ensure!(
            answer == said,
            "{question}: the oracle says {}, the rule {}",
            Instant::from_micros(*answer),
            Instant::from_micros(*said)
        );
    }
    Ok(())
}

/// Asks the oracle.
fn ask(questions: &[Value]) -> anyhow::Result<Vec<i64>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let years: PathBuf = root.join("../libs/rules/data/calendar");
    let mut child = Command::new("python3")
        .arg(root.join("drills/oracle/outage.py"))
        .arg(years)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the oracle needs python3")?;
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let mut stdin = child.stdin.take().context("it listens")?;
    // It may answer before it has heard everything.
    let asking = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output()?;
    asking
        .join()
        .map_err(|_| anyhow::anyhow!("asking the oracle failed"))??;
    ensure!(output.status.success(), "the oracle failed");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(line.parse()?)).collect()
}

fn seed() -> anyhow::Result<[u8; 8]> {
    let mut seed = [0; 8];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    Ok(seed)
}

/// Numbers that a seed leads to, so that a failure can be told and looked into.
struct Dice {
    seed: [u8; 8],
    thrown: u64,
}

impl Dice {
    /// A number from `least` to `most`, both included.
    fn between(&mut self, least: i64, most: i64) -> i64 {
        self.thrown += 1;
        let thrown = digest(&SHA256, &[self.seed, self.thrown.to_be_bytes()].concat());
        let bytes: [u8; 8] = thrown.as_ref().first_chunk().copied().unwrap_or_default();
        let span = most.abs_diff(least).saturating_add(1);
        least.saturating_add_unsigned(u64::from_be_bytes(bytes) % span)
    }
}
