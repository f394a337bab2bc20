//! How a daemon behaves: honestly, or - in trials only - as one that is away or lies, so that
//! drills can show that an opening stands either.

use crate::{TrusteeFault, folder::Settings};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Honest,
    /// Takes part in nothing but witnessing and ceremonies. Sandboxes only.
    Absent,
    /// Gives shares that are not its own. Sandboxes only.
    Lying,
}

impl Behaviour {
    pub(crate) fn check(self, settings: &Settings) -> Result<(), TrusteeFault> {
        if self == Self::Honest || settings.sandbox {
            return Ok(());
        }
        Err(TrusteeFault::NotASandbox)
    }
}
