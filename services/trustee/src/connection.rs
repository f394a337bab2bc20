//! Calling the platform as this institution's machine: signed in with its certificate, its token
//! renewed in time.

use std::{sync::Arc, time::Duration};

use sunbid_certificates::possession;
use sunbid_contracts::{
    audit::v1::audit_service_client::AuditServiceClient,
    opening::v1::opening_service_client::OpeningServiceClient,
    registry::v1::{
        CreateChallengeRequest, GetPlatformRequest, SignInRequest,
        registry_service_client::RegistryServiceClient,
    },
    tender::v1::tender_service_client::TenderServiceClient,
};
use sunbid_terms::{Clock, MICROS};
use tokio::sync::Mutex;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{TrusteeFault, folder::Folder};

const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;
/// A token is renewed so long before it ends, microseconds.
const EARLY: i64 = 60 * MICROS;

pub type SignedChannel = InterceptedService<Channel, Token>;

/// Puts the token into every call.
#[derive(Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        request
            .metadata_mut()
            .insert("accept-language", MetadataValue::from_static("en"));
        Ok(request)
    }
}

#[derive(Clone)]
struct SignedIn {
    token: Token,
    organization: String,
    until_us: i64,
}

/// The address of a platform. That of an `https` one must show a certificate of the web's authorities, or of
/// `authority`, PEM; a plain one is for this machine alone, where a tunnel may begin.
pub fn endpoint(
    address: &str,
    authority: Option<&str>,
) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?;
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new().with_webpki_roots();
    endpoint.tls_config(match authority {
        Some(authority) => tls.ca_certificate(Certificate::from_pem(authority)),
        None => tls,
    })
}

/// The way to the platform.
pub struct Connection {
    channel: Channel,
    clock: Arc<dyn Clock>,
    // The token in use; held while it is renewed, so that it is renewed once.
    current: Mutex<Option<SignedIn>>,
}

impl Connection {
    pub fn new(folder: &Folder, clock: Arc<dyn Clock>) -> Result<Self, TrusteeFault> {
        let settings = &folder.settings;
        let channel = endpoint(&settings.endpoint, settings.authority.as_deref())?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .initial_stream_window_size(4 * 1024 * 1024)
            .connect_lazy();
        Ok(Self {
            channel,
            clock,
            current: Mutex::default(),
        })
    }

    /// "organizations/{credit_code}" of this institution, as the platform knows it.
    pub async fn organization(&self, folder: &Folder) -> Result<String, TrusteeFault> {
        Ok(self.signed_in(folder).await?.organization)
    }

    pub async fn tender(
        &self,
        folder: &Folder,
    ) -> Result<TenderServiceClient<SignedChannel>, TrusteeFault> {
        let token = self.signed_in(folder).await?.token;
        Ok(
            TenderServiceClient::with_interceptor(self.channel.clone(), token)
                .max_decoding_message_size(LARGEST_MESSAGE),
        )
    }

    pub async fn opening(
        &self,
        folder: &Folder,
    ) -> Result<OpeningServiceClient<SignedChannel>, TrusteeFault> {
        let token = self.signed_in(folder).await?.token;
        Ok(
            OpeningServiceClient::with_interceptor(self.channel.clone(), token)
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE),
        )
    }

    pub async fn audit(
        &self,
        folder: &Folder,
    ) -> Result<AuditServiceClient<SignedChannel>, TrusteeFault> {
        let token = self.signed_in(folder).await?.token;
        Ok(
            AuditServiceClient::with_interceptor(self.channel.clone(), token)
                .max_decoding_message_size(LARGEST_MESSAGE),
        )
    }

    /// Forgets the token: the platform did not take it.
    pub async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn signed_in(&self, folder: &Folder) -> Result<SignedIn, TrusteeFault> {
        let mut current = self.current.lock().await;
        if let Some(signed_in) = current.as_ref()
            && self.clock.now().micros() < signed_in.until_us - EARLY
        {
            return Ok(signed_in.clone());
        }
        let mut registry = RegistryServiceClient::new(self.channel.clone());
        let platform = registry
            .get_platform(GetPlatformRequest {})
            .await?
            .into_inner();
        let pinned = &folder.settings;
        if platform.sandbox != pinned.sandbox
            || platform.origin != pinned.origin
            || platform.log_verifier_key != pinned.log_verifier_key
            || hex::encode(&platform.receipt_key) != pinned.receipt_key
        {
            return Err(TrusteeFault::OtherPlatform(platform.origin));
        }
        if !folder.knows_roots(&platform.roots) {
            // Said now, while there is time: bids under such a root would not be signed for.
            tracing::error!(
                "the platform takes certificates of a root that is not among this institution's; bids that come with them keep it from signing"
            );
        }
        let challenge = registry
            .create_challenge(CreateChallengeRequest {})
            .await?
            .into_inner()
            .challenge;
        let message = possession::sign_in(&challenge, &pinned.origin);
        let signature = folder.signer.sign(&message)?;
        let request = SignInRequest {
            challenge,
            certificate: folder.certificate.clone(),
            signature,
        };
        let answer = registry.sign_in(request).await?.into_inner();
        let value = format!("Bearer {}", answer.access_token)
            .parse()
            .map_err(|_| Status::internal("the platform gave a token that is not ASCII"))?;
        let name = answer.subject.unwrap_or_default().name;
        let organization = name
            .split("/subjects/")
            .next()
            .unwrap_or_default()
            .to_owned();
        let signed_in = SignedIn {
            token: Token(value),
            organization,
            until_us: answer.expire_time_us,
        };
        *current = Some(signed_in.clone());
        Ok(signed_in)
    }
}
