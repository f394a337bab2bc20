//! The audit's own database: its view of every log against the logs, and the whole public log - heads,
//! blinded leaves, roots, tiles, checkpoints, cosignatures - computed again.

use std::collections::BTreeMap;

use sunbid_contracts::audit::v1::LogFaultFound;
use sunbid_journal::{LogId, ReadError};
use sunbid_proofs::{
    Checkpoint, EpochLeaf, Hash, Note, Signature, Verifier, blind, cosignature,
    merkle::{Frontier, root_of},
};

use crate::{Inspected, Knowledge, Report, literal, logs::Log};

const MIRROR: &str =
    "SELECT service, log_id, scope, size, frontier, last_us, closed FROM mirror ORDER BY 1, 2";
const FAULTS: &str = "SELECT quote(service) || ',' || quote(log_id) || ',' || quote(seq) || ',' \
     || quote(fault) FROM fault";
const HEADS: &str = "SELECT log_id, n, size, root FROM epoch_head ORDER BY n, log_id";
const EPOCHS: &str = "SELECT n, at_us, root, checkpoint FROM epoch ORDER BY n";
const NODES: &str = "SELECT quote(level) || ',' || quote(n) || ',' || quote(hash) FROM public_node";
const COSIGNATURES: &str = "SELECT witness, size, seconds, line FROM cosignature";
const WIDTH: usize = 256;

type Logs = BTreeMap<&'static str, BTreeMap<LogId, Log>>;

pub(crate) async fn check(
    audit: &Inspected,
    logs: &Logs,
    knowledge: &Knowledge<'_>,
    report: &mut Report,
) -> Result<(), ReadError> {
    mirror(audit, logs, report).await?;
    let notes = public_log(audit, logs, knowledge, report).await?;
    const BY: &str = "signatures of witnesses";
    let cosignatures = audit.journal.db().rows(COSIGNATURES, &[]).await?;
    witnessed(knowledge, &notes, !cosignatures.is_empty(), report);
    for row in cosignatures {
        report.rows += 1;
        let (witness, size) = (row.text(0)?, row.int(1)?);
        let cosigned = || {
            let witness = Verifier::parse(&witness).ok()?;
            let note: &Note = notes.get(usize::try_from(size.checked_sub(1)?).ok()?)?;
            let line = Signature::parse_line(&row.text(3).ok()?).ok()?;
            let found = cosignature::verify(&witness, &note.text, &line).ok()?;
            (i64::try_from(found.time).ok()? == row.int(2).ok()?).then_some(())
        };
        if cosigned().is_none() {
            let what = format!("the cosignature of {witness} at size {size} does not verify");
            report.add("audit", BY, what);
        }
    }
    Ok(())
}

async fn mirror(audit: &Inspected, logs: &Logs, report: &mut Report) -> Result<(), ReadError> {
    const BY: &str = "comparing the audit's view with the logs";
    for row in audit.journal.db().rows(MIRROR, &[]).await? {
        report.rows += 1;
        let (service, scope, size) = (row.text(0)?, row.text(2)?, row.int(3)?);
        let log = LogId::from_slice(&row.blob(1)?);
        let read = log.and_then(|log| logs.get(service.as_str())?.get(&log));
        let fits = || {
            let read = read?;
            let size = u64::try_from(size).ok()?;
            let frontier = read.frontier(size)?;
            let last = usize::try_from(size.checked_sub(1)?).ok()?;
            let whole = size == read.leaves.len() as u64;
            let same = read.scope == scope
                && frontier.to_bytes() == row.blob(4).ok()?
                && *read.times.get(last)? == row.int(5).ok()?
                && (!whole || row.bool(6).ok()? == read.closed);
            same.then_some(())
        };
        if fits().is_none() {
            let have = read.map_or(0, |read| read.leaves.len());
            let what = format!(
                "the audit saw {size} records of {scope} at {service}, which has {have} and not those"
            );
            report.add("audit", BY, what);
        }
    }
    let mut expected = Vec::new();
    for log in logs.get("audit").into_iter().flat_map(BTreeMap::values) {
        for found in log
            .entries
            .iter()
            .filter_map(|entry| entry.read::<LogFaultFound>())
        {
            expected.push(literal::row(&[
                literal::text(&found.service),
                literal::blob(&found.log_id),
                found.seq.to_string(),
                literal::text(&found.fault),
            ]));
        }
    }
    let found = literal::rows(audit.journal.db(), FAULTS).await?;
    report.compare("audit", "fault", &found, &mut expected);
    Ok(())
}

