//! A certificate authority for trials: never for production, whose roots are real authorities'.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use sunbid_certificates::{
    machine, pem,
    trial::{TrialAuthority, TrialSubject},
};
use sunbid_platform::{divide::FRONT, serve::SERVICES};
use sunbid_service::clock::SystemClock;
use sunbid_terms::{Clock, CreditCode};

use crate::context::Context;

/// Days that trial certificates last.
const DAYS: i64 = 3 * 365;

#[derive(Debug, Subcommand)]
pub enum TrialCommand {
    /// Make a trial authority: a folder with root.pem and root.key.pem.
    Authority {
        folder: PathBuf,
        #[arg(long, default_value = "Sunbid trial root")]
        name: String,
    },
    /// Make what a divided trial platform runs on: an authority of its own, and a certificate for each
    /// service and for the front door, in a new folder.
    Certificates {
        folder: PathBuf,
        /// Further names or addresses under which the front door is reached.
        #[arg(long)]
        host: Vec<String>,
    },
    /// Issue a certificate: NAME.pem and NAME.key.pem beside the authority's files.
    Issue {
        /// Folder of the authority.
        folder: PathBuf,
        /// Name of the files.
        #[arg(long)]
        file: String,
        /// Unified social credit code; 17 characters are completed with their check character.
        #[arg(long)]
        credit_code: String,
        #[arg(long)]
        organization: String,
        /// Name of the person or machine.
        #[arg(long)]
        person: String,
    },
    /// Make a revocation list of the authority: the certificates it names, and no others, are revoked.
    Revoke {
        /// Folder of the authority.
        folder: PathBuf,
        /// PEM files of the certificates that are revoked; with none, an empty list.
        certificates: Vec<PathBuf>,
        /// File of the list, PEM.
        #[arg(long)]
        to: PathBuf,
        /// Days until the list runs out.
        #[arg(long, default_value_t = 7)]
        days: u16,
    },
}

pub fn run(_: &Context, command: TrialCommand) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let (from, until) = (now.plus_seconds(-86_400), now.plus_seconds(DAYS * 86_400));
    match command {
        TrialCommand::Authority { folder, name } => {
            if folder.join("root.pem").exists() {
                bail!("{} holds an authority already", folder.display());
            }
            fs::create_dir_all(&folder)?;
            let authority = TrialAuthority::new(&name, from, until)?;
            fs::write(folder.join("root.pem"), authority.certificate_pem())?;
            write_secret(&folder.join("root.key.pem"), &authority.key_pem())?;
            println!("{}", folder.join("root.pem").display());
        }
        TrialCommand::Certificates { folder, host } => {
            certificates(&folder, &host)?;
            println!("{}", folder.display());
        }
        TrialCommand::Issue {
            folder,
            file,
            credit_code,
            organization,
            person,
        } => {
            let read = |name: &str| {
                let path = folder.join(name);
                fs::read_to_string(&path).with_context(|| path.display().to_string())
            };
            let authority = TrialAuthority::from_pem(&read("root.pem")?, &read("root.key.pem")?)?;
            let code = if credit_code.chars().count() == 17 {
                CreditCode::complete(&credit_code)?
            } else {
                CreditCode::parse(&credit_code)?
            };
            let identity = authority.issue(&TrialSubject {
                credit_code: code.as_str(),
                organization: &organization,
                common_name: &person,
                not_before: from,
                not_after: until,
            })?;
            fs::write(
                folder.join(format!("{file}.pem")),
                &identity.certificate_pem,
            )?;
            write_secret(&folder.join(format!("{file}.key.pem")), &identity.key_pem)?;
            println!("{code} {}", folder.join(format!("{file}.pem")).display());
        }
        TrialCommand::Revoke {
            folder,
            certificates,
            to,
            days,
        } => {
            let read =
                |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
            let root = read(&folder.join("root.pem"))?;
            let authority = TrialAuthority::from_pem(&root, &read(&folder.join("root.key.pem"))?)?;
            let mut revoked = Vec::new();
            for path in &certificates {
                revoked.extend(pem::certificates(&read(path)?)?.into_iter().next());
            }
            let until = now.plus_seconds(i64::from(days) * 86_400);
            let list = authority.revocation_list(&revoked, now, until)?;
            // Whole or not at all: a platform may be reading it.
            let beside = to.with_extension("new");
            fs::write(&beside, pem::revocation_list_section(&list))?;
            fs::rename(&beside, &to)?;
            println!("{}", to.display());
        }
    }
    Ok(())
}

/// Makes the certificates of a divided platform; `hosts` are further names of the front door.
pub fn certificates(folder: &Path, hosts: &[String]) -> anyhow::Result<()> {
    if folder.join("authority.pem").exists() {
        bail!("{} holds certificates already", folder.display());
    }
    fs::create_dir_all(folder)?;
    let now = SystemClock.now();
    let (from, until) = (now.plus_seconds(-86_400), now.plus_seconds(DAYS * 86_400));
    let authority = TrialAuthority::new("Sunbid trial services", from, until)?;
    for name in SERVICES.into_iter().chain([FRONT]) {
        let mut names = vec![machine::service_name(name)];
        if name == FRONT {
            names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
            names.extend_from_slice(hosts);
        }
        let identity = authority.issue_machine(name, &names, from, until)?;
        fs::write(
            folder.join(format!("{name}.pem")),
            &identity.certificate_pem,
        )?;
        write_secret(&folder.join(format!("{name}.key.pem")), &identity.key_pem)?;
    }
    write_secret(&folder.join("authority.key.pem"), &authority.key_pem())?;
    fs::write(folder.join("authority.pem"), authority.certificate_pem())?;
    Ok(())
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
