//! When bids could be taken: outages and maintenance as the intake log has them, and the proof that
//! follows them.

use prost::Message;
use sunbid_contracts::bid::v1::{IntakeBegan, IntakeEntry, MaintenanceAnnounced, OutageRecorded};
use sunbid_journal::ReadError;

use crate::{
    Inspected, Report,
    literal::{self, blob, row},
    models::{Logs, entries},
};

const OUTAGES: &str = "SELECT quote(seq)||','||quote(body) FROM intake_outage";
const LISTED: &str = "SELECT quote(seq)||','||quote(body) FROM intake_entry";
const PROOFS: &str = "SELECT name FROM intake_proof";
/// Outages are settled in their order, so none that waits stands before one that does not.
const PASSED_OVER: &str = "SELECT w.seq FROM intake_outage w WHERE w.settled = FALSE AND EXISTS \
     (SELECT 1 FROM intake_outage d WHERE d.seq > w.seq AND d.settled = TRUE)";

pub(crate) fn tables(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let (mut outages, mut listed) = (Vec::new(), Vec::new());
    for (_, entry) in entries(logs) {
        let outage = entry
            .read::<OutageRecorded>()
            .and_then(|event| event.outage);
        let maintenance = entry
            .read::<MaintenanceAnnounced>()
            .and_then(|event| event.maintenance);
        let seq = outage
            .as_ref()
            .map(|outage| outage.seq)
            .or_else(|| Some(maintenance.as_ref()?.seq));
        let Some(seq) = seq else { continue };
        if let Some(outage) = &outage {
            outages.push(row(&[seq.to_string(), blob(&outage.encode_to_vec())]));
        }
        let shown = IntakeEntry {
            outage,
            maintenance,
        };
        listed.push(row(&[seq.to_string(), blob(&shown.encode_to_vec())]));
    }
    vec![
        ("intake_outage", OUTAGES, outages),
        ("intake_entry", LISTED, listed),
    ]
}

/// There is one proof since the intake log began, and none before. What it says is renewed every second
/// without a record; [`crate::stillness`] covers it, and which outages are settled.
pub(crate) async fn proof(
    database: &Inspected,
    logs: &Logs,
    there: &[String],
    report: &mut Report,
) -> Result<(), ReadError> {
    const BY: &str = "the proof of intake against its log";
    let began = entries(logs).any(|(_, entry)| entry.read::<IntakeBegan>().is_some());
    let db = database.journal.db();
    if !literal::has(there, "intake_proof") && !began {
        return Ok(());
    }
    let rows = db.rows(PROOFS, &[]).await?;
    report.rows += rows.len() as u64;
    let mut names = Vec::new();
    for found in &rows {
        names.push(found.text(0)?);
    }
    let expected: &[&str] = if began { &["intake"] } else { &[] };
    if names != expected {
        let what = format!("there are proofs of {names:?}, and should be of {expected:?}");
        report.add(database.service, BY, what);
    }
    for found in db.rows(PASSED_OVER, &[]).await? {
        let what = format!("the outage {} was passed over", found.int(0)?);
        report.add(database.service, BY, what);
    }
    Ok(())
}
