//! From the shared secret to the keys of one payload, and the chunk cipher.
//! The payload key is used for one envelope only and is bound to its header, so the nonce is a
//! counter and there is no associated data. ring keeps its own copy of an AES key and does not
//! wipe it; the copies made here are wiped.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::{Element, SharedSecret};
use crate::suite::SUITE;
use crate::transcript::{self, Tag};

/// A primitive refused input whose size this library fixes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The cipher refused its input.")]
pub struct CipherRefused;

/// The two values derived for one envelope.
pub(crate) struct PayloadKeys {
    pub(crate) content_key: Zeroizing<[u8; 32]>,
    pub(crate) commitment: [u8; 32],
}

impl PayloadKeys {
    pub(crate) fn derive(
        key_id: &[u8; 32],
        statics: &[u8],
        ephemeral: &Element,
        secret: &SharedSecret,
    ) -> Result<Self, CipherRefused> {
        let context = transcript::hash(Tag::KdfContext, &[statics, ephemeral.as_bytes()]);
        let content_key = expand(key_id, secret.as_bytes(), " dek ", &context)?;
        let commitment = *expand(key_id, secret.as_bytes(), " commit ", &context)?;
        Ok(Self {
            content_key,
            commitment,
        })
    }

    /// Compares with the header's commitment in constant time.
    pub(crate) fn is_committed_to(&self, key_commit: &[u8; 32]) -> bool {
        bool::from(self.commitment.ct_eq(key_commit))
    }
}

/// HKDF-SHA-256 to 32 bytes, with the suite, a purpose and a context as info.
pub(crate) fn expand(
    salt: &[u8],
    secret: &[u8],
    purpose: &str,
    context: &[u8],
) -> Result<Zeroizing<[u8; 32]>, CipherRefused> {
    let mut out = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(
            &[SUITE.as_bytes(), purpose.as_bytes(), context],
            hkdf::HKDF_SHA256,
        )
        .and_then(|material| material.fill(out.as_mut_slice()))
        .map_err(|_| CipherRefused)?;
    Ok(out)
}

pub(crate) fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, CipherRefused> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| CipherRefused)
}

/// The STREAM nonce: an 11-byte counter and a flag on the last chunk.
fn chunk_nonce(index: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    let (head, flag) = bytes.split_at_mut(11);
    if let Some(counter) = head.last_chunk_mut::<8>() {
        *counter = index.to_be_bytes();
    }
    flag.copy_from_slice(&[u8::from(last)]);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals a chunk in place and appends its tag.
pub(crate) fn seal_chunk(
    key: &LessSafeKey,
    index: u64,
    last: bool,
    chunk: &mut Vec<u8>,
) -> Result<(), CipherRefused> {
    let tag = key
        .seal_in_place_separate_tag(chunk_nonce(index, last), Aad::empty(), chunk)
        .map_err(|_| CipherRefused)?;
    chunk.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Opens a chunk in place; the plaintext is everything but the last 16 bytes.
pub(crate) fn open_chunk(
    key: &LessSafeKey,
    index: u64,
    last: bool,
    chunk: &mut [u8],
) -> Result<(), CipherRefused> {
    key.open_in_place(chunk_nonce(index, last), Aad::empty(), chunk)
        .map(|_| ())
        .map_err(|_| CipherRefused)
}

/// Seals one short secret under a key that is used once.
pub(crate) fn seal_once(
    key: &[u8; 32],
    aad: &[u8],
    secret: &[u8],
) -> Result<Vec<u8>, CipherRefused> {
    let mut sealed = secret.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(aad),
            &mut sealed,
        )
        .map_err(|_| CipherRefused)?;
    Ok(sealed)
}

/// Opens what [`seal_once`] sealed.
pub(crate) fn open_once(
    key: &[u8; 32],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CipherRefused> {
    let mut opened = Zeroizing::new(sealed.to_vec());
    let length = cipher(key)?
        .open_in_place(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(aad),
            &mut opened,
        )
        .map_err(|_| CipherRefused)?
        .len();
    opened.truncate(length);
    Ok(opened)
}
