//! The one way a service changes anything: decide, then state and record in one transaction.
//! There is no other road to a state row; whoever looks for what can happen looks here.

use prost::{Message, Name};
use sunbid_contracts::common::v1::{CommandRefused, LogHead, Record, Verdict};
use sunbid_domain::{Aggregate, Event, Refusal};
use sunbid_journal::{
    Addition, Command, CommitError, EntryRef, Journal, Many, NewEvent, Outcome, Reads, Val, View,
    Write,
};
use sunbid_proofs::{CommandId, LogId, StreamId, hash::sha256};
use uuid::Uuid;

use crate::{Problem, names};

/// Service suffix of the logs that keep refused commands with their verdicts.
const REFUSALS: &str = "refusals";

/// One command on its way to the journal.
pub struct Step {
    service: &'static str,
    scope: String,
    command: CommandId,
    digest: [u8; 32],
    actor: String,
    method: &'static str,
    reads: Reads,
    allow_closed: bool,
}

impl Step {
    /// A command of a caller: repeats with the same `request_id` get the first answer.
    /// `scope` is what the log is about; `request` is what was asked.
    pub fn of_caller(
        service: &'static str,
        scope: &str,
        method: &'static str,
        actor: &str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Self, Refusal> {
        let id = names::check_request_id(request_id)?;
        Ok(Self::new(
            service,
            scope,
            method,
            actor,
            id.as_bytes(),
            request,
        ))
    }

    /// A command that follows from a fact which `cause` identifies: the same cause acts once.
    pub fn of_cause(
        service: &'static str,
        scope: &str,
        method: &'static str,
        cause: &[u8],
        request: &impl Message,
    ) -> Self {
        Self::new(
            service,
            scope,
            method,
            &format!("services/{service}"),
            cause,
            request,
        )
    }

    fn new(
        service: &'static str,
        scope: &str,
        method: &'static str,
        actor: &str,
        id: &[u8],
        request: &impl Message,
    ) -> Self {
        Self {
            service,
            scope: scope.to_owned(),
            command: CommandId::of(&[method.as_bytes(), actor.as_bytes(), id]),
            digest: sha256(&[method.as_bytes(), &request.encode_to_vec()]),
            actor: actor.to_owned(),
            method,
            reads: Reads::Streams(Vec::new()),
            allow_closed: false,
        }
    }

    /// The states the decision needs.
    pub fn reading(mut self, streams: &[StreamId]) -> Self {
        self.reads = Reads::Streams(streams.to_vec());
        self
    }

    /// The decision needs every state of the log.
    pub fn reading_all(mut self) -> Self {
        self.reads = Reads::WholeLog;
        self
    }

    /// The command is taken even after the log was closed.
    pub fn after_closing(mut self) -> Self {
        self.allow_closed = true;
        self
    }

    /// The log this goes to.
    pub fn log(&self) -> LogId {
        names::log_of(self.service, &self.scope)
    }
}

/// Makes the answer from where the records came to stand.
type MakeReply<R> = Box<dyn FnOnce(&[EntryRef]) -> R + Send>;

/// What a decision leads to; `R` is the answer to the caller.
pub struct Decided<R> {
    events: Vec<(StreamId, Event)>,
    verdicts: Vec<Verdict>,
    states: Vec<(StreamId, Option<Vec<u8>>)>,
    writes: Vec<Write>,
    demands: Vec<Write>,
    additions: Vec<Addition>,
    close: bool,
    refusal: Option<Refusal>,
    reply: MakeReply<R>,
}

impl<R: Default + 'static> Default for Decided<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Default + 'static> Decided<R> {
    /// Nothing happens yet; the answer is empty.
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            verdicts: Vec::new(),
            states: Vec::new(),
            writes: Vec::new(),
            demands: Vec::new(),
            additions: Vec::new(),
            close: false,
            refusal: None,
            reply: Box::new(|_| R::default()),
        }
    }

    /// Something happens to a stream.
    pub fn event<M: Message + Name>(mut self, stream: StreamId, message: &M) -> Self {
        self.events.push((stream, Event::of(message)));
        self
    }

    /// The same for events that a decision of the domain gave.
    pub fn events(mut self, stream: StreamId, events: impl IntoIterator<Item = Event>) -> Self {
        self.events
            .extend(events.into_iter().map(|event| (stream, event)));
        self
    }

    /// What the rules said; kept with the first event.
    pub fn verdicts(mut self, verdicts: Vec<Verdict>) -> Self {
        self.verdicts.extend(verdicts);
        self
    }

    /// Makes the stream's new state by folding its events, noted so far, into the state it had.
    pub fn fold<A: Aggregate>(
        mut self,
        view: &View<'_>,
        stream: StreamId,
    ) -> Result<Self, Problem> {
        let mut state: A = load(view, stream)?;
        for (_, event) in self.events.iter().filter(|(of, _)| *of == stream) {
            state.evolve(event, view.now)?;
        }
        self.states.retain(|(of, _)| *of != stream);
        self.states.push((stream, Some(state.encode_to_vec())));
        Ok(self)
    }

    /// The service's own tables change in the same transaction.
    pub fn write(mut self, sql: &'static str, values: Vec<Val>) -> Self {
        self.writes.push(Write { sql, values });
        self
    }

    /// A row of the service's own tables is added in the same transaction unless it is there; cheaper
    /// than [`Self::write`] where many callers do the same.
    pub fn add(mut self, into: &'static Many, values: Vec<Val>) -> Self {
        self.additions.push(Addition { into, values });
        self
    }

    /// A change that meets exactly one row of the service's own tables; where it does not, things are not
    /// as the decision was told, and nothing of the command happens.
    pub fn demand(mut self, write: Write) -> Self {
        self.demands.push(write);
        self
    }

    /// A write made elsewhere, such as a follower's cursor.
    pub fn also(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// The log takes no further commands, but those that are allowed after closing.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The events are committed and the caller is refused all the same.
    pub fn refuse(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// The answer, made when the positions of the records are known.
    pub fn reply(mut self, reply: impl FnOnce(&[EntryRef]) -> R + Send + 'static) -> Self {
        self.reply = Box::new(reply);
        self
    }
}

/// What a commit gave.
#[derive(Clone, Debug)]
pub struct Done<R> {
    pub reply: R,
    pub entries: Vec<EntryRef>,
    /// The command had been carried out before; this is its first answer again.
    pub replayed: bool,
}

/// The state of a stream inside a decision.
pub fn load<A: Aggregate>(view: &View<'_>, stream: StreamId) -> Result<A, Problem> {
    Ok(A::load(
        view.state(stream).map(|state| state.body.as_slice()),
    )?)
}

/// The state of a stream as last committed.
pub async fn read<A: Aggregate>(
    journal: &Journal,
    log: LogId,
    stream: StreamId,
) -> Result<A, Problem> {
    let state = journal.state(log, stream).await?;
    Ok(A::load(state.as_ref().map(|state| state.body.as_slice()))?)
}

/// Decides and commits. The decision sees the states it asked for and the time its records will
/// carry; it runs inside the transaction and must be quick.
pub async fn commit<R, D>(journal: &Journal, step: Step, decide: D) -> Result<Done<R>, Problem>
where
    R: Message + Default + 'static,
    D: FnOnce(&View<'_>) -> Result<Decided<R>, Problem> + Send + 'static,
{
    let (command_id, actor) = (step.command, step.actor.clone());
    let command = Command {
        log: step.log(),
        scope: step.scope.clone(),
        id: step.command,
        digest: step.digest,
        reads: step.reads.clone(),
        allow_closed: step.allow_closed,
        decide: Box::new(move |view| match decide(view) {
            Ok(decided) => Ok(outcome(decided, command_id, &actor)),
            Err(problem) => Err(Box::new(problem)),
        }),
    };
    match journal.commit(command).await {
        Ok(committed) => Ok(Done {
            reply: R::decode(committed.reply.as_slice()).map_err(Problem::internal)?,
            entries: committed.entries,
            replayed: committed.replayed,
        }),
        Err(CommitError::Closed(_)) => Err(Problem::Refused(Refusal::state(
            "LOG_CLOSED",
            "已截止，不再接受此操作。",
            "This is closed and takes nothing further.",
        ))),
        Err(error) => {
            let problem = Problem::from(error);
            if let Problem::Refused(Refusal::Rules(verdicts)) = &problem {
                record_refusal(journal, &step, verdicts.clone()).await;
            }
            Err(problem)
        }
    }
}

/// Commits and drops the answer: for what follows from other records.
pub async fn commit_quietly<D>(
    journal: &Journal,
    step: Step,
    decide: D,
) -> Result<Done<()>, Problem>
where
    D: FnOnce(&View<'_>) -> Result<Decided<()>, Problem> + Send + 'static,
{
    commit::<(), D>(journal, step, decide).await
}

/// Keeps a refused command with its verdicts, so that a supervisor can read why. The refusal stands
/// whether or not this succeeds: nothing changed that it would have to be atomic with.
async fn record_refusal(journal: &Journal, step: &Step, verdicts: Vec<Verdict>) {
    let refused = CommandRefused {
        method: step.method.to_owned(),
    };
    let scope = format!("{REFUSALS}/{}", step.scope);
    let nonce = Uuid::new_v4();
    let keep = Step::new(
        step.service,
        &scope,
        step.method,
        &step.actor,
        nonce.as_bytes(),
        &refused,
    );
    let stream = StreamId::of(REFUSALS);
    let (command_id, actor) = (keep.command, keep.actor.clone());
    let command = Command {
        log: keep.log(),
        scope: keep.scope.clone(),
        id: keep.command,
        digest: keep.digest,
        reads: Reads::Streams(Vec::new()),
        allow_closed: true,
        decide: Box::new(move |_| {
            let decided = Decided::<()>::new()
                .event(stream, &refused)
                .verdicts(verdicts);
            Ok(outcome(decided, command_id, &actor))
        }),
    };
    if let Err(error) = journal.commit(command).await {
        tracing::error!(%error, "a refusal could not be recorded");
    }
}

fn outcome<R: Message + 'static>(decided: Decided<R>, command: CommandId, actor: &str) -> Outcome {
    let mut verdicts = Some(decided.verdicts);
    let events = decided
        .events
        .into_iter()
        .map(|(stream, event)| {
            let record = Record {
                r#type: event.name,
                event: event.bytes,
                actor: actor.to_owned(),
                command_id: command.as_bytes().to_vec(),
                verdicts: verdicts.take().unwrap_or_default(),
            };
            NewEvent {
                stream,
                body: record.encode_to_vec(),
            }
        })
        .collect();
    let reply = decided.reply;
    Outcome {
        events,
        states: decided.states,
        writes: decided.writes,
        demands: decided.demands,
        additions: decided.additions,
        close: decided.close,
        refusal: decided.refusal.map(|r| Box::new(Problem::Refused(r)) as _),
        reply: Box::new(move |entries| reply(entries).encode_to_vec()),
    }
}

/// A journal's head in the form contracts carry it.
pub fn head_message(head: &sunbid_journal::Head) -> LogHead {
    LogHead {
        log_id: head.log.as_bytes().to_vec(),
        size: i64::try_from(head.size).unwrap_or(i64::MAX),
        root: head.root.to_vec(),
    }
}
