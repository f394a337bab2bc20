//! Reading what a batch needs and writing what it decided, with few statements.

use std::collections::{BTreeMap, BTreeSet};

use sunbid_proofs::merkle::{Frontier, empty_root};
use sunbid_proofs::{CommandId, LogId, StreamId};
use sunbid_terms::Instant;

use super::Job;
use super::group::Group;
use crate::command::{Head, Reads};
use crate::db::{Many, Row, Tx, Val};
use crate::error::ReadError;
use crate::rows::{self, StoredHead, blob};

/// What a batch needs to know before anything of it is decided.
pub(super) struct Needs {
    /// The logs, each with the scope it gets if it is new.
    scopes: BTreeMap<LogId, String>,
    /// The logs of which all states are read.
    whole: BTreeSet<LogId>,
    /// The single states that are read.
    single: BTreeSet<(LogId, StreamId)>,
    commands: Vec<(LogId, CommandId)>,
}

impl Needs {
    pub fn of(jobs: &[Job]) -> Self {
        let mut needs = Self {
            scopes: BTreeMap::new(),
            whole: BTreeSet::new(),
            single: BTreeSet::new(),
            commands: Vec::with_capacity(jobs.len()),
        };
        for Job { command, .. } in jobs {
            let scope = needs.scopes.entry(command.log);
            scope.or_insert_with(|| command.scope.clone());
            match &command.reads {
                Reads::WholeLog => {
                    needs.whole.insert(command.log);
                }
                Reads::Streams(streams) => {
                    let pairs = streams.iter().map(|stream| (command.log, *stream));
                    needs.single.extend(pairs);
                }
            }
            needs.commands.push((command.log, command.id));
        }
        needs
    }
}

/// Heads first, then what the commands read, then which commands were seen before.
pub(super) async fn load(
    tx: &mut Tx,
    shared: bool,
    mut needs: Needs,
) -> Result<BTreeMap<LogId, Group>, ReadError> {
    let logs = needs.scopes.keys();
    let mut groups: BTreeMap<LogId, Group> = logs.map(|log| (*log, Group::new(*log))).collect();
    let logs: Vec<Val> = groups.keys().map(|log| blob(log.as_bytes())).collect();
    let mut found = tx.find_many(&rows::FIND_HEADS, &logs).await?;
    if shared {
        found.extend(reserve(tx, &needs.scopes, &found).await?);
    }
    for row in found {
        let stored = rows::stored_head(&row)?;
        if let Some(group) = groups.get_mut(&stored.head.log) {
            group.begin_at(stored);
        }
    }
    // A log without records has no states.
    let known = |log: &LogId| groups.get(log).is_some_and(|group| group.base_size() > 0);
    needs.whole.retain(known);
    needs
        .single
        .retain(|(log, _)| known(log) && !needs.whole.contains(log));
    find_states(tx, &needs, &mut groups).await?;
    find_seen(tx, &needs, &mut groups).await?;
    Ok(groups)
}

/// Makes logs that do not exist yet lockable, and locks them. Whoever comes second waits here.
async fn reserve(
    tx: &mut Tx,
    scopes: &BTreeMap<LogId, String>,
    found: &[Row],
) -> Result<Vec<Row>, ReadError> {
    let mut known = BTreeSet::new();
    for row in found {
        known.insert(rows::log_id(&row.blob(0)?)?);
    }
    let new = scopes.iter().filter(|(log, _)| !known.contains(log));
    let (ids, reservations): (Vec<Val>, Vec<[Val; 7]>) = new
        .map(|(log, scope)| (blob(log.as_bytes()), reservation(*log, scope).values()))
        .unzip();
    let reservations: Vec<Val> = reservations.into_iter().flatten().collect();
    tx.write_many(&rows::RESERVE_HEADS, &reservations).await?;
    tx.find_many(&rows::FIND_HEADS, &ids).await
}

