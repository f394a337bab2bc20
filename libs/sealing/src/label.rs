//! A name inside a header: tender, lot or bidder, as bytes with a one-byte length.

use std::fmt;

use thiserror::Error;

/// At most 255 bytes that name a tender, a lot or a bidder.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Box<[u8]>);

/// A name is too long for a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("A name of {length} bytes is longer than the 255 bytes a header holds.")]
pub struct LabelTooLong {
    /// Its length in bytes.
    pub length: usize,
}

impl Label {
    /// Takes a name.
    ///
    /// # Errors
    /// [`LabelTooLong`] above 255 bytes.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, LabelTooLong> {
        let name = name.as_ref();
        if name.len() > usize::from(u8::MAX) {
            return Err(LabelTooLong { length: name.len() });
        }
        Ok(Self(name.into()))
    }

    /// The bytes without their length.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        // The constructor bounds the length.
        out.push(self.0.len() as u8);
        out.extend_from_slice(&self.0);
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}",
            String::from_utf8_lossy(&self.0).escape_debug()
        )
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}
