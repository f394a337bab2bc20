//! Whoever follows the logs must come to see every record: ten writers write as fast as they can,
//! readers follow without pause, and a detector then compares what each of them saw with what is
//! there. Over SQLite, and over PostgreSQL with two replicas that both write all logs.
//!
//! A control reads the same records in the order of their times, as feeds by date of change do, to
//! show that what the detector looks for does happen to others in the same run.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant as Timer},
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, stream};
use sunbid_journal::{
    Command, CommandId, Db, Journal, LogId, NewEvent, Outcome, Postgres, Reads, StreamId, Val,
    cursor_write, trial,
};
use sunbid_proofs::sha256;
use sunbid_service::clock::SystemClock;
use tokio::task::JoinSet;

use crate::{Form, Played};

const WRITERS: u64 = 10;
/// Commands that a writer has under way at a time.
const IN_FLIGHT: usize = 8;
/// Logs that all writers write to.
const LOGS: u64 = 40;
const BODY: usize = 256;
/// Readers of each kind on each replica.
const READERS: usize = 1;
/// Heads and records of a page.
const PAGE: u32 = 500;
/// The scope that all logs of the drill have.
const SCOPE: &str = "feed";

/// The control's question: what came since, in the order of its time.
const BY_TIME: &str = "SELECT log_id, seq, at_us FROM journal WHERE at_us > $1 \
     ORDER BY at_us, log_id, seq LIMIT 500";

pub async fn run(form: Form) -> Played {
    let span = Duration::from_secs(match form {
        Form::Short => 5,
        Form::Long => 60,
    });
    let folder = tempfile::tempdir()?;
    let sqlite = vec![Db::sqlite(&folder.path().join("feed.db")).await?];
    let mut figures = vec![follow("SQLite", sqlite, span).await?];
    let address = trial::fresh_address().await?;
    let address = address.context("PostgreSQL is not installed")?;
    let settings = Postgres::parse(&address)?
        .accepting_loss()
        .with_connections(12);
    let replicas = vec![
        Db::postgres(&settings).await?,
        Db::postgres(&settings).await?,
    ];
    figures.push(follow("PostgreSQL, two replicas", replicas, span).await?);
    Ok(figures.join("; "))
}

/// Which records a reader saw, by log.
type SeenBy = HashMap<LogId, HashSet<u64>>;

struct Shared {
    over: AtomicBool,
    next: AtomicU64,
}

/// Writes and follows for a while; the figures of it.
async fn follow(name: &str, replicas: Vec<Db>, span: Duration) -> anyhow::Result<String> {
    let mut journals = Vec::new();
    for db in replicas {
        journals.push(Journal::open(db, Arc::new(SystemClock)).await?);
    }
    let shared = Arc::new(Shared {
        over: AtomicBool::new(false),
        next: AtomicU64::new(0),
    });
    let mut readers: JoinSet<anyhow::Result<(&'static str, SeenBy)>> = JoinSet::new();
    for journal in &journals {
        for number in 0..READERS {
            let (heads, shared_heads) = (journal.clone(), shared.clone());
            readers.spawn(async move { Ok(("by heads", by_heads(&heads, &shared_heads).await?)) });
            let (behind, shared_behind) = (journal.clone(), shared.clone());
            let consumer = format!("feed-{}-{number}", readers.len());
            readers.spawn(async move {
                let seen = by_cursor(&behind, &consumer, &shared_behind).await?;
                Ok(("by cursor", seen))
            });
        }
    }
    let (control, shared_control) = (journals[0].clone(), shared.clone());
    readers.spawn(async move { Ok(("by time", by_time(&control, &shared_control).await?)) });
    let begun = Timer::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let place = usize::try_from(writer)? % journals.len();
        let (journal, shared) = (journals[place].clone(), shared.clone());
        writers.spawn(async move { write(&journal, &shared, begun, span).await });
    }
    let mut written = 0;
    while let Some(writer) = writers.join_next().await {
        written += writer??;
    }
    let rate = written as f64 / begun.elapsed().as_secs_f64();
    shared.over.store(true, Ordering::SeqCst);
    let there = everything(&journals[0]).await?;
    ensure!(
        there.values().sum::<u64>() == written,
        "{written} were acknowledged and {} are there",
        there.values().sum::<u64>()
    );
    let (mut followers, mut missed, mut by_time) = (0, 0, 0);
    while let Some(reader) = readers.join_next().await {
        let (kind, seen) = reader??;
        let unseen: u64 = there
            .iter()
            .map(|(log, size)| size - seen.get(log).map_or(0, |seen| seen.len() as u64))
            .sum();
        if kind == "by time" {
            by_time = unseen;
        } else {
            followers += 1;
            missed += unseen;
            if unseen > 0 {
                eprintln!("feed: a reader {kind} never saw {unseen} records");
            }
        }
    }
    for journal in &journals {
        let report = journal.check().await?;
        ensure!(report.is_ok(), "{name}: {report:?}");
        journal.stop().await;
        journal.db().close().await;
    }
    ensure!(
        missed == 0,
        "{name}: readers never saw {missed} of {written} records"
    );
    Ok(format!(
        "{name}: {WRITERS} writers, {rate:.0} records/s, {written} records, {followers} followers \
         missed 0; a reader in the order of time would never have seen {by_time} ({:.2} %)",
        by_time as f64 / written.max(1) as f64 * 100.0
    ))
}

