//! `sunbid demo`: a whole tender on this machine, from intent to verified opening, through the same
//! gRPC as anyone else. Processes, sockets, files, keys and signatures are real; only the clock is
//! a sandbox's, and every line says so at the start.

pub mod acts;
pub mod cast;
pub mod money;
pub mod narration;
pub mod stage;

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;

#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Leave the platform, the trustees and the bank running until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Folder for everything the demonstration makes; a temporary one where not given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Size of each supplier's technical file, MiB.
    #[arg(long, default_value_t = 8)]
    size: u64,
    /// Port of the platform; 0: any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Empty PostgreSQL database to play on, postgres://USER@HOST[:PORT]/DATABASE; SQLite files
    /// where not given.
    #[arg(long)]
    database: Option<String>,
}

pub async fn run(context: &Context, arguments: DemoArguments) -> anyhow::Result<()> {
    let mut temporary = None;
    let folder = match &arguments.data {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            std::fs::canonicalize(folder)?
        }
        None => {
            let folder = tempfile::Builder::new().prefix("sunbid-demo-").tempdir()?;
            let path = folder.path().to_owned();
            temporary = Some(folder);
            path
        }
    };
    let narrator = narration::Narrator::new(context.output, false);
    let stage = stage::Stage::raise(
        std::env::current_exe()?,
        &folder,
        arguments.port,
        arguments.database,
        &narrator,
        context.output,
    )
    .await?;
    let played = acts::play(&stage, &narrator, arguments.size).await;
    if let Err(error) = &played {
        narrator.line(
            "演示中断，各进程的日志在",
            "The demonstration stopped; logs of the processes:",
        );
        println!("{}", stage.logs().display());
        // What went wrong is worth more than a clean folder.
        if let Some(folder) = temporary.take() {
            let _ = folder.keep();
        }
        stage.strike().await;
        return Err(anyhow::anyhow!("{error:#}"));
    }
    if arguments.stay {
        narrator.stay(&stage);
        crate::process::asked_to_stop().await;
    }
    stage.strike().await;
    Ok(())
}
