//! Sealing one part of a bid: content goes in, a sealed payload and its header come out.
//! Streams in constant memory. Nobody short of t of the n named holders can open the result before
//! they act on a signed closing record; the sealer can, with the rescue file.
//! Never reuses an ephemeral secret: every call draws its own.

use std::io::{self, Read, Write};

use rand_core::CryptoRngCore;
use thiserror::Error;

use crate::dleq::{DleqProof, Statement};
use crate::group::{NoRandomness, SecretScalar, SharedSecret, random_bytes, second_base};
use crate::header::{Header, Subject, encode_body, encode_static};
use crate::keys::{self, CipherRefused, PayloadKeys};
use crate::padding::{self, PREFIX, TAG};
use crate::pipeline::{self, Workers};
use crate::rescue::Rescue;
use crate::tender_key::SealingKey;
use crate::transcript::Tag;
use crate::tree::{PayloadTree, leaf_hash};

/// Why content could not be sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The content is larger than any payload may be.
    #[error(
        "Content of {length} bytes is longer than the {} bytes a payload holds.",
        padding::MAXIMUM_CONTENT
    )]
    TooLong {
        /// Its stated length in bytes.
        length: u64,
    },
    /// The content ended before its stated length.
    #[error("The content ended before its stated {length} bytes.")]
    Short {
        /// Its stated length in bytes.
        length: u64,
    },
    /// The content goes on after its stated length.
    #[error("The content goes on after its stated {length} bytes.")]
    Long {
        /// Its stated length in bytes.
        length: u64,
    },
    /// Reading the content or writing the payload failed.
    #[error("Reading the content or writing the payload failed: {0}.")]
    Io(#[from] io::Error),
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The cipher refused.
    #[error(transparent)]
    Cipher(#[from] CipherRefused),
}

/// The outcome of sealing. The payload went to the writer.
#[derive(Debug)]
pub struct Sealed {
    /// To be published with the payload.
    pub header: Header,
    /// To be kept by the sealer, and by nobody else.
    pub rescue: Rescue,
}

/// Seals `length` bytes of content to the tender's key and writes the payload.
///
/// Random bytes are drawn in this order: 64 for the ephemeral secret, 32 for the blind, 32 for the
/// proof.
///
/// # Errors
/// [`SealError`]; the payload written so far is then worthless.
pub fn seal(
    key: &SealingKey,
    subject: &Subject,
    length: u64,
    content: impl Read,
    payload: impl Write,
    workers: Workers,
    rng: &mut dyn CryptoRngCore,
) -> Result<Sealed, SealError> {
    let padded = padding::padded_length(length).ok_or(SealError::TooLong { length })?;
    let ephemeral_secret = SecretScalar::random(rng)?;
    let blind = *random_bytes::<32>(rng)?;
    let ephemeral = ephemeral_secret.public();
    let secret = SharedSecret::from_point(*ephemeral_secret.times(key.element()).point());
    let statics = encode_static(key.id(), subject, &blind);
    let keys = PayloadKeys::derive(key.id(), &statics, &ephemeral, &secret)?;

    let payload_root = seal_payload(&keys, length, padded, content, payload, workers)?;

    let second = ephemeral_secret.times(second_base());
    let payload_length = padding::sealed_length(padded);
    let mut body = statics;
    encode_body(
        &mut body,
        &ephemeral,
        &second,
        &keys.commitment,
        payload_length,
        &payload_root,
    );
    let statement = Statement {
        a: &ephemeral,
        h: second_base(),
        b: &second,
    };
    let proof = DleqProof::prove(Tag::Seal, &body, &ephemeral_secret, statement, rng)?;
    let header = Header {
        key_id: *key.id(),
        subject: subject.clone(),
        blind,
        ephemeral,
        second,
        key_commit: keys.commitment,
        payload_length,
        payload_root,
        proof,
    };
    let rescue = Rescue::new(ephemeral_secret, header.clone());
    Ok(Sealed { header, rescue })
}

fn seal_payload(
    keys: &PayloadKeys,
    length: u64,
    padded: u64,
    mut content: impl Read,
    mut payload: impl Write,
    workers: Workers,
) -> Result<[u8; 32], SealError> {
    let cipher = keys::cipher(&keys.content_key)?;
    let mut tree = PayloadTree::default();
    let mut unread = length;
    pipeline::run(
        workers,
        padding::chunk_count(padded),
        |place, chunk| {
            let plain = padding::chunk_length(padded, place.index);
            // Room for the tag as well, so that plaintext is never left behind in a moved buffer.
            chunk.reserve_exact((plain + TAG).saturating_sub(chunk.len()));
            chunk.resize(plain, 0);
            // The first chunk has at least the 256 bytes of the shortest padding.
            let skipped = if place.index == 0 {
                PREFIX.min(chunk.len())
            } else {
                0
            };
            let (prefix, rest) = chunk.split_at_mut(skipped);
            if let Some(prefix) = prefix.first_chunk_mut::<PREFIX>() {
                *prefix = length.to_be_bytes();
            }
            let wanted = usize::try_from(unread)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (filled, zeros) = rest.split_at_mut(wanted);
            pipeline::read_exact(&mut content, filled).map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => SealError::Short { length },
                _ => SealError::Io(cause),
            })?;
            zeros.fill(0);
            unread -= wanted as u64;
            Ok(())
        },
        |place, chunk| {
            keys::seal_chunk(&cipher, place.index, place.last, chunk).map(|()| leaf_hash(chunk))
        },
        |_, chunk, leaf: Result<[u8; 32], CipherRefused>| {
            tree.push(leaf?);
            payload.write_all(chunk).map_err(SealError::Io)
        },
    )?;
    if content.read(&mut [0])? != 0 {
        return Err(SealError::Long { length });
    }
    payload.flush()?;
    Ok(tree.root())
}
