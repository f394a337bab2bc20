//! A throwaway PostgreSQL cluster for one test process: in a temporary directory, on a Unix socket,
//! without fsync. PostgreSQL refuses to run as root, so root runs it as another user.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use sunbid_journal::Db;

/// The user that root lends its rights to, and the group.
const USER: &str = "nobody";

struct Cluster {
    socket: PathBuf,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a new empty database. Nothing, and a line that says so, without PostgreSQL.
/// `SUNBID_TEST_POSTGRES` may name a server instead: `postgres://user@host` without a database.
pub async fn fresh_database() -> Option<String> {
    let number = DATABASES.fetch_add(1, Ordering::SeqCst);
    let name = format!("journal_{}_{number}", std::process::id());
    let (base, query) = if let Ok(server) = std::env::var("SUNBID_TEST_POSTGRES") {
        (server, String::new())
    } else {
        let cluster = CLUSTER.get_or_init(start).as_ref();
        let Some(cluster) = cluster else {
            eprintln!("PostgreSQL half skipped: no initdb found");
            return None;
        };
        let query = format!("?host={}", cluster.socket.display());
        ("postgres://postgres@localhost".to_owned(), query)
    };
    let admin = Db::postgres(&format!("{base}/postgres{query}"))
        .await
        .unwrap();
    let create: &'static str = Box::leak(format!("CREATE DATABASE {name}").into_boxed_str());
    admin.exec(create, &[]).await.unwrap();
    admin.close().await;
    Some(format!("{base}/{name}{query}"))
}

/// Where the server's programs are: on the path or where distributions put them.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places
        .into_iter()
        .map(|place| place.join(name))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn as_user(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        let ids = ["--reuid", USER, "--regid", "nogroup", "--clear-groups"];
        command.args(ids).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn start() -> Option<Cluster> {
    let (initdb, postgres) = (program("initdb")?, program("postgres")?);
    // Unix sockets have short names only, so not under the build's own directory.
    let dir = PathBuf::from(format!("/tmp/sunbid-pg-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    if is_root() {
        let owned = Command::new("chown").arg(USER).arg(&dir).status().unwrap();
        assert!(owned.success());
    }
    let data = dir.join("data");
    let made = as_user(&initdb)
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "-D",
        ])
        .arg(&data)
        .current_dir(&dir)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "initdb failed");
    // A shell of its own outlives this process for a moment: it stops the server and removes the
    // directory when this process, which holds the other end of its input, is gone.
    let script = r#"dir=$1; shift; "$@" >"$dir/server.log" 2>&1 & server=$!
        cat >/dev/null; kill -INT $server; wait $server; rm -rf "$dir""#;
    let server = as_user(&postgres);
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "sh"]).arg(&dir);
    guard.arg(server.get_program()).args(server.get_args());
    guard
        .arg("-D")
        .arg(&data)
        .args([OsStr::new("-k"), dir.as_os_str()]);
    for option in ["listen_addresses=", "fsync=off", "max_connections=200"] {
        guard.args(["-c", option]);
    }
    let child = guard
        .current_dir(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    keep(child);
    wait_for(&dir.join(".s.PGSQL.5432"));
    Some(Cluster { socket: dir })
}

/// The guard's input stays open until this process ends, however it ends.
fn keep(child: Child) {
    static GUARD: Mutex<Option<Child>> = Mutex::new(None);
    *GUARD.lock().unwrap() = Some(child);
}

fn wait_for(socket: &Path) {
    for _ in 0..600 {
        if socket.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = writeln!(std::io::stderr(), "no socket at {}", socket.display());
    panic!("PostgreSQL did not start");
}
