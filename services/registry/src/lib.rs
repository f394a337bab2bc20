//! The registry: organisations, their people and certificates, roles, sign-in and its end.
//! Needs the configured roots, a clock, and the platform's token key. It learns nothing from other
//! services; everything it says follows from the organisations' own logs.

mod account_store;
mod accounts;
mod bootstrap;
mod challenge;
mod credential;
mod names;
mod passkeys;
mod passwords;
mod provider;
mod rpc;
mod rpc_accounts;
mod rpc_organizations;
mod rpc_people;
mod rpc_provider;
mod rpc_renewal;
mod rpc_sessions;
mod rpc_subjects;
mod secrets;
pub mod settings;
mod standing;
mod store;
mod withdrawn;

use std::sync::Arc;

use ring::signature::Ed25519KeyPair;
use sunbid_certificates::Roots;
use sunbid_contracts::registry::v1::{
    GetPlatformResponse, account_service_server::AccountServiceServer,
    registry_service_server::RegistryServiceServer,
};
use sunbid_journal::Journal;
use sunbid_service::{Problem, Setting, StartError, Started, page::Pages};
use sunbid_terms::Clock;
use tokio::task::JoinSet;

use accounts::Accounts;
pub use bootstrap::{BootstrapError, bootstrap};
use challenge::Challenges;
use rpc_people::People;
pub use settings::RegistrySettings;
pub use store::{MIGRATIONS, SQL};

/// Name of this service in logs, actors and files.
pub const SERVICE: &str = "registry";

/// Largest request taken, bytes: a certificate with its intermediates.
const LARGEST_REQUEST: usize = 128 * 1024;

/// The registry's state in this process: nothing but handles and keys.
pub(crate) struct Registry {
    journal: Journal,
    clock: Arc<dyn Clock>,
    roots: Arc<Roots>,
    challenges: Challenges,
    pages: Pages,
    accounts: Accounts,
    token_key: Arc<Ed25519KeyPair>,
    origin: String,
    /// What everyone may know; its time is filled in for each answer.
    platform: GetPlatformResponse,
}

/// Starts the registry.
pub async fn start(setting: Setting, settings: RegistrySettings) -> Result<Started, StartError> {
    let accounts = Accounts::new(&settings, &setting.keys.secret("accounts")?).map_err(told)?;
    let journal = setting.journal(SERVICE, store::MIGRATIONS).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(standing::show(setting.clone(), journal.clone()));
    tasks.spawn(withdrawn::follow(
        journal.clone(),
        setting.roots.clone(),
        setting.clock.clone(),
        setting.shutdown.clone(),
    ));
    let registry = Arc::new(Registry {
        journal: journal.clone(),
        challenges: Challenges::new(&setting.keys.secret("challenges")?),
        pages: setting.pages(SERVICE)?,
        accounts,
        token_key: setting.keys.pair("token")?,
        platform: platform(&setting)?,
        clock: setting.clock,
        roots: setting.roots,
        origin: setting.origin,
    });
    Ok(Started {
        name: SERVICE,
        journal,
        install: Box::new(move |routes| {
            let people = AccountServiceServer::new(People(registry.clone()));
            routes.add_service(people.max_decoding_message_size(LARGEST_REQUEST));
            routes.add_service(
                RegistryServiceServer::from_arc(registry)
                    .max_decoding_message_size(LARGEST_REQUEST),
            );
        }),
        tasks,
    })
}

fn told(problem: Problem) -> StartError {
    let cause = match problem {
        Problem::Internal(cause) => cause,
        other => format!("{other:?}"),
    };
    StartError::Other {
        service: SERVICE,
        cause,
    }
}

fn platform(setting: &Setting) -> Result<GetPlatformResponse, StartError> {
    Ok(GetPlatformResponse {
        token_key: setting.keys.public("token")?,
        log_verifier_key: setting.keys.log_verifier(&setting.origin)?,
        receipt_key: setting.keys.public("receipt")?,
        roots: setting.roots.ders(),
        sandbox: setting.sandbox,
        now_us: 0,
        origin: setting.origin.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
