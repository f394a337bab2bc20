//! Profiles: who types at this machine.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::registry::v1::GetCallerRequest;

use crate::{
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
    },
    /// Who the platform says the profile is.
    Show,
}

pub async fn run(context: &Context, command: ProfileCommand) -> anyhow::Result<()> {
    match command {
        ProfileCommand::Add {
            name,
            certificate,
            key,
        } => {
            let read = |path: &PathBuf| {
                std::fs::read_to_string(path).with_context(|| path.display().to_string())
            };
            let folder = profile::folder(&name)?;
            let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            let (certificate, key) = (read(&certificate)?, read(&key)?);
            let authority = context.authority()?;
            Profile::write(&folder, endpoint, authority.as_deref(), &certificate, &key)?;
            println!("{}", folder.display());
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
