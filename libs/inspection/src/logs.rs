//! The logs of a database as far as the journal's own check does not look: that a log is the one of its
//! scope, is closed when its records say so, that each state is the fold of its events, and that what is
//! remembered of commands fits the records.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use sunbid_contracts::{
    bid::v1::{BiddingClosed, BiddingEnded},
    common::v1::Record,
    opening::v1::SharesRefused,
    registry::v1::SessionEnded,
};
use sunbid_domain::{
    Aggregate, Event,
    bid::{Intake, OwnBid, TenderBox},
    deposit::{DepositAccount, Terms},
    notice::{Board, IntentState, Questions},
    opening::SessionState,
    registry::{OrganizationState, SubjectState},
    tender::Dossier,
};
use sunbid_journal::{Db, LogId, ReadError, StreamId, Val};
use sunbid_proofs::{Hash, merkle::Frontier};
use sunbid_terms::Instant;

use crate::{Report, literal};

/// How scopes of access logs begin, which every service has.
pub(crate) const ACCESS: &str = "access/";
/// Why a session ended whose refresh token came twice.
const USED_TWICE: &str = "its refresh token was used twice";

const HEADS: &str = "SELECT log_id, scope, size, closed FROM journal_head ORDER BY log_id";
const ENTRIES: &str = "SELECT seq, stream_id, at_us, leaf, body FROM journal WHERE log_id = $1 \
     AND seq >= $2 ORDER BY seq LIMIT 500";
const STATES: &str =
    "SELECT log_id, stream_id, quote(body) FROM stream_state ORDER BY log_id, stream_id";
const SEEN: &str = "SELECT quote(log_id) || ',' || quote(command_id) || ',' || quote(first_seq) \
     || ',' || quote(events) || ',' || quote(at_us) FROM command_seen";

/// One record whose body is there.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub stream: StreamId,
    pub at: Instant,
    pub record: Record,
}

impl Entry {
    pub fn event(&self) -> Event {
        Event {
            name: self.record.r#type.clone(),
            bytes: self.record.event.clone(),
        }
    }

    pub fn read<M: Message + prost::Name + Default>(&self) -> Option<M> {
        self.event().read().ok().flatten()
    }
}

/// One log, verified.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub scope: String,
    pub closed: bool,
    pub entries: Vec<Entry>,
    pub leaves: Vec<Hash>,
    pub times: Vec<i64>,
}

impl Log {
    /// The root that the log had with so many records.
    pub fn frontier(&self, size: u64) -> Option<Frontier> {
        let mut frontier = Frontier::default();
        for leaf in self.leaves.get(..usize::try_from(size).ok()?)? {
            frontier.push(*leaf);
        }
        Some(frontier)
    }

    /// The state of each stream of one kind, by folding.
    pub fn states<A: Aggregate>(&self) -> BTreeMap<StreamId, A> {
        let mut states: BTreeMap<StreamId, Option<A>> = BTreeMap::new();
        for entry in &self.entries {
            let state = states
                .entry(entry.stream)
                .or_insert_with(|| Some(A::default()));
            let evolved = state
                .take()
                .and_then(|mut state| state.evolve(&entry.event(), entry.at).ok().map(|()| state));
            *state = evolved;
        }
        let known = states.into_iter();
        known
            .filter_map(|(stream, state)| Some((stream, state?)))
            .collect()
    }
}

pub(crate) async fn read(
    service: &'static str,
    db: &Db,
    report: &mut Report,
) -> Result<BTreeMap<LogId, Log>, ReadError> {
    let mut logs = BTreeMap::new();
    for head in db.rows(HEADS, &[]).await? {
        let (id, scope, closed) = (head.blob(0)?, head.text(1)?, head.bool(3)?);
        let Some(log) = LogId::from_slice(&id) else {
            report.add(service, "walking the logs", "a log's id is not one");
            continue;
        };
        if log != LogId::of(service, &scope) {
            let what = format!("the log {log} is not that of {scope}");
            report.add(service, "walking the logs", what);
        }
        let read = read_log(db, log, scope, closed).await?;
        let closing = |entry: &Entry| {
            entry.read::<BiddingClosed>().is_some() || entry.read::<BiddingEnded>().is_some()
        };
        if service == "bid" && read.entries.iter().any(closing) != closed
            || service != "bid" && closed
        {
            let what = format!("the log of {} says it is closed: {closed}", read.scope);
            report.add(service, "walking the logs", what);
        }
        logs.insert(log, read);
    }
    states(service, db, &logs, report).await?;
    commands(service, db, &logs, report).await?;
    Ok(logs)
}

