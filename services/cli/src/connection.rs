//! Clients to the platform as one caller: anyone, or a profile that signs in with its certificate
//! and whose token is renewed before it ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use sunbid_certificates::possession;
use sunbid_contracts::{
    audit::v1::audit_service_client::AuditServiceClient,
    bid::v1::bid_service_client::BidServiceClient,
    deposit::v1::deposit_service_client::DepositServiceClient,
    notice::v1::notice_service_client::NoticeServiceClient,
    opening::v1::opening_service_client::OpeningServiceClient,
    registry::v1::{
        CreateChallengeRequest, GetPlatformRequest, GetPlatformResponse, SignInRequest, Subject,
        account_service_client::AccountServiceClient,
        registry_service_client::RegistryServiceClient,
    },
    sandbox::v1::sandbox_service_client::SandboxServiceClient,
    tender::v1::tender_service_client::TenderServiceClient,
};
use sunbid_telemetry::trace;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{anchors::Anchors, profile::Profile};

/// Largest answer taken, bytes.
const LARGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// A channel whose calls carry the caller's token and language.
pub type CallerChannel = InterceptedService<Channel, Marks>;

/// What every call carries.
#[derive(Clone)]
pub struct Marks {
    language: MetadataValue<Ascii>,
    // Replaced by `renew`; locked for the length of a copy.
    token: Arc<Mutex<Option<MetadataValue<Ascii>>>>,
}

impl Marks {
    fn locked(&self) -> MutexGuard<'_, Option<MetadataValue<Ascii>>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interceptor for Marks {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("accept-language", self.language.clone());
        let token = self.locked().clone();
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token);
        }
        if let Some(place) = trace::onward() {
            let mut headers = std::mem::take(request.metadata_mut()).into_headers();
            headers.insert(trace::HEADER, place);
            *request.metadata_mut() = MetadataMap::from_headers(headers);
        }
        Ok(request)
    }
}

/// A caller's connection.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    marks: Marks,
    english: bool,
    profile: Option<Arc<Profile>>,
    /// What the platform was found to be when it was signed in to.
    anchors: Option<Arc<Anchors>>,
    subject: Option<Subject>,
    expire_us: i64,
}

macro_rules! client {
    ($name:ident, $client:ident) => {
        pub fn $name(&self) -> $client<CallerChannel> {
            $client::with_interceptor(self.channel.clone(), self.marks.clone())
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE)
        }
    };
}

impl Connection {
    /// Connects as nobody in particular: public reading.
    pub async fn anonymous(endpoint: &str, english: bool) -> anyhow::Result<Self> {
        Self::trusting(endpoint, None, english).await
    }

    /// Connects as nobody in particular; the certificate of an https address may end in `authority`,
    /// PEM, besides the web's own.
    pub async fn trusting(
        endpoint: &str,
        authority: Option<&str>,
        english: bool,
    ) -> anyhow::Result<Self> {
        let channel = sunbid_trustee::endpoint(endpoint, authority)
            .with_context(|| {
                format!("{endpoint:?} is not an address such as https://ggzy.example.cn or http://127.0.0.1:7700")
            })?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .initial_stream_window_size(4 * 1024 * 1024)
            .connect()
            .await
            .map_err(|error| {
                Status::unavailable(format!("{endpoint} cannot be reached: {error:?}"))
            })?;
        let language = if english { "en" } else { "zh-CN" };
        Ok(Self {
            channel,
            marks: Marks {
                language: MetadataValue::from_static(language),
                token: Arc::default(),
            },
            english,
            profile: None,
            anchors: None,
            subject: None,
            expire_us: 0,
        })
    }

    /// Connects and signs in.
    pub async fn signed_in(profile: Arc<Profile>, english: bool) -> anyhow::Result<Self> {
        let authority = profile.authority.as_deref();
        let mut connection = Self::trusting(&profile.endpoint, authority, english).await?;
        connection.profile = Some(profile);
        connection.renew().await?;
        Ok(connection)
    }

