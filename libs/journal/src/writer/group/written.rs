//! What a group leaves in the tables.

use super::Group;
use crate::command::Addition;
use crate::db::{Tx, Val};
use crate::error::ReadError;
use crate::rows::{self, blob, int};

impl Group {
    pub fn writes_anything(&self) -> bool {
        !self.entries.is_empty()
            || !self.remembered.is_empty()
            || !self.writes.is_empty()
            || !self.additions.is_empty()
    }

    /// Whether the row that reserved the log must go again.
    pub const fn stays_reserved(&self) -> bool {
        self.reserved && self.current.is_none()
    }

    /// The rows that this log's commands add to the service's own tables.
    pub fn additions(&self) -> &[Addition] {
        &self.additions
    }

    /// Adds this log's rows to those of the batch.
    pub fn collect(
        &self,
        entries: &mut Vec<Val>,
        seen: &mut Vec<Val>,
        states: &mut Vec<Val>,
        heads: &mut Vec<Val>,
    ) {
        let log = || blob(self.log.as_bytes());
        for entry in &self.entries {
            entries.extend([
                log(),
                int(entry.place.seq),
                blob(entry.place.stream.as_bytes()),
                int(entry.place.version),
                Val::Int(entry.place.at.micros()),
                blob(&entry.place.leaf),
                blob(&entry.record),
                blob(&entry.salted_body),
            ]);
        }
        for id in &self.remembered {
            let Some(command) = self.seen.get(id) else {
                continue;
            };
            seen.extend([
                log(),
                blob(id.as_bytes()),
                blob(&command.digest),
                blob(&command.reply),
                int(command.entries.first().map_or(0, |entry| entry.seq)),
                int(command.entries.len() as u64),
                Val::Int(command.at.micros()),
            ]);
        }
        for stream in &self.touched {
            let body = self.states.get(stream).map(|state| blob(&state.body));
            states.extend([
                log(),
                blob(stream.as_bytes()),
                int(self.versions.get(stream).copied().unwrap_or(0)),
                body.unwrap_or(Val::Null),
            ]);
        }
        if let Some(stored) = self.current.as_ref().filter(|_| !self.entries.is_empty()) {
            heads.extend(stored.values());
        }
    }

    /// Brings a new transaction to where this log's decisions were made: the head is the same, and
    /// the commands' statements are run again.
    pub async fn restore(&self, tx: &mut Tx) -> Result<(), ReadError> {
        let found = tx
            .find_many(&rows::FIND_HEADS, &[blob(self.log.as_bytes())])
            .await?;
        let found = found.first().map(rows::stored_head).transpose()?;
        let found = found.map(|stored| stored.head).filter(|head| head.size > 0);
        if found.as_ref() != self.base.as_ref().map(|stored| &stored.head) {
            return Err(ReadError::Contention(format!(
                "the log {} has moved on",
                self.log
            )));
        }
        for write in &self.writes {
            tx.exec(write.sql, &write.values).await?;
        }
        Ok(())
    }
}
