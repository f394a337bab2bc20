//! What no record leads to - answers to commands, cursors, cosignatures, uploads, secrets of people,
//! the proof that bids can be taken - is signed as it stands when the platform stops, and compared before
//! it starts again. Says nothing of a platform that did not stop in order.

use std::collections::BTreeMap;

use sunbid_journal::{Db, ReadError};
use sunbid_proofs::{Note, NoteError, Signer, Verifier, sha256};

use crate::{Report, literal};

/// Tables, and what gives their rows; a table that a service does not have is left out.
const TABLES: &[(&str, &str)] = &[
    (
        "command_seen",
        "SELECT quote(log_id) || quote(command_id) || quote(digest) || quote(reply) \
         || quote(first_seq) || quote(events) || quote(at_us) FROM command_seen ORDER BY log_id, command_id",
    ),
    (
        "consumer_cursor",
        "SELECT quote(consumer) || quote(log_id) || quote(next_seq) FROM consumer_cursor \
         ORDER BY consumer, log_id",
    ),
    (
        "lease",
        "SELECT quote(name) || quote(holder) || quote(term) || quote(beat) FROM lease ORDER BY name",
    ),
    (
        "cosignature",
        "SELECT quote(witness) || quote(size) || quote(seconds) || quote(line) FROM cosignature \
         ORDER BY witness, size",
    ),
    (
        "fault",
        "SELECT quote(service) || quote(log_id) || quote(seq) || quote(fault) || quote(found_us) \
         FROM fault ORDER BY service, log_id, seq",
    ),
    (
        "mirror",
        "SELECT quote(service) || quote(log_id) || quote(scope) || quote(size) || quote(frontier) \
         || quote(last_us) || quote(closed) FROM mirror ORDER BY service, log_id",
    ),
    (
        "reservation",
        "SELECT quote(tender) || quote(notice) || quote(until_us) FROM reservation ORDER BY tender",
    ),
    (
        "upload",
        "SELECT quote(organization) || quote(tender) || quote(lot_id) || quote(root) \
         || quote(payload_bytes) || quote(committed_bytes) || quote(complete) || quote(file) \
         || quote(claimed) || quote(touched_us) FROM upload \
         ORDER BY organization, tender, lot_id, root",
    ),
    (
        "upload_piece",
        "SELECT quote(file) || quote(number) || quote(piece) || quote(leaves) FROM upload_piece \
         ORDER BY file, number",
    ),
    // With what uploads say of their files since there is this table.
    (
        "discarded",
        "SELECT quote(file) || ',' || quote(remote) FROM discarded UNION ALL \
         SELECT quote(file) || ',' || quote(by_root) || ',' || quote(remote) FROM upload ORDER BY 1",
    ),
    (
        "account",
        "SELECT quote(subject) || quote(version) || quote(password) || quote(passkeys) FROM account \
         ORDER BY subject",
    ),
    (
        "attempt",
        "SELECT quote(account) || quote(failures) || quote(blocked_until_us) || quote(last_us) \
         FROM attempt ORDER BY account",
    ),
    (
        "intake_proof",
        "SELECT quote(name) || quote(at_us) || quote(boot) || quote(steady_us) || quote(beat) \
         FROM intake_proof ORDER BY name",
    ),
    (
        "intake_outage",
        "SELECT quote(seq) || ',' || quote(settled) FROM intake_outage ORDER BY seq",
    ),
    (
        "holder_seen",
        "SELECT quote(organization) || quote(seen_us) FROM holder_seen ORDER BY organization",
    ),
];

/// Digests of tables, by "service table".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stillness(BTreeMap<String, String>);

/// The digests of one service's tables.
pub async fn contents(db: &Db) -> Result<BTreeMap<&'static str, String>, ReadError> {
    let there = literal::tables(db).await?;
    let mut digests = BTreeMap::new();
    for (table, sql) in TABLES {
        if literal::has(&there, table) {
            let rows = literal::rows(db, sql).await?;
            digests.insert(*table, hex::encode(sha256(&[rows.join("\n").as_bytes()])));
        }
    }
    Ok(digests)
}

impl Stillness {
    pub fn add(&mut self, service: &str, contents: BTreeMap<&'static str, String>) {
        for (table, digest) in contents {
            self.0.insert(format!("{service} {table}"), digest);
        }
    }

    /// The signed note that stands in the installation's folder.
    pub fn sign(&self, signer: &Signer) -> Result<String, NoteError> {
        let lines = self
            .0
            .iter()
            .map(|(table, digest)| format!("{table} {digest}\n"));
        let text = format!("stillness\n{}", lines.collect::<String>());
        let signatures = vec![signer.sign(&text)?];
        Ok(Note { text, signatures }.format())
    }

    pub fn open(note: &[u8], verifier: &Verifier) -> Result<Self, NoteError> {
        let note = Note::parse(note)?;
        note.verify(verifier)?;
        let form = NoteError::Form("it is not what is signed when a platform stops");
        let lines = note.text.strip_prefix("stillness\n").ok_or(form.clone())?;
        let lines = lines.lines().map(|line| line.rsplit_once(' '));
        let lines = lines.map(|line| line.map(|(table, digest)| (table.into(), digest.into())));
        lines.collect::<Option<_>>().map(Self).ok_or(form)
    }

    pub(crate) fn compare(
        &self,
        service: &str,
        found: &BTreeMap<&'static str, String>,
        report: &mut Report,
    ) {
        let signed = self.0.keys().filter_map(|one| one.split_once(' '));
        for (_, table) in signed.filter(|(own, _)| *own == service) {
            if !found.contains_key(table) {
                let what =
                    format!("table {table} is gone, which was there when the platform stopped");
                report.add(service, "what was signed at the stop", what);
            }
        }
        for (table, digest) in found {
            if self.0.get(&format!("{service} {table}")) != Some(digest) {
                let what = format!("table {table} is not as it was when the platform stopped");
                report.add(service, "what was signed at the stop", what);
            }
        }
    }
}