async fn read_log(db: &Db, log: LogId, scope: String, closed: bool) -> Result<Log, ReadError> {
    let mut read = Log {
        scope,
        closed,
        entries: Vec::new(),
        leaves: Vec::new(),
        times: Vec::new(),
    };
    loop {
        let next = i64::try_from(read.leaves.len()).unwrap_or(i64::MAX);
        let values = [Val::Blob(log.as_bytes().to_vec()), Val::Int(next)];
        let rows = db.rows(ENTRIES, &values).await?;
        if rows.is_empty() {
            return Ok(read);
        }
        for row in rows {
            let leaf = row.blob(3)?.try_into();
            read.leaves
                .push(leaf.map_err(|_| ReadError::Corrupt("a leaf is not 32 bytes".into()))?);
            read.times.push(row.int(2)?);
            // An erased body has nothing to be folded.
            let Some(salted) = row.opt_blob(4)? else {
                continue;
            };
            let body = salted.get(32..).unwrap_or_default();
            read.entries.push(Entry {
                stream: StreamId::from_slice(&row.blob(1)?)
                    .ok_or_else(|| ReadError::Corrupt("a stream's id is not one".into()))?,
                at: Instant::from_micros(row.int(2)?),
                record: Record::decode(body)
                    .map_err(|error| ReadError::Corrupt(error.to_string()))?,
            });
        }
    }
}

/// Folds every stream as each kind of state that its service knows, and compares.
async fn states(
    service: &'static str,
    db: &Db,
    logs: &BTreeMap<LogId, Log>,
    report: &mut Report,
) -> Result<(), ReadError> {
    let mut folded: HashMap<(LogId, StreamId), Vec<String>> = HashMap::new();
    // Nobody decides on what access logs hold.
    let decided = logs
        .iter()
        .filter(|(_, read)| !read.scope.starts_with(ACCESS));
    for (log, read) in decided {
        match service {
            "registry" => {
                fold::<OrganizationState>(*log, read, &mut folded);
                fold::<SubjectState>(*log, read, &mut folded);
            }
            "notice" => {
                fold::<Board>(*log, read, &mut folded);
                fold::<IntentState>(*log, read, &mut folded);
                fold::<Questions>(*log, read, &mut folded);
            }
            "tender" => fold::<Dossier>(*log, read, &mut folded),
            "deposit" => {
                fold::<DepositAccount>(*log, read, &mut folded);
                fold::<Terms>(*log, read, &mut folded);
            }
            "bid" => {
                fold::<TenderBox>(*log, read, &mut folded);
                fold::<OwnBid>(*log, read, &mut folded);
                fold::<Intake>(*log, read, &mut folded);
            }
            "opening" => fold::<SessionState>(*log, read, &mut folded),
            _ => {}
        }
    }
    for row in db.rows(STATES, &[]).await? {
        let ids = (
            LogId::from_slice(&row.blob(0)?),
            StreamId::from_slice(&row.blob(1)?),
        );
        let (Some(log), Some(stream)) = ids else {
            report.add(service, "folding states", "a state's id is not one");
            continue;
        };
        report.rows += 1;
        let found = row.text(2)?;
        // Streams that nobody decides on have no state; those of other kinds do not fold as any.
        let fits = match folded.get(&(log, stream)) {
            None => found == "NULL",
            Some(states) => states.contains(&found),
        };
        if !fits {
            let what =
                format!("the state of stream {stream} of log {log} is not the fold of its events");
            report.add(service, "folding states", what);
        }
    }
    Ok(())
}

fn fold<A: Aggregate>(
    log: LogId,
    read: &Log,
    folded: &mut HashMap<(LogId, StreamId), Vec<String>>,
) {
    for (stream, state) in read.states::<A>() {
        let body = literal::blob(&state.encode_to_vec());
        folded.entry((log, stream)).or_default().push(body);
    }
}

/// What is remembered of commands: where their records begin, how many and when. What the caller was
/// answered is not in any record; [`crate::stillness`] covers it.
async fn commands(
    service: &'static str,
    db: &Db,
    logs: &BTreeMap<LogId, Log>,
    report: &mut Report,
) -> Result<(), ReadError> {
    let mut expected = Vec::new();
    let mut may_lack = Vec::new();
    for (log, read) in logs {
        if read.entries.len() != read.leaves.len() {
            continue;
        }
        let mut at = 0;
        while let Some(first) = read.entries.get(at) {
            let own = read.entries.iter().skip(at);
            let events = own
                .take_while(|entry| entry.record.command_id == first.record.command_id)
                .count();
            let row = literal::row(&[
                literal::blob(log.as_bytes()),
                literal::blob(&first.record.command_id),
                at.to_string(),
                events.to_string(),
                first.at.micros().to_string(),
            ]);
            // A late bid closes the log, a false share is kept, a refresh token used twice ends its
            // session; all are refused, not remembered.
            let used_twice = |ended: SessionEnded| ended.reason == USED_TWICE;
            let refused = first.read::<BiddingClosed>().is_some()
                || first.read::<SharesRefused>().is_some()
                || first.read::<SessionEnded>().is_some_and(used_twice);
            if refused {
                may_lack.push(row);
            } else {
                expected.push(row);
            }
            at += events;
        }
    }
    let found = literal::rows(db, SEEN).await?;
    // Commands that led to nothing are remembered too.
    let found: Vec<String> = found
        .into_iter()
        .filter(|row| row.split(',').nth(3) != Some("0") && !may_lack.contains(row))
        .collect();
    report.compare(service, "command_seen", &found, &mut expected);
    Ok(())
}
