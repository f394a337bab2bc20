//! Where a PostgreSQL database is, what it must promise before anything is kept there, and finding
//! it again after it went away. A password is never part of an address and is never shown.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Row as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::error::ReadError;

/// Connections of one service in one process, where nothing else is said.
const CONNECTIONS: u32 = 6;
/// How long a caller waits for a free connection before it is told that the database is away.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long one server may take to answer while the one that writes is looked for.
const SEARCH: Duration = Duration::from_secs(2);
/// Pause between two searches.
const SEARCH_PAUSE: Duration = Duration::from_millis(250);
/// How long a statement may go unanswered: the network may swallow a connection without a word.
const ANSWER: Duration = Duration::from_secs(30);
/// A connection that rested for longer is tried before it is used.
const RESTED: Duration = Duration::from_secs(1);
/// After how long the server gives up the transaction of a process that went silent, so that the
/// logs it had locked go on; milliseconds.
const SILENT_MS: &str = "20000";

/// A PostgreSQL database: its servers, of which one writes at a time, and what it must promise.
#[derive(Clone)]
pub struct Postgres {
    servers: Vec<PgConnectOptions>,
    shown: String,
    schema: Option<&'static str>,
    connections: u32,
    statements: usize,
    require_standby: bool,
    accept_loss: bool,
}

/// Why an address is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("it must be postgres://USER@HOST[:PORT][,HOST[:PORT]...]/DATABASE")]
    Form,
    #[error("it must not carry a password, which would be shown; name a file or a variable for it")]
    Password,
    #[error("it cannot be read: {0}")]
    Parameters(String),
}

