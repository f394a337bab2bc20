//! Throwaway PostgreSQL clusters for tests, drills and benchmarks: in a temporary folder, reached on
//! a loopback port, gone with the process that started them. Never for anything that is to be kept.
//!
//! PostgreSQL refuses to run as root, so root runs it as another user.

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::db::{Db, Postgres};

/// The user that root lends its rights to, and the group.
const USER: &str = "nobody";
const GROUP: &str = "nogroup";
/// How often, and how many times, a server that starts or stops is looked at.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 1200;
/// Names a server to use instead of starting one: `postgres://USER@HOST[:PORT]`, no database.
pub const SERVER_VARIABLE: &str = "SUNBID_TEST_POSTGRES";

/// Starts the server, and ends it when told to or when whoever holds its input is gone: then the
/// folder goes too.
const GUARD: &str = r#"
dir=$1; shift
"$@" >>"$dir/server.log" 2>&1 & server=$!
word=; read -r word
case $word in
  kill) kill -9 $server $(cat /proc/$server/task/$server/children) ;;
  *) kill -INT $server ;;
esac
wait $server
[ -n "$word" ] || rm -rf "$dir"
"#;

/// One server with its folder.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    programs: Programs,
    // The guard while the server runs.
    guard: Mutex<Option<Child>>,
}

