//! The books of a platform that was stopped: the journal of each service, read straight from its
//! database and recomputed. Only reads.

use std::sync::Arc;

use anyhow::Context as _;
use sunbid_journal::{Db, Journal, Postgres};
use sunbid_platform::serve::SERVICES;
use sunbid_service::clock::SystemClock;

use crate::World;

/// Recomputes the logs of services: places without a gap, versions, leaves, roots. How many records
/// there are; anything wrong is an error that names it.
pub async fn check(world: &World, services: &[&str]) -> anyhow::Result<u64> {
    let mut entries = 0;
    for service in services {
        let db = open(world, service).await?;
        let journal = Journal::open(db, Arc::new(SystemClock)).await?;
        let report = journal.check().await?;
        journal.stop().await;
        journal.db().close().await;
        anyhow::ensure!(report.is_ok(), "the journal of {service}: {report:?}");
        entries += report.entries;
    }
    Ok(entries)
}

async fn open(world: &World, service: &str) -> anyhow::Result<Db> {
    let service = *SERVICES
        .iter()
        .find(|known| **known == service)
        .with_context(|| format!("there is no service {service}"))?;
    Ok(match &world.database {
        Some(address) => {
            let settings = Postgres::parse(address)?
                .in_schema(service)
                .accepting_loss();
            Db::postgres(&settings).await?
        }
        None => Db::sqlite(&world.data_of(service).join(format!("{service}.db"))).await?,
    })
}
