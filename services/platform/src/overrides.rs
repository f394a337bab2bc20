//! Settings given for one run, in the environment or on the command line, before what the file says.
//! The one list of all settings; the command line's help is made from it.

use toml::{Table, Value};

/// How a setting is written outside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// "true" or "false".
    Truth,
    /// Parted by commas.
    List,
    /// "name=value", parted by commas.
    Names,
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its key in the file; a dot stands between a table and its key.
    pub key: &'static str,
    pub kind: Kind,
    pub effect: &'static str,
}

const fn row(key: &'static str, kind: Kind, effect: &'static str) -> Described {
    Described { key, kind, effect }
}

/// Every setting of `platform.toml` but `origin` and `sandbox`: what an installation is does not change
/// from one run to the next.
pub const SETTINGS: &[Described] = &[
    row("listen", Kind::Text, "Address to serve on, IP:PORT"),
    row(
        "behind_tls_proxy",
        Kind::Truth,
        "A proxy that ends TLS stands in front of this port",
    ),
    row(
        "roots",
        Kind::List,
        "PEM files of the roots that subjects' certificates end in",
    ),
    row(
        "revocation.lists",
        Kind::List,
        "Files of revocation lists of the certificates' authorities",
    ),
    row(
        "revocation.without_fresh_list",
        Kind::Text,
        "Certificates whose authority has no list here, or an old one: refuse or accept",
    ),
    row(
        "revocation.reload_seconds",
        Kind::Number,
        "Seconds between two looks whether these files have changed, 1 to 3600",
    ),
    row(
        "accounts.argon2_memory_kib",
        Kind::Number,
        "Memory that Argon2id takes for one password, KiB, at least 19456",
    ),
    row(
        "accounts.argon2_passes",
        Kind::Number,
        "Its passes, at least 2",
    ),
    row("accounts.argon2_lanes", Kind::Number, "Its lanes, 1 to 4"),
    row(
        "accounts.passwords_at_a_time",
        Kind::Number,
        "Passwords that are worked on at a time",
    ),
    row(
        "accounts.session_idle_minutes",
        Kind::Number,
        "Minutes after which a person's session ends unless refreshed, 16 to 240",
    ),
    row(
        "accounts.session_hours",
        Kind::Number,
        "Hours after which it ends in any case, 1 to 24",
    ),
    row(
        "accounts.code_hours",
        Kind::Number,
        "Hours that a code for a new password is good, 1 to 240",
    ),
    row(
        "passkeys.domain",
        Kind::Text,
        "The portal's domain, which passkeys are bound to",
    ),
    row(
        "passkeys.origins",
        Kind::List,
        "Addresses of the portal that browsers show",
    ),
    row(
        "provider.issuer",
        Kind::Text,
        "OpenID Connect provider that people sign in through",
    ),
    row(
        "provider.client_id",
        Kind::Text,
        "Under which it knows this platform",
    ),
    row(
        "provider.client_secret_file",
        Kind::Text,
        "File with the secret that goes with it",
    ),
    row(
        "provider.authorities",
        Kind::List,
        "PEM files of the authorities of its TLS certificate",
    ),
    row(
        "provider.redirect_uris",
        Kind::List,
        "Where it may send people back to",
    ),
    row(
        "epoch_seconds",
        Kind::Number,
        "Seconds between two leaves of the public log, 1 to 3600",
    ),
    row(
        "database",
        Kind::Text,
        "PostgreSQL database, postgres://USER@HOST[:PORT][,HOST...]/DATABASE",
    ),
    row(
        "database_password_file",
        Kind::Text,
        "File with its password; SUNBID_DATABASE_PASSWORD is asked first",
    ),
    row(
        "database_connections",
        Kind::Number,
        "Connections to it of each service, 2 to 100",
    ),
    row(
        "require_synchronous_standby",
        Kind::Truth,
        "Start only where a standby acknowledges every commit",
    ),
    row(
        "accept_loss_on_failure",
        Kind::Truth,
        "Take a database that may lose what it acknowledged, for trials",
    ),
    row(
        "objects.endpoint",
        Kind::Text,
        "Store that speaks S3, https://HOST[:PORT]; Amazon's where only a bucket is named",
    ),
    row(
        "objects.bucket",
        Kind::Text,
        "Its bucket for sealed payloads and documents; files in the folder without it",
    ),
    row(
        "objects.region",
        Kind::Text,
        "Its region, us-east-1 where not given",
    ),
    row(
        "objects.prefix",
        Kind::Text,
        "What every key in the bucket begins with",
    ),
    row(
        "objects.path_style",
        Kind::Truth,
        "The bucket stands in the path and not in the host name",
    ),
    row(
        "objects.allow_http",
        Kind::Truth,
        "Take an endpoint without TLS",
    ),
    row(
        "objects.authority",
        Kind::Text,
        "PEM file of the only authorities of the store's certificate",
    ),
    row(
        "objects.credentials_file",
        Kind::Text,
        "File with its access key; SUNBID_OBJECTS_ACCESS_KEY_ID and _SECRET_ACCESS_KEY come first",
    ),
    row(
        "limits.connections",
        Kind::Number,
        "Open connections at a time",
    ),
    row(
        "limits.connections_per_address",
        Kind::Number,
        "Open connections at a time of one address",
    ),
    row(
        "limits.streams_per_connection",
        Kind::Number,
        "Streams that a connection may have open at a time",
    ),
    row(
        "limits.calls_per_connection",
        Kind::Number,
        "Calls of a connection that are worked on at a time",
    ),
    row(
        "limits.calls_per_organization",
        Kind::Number,
        "Open calls of an organisation at a time",
    ),
    row(
        "limits.calls_per_subject",
        Kind::Number,
        "Open calls of one person or machine at a time",
    ),
    row(
        "limits.calls_per_second",
        Kind::Number,
        "Calls a second of one person, machine or unknown address",
    ),
    row(
        "limits.calls_in_work",
        Kind::Number,
        "Calls that a process works on at a time; reading is refused first",
    ),
    row(
        "limits.calls_of_public",
        Kind::Number,
        "Open calls at a time of all who have not signed in",
    ),
    row(
        "limits.streams_of_public",
        Kind::Number,
        "Open streams at a time of all who have not signed in",
    ),
    row(
        "limits.sign_ins",
        Kind::Number,
        "Open calls at a time that sign in or come before it",
    ),
    row(
        "limits.call_seconds",
        Kind::Number,
        "Seconds after which a call without an answer ends",
    ),
    row(
        "limits.transfer_seconds",
        Kind::Number,
        "The same for a call that sends a file",
    ),
    row(
        "limits.keepalive_seconds",
        Kind::Number,
        "Seconds between two looks whether the other end is there",
    ),
    row(
        "telemetry.metrics",
        Kind::Text,
        "Loopback address where metrics are read, IP:PORT",
    ),
    row(
        "telemetry.endpoint",
        Kind::Text,
        "Collector on this machine that spans are sent to, http://127.0.0.1:PORT",
    ),
    row(
        "telemetry.sample_percent",
        Kind::Number,
        "Of a hundred calls that may be traced, how many are, 0 to 100",
    ),
    row(
        "telemetry.join_callers",
        Kind::Truth,
        "Go on with traces that callers began",
    ),
    row(
        "telemetry.trace_sealed_calls",
        Kind::Truth,
        "Trace suppliers' and the public's calls too, in a sandbox",
    ),
    row("bank.address", Kind::Text, "Where the bank is, HOST:PORT"),
    row(
        "bank.trust_account",
        Kind::Text,
        "Account that all deposits are kept in",
    ),
    row(
        "bank.trust_name",
        Kind::Text,
        "Name of that account's owner",
    ),
    row(
        "sandbox_clock",
        Kind::Text,
        "Clock file that the processes of a sandbox share",
    ),
    row(
        "tls.certificate",
        Kind::Text,
        "PEM file of the certificate that callers see",
    ),
    row("tls.key", Kind::Text, "PEM file of its key"),
    row(
        "mutual.authority",
        Kind::Text,
        "PEM file of the platform's own authority, between services",
    ),
    row(
        "mutual.certificate",
        Kind::Text,
        "PEM file of the certificate shown to other services",
    ),
    row("mutual.key", Kind::Text, "PEM file of its key"),
    row(
        "peers",
        Kind::Names,
        "Where the services of other processes are, SERVICE=HOST:PORT,...",
    ),
];

