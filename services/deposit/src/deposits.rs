//! The service's handles, and the one way an account of money changes: decide, fold, project, commit.

use std::sync::Arc;

use prost::Message;
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_contracts::{common::v1::Verdict, deposit::v1::Deposit};
use sunbid_domain::{
    Event,
    deposit::{DepositAccount, PaymentSeed, Terms},
};
use sunbid_journal::{Journal, View, Write};
use sunbid_proofs::StreamId;
use sunbid_rules::Engine;
use sunbid_service::{Decided, Peers, Problem, Step, ledger, names, page::Pages};
use sunbid_terms::{Clock, Instant};

use crate::{SERVICE, store};

/// What the log of bank messages that belong to no tender is about.
pub(crate) const BANK_SCOPE: &str = "bank";

/// Nothing but handles; everything that is known is in the journal and its read models.
pub(crate) struct Deposits {
    pub journal: Journal,
    pub clock: Arc<dyn Clock>,
    pub rules: Arc<Engine>,
    pub peers: Peers,
    pub pages: Pages,
}

/// What a decision about an account leads to.
#[derive(Default)]
pub(crate) struct Decision {
    pub events: Vec<Event>,
    pub verdicts: Vec<Verdict>,
    /// Writes beside those that follow from the events.
    pub writes: Vec<Write>,
}

impl From<Vec<Event>> for Decision {
    fn from(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }
}

/// The stream of a tender's terms.
pub(crate) fn terms_stream() -> StreamId {
    StreamId::of("terms")
}

/// The stream of a virtual account in the log of `scope`.
pub(crate) fn account_stream(scope: &str, account: &str) -> StreamId {
    let kind = if scope == BANK_SCOPE {
        "suspense"
    } else {
        "deposit"
    };
    StreamId::of(&format!("{kind}/{account}"))
}

impl Deposits {
    /// Changes an account by a decision that follows from `cause`; the same cause acts once.
    pub async fn change<D>(
        &self,
        scope: &str,
        account: &str,
        method: &'static str,
        cause: &[u8],
        request: &impl Message,
        decide: D,
    ) -> Result<(), Problem>
    where
        D: FnOnce(&DepositAccount, &Terms, Instant) -> Result<Decision, Problem> + Send + 'static,
    {
        let stream = account_stream(scope, account);
        let step = Step::of_cause(SERVICE, scope, method, cause, request)
            .reading(&[terms_stream(), stream]);
        let (scope, account) = (scope.to_owned(), account.to_owned());
        ledger::commit_quietly(&self.journal, step, move |view| {
            let state: DepositAccount = ledger::load(view, stream)?;
            let terms: Terms = ledger::load(view, terms_stream())?;
            let decision = decide(&state, &terms, view.now)?;
            recorded(view, stream, &scope, &account, decision)
        })
        .await?;
        Ok(())
    }

    /// The terms of a tender, as far as they are known.
    pub async fn terms(&self, tender: &str) -> Result<Terms, Problem> {
        ledger::read(
            &self.journal,
            names::log_of(SERVICE, tender),
            terms_stream(),
        )
        .await
    }

    pub async fn account(&self, tender: &str, account: &str) -> Result<DepositAccount, Problem> {
        let stream = account_stream(tender, account);
        ledger::read(&self.journal, names::log_of(SERVICE, tender), stream).await
    }
}

/// The outcome of a decision: its events, the state they lead to, the read models.
fn recorded(
    view: &View<'_>,
    stream: StreamId,
    scope: &str,
    account: &str,
    decision: Decision,
) -> Result<Decided<()>, Problem> {
    let mut decided = Decided::new();
    if decision.events.is_empty() {
        return Ok(decided);
    }
    for write in store::project(scope, account, &decision.events, view.now)? {
        decided = decided.also(write);
    }
    for write in decision.writes {
        decided = decided.also(write);
    }
    decided
        .events(stream, decision.events)
        .verdicts(decision.verdicts)
        .fold::<DepositAccount>(view, stream)
}

/// A deposit as its supplier sees it: the deadline is the tender's, wherever it was moved to.
pub(crate) fn shown(deposit: Deposit, terms: &Terms) -> Deposit {
    Deposit {
        due_time_us: terms.deadline_us,
        ..deposit
    }
}

/// Randomness from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
    Ok(bytes)
}

pub(crate) fn payment_seed() -> Result<PaymentSeed, Problem> {
    random().map(PaymentSeed::new)
}