/// Computes the public log again; the checkpoint of each epoch.
async fn public_log(
    audit: &Inspected,
    logs: &Logs,
    knowledge: &Knowledge<'_>,
    report: &mut Report,
) -> Result<Vec<Note>, ReadError> {
    const BY: &str = "computing the public log again";
    let db = audit.journal.db();
    let mut changes: BTreeMap<i64, Vec<(LogId, u64, Option<Hash>)>> = BTreeMap::new();
    for row in db.rows(HEADS, &[]).await? {
        report.rows += 1;
        let log = LogId::from_slice(&row.blob(0)?);
        let root = row.opt_blob(3)?.map(Hash::try_from).transpose();
        let size = u64::try_from(row.int(2)?);
        match (log, root, size) {
            (Some(log), Ok(root), Ok(size)) => {
                changes
                    .entry(row.int(1)?)
                    .or_default()
                    .push((log, size, root));
            }
            _ => report.add("audit", BY, "a head of an epoch is not one"),
        }
    }
    let known: BTreeMap<LogId, &Log> = logs
        .values()
        .flat_map(|logs| logs.iter().map(|(id, log)| (*id, log)))
        .collect();
    let mut heads: BTreeMap<LogId, (u64, Hash)> = BTreeMap::new();
    let mut frontier = Frontier::default();
    let mut leaves = Vec::new();
    let mut notes = Vec::new();
    for (expected, row) in (0_i64..).zip(db.rows(EPOCHS, &[]).await?) {
        let n = row.int(0)?;
        let epoch = u64::try_from(n).unwrap_or_default();
        for (log, size, root) in changes.remove(&n).unwrap_or_default() {
            let Some(root) = root else {
                heads.remove(&log);
                continue;
            };
            let own = known.get(&log).and_then(|log| log.frontier(size));
            if own.is_none_or(|own| own.root() != root) {
                let what = format!("epoch {n} shows a head of log {log} that the log never had");
                report.add("audit", BY, what);
            }
            if heads.insert(log, (size, root)) == Some((size, root)) {
                let what = format!("epoch {n} shows log {log} anew, which had not changed");
                report.add("audit", BY, what);
            }
        }
        let mut blinded: Vec<Hash> = heads
            .iter()
            .map(|(log, (size, root))| {
                let key = blind::epoch_key(&knowledge.blinding, *log);
                blind::blinded_leaf(&blind::blind(&key, epoch), *log, *size, root)
            })
            .collect();
        let fillers = (blinded.len() as u64)..(blinded.len().next_power_of_two() as u64);
        blinded.extend(fillers.map(|at| blind::filler_leaf(&knowledge.blinding, epoch, at)));
        blinded.sort_unstable();
        let root = root_of(&blinded);
        let leaf = EpochLeaf {
            epoch,
            root,
            at: row.int(1)?,
        };
        frontier.push(leaf.leaf());
        leaves.push(leaf.leaf());
        let signed = Checkpoint::open(row.text(3)?.as_bytes(), &knowledge.log);
        let fits = n == expected
            && row.blob(2)? == root
            && signed.as_ref().is_ok_and(|(checkpoint, note)| {
                checkpoint.size == frontier.size()
                    && checkpoint.root == frontier.root()
                    && row.text(3).is_ok_and(|text| text == note.format())
            });
        if !fits {
            report.add("audit", BY, format!("epoch {expected} is not what it was"));
            return Ok(notes);
        }
        notes.extend(signed.map(|(_, note)| note));
        report.epochs += 1;
    }
    if let Some(n) = changes.keys().next() {
        report.add(
            "audit",
            BY,
            format!("there are heads of epoch {n}, which is not there"),
        );
    }
    let mut expected = Vec::new();
    let (mut level, mut nodes) = (0, leaves);
    while !nodes.is_empty() {
        for (n, hash) in nodes.iter().enumerate() {
            let row = [level.to_string(), n.to_string(), literal::blob(hash)];
            expected.push(literal::row(&row));
        }
        nodes = nodes.chunks_exact(WIDTH).map(root_of).collect();
        level += 1;
    }
    let found = literal::rows(db, NODES).await?;
    report.compare("audit", "public_node", &found, &mut expected);
    Ok(notes)
}

/// What witnesses are known to have seen, kept outside the database.
fn witnessed(knowledge: &Knowledge<'_>, notes: &[Note], cosigned: bool, report: &mut Report) {
    const BY: &str = "what witnesses saw";
    let Ok(text) = std::fs::read_to_string(knowledge.data.join("witnessed.txt")) else {
        if cosigned {
            report.add(
                "audit",
                BY,
                "witnessed.txt cannot be read, and witnesses have cosigned",
            );
        }
        return;
    };
    let known = text.trim().split_once(' ').and_then(|(size, root)| {
        let size: usize = size.parse().ok()?;
        let note = notes.get(size.checked_sub(1)?)?;
        let checkpoint = Checkpoint::parse(&note.text).ok()?;
        (hex::encode(checkpoint.root) == root).then_some(())
    });
    if known.is_none() {
        let what = format!(
            "witnesses saw the public log at {:?}; it has {} epochs here, and not those",
            text.trim(),
            notes.len()
        );
        report.add("audit", BY, what);
    }
}
