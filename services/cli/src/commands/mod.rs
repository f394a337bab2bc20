//! The commands, one file for each thing they are about.

mod account;
mod audit;
mod backup;
pub mod bank;
pub mod bid;
mod clock;
mod deposit;
pub mod inspection;
mod intent;
mod loss;
mod notice;
pub mod opening;
pub mod organization;
pub mod platform;
mod profile;
mod question;
mod rules;
pub mod serve;
pub mod settings;
mod sign_in;
pub mod tender;
pub mod trial;
pub mod trustee;
pub mod verify;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sunbid_telemetry::trace;
use tracing::Instrument;

use crate::{context::Context, demo, exit, output::Output, process};

/// 阳光交易: open public-resource trading and sealed e-bidding.
#[derive(Debug, Parser)]
#[command(name = "sunbid", version, about, after_help = exit::HELP, propagate_version = true)]
pub struct Arguments {
    /// Profile that acts: a name, or a folder (see `sunbid profile add`).
    #[arg(long, short, global = true, env = "SUNBID_PROFILE")]
    profile: Option<String>,
    /// Address of the platform; a profile's own where not given, else http://127.0.0.1:7700.
    #[arg(long, global = true, env = "SUNBID_ENDPOINT")]
    endpoint: Option<String>,
    /// PEM file of an authority to trust for https addresses besides the web's own, as in trials; a
    /// profile's own where not given.
    #[arg(long, global = true, env = "SUNBID_AUTHORITY")]
    authority: Option<std::path::PathBuf>,
    /// Answer in JSON (the standard JSON form of the contracts in proto/).
    #[arg(long, global = true)]
    json: bool,
    /// Collector on this machine to send this command's spans to, http://127.0.0.1:4317.
    #[arg(long, global = true, env = "SUNBID_TRACE_TO", hide_env_values = true)]
    trace_to: Option<String>,
    /// Language of answers.
    #[arg(long, global = true, env = "SUNBID_LANGUAGE", default_value = "zh", value_parser = ["zh", "en"])]
    language: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a whole tender on this machine, from intent to verified opening.
    Demo(demo::DemoArguments),
    /// Check a finished tender from its public records alone, trusting no server.
    Verify(verify::VerifyArguments),
    /// Run or make an installation of the platform.
    #[command(subcommand)]
    Platform(platform::PlatformCommand),
    /// Run one part of a divided platform: some services, or the front door.
    Serve(serve::ServeArguments),
    /// Run the daemon of an institution that holds a key share.
    #[command(subcommand)]
    Trustee(trustee::TrusteeCommand),
    /// The bundled bank simulator, and payments through it.
    #[command(subcommand)]
    Bank(bank::BankCommand),
    /// Who you are: certificates and keys of this machine.
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Sign in without a certificate; the profile keeps the session.
    SignIn(sign_in::SignInArguments),
    /// People without certificates: enrolment, passwords, sessions.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// A trial certificate authority, for sandboxes.
    #[command(subcommand)]
    Trial(trial::TrialCommand),
    /// Organisations and their people.
    #[command(subcommand)]
    Organization(organization::OrganizationCommand),
    /// Procurement intents (采购意向).
    #[command(subcommand)]
    Intent(intent::IntentCommand),
    /// Tenders: draft, review, key ceremony, suspension, termination.
    #[command(subcommand)]
    Tender(tender::TenderCommand),
    /// What is published: tender notices, clarifications, opening records.
    #[command(subcommand)]
    Notice(notice::NoticeCommand),
    /// Questions about tender documents.
    #[command(subcommand)]
    Question(question::QuestionCommand),
    /// Bid deposits (投标保证金).
    #[command(subcommand)]
    Deposit(deposit::DepositCommand),
    /// Seal, submit, replace and withdraw bids.
    #[command(subcommand)]
    Bid(bid::BidCommand),
    /// The no-meeting opening (不见面开标).
    #[command(subcommand)]
    Opening(opening::OpeningCommand),
    /// Trails, checkpoints, and how the audit stands.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The statutory rule table.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// The platform's clock; in a sandbox it can be moved.
    #[command(subcommand)]
    Clock(clock::ClockCommand),
    /// Completions for a shell, on standard output.
    Completions { shell: clap_complete::Shell },
}

impl Arguments {
    pub const fn json(&self) -> bool {
        self.json
    }

    /// What was typed, and the words of its command, such as "sunbid tender create"; none of its values.
    pub fn typed() -> (Self, String) {
        let typed = Self::command().get_matches();
        let mut words = vec!["sunbid"];
        let mut matches = &typed;
        while let Some((word, inner)) = matches.subcommand() {
            words.push(word);
            matches = inner;
        }
        let words = words.join(" ");
        let arguments = Self::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
        (arguments, words)
    }

