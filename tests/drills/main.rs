//! Drills: what an operator practises before relying on the platform, played on this machine with
//! real processes. `tests/drills.sh` builds and runs them. A drill that finds what must not be ends
//! with an error; what it saw is printed as it goes.

mod failover;

use anyhow::bail;

/// How much of a drill is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Short,
    Long,
}

const DRILLS: [&str; 1] = ["failover"];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let form = match arguments.next().as_deref() {
        Some("short") => Form::Short,
        Some("long") => Form::Long,
        other => bail!("say short or long, not {other:?}"),
    };
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names = DRILLS.map(str::to_owned).to_vec();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for name in names {
        match name.as_str() {
            "failover" => runtime.block_on(failover::run(form))?,
            other => bail!("there is no drill {other:?}; there are {DRILLS:?}"),
        }
    }
    Ok(())
}
