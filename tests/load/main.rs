//! The load driver: the real program under many callers, and how long a person waits for it.
//!
//! `load bench` prints lines of five fields parted by tabs: name, value, unit, ratio, against what
//! in the same run. Everything listens on loopback only, in folders under the temporary directory
//! (`$TMPDIR`, which must be a real disk), and ends by itself.

mod bidders;
mod opening;
mod report;
mod sizes;
mod starting;
mod submission;
mod yardstick;

use anyhow::bail;

use sizes::Sizes;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some("bench") {
        bail!("usage: load bench {}", sizes::USAGE);
    }
    let sizes = Sizes::read(words)?;
    if sizes.wants("start") {
        starting::measure(&sizes).await?;
    }
    if sizes.wants("submission") {
        submission::measure(&sizes).await?;
    }
    if sizes.wants("opening") {
        opening::measure(&sizes).await?;
    }
    Ok(())
}
