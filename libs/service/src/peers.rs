//! Clients to the platform's services, each call carrying this service's own short-lived token.
//! One channel to each place, opened on first use and again after a break; nobody else makes clients.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use ring::signature::Ed25519KeyPair;
use sunbid_contracts::{
    audit::v1::audit_service_client::AuditServiceClient,
    bid::v1::bid_service_client::BidServiceClient,
    deposit::v1::deposit_service_client::DepositServiceClient,
    journal::v1::log_service_client::LogServiceClient,
    notice::v1::notice_service_client::NoticeServiceClient,
    opening::v1::opening_service_client::OpeningServiceClient,
    registry::v1::{Role, registry_service_client::RegistryServiceClient},
    tender::v1::tender_service_client::TenderServiceClient,
};
use sunbid_terms::{Clock, MICROS};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use sunbid_telemetry::trace;

use crate::{
    retry::Retrying,
    token::{self, Claims},
};

/// How long a service's own token is good, microseconds.
const LIFETIME: i64 = 300 * MICROS;

/// Largest message taken from a peer, bytes: a page of log records with bodies.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// A channel on which every call carries the service's token.
pub type PeerChannel = InterceptedService<Retrying, Identity>;

/// The ways to the services.
#[derive(Clone)]
pub struct Roads {
    /// To services that have no place of their own.
    here: Channel,
    /// By service.
    elsewhere: BTreeMap<&'static str, Channel>,
}

impl Roads {
    /// All services at one place.
    pub fn one(endpoint: &Endpoint) -> Self {
        Self {
            here: endpoint.connect_lazy(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// `service` at a place of its own.
    #[must_use]
    pub fn and(mut self, service: &'static str, endpoint: &Endpoint) -> Self {
        self.elsewhere.insert(service, endpoint.connect_lazy());
        self
    }

    /// The channel to `service`, without this service's token and without repeats.
    pub fn to(&self, service: &str) -> Channel {
        self.elsewhere.get(service).unwrap_or(&self.here).clone()
    }
}

/// Clients to the other services.
#[derive(Clone)]
pub struct Peers {
    roads: Arc<Roads>,
    identity: Identity,
}

/// A token and when it is to be replaced, microseconds since 1970 UTC.
type Minted = (i64, MetadataValue<Ascii>);

/// Signs this service's tokens.
#[derive(Clone)]
pub struct Identity {
    service: &'static str,
    key: Arc<Ed25519KeyPair>,
    clock: Arc<dyn Clock>,
    origin: String,
    // The token in use and when it is to be replaced; locked for the length of a copy.
    current: Arc<Mutex<Option<Minted>>>,
}

impl Identity {
    pub fn new(
        service: &'static str,
        key: Arc<Ed25519KeyPair>,
        clock: Arc<dyn Clock>,
        origin: &str,
    ) -> Self {
        Self {
            service,
            key,
            clock,
            origin: origin.to_owned(),
            current: Arc::default(),
        }
    }
}

impl Interceptor for Identity {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let now = self.clock.now();
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let value = match current.as_ref() {
            Some((until, value)) if now.micros() < *until => value.clone(),
            _ => {
                let claims = Claims {
                    subject: format!("services/{}", self.service),
                    organization: String::new(),
                    roles: vec![Role::Service as i32],
                    session_id: Vec::new(),
                    expire_us: now.plus_micros(LIFETIME).micros(),
                    origin: self.origin.clone(),
                };
                let value: MetadataValue<Ascii> =
                    format!("Bearer {}", token::mint(&self.key, &claims))
                        .parse()
                        .map_err(|_| Status::internal("a token is always ASCII"))?;
                *current = Some((now.plus_micros(LIFETIME / 2).micros(), value.clone()));
                value
            }
        };
        request.metadata_mut().insert("authorization", value);
        if let Some(place) = trace::onward() {
            let mut headers = std::mem::take(request.metadata_mut()).into_headers();
            headers.insert(trace::HEADER, place);
            *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        }
        Ok(request)
    }
}

macro_rules! client {
    ($name:ident, $client:ident) => {
        pub fn $name(&self) -> $client<PeerChannel> {
            $client::new(self.channel(stringify!($name)))
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE)
        }
    };
}

impl Peers {
    /// Clients that reach all services at `endpoint`.
    pub fn new(endpoint: &Endpoint, identity: Identity) -> Self {
        Self::by(Arc::new(Roads::one(endpoint)), identity)
    }

    /// Clients that reach the services by `roads`.
    pub const fn by(roads: Arc<Roads>, identity: Identity) -> Self {
        Self { roads, identity }
    }

    /// The logs that `service` keeps.
    pub fn logs(&self, service: &str) -> LogServiceClient<PeerChannel> {
        LogServiceClient::new(self.channel(service))
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE)
    }

    client!(registry, RegistryServiceClient);
    client!(notice, NoticeServiceClient);
    client!(tender, TenderServiceClient);
    client!(deposit, DepositServiceClient);
    client!(bid, BidServiceClient);
    client!(opening, OpeningServiceClient);
    client!(audit, AuditServiceClient);

    fn channel(&self, service: &str) -> PeerChannel {
        let retrying = Retrying::new(self.roads.to(service));
        InterceptedService::new(retrying, self.identity.clone())
    }
}
