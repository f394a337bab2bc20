//! Running one part of a divided platform as a process of its own: some services, or the front door.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use sunbid_platform::{Config, Part, Platform, divide::FRONT, serve::SERVICES};

use super::{inspection, settings::SettingArguments};
use crate::{context::Context, process};

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// What to serve: registry, notice, tender, deposit, bid, opening, audit (several are parted by
    /// commas), or front, the one address for everybody outside.
    #[arg(value_delimiter = ',', required = true)]
    pub services: Vec<String>,
    /// Folder of this process, with its platform.toml (see `sunbid platform divide`).
    #[arg(long, env = "SUNBID_DATA")]
    pub data: PathBuf,
    /// It is a sandbox, whose clock can be moved; a production start refuses it.
    #[arg(long)]
    pub sandbox: bool,
    #[command(flatten)]
    pub settings: SettingArguments,
}

pub async fn run(context: &Context, arguments: ServeArguments) -> anyhow::Result<()> {
    let part = part(&arguments.services)?;
    start(
        context,
        &arguments.data,
        arguments.sandbox,
        &arguments.settings,
        &part,
    )
    .await
}

/// Serves a part of the platform until it is asked to stop.
pub async fn start(
    context: &Context,
    data: &Path,
    sandbox: bool,
    settings: &SettingArguments,
    part: &Part,
) -> anyhow::Result<()> {
    let config = Config::read_with(data, &settings.0)?;
    let endpoint = config.telemetry.endpoint.as_deref();
    let spans = process::log_and_trace(context.output.json, endpoint, &part.process())?;
    let platform = Platform::start(data, &config, sandbox, part).await?;
    // One line on standard output, for people and for scripts that wait for it.
    println!("serving on {}", platform.address());
    if *part == Part::Whole {
        inspection::moving(data)?;
    }
    platform
        .run_until(process::asked_to_stop(), process::asked_to_reload)
        .await?;
    if *part == Part::Whole {
        inspection::still(data, &config).await?;
    }
    if let Some(spans) = spans {
        spans.finish().await;
    }
    Ok(())
}

fn part(names: &[String]) -> anyhow::Result<Part> {
    if names == [FRONT] {
        return Ok(Part::Front);
    }
    let mut services = Vec::new();
    for name in names {
        let Some(service) = SERVICES.iter().find(|service| *service == name) else {
            bail!(
                "{name:?} is no service; there are {}, and {FRONT} alone",
                SERVICES.join(", ")
            );
        };
        if services.contains(service) {
            bail!("{name} is named twice");
        }
        services.push(*service);
    }
    Ok(Part::Apart(services))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_once_and_the_front_alone() {
        let read =
            |names: &[&str]| part(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["front"]).unwrap(), Part::Front);
        assert_eq!(
            read(&["bid", "audit"]).unwrap(),
            Part::Apart(vec!["bid", "audit"])
        );
        for wrong in [&["front", "bid"][..], &["bid", "bid"], &["emperor"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
