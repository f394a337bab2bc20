//! People who sign in without a certificate: enrolling them, their passwords, their sessions.
//! Passwords are read from a line of input or the environment, never from the command line.

use std::io::BufRead;

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::registry::v1::{
    ChangePasswordRequest, EnrolPersonRequest, GetCallerRequest, ListSessionsRequest,
    ResetPersonRequest, RevokeSessionRequest, SetPasswordRequest,
};

use super::organization::RoleArgument;
use crate::{
    connection::{Connection, request_id},
    context::{Context, DEFAULT_ENDPOINT},
    output,
};

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Enrol a person of your organisation; prints the code that the person needs, once.
    Enrol {
        /// Login name: 3 to 40 of a-z, 0-9, '.', '-', '_'; never given twice.
        login: String,
        #[arg(long)]
        display_name: String,
        /// Roles that you have yourself.
        #[arg(long, required = true)]
        role: Vec<RoleArgument>,
    },
    /// Void a person's password, passkeys, identities and sessions, and print a new code.
    Reset {
        /// "organizations/CODE/subjects/ID", as `organization subjects` lists it.
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// Set your password with the code you were handed.
    SetPassword {
        /// CREDIT_CODE/LOGIN.
        account: String,
        #[arg(long, env = "SUNBID_CODE", hide_env_values = true)]
        code: String,
    },
    /// Change your password; your sessions end. Two lines of input: the old one, the new one.
    ChangePassword,
    /// Open sessions: your own, or those of a subject that you may see.
    Sessions { subject: Option<String> },
    /// End a session.
    EndSession {
        /// As `account sessions` lists it.
        name: String,
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(context: &Context, command: AccountCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        AccountCommand::Enrol {
            login,
            display_name,
            role,
        } => {
            let request = EnrolPersonRequest {
                request_id: request_id(),
                login,
                display_name,
                roles: role.into_iter().map(|role| role.message() as i32).collect(),
            };
            let mut account = context.caller().await?.account();
            let answer = account.enrol_person(request).await?.into_inner();
            output.message(&answer, |answer| {
                code(
                    &answer.subject.clone().unwrap_or_default().name,
                    &answer.code,
                    answer.code_expire_time_us,
                )
            })
        }
        AccountCommand::Reset { name, reason } => {
            let request = ResetPersonRequest {
                request_id: request_id(),
                name,
                reason,
            };
            let mut account = context.caller().await?.account();
            let answer = account.reset_person(request).await?.into_inner();
            output.message(&answer, |answer| {
                code(
                    &answer.subject.clone().unwrap_or_default().name,
                    &answer.code,
                    answer.code_expire_time_us,
                )
            })
        }
        AccountCommand::SetPassword { account, code } => {
            let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            let authority = context.authority()?;
            let anyone = Connection::trusting(endpoint, authority.as_deref(), output.english);
            let request = SetPasswordRequest {
                account,
                code,
                password: secret("SUNBID_PASSWORD")?,
            };
            anyone.await?.account().set_password(request).await?;
            println!("{}", output.say("密码已设置。", "The password is set."));
            Ok(())
        }
        AccountCommand::ChangePassword => {
            let mut account = context.caller().await?.account();
            let request = ChangePasswordRequest {
                current_password: secret("SUNBID_PASSWORD")?,
                new_password: secret("SUNBID_NEW_PASSWORD")?,
            };
            account.change_password(request).await?;
            let told = output.say(
                "密码已修改，请重新登录。",
                "The password is changed; sign in again.",
            );
            println!("{told}");
            Ok(())
        }
        AccountCommand::Sessions { subject } => {
            let caller = context.caller().await?;
            let parent = match subject {
                Some(subject) => subject,
                None => {
                    let asked = caller.registry().get_caller(GetCallerRequest {}).await?;
                    asked.into_inner().subject.unwrap_or_default().name
                }
            };
            let request = ListSessionsRequest { parent };
            let answer = caller.account().list_sessions(request).await?.into_inner();
            let header = ["name", "方式", "开始", "结束", "本次"];
            let nothing = output.say("没有会话。", "No sessions.");
            output.list(&answer.sessions, &header, nothing, |session| {
                let method = session.method().as_str_name();
                vec![
                    session.name.clone(),
                    method.trim_start_matches("SIGN_IN_METHOD_").to_owned(),
                    output::time(session.begin_time_us),
                    output::time(session.expire_time_us),
                    if session.current { "*" } else { "" }.to_owned(),
                ]
            })
        }
        AccountCommand::EndSession { name, reason } => {
            let mut account = context.caller().await?.account();
            let request = RevokeSessionRequest { name, reason };
            account.revoke_session(request).await?;
            println!("{}", output.say("会话已结束。", "The session is over."));
            Ok(())
        }
    }
}

fn code(subject: &str, code: &str, expire_us: i64) -> String {
    output::fields(&[
        ("subject", subject.to_owned()),
        ("code", code.to_owned()),
        ("code until", output::time(expire_us)),
    ])
}

/// From the environment, or else a line of input.
fn secret(variable: &str) -> anyhow::Result<String> {
    if let Ok(secret) = std::env::var(variable) {
        return Ok(secret);
    }
    eprintln!("{variable}:");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("no password was given")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
