//! The opening record made anew: secrets combined, sheets decrypted, lines written as the platform
//! should have written them, and compared with what it published.

use std::collections::{BTreeMap, BTreeSet};

use sunbid_contracts::opening::v1::{OpeningLine, OpeningRecord};
use sunbid_domain::opening::record::{self, SheetOutcome, open_sheet};
use sunbid_domain::opening::{CheckedBids, ClosedBids, parallel};
use sunbid_sealing::SharedSecret;

use crate::fault::Fault;
use crate::log::Entry;
use crate::report::Tally;
use crate::session::Walk;
use crate::shares::Proven;

impl Walk<'_> {
    pub(crate) fn published(
        &mut self,
        entry: &Entry,
        said: OpeningRecord,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        if self.record.is_some() {
            return Err(self.fault(entry, "The opening record was published twice."));
        }
        let (closed, bids) = self.closed(entry)?;
        if said.opened_time_us != entry.at.micros() {
            return Err(self.differs(
                entry,
                "opened_time_us",
                "its time is not that of its record",
            ));
        }
        let secrets = self.secrets(entry, closed, bids, &said.holders_used)?;
        let (outcomes, envelopes) = self.outcomes(bids, &secrets, &said);
        let draft = record::draft(closed, &bids.sheets, &outcomes, said.holders_used.clone());
        let again = record::complete(
            draft,
            entry.at,
            &self.state.checked_in,
            self.state.holder_faults(entry.at),
        );
        if again != said {
            return Err(self.explain(entry, &said, &again));
        }
        tally.add(
            "解密并核对的开标一览表",
            "opening sheets decrypted and compared",
            outcomes.len(),
        );
        self.envelopes = envelopes;
        self.record = Some(said);
        Ok(())
    }

    /// The sheets' secrets, by exactly the holders that the record names, or by rescue.
    fn secrets(
        &self,
        entry: &Entry,
        closed: &ClosedBids,
        bids: &CheckedBids,
        used: &[i32],
    ) -> Result<Vec<SharedSecret>, Fault> {
        let opening = self.opening(closed, bids)?;
        let secrets = if used.is_empty() {
            opening.rescued(&self.rescues)
        } else {
            let distinct: BTreeSet<&i32> = used.iter().collect();
            let proven: Vec<&Proven> = self
                .proven
                .iter()
                .filter(|p| distinct.contains(&p.index))
                .collect();
            if distinct.len() != used.len() || proven.len() != used.len() {
                return Err(self.fault(
                    entry,
                    "The record names holders whose shares were not accepted.",
                ));
            }
            opening.combined(&proven)
        };
        secrets.map_err(|cause| {
            self.fault(
                entry,
                &format!("The sheets cannot have been opened: {cause}"),
            )
        })
    }

    /// What every envelope holds. Bytes that are not disclosed are taken for lost where the record
    /// lays the fault to the store; else they are missing from the records.
    fn outcomes(
        &self,
        bids: &CheckedBids,
        secrets: &[SharedSecret],
        said: &OpeningRecord,
    ) -> (Vec<SheetOutcome>, BTreeSet<String>) {
        let lines: BTreeMap<&[u8], (&str, &str)> = said
            .lots
            .iter()
            .flat_map(|lot| &lot.lines)
            .map(|line| {
                (
                    line.header_id.as_slice(),
                    (line.fault_note_zh.as_str(), line.fault_note_en.as_str()),
                )
            })
            .collect();
        let work: Vec<_> = bids.sheets.iter().zip(secrets).collect();
        let opened = parallel::map(&work, |(sheet, secret)| {
            let path = format!(
                "envelopes/{}.sealed",
                hex::encode(sheet.header.payload_root())
            );
            match self.ground.files.content(&path) {
                Some(bytes) => (open_sheet(&sheet.header, secret, Ok(bytes)), Some(path)),
                None => {
                    // The store's own words are the only thing here that nothing can be made from.
                    let prefix = "The store does not have the sealed bytes: ";
                    let note = lines
                        .get(sheet.header.id().as_slice())
                        .map_or("", |(_, en)| *en);
                    let cause = note.strip_prefix(prefix).unwrap_or("not disclosed");
                    (open_sheet(&sheet.header, secret, Err(cause)), None)
                }
            }
        });
        let (outcomes, paths): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        (outcomes, paths.into_iter().flatten().collect())
    }

    /// Says where two records part.
    fn explain(&self, entry: &Entry, said: &OpeningRecord, again: &OpeningRecord) -> Fault {
        let lines = |record: &OpeningRecord| {
            record
                .lots
                .iter()
                .flat_map(|lot| lot.lines.clone())
                .collect::<Vec<_>>()
        };
        let (ours, theirs) = (lines(again), lines(said));
        if let Some((one, other)) = ours.iter().zip(&theirs).find(|(one, other)| one != other) {
            return self.differs(
                entry,
                &other.bidder,
                &format!(
                    "it says {:?} where the envelope says {:?}",
                    values(other),
                    values(one)
                ),
            );
        }
        if ours.len() != theirs.len() {
            return self.differs(
                entry,
                "lines",
                &format!(
                    "it has {} lines where {} bids were opened",
                    theirs.len(),
                    ours.len()
                ),
            );
        }
        if said.holder_faults != again.holder_faults {
            return self.differs(
                entry,
                "holder_faults",
                "the holders it blames are not those the log blames",
            );
        }
        self.differs(
            entry,
            "head",
            "its title, times, closing or lots are not those of the closed bids",
        )
    }

    fn differs(&self, entry: &Entry, what: &str, how: &str) -> Fault {
        self.log.fault(
            "RECORD_DIFFERS",
            entry.seq,
            format!("开标记录（{what}）与由投标和份额重新得出的不同。"),
            format!(
                "The opening record ({what}) is not the one that bids and shares lead to: {how}."
            ),
        )
    }
}

fn values(line: &OpeningLine) -> Vec<String> {
    let mut said: Vec<String> = line
        .values
        .iter()
        .map(|v| format!("{}={}", v.key, v.value))
        .collect();
    if !line.fault_note_en.is_empty() {
        said.push(line.fault_note_en.clone());
    }
    said
}
