//! What every command is given: who types, where the platform is, and how to answer.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;

use crate::{
    connection::Connection,
    output::Output,
    profile::{self, Profile},
    session::Session,
};

/// Where the platform is when nobody says.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:7700";

/// The setting of one command.
#[derive(Clone, Debug)]
pub struct Context {
    pub profile: Option<String>,
    pub endpoint: Option<String>,
    /// PEM file of an authority that https addresses may end in besides the web's own.
    pub authority: Option<PathBuf>,
    pub output: Output,
}

impl Context {
    /// A connection of the profile, signed in.
    pub async fn caller(&self) -> anyhow::Result<Connection> {
        let name = self.profile.as_deref().context(
            "this needs a profile: --profile NAME, or SUNBID_PROFILE in the environment",
        )?;
        let folder = profile::folder(name)?;
        if Session::is_in(&folder) {
            return Session::connect(&folder, self.output.english).await;
        }
        let mut profile = Profile::read(name)?;
        if let Some(endpoint) = &self.endpoint {
            profile.endpoint.clone_from(endpoint);
        }
        if let Some(authority) = self.authority()? {
            profile.authority = Some(authority);
        }
        Connection::signed_in(Arc::new(profile), self.output.english).await
    }

    /// The authority that was given, PEM.
    pub fn authority(&self) -> anyhow::Result<Option<String>> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| path.display().to_string())
        };
        self.authority.as_ref().map(read).transpose()
    }

    /// A connection for reading: signed in where a profile is given, else as anyone.
    pub async fn reader(&self) -> anyhow::Result<Connection> {
        if self.profile.is_some() {
            return self.caller().await;
        }
        let endpoint = self.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
        let authority = self.authority()?;
        Connection::trusting(endpoint, authority.as_deref(), self.output.english).await
    }
}
