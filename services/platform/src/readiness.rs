//! Whether each service can work now, for `grpc.health.v1`: its database answers and the services that it
//! calls are there. The empty name says that the process is there; it asks nobody, so that two services
//! that need each other can both become ready.

use std::{sync::Arc, time::Duration};

use sunbid_journal::Journal;
use sunbid_service::peers::Roads;
use sunbid_telemetry::metrics;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response, health_client::HealthClient},
    server::HealthReporter,
};

use crate::serve::SERVICES;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// How long a database or another service may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What each service calls while it answers. Services that are only followed are not here: records
/// wait.
const NEEDS: [(&str, &[&str]); 7] = [
    ("registry", &[]),
    ("notice", &["tender", "bid"]),
    ("tender", &["registry", "notice", "bid"]),
    ("deposit", &[]),
    ("bid", &[]),
    ("opening", &["bid"]),
    ("audit", &["registry"]),
];

/// The name of a service in `grpc.health.v1`: that of its gRPC service.
pub fn health_name(service: &str) -> String {
    let mut letters = service.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let capital: String = first.into_iter().chain(letters).collect();
    format!("sunbid.{service}.v1.{capital}Service")
}

/// A service of this process.
pub struct Watched {
    pub name: &'static str,
    pub journal: Journal,
}

/// Keeps the health of the services of this process until it stops.
pub async fn watch(
    health: HealthReporter,
    services: Vec<Watched>,
    roads: Arc<Roads>,
    shutdown: CancellationToken,
) {
    let is_here = |name: &&&str| services.iter().any(|service| service.name == **name);
    loop {
        for service in &services {
            let needs = NEEDS
                .iter()
                .find(|(name, _)| *name == service.name)
                .map_or(&[][..], |(_, needs)| needs);
            let began = std::time::Instant::now();
            let mut ready = has_database(&service.journal).await;
            if ready {
                let labels = vec![("service", service.name.to_owned())];
                let took = began.elapsed().as_secs_f64();
                metrics()
                    .database_seconds
                    .get_or_create(&labels)
                    .observe(took);
            }
            for needed in needs.iter().filter(|needed| !is_here(needed)) {
                ready = ready && status(roads.to(needed), "").await == ServingStatus::Serving;
            }
            let ready = if ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            show(service.name, ready);
            health
                .set_service_status(health_name(service.name), ready)
                .await;
        }
        if pause(&shutdown).await {
            return;
        }
    }
}

/// Keeps what the services behind a front door say of themselves.
pub async fn repeat(health: HealthReporter, roads: Arc<Roads>, shutdown: CancellationToken) {
    loop {
        for service in SERVICES {
            let name = health_name(service);
            let status = status(roads.to(service), &name).await;
            show(service, status);
            health.set_service_status(name, status).await;
        }
        if pause(&shutdown).await {
            return;
        }
    }
}

/// Says that nothing here takes work any more.
pub async fn leave(health: &HealthReporter) {
    let names = SERVICES.map(health_name).into_iter();
    for name in names.chain([String::new()]) {
        health
            .set_service_status(name, ServingStatus::NotServing)
            .await;
    }
}

fn show(service: &str, status: ServingStatus) {
    let ready = if status == ServingStatus::Serving {
        1.0
    } else {
        0.0
    };
    metrics().set("service_ready", &[("service", service)], ready);
}

/// Waits; whether the process stops.
async fn pause(shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => true,
        () = tokio::time::sleep(EVERY) => false,
    }
}

async fn has_database(journal: &Journal) -> bool {
    matches!(
        tokio::time::timeout(PATIENCE, journal.heads(None, 1)).await,
        Ok(Ok(_))
    )
}

async fn status(channel: Channel, name: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let mut client = HealthClient::new(channel);
    match tokio::time::timeout(PATIENCE, client.check(request)).await {
        Ok(Ok(answer))
            if answer.get_ref().status() == health_check_response::ServingStatus::Serving =>
        {
            ServingStatus::Serving
        }
        _ => ServingStatus::NotServing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_needs_and_its_contracts_name() {
        assert_eq!(NEEDS.map(|(name, _)| name).to_vec(), {
            let mut names = SERVICES.to_vec();
            names.sort_by_key(|name| NEEDS.iter().position(|(known, _)| known == name));
            names
        });
        assert_eq!(health_name("bid"), "sunbid.bid.v1.BidService");
        for service in SERVICES {
            let own = format!("/{}/", health_name(service));
            let mut rows = sunbid_service::access::rows().iter();
            assert!(rows.any(|row| row.path.starts_with(&own)), "{own}");
        }
    }
}
