//! The closing record: the one list of what was in the log at the deadline, and what opens.
//! Holders compare and sign one hash of it before they give any partial. With more than half of
//! them needed, two different closings of one tender leave a holder's two signatures as evidence.

use thiserror::Error;

use crate::identity::{Signature, is_signed_by};
use crate::reading::{ReadError, Reading};
use crate::transcript::{self, Tag};

const MAGIC: &str = "SEALCLS1";

/// What becomes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// 0: will be opened.
    Live,
    /// 1: replaced by a later revision; stays sealed for ever.
    Superseded,
    /// 2: withdrawn by the supplier; stays sealed for ever.
    Withdrawn,
    /// 3: refused at intake or by the holders; stays sealed for ever.
    Invalid,
    /// 4: its lot had fewer than three bidders; stays sealed for ever. An addition of ours to the
    /// four statuses of the sealing specification's first form. A bundle has one status, so bids
    /// for lots that can fail apart from each other are bundled apart.
    LotFailed,
}

impl Status {
    /// The byte in a record.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Live => 0,
            Self::Superseded => 1,
            Self::Withdrawn => 2,
            Self::Invalid => 3,
            Self::LotFailed => 4,
        }
    }

    /// The status of a byte read from a record.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::Live),
            1 => Some(Self::Superseded),
            2 => Some(Self::Withdrawn),
            3 => Some(Self::Invalid),
            4 => Some(Self::LotFailed),
            _ => None,
        }
    }
}

/// One leaf of the log and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingEntry {
    /// Where in the log.
    pub leaf_index: u64,
    /// The bundle's hash.
    pub bundle: [u8; 32],
    /// What becomes of it.
    pub status: Status,
}

/// The closing of one tender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    key_id: [u8; 32],
    log_origin: String,
    tree_size: u64,
    root: [u8; 32],
    closed_at: u64,
    entries: Vec<ClosingEntry>,
}

/// Why a closing record is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClosingError {
    /// The bytes are not canonical.
    #[error("The closing record is not canonical. {0}")]
    Form(#[from] ReadError),
    /// The origin cannot be written.
    #[error("The log's origin is not UTF-8 text of at most 255 bytes.")]
    Origin,
    /// A status byte stands for nothing.
    #[error("Status {id} is none of 0 to 4.")]
    Status {
        /// The byte read.
        id: u8,
    },
    /// Entries are not in the order of the log.
    #[error(
        "Leaf {leaf_index} is out of order, repeated or not within the log's {tree_size} leaves."
    )]
    Leaf {
        /// The leaf's index.
        leaf_index: u64,
        /// The size of the log.
        tree_size: u64,
    },
    /// A bundle is listed twice.
    #[error("The bundle of leaf {leaf_index} is listed twice.")]
    Repeated {
        /// The later leaf's index.
        leaf_index: u64,
    },
}

impl Closing {
    /// Puts together a closing record; entries are in the order of the log.
    ///
    /// # Errors
    /// [`ClosingError`].
    pub fn new(
        key_id: [u8; 32],
        log_origin: String,
        tree_size: u64,
        root: [u8; 32],
        closed_at: u64,
        entries: Vec<ClosingEntry>,
    ) -> Result<Self, ClosingError> {
        if log_origin.len() > usize::from(u8::MAX) {
            return Err(ClosingError::Origin);
        }
        let mut next = 0;
        for entry in &entries {
            let leaf_index = entry.leaf_index;
            if leaf_index < next || leaf_index >= tree_size {
                return Err(ClosingError::Leaf {
                    leaf_index,
                    tree_size,
                });
            }
            next = leaf_index + 1;
        }
        let mut bundles: Vec<_> = entries.iter().map(|e| (e.bundle, e.leaf_index)).collect();
        bundles.sort_unstable();
        if let Some((_, leaf_index)) = bundles
            .iter()
            .zip(bundles.iter().skip(1))
            .find_map(|(left, right)| (left.0 == right.0).then_some(right))
        {
            return Err(ClosingError::Repeated {
                leaf_index: *leaf_index,
            });
        }
        Ok(Self {
            key_id,
            log_origin,
            tree_size,
            root,
            closed_at,
            entries,
        })
    }

