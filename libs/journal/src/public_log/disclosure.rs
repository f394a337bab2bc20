//! Handing out a log after the opening: every record, and the bodies that may be seen.

use sunbid_proofs::LogId;

use crate::command::{Entry, Head};
use crate::error::ReadError;
use crate::journal::Journal;

/// Entries read at a time.
const PAGE: u32 = 512;

/// A log as it is handed out. All records are there, so the root can be recomputed; a body that is
/// withheld leaves its salted digest in the record.
#[derive(Clone, Debug)]
pub struct Disclosure {
    pub head: Head,
    pub entries: Vec<Entry>,
}

impl Journal {
    /// The first `up_to` entries of a log, or all if there are fewer. `keeps` says whose body is
    /// handed out. Nothing if there is no such log.
    pub async fn disclose<K>(
        &self,
        log: LogId,
        up_to: u64,
        keeps: K,
    ) -> Result<Option<Disclosure>, ReadError>
    where
        K: Fn(&Entry) -> bool + Send,
    {
        let Some(head) = self.head(log).await? else {
            return Ok(None);
        };
        let end = up_to.min(head.size);
        let mut entries: Vec<Entry> = Vec::new();
        while (entries.len() as u64) < end {
            let from = entries.len() as u64;
            let limit = u32::try_from(end - from).unwrap_or(PAGE).min(PAGE);
            let page = self.read(log, from, limit).await?;
            if page.is_empty() {
                let what = format!("the log {log} has no record {from}");
                return Err(ReadError::Corrupt(what));
            }
            entries.extend(page.into_iter().map(|mut entry| {
                if !keeps(&entry) {
                    entry.salted_body = None;
                }
                entry
            }));
        }
        Ok(Some(Disclosure { head, entries }))
    }
}
