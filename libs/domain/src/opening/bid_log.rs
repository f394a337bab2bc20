//! A log as it is handed over, read record by record: nothing is believed that the records do not
//! bind. From here on there are events in their order, and the head that they add up to.

use std::collections::HashMap;

use prost::Message;
use sunbid_contracts::common::v1::{LogHead, Record as Body};
use sunbid_contracts::journal::v1::LogEntry;
use sunbid_proofs::hash::Hash;
use sunbid_proofs::merkle::Frontier;
use sunbid_proofs::record::{Record, SALT_LENGTH, leaf};
use sunbid_proofs::{LogId, StreamId};
use sunbid_terms::Instant;

use crate::Event;

/// An event with its place and time in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    pub seq: u64,
    pub at: Instant,
    pub event: Event,
}

/// A log whose records were all checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BidLog {
    pub log: LogId,
    pub events: Vec<LoggedEvent>,
    /// The leaf of every record, in order.
    pub leaves: Vec<Hash>,
    pub root: Hash,
}

/// Why records are not a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    #[error("record {seq} is not a record of this version")]
    Record { seq: u64 },
    #[error("record {found} stands where record {expected} belongs")]
    Order { expected: u64, found: u64 },
    #[error("record {seq} belongs to another log")]
    OtherLog { seq: u64 },
    #[error("the time of record {seq} is before the time of the record before it")]
    Time { seq: u64 },
    #[error("record {seq} has version {found} of its stream, where {expected} belongs")]
    Version { seq: u64, expected: u64, found: u64 },
    #[error("the body of record {seq} is withheld")]
    Withheld { seq: u64 },
    #[error("the body of record {seq} is not the one the record was made for")]
    Body { seq: u64 },
    #[error("the log's head is not the one that was named: {what}")]
    Head { what: String },
}

impl BidLog {
    /// Reads a whole log from its first record on; every body must be there.
    pub fn read(log: LogId, entries: &[LogEntry]) -> Result<Self, LogFault> {
        let mut frontier = Frontier::new();
        let mut leaves = Vec::with_capacity(entries.len());
        let mut events = Vec::with_capacity(entries.len());
        let mut versions: HashMap<StreamId, u64> = HashMap::new();
        let mut last = i64::MIN;
        for (entry, seq) in entries.iter().zip(0_u64..) {
            let record = Record::decode(&entry.record).ok_or(LogFault::Record { seq })?;
            let header = record.header;
            if header.seq != seq {
                return Err(LogFault::Order {
                    expected: seq,
                    found: header.seq,
                });
            }
            if header.log != log {
                return Err(LogFault::OtherLog { seq });
            }
            if header.at < last {
                return Err(LogFault::Time { seq });
            }
            last = header.at;
            let version = versions.entry(header.stream).or_default();
            *version += 1;
            if header.version != *version {
                return Err(LogFault::Version {
                    seq,
                    expected: *version,
                    found: header.version,
                });
            }
            let salted = entry
                .salted_body
                .as_deref()
                .ok_or(LogFault::Withheld { seq })?;
            if !record.body_matches(salted) {
                return Err(LogFault::Body { seq });
            }
            let body = Body::decode(salted.get(SALT_LENGTH..).unwrap_or_default())
                .map_err(|_| LogFault::Body { seq })?;
            let leaf = leaf(&entry.record);
            frontier.push(leaf);
            leaves.push(leaf);
            let event = Event {
                name: body.r#type,
                bytes: body.event,
            };
            events.push(LoggedEvent {
                seq,
                at: Instant::from_micros(header.at),
                event,
            });
        }
        Ok(Self {
            log,
            events,
            leaves,
            root: frontier.root(),
        })
    }

    /// The head that the records add up to.
    pub fn head(&self) -> LogHead {
        LogHead {
            log_id: self.log.as_bytes().to_vec(),
            size: i64::try_from(self.events.len()).unwrap_or(i64::MAX),
            root: self.root.to_vec(),
        }
    }

    /// Refuses unless the records add up to exactly this head.
    pub fn agrees_with(&self, head: &LogHead) -> Result<(), LogFault> {
        let own = self.head();
        let fault = |what| Err(LogFault::Head { what });
        if own.log_id != head.log_id {
            return fault("it is another log's".to_owned());
        }
        if own.size != head.size {
            return fault(format!(
                "it has {} records, here are {}",
                head.size, own.size
            ));
        }
        if own.root != head.root {
            return fault("its root differs".to_owned());
        }
        Ok(())
    }
}
