//! The canonical record: what one leaf of a log stands for. Fixed length, never re-encoded.
//!
//! `"SBR" 0x01 | log 16 | seq 8 | stream 16 | version 8 | at 8 | SHA-256(salt || body) 32`, integers
//! big-endian. The body is apart, so that a lawful erasure leaves the chain whole; its salt keeps
//! the digest from being guessed.

use crate::hash::{HASH_LENGTH, Hash, sha256};
use crate::id::{LogId, StreamId};
use crate::merkle;

const MAGIC: [u8; 4] = *b"SBR\x01";
const HEADER_LENGTH: usize = 4 + 16 + 8 + 16 + 8 + 8;

/// The length of an encoded record in bytes.
pub const RECORD_LENGTH: usize = HEADER_LENGTH + HASH_LENGTH;
/// The length of the random salt before each body.
pub const SALT_LENGTH: usize = 32;

/// Where and when an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    pub log: LogId,
    /// The place in the log, from 0 without gaps.
    pub seq: u64,
    pub stream: StreamId,
    /// The place in the stream, from 1 without gaps.
    pub version: u64,
    /// Microseconds since 1970 UTC; never less than the record before.
    pub at: i64,
}

/// A header with the digest of the salted body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub header: RecordHeader,
    pub body_digest: Hash,
}

impl Record {
    /// The record of a body as it is stored: 32 bytes of salt, then the body.
    pub fn new(header: RecordHeader, salted_body: &[u8]) -> Self {
        Self {
            header,
            body_digest: sha256(&[salted_body]),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(self.header.log.as_bytes());
        bytes.extend_from_slice(&self.header.seq.to_be_bytes());
        bytes.extend_from_slice(self.header.stream.as_bytes());
        bytes.extend_from_slice(&self.header.version.to_be_bytes());
        bytes.extend_from_slice(&self.header.at.to_be_bytes());
        bytes.extend_from_slice(&self.body_digest);
        bytes
    }

    /// The record in exactly these bytes; nothing if they are not a record of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take::<4>(&mut rest)? != MAGIC {
            return None;
        }
        let record = Self {
            header: RecordHeader {
                log: LogId::new(take(&mut rest)?),
                seq: u64::from_be_bytes(take(&mut rest)?),
                stream: StreamId::new(take(&mut rest)?),
                version: u64::from_be_bytes(take(&mut rest)?),
                at: i64::from_be_bytes(take(&mut rest)?),
            },
            body_digest: take(&mut rest)?,
        };
        rest.is_empty().then_some(record)
    }

    /// Whether `salted_body` (salt || body) is what this record was made for.
    pub fn body_matches(&self, salted_body: &[u8]) -> bool {
        salted_body.len() >= SALT_LENGTH && sha256(&[salted_body]) == self.body_digest
    }
}

/// The leaf of an encoded record: `SHA-256(0x00 || record)`.
pub fn leaf(record: &[u8]) -> Hash {
    merkle::leaf_hash(record)
}

/// See [`Record::body_matches`].
pub fn body_matches(record: &Record, salted_body: &[u8]) -> bool {
    record.body_matches(salted_body)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = Record> {
        let header = (
            any::<[u8; 16]>(),
            any::<u64>(),
            any::<[u8; 16]>(),
            any::<u64>(),
            any::<i64>(),
        );
        (header, any::<[u8; 32]>()).prop_map(|((log, seq, stream, version, at), body_digest)| {
            Record {
                header: RecordHeader {
                    log: LogId::new(log),
                    seq,
                    stream: StreamId::new(stream),
                    version,
                    at,
                },
                body_digest,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_comes_back(record in records()) {
            let bytes = record.encode();
            prop_assert_eq!(bytes.len(), RECORD_LENGTH);
            prop_assert_eq!(Record::decode(&bytes), Some(record));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(
            record in records(), at in 0..RECORD_LENGTH, byte: u8, cut in 0..RECORD_LENGTH
        ) {
            let mut bytes = record.encode();
            bytes[at] = byte;
            if let Some(read) = Record::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes.clone());
            }
            prop_assert_eq!(Record::decode(&bytes[..cut]), None);
            bytes.push(byte);
            prop_assert_eq!(Record::decode(&bytes), None);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(&bytes);
        }
    }

    /// Records of this form stay readable for ever: these bytes may not change.
    #[test]
    fn the_first_version_is_fixed() {
        let record = Record {
            header: RecordHeader {
                log: LogId::new([0x11; 16]),
                seq: 2,
                stream: StreamId::new([0x33; 16]),
                version: 4,
                at: -5,
            },
            body_digest: [0x66; 32],
        };
        let expected = [
            "53425201",
            "11111111111111111111111111111111",
            "0000000000000002",
            "33333333333333333333333333333333",
            "0000000000000004",
            "fffffffffffffffb",
            "6666666666666666666666666666666666666666666666666666666666666666",
        ];
        assert_eq!(hex::encode(record.encode()), expected.concat());
    }

    #[test]
    fn a_body_matches_its_own_record_alone() {
        let header = RecordHeader {
            log: LogId::of("bid", "tenders/1"),
            seq: 0,
            stream: StreamId::of("main"),
            version: 1,
            at: 0,
        };
        let salted = [[7_u8; 32].as_slice(), b"body"].concat();
        let record = Record::new(header, &salted);
        assert!(record.body_matches(&salted));
        assert!(!record.body_matches(b"body"));
        assert!(!record.body_matches(&[[8_u8; 32].as_slice(), b"body"].concat()));
        assert_eq!(leaf(&record.encode()), sha256(&[&[0], &record.encode()]));
    }
}
