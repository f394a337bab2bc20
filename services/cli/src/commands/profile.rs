//! Profiles: who types at this machine.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::registry::v1::GetCallerRequest;

use crate::{
    anchors::Anchors,
    connection::Connection,
    context::{Context, DEFAULT_ENDPOINT},
    output,
    profile::{self, Profile},
};

#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Make a profile from a certificate and its key; both are copied into the profile's folder.
    Add {
        /// Name, or a folder.
        name: String,
        /// PEM: the certificate and, after it, its intermediates.
        #[arg(long)]
        certificate: PathBuf,
        /// PEM: the PKCS#8 key.
        #[arg(long)]
        key: PathBuf,
        /// The platform's keys and roots, got from elsewhere than the platform (JSON, as `sunbid
        /// verify --save-anchors` writes them). Without it they are pinned at first use.
        #[arg(long)]
        anchors: Option<PathBuf>,
    },
    /// Write the platform's keys and roots to a file, as it states them now. Its operator publishes
    /// the file; who got it elsewhere gives it to `profile add` and `trustee init`.
    Anchors { file: PathBuf },
    /// Who the platform says the profile is.
    Show,
}

pub async fn run(context: &Context, command: ProfileCommand) -> anyhow::Result<()> {
    match command {
        ProfileCommand::Add {
            name,
            certificate,
            key,
            anchors,
        } => {
            let read = |path: &PathBuf| {
                std::fs::read_to_string(path).with_context(|| path.display().to_string())
            };
            let folder = profile::folder(&name)?;
            let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            let anchors = anchors.map(|file| Anchors::read(&file)).transpose()?;
            anchors.iter().try_for_each(Anchors::check)?;
            let authority = context.authority()?;
            Profile::write(
                &folder,
                endpoint,
                authority.as_deref(),
                &read(&certificate)?,
                &read(&key)?,
                anchors.as_ref(),
            )?;
            println!("{}", folder.display());
            Ok(())
        }
        ProfileCommand::Anchors { file } => {
            let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            let authority = context.authority()?;
            let english = context.output.english;
            let anyone = Connection::trusting(endpoint, authority.as_deref(), english).await?;
            let anchors = Anchors::of(&anyone.platform().await?)?;
            anchors.check()?;
            anchors.write(&file)?;
            println!("{}", file.display());
            Ok(())
        }
        ProfileCommand::Show => {
            let mut registry = context.caller().await?.registry();
            let answer = registry.get_caller(GetCallerRequest {}).await?.into_inner();
            context.output.message(&answer, |answer| {
                let subject = answer.subject.clone().unwrap_or_default();
                let organization = answer.organization.clone().unwrap_or_default();
                let roles: Vec<&str> = subject.roles().map(|role| role.as_str_name()).collect();
                output::fields(&[
                    ("subject", subject.name.clone()),
                    ("name", subject.display_name.clone()),
                    ("organization", organization.display_name),
                    ("roles", roles.join(", ")),
                    ("certificate until", output::time(subject.not_after_us)),
                    ("token until", output::time(answer.token_expire_time_us)),
                ])
            })
        }
    }
}
