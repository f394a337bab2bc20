//! Lengths: how content is padded (Padmé, at least 256 bytes), cut into chunks and sealed.
//! Padding costs less than 12 % and leaves only O(log log) of the size visible. Every computation
//! is checked; no length a stranger can state overflows.

/// Plaintext bytes of a full chunk.
pub const CHUNK: usize = 1 << 20;
/// What sealing adds to a chunk: the AES-256-GCM tag.
pub const TAG: usize = 16;
/// The plaintext starts with the content length as u64.
pub(crate) const PREFIX: usize = 8;
/// Nothing is padded to less.
const MINIMUM: u64 = 256;
/// 256 TiB; larger content is refused, so that no sum below can overflow.
pub const MAXIMUM_CONTENT: u64 = 1 << 48;

const CHUNK_LENGTH: u64 = CHUNK as u64;
const TAG_LENGTH: u64 = TAG as u64;

/// Rounds up to a number with few significant bits (PURBs, section 4).
fn padme(length: u64) -> u64 {
    let Some(exponent) = length.checked_ilog2().filter(|exponent| *exponent > 0) else {
        return length;
    };
    let significant = exponent.ilog2() + 1;
    let mask = (1_u64 << exponent.saturating_sub(significant)) - 1;
    length.saturating_add(mask) & !mask
}

/// The plaintext length that content of this length is padded to.
#[must_use]
pub fn padded_length(content: u64) -> Option<u64> {
    (content <= MAXIMUM_CONTENT).then(|| padme(content + PREFIX as u64).max(MINIMUM))
}

/// The sealed length of padded plaintext: every chunk grows by its tag.
pub(crate) const fn sealed_length(padded: u64) -> u64 {
    padded + padded.div_ceil(CHUNK_LENGTH) * TAG_LENGTH
}

/// The plaintext length behind a sealed length, if any content has that sealed length.
#[must_use]
pub fn padded_of_sealed(sealed: u64) -> Option<u64> {
    let chunks = sealed.div_ceil(CHUNK_LENGTH + TAG_LENGTH);
    let padded = sealed.checked_sub(chunks.checked_mul(TAG_LENGTH)?)?;
    let largest = padded_length(MAXIMUM_CONTENT)?;
    let possible = (MINIMUM..=largest).contains(&padded)
        && padme(padded) == padded
        && sealed_length(padded) == sealed;
    possible.then_some(padded)
}

/// How many chunks padded plaintext has.
pub(crate) const fn chunk_count(padded: u64) -> u64 {
    padded.div_ceil(CHUNK_LENGTH)
}

/// Plaintext bytes of one chunk.
pub(crate) fn chunk_length(padded: u64, index: u64) -> usize {
    let rest = padded.saturating_sub(index.saturating_mul(CHUNK_LENGTH));
    // At most CHUNK, which fits.
    rest.min(CHUNK_LENGTH) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_contents_share_one_length() {
        for content in 0..=248 {
            assert_eq!(padded_length(content), Some(256));
        }
        assert_eq!(padded_length(249), Some(272));
        assert_eq!(padded_of_sealed(272), Some(256));
        assert_eq!(padded_of_sealed(271), None);
        assert_eq!(padded_of_sealed(0), None);
        assert_eq!(padded_of_sealed(u64::MAX), None);
        assert_eq!(padded_length(u64::MAX), None);
        assert_eq!(padded_length(MAXIMUM_CONTENT + 1), None);
    }

    proptest! {
        #[test]
        fn padding_is_bounded_idempotent_and_recoverable(
            content in (0_u32..49).prop_flat_map(|bits| 0..=(1_u64 << bits)),
        ) {
            let padded = padded_length(content).unwrap();
            prop_assert!(padded >= content + 8);
            prop_assert!(padded == 256 || (padded - content - 8) * 100 < (content + 8) * 12);
            prop_assert_eq!(padme(padded), padded);
            prop_assert_eq!(padded_of_sealed(sealed_length(padded)), Some(padded));
        }

        #[test]
        fn any_stated_length_is_answered(sealed: u64) {
            if let Some(padded) = padded_of_sealed(sealed) {
                prop_assert_eq!(sealed_length(padded), sealed);
            }
        }
    }
}
