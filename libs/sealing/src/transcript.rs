//! Transcript hashing: the one way anything is hashed in suite 1.
//! `T(tag, p1..pk) = u8|SUITE| SUITE, u8|tag| tag, then u64|pi| pi` for every part, so that no two
//! different lists of parts have the same bytes. Nothing in this library hashes outside of it,
//! except the payload tree (RFC 9162) and the key derivation (HKDF).

use curve25519_dalek::{RistrettoPoint, Scalar};
use ring::digest;
use zeroize::Zeroize;

use crate::suite::SUITE;

/// What a hash is for. A closed list, so that no two uses can share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    SecondBase,
    Nonce,
    Seal,
    Partial,
    Deliver,
    PartialContext,
    KdfContext,
    EnvelopeId,
    TenderKey,
    CeremonyId,
    CeremonyCommitment,
    CeremonyShare,
    CeremonyCertificate,
    Canary,
    Close,
    Bundle,
}

impl Tag {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SecondBase => "gbar",
            Self::Nonce => "nonce",
            Self::Seal => "seal",
            Self::Partial => "partial",
            Self::Deliver => "deliver",
            Self::PartialContext => "partial-context",
            Self::KdfContext => "kdf-context",
            Self::EnvelopeId => "envelope-id",
            Self::TenderKey => "tender-key",
            Self::CeremonyId => "dkg-cid",
            Self::CeremonyCommitment => "dkg-commit",
            Self::CeremonyShare => "dkg-share",
            Self::CeremonyCertificate => "dkg-cert",
            Self::Canary => "canary",
            Self::Close => "close",
            Self::Bundle => "bundle",
        }
    }
}

fn transcript(algorithm: &'static digest::Algorithm, tag: Tag, parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    for name in [SUITE, tag.name()] {
        // Both names come from this crate and are far below 256 bytes.
        context.update(&[name.len() as u8]);
        context.update(name.as_bytes());
    }
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish()
}

/// `H256`: SHA-256 of the transcript.
pub(crate) fn hash(tag: Tag, parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(transcript(&digest::SHA256, tag, parts).as_ref());
    out
}

fn wide(tag: Tag, parts: &[&[u8]]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(transcript(&digest::SHA512, tag, parts).as_ref());
    out
}

/// `Hs`: SHA-512 of the transcript, little-endian, modulo the group order.
pub(crate) fn hash_to_scalar(tag: Tag, parts: &[&[u8]]) -> Scalar {
    let mut bytes = wide(tag, parts);
    let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
    // The same routine makes secret nonces.
    bytes.zeroize();
    scalar
}

/// `Hp`: the element derivation of RFC 9496 section 4.3.4 from SHA-512 of the transcript.
pub(crate) fn hash_to_point(tag: Tag, parts: &[&[u8]]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&wide(tag, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_between_parts_is_hashed() {
        let all = [
            hash(Tag::Bundle, &[b"ab", b"c"]),
            hash(Tag::Bundle, &[b"a", b"bc"]),
            hash(Tag::Bundle, &[b"abc"]),
            hash(Tag::Bundle, &[b"abc", b""]),
            hash(Tag::Close, &[b"abc"]),
        ];
        for (position, left) in all.iter().enumerate() {
            assert!(all.iter().skip(position + 1).all(|right| left != right));
        }
    }
}