impl fmt::Debug for Postgres {
    /// Without whatever may be secret in the options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({self})")
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Postgres {
    /// Reads an address. Several hosts, parted by commas, are tried in turn for the one that writes.
    pub fn parse(address: &str) -> Result<Self, AddressFault> {
        let rest = address
            .strip_prefix("postgres://")
            .or_else(|| address.strip_prefix("postgresql://"))
            .ok_or(AddressFault::Form)?;
        let (authority, path) = rest
            .find(['/', '?'])
            .and_then(|at| rest.split_at_checked(at))
            .ok_or(AddressFault::Form)?;
        let (database, query) = path.split_once('?').unwrap_or((path, ""));
        if database.len() < 2 {
            return Err(AddressFault::Form);
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let names_password = |part: &str| part.split('=').next() == Some("password");
        if user.contains(':') || query.split('&').any(names_password) {
            return Err(AddressFault::Password);
        }
        let servers = hosts
            .split(',')
            .map(|host| {
                if host.is_empty() {
                    return Err(AddressFault::Form);
                }
                PgConnectOptions::from_str(&format!("postgres://{user}{host}{path}"))
                    .map_err(|error| AddressFault::Parameters(error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            servers,
            shown: address.to_owned(),
            schema: None,
            connections: CONNECTIONS,
            statements: super::STATEMENTS,
            require_standby: false,
            accept_loss: false,
        })
    }

    /// The password, from wherever secrets are kept.
    pub fn with_password(mut self, password: &str) -> Self {
        let servers = self.servers.into_iter();
        self.servers = servers.map(|server| server.password(password)).collect();
        self
    }

    /// All tables in this schema, which is made if it is not there.
    pub const fn in_schema(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    /// At most so many connections.
    pub const fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Refuses to start where no standby acknowledges commits together with the server itself.
    pub const fn requiring_standby(mut self) -> Self {
        self.require_standby = true;
        self
    }

    /// Takes a server that may lose what it has acknowledged: for trials, never for bids.
    pub const fn accepting_loss(mut self) -> Self {
        self.accept_loss = true;
        self
    }

    /// How a connection to one of the servers is made.
    fn options(&self, server: &PgConnectOptions) -> PgConnectOptions {
        let options = server
            .clone()
            .statement_cache_capacity(self.statements)
            .options([("idle_in_transaction_session_timeout", SILENT_MS)]);
        match self.schema {
            Some(schema) => options.options([("search_path", schema)]),
            None => options,
        }
    }

    /// The server that writes now and keeps what it acknowledges.
    async fn find(&self, starting: bool) -> Result<PgConnectOptions, ReadError> {
        let mut why = Vec::new();
        for server in &self.servers {
            let options = self.options(server);
            let name = format!("{}:{}", server.get_host(), server.get_port());
            let surveyed = async {
                let mut connection = PgConnection::connect_with(&options).await?;
                let found = survey(&mut connection).await?;
                let standbys = if starting && self.require_standby {
                    Some(standbys(&mut connection).await?)
                } else {
                    None
                };
                connection.close().await?;
                Ok::<_, sqlx::Error>((found, standbys))
            };
            match timeout(SEARCH, surveyed).await {
                Ok(Ok((found, standbys))) => match self.judge(&found, standbys) {
                    Ok(()) => return Ok(options),
                    Err(reason) => why.push(format!("{name} {reason}")),
                },
                Ok(Err(error)) => why.push(format!("{name}: {error}")),
                Err(_) => why.push(format!("{name} does not answer")),
            }
        }
        Err(ReadError::Unavailable(why.join("; ")))
    }

    /// Whether a server may be used; what stands against it.
    fn judge(&self, found: &Promises, standbys: Option<i64>) -> Result<(), String> {
        if found.reads_only {
            return Err("only reads (it is a standby)".to_owned());
        }
        if !self.accept_loss {
            if matches!(found.commit.as_str(), "off" | "local") {
                return Err(format!(
                    "has synchronous_commit = {}: it acknowledges what it may lose; set it to on, \
                     or accept that (accept_loss_on_failure)",
                    found.commit
                ));
            }
            if found.fsync == "off" {
                return Err(
                    "has fsync = off: a power cut may destroy it; set it to on, or accept that \
                     (accept_loss_on_failure)"
                        .to_owned(),
                );
            }
        }
        match standbys {
            Some(0) => Err(
                "has no synchronous standby, which require_synchronous_standby asks for: see \
                 synchronous_standby_names, and grant pg_monitor so that it can be seen"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

/// What a server says of itself. Settings that another engine does not know are empty.
struct Promises {
    reads_only: bool,
    commit: String,
    fsync: String,
}

async fn survey(connection: &mut PgConnection) -> Result<Promises, sqlx::Error> {
    let row = sqlx::query(
        "SELECT COALESCE(current_setting('transaction_read_only', true), ''), \
         COALESCE(current_setting('synchronous_commit', true), ''), \
         COALESCE(current_setting('fsync', true), '')",
    )
    .fetch_one(connection)
    .await?;
    Ok(Promises {
        reads_only: row.try_get::<String, _>(0)? == "on",
        commit: row.try_get(1)?,
        fsync: row.try_get(2)?,
    })
}

/// How many standbys acknowledge commits, as far as this user may see.
async fn standbys(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM pg_stat_replication \
         WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')",
    )
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// An open database with its connections.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub pool: PgPool,
    standing: Arc<Standing>,
}

/// What is known of the connections: whether the database seems to be away, and since when older
/// connections lead to the wrong server.
#[derive(Debug, Default)]
struct Standing {
    away: Notify,
    // Locked for the length of a copy.
    wrong_before: Mutex<Option<Instant>>,
}

impl Standing {
    /// Connections older than `age` were made to a server that does not write any more.
    fn is_wrong(&self, age: Duration) -> bool {
        let since = *self
            .wrong_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| age >= since.elapsed())
    }

    fn forget_older(&self) {
        *self
            .wrong_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Server {
    /// Finds the server that writes, checks what it promises and makes the schema.
    pub async fn open(settings: &Postgres) -> Result<Self, ReadError> {
        let options = settings.find(true).await?;
        let standing = Arc::new(Standing::default());
        let (of_use, accept_loss) = (standing.clone(), settings.accept_loss);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let wrong = of_use.is_wrong(meta.age);
                Box::pin(async move {
                    if !wrong && meta.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(!wrong)
                })
            })
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let found = survey(connection).await?;
                    let lossy = matches!(found.commit.as_str(), "off" | "local");
                    if found.reads_only || (lossy && !accept_loss) {
                        let what = "the server only reads, or acknowledges what it may lose";
                        return Err(sqlx::Error::Configuration(what.into()));
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        let server = Self { pool, standing };
        if let Some(schema) = settings.schema {
            server.make_schema(schema).await?;
        }
        if settings.servers.len() > 1 {
            tokio::spawn(server.clone().search(settings.clone()));
        }
        Ok(server)
    }

    async fn make_schema(&self, schema: &'static str) -> Result<(), ReadError> {
        const FIND: &str = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1";
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_plain(schema) {
            return Err(ReadError::Statement(format!("{schema} is no schema name")));
        }
        let find = || sqlx::query(FIND).bind(schema).fetch_optional(&self.pool);
        if find().await?.is_none() {
            let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
            let made = sqlx::query(create).execute(&self.pool).await;
            // Another process may have made it at the same moment.
            if let Err(error) = made
                && find().await?.is_none()
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Looks for the server that writes whenever the one known seems to be away.
    async fn search(self, settings: Postgres) {
        let closed = self.pool.close_event();
        tokio::pin!(closed);
        loop {
            tokio::select! {
                () = &mut closed => return,
                () = self.standing.away.notified() => {}
            }
            match settings.find(false).await {
                Ok(options) => {
                    let known = self.pool.connect_options();
                    let moved = (known.get_host(), known.get_port(), known.get_socket())
                        != (options.get_host(), options.get_port(), options.get_socket());
                    if moved {
                        let (host, port) = (options.get_host(), options.get_port());
                        tracing::warn!(host, port, "another server of the database writes now");
                        self.pool.set_connect_options(options);
                        self.standing.forget_older();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no server of the database writes");
                    self.standing.away.notify_one();
                }
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
        }
    }

    /// Waits for an answer of the database, but not for ever, and notes where it seems to be away.
    pub async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, ReadError> {
        let answered = match timeout(ANSWER, asked).await {
            Ok(answered) => answered.map_err(|error| {
                if is_read_only(&error) {
                    self.standing.forget_older();
                }
                ReadError::from(error)
            }),
            Err(_) => Err(ReadError::Unavailable(format!(
                "no answer within {} seconds",
                ANSWER.as_secs()
            ))),
        };
        if let Err(ReadError::Unavailable(_)) = &answered {
            self.standing.away.notify_one();
        }
        answered
    }
}

/// The server was demoted: its connections live on but write no more.
fn is_read_only(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == super::engine_error::READ_ONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_one_or_more_servers_and_no_password() {
        let one = Postgres::parse("postgres://sunbid@db.example/sunbid").unwrap();
        assert_eq!(one.servers.len(), 1);
        let two = Postgres::parse("postgres://sunbid@a:5433,b.example/sunbid?sslmode=require");
        let servers = two.unwrap().servers;
        assert_eq!((servers[0].get_host(), servers[0].get_port()), ("a", 5433));
        assert_eq!(servers[1].get_host(), "b.example");
        assert_eq!(servers[1].get_database(), Some("sunbid"));
        for wrong in [
            "",
            "mysql://a/b",
            "postgres://host",
            "postgres://host/",
            "postgres://a,,b/x",
        ] {
            assert_eq!(
                Postgres::parse(wrong).unwrap_err(),
                AddressFault::Form,
                "{wrong}"
            );
        }
        for secret in [
            "postgres://u:secret@h/d",
            "postgres://u@h/d?password=secret",
        ] {
            let fault = Postgres::parse(secret).unwrap_err();
            assert_eq!(fault, AddressFault::Password);
            assert!(!fault.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings = Postgres::parse("postgres://sunbid@db.example/sunbid").unwrap();
        let settings = settings.with_password("hunter2").in_schema("bid");
        assert!(!format!("{settings:?} {settings}").contains("hunter2"));
    }

    #[test]
    fn servers_that_may_lose_what_they_acknowledge_are_refused() {
        let settings = Postgres::parse("postgres://sunbid@db.example/sunbid").unwrap();
        let found = |commit: &str, fsync: &str, reads_only| Promises {
            reads_only,
            commit: commit.to_owned(),
            fsync: fsync.to_owned(),
        };
        let refused = |settings: &Postgres, found: &Promises, standbys| {
            settings.judge(found, standbys).unwrap_err()
        };
        for kept in ["on", "remote_apply", "remote_write", ""] {
            settings.judge(&found(kept, "on", false), None).unwrap();
        }
        for lost in ["off", "local"] {
            let why = refused(&settings, &found(lost, "on", false), None);
            assert!(
                why.contains(lost) && why.contains("accept_loss_on_failure"),
                "{why}"
            );
        }
        assert!(refused(&settings, &found("on", "off", false), None).contains("fsync"));
        assert!(refused(&settings, &found("on", "on", true), None).contains("standby"));
        let alone = refused(&settings, &found("on", "on", false), Some(0));
        assert!(alone.contains("require_synchronous_standby"), "{alone}");
        settings.judge(&found("on", "on", false), Some(1)).unwrap();
        let trial = settings.accepting_loss();
        trial.judge(&found("off", "off", false), None).unwrap();
    }
}