#[derive(Clone, Debug)]
struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Where the server's programs are: on the path or where distributions put them.
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
            places.extend(versions.flatten().map(|version| version.path().join("bin")));
        }
        // A link on the path may stand alone; the other programs are where it leads.
        let initdb = |place: PathBuf| std::fs::canonicalize(place.join("initdb")).ok();
        let folder = places.into_iter().find_map(initdb)?.parent()?.to_owned();
        Some(Self { folder })
    }

    /// A program of PostgreSQL, to be run as a user that it takes.
    fn command(&self, name: &str) -> Command {
        let program = self.folder.join(name);
        if is_root() {
            let mut command = Command::new("setpriv");
            let ids = ["--reuid", USER, "--regid", GROUP, "--clear-groups"];
            command.args(ids).arg(program);
            command
        } else {
            Command::new(program)
        }
    }

    fn run(&self, name: &str, arguments: &[&str], folder: &Path) -> io::Result<()> {
        let done = self
            .command(name)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(io::Error::other(format!("{name} failed: {said}")))
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

impl Cluster {
    /// A new cluster under the system's temporary folder, with further settings of the server, each
    /// "name=value". Nothing where PostgreSQL is not installed.
    pub fn start(options: &[&str]) -> io::Result<Option<Self>> {
        Self::start_in(&std::env::temp_dir(), options)
    }

    /// The same in a folder under `base`.
    pub fn start_in(base: &Path, options: &[&str]) -> io::Result<Option<Self>> {
        let Some(programs) = Programs::find() else {
            return Ok(None);
        };
        let cluster = Self::laid_out(base, options, programs)?;
        let data = cluster.data();
        let arguments = [
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
            &data,
        ];
        cluster
            .programs
            .run("initdb", &arguments, &cluster.folder)?;
        cluster.resume()?;
        Ok(Some(cluster))
    }

    fn laid_out(base: &Path, options: &[&str], programs: Programs) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = base.join(format!("sunbid-pg-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder)?;
        if is_root() {
            let owner = format!("{USER}:{GROUP}");
            let owned = Command::new("chown").arg(owner).arg(&folder).status()?;
            if !owned.success() {
                return Err(io::Error::other(format!(
                    "{} cannot be handed to {USER}",
                    folder.display()
                )));
            }
        }
        Ok(Self {
            folder,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            options: options.iter().map(ToString::to_string).collect(),
            programs,
            guard: Mutex::default(),
        })
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `postgres://postgres@127.0.0.1:PORT`, to which a database is added.
    pub fn server(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// A new empty database; its address.
    pub async fn database(&self) -> io::Result<String> {
        fresh_on(&self.server()).await
    }

    /// Runs one statement as the server's superuser.
    pub async fn tell(&self, statement: &str) -> io::Result<()> {
        tell(&format!("{}/postgres", self.server()), statement).await
    }

    /// Starts the server on what is in its folder.
    pub fn resume(&self) -> io::Result<()> {
        let server = self.programs.command("postgres");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(&self.folder);
        guard.arg(server.get_program()).args(server.get_args());
        guard.args(["-D", &self.data(), "-k", ""]);
        let port = format!("port={}", self.port);
        let fixed = ["listen_addresses=127.0.0.1", "max_connections=200", &port];
        let own = self.options.iter().map(String::as_str);
        for option in fixed.into_iter().chain(own) {
            guard.args(["-c", option]);
        }
        let child = guard
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let port = self.port.to_string();
        let arguments = ["-h", "127.0.0.1", "-p", &port];
        let mut last = String::new();
        for _ in 0..LOOKS {
            match self.programs.run("pg_isready", &arguments, &self.folder) {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(LOOK);
        }
        let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        Err(io::Error::other(format!(
            "PostgreSQL does not start ({last}): {log}"
        )))
    }

    /// Stops the server as an operator would; its data stay.
    pub fn stop(&self) -> io::Result<()> {
        self.end("stop")
    }

    /// Kills every process of the server at once, as a power cut would; its data stay.
    pub fn kill(&self) -> io::Result<()> {
        self.end("kill")
    }

    fn end(&self, word: &str) -> io::Result<()> {
        let guard = self
            .guard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut guard) = guard else {
            return Ok(());
        };
        if let Some(mut input) = guard.stdin.take() {
            writeln!(input, "{word}")?;
        }
        guard.wait().map(drop)
    }

    /// A running copy of this cluster that follows it and is called `name`.
    pub fn standby(&self, base: &Path, name: &str) -> io::Result<Self> {
        let mut options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let called = format!("cluster_name={name}");
        options.push(&called);
        let standby = Self::laid_out(base, &options, self.programs.clone())?;
        let (port, data) = (self.port.to_string(), standby.data());
        let arguments = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-D",
            &data,
        ];
        standby
            .programs
            .run("pg_basebackup", &arguments, &standby.folder)?;
        standby.resume()?;
        Ok(standby)
    }

    /// Lets commits wait for the standby called `name`, once it follows.
    pub async fn commit_with(&self, name: &str) -> io::Result<()> {
        let names = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
        self.tell(&names).await?;
        self.tell("SELECT pg_reload_conf()").await?;
        let address = format!("{}/postgres", self.server());
        for _ in 0..LOOKS {
            let found = "SELECT COUNT(*) FROM pg_stat_replication \
                         WHERE state = 'streaming' AND sync_state = 'sync'";
            if count(&address, found).await? > 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(io::Error::other(format!("{name} does not follow")))
    }

    /// Makes a standby the server that writes.
    pub fn promote(&self) -> io::Result<()> {
        let arguments = ["promote", "-w", "-D", &self.data()];
        self.programs.run("pg_ctl", &arguments, &self.folder)
    }

    /// Runs pgbench against a database of this cluster; what it printed.
    pub fn pgbench(&self, arguments: &[&str], database: &str) -> io::Result<String> {
        let port = self.port.to_string();
        let done = self
            .programs
            .command("pgbench")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"])
            .args(arguments)
            .arg(database)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()?;
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            return Ok(told);
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(io::Error::other(format!("pgbench failed: {told}{said}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = self.end("stop");
        // What cannot be removed lies in the temporary folder and harms nobody.
        let _ = stopped.and_then(|()| std::fs::remove_dir_all(&self.folder));
    }
}

/// A fresh database, see [`fresh_address`], and that it may lose everything.
pub async fn fresh_database() -> io::Result<Option<Postgres>> {
    let Some(address) = fresh_address().await? else {
        return Ok(None);
    };
    let settings = Postgres::parse(&address).map_err(io::Error::other)?;
    Ok(Some(settings.accepting_loss()))
}

/// The address of a fresh database of the cluster that all tests of this process share, or of the
/// server that [`SERVER_VARIABLE`] names. Nothing, and a line that says so, without PostgreSQL.
pub async fn fresh_address() -> io::Result<Option<String>> {
    static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();
    let server = match std::env::var(SERVER_VARIABLE) {
        Ok(server) => server,
        Err(_) => {
            let started = SHARED.get_or_try_init(|| async { Cluster::start(&["fsync=off"]) });
            match started.await? {
                Some(cluster) => cluster.server(),
                None => {
                    eprintln!("PostgreSQL half skipped: no initdb found");
                    return Ok(None);
                }
            }
        }
    };
    fresh_on(&server).await.map(Some)
}

/// Creates a database on a server; its address.
pub async fn fresh_on(server: &str) -> io::Result<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("sunbid_{}_{number}", std::process::id());
    let admin = format!("{server}/postgres");
    tell(
        &admin,
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    )
    .await?;
    Ok(format!("{server}/{name}"))
}

async fn tell(address: &str, statement: &str) -> io::Result<()> {
    let mut connection = PgConnection::connect(address)
        .await
        .map_err(io::Error::other)?;
    sqlx::query(AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await
        .map_err(io::Error::other)?;
    connection.close().await.map_err(io::Error::other)
}

async fn count(address: &str, question: &str) -> io::Result<i64> {
    let mut connection = PgConnection::connect(address)
        .await
        .map_err(io::Error::other)?;
    let found = sqlx::query_scalar(AssertSqlSafe(question.to_owned()))
        .fetch_one(&mut connection)
        .await
        .map_err(io::Error::other)?;
    connection.close().await.map_err(io::Error::other)?;
    Ok(found)
}

/// A fresh database of every engine at hand: a SQLite file in `folder`, and PostgreSQL's.
pub async fn engines(folder: &Path) -> io::Result<Vec<Db>> {
    let sqlite = Db::sqlite(&folder.join("trial.db")).await;
    let mut engines = vec![sqlite.map_err(io::Error::other)?];
    if let Some(settings) = fresh_database().await? {
        let postgres = Db::postgres(&settings).await;
        engines.push(postgres.map_err(io::Error::other)?);
    }
    Ok(engines)
}
