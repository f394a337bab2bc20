//! How much the driver does: the sizes of the project's targets unless said otherwise.

use anyhow::{Context as _, bail};

/// What may follow `load bench`.
pub const USAGE: &str =
    "[--bids N] [--suppliers N] [--revisions N] [--entries N] [--only start|submission|opening]";

pub struct Sizes {
    /// Bids that are opened together.
    pub bids: usize,
    /// Suppliers that submit at the same time.
    pub suppliers: usize,
    /// Revisions that each of them submits, one after the other.
    pub revisions: u32,
    /// Entries in the journal of a platform that starts.
    pub entries: u64,
    only: Option<String>,
}

impl Sizes {
    pub fn read(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut sizes = Self {
            bids: 1000,
            suppliers: 96,
            revisions: 20,
            entries: 100_000,
            only: None,
        };
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} of what?"))?;
            match name.as_str() {
                "--bids" => sizes.bids = value.parse()?,
                "--suppliers" => sizes.suppliers = value.parse()?,
                "--revisions" => sizes.revisions = value.parse()?,
                "--entries" => sizes.entries = value.parse()?,
                "--only" => sizes.only = Some(value),
                _ => bail!("{name} is unknown; there are {USAGE}"),
            }
        }
        Ok(sizes)
    }

    /// Whether a group of measures is to be taken.
    pub fn wants(&self, group: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == group)
    }
}
