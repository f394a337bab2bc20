//! The first organisation of a platform: the trading centre that operates it, enrolled on the
//! machine itself before anything is served. Every other organisation comes through the front door.

use std::{path::Path, sync::Arc};

use sunbid_certificates::{Roots, verify_now};
use sunbid_contracts::registry::v1::{OrganizationKind, RegisterOrganizationResponse};
use sunbid_domain::{
    Aggregate, Event, Refusal,
    registry::{
        Credential, OrganizationState, Registration, SubjectState, organization_name, subject_name,
    },
};
use sunbid_journal::Journal;
use sunbid_service::{
    Decided, Problem, Step,
    ledger::{commit, load},
    setting::Database,
};
use sunbid_terms::{Clock, Instant};
use uuid::Uuid;

use crate::{
    SERVICE, credential,
    names::{organization_stream, subject_stream},
    store,
};

/// Who acts when nobody is registered yet.
const ACTOR: &str = "services/platform";

/// Why the first organisation is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("an organisation is registered already; others register themselves and are approved")]
    NotFirst,
    #[error("{0}")]
    Refused(String),
    #[error("the registry's database cannot be used: {0}")]
    Storage(String),
}

/// Registers and approves the first organisation in the database of the data folder `data`, under the names that its certificate carries. Refuses when any exists. Certificates
/// are DER.
pub async fn bootstrap(
    data: &Path,
    database: &Database,
    clock: Arc<dyn Clock>,
    roots: &Roots,
    certificate: &[u8],
    intermediates: &[Vec<u8>],
) -> Result<RegisterOrganizationResponse, BootstrapError> {
    let storage = |error: &dyn std::fmt::Display| BootstrapError::Storage(error.to_string());
    let db = database.open(data, SERVICE).await;
    let db = db.map_err(|error| storage(&error))?;
    db.migrate(store::MIGRATIONS)
        .await
        .map_err(|error| storage(&error))?;
    let journal = Journal::open(db.clone(), clock.clone())
        .await
        .map_err(|error| storage(&error))?;
    let enrolled = enrol_first(&journal, roots, clock.now(), certificate, intermediates).await;
    journal.stop().await;
    db.close().await;
    enrolled
}

async fn enrol_first(
    journal: &Journal,
    roots: &Roots,
    now: Instant,
    certificate: &[u8],
    intermediates: &[Vec<u8>],
) -> Result<RegisterOrganizationResponse, BootstrapError> {
    let any = store::any_organization(journal.db()).await;
    if any.map_err(|error| BootstrapError::Storage(error.to_string()))? {
        return Err(BootstrapError::NotFirst);
    }
    let holder = verify_now(certificate, intermediates, roots, now)
        .map_err(|fault| BootstrapError::Refused(fault.to_string()))?;
    let registration = Registration {
        display_name: holder.organization_name.clone(),
        kinds: vec![OrganizationKind::TradingCentre as i32],
        basic_account: String::new(),
        identity_key: Vec::new(),
        encryption_key: Vec::new(),
        key_evidence: None,
        subject_display_name: holder.common_name.clone(),
    };
    let credential = credential::of(holder, certificate, intermediates);
    enrol(journal, registration, credential).await.map_err(told)
}

async fn enrol(
    journal: &Journal,
    registration: Registration,
    credential: Credential,
) -> Result<RegisterOrganizationResponse, Problem> {
    let name = organization_name(&credential.credit_code);
    let own = organization_stream();
    let stream = subject_stream(&subject_name(&name, &credential.fingerprint));
    let id = Uuid::new_v4().to_string();
    let nothing = RegisterOrganizationResponse::default();
    let step =
        Step::of_caller(SERVICE, &name, "Bootstrap", ACTOR, &id, &nothing)?.reading(&[own, stream]);
    let done = commit(journal, step, move |view| {
        let mut state: OrganizationState = load(view, own)?;
        let enrolment = state.register(&registration, &credential, view.now)?;
        state.evolve(&Event::of(&enrolment.registered), view.now)?;
        let approved = state.approve()?;
        state.evolve(&Event::of(&approved), view.now)?;
        let reply = RegisterOrganizationResponse {
            organization: state.organization,
            subject: Some(enrolment.subject.clone()),
        };
        let organization = reply.organization.as_ref().ok_or(Refusal::Forbidden)?;
        Ok(Decided::new()
            .event(own, &enrolment.registered)
            .event(own, &approved)
            .event(stream, &enrolment.added)
            .fold::<OrganizationState>(view, own)?
            .fold::<SubjectState>(view, stream)?
            .also(store::put_organization(organization))
            .also(store::put_subject(
                &organization.name,
                &enrolment.subject,
                Instant::default(),
            ))
            .reply(move |_| reply))
    })
    .await?;
    Ok(done.reply)
}

fn told(problem: Problem) -> BootstrapError {
    match problem {
        Problem::Refused(Refusal::Fields(violations)) => BootstrapError::Refused(
            violations
                .iter()
                .map(|violation| format!("{}: {}", violation.field, violation.en))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Problem::Refused(Refusal::State { en, .. }) => BootstrapError::Refused(en),
        other => BootstrapError::Storage(format!("{other:?}")),
    }
}
