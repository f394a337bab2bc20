//! The no-meeting opening: sign-in, the closing record and its signatures, decryption shares, the
//! opening record, objections, and what the evaluators receive. Follows notices (what is scheduled)
//! and bid logs (what is closed); asks the tender service for ceremonies and the bid service for
//! sealed bytes. It holds no key: it can open nothing that t holders have not opened.

mod announce;
mod case;
mod follow;
mod rpc;
mod rpc_part;
mod rpc_session;
mod rpc_trustee;
mod standing;
mod store;

use std::sync::Arc;

use sunbid_contracts::common::v1::Verdict;
use sunbid_contracts::opening::v1::{Session, opening_service_server::OpeningServiceServer};
use sunbid_domain::opening::SessionState;
use sunbid_domain::{Event, opening::session::STREAM};
use sunbid_journal::{Journal, StreamId, Val};
use sunbid_service::feed::Feeds;
use sunbid_service::page::Pages;
use sunbid_service::{Decided, Problem, Setting, StartError, Started, ledger, names};
use tokio::{sync::mpsc, task::JoinSet};

/// Name in logs, tokens and file names.
pub const SERVICE: &str = "opening";

/// Largest messages: a holder's shares for a thousand bids and their parts.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// Tenders that wait to be looked at by the announcer; more are found by its own round.
const WAITING: usize = 1024;

/// What every part of the service shares.
pub(crate) struct Opening {
    pub setting: Setting,
    pub journal: Journal,
    pub pages: Pages,
    pub cases: case::Cases,
    /// Tenders whose session may have become ready to be announced.
    pub ready: mpsc::Sender<String>,
    /// Sessions by tender, for everybody who watches.
    pub sessions: Feeds<Session>,
    /// What waits for an institution, by institution.
    pub duties: Feeds<Arc<Vec<rpc_trustee::Duty>>>,
}

/// Starts the service.
pub async fn start(setting: Setting) -> Result<Started, StartError> {
    let journal = setting.journal(SERVICE, store::MIGRATIONS).await?;
    let (ready, waiting) = mpsc::channel(WAITING);
    let opening = Arc::new(Opening {
        pages: setting.pages(SERVICE)?,
        journal: journal.clone(),
        cases: case::Cases::default(),
        setting,
        ready,
        sessions: Feeds::default(),
        duties: Feeds::default(),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(follow::notices(opening.clone()));
    tasks.spawn(follow::bids(opening.clone()));
    tasks.spawn(announce::run(opening.clone(), waiting));
    tasks.spawn(standing::show(opening.clone()));
    Ok(Started {
        name: SERVICE,
        journal,
        install: Box::new(move |routes| {
            routes.add_service(
                OpeningServiceServer::new(rpc::Rpc { opening })
                    .max_decoding_message_size(LARGEST_MESSAGE)
                    .max_encoding_message_size(LARGEST_MESSAGE),
            );
        }),
        tasks,
    })
}

/// The stream of a session.
pub(crate) fn stream() -> StreamId {
    StreamId::of(STREAM)
}

impl Opening {
    /// A session as last committed; the empty state where there is none.
    pub async fn session(&self, tender: &str) -> Result<SessionState, Problem> {
        ledger::read(&self.journal, names::log_of(SERVICE, tender), stream()).await
    }

    /// Has the announcer look at a tender. Where it has too much to do already, its own round will.
    pub fn look_at(&self, tender: &str) {
        if self.ready.try_send(tender.to_owned()).is_err() {
            tracing::debug!(tender, "the announcer is busy and will find this by itself");
        }
    }
}

/// A decision with its events folded into the session, and the session after it.
pub(crate) fn decided<R: Default + 'static>(
    view: &sunbid_journal::View<'_>,
    mut session: SessionState,
    events: Vec<Event>,
    verdicts: Vec<Verdict>,
) -> Result<(Decided<R>, SessionState), Problem> {
    use sunbid_domain::Aggregate;
    if events.is_empty() {
        return Ok((Decided::new(), session));
    }
    for event in &events {
        session.evolve(event, view.now)?;
    }
    let tender = session
        .tender
        .as_ref()
        .map(|tender| tender.name.clone())
        .unwrap_or_default();
    let row = vec![
        Val::Text(tender),
        Val::Int(session.stage.into()),
        Val::Int(session.deadline_us),
    ];
    let decided = Decided::new()
        .events(stream(), events)
        .verdicts(verdicts)
        .fold::<SessionState>(view, stream())?
        .write(store::KEEP_SESSION, row);
    Ok((decided, session))
}
