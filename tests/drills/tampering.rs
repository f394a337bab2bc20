//! Stored state is changed at random - bytes of database files, rows, whole tables, files swapped, cut,
//! lost or rolled back, an institution's sealed files, public records - and every change must be
//! found by a check, or be no change: the same rows in every table of a database that SQLite finds whole.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions,
};
use sunbid_backup::{Archiver, Backup, Installation};
use sunbid_cli::{commands::inspection, demo::acts};
use sunbid_platform::{Config, serve::SERVICES};
use sunbid_proofs::{Signer, sha256};
use sunbid_service::clock::SystemClock;
use sunbid_tests::{World, program};
use sunbid_trustee::Effort;
use tokio_util::sync::CancellationToken;

use crate::{Form, Played};

/// Older states of the databases, to roll back to.
const OLDER: usize = 12;

pub async fn run(form: Form) -> Played {
    let edits = match form {
        Form::Short => 300,
        Form::Long => 10_000,
    };
    let home = tempfile::Builder::new()
        .prefix("sunbid-tampering-")
        .tempdir()?;
    let victim = Victim::play(home.path()).await?;
    victim.is_whole().await?;
    let mut chance = Chance::new()?;
    eprintln!("tampering: the seed is {}", hex::encode(chance.seed));
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut found, mut same, mut missed) = (0_u64, 0_u64, Vec::new());
    let mut done = 0;
    while done < edits {
        let Some(edit) = victim.edit(&mut chance).await? else {
            // It would have changed nothing, or SQLite refused it.
            victim.mend()?;
            continue;
        };
        done += 1;
        *kinds.entry(edit.kind).or_default() += 1;
        match victim.judge(&edit).await? {
            Verdict::Found(by) => {
                found += 1;
                *told.entry(by).or_default() += 1;
            }
            Verdict::Same => same += 1,
            Verdict::Missed => {
                eprintln!("tampering: NOT FOUND: {}", edit.what);
                missed.push(edit.what);
            }
        }
        victim.mend()?;
        // Whatever was found was found in the edit, not in what an earlier one left behind.
        if done % 100 == 0 {
            victim.is_whole().await?;
        }
        if done % 500 == 0 {
            eprintln!("tampering: {done} edits, {found} found, {same} no change");
        }
    }
    let list = |counts: Vec<(String, u64)>| {
        let parts = counts.iter().map(|(name, count)| format!("{name} {count}"));
        parts.collect::<Vec<_>>().join(", ")
    };
    let kinds = kinds
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count));
    let figures = format!(
        "{done} edits ({}): {found} found ({}), {same} harmless (SQLite finds the file whole, and every \
         table has the same form and the same rows), {} not found",
        list(kinds.collect()),
        list(told.into_iter().collect()),
        missed.len()
    );
    ensure!(
        missed.is_empty(),
        "{figures}; first: {}",
        missed.first().cloned().unwrap_or_default()
    );
    Ok(figures)
}

/// Randomness that can be played again: a hash chain over a seed.
struct Chance {
    seed: [u8; 32],
    state: [u8; 32],
}

impl Chance {
    fn new() -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        match std::env::var("SUNBID_DRILL_SEED") {
            Ok(given) => hex::decode_to_slice(given, &mut seed)?,
            Err(_) => SystemRandom::new()
                .fill(&mut seed)
                .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?,
        }
        Ok(Self { seed, state: seed })
    }

    fn number(&mut self) -> u64 {
        self.state = sha256(&[&self.state]);
        let [a, b, c, d, e, f, g, h, ..] = self.state;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// From 0 to less than `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end.max(1) as u64).unwrap_or_default()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> anyhow::Result<&'a T> {
        let at = self.below(of.len());
        of.get(at).context("there is nothing to choose from")
    }
}

/// What was changed.
struct Edit {
    kind: &'static str,
    what: String,
    place: Place,
}