    /// Whether it runs until it is stopped, and so sees to its own spans.
    const fn is_daemon(&self) -> bool {
        matches!(
            self.command,
            Command::Platform(_)
                | Command::Serve(_)
                | Command::Trustee(_)
                | Command::Bank(_)
                | Command::Demo(_)
        )
    }
}

/// Carries out what was typed; as one trace, where its spans go anywhere.
pub async fn run_traced(arguments: Arguments, words: &str) -> anyhow::Result<()> {
    let endpoint = arguments
        .trace_to
        .clone()
        .filter(|_| !arguments.is_daemon());
    let Some(endpoint) = endpoint else {
        return run(arguments).await;
    };
    let spans = process::trace(&endpoint)?;
    let span = trace::began(words);
    let done = run(arguments).instrument(span.clone()).await;
    drop(span);
    spans.finish().await;
    done
}

/// Carries out what was typed.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let context = Context {
        profile: arguments.profile,
        endpoint: arguments.endpoint,
        authority: arguments.authority,
        output: Output {
            json: arguments.json,
            english: arguments.language == "en",
        },
    };
    match arguments.command {
        Command::Demo(arguments) => demo::run(&context, arguments).await,
        Command::Verify(arguments) => verify::run(&context, arguments).await,
        Command::Platform(command) => platform::run(&context, command).await,
        Command::Serve(arguments) => serve::run(&context, arguments).await,
        Command::Trustee(command) => trustee::run(&context, command).await,
        Command::Bank(command) => bank::run(&context, command).await,
        Command::Profile(command) => profile::run(&context, command).await,
        Command::SignIn(arguments) => sign_in::run(&context, arguments).await,
        Command::Account(command) => account::run(&context, command).await,
        Command::Trial(command) => trial::run(&context, command),
        Command::Organization(command) => organization::run(&context, command).await,
        Command::Intent(command) => intent::run(&context, command).await,
        Command::Tender(command) => tender::run(&context, command).await,
        Command::Notice(command) => notice::run(&context, command).await,
        Command::Question(command) => question::run(&context, command).await,
        Command::Deposit(command) => deposit::run(&context, command).await,
        Command::Bid(command) => bid::run(&context, command).await,
        Command::Opening(command) => opening::run(&context, command).await,
        Command::Audit(command) => audit::run(&context, command).await,
        Command::Rules(command) => rules::run(&context, command).await,
        Command::Clock(command) => clock::run(&context, command).await,
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "sunbid", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// An amount in yuan, as an argument.
fn yuan(text: &str) -> Result<i64, String> {
    sunbid_terms::Fen::parse_yuan(text)
        .map(sunbid_terms::Fen::get)
        .map_err(|e| e.to_string())
}

/// A time as an argument: RFC 3339, or "2026-03-02 09:00" in China.
fn moment(text: &str) -> Result<i64, String> {
    use sunbid_terms::Instant;
    let civil = |text: &str| {
        let (date, clock) = text.trim().split_once([' ', 'T'])?;
        let date: chrono::NaiveDate = date.parse().ok()?;
        let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
        let (hour, minute) = (parts.next()??, parts.next()??);
        let second = parts.next().unwrap_or(Some(0))?;
        Instant::from_china(date, hour, minute, second)
    };
    Instant::parse(text)
        .or_else(|| civil(text))
        .map(Instant::micros)
        .ok_or_else(|| {
            format!("{text:?} is no time such as \"2026-03-02 09:00\" (China) or RFC 3339")
        })
}

/// 32 bytes in hexadecimal, as an argument.
fn digest(text: &str) -> Result<Vec<u8>, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    if bytes.len() == 32 {
        Ok(bytes)
    } else {
        Err(format!("{} bytes; 32 are needed", bytes.len()))
    }
}

/// "tenders/{uuid}" from what was typed: the name, or the bare uuid.
fn tender_name(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("tenders/").unwrap_or(text);
    match uuid::Uuid::parse_str(id) {
        Ok(uuid) => Ok(format!("tenders/{uuid}")),
        Err(_) => Err(format!("{text:?} is not tenders/{{uuid}}")),
    }
}

/// "organizations/{credit_code}" from what was typed: the name, or the bare code.
fn organization_name(text: &str) -> Result<String, String> {
    let code = text.strip_prefix("organizations/").unwrap_or(text);
    sunbid_terms::CreditCode::parse(code)
        .map(|code| format!("organizations/{code}"))
        .map_err(|error| error.to_string())
}
