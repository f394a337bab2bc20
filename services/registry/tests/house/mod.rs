//! A registry behind the platform's own guard on a real socket, with a clock that tests move.

#![allow(dead_code, reason = "each test lives in some of its rooms")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use sunbid_certificates::{
    HolderKeys, Roots, possession,
    trial::{TrialAuthority, TrialIdentity, TrialSubject},
};
use sunbid_contracts::registry::v1::{self as pb, registry_service_client::RegistryServiceClient};
use sunbid_journal::Journal;
use sunbid_registry::RegistrySettings;
use sunbid_rules::Engine;
use sunbid_service::{
    Keys, Peers, Setting,
    authentication::{AuthenticationLayer, Guard, Keyring},
    peers::Identity,
    revocation::Revocations,
    setting::Database,
    token::{self, Claims},
};
use sunbid_terms::{Clock, Instant};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::RoutesBuilder,
    transport::{Channel, Endpoint, Server},
};

pub const ORIGIN: &str = "registry.example";
pub const CENTRE: &str = "12140600405600266Y";
pub const SUPPLIER: &str = "91110108551385082Q";
pub const PURCHASER: &str = "12350100MB02709751";
pub const TRUSTEE: &str = "9144030071526726XG";

/// The base point of ristretto255, RFC 9496 A.1.
const ELEMENT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
    0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub fn start_of_time() -> Instant {
    Instant::parse("2026-11-02T09:00:00+08:00").unwrap()
}

/// Everything a test talks to.
pub struct House {
    pub clock: Arc<TestClock>,
    pub authority: TrialAuthority,
    pub roots: Arc<Roots>,
    pub administrator: TrialIdentity,
    pub journal: Journal,
    keys: Keys,
    channel: Channel,
    // They end with it.
    _tasks: tokio::task::JoinSet<()>,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn identity(authority: &TrialAuthority, code: &str, name: &str, days: i64) -> TrialIdentity {
    authority
        .issue(&TrialSubject {
            credit_code: code,
            organization: "试验单位",
            common_name: name,
            not_before: start_of_time().plus_seconds(-86_400),
            not_after: start_of_time().plus_seconds(days * 86_400),
        })
        .unwrap()
}

impl House {
    /// A platform whose first administrator is enrolled.
    pub async fn build() -> Self {
        Self::with(RegistrySettings::default()).await
    }

    pub async fn with(settings: RegistrySettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = start_of_time().plus_seconds(-86_400);
        let authority =
            TrialAuthority::new("试验根证书", from, from.plus_seconds(3650 * 86_400)).unwrap();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(start_of_time().micros())));
        let administrator = identity(&authority, CENTRE, "管理员", 365);
        let database = sunbid_service::trial::database().await.unwrap();
        let first =
            async || bootstrap(folder.path(), &database, &clock, &roots, &administrator).await;
        first().await.unwrap();
        let again = first().await;
        assert!(matches!(
            again,
            Err(sunbid_registry::BootstrapError::NotFirst)
        ));