fn reservation(log: LogId, scope: &str) -> StoredHead {
    StoredHead {
        head: Head {
            log,
            scope: scope.to_owned(),
            size: 0,
            root: empty_root(),
            last: Instant::from_micros(0),
            closed: false,
        },
        frontier: Frontier::new(),
    }
}

async fn find_states(
    tx: &mut Tx,
    needs: &Needs,
    groups: &mut BTreeMap<LogId, Group>,
) -> Result<(), ReadError> {
    let pairs: Vec<Val> = needs
        .single
        .iter()
        .flat_map(|(log, stream)| [blob(log.as_bytes()), blob(stream.as_bytes())])
        .collect();
    let mut found = tx.find_many(&rows::FIND_STATES, &pairs).await?;
    for log in &needs.whole {
        let values = [blob(log.as_bytes())];
        found.extend(tx.rows(rows::FIND_ALL_STATES, &values).await?);
        if let Some(group) = groups.get_mut(log) {
            group.know_all_streams();
        }
    }
    for (log, stream) in &needs.single {
        if let Some(group) = groups.get_mut(log) {
            group.know_stream(*stream);
        }
    }
    for row in &found {
        let state = rows::state_row(row)?;
        if let Some(group) = groups.get_mut(&state.log) {
            group.load_state(state);
        }
    }
    Ok(())
}

async fn find_seen(
    tx: &mut Tx,
    needs: &Needs,
    groups: &mut BTreeMap<LogId, Group>,
) -> Result<(), ReadError> {
    let pairs: Vec<Val> = needs
        .commands
        .iter()
        .flat_map(|(log, id)| [blob(log.as_bytes()), blob(id.as_bytes())])
        .collect();
    for row in tx.find_many(&rows::FIND_SEEN, &pairs).await? {
        let log = rows::log_id(&row.blob(0)?)?;
        let Some(group) = groups.get_mut(&log) else {
            continue;
        };
        let id = rows::command_id(&row.blob(1)?)?;
        let (first, events) = (row.count(4)?, row.count(5)?);
        let mut entries = Vec::new();
        if events > 0 {
            let values = [blob(log.as_bytes()), rows::int(first), rows::int(events)];
            for row in tx.rows(rows::ENTRIES, &values).await? {
                entries.push(rows::entry(&row)?.reference(log));
            }
        }
        group.load_seen(id, rows::hash(&row.blob(2)?)?, row.blob(3)?, entries);
    }
    Ok(())
}

/// The rows that commands add, of one statement together.
fn additions(groups: &[Group]) -> Vec<(&'static Many, Vec<Val>)> {
    let mut by_statement: BTreeMap<&'static str, (&'static Many, Vec<Val>)> = BTreeMap::new();
    for addition in groups.iter().flat_map(Group::additions) {
        let (_, values) = by_statement
            .entry(addition.into.sql)
            .or_insert_with(|| (addition.into, Vec::new()));
        values.extend_from_slice(&addition.values);
    }
    by_statement.into_values().collect()
}

/// Writes the batch; rows of one table go together, sorted by log and place.
pub(super) async fn write(tx: &mut Tx, groups: &[Group]) -> Result<(), ReadError> {
    let (mut entries, mut seen, mut states, mut heads) = Default::default();
    for group in groups {
        group.collect(&mut entries, &mut seen, &mut states, &mut heads);
    }
    tx.write_many(&rows::ADD_ENTRIES, &entries).await?;
    tx.write_many(&rows::ADD_SEEN, &seen).await?;
    tx.write_many(&rows::SET_STATES, &states).await?;
    tx.write_many(&rows::SET_HEADS, &heads).await?;
    for (into, values) in additions(groups) {
        tx.write_many(into, &values).await?;
    }
    for group in groups.iter().filter(|group| group.stays_reserved()) {
        tx.exec(rows::DROP_RESERVED, &[blob(group.log().as_bytes())])
            .await?;
    }
    Ok(())
}