    /// `close`: what holders sign and every partial is bound to. The fields of an entry are hashed
    /// as parts of their own.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let numbers = [self.tree_size.to_be_bytes(), self.closed_at.to_be_bytes()];
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.leaf_index.to_be_bytes(),
                    entry.bundle,
                    [entry.status.id()],
                )
            })
            .collect();
        let mut parts: Vec<&[u8]> = vec![&self.key_id, self.log_origin.as_bytes()];
        let [tree_size, closed_at] = &numbers;
        parts.extend([tree_size.as_slice(), &self.root, closed_at]);
        for (leaf_index, bundle, status) in &entries {
            parts.extend([leaf_index.as_slice(), bundle, status]);
        }
        transcript::hash(Tag::Close, &parts)
    }

    /// Canonical bytes, for publishing.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.as_bytes().to_vec();
        out.extend_from_slice(&self.key_id);
        // The constructor bounds the length.
        out.push(self.log_origin.len() as u8);
        out.extend_from_slice(self.log_origin.as_bytes());
        out.extend_from_slice(&self.tree_size.to_be_bytes());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.closed_at.to_be_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.leaf_index.to_be_bytes());
            out.extend_from_slice(&entry.bundle);
            out.push(entry.status.id());
        }
        out
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`ClosingError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ClosingError> {
        let mut reading = Reading::new(bytes);
        reading.magic(MAGIC)?;
        let key_id = reading.array("key_id")?;
        let length = reading.byte("log origin")?;
        let origin = reading.take(usize::from(length), "log origin")?;
        let log_origin = std::str::from_utf8(origin)
            .map_err(|_| ClosingError::Origin)?
            .to_owned();
        let tree_size = reading.long("tree size")?;
        let root = reading.array("root")?;
        let closed_at = reading.long("closed_at")?;
        let mut entries = Vec::new();
        while reading.remaining() > 0 {
            let leaf_index = reading.long("leaf index")?;
            let bundle = reading.array("bundle")?;
            let id = reading.byte("status")?;
            let status = Status::from_id(id).ok_or(ClosingError::Status { id })?;
            entries.push(ClosingEntry {
                leaf_index,
                bundle,
                status,
            });
        }
        Self::new(key_id, log_origin, tree_size, root, closed_at, entries)
    }

    /// The key the tender's bids are sealed to.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 32] {
        &self.key_id
    }

    /// Which log.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        &self.log_origin
    }

    /// How many leaves the log had.
    #[must_use]
    pub const fn tree_size(&self) -> u64 {
        self.tree_size
    }

    /// The log's root at that size.
    #[must_use]
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// When, in Unix seconds.
    #[must_use]
    pub const fn closed_at(&self) -> u64 {
        self.closed_at
    }

    /// The tender's leaves, in the order of the log.
    #[must_use]
    pub fn entries(&self) -> &[ClosingEntry] {
        &self.entries
    }
}

/// A holder's signature on a closing record's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseSignature {
    /// Counting from 1.
    pub holder: u16,
    /// Over the 32 bytes of the hash.
    pub signature: Signature,
}

/// Too few holders have signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} of the {threshold} holders needed have signed the closing; signatures naming holders {false_ones:?} are false.", signed.len())]
pub struct NoQuorum {
    /// Distinct holders whose signature is valid.
    pub signed: Vec<u16>,
    /// t.
    pub threshold: u16,
    /// Holders named by signatures that are not theirs.
    pub false_ones: Vec<u16>,
}

/// The distinct holders who signed the closing, if they are at least t.
/// `identities` are the holders' public keys in their order.
///
/// # Errors
/// [`NoQuorum`].
pub fn check_quorum(
    close: &[u8; 32],
    identities: &[[u8; 32]],
    threshold: u16,
    signatures: &[CloseSignature],
) -> Result<Vec<u16>, NoQuorum> {
    let (mut signed, mut false_ones) = (Vec::new(), Vec::new());
    for signature in signatures {
        let identity = usize::from(signature.holder)
            .checked_sub(1)
            .and_then(|position| identities.get(position));
        let valid = identity.is_some_and(|key| is_signed_by(key, close, &signature.signature));
        let list = if valid { &mut signed } else { &mut false_ones };
        if !list.contains(&signature.holder) {
            list.push(signature.holder);
        }
    }
    if signed.len() < usize::from(threshold) {
        return Err(NoQuorum {
            signed,
            threshold,
            false_ones,
        });
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    fn entry(leaf_index: u64, bundle: u8) -> ClosingEntry {
        ClosingEntry {
            leaf_index,
            bundle: [bundle; 32],
            status: Status::Live,
        }
    }

    fn closing(entries: Vec<ClosingEntry>) -> Result<Closing, ClosingError> {
        Closing::new(
            [1; 32],
            "log.example".into(),
            9,
            [2; 32],
            1_800_000_000,
            entries,
        )
    }

    #[test]
    fn entries_keep_the_order_of_the_log() {
        closing(vec![entry(0, 1), entry(8, 2)]).unwrap();
        for wrong in [
            vec![entry(1, 1), entry(0, 2)],
            vec![entry(1, 1), entry(1, 2)],
            vec![entry(9, 1)],
            vec![entry(0, 1), entry(3, 1)],
        ] {
            assert!(closing(wrong).is_err());
        }
    }

    #[test]
    fn every_field_is_hashed_and_written() {
        let one = closing(vec![entry(0, 1), entry(8, 2)]).unwrap();
        assert_eq!(Closing::parse(&one.encode()).as_ref(), Ok(&one));
        let bytes = one.encode();
        for position in MAGIC.len()..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            if let Ok(other) = Closing::parse(&changed) {
                assert_ne!(other.hash(), one.hash(), "byte {position}");
            }
        }
    }

    #[test]
    fn the_same_holder_counts_once_and_strangers_not_at_all() {
        let keys: Vec<_> = (1..=5)
            .map(|seed| IdentityKey::from_seed(&[seed; 32]).unwrap())
            .collect();
        let identities: Vec<_> = keys.iter().map(|key| *key.public()).collect();
        let close = closing(vec![entry(0, 1)]).unwrap().hash();
        let sign = |holder: u16| CloseSignature {
            holder,
            signature: keys[usize::from(holder) - 1].sign(&close),
        };
        let (one, two, three) = (sign(1), sign(2), sign(3));
        assert_eq!(
            check_quorum(&close, &identities, 3, &[one, two, three]),
            Ok(vec![1, 2, 3])
        );
        let twice = check_quorum(&close, &identities, 3, &[one, one, two]).unwrap_err();
        assert_eq!(twice.signed, [1, 2]);
        for holder in [0, 3, 6] {
            let stranger = CloseSignature { holder, ..two };
            let refused = check_quorum(&close, &identities, 3, &[one, two, stranger]).unwrap_err();
            assert_eq!(refused.false_ones, [holder]);
        }
        assert!(check_quorum(&[0; 32], &identities, 3, &[one, two, three]).is_err());
    }
}
