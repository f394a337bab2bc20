//! What the tender service holds, and its one way to change a tender.

use std::sync::Arc;

use prost::Message;
use sunbid_certificates::Roots;
use sunbid_contracts::{
    common::v1::Verdict,
    notice::v1::{GetIntentRequest, Intent},
    tender::v1::{Ceremony, Tender},
};
use sunbid_domain::{Aggregate, Event, Refusal, notice::facts, tender::Dossier, verdicts};
use sunbid_journal::{Journal, StreamId, View};
use sunbid_rules::Engine;
use sunbid_service::{
    Decided, Peers, Problem, Step,
    feed::Feeds,
    ledger::{self, Done},
    names,
    page::Pages,
};
use sunbid_terms::{Clock, Instant};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{NAME, ceremonies::Awaited, files::Documents, store};

/// The tender service's parts.
pub struct Tenders {
    pub journal: Journal,
    pub peers: Peers,
    pub rules: Arc<Engine>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: CancellationToken,
    pub pages: Pages,
    pub files: Documents,
    /// Roots of institutions' certificates.
    pub roots: Arc<Roots>,
    /// The platform's name in what institutions sign.
    pub origin: String,
    /// Ceremonies that wait for an institution, by institution.
    pub waiting: Feeds<Arc<Vec<(Awaited, Ceremony)>>>,
}

/// The one stream of a tender's log.
pub fn stream() -> StreamId {
    StreamId::of("tender")
}

/// What a decision on a tender gives.
pub struct Change {
    pub events: Vec<Event>,
    pub verdicts: Vec<Verdict>,
}

impl From<Vec<Event>> for Change {
    fn from(events: Vec<Event>) -> Self {
        Self {
            events,
            verdicts: Vec::new(),
        }
    }
}

impl Tenders {
    /// A tender as last committed.
    pub async fn dossier(&self, name: &str) -> Result<Dossier, Problem> {
        ledger::read(&self.journal, names::log_of(NAME, name), stream()).await
    }

    /// Decides on a tender and commits; the answer is made from the tender as it is afterwards and
    /// what the rules said.
    pub async fn change<R, D, A>(
        &self,
        step: Step,
        decide: D,
        answer: A,
    ) -> Result<Done<R>, Problem>
    where
        R: Message + Default + 'static,
        D: FnOnce(&Dossier, &View<'_>) -> Result<Change, Problem> + Send + 'static,
        A: FnOnce(Dossier, Vec<Verdict>) -> R + Send + 'static,
    {
        let step = step.reading(&[stream()]);
        ledger::commit(&self.journal, step, move |view| {
            let before: Dossier = ledger::load(view, stream())?;
            let change = decide(&before, view)?;
            let after = applied(&before, &change.events, view.now)?;
            // Where nothing happens there is nothing to write: the answer is the tender as it is.
            let mut decided = Decided::new();
            if !change.events.is_empty() {
                decided = decided
                    .events(stream(), change.events)
                    .verdicts(change.verdicts.clone())
                    .fold::<Dossier>(view, stream())?;
                for write in store::writes(&before, &after) {
                    decided = decided.also(write);
                }
            }
            Ok(decided.reply(move |_| answer(after, change.verdicts)))
        })
        .await
    }

    /// The published intent a tender names; none if it names none or that is not published.
    pub async fn intent(&self, name: &str) -> Result<Option<Intent>, Problem> {
        if name.is_empty() {
            return Ok(None);
        }
        let asked = GetIntentRequest {
            name: name.to_owned(),
        };
        match self.peers.notice().get_intent(asked).await {
            Ok(answer) => Ok(answer.into_inner().intent),
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                Ok(None)
            }
            Err(status) => Err(status.into()),
        }
    }
}

/// A tender after events.
pub fn applied(before: &Dossier, events: &[Event], at: Instant) -> Result<Dossier, Problem> {
    let mut after = before.clone();
    for event in events {
        after.evolve(event, at)?;
    }
    Ok(after)
}

/// What the rules say of a draft as if its notice were published at `at`.
pub fn judged(
    rules: &Engine,
    tender: &Tender,
    intent: Option<&Intent>,
    at: Instant,
) -> Result<Vec<Verdict>, Refusal> {
    let (scope, facts) = facts::tender_notice(tender, intent, at)?;
    Ok(verdicts::messages(&rules.check(&scope, &facts)))
}