    /// Carries a token from now on that was got without a certificate.
    pub fn carry(&mut self, access_token: &str, subject: &str) -> anyhow::Result<()> {
        let token = format!("Bearer {access_token}")
            .parse()
            .context("the session's token is not ASCII")?;
        *self.marks.locked() = Some(token);
        self.subject = Some(Subject {
            name: subject.to_owned(),
            ..Subject::default()
        });
        Ok(())
    }

    /// Gets a fresh token for the profile.
    pub async fn renew(&mut self) -> anyhow::Result<()> {
        let profile = self
            .profile
            .clone()
            .context("this needs a profile with a certificate")?;
        // A token that has ended must not stand in the way of getting a new one.
        *self.marks.locked() = None;
        let origin = self.meet(&profile).await?.origin()?.to_owned();
        let mut registry = self.registry();
        let challenge = registry
            .create_challenge(CreateChallengeRequest {})
            .await?
            .into_inner()
            .challenge;
        let signature = profile
            .signer
            .sign(&possession::sign_in(&challenge, &origin))?;
        let signed_in = registry
            .sign_in(SignInRequest {
                challenge,
                certificate: profile.certificate.clone(),
                signature,
            })
            .await?
            .into_inner();
        let token = format!("Bearer {}", signed_in.access_token)
            .parse()
            .context("the platform gave a token that is not ASCII")?;
        *self.marks.locked() = Some(token);
        self.subject = signed_in.subject;
        self.expire_us = signed_in.expire_time_us;
        Ok(())
    }

    /// The authorization that its calls carry, once signed in.
    pub fn authorization(&self) -> Option<MetadataValue<Ascii>> {
        self.marks.locked().clone()
    }

    /// What the platform must be, if it is; a profile that never met one pins it now and says so.
    /// Nothing is signed for a platform that is another.
    pub async fn meet(&mut self, profile: &Profile) -> anyhow::Result<Arc<Anchors>> {
        let platform = self.platform().await?;
        if let Some(known) = &self.anchors {
            known.require(&platform)?;
            return Ok(known.clone());
        }
        let anchors = match &profile.anchors {
            Some(pinned) => {
                pinned.require(&platform)?;
                pinned.clone()
            }
            None => {
                let found = Anchors::of(&platform)?;
                found.check()?;
                profile.pin(&found)?;
                // Beside the answer, which scripts read.
                eprintln!("{}", found.show(self.english));
                found
            }
        };
        Ok(self.anchors.insert(Arc::new(anchors)).clone())
    }

    /// What the platform is known by.
    pub fn anchors(&self) -> anyhow::Result<&Anchors> {
        self.anchors.as_deref().context("nobody is signed in")
    }

    /// Who is signed in.
    pub fn subject(&self) -> anyhow::Result<&Subject> {
        self.subject.as_ref().context("nobody is signed in")
    }

    /// "organizations/{credit_code}" of who is signed in.
    pub fn organization(&self) -> anyhow::Result<String> {
        let name = &self.subject()?.name;
        let (organization, _) = name
            .split_once("/subjects/")
            .context("the platform gave a name without a subject")?;
        Ok(organization.to_owned())
    }

    /// The profile that is signed in.
    pub fn profile(&self) -> anyhow::Result<&Profile> {
        self.profile
            .as_deref()
            .context("this needs a profile with a certificate: it is signed, or lasts longer than a session's token")
    }

    /// Keys and mode of the platform.
    pub async fn platform(&self) -> anyhow::Result<GetPlatformResponse> {
        Ok(self
            .registry()
            .get_platform(GetPlatformRequest {})
            .await?
            .into_inner())
    }

    client!(registry, RegistryServiceClient);
    client!(account, AccountServiceClient);
    client!(notice, NoticeServiceClient);
    client!(tender, TenderServiceClient);
    client!(deposit, DepositServiceClient);
    client!(bid, BidServiceClient);
    client!(opening, OpeningServiceClient);
    client!(audit, AuditServiceClient);
    client!(sandbox, SandboxServiceClient);
}

/// A new request id: sent again with the same content, a command is carried out once.
pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
