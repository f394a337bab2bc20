//! Opening a sealed payload with its shared secret, and laying every failure at one door.
//! Each chunk is authenticated before it is written; still, what was written counts only once the
//! call has returned `Ok`: the root, the length and the padding are known at the end. On an error
//! the caller throws the output away.

use std::io::{self, Read, Seek, Write};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::SharedSecret;
use crate::header::{CheckedHeader, Header};
use crate::keys::{self, CipherRefused, PayloadKeys};
use crate::padding::{self, PREFIX, TAG};
use crate::pipeline::{self, Workers};
use crate::tree::{PayloadTree, leaf_hash};

/// The stored bytes are not the ones the supplier sealed: the store answers for it, and a mirror
/// copy is used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreFault {
    /// The stored payload is shorter than the header says.
    #[error("The stored payload ends before its {expected} bytes.")]
    Shorter {
        /// The header's length in bytes.
        expected: u64,
    },
    /// The stored payload is longer than the header says.
    #[error("The stored payload goes on after its {expected} bytes.")]
    Longer {
        /// The header's length in bytes.
        expected: u64,
    },
    /// The stored payload has another root than the header says.
    #[error(
        "The stored payload has the root {}, the header says {}.",
        hex::encode(found),
        hex::encode(expected)
    )]
    Root {
        /// The header's root.
        expected: [u8; 32],
        /// The root of the stored bytes.
        found: [u8; 32],
    },
}

/// The supplier sealed something that does not open: the bid is void (视为撤销).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SupplierFault {
    /// The header commits to another key than its own.
    #[error("The header commits to another key than the one it was sealed with.")]
    KeyCommitment,
    /// The bytes are those the header promises, but a chunk is not sealed with the key.
    #[error("Chunk {index} of the payload is not sealed with the envelope's key.")]
    Chunk {
        /// Counting from 0.
        index: u64,
    },
    /// The stated content length does not belong to the payload's length.
    #[error("The stated content length of {stated} bytes does not pad to {padded} bytes.")]
    ContentLength {
        /// What the plaintext states.
        stated: u64,
        /// The plaintext's own length.
        padded: u64,
    },
    /// The padding is not zeros.
    #[error("The padding after the content is not zeros.")]
    Padding,
}