enum Place {
    /// A database, by its service.
    Database(&'static str),
    /// A file of the platform.
    File,
    /// An institution's folder.
    Institution,
    /// A folder of public records.
    Records,
}

enum Verdict {
    Found(String),
    Same,
    Missed,
}

/// A finished platform with everything around it, and the copy that is changed.
struct Victim {
    /// As it was.
    whole: PathBuf,
    /// As it is now.
    work: PathBuf,
    older: Vec<PathBuf>,
    anchors: PathBuf,
    rows: BTreeMap<&'static str, [u8; 32]>,
    files: Vec<PathBuf>,
    institution: Vec<PathBuf>,
    records: Vec<PathBuf>,
}

const PLATFORM: &str = "platform";
const INSTITUTION: &str = "institution";
const RECORDS: &str = "records";

impl Victim {
    /// Plays a whole tender, backed up meanwhile, stops the platform in order, and takes it all.
    async fn play(home: &Path) -> anyhow::Result<Self> {
        let world = World::raise().await?;
        let backup = home.join("backup");
        let stop = CancellationToken::new();
        let archiving = tokio::spawn(archive(world.data(), backup.clone(), stop.clone()));
        acts::play(&world.stage, &world.narrator, 1).await?;
        stop.cancel();
        archiving.await??;
        ensure!(
            world.stage.stop("platform").await?,
            "the platform did not stop in order"
        );
        let whole = home.join("whole");
        copy(&world.data(), &whole.join(PLATFORM))?;
        let base = world.data();
        let base = base.parent().context("a platform's folder has a parent")?;
        let trustees = base.join("trustees");
        let first = listed(&trustees)?
            .into_iter()
            .next()
            .context("there are no trustees")?;
        copy(&first, &whole.join(INSTITUTION))?;
        let records = whole.join(RECORDS);
        copy(&base.join("desks/citizen/records"), &records)?;
        // The play ends by changing this byte.
        let file = records.join("logs/bid.pb");
        let mut bytes = fs::read(&file)?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        fs::write(&file, bytes)?;
        world.stage.strike().await;
        let older = older(&backup, home).await?;
        let anchors = home.join("anchors.json");
        let saved = Command::new(program()?)
            .arg("verify")
            .arg(&records)
            .arg("--save-anchors")
            .arg(&anchors)
            .stdout(Stdio::null())
            .status()?;
        ensure!(
            saved.success(),
            "the public records do not verify before any change"
        );
        let work = home.join("work");
        copy(&whole, &work)?;
        let mut rows = BTreeMap::new();
        for service in SERVICES {
            let file = whole.join(PLATFORM).join(format!("{service}.db"));
            rows.insert(service, contents(&file).await?);
        }
        let mut files = below(&whole.join(PLATFORM).join("bid/sealed"))?;
        files.extend(below(&whole.join(PLATFORM).join("tender/documents"))?);
        files.push(whole.join(PLATFORM).join("witnessed.txt"));
        files.push(whole.join(PLATFORM).join("stillness.txt"));
        let institution = below(&whole.join(INSTITUTION))?.into_iter().filter(|file| {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name == "vault" || name.ends_with(".sealed")
        });
        Ok(Self {
            institution: institution.collect(),
            records: below(&records)?,
            whole,
            work,
            older,
            anchors,
            rows,
            files,
        })
    }

    async fn is_whole(&self) -> anyhow::Result<()> {
        if let Some(finding) = self.inspect().await? {
            bail!("something is wrong before any change: {finding}");
        }
        Ok(())
    }

    /// The first finding, by what found it.
    async fn inspect(&self) -> anyhow::Result<Option<String>> {
        let data = self.work.join(PLATFORM);
        let config = Config::read(&data)?;
        Ok(match inspection::report(&data, &config, true).await {
            Ok(report) => report.findings.first().map(|one| one.by.to_owned()),
            Err(_) => Some("opening".to_owned()),
        })
    }

    fn database(&self, service: &str) -> PathBuf {
        self.work.join(PLATFORM).join(format!("{service}.db"))
    }

    /// The file of the working copy that stands for one of the whole.
    fn own(&self, file: &Path) -> anyhow::Result<PathBuf> {
        Ok(self.work.join(file.strip_prefix(&self.whole)?))
    }

