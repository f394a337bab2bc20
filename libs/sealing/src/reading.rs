//! Strict reading of canonical bytes: a field is there in full or the record is refused, and
//! nothing may follow the last field. Never allocates by a length it has not seen the bytes of.

use thiserror::Error;

/// Why a record's bytes are not the canonical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes end inside a field.
    #[error("The record ends inside its field \"{field}\".")]
    Truncated {
        /// The field that was cut.
        field: &'static str,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the end of the record.")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The record starts with other bytes than its kind's.
    #[error("The bytes do not start with \"{expected}\".")]
    Magic {
        /// The marker of the record kind.
        expected: &'static str,
    },
}

pub(crate) struct Reading<'a> {
    rest: &'a [u8],
}

impl<'a> Reading<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], ReadError> {
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ReadError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], ReadError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(ReadError::Truncated { field })?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn magic(&mut self, expected: &'static str) -> Result<(), ReadError> {
        if self.take(expected.len(), "marker")? == expected.as_bytes() {
            Ok(())
        } else {
            Err(ReadError::Magic { expected })
        }
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, ReadError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn word(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn long(&mut self, field: &'static str) -> Result<u64, ReadError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    pub(crate) const fn end(&self) -> Result<(), ReadError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(ReadError::Trailing { count }),
        }
    }
}
