//! The header of a sealed envelope: everything public about it, in one canonical form.
//! Parsing accepts exactly the bytes that encoding gives; a header whose proof was checked is
//! another type ([`CheckedHeader`]), and only that type can be opened or given a partial.

use std::ops::Deref;

use thiserror::Error;

use crate::dleq::{DleqProof, Statement};
use crate::group::{Element, GroupError, second_base};
use crate::label::Label;
use crate::padding;
use crate::reading::{ReadError, Reading};
use crate::suite::{Suite, SuiteError};
use crate::transcript::{self, Tag};

const MAGIC: &str = "SEALBID1";

/// When a part may be read, and by whom. Fixed by the tender and bound by the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 0: public at the opening (the opening sheet, 开标一览表).
    Public,
    /// 1: for the evaluators only.
    Evaluators,
    /// 2: for the evaluators, after a later signed decision (two-envelope procedure).
    AfterDecision,
}

impl Class {
    /// The byte in a header.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Public => 0,
            Self::Evaluators => 1,
            Self::AfterDecision => 2,
        }
    }

    const fn from_id(id: u8) -> Result<Self, HeaderError> {
        match id {
            0 => Ok(Self::Public),
            1 => Ok(Self::Evaluators),
            2 => Ok(Self::AfterDecision),
            _ => Err(HeaderError::Class { id }),
        }
    }
}

/// What an envelope says it is: the names and numbers its proof binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The tender.
    pub tender: Label,
    /// The lot within it.
    pub lot: Label,
    /// Which part of the bid.
    pub part: u8,
    /// Who may read the part, and when.
    pub class: Class,
    /// The supplier.
    pub bidder: Label,
    /// Counts up with every replacement of the bid.
    pub revision: u32,
    /// The tender's deadline, in Unix seconds; holders refuse earlier.
    pub not_before: u64,
}

/// A header as read; nothing is proved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) key_id: [u8; 32],
    pub(crate) subject: Subject,
    pub(crate) blind: [u8; 32],
    pub(crate) ephemeral: Element,
    pub(crate) second: Element,
    pub(crate) key_commit: [u8; 32],
    pub(crate) payload_length: u64,
    pub(crate) payload_root: [u8; 32],
    pub(crate) proof: DleqProof,
}

/// Why a header is refused at submission (the codes are those of the specification).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// E1: the bytes are not the canonical form.
    #[error("The header is not canonical (E1). {0}")]
    Form(#[from] ReadError),
    /// E2: the suite is not spoken.
    #[error("The header's suite is refused (E2). {0}")]
    Suite(#[from] SuiteError),
    /// E2: there is no such class.
    #[error("Class {id} is not one of 0, 1 and 2 (E2).")]
    Class {
        /// The byte read.
        id: u8,
    },
    /// E2: the header speaks of something else than it was submitted for.
    #[error("The header's {field} is {found}, expected {expected} (E2).")]
    Differs {
        /// Which field.
        field: &'static str,
        /// What the tender prescribes.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// E3: U or the second element cannot be decoded.
    #[error("The header's {field} is refused (E3). {cause}")]
    Element {
        /// Which element.
        field: &'static str,
        /// Why.
        cause: GroupError,
    },
    /// E4: the sealer's proof is false.
    #[error("The sealer's proof does not hold for this header (E4).")]
    Proof,
    /// E5: no content pads to this length.
    #[error("No payload has a sealed length of {length} bytes (E5).")]
    PayloadLength {
        /// The length the header states.
        length: u64,
    },
}

impl Header {
    /// Reads the canonical bytes, and nothing else.
    ///
    /// # Errors
    /// E1, E2 (suite, class), E3 and non-canonical proof scalars as E4.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut reading = Reading::new(bytes);
        reading.magic(MAGIC)?;
        Suite::from_id(reading.short("suite")?)?;
        let key_id = reading.array("key_id")?;
        let tender = read_label(&mut reading, "tender")?;
        let lot = read_label(&mut reading, "lot")?;
        let part = reading.byte("part")?;
        let class = Class::from_id(reading.byte("class")?)?;
        let bidder = read_label(&mut reading, "bidder")?;
        let revision = reading.word("revision")?;
        let not_before = reading.long("not_before")?;
        let blind = reading.array("blind")?;
        let ephemeral = read_element(&mut reading, "U")?;
        let second = read_element(&mut reading, "Ubar")?;
        let key_commit = reading.array("key_commit")?;
        let payload_length = reading.long("payload_len")?;
        let payload_root = reading.array("payload_root")?;
        let proof = DleqProof::decode(&reading.array("c")?, &reading.array("s")?)
            .map_err(|_| HeaderError::Proof)?;
        reading.end()?;
        Ok(Self {
            key_id,
            subject: Subject {
                tender,
                lot,
                part,
                class,
                bidder,
                revision,
                not_before,
            },
            blind,
            ephemeral,
            second,
            key_commit,
            payload_length,
            payload_root,
            proof,
        })
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.body();
        out.extend_from_slice(&self.proof.to_bytes());
        out
    }

    fn body(&self) -> Vec<u8> {
        let mut out = encode_static(&self.key_id, &self.subject, &self.blind);
        encode_body(
            &mut out,
            &self.ephemeral,
            &self.second,
            &self.key_commit,
            self.payload_length,
            &self.payload_root,
        );
        out
    }

    pub(crate) fn statics(&self) -> Vec<u8> {
        encode_static(&self.key_id, &self.subject, &self.blind)
    }

    /// The name of this envelope: the hash of its header.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        transcript::hash(Tag::EnvelopeId, &[&self.encode()])
    }

    /// Checks what can be checked without any secret and without the payload.
    ///
    /// # Errors
    /// E4 when the proof is false, E5 when the payload length is no padded length.
    pub fn check(self) -> Result<CheckedHeader, HeaderError> {
        if padding::padded_of_sealed(self.payload_length).is_none() {
            return Err(HeaderError::PayloadLength {
                length: self.payload_length,
            });
        }
        let statement = Statement {
            a: &self.ephemeral,
            h: second_base(),
            b: &self.second,
        };
        if !self.proof.holds(Tag::Seal, &self.body(), statement) {
            return Err(HeaderError::Proof);
        }
        let id = self.id();
        Ok(CheckedHeader { header: self, id })
    }

    /// Which tender key the envelope is sealed to.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 32] {
        &self.key_id
    }

    /// What the envelope says it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Length of the sealed payload in bytes.
    #[must_use]
    pub const fn payload_length(&self) -> u64 {
        self.payload_length
    }

    /// RFC 9162 tree hash over the sealed chunks.
    #[must_use]
    pub const fn payload_root(&self) -> &[u8; 32] {
        &self.payload_root
    }
}