    async fn edit(&self, chance: &mut Chance) -> anyhow::Result<Option<Edit>> {
        let service = *chance.one(&SERVICES)?;
        let database = self.database(service);
        let (kind, what, place) = match chance.below(200) {
            0..60 => {
                let what = flip(&database, chance)?;
                ("byte of a database", what, Place::Database(service))
            }
            60..110 => match change(&database, chance, Change::Value).await? {
                Some(what) => ("row changed", what, Place::Database(service)),
                None => return Ok(None),
            },
            110..130 => match change(&database, chance, Change::Gone).await? {
                Some(what) => ("row deleted", what, Place::Database(service)),
                None => return Ok(None),
            },
            130..150 => match change(&database, chance, Change::Added).await? {
                Some(what) => ("row inserted", what, Place::Database(service)),
                None => return Ok(None),
            },
            150..158 => match change(&database, chance, Change::Emptied).await? {
                Some(what) => ("table emptied", what, Place::Database(service)),
                None => return Ok(None),
            },
            158..160 => {
                let other = *chance.one(&SERVICES)?;
                if other == service {
                    return Ok(None);
                }
                fs::copy(
                    self.whole.join(PLATFORM).join(format!("{other}.db")),
                    &database,
                )?;
                let what = format!("{service}.db replaced by {other}.db");
                ("database swapped", what, Place::Database(service))
            }
            160..170 => {
                let older = chance.one(&self.older)?.join(format!("{service}.db"));
                fs::copy(&older, &database)?;
                let what = format!("{} for {service}.db", older.display());
                ("database rolled back", what, Place::Database(service))
            }
            170..190 => {
                let file = self.own(chance.one(&self.files)?)?;
                let what = match chance.below(4) {
                    0 => {
                        fs::remove_file(&file)?;
                        format!("{} removed", file.display())
                    }
                    1 => {
                        let length = fs::metadata(&file)?.len();
                        let shorter = chance.number() % length.max(1);
                        fs::File::options()
                            .write(true)
                            .open(&file)?
                            .set_len(shorter)?;
                        format!("{} cut to {shorter} of {length}", file.display())
                    }
                    2 => {
                        let other = chance.one(&self.files)?;
                        if fs::read(other)? == fs::read(&file)? {
                            return Ok(None);
                        }
                        fs::copy(other, &file)?;
                        format!("{} replaced by {}", file.display(), other.display())
                    }
                    _ => flip(&file, chance)?,
                };
                ("file", what, Place::File)
            }
            190..192 => {
                let file = self.own(chance.one(&self.institution)?)?;
                let what = flip(&file, chance)?;
                ("institution's file", what, Place::Institution)
            }
            _ => {
                let file = self.own(chance.one(&self.records)?)?;
                let what = flip(&file, chance)?;
                ("public record", what, Place::Records)
            }
        };
        Ok(Some(Edit { kind, what, place }))
    }

    async fn judge(&self, edit: &Edit) -> anyhow::Result<Verdict> {
        match edit.place {
            Place::Database(service) => {
                if let Some(by) = self.inspect().await? {
                    return Ok(Verdict::Found(by));
                }
                let same = contents(&self.database(service)).await?;
                Ok(if self.rows.get(service) == Some(&same) {
                    Verdict::Same
                } else {
                    Verdict::Missed
                })
            }
            Place::File => Ok(match self.inspect().await? {
                Some(by) => Verdict::Found(by),
                None => Verdict::Missed,
            }),
            Place::Institution => {
                let folder = self.work.join(INSTITUTION);
                let passphrase = sunbid_cli::demo::stage::PASSPHRASE.as_bytes();
                Ok(
                    match sunbid_trustee::public_keys(&folder, passphrase, Effort::PRODUCTION) {
                        Err(_) => Verdict::Found("opening an institution's folder".into()),
                        Ok(_) => Verdict::Missed,
                    },
                )
            }
            Place::Records => {
                let verified = Command::new(program()?)
                    .arg("verify")
                    .arg(self.work.join(RECORDS))
                    .arg("--anchors")
                    .arg(&self.anchors)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()?;
                Ok(if verified.success() {
                    Verdict::Missed
                } else {
                    Verdict::Found("sunbid verify".into())
                })
            }
        }
    }

