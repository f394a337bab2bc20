//! From t partials to the shared secret of one envelope.
//! Any t verified partials give the same secret; which holders' partials were bad is reported, so
//! that each failure has an owner. Fewer than t give nothing.

use thiserror::Error;

use crate::group::SharedSecret;
use crate::header::CheckedHeader;
use crate::partial::{Partial, PartialError, VerifiedPartial};
use crate::tender_key::{TenderKey, interpolate_public};

/// Why partials do not combine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CombineError {
    /// Not enough holders have given a valid partial.
    #[error("{valid} valid partials are fewer than the {threshold} needed.")]
    TooFew {
        /// How many distinct holders' partials are valid.
        valid: usize,
        /// t.
        threshold: u16,
    },
    /// A partial was verified for another envelope.
    #[error("The partial of holder {holder} belongs to another envelope.")]
    OtherEnvelope {
        /// Whose partial.
        holder: u16,
    },
}

/// Combines verified partials of one envelope; a second partial of the same holder is not counted.
///
/// # Errors
/// [`CombineError`].
pub fn combine(
    key: &TenderKey,
    header: &CheckedHeader,
    partials: &[VerifiedPartial],
) -> Result<SharedSecret, CombineError> {
    let mut chosen = Vec::with_capacity(usize::from(key.threshold()));
    for partial in partials {
        if partial.envelope != *header.id() {
            return Err(CombineError::OtherEnvelope {
                holder: partial.holder,
            });
        }
        if chosen.len() < usize::from(key.threshold())
            && chosen.iter().all(|(holder, _)| *holder != partial.holder)
        {
            chosen.push((partial.holder, partial.point));
        }
    }
    if chosen.len() < usize::from(key.threshold()) {
        return Err(CombineError::TooFew {
            valid: chosen.len(),
            threshold: key.threshold(),
        });
    }
    Ok(SharedSecret::from_point(interpolate_public(&chosen)))
}

/// A partial that was refused, and the holder it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPartial {
    /// The holder named in the record.
    pub holder: u16,
    /// Why it was refused.
    pub why: PartialError,
}

/// The outcome of trying all partials that were published for one envelope.
#[derive(Debug)]
pub struct Combination {
    /// The shared secret, or why there is none.
    pub secret: Result<SharedSecret, CombineError>,
    /// The partials that were refused, in the order they were given.
    pub bad: Vec<BadPartial>,
}

/// Verifies every partial, combines the good ones and names the bad ones.
#[must_use]
pub fn combine_reporting(
    key: &TenderKey,
    header: &CheckedHeader,
    close: &[u8; 32],
    partials: &[Partial],
) -> Combination {
    let mut good = Vec::with_capacity(partials.len());
    let mut bad = Vec::new();
    for partial in partials {
        match partial.verify(key, header, close) {
            Ok(verified) => good.push(verified),
            Err(why) => bad.push(BadPartial {
                holder: partial.holder(),
                why,
            }),
        }
    }
    Combination {
        secret: combine(key, header, &good),
        bad,
    }
}
