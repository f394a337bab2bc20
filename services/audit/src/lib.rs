//! Follows every log of every service, verifies it, builds the public log that outsiders see,
//! serves its proofs, shows supervisors a tender's whole trail, and discloses finished tenders.
//! Writes nothing but its own findings; what it cannot verify it names.

mod access;
mod closing;
mod disclosure;
mod epochs;
mod mirror;
mod rpc;
mod secrecy;
mod standing;
mod store;
mod summary;
mod trail;

use std::{sync::Arc, time::Duration};

use sunbid_contracts::audit::v1::audit_service_server::AuditServiceServer;
use sunbid_journal::{Lease, PublicLog};
use sunbid_service::{Setting, StartError, Started};
use tokio::task::JoinSet;

/// Name in logs, tokens and file names.
pub const SERVICE: &str = "audit";

/// Largest answers: pages of a trail.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// What the audit is told besides.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// Time between two leaves of the public log.
    pub epoch: Duration,
    /// Services whose logs are followed.
    pub services: &'static [&'static str],
}

/// Starts the audit.
pub async fn start(setting: Setting, settings: AuditSettings) -> Result<Started, StartError> {
    let fault = |cause: String| StartError::Other {
        service: SERVICE,
        cause,
    };
    let journal = setting.journal(SERVICE, store::MIGRATIONS).await?;
    let witnessed_file = setting.data.join("witnessed.txt");
    let witnessed = epochs::read_witnessed(&witnessed_file).map_err(&fault)?;
    let public_log = PublicLog::open(
        journal.db().clone(),
        setting.keys.secret("blinding")?,
        setting.keys.log_signer(&setting.origin)?,
        witnessed,
    )
    .await
    .map_err(|source| StartError::Journal {
        service: SERVICE,
        source,
    })?;
    let mirror = mirror::Mirror::load(&setting, journal.clone(), settings.services)
        .await
        .map_err(|problem| fault(format!("{problem:?}")))?;
    let mirror = Arc::new(mirror);
    let made = tokio::sync::watch::Sender::new(0);
    let watched = made.subscribe();
    let lease = Lease::new(journal.db().clone(), "public-log");
    let lease = lease.map_err(|error| fault(error.to_string()))?;
    let epochs = Arc::new(epochs::Epochs {
        lease: tokio::sync::Mutex::new(lease),
        mirror: mirror.clone(),
        public_log: public_log.clone(),
        setting: setting.clone(),
        every: settings.epoch,
        made,
    });
    let audit = rpc::Audit {
        epochs: epochs.clone(),
        mirror,
        public_log,
        setting: setting.clone(),
        made: watched,
        witnessed_file,
        pages: Arc::new(setting.pages(SERVICE)?),
        opened: Arc::default(),
        desk: Arc::default(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(epochs.run());
    tasks.spawn(standing::show(audit.clone(), settings.epoch));
    Ok(Started {
        name: SERVICE,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(
                AuditServiceServer::new(audit).max_encoding_message_size(LARGEST_MESSAGE),
            );
        }),
        tasks,
    })
}
