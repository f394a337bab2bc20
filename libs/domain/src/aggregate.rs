//! Events as they stand in the journal, and the one way a state follows from them.
//! A snapshot is never trusted for itself: it must equal the fold of its events.

use prost::{Message, Name};
use sunbid_terms::Instant;

/// An event with the full name of its message, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A record that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the event {0} is not known here")]
    UnknownEvent(String),
    #[error("the event {name} does not decode: {reason}")]
    Malformed { name: String, reason: String },
    #[error("the snapshot does not decode: {0}")]
    Snapshot(String),
    #[error("the event {name} cannot follow this state: {reason}")]
    Impossible { name: String, reason: String },
}

impl Event {
    /// Wraps a message of some area's `events.proto`.
    pub fn of<M: Message + Name>(message: &M) -> Self {
        Self {
            name: M::full_name(),
            bytes: message.encode_to_vec(),
        }
    }

    /// Whether this is an event of type `M`.
    pub fn is<M: Name>(&self) -> bool {
        self.name == M::full_name()
    }

    /// The message, if this is an event of type `M`.
    pub fn read<M: Message + Name + Default>(&self) -> Result<Option<M>, Unreadable> {
        if !self.is::<M>() {
            return Ok(None);
        }
        M::decode(self.bytes.as_slice())
            .map(Some)
            .map_err(|e| Unreadable::Malformed {
                name: self.name.clone(),
                reason: e.to_string(),
            })
    }
}

/// A state that is nothing but the fold of its events. Its own encoding is the snapshot.
pub trait Aggregate: Message + Default + Clone {
    /// Changes the state by one event that happened at `at`.
    fn evolve(&mut self, event: &Event, at: Instant) -> Result<(), Unreadable>;

    /// The state a snapshot holds; without one, the state before anything happened.
    fn load(snapshot: Option<&[u8]>) -> Result<Self, Unreadable> {
        match snapshot {
            None => Ok(Self::default()),
            Some(bytes) => Self::decode(bytes).map_err(|e| Unreadable::Snapshot(e.to_string())),
        }
    }
}