        let roots = Arc::new(roots);
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let shutdown = CancellationToken::new();
        let own = keys.pair("service-registry").unwrap();
        let peers = Peers::new(
            &endpoint,
            Identity::new("registry", own, clock.clone(), ORIGIN),
        );
        let setting = Setting {
            clock: clock.clone(),
            data: folder.path().to_owned(),
            database,
            peers,
            rules: Arc::new(Engine::new().unwrap()),
            roots: roots.clone(),
            keys: keys.clone(),
            origin: ORIGIN.to_owned(),
            sandbox: true,
            shutdown: shutdown.clone(),
        };
        let started = sunbid_registry::start(setting, settings).await.unwrap();
        let mut routes = RoutesBuilder::default();
        (started.install)(&mut routes);
        let guard = Guard {
            keyring: Keyring {
                people: vec![keys.public("token").unwrap()],
                services: keys.service_keys(&["bid"]).unwrap(),
            },
            revocations: Revocations::default(),
            clock: clock.clone(),
            origin: ORIGIN.to_owned(),
        };
        let stop = shutdown.clone();
        tokio::spawn(
            Server::builder()
                .layer(AuthenticationLayer::new(guard))
                .add_routes(routes.routes())
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                    stop.cancelled().await;
                }),
        );
        Self {
            clock,
            authority,
            roots,
            administrator,
            journal: started.journal,
            keys,
            channel: endpoint.connect_lazy(),
            _tasks: started.tasks,
            shutdown,
            _folder: folder,
        }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn client(&self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel.clone())
    }

    pub fn issue(&self, code: &str) -> TrialIdentity {
        identity(&self.authority, code, "某某", 365)
    }

    pub async fn challenge(&self) -> Vec<u8> {
        let mut client = self.client();
        let answer = client.create_challenge(pb::CreateChallengeRequest {});
        answer.await.unwrap().into_inner().challenge
    }

    pub async fn sign_in(&self, identity: &TrialIdentity) -> Result<pb::SignInResponse, Status> {
        let request = sign_in_request(identity, self.challenge().await);
        Ok(self.client().sign_in(request).await?.into_inner())
    }

    pub async fn token(&self, identity: &TrialIdentity) -> String {
        self.sign_in(identity).await.unwrap().access_token
    }

    /// A token as another service of the platform mints it for itself.
    pub fn service_token(&self) -> String {
        let claims = Claims {
            subject: "services/bid".into(),
            organization: String::new(),
            roles: vec![pb::Role::Service as i32],
            session_id: vec![],
            expire_us: self.clock.now().plus_seconds(300).micros(),
            origin: ORIGIN.into(),
        };
        token::mint(&self.keys.pair("service-bid").unwrap(), &claims)
    }

    pub async fn register(
        &self,
        identity: &TrialIdentity,
        kind: pb::OrganizationKind,
    ) -> Result<pb::RegisterOrganizationResponse, Status> {
        let request = registration(identity, kind, self.challenge().await);
        Ok(self
            .client()
            .register_organization(request)
            .await?
            .into_inner())
    }

    /// Registers and approves; the organisation's name.
    pub async fn enrol(&self, identity: &TrialIdentity, kind: pb::OrganizationKind) -> String {
        let answer = self.register(identity, kind).await.unwrap();
        let name = answer.organization.unwrap().name;
        let administrator = self.token(&self.administrator).await;
        let request = pb::ApproveOrganizationRequest {
            request_id: request_id(),
            name: name.clone(),
        };
        self.client()
            .approve_organization(with(&administrator, request))
            .await
            .unwrap();
        name
    }
}

async fn bootstrap(
    data: &Path,
    database: &Database,
    clock: &Arc<TestClock>,
    roots: &Roots,
    administrator: &TrialIdentity,
) -> Result<pb::RegisterOrganizationResponse, sunbid_registry::BootstrapError> {
    let certificate = &administrator.certificate;
    sunbid_registry::bootstrap(data, database, clock.clone(), roots, certificate, &[]).await
}

pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A request with a token, read in English.
pub fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
        .metadata_mut()
        .insert("accept-language", MetadataValue::from_static("en"));
    request
}

pub fn sign_in_request(identity: &TrialIdentity, challenge: Vec<u8>) -> pb::SignInRequest {
    let message = possession::sign_in(&challenge, ORIGIN);
    pb::SignInRequest {
        signature: identity.signer().unwrap().sign(&message).unwrap(),
        certificate: identity.certificate.clone(),
        challenge,
    }
}

pub fn registration(
    identity: &TrialIdentity,
    kind: pb::OrganizationKind,
    challenge: Vec<u8>,
) -> pb::RegisterOrganizationRequest {
    let trustee = kind == pb::OrganizationKind::Trustee;
    let mut request = pb::RegisterOrganizationRequest {
        request_id: request_id(),
        display_name: "试验单位".into(),
        kinds: vec![kind as i32],
        basic_account: "6222000011112222".into(),
        certificate: identity.certificate.clone(),
        intermediates: vec![],
        identity_key: if trustee { vec![1; 32] } else { vec![] },
        encryption_key: if trustee { ELEMENT.to_vec() } else { vec![] },
        challenge,
        signature: vec![],
        subject_display_name: "某某".into(),
        keys_signed_time_us: 0,
        keys_signature: vec![],
    };
    if trustee {
        sign_keys(&mut request, identity, start_of_time());
    }
    let digest = possession::Registration {
        origin: ORIGIN,
        request_id: &request.request_id,
        display_name: &request.display_name,
        kinds: &request.kinds,
        basic_account: &request.basic_account,
        certificate: &request.certificate,
        identity_key: &request.identity_key,
        encryption_key: &request.encryption_key,
        subject_display_name: &request.subject_display_name,
    }
    .digest();
    let message = possession::registration(&request.challenge, &digest);
    request.signature = identity.signer().unwrap().sign(&message).unwrap();
    request
}

/// Signs for the two keys of a registration as its institution.
pub fn sign_keys(
    request: &mut pb::RegisterOrganizationRequest,
    identity: &TrialIdentity,
    at: Instant,
) {
    let keys = HolderKeys {
        origin: ORIGIN,
        certificate: &request.certificate,
        identity_key: &request.identity_key,
        encryption_key: &request.encryption_key,
        signed_at: at,
    };
    request.keys_signature = identity.signer().unwrap().sign(&keys.message()).unwrap();
    request.keys_signed_time_us = at.micros();
}