/// A setting given outside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub key: String,
    pub value: String,
    /// Where it was given, such as "SUNBID_LISTEN" or "--listen".
    pub from: String,
}

/// Puts `overrides` into what the file says; a later one comes before an earlier.
pub fn put(table: &mut Table, overrides: &[Override]) -> Result<(), String> {
    for given in overrides {
        let Some(described) = SETTINGS.iter().find(|row| row.key == given.key) else {
            return Err(format!("{} is no setting", given.key));
        };
        let value = read(described.kind, &given.value).map_err(|accepted| {
            format!(
                "{} = {:?}: {} takes {accepted}",
                given.from, given.value, given.key
            )
        })?;
        match given.key.split_once('.') {
            None => {
                table.insert(given.key.clone(), value);
            }
            Some((outer, inner)) => {
                let within = table
                    .entry(outer)
                    .or_insert_with(|| Value::Table(Table::new()));
                match within {
                    Value::Table(within) => within.insert(inner.to_owned(), value),
                    _ => return Err(format!("{outer} is a table")),
                };
            }
        }
    }
    Ok(())
}

fn read(kind: Kind, text: &str) -> Result<Value, &'static str> {
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Number => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| "a whole number"),
        Kind::Truth => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| "true or false"),
        Kind::List => Ok(Value::Array(
            parts().map(|part| Value::String(part.to_owned())).collect(),
        )),
        Kind::Names => parts()
            .map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((name.to_owned(), Value::String(value.to_owned())))
            })
            .collect::<Option<Table>>()
            .map(Value::Table)
            .ok_or("NAME=VALUE, parted by commas"),
    }
}