/// A header whose proof holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    header: Header,
    id: [u8; 32],
}

impl CheckedHeader {
    /// Reads and checks in one step.
    ///
    /// # Errors
    /// As [`Header::parse`] and [`Header::check`].
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        Header::parse(bytes)?.check()
    }

    /// The name of this envelope, computed once.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Checks that the header is sealed to the tender's key and says what it was submitted for.
    /// `not_before` must equal the deadline: a later one would let a bidder see the others first.
    ///
    /// # Errors
    /// E2 with the first field that differs.
    pub fn agrees_with(&self, key_id: &[u8; 32], expected: &Subject) -> Result<(), HeaderError> {
        let found = &self.header.subject;
        differs(
            "key_id",
            &hex::encode(key_id),
            &hex::encode(self.header.key_id),
        )?;
        differs("tender", &expected.tender, &found.tender)?;
        differs("lot", &expected.lot, &found.lot)?;
        differs("part", &expected.part, &found.part)?;
        differs("class", &expected.class.id(), &found.class.id())?;
        differs("bidder", &expected.bidder, &found.bidder)?;
        differs("revision", &expected.revision, &found.revision)?;
        differs("not_before", &expected.not_before, &found.not_before)
    }
}

impl Deref for CheckedHeader {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

fn differs<T: PartialEq + ToString>(
    field: &'static str,
    expected: &T,
    found: &T,
) -> Result<(), HeaderError> {
    if expected == found {
        return Ok(());
    }
    Err(HeaderError::Differs {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn read_label(reading: &mut Reading<'_>, field: &'static str) -> Result<Label, HeaderError> {
    let length = reading.byte(field)?;
    let bytes = reading.take(usize::from(length), field)?;
    // A one-byte length cannot be too long.
    Label::new(bytes).map_err(|_| ReadError::Truncated { field }.into())
}

fn read_element(reading: &mut Reading<'_>, field: &'static str) -> Result<Element, HeaderError> {
    Element::decode(&reading.array(field)?).map_err(|cause| HeaderError::Element { field, cause })
}

pub(crate) fn encode_static(key_id: &[u8; 32], subject: &Subject, blind: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(MAGIC.as_bytes());
    out.extend_from_slice(&Suite::Ristretto255.id().to_be_bytes());
    out.extend_from_slice(key_id);
    subject.tender.encode(&mut out);
    subject.lot.encode(&mut out);
    out.push(subject.part);
    out.push(subject.class.id());
    subject.bidder.encode(&mut out);
    out.extend_from_slice(&subject.revision.to_be_bytes());
    out.extend_from_slice(&subject.not_before.to_be_bytes());
    out.extend_from_slice(blind);
    out
}

/// Appends the fields that follow the static part; the result is what the proof binds.
pub(crate) fn encode_body(
    out: &mut Vec<u8>,
    ephemeral: &Element,
    second: &Element,
    key_commit: &[u8; 32],
    payload_length: u64,
    payload_root: &[u8; 32],
) {
    out.extend_from_slice(ephemeral.as_bytes());
    out.extend_from_slice(second.as_bytes());
    out.extend_from_slice(key_commit);
    out.extend_from_slice(&payload_length.to_be_bytes());
    out.extend_from_slice(payload_root);
}
