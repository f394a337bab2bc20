//! Drills: what an operator practises before relying on the platform, played on this machine with
//! real processes. `tests/drills.sh` builds and runs them. Each prints one line: its name, whether it
//! held, its figures; what it saw on the way goes to standard error. One that finds what must not be
//! ends the run with an error, after the others had their turn.

mod dice;
mod failover;
mod faults;
mod feed;
mod fuzz;
mod kill;
mod objects;
mod outage;
mod permission;
mod rush;
mod tampering;

use std::{future::Future, pin::Pin};

use anyhow::{Context as _, bail};

/// How much of a drill is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Short,
    Long,
}

/// What a drill that held measured, in words and numbers; what must not be is an error.
type Played = anyhow::Result<String>;

type Drill = fn(Form) -> Pin<Box<dyn Future<Output = Played>>>;

/// Every drill by its name, in the order in which all are played.
const DRILLS: &[(&str, Drill)] = &[
    ("failover", |form| Box::pin(failover::run(form))),
    ("objects", |form| Box::pin(objects::run(form))),
    ("outage", |form| Box::pin(outage::run(form))),
    ("permission", |form| Box::pin(permission::run(form))),
    ("tampering", |form| Box::pin(tampering::run(form))),
    ("kill", |form| Box::pin(kill::run(form))),
    ("rush", |form| Box::pin(rush::run(form))),
    ("feed", |form| Box::pin(feed::run(form))),
    ("faults", |form| Box::pin(faults::run(form))),
    ("fuzz", |form| Box::pin(fuzz::run(form))),
];

/// What a variable says of how much is played; nothing where it is not set.
fn number(variable: &str) -> anyhow::Result<Option<usize>> {
    match std::env::var(variable) {
        Ok(text) => {
            Ok(Some(text.parse().with_context(|| {
                format!("{variable}={text:?} is no whole number")
            })?))
        }
        Err(_) => Ok(None),
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let form = match arguments.next().as_deref() {
        Some("short") => Form::Short,
        Some("long") => Form::Long,
        other => bail!("say short or long, not {other:?}"),
    };
    let names: Vec<String> = arguments.collect();
    let mut chosen = Vec::new();
    for name in &names {
        chosen.push(
            *DRILLS
                .iter()
                .find(|(known, _)| known == name)
                .with_context(|| {
                    let known: Vec<_> = DRILLS.iter().map(|(name, _)| *name).collect();
                    format!("there is no drill {name:?}; there are {}", known.join(", "))
                })?,
        );
    }
    if names.is_empty() {
        chosen = DRILLS.to_vec();
    }
    let mut failed = 0;
    for (name, drill) in chosen {
        // A runtime each, so that no drill leaves anything running for the next.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        match runtime.block_on(drill(form)) {
            Ok(figures) => println!("{name}: ok: {figures}"),
            Err(error) => {
                failed += 1;
                println!("{name}: NOT OK: {error:#}");
            }
        }
    }
    if failed > 0 {
        bail!("{failed} drills did not hold");
    }
    Ok(())
}
