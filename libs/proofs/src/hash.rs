//! SHA-256, the one hash of the audit log.

use ring::digest;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The length of a [`Hash`] in bytes.
pub const HASH_LENGTH: usize = 32;

/// SHA-256 over the concatenation of `parts`. Callers make the concatenation unambiguous.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_hash(context.finish().as_ref())
}

/// The first 32 bytes; shorter input is filled with zeros. Used on values whose length is known.
pub(crate) fn to_hash(bytes: &[u8]) -> Hash {
    let mut hash = [0; HASH_LENGTH];
    for (to, from) in hash.iter_mut().zip(bytes) {
        *to = *from;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(&[b"a", b"bc"])), expected);
    }
}