/// Why a payload did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store's fault.
    #[error("Store fault. {0}")]
    Store(#[from] StoreFault),
    /// The supplier's fault.
    #[error("Supplier fault. {0}")]
    Supplier(#[from] SupplierFault),
    /// Reading the payload or writing the content failed; nobody's fault is shown.
    #[error("Reading the payload or writing the content failed: {0}.")]
    Io(#[from] io::Error),
    /// The cipher refused.
    #[error(transparent)]
    Cipher(#[from] CipherRefused),
}

/// Checks stored bytes against a header: length and root, no secret needed (E7).
///
/// # Errors
/// [`OpenError::Store`] or [`OpenError::Io`].
pub fn check_payload(
    header: &Header,
    mut payload: impl Read,
    workers: Workers,
) -> Result<(), OpenError> {
    let expected = header.payload_length;
    let padded = padding::padded_of_sealed(expected).ok_or(StoreFault::Shorter { expected })?;
    let mut tree = PayloadTree::default();
    pipeline::run(
        workers,
        padding::chunk_count(padded),
        |place, chunk| read_chunk(header, padded, place.index, &mut payload, chunk),
        |_, chunk| leaf_hash(chunk),
        |_, _, leaf| {
            tree.push(leaf);
            Ok::<_, OpenError>(())
        },
    )?;
    finish(header, &mut payload, &tree)
}

/// Opens a payload and writes its content; returns the content's length in bytes.
///
/// # Errors
/// [`OpenError`]; what was written is then to be thrown away.
pub fn open(
    header: &CheckedHeader,
    secret: &SharedSecret,
    mut payload: impl Read,
    mut content: impl Write,
    workers: Workers,
) -> Result<u64, OpenError> {
    let keys = PayloadKeys::derive(&header.key_id, &header.statics(), &header.ephemeral, secret)?;
    if !keys.is_committed_to(&header.key_commit) {
        return Err(SupplierFault::KeyCommitment.into());
    }
    let cipher = keys::cipher(&keys.content_key)?;
    let expected = header.payload_length;
    // A checked header has a padded length.
    let padded = padding::padded_of_sealed(expected).ok_or(StoreFault::Shorter { expected })?;
    let mut tree = PayloadTree::default();
    let mut plaintext = Plaintext::new(padded);
    pipeline::run(
        workers,
        padding::chunk_count(padded),
        |place, chunk| read_chunk(header, padded, place.index, &mut payload, chunk),
        |place, chunk| {
            let leaf = leaf_hash(chunk);
            (
                leaf,
                keys::open_chunk(&cipher, place.index, place.last, chunk).is_ok(),
            )
        },
        |place, chunk, (leaf, authentic)| {
            tree.push(leaf);
            // After a fault only the root is still wanted: it decides whose fault it is.
            if !authentic {
                plaintext.blame(SupplierFault::Chunk { index: place.index });
            }
            let opened = chunk.len().saturating_sub(TAG);
            plaintext.accept(chunk.get(..opened).unwrap_or_default(), &mut content)
        },
    )?;
    finish(header, &mut payload, &tree)?;
    let length = plaintext.finish()?;
    content.flush()?;
    Ok(length)
}

/// Opens a payload that can be read twice: nothing is written before length and root are right.
///
/// # Errors
/// [`OpenError`], as [`open`].
pub fn open_checked(
    header: &CheckedHeader,
    secret: &SharedSecret,
    mut payload: impl Read + Seek,
    content: impl Write,
    workers: Workers,
) -> Result<u64, OpenError> {
    let start = payload.stream_position()?;
    check_payload(header, &mut payload, workers)?;
    payload.seek(io::SeekFrom::Start(start))?;
    open(header, secret, payload, content, workers)
}

/// Opens a short payload, such as an opening sheet, into memory. Nothing is returned on an error.
///
/// # Errors
/// [`OpenError`], as [`open`].
pub fn open_short(
    header: &CheckedHeader,
    secret: &SharedSecret,
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut content = Zeroizing::new(Vec::with_capacity(payload.len()));
    open(header, secret, payload, &mut *content, Workers::ONE)?;
    Ok(content)
}

fn read_chunk(
    header: &Header,
    padded: u64,
    index: u64,
    payload: &mut impl Read,
    chunk: &mut Vec<u8>,
) -> Result<(), OpenError> {
    let sealed = padding::chunk_length(padded, index) + TAG;
    chunk.reserve_exact(sealed.saturating_sub(chunk.len()));
    chunk.resize(sealed, 0);
    pipeline::read_exact(payload, chunk).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => StoreFault::Shorter {
            expected: header.payload_length,
        }
        .into(),
        _ => OpenError::Io(cause),
    })
}

fn finish(header: &Header, payload: &mut impl Read, tree: &PayloadTree) -> Result<(), OpenError> {
    if payload.read(&mut [0])? != 0 {
        return Err(StoreFault::Longer {
            expected: header.payload_length,
        }
        .into());
    }
    let found = tree.root();
    if found != header.payload_root {
        return Err(StoreFault::Root {
            expected: header.payload_root,
            found,
        }
        .into());
    }
    Ok(())
}

/// The plaintext as it comes: length, content, zeros.
struct Plaintext {
    padded: u64,
    stated: Option<u64>,
    unwritten: u64,
    fault: Option<SupplierFault>,
}

impl Plaintext {
    const fn new(padded: u64) -> Self {
        Self {
            padded,
            stated: None,
            unwritten: 0,
            fault: None,
        }
    }

    fn blame(&mut self, fault: SupplierFault) {
        self.fault.get_or_insert(fault);
    }

    fn accept(&mut self, mut opened: &[u8], content: &mut impl Write) -> Result<(), OpenError> {
        if self.fault.is_some() {
            return Ok(());
        }
        if self.stated.is_none()
            && let Some((prefix, rest)) = opened.split_first_chunk::<PREFIX>()
        {
            let stated = u64::from_be_bytes(*prefix);
            if padding::padded_length(stated) != Some(self.padded) {
                self.blame(SupplierFault::ContentLength {
                    stated,
                    padded: self.padded,
                });
                return Ok(());
            }
            self.stated = Some(stated);
            self.unwritten = stated;
            opened = rest;
        }
        let wanted = usize::try_from(self.unwritten)
            .unwrap_or(usize::MAX)
            .min(opened.len());
        let (written, zeros) = opened.split_at(wanted);
        if zeros.iter().any(|byte| *byte != 0) {
            self.blame(SupplierFault::Padding);
        }
        self.unwritten -= wanted as u64;
        Ok(content.write_all(written)?)
    }

    fn finish(self) -> Result<u64, SupplierFault> {
        match (self.fault, self.stated) {
            (None, Some(stated)) => Ok(stated),
            (Some(fault), _) => Err(fault),
            (None, None) => Err(SupplierFault::ContentLength {
                stated: 0,
                padded: self.padded,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;
    use crate::dleq::{DleqProof, Statement};
    use crate::group::{SecretScalar, second_base};
    use crate::header::{Class, Subject, encode_body, encode_static};
    use crate::label::Label;
    use crate::transcript::Tag;

    /// What a lying supplier does differently.
    #[derive(Default)]
    struct Lie {
        other_commitment: bool,
        other_chunk_key: bool,
        other_chunk_index: u64,
        no_last_flag: bool,
    }

    /// A header with a true proof over whatever plaintext a supplier makes up.
    fn craft(plaintext: &[u8], lie: &Lie) -> (CheckedHeader, SharedSecret, Vec<u8>) {
        let name = Label::new("x").unwrap();
        let subject = Subject {
            tender: name.clone(),
            lot: name.clone(),
            part: 0,
            class: Class::Public,
            bidder: name,
            revision: 1,
            not_before: 0,
        };
        let whole = SecretScalar::random(&mut OsRng).unwrap().public();
        let secret = SecretScalar::random(&mut OsRng).unwrap();
        let (ephemeral, second) = (secret.public(), secret.times(second_base()));
        let shared = SharedSecret::from_point(*secret.times(&whole).point());
        let statics = encode_static(&[1; 32], &subject, &[2; 32]);
        let mut keys = PayloadKeys::derive(&[1; 32], &statics, &ephemeral, &shared).unwrap();
        if lie.other_commitment {
            keys.commitment = [3; 32];
        }
        if lie.other_chunk_key {
            *keys.content_key = [4; 32];
        }
        let cipher = keys::cipher(&keys.content_key).unwrap();
        let mut chunk = plaintext.to_vec();
        keys::seal_chunk(
            &cipher,
            lie.other_chunk_index,
            !lie.no_last_flag,
            &mut chunk,
        )
        .unwrap();
        let mut tree = PayloadTree::default();
        tree.push(leaf_hash(&chunk));
        let (length, root) = (chunk.len() as u64, tree.root());
        let mut body = statics;
        encode_body(
            &mut body,
            &ephemeral,
            &second,
            &keys.commitment,
            length,
            &root,
        );
        let statement = Statement {
            a: &ephemeral,
            h: second_base(),
            b: &second,
        };
        let proof = DleqProof::prove(Tag::Seal, &body, &secret, statement, &mut OsRng).unwrap();
        body.extend(proof.to_bytes());
        (CheckedHeader::parse(&body).unwrap(), shared, chunk)
    }

    fn plaintext(stated: u64) -> Vec<u8> {
        let mut plaintext = vec![0; 256];
        plaintext[..8].copy_from_slice(&stated.to_be_bytes());
        plaintext
    }

    fn fault(plaintext: &[u8], lie: &Lie) -> SupplierFault {
        let (header, secret, payload) = craft(plaintext, lie);
        // Whatever the supplier did, stored bytes that are not the header's are the store's fault.
        if !lie.other_commitment {
            let mut mauled = payload.clone();
            mauled[9] ^= 1;
            let outcome = open_short(&header, &secret, &mauled);
            assert!(matches!(
                outcome,
                Err(OpenError::Store(StoreFault::Root { .. }))
            ));
        }
        check_payload(&header, payload.as_slice(), Workers::ONE).unwrap();
        match open_short(&header, &secret, &payload) {
            Err(OpenError::Supplier(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_honest_supplier_is_blamed_for_nothing() {
        let (header, secret, payload) = craft(&plaintext(248), &Lie::default());
        assert_eq!(*open_short(&header, &secret, &payload).unwrap(), [0; 248]);
    }

    #[test]
    fn every_lie_of_a_supplier_is_named() {
        let lie = Lie {
            other_commitment: true,
            ..Lie::default()
        };
        assert_eq!(fault(&plaintext(5), &lie), SupplierFault::KeyCommitment);
        for lie in [
            Lie {
                other_chunk_key: true,
                ..Lie::default()
            },
            Lie {
                other_chunk_index: 1,
                ..Lie::default()
            },
            Lie {
                no_last_flag: true,
                ..Lie::default()
            },
        ] {
            assert_eq!(
                fault(&plaintext(5), &lie),
                SupplierFault::Chunk { index: 0 }
            );
        }
        for stated in [249, 1 << 40, u64::MAX - 7, u64::MAX] {
            let expected = SupplierFault::ContentLength {
                stated,
                padded: 256,
            };
            assert_eq!(fault(&plaintext(stated), &Lie::default()), expected);
        }
        let mut hidden = plaintext(5);
        hidden[255] = 1;
        assert_eq!(fault(&hidden, &Lie::default()), SupplierFault::Padding);
    }
}