    /// Makes the working copy whole again.
    fn mend(&self) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for file in below(&self.whole)? {
            let own = self.own(&file)?;
            let is = |path: &Path| Some((fs::metadata(path).ok()?.len(), fs::read(path).ok()?));
            if is(&own) != is(&file) {
                fs::copy(&file, &own).with_context(|| own.display().to_string())?;
            }
            kept.push(own);
        }
        for file in below(&self.work)? {
            if kept.contains(&file) {
                continue;
            }
            match fs::remove_file(file) {
                // SQLite takes its own away when the last connection closes.
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Backs the platform up until it is told to stop.
async fn archive(data: PathBuf, backup: PathBuf, stop: CancellationToken) -> anyhow::Result<()> {
    let installation = Installation {
        origin: "sandbox.demo".into(),
        root: data,
        databases: SERVICES.iter().map(|name| (*name).to_owned()).collect(),
        secret_files: Vec::new(),
        secrets: Vec::new(),
    };
    let clock = Arc::new(SystemClock);
    let (mut archiver, _) = Archiver::begin(installation, &backup, signer()?, clock).await?;
    while !stop.is_cancelled() {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        archiver.point().await?;
    }
    archiver.end().await;
    Ok(())
}

fn signer() -> anyhow::Result<Signer> {
    Ok(Signer::from_seed("sandbox.demo/backup", &[1; 32])?)
}

/// Restores states of the databases from the time of the play.
async fn older(backup: &Path, home: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let opened = Backup::open(backup, signer()?.verifier())?;
    let times: Vec<_> = opened.points().map(sunbid_backup::Point::time).collect();
    let mut folders = Vec::new();
    // Not the last: that is no rolling back.
    let each = (times.len() / (OLDER + 1)).max(1);
    for time in times.iter().step_by(each).take(OLDER) {
        let opened = Backup::open(backup, signer()?.verifier())?;
        let (opened, chosen) = opened.choose(Some(*time), None)?;
        let folder = home.join(format!("older-{}", chosen.number));
        opened.restore(&chosen, &folder).await?;
        folders.push(folder);
    }
    Ok(folders)
}

/// Changes one byte of a file.
fn flip(file: &Path, chance: &mut Chance) -> anyhow::Result<String> {
    let mut bytes = fs::read(file)?;
    let at = chance.below(bytes.len());
    let by = 1 + chance.below(255);
    let byte = bytes.get_mut(at).context("the file is empty")?;
    *byte ^= u8::try_from(by)?;
    fs::write(file, bytes)?;
    Ok(format!("byte {at} of {}", file.display()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Value,
    Gone,
    Added,
    Emptied,
}

async fn connect(file: &Path) -> anyhow::Result<SqliteConnection> {
    Ok(SqliteConnectOptions::new().filename(file).connect().await?)
}

async fn texts(connection: &mut SqliteConnection, sql: String) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get::<String, _>(0)?))
        .collect()
}

async fn tables(connection: &mut SqliteConnection) -> anyhow::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    texts(connection, sql.to_owned()).await
}

/// Changes a database through SQLite; nothing where there is nothing to change or SQLite refuses.
async fn change(
    file: &Path,
    chance: &mut Chance,
    change: Change,
) -> anyhow::Result<Option<String>> {
    let mut connection = connect(file).await?;
    let tables = tables(&mut connection).await?;
    let table = chance.one(&tables)?.clone();
    let sql = format!("SELECT CAST(rowid AS TEXT) FROM {table}");
    let rows = texts(&mut connection, sql).await?;
    if rows.is_empty() {
        connection.close().await?;
        return Ok(None);
    }
    let row = chance.one(&rows)?.clone();
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    let columns = texts(&mut connection, sql).await?;
    let column = chance.one(&columns)?.clone();
    let sql = format!("SELECT quote({column}) FROM {table} WHERE rowid = {row}");
    let before = texts(&mut connection, sql).await?.remove(0);
    let value = another(&before, chance);
    let statement = match change {
        Change::Value => format!("UPDATE {table} SET {column} = {value} WHERE rowid = {row}"),
        Change::Gone => format!("DELETE FROM {table} WHERE rowid = {row}"),
        Change::Emptied => format!("DELETE FROM {table}"),
        Change::Added => {
            let values: Vec<_> = columns
                .iter()
                .map(|one| {
                    if *one == column {
                        value.clone()
                    } else {
                        one.clone()
                    }
                })
                .collect();
            let (names, values) = (columns.join(", "), values.join(", "));
            format!(
                "INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE rowid = {row}"
            )
        }
    };
    let done = sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(&mut connection)
        .await;
    connection.close().await?;
    let shown: String = statement.chars().take(300).collect();
    Ok(done.is_ok().then(|| format!("{}: {shown}", file.display())))
}

/// Another value than this one, most often of the same type.
fn another(before: &str, chance: &mut Chance) -> String {
    if chance.below(12) == 0 {
        return ["NULL", "0", "''", "X''", "1.5", "-1"]
            .get(chance.below(6))
            .filter(|value| **value != before)
            .map_or("'x'".to_owned(), |value| (*value).to_owned());
    }
    if let Some(hex) = before
        .strip_prefix("X'")
        .and_then(|rest| rest.strip_suffix('\''))
    {
        let mut bytes = hex::decode(hex).unwrap_or_default();
        let at = chance.below(bytes.len());
        match bytes.get_mut(at) {
            Some(byte) => *byte ^= 1 << chance.below(8),
            None => bytes.push(0),
        }
        return format!("X'{}'", hex::encode(bytes));
    }
    if let Some(text) = before
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        return format!("'{text}{}'", chance.below(10));
    }
    match before.parse::<i64>() {
        // The same digits as bytes: SQLite reads them as the same number.
        Ok(number) if chance.below(8) == 0 => {
            format!("X'{}'", hex::encode(number.to_string()))
        }
        Ok(number @ (0 | 1)) => (1 - number).to_string(),
        Ok(number) => number
            .wrapping_add(1 + i64::from(chance.below(3) as u32))
            .to_string(),
        Err(_) => "X'00'".to_owned(),
    }
}

/// What SQLite understands of the statements: every column of every table and index.
const STRUCTURE: &str = "SELECT quote(m.name) || quote(t.name) || quote(t.type) \
     || quote(t.\"notnull\") || quote(t.dflt_value) || quote(t.pk) || quote(t.hidden) \
     FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) t \
     UNION ALL SELECT quote(m.name) || quote(l.name) || quote(l.\"unique\") || quote(l.partial) \
     || quote(x.name) || quote(x.\"desc\") || quote(x.coll) || quote(x.\"key\") \
     FROM sqlite_schema m JOIN pragma_index_list(m.name) l JOIN pragma_index_xinfo(l.name) x \
     ORDER BY 1";

/// All rows of all tables, the statements that made them, and what SQLite understands of those.
async fn contents(file: &Path) -> anyhow::Result<[u8; 32]> {
    let mut connection = connect(file).await?;
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut all: Vec<String> = texts(&mut connection, sql.to_owned())
        .await?
        .iter()
        // Comments and spaces mean nothing.
        .flat_map(|sql| sql.lines())
        .map(|line| line.split("--").next().unwrap_or_default())
        .flat_map(|line| line.split_whitespace().map(str::to_owned))
        .collect();
    all.extend(texts(&mut connection, STRUCTURE.to_owned()).await?);
    for table in tables(&mut connection).await? {
        let sql = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
        let columns = texts(&mut connection, sql).await?.join(" || ',' || ");
        let rows = texts(
            &mut connection,
            format!("SELECT {columns} FROM {table} ORDER BY 1"),
        );
        all.push(table);
        all.extend(rows.await?);
    }
    connection.close().await?;
    Ok(sha256(&[all.join("\n").as_bytes()]))
}

fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

/// Every file below a folder.
fn below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in listed(folder)? {
        if path.is_dir() {
            files.extend(below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for path in listed(from)? {
        let own = to.join(path.file_name().context("a file has a name")?);
        if path.is_dir() {
            copy(&path, &own)?;
        } else {
            fs::copy(&path, &own)?;
        }
    }
    Ok(())
}
