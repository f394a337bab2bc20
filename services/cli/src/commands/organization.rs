//! Organisations and their people: register, approve, suspend, list; add and revoke subjects.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use sunbid_certificates::{HolderKeys, pem, possession};
use sunbid_contracts::registry::v1::{
    AddSubjectRequest, ApproveOrganizationRequest, CreateChallengeRequest, GetOrganizationRequest,
    ListOrganizationsRequest, ListSubjectsRequest, Organization, OrganizationKind,
    OrganizationState, RegisterOrganizationRequest, ReinstateOrganizationRequest,
    RevokeSubjectRequest, Role, Subject, SuspendOrganizationRequest,
};
use sunbid_service::clock::SystemClock;
use sunbid_terms::{Clock as _, Instant};

use super::{digest, organization_name};
use crate::{
    connection::{Connection, request_id},
    context::Context,
    output,
    profile::Profile,
};

/// By how much the platform's clock may differ where keys are signed for, seconds.
const CLOCKS_APART: i64 = 600;

#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// Register the profile's organisation; it may act once the trading centre approves.
    Register(RegisterArguments),
    /// Let a registered organisation act (trading centre).
    Approve {
        #[arg(value_parser = organization_name)]
        name: String,
    },
    /// Stop an organisation (trading centre).
    Suspend {
        #[arg(value_parser = organization_name)]
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// Let a suspended organisation act again (trading centre).
    Reinstate {
        #[arg(value_parser = organization_name)]
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// Show an organisation.
    Show {
        #[arg(value_parser = organization_name)]
        name: String,
    },
    /// List organisations.
    List {
        #[arg(long)]
        pending: bool,
        #[arg(long)]
        kind: Option<Kind>,
    },
    /// Add a person or machine of the profile's organisation.
    AddSubject {
        /// PEM: the certificate and, after it, its intermediates.
        #[arg(long)]
        certificate: PathBuf,
        #[arg(long)]
        display_name: String,
        #[arg(long, required = true)]
        role: Vec<RoleArgument>,
    },
    /// Revoke a person or machine: its tokens are refused from then on.
    RevokeSubject {
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// List an organisation's people and machines.
    Subjects {
        #[arg(value_parser = organization_name)]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct RegisterArguments {
    #[arg(long)]
    pub display_name: String,
    #[arg(long, required = true)]
    pub kind: Vec<Kind>,
    /// Number of the basic account (基本账户).
    #[arg(long, default_value = "")]
    pub basic_account: String,
    /// Name of the person or machine the certificate belongs to.
    #[arg(long)]
    pub subject_display_name: String,
    /// Trustees: Ed25519 identity key, hexadecimal (see `sunbid trustee show`).
    #[arg(long, value_parser = digest)]
    pub identity_key: Option<Vec<u8>>,
    /// Trustees: ristretto255 encryption key, hexadecimal.
    #[arg(long, value_parser = digest)]
    pub encryption_key: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    Purchaser,
    Supplier,
    TradingCentre,
    Supervisor,
    Trustee,
}

impl Kind {
    pub const fn message(self) -> OrganizationKind {
        match self {
            Self::Purchaser => OrganizationKind::Purchaser,
            Self::Supplier => OrganizationKind::Supplier,
            Self::TradingCentre => OrganizationKind::TradingCentre,
            Self::Supervisor => OrganizationKind::Supervisor,
            Self::Trustee => OrganizationKind::Trustee,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleArgument {
    Administrator,
    Purchaser,
    Reviewer,
    Supplier,
    Supervisor,
    Trustee,
}

impl RoleArgument {
    pub(super) const fn message(self) -> Role {
        match self {
            Self::Administrator => Role::Administrator,
            Self::Purchaser => Role::Purchaser,
            Self::Reviewer => Role::Reviewer,
            Self::Supplier => Role::Supplier,
            Self::Supervisor => Role::Supervisor,
            Self::Trustee => Role::Trustee,
        }
    }
}

pub async fn run(context: &Context, command: OrganizationCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        OrganizationCommand::Register(arguments) => {
            let name = context
                .profile
                .as_deref()
                .context("this needs a profile: --profile NAME")?;
            let profile = Profile::read(name)?;
            let endpoint = context.endpoint.as_deref().unwrap_or(&profile.endpoint);
            let authority = context.authority()?.or_else(|| profile.authority.clone());
            let connection =
                Connection::trusting(endpoint, authority.as_deref(), output.english).await?;
            let (organization, _) = register(&connection, &profile, arguments).await?;
            output.message(&organization, show)
        }
        OrganizationCommand::Approve { name } => {
            let request = ApproveOrganizationRequest {
                request_id: request_id(),
                name,
            };
            let answer = context
                .caller()
                .await?
                .registry()
                .approve_organization(request)
                .await?
                .into_inner();
            output.message(&answer.organization.unwrap_or_default(), show)
        }
        OrganizationCommand::Suspend { name, reason } => {
            let request = SuspendOrganizationRequest {
                request_id: request_id(),
                name,
                reason,
            };
            let answer = context
                .caller()
                .await?
                .registry()
                .suspend_organization(request)
                .await?
                .into_inner();
            output.message(&answer.organization.unwrap_or_default(), show)
        }
        OrganizationCommand::Reinstate { name, reason } => {
            let request = ReinstateOrganizationRequest {
                request_id: request_id(),
                name,
                reason,
            };
            let mut registry = context.caller().await?.registry();
            let answer = registry.reinstate_organization(request).await?.into_inner();
            output.message(&answer.organization.unwrap_or_default(), show)
        }
        OrganizationCommand::Show { name } => {
            let mut registry = context.caller().await?.registry();
            let answer = registry
                .get_organization(GetOrganizationRequest { name })
                .await?
                .into_inner();
            output.message(&answer.organization.unwrap_or_default(), show)
        }
        OrganizationCommand::List { pending, kind } => {
            let state = if pending {
                OrganizationState::Pending as i32
            } else {
                0
            };
            let kind = kind.map_or(0, |kind| kind.message() as i32);
            let mut registry = context.caller().await?.registry();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListOrganizationsRequest {
                    page_size: 200,
                    page_token,
                    state,
                    kind,
                };
                let page = registry.list_organizations(request).await?.into_inner();
                all.extend(page.organizations);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["name", "名称", "类别", "状态"];
            output.list(
                &all,
                &header,
                output.say("没有机构。", "No organisations."),
                |o| {
                    vec![
                        o.name.clone(),
                        o.display_name.clone(),
                        kinds(o),
                        o.state().as_str_name().to_owned(),
                    ]
                },
            )
        }
        OrganizationCommand::AddSubject {
            certificate,
            display_name,
            role,
        } => {
            let text = std::fs::read_to_string(&certificate)
                .with_context(|| certificate.display().to_string())?;
            let mut certificates = pem::certificates(&text)?.into_iter();
            let request = AddSubjectRequest {
                request_id: request_id(),
                display_name,
                roles: role.into_iter().map(|role| role.message() as i32).collect(),
                certificate: certificates
                    .next()
                    .context("the file holds no certificate")?,
                intermediates: certificates.collect(),
            };
            let answer = context
                .caller()
                .await?
                .registry()
                .add_subject(request)
                .await?
                .into_inner();
            output.message(&answer.subject.unwrap_or_default(), show_subject)
        }
        OrganizationCommand::RevokeSubject { name, reason } => {
            let request = RevokeSubjectRequest {
                request_id: request_id(),
                name,
                reason,
            };
            let answer = context
                .caller()
                .await?
                .registry()
                .revoke_subject(request)
                .await?
                .into_inner();
            output.message(&answer.subject.unwrap_or_default(), show_subject)
        }
        OrganizationCommand::Subjects { name } => {
            let mut registry = context.caller().await?.registry();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListSubjectsRequest {
                    parent: name.clone(),
                    page_size: 200,
                    page_token,
                };
                let page = registry.list_subjects(request).await?.into_inner();
                all.extend(page.subjects);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["name", "姓名", "角色", "证书有效期至", "已撤销"];
            output.list(
                &all,
                &header,
                output.say("没有人员。", "Nobody."),
                |s| {
                    vec![
                        s.name.clone(),
                        s.display_name.clone(),
                        roles(s),
                        output::time(s.not_after_us),
                        if s.revoked {
                            s.revoke_reason.clone()
                        } else {
                            String::new()
                        },
                    ]
                },
            )
        }
    }
}

/// Registers the profile's organisation: the certificate's key signs everything that is said.
pub async fn register(
    connection: &Connection,
    profile: &Profile,
    arguments: RegisterArguments,
) -> anyhow::Result<(Organization, Subject)> {
    let mut connection = connection.clone();
    let anchors = connection.meet(profile).await?;
    let origin = anchors.origin()?;
    let mut registry = connection.registry();
    let challenge = registry
        .create_challenge(CreateChallengeRequest {})
        .await?
        .into_inner()
        .challenge;
    let mut request = RegisterOrganizationRequest {
        request_id: request_id(),
        display_name: arguments.display_name,
        kinds: arguments
            .kind
            .iter()
            .map(|kind| kind.message() as i32)
            .collect(),
        basic_account: arguments.basic_account,
        certificate: profile.certificate.clone(),
        intermediates: profile.intermediates.clone(),
        identity_key: arguments.identity_key.unwrap_or_default(),
        encryption_key: arguments.encryption_key.unwrap_or_default(),
        challenge,
        signature: Vec::new(),
        subject_display_name: arguments.subject_display_name,
        keys_signed_time_us: 0,
        keys_signature: Vec::new(),
    };
    if !request.identity_key.is_empty() {
        sign_keys(&connection, profile, origin, &mut request).await?;
    }
    let said = possession::Registration {
        origin,
        request_id: &request.request_id,
        display_name: &request.display_name,
        kinds: &request.kinds,
        basic_account: &request.basic_account,
        certificate: &request.certificate,
        identity_key: &request.identity_key,
        encryption_key: &request.encryption_key,
        subject_display_name: &request.subject_display_name,
    };
    let message = possession::registration(&request.challenge, &said.digest());
    request.signature = profile.signer.sign(&message)?;
    let answer = registry.register_organization(request).await?.into_inner();
    Ok((
        answer.organization.unwrap_or_default(),
        answer.subject.unwrap_or_default(),
    ))
}

/// Signs for the two keys in the institution's name: whoever relies on them later asks for this
/// signature, and not what a registry says.
async fn sign_keys(
    connection: &Connection,
    profile: &Profile,
    origin: &str,
    request: &mut RegisterOrganizationRequest,
) -> anyhow::Result<()> {
    let platform = connection.platform().await?;
    let said = Instant::from_micros(platform.now_us);
    let own = SystemClock.now();
    // A sandbox's clock may stand anywhere.
    let apart = said
        .seconds()
        .saturating_sub(own.seconds())
        .saturating_abs();
    ensure!(
        platform.sandbox || apart <= CLOCKS_APART,
        "the platform says that it is {said}, this machine says {own}; nothing is signed for such a time"
    );
    let keys = HolderKeys {
        origin,
        certificate: &request.certificate,
        identity_key: &request.identity_key,
        encryption_key: &request.encryption_key,
        signed_at: said,
    };
    request.keys_signature = profile.signer.sign(&keys.message())?;
    request.keys_signed_time_us = said.micros();
    Ok(())
}

fn show(organization: &Organization) -> String {
    output::fields(&[
        ("name", organization.name.clone()),
        ("名称", organization.display_name.clone()),
        ("类别", kinds(organization)),
        ("状态", organization.state().as_str_name().to_owned()),
        ("原因", organization.state_reason.clone()),
        ("基本账户", organization.basic_account.clone()),
        ("identity key", hex::encode(&organization.identity_key)),
        ("encryption key", hex::encode(&organization.encryption_key)),
    ])
}

fn show_subject(subject: &Subject) -> String {
    output::fields(&[
        ("name", subject.name.clone()),
        ("姓名", subject.display_name.clone()),
        ("角色", roles(subject)),
        ("证书有效期至", output::time(subject.not_after_us)),
    ])
}

fn kinds(organization: &Organization) -> String {
    organization
        .kinds()
        .map(|kind| short(kind.as_str_name()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn roles(subject: &Subject) -> String {
    subject
        .roles()
        .map(|role| short(role.as_str_name()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn short(name: &str) -> &str {
    name.trim_start_matches("ORGANIZATION_KIND_")
        .trim_start_matches("ROLE_")
}
