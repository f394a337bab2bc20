//! Names of logs, streams and commands as 16 bytes that tell nothing about what they name.
//! A derived id is the first half of a SHA-256 over a tag and length-prefixed parts.

use std::fmt;

use crate::hash::sha256;

const LENGTH: usize = 16;

macro_rules! identifier {
    ($(#[$note:meta])* $name:ident) => {
        $(#[$note])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; LENGTH]);

        impl $name {
            pub const fn new(bytes: [u8; LENGTH]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; LENGTH] {
                &self.0
            }

            /// The id in exactly 16 bytes; nothing for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
    };
}

identifier! {
    /// One log: one order of records.
    LogId
}
identifier! {
    /// One thing inside a log whose changes are counted: a bid, an account, a timetable.
    StreamId
}
identifier! {
    /// One command of one caller, however often it is sent.
    CommandId
}

impl LogId {
    /// The log that `service` keeps for `scope`, such as `("bid", "tenders/7f..")`.
    pub fn of(service: &str, scope: &str) -> Self {
        let length = prefix(service.len());
        let parts: [&[u8]; 4] = [
            b"sunbid-log-v1\0",
            &length,
            service.as_bytes(),
            scope.as_bytes(),
        ];
        Self(first_half(&parts))
    }
}

impl StreamId {
    /// The stream called `name`, the same in every log.
    pub fn of(name: &str) -> Self {
        Self(first_half(&[
            b"sunbid-stream-v1\0",
            &prefix(name.len()),
            name.as_bytes(),
        ]))
    }
}

impl CommandId {
    /// The id of a command that is known by `parts`; `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of(parts: &[&[u8]]) -> Self {
        let lengths: Vec<[u8; 2]> = parts.iter().map(|part| prefix(part.len())).collect();
        let mut all: Vec<&[u8]> = vec![b"sunbid-command-v1\0"];
        for (length, part) in lengths.iter().zip(parts) {
            all.push(length);
            all.push(part);
        }
        Self(first_half(&all))
    }
}

/// The length as two bytes, big-endian. Names are far shorter than the 65,535 it can tell apart.
fn prefix(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn first_half(parts: &[&[u8]]) -> [u8; LENGTH] {
    let hash = sha256(parts);
    let mut id = [0; LENGTH];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(LogId::of("ab", "c"), LogId::of("a", "bc"));
        assert_ne!(CommandId::of(&[b"ab", b"c"]), CommandId::of(&[b"a", b"bc"]));
        assert_ne!(CommandId::of(&[b"", b""]), CommandId::of(&[b""]));
    }

    #[test]
    fn ids_are_sixteen_bytes() {
        let id = StreamId::of("timetable");
        assert_eq!(StreamId::from_slice(id.as_bytes()), Some(id));
        assert_eq!(StreamId::from_slice(&[0; 15]), None);
        assert_eq!(format!("{id:?}").len(), 32);
    }

    #[test]
    fn the_derivation_is_fixed() {
        // An id that changes would orphan every stored log.
        let by_hand = sha256(&[b"sunbid-log-v1\0\x00\x03bidtenders/1"]);
        assert_eq!(LogId::of("bid", "tenders/1").as_bytes(), &by_hand[..16]);
        let by_hand = sha256(&[b"sunbid-stream-v1\0\x00\x04main"]);
        assert_eq!(StreamId::of("main").as_bytes(), &by_hand[..16]);
        let by_hand = sha256(&[b"sunbid-command-v1\0\x00\x01a\x00\x02bc"]);
        assert_eq!(CommandId::of(&[b"a", b"bc"]).as_bytes(), &by_hand[..16]);
    }
}
