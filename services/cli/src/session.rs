//! A session of somebody who signs in without a certificate, kept on this machine between commands: one
//! file that its owner alone can read. Its refresh token is good once, so one command at a time uses it.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sunbid_contracts::registry::v1::{RefreshSessionRequest, SessionTokens};
use sunbid_service::clock::SystemClock;
use sunbid_terms::{Clock, MICROS};

use crate::connection::Connection;

const FILE: &str = "session.json";

/// An access token that ends so soon is renewed first, microseconds.
const SOON: i64 = 60 * MICROS;

/// A session on this machine.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub endpoint: String,
    /// PEM of an authority that the platform's certificate may end in.
    pub authority: Option<String>,
    pub subject: String,
    access_token: String,
    refresh_token: String,
    /// By this machine's clock, microseconds since 1970 UTC.
    renew_us: i64,
}

impl Session {
    /// Of tokens that the platform gave at `platform_now_us` of its own time.
    pub fn new(
        endpoint: &str,
        authority: Option<String>,
        tokens: &SessionTokens,
        platform_now_us: i64,
    ) -> Self {
        let lasts = tokens.expire_time_us.saturating_sub(platform_now_us);
        Self {
            endpoint: endpoint.to_owned(),
            authority,
            subject: tokens.subject.clone().unwrap_or_default().name,
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            renew_us: SystemClock
                .now()
                .plus_micros(lasts.saturating_sub(SOON))
                .micros(),
        }
    }

    /// Whether a profile's folder holds a session.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Keeps the session, whole or not at all.
    pub fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let (path, beside) = (folder.join(FILE), folder.join("session.json.new"));
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .with_context(|| beside.display().to_string())?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&beside, &path)?;
        Ok(path)
    }

    /// A connection of the session in `folder`, with a token that lasts.
    pub async fn connect(folder: &Path, english: bool) -> anyhow::Result<Connection> {
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("session.lock"))?;
        lock.lock()?;
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut session: Self =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let authority = session.authority.as_deref();
        let mut connection = Connection::trusting(&session.endpoint, authority, english).await?;
        if SystemClock.now().micros() >= session.renew_us {
            let request = RefreshSessionRequest {
                refresh_token: session.refresh_token.clone(),
            };
            let answer = connection.account().refresh_session(request).await?;
            let tokens = answer
                .into_inner()
                .session
                .context("no session came back")?;
            let now_us = connection.platform().await?.now_us;
            session = Self::new(&session.endpoint, session.authority, &tokens, now_us);
            session.write(folder)?;
        }
        connection.carry(&session.access_token, &session.subject)?;
        Ok(connection)
    }
}
