//! The ceremony in which n holders make one tender's key, so that no one ever has it whole.
//!
//! Distributed key generation by `frost-ristretto255`, wrapped, because on its own it accepts a
//! package of another ceremony: every message is signed for one ceremony, round and holder; all
//! commit before any reveals; shares are posted, encrypted; a complaint lets everybody see who
//! lied; and all n sign what was posted. Whoever has the transcript can recompute the key with
//! [`verify_transcript`].
//!
//! 1. Each holder posts a commitment to its package.
//! 2. With all commitments there, each posts its package.
//! 3. With all packages there, each posts a share for every other holder, encrypted to it.
//! 4. A holder whose share is wrong complains, which ends the ceremony and names who was at fault;
//!    otherwise it certifies what was posted.
//!
//! A ceremony that ends in a fault is held again under a new nonce. No state outlives a restart of
//! a holder on purpose: coefficients are never written down.

mod canary;
mod complaint;
mod fault;
mod holder;
mod message;
mod package;
mod posted;
mod share_envelope;
mod terms;
mod transcript;

pub use canary::{Canary, CanaryError, answer_canary, make_canary, verify_canary};
pub use fault::{CeremonyError, CeremonyFault, Fault, FormError};
pub use holder::{Certified, Committed, Outcome, Revealed, Shared, join};
pub use message::{Message, Round, equivocates};
pub use terms::{CeremonyTerms, HolderKeys, TermsError};
pub use transcript::{Certificate, Transcript, TranscriptError, verify_transcript};