/// One writer, some commands under way at a time; how many were acknowledged.
async fn write(
    journal: &Journal,
    shared: &Shared,
    begun: Timer,
    span: Duration,
) -> anyhow::Result<u64> {
    let commands = std::iter::from_fn(|| {
        (begun.elapsed() < span).then(|| shared.next.fetch_add(1, Ordering::SeqCst))
    });
    let mut acknowledged = 0;
    let mut running = stream::iter(commands)
        .map(|number| journal.commit(record(number)))
        .buffer_unordered(IN_FLIGHT);
    while let Some(done) = running.next().await {
        done.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        acknowledged += 1;
    }
    Ok(acknowledged)
}

fn record(number: u64) -> Command {
    let log = number % LOGS;
    let scope = format!("{SCOPE}/{log}");
    let stream = StreamId::of("main");
    let id = CommandId::of(&[&number.to_be_bytes()]);
    Command {
        log: LogId::of(SCOPE, &scope),
        scope,
        digest: sha256(&[id.as_bytes()]),
        id,
        reads: Reads::Streams(Vec::new()),
        allow_closed: false,
        decide: Box::new(move |_| {
            Ok(Outcome {
                events: vec![NewEvent {
                    stream,
                    body: vec![number.to_le_bytes()[0]; BODY],
                }],
                ..Outcome::default()
            })
        }),
    }
}

/// The sizes of all logs at the end.
async fn everything(journal: &Journal) -> anyhow::Result<BTreeMap<LogId, u64>> {
    let heads = journal.heads(None, PAGE).await?;
    Ok(heads
        .into_iter()
        .filter(|head| head.scope.starts_with(SCOPE))
        .map(|head| (head.log, head.size))
        .collect())
}

/// Follows as other services and the audit do: every head, and each log from where this reader stands.
/// It only ever goes forward; after the writers stopped it looks once more.
async fn by_heads(journal: &Journal, shared: &Shared) -> anyhow::Result<SeenBy> {
    let mut cursors: HashMap<LogId, u64> = HashMap::new();
    let mut seen = SeenBy::new();
    loop {
        let last = shared.over.load(Ordering::SeqCst);
        for head in journal.heads(None, PAGE).await? {
            let next = cursors.entry(head.log).or_default();
            while *next < head.size {
                let page = journal.read(head.log, *next, PAGE).await?;
                if page.is_empty() {
                    break;
                }
                for entry in page {
                    seen.entry(head.log).or_default().insert(entry.seq);
                    *next = entry.seq + 1;
                }
            }
        }
        if last {
            return Ok(seen);
        }
    }
}

/// Follows by a cursor in the same database, moved in the transaction of what follows from the record.
async fn by_cursor(journal: &Journal, consumer: &str, shared: &Shared) -> anyhow::Result<SeenBy> {
    let mut seen = SeenBy::new();
    loop {
        let last = shared.over.load(Ordering::SeqCst);
        for behind in journal.behind(consumer, PAGE).await? {
            if !behind.scope.starts_with(SCOPE) {
                continue;
            }
            let mut next = behind.next_seq;
            for entry in journal.read(behind.log, next, PAGE).await? {
                seen.entry(behind.log).or_default().insert(entry.seq);
                next = entry.seq + 1;
            }
            let write = cursor_write(consumer, behind.log, next);
            journal.db().exec(write.sql, &write.values).await?;
        }
        if last && journal.behind(consumer, 1).await?.is_empty() {
            return Ok(seen);
        }
    }
}

/// The control: asks for what is younger than the youngest it saw.
async fn by_time(journal: &Journal, shared: &Shared) -> anyhow::Result<SeenBy> {
    let mut seen = SeenBy::new();
    let mut youngest = i64::MIN;
    loop {
        let last = shared.over.load(Ordering::SeqCst);
        let rows = journal.db().rows(BY_TIME, &[Val::Int(youngest)]).await?;
        for row in &rows {
            let log = LogId::from_slice(&row.blob(0)?).context("a log has an id")?;
            seen.entry(log)
                .or_default()
                .insert(u64::try_from(row.int(1)?)?);
            youngest = row.int(2)?;
        }
        if last && rows.is_empty() {
            return Ok(seen);
        }
    }
}
