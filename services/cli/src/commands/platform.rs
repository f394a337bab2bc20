//! Running the platform, making an installation, and checking one that stands still.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sunbid_certificates::pem;
use sunbid_platform::{
    Division, Initialisation, Part, config::Bank, divide, initialise, serve::SERVICES,
};

use super::{
    backup::{self, BackupArguments, RestoreArguments},
    inspection,
    loss::{self, DeclareLossArguments},
    serve,
    settings::SettingArguments,
};
use crate::context::Context;

#[derive(Debug, Subcommand)]
pub enum PlatformCommand {
    /// Make an installation in a new folder, with the trading centre's first administrator.
    Init(InitArguments),
    /// Serve. Stops on SIGINT or SIGTERM, finishing what it took.
    Start {
        /// Folder of the installation.
        data: PathBuf,
        /// It is a sandbox, whose clock can be moved; a production start refuses it.
        #[arg(long)]
        sandbox: bool,
        #[command(flatten)]
        settings: SettingArguments,
    },
    /// Divide an installation that stands still into a folder for each service and one for the front
    /// door, to be run apart with `sunbid serve`. It does not start as a whole again.
    Divide {
        /// Folder of the installation.
        data: PathBuf,
        /// New folder that takes the folders of the services.
        out: PathBuf,
        /// Folder with authority.pem, and NAME.pem and NAME.key.pem for each service and front
        /// (`sunbid trial certificates` makes one for trials).
        #[arg(long)]
        certificates: PathBuf,
        /// Address that the services will be on, each on a port of its own.
        #[arg(long, default_value = "127.0.0.1")]
        host: IpAddr,
        /// Port of the first service; the others follow.
        #[arg(long, default_value_t = 7701)]
        first_port: u16,
    },
    /// Compute an installation that stands still again from its records: every log, state, read model,
    /// file and the public log; on PostgreSQL, which may be running, the logs.
    Check {
        data: PathBuf,
        /// It is known to have stopped in order: what was signed then must be there.
        #[arg(long)]
        stopped: bool,
    },
    /// Declare that records were lost, after a restore or a failure: the public log goes on from where
    /// it is, although witnesses saw more. Writes the signed declaration that each institution has to
    /// accept by hand, and records it. The platform must stand still.
    DeclareLoss(DeclareLossArguments),
    /// Back up an installation on SQLite, running or not; with --follow, every moment of it.
    Backup(BackupArguments),
    /// Make an installation from a backup, as it was at any time of it.
    Restore(RestoreArguments),
}

#[derive(Debug, Args)]
pub struct InitArguments {
    pub data: PathBuf,
    /// Name of the installation in every signature, such as ggzy.example.cn; never changed.
    /// A sandbox's begins with "sandbox.".
    #[arg(long)]
    pub origin: String,
    #[arg(long, default_value = "127.0.0.1:7700")]
    pub listen: SocketAddr,
    #[arg(long)]
    pub sandbox: bool,
    /// Seconds between two leaves of the public log.
    #[arg(long, default_value_t = 60)]
    pub epoch_seconds: u32,
    /// PEM file with the certificate roots.
    #[arg(long)]
    pub roots: PathBuf,
    /// PEM file with the first administrator's certificate and its intermediates.
    #[arg(long)]
    pub administrator: PathBuf,
    /// Address of the bank's interface.
    #[arg(long, requires = "trust_account")]
    pub bank: Option<String>,
    /// Account that all deposits are kept in.
    #[arg(long, requires = "bank")]
    pub trust_account: Option<String>,
    #[arg(long, default_value = "公共资源交易中心保证金专户")]
    pub trust_name: String,
    /// PostgreSQL database, postgres://USER@HOST[:PORT][,HOST...]/DATABASE; SQLite files without it.
    #[arg(long)]
    pub database: Option<String>,
    /// File with the database's password, relative to the installation's folder; the variable
    /// SUNBID_DATABASE_PASSWORD is asked first.
    #[arg(long, requires = "database")]
    pub database_password_file: Option<PathBuf>,
    /// Take a database that may lose what it acknowledged, for a trial.
    #[arg(long, requires = "database")]
    pub accept_loss_on_failure: bool,
}

pub async fn run(context: &Context, command: PlatformCommand) -> anyhow::Result<()> {
    match command {
        PlatformCommand::Init(arguments) => {
            let file = arguments.data.join(sunbid_platform::config::FILE);
            init(arguments).await?;
            println!("{}", file.display());
            Ok(())
        }
        PlatformCommand::Start {
            data,
            sandbox,
            settings,
        } => serve::start(context, &data, sandbox, &settings, &Part::Whole).await,
        PlatformCommand::Divide {
            data,
            out,
            certificates,
            host,
            first_port,
        } => {
            let ports = first_port..=u16::MAX;
            let places = SERVICES.into_iter().zip(ports);
            let division = Division {
                out,
                certificates,
                places: places
                    .map(|(service, port)| (service, SocketAddr::new(host, port)))
                    .collect(),
            };
            divide(&data, &division)?;
            println!("{}", division.out.display());
            Ok(())
        }
        PlatformCommand::Check { data, stopped } => {
            inspection::check(context, &data, stopped).await
        }
        PlatformCommand::DeclareLoss(arguments) => loss::declare(context, arguments).await,
        PlatformCommand::Backup(arguments) => backup::backup(context, arguments).await,
        PlatformCommand::Restore(arguments) => backup::restore(context, arguments).await,
    }
}

/// Makes an installation.
pub async fn init(arguments: InitArguments) -> anyhow::Result<()> {
    let read =
        |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let mut administrator = pem::certificates(&read(&arguments.administrator)?)?.into_iter();
    let with = Initialisation {
        origin: arguments.origin,
        listen: arguments.listen,
        sandbox: arguments.sandbox,
        epoch_seconds: arguments.epoch_seconds,
        bank: arguments
            .bank
            .zip(arguments.trust_account)
            .map(|(address, trust_account)| Bank {
                address,
                trust_account,
                trust_name: arguments.trust_name,
            }),
        database: arguments.database,
        database_password_file: arguments.database_password_file,
        accept_loss_on_failure: arguments.accept_loss_on_failure,
        roots_pem: read(&arguments.roots)?,
        administrator: administrator
            .next()
            .context("the administrator's file is empty")?,
        intermediates: administrator.collect(),
    };
    initialise(&arguments.data, with).await?;
    Ok(())
}
