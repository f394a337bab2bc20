//! Blinding: how a head is committed to in public without telling anything about its log.
//! Each epoch gives each log a fresh blind, so that an unchanged head looks as new as a changed one.

use ring::hmac;

use crate::hash::{Hash, to_hash};
use crate::id::LogId;
use crate::merkle::leaf_hash;

/// The key of one log's blinds; from the master key, which never leaves its owner.
pub fn epoch_key(master: &[u8; 32], log: LogId) -> [u8; 32] {
    mac(master, &[b"sunbid-blind-v1\0", log.as_bytes()])
}

/// The blind of one log in one epoch, from that log's [`epoch_key`].
pub fn blind(key: &[u8; 32], epoch: u64) -> Hash {
    mac(key, &[&epoch.to_be_bytes()])
}

/// `leaf_hash(blind || log || size || root)`
pub fn blinded_leaf(blind: &Hash, log: LogId, size: u64, root: &Hash) -> Hash {
    let size = size.to_be_bytes();
    leaf_hash(&[blind.as_slice(), log.as_bytes(), &size, root].concat())
}

/// A leaf that stands for no log, so that the number of logs in an epoch shows only as a power of
/// two. Without the master key it cannot be told from a real one.
pub fn filler_leaf(master: &[u8; 32], epoch: u64, number: u64) -> Hash {
    let parts = [epoch.to_be_bytes(), number.to_be_bytes()];
    mac(master, &[b"sunbid-filler-v1\0", &parts.concat()])
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hash {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_hash(context.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_head_never_shows_twice() {
        let key = epoch_key(&[1; 32], LogId::of("bid", "tenders/1"));
        let log = LogId::of("bid", "tenders/1");
        let leaf = |epoch| blinded_leaf(&blind(&key, epoch), log, 3, &[5; 32]);
        assert_ne!(leaf(1), leaf(2));
        assert_eq!(leaf(1), leaf(1));
        assert_ne!(key, epoch_key(&[2; 32], log));
        assert_ne!(key, epoch_key(&[1; 32], LogId::of("bid", "tenders/2")));
        assert_ne!(filler_leaf(&[1; 32], 1, 0), filler_leaf(&[1; 32], 1, 1));
    }
}
