//! The OpenID Connect provider: where people are sent, and what it says of those who come back.
//! Authorization code with PKCE, state and nonce; an identity token counts only if this provider signed
//! it for this platform and this very sign-in. Who somebody is here is not its business: it knows
//! identities, and the registry knows to whom they were linked. Mail addresses and names are never read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openidconnect::{
    AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    TokenResponse,
    core::{CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType},
};
use serde::{Deserialize, Serialize};
use sunbid_domain::{Refusal, registry::not_proven};
use sunbid_service::Problem;
use sunbid_terms::{Instant, MICROS};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::settings::ProviderSettings;

/// How long what the provider says of itself is believed, microseconds.
const REMEMBERED: i64 = 60 * MICROS;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls to it at a time; strangers can cause them.
const AT_A_TIME: usize = 32;

/// Largest answer of it that is read, bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Signatures by keys that the provider publishes; none by a shared secret, and never "none".
const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider of the settings.
pub struct Provider {
    settings: ProviderSettings,
    http: reqwest::Client,
    places: Semaphore,
    // What it said of itself, and when; locked for the length of a look-up.
    known: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// What has to be remembered until somebody comes back.
#[derive(Serialize, Deserialize)]
pub struct Sent {
    pub state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
}

/// Who came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

#[derive(Debug, thiserror::Error)]
enum HttpFault {
    #[error(transparent)]
    Call(#[from] reqwest::Error),
    #[error(transparent)]
    Form(#[from] http::Error),
    #[error("the answer is larger than {LARGEST_ANSWER} bytes")]
    TooLarge,
}

impl Provider {
    pub fn new(settings: &ProviderSettings) -> Result<Self, Problem> {
        let wrong = |cause: String| Problem::internal(format!("the provider's settings: {cause}"));
        let secure = settings.issuer.starts_with("https://")
            || settings.issuer.starts_with("http://127.0.0.1:")
            || settings.issuer.starts_with("http://localhost:");
        if !secure {
            return Err(wrong(format!(
                "issuer {} is neither https nor on this machine",
                settings.issuer
            )));
        }
        IssuerUrl::new(settings.issuer.clone()).map_err(|error| wrong(error.to_string()))?;
        for uri in &settings.redirect_uris {
            RedirectUrl::new(uri.clone()).map_err(|error| wrong(format!("{uri}: {error}")))?;
        }
        if settings.redirect_uris.is_empty() {
            return Err(wrong("no redirect_uris are named".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        for der in &settings.authorities {
            roots
                .add(CertificateDer::from(der.clone()))
                .map_err(|error| wrong(error.to_string()))?;
        }
        if settings.authorities.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A redirect would send the secret, or this machine, somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            settings: settings.clone(),
            http,
            places: Semaphore::new(AT_A_TIME),
            known: Mutex::default(),
        })
    }

    /// Where to send a browser, and what to remember meanwhile.
    pub async fn send(&self, redirect_uri: &str, now: Instant) -> Result<(String, Sent), Problem> {
        self.check_redirect(redirect_uri)?;
        let metadata = self.metadata(now).await?;
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(Problem::internal)?;
        let client = CoreClient::from_provider_metadata(
            CoreProviderMetadata::clone(&metadata),
            ClientId::new(self.settings.client_id.clone()),
            self.secret(),
        )
        .set_redirect_uri(redirect);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge)
            .url();
        let sent = Sent {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            redirect_uri: redirect_uri.to_owned(),
        };
        Ok((url.to_string(), sent))
    }

    /// Who came back with `code`, by the provider's own word.
    pub async fn receive(
        &self,
        sent: &Sent,
        code: &str,
        now: Instant,
    ) -> Result<Identity, Problem> {
        let metadata = self.metadata(now).await?;
        let redirect = RedirectUrl::new(sent.redirect_uri.clone()).map_err(Problem::internal)?;
        let client = CoreClient::from_provider_metadata(
            CoreProviderMetadata::clone(&metadata),
            ClientId::new(self.settings.client_id.clone()),
            self.secret(),
        )
        .set_redirect_uri(redirect);
        let _place = self.place()?;
        let http = |request| fetch(self.http.clone(), request);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(Problem::internal)?
            .set_pkce_verifier(PkceCodeVerifier::new(sent.verifier.clone()))
            .request_async(&http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::Request(fault) => away(&fault),
                other => {
                    tracing::info!(error = %other, "the provider exchanged no code");
                    not_proven().into()
                }
            })?;
        let refused = |why: &dyn std::fmt::Display| {
            tracing::warn!(%why, "an identity token of the provider is not accepted");
            Problem::from(not_proven())
        };
        let token = answer.id_token().ok_or_else(|| refused(&"there is none"))?;
        let at = chrono::DateTime::from_timestamp_micros(now.micros())
            .ok_or_else(|| Problem::internal("the clock is out of range"))?;
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || at);
        let claims = token
            .claims(&verifier, &Nonce::new(sent.nonce.clone()))
            .map_err(|error| refused(&error))?;
        Ok(Identity {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
        })
    }

    fn secret(&self) -> Option<ClientSecret> {
        self.settings.client_secret.clone().map(ClientSecret::new)
    }

    /// What the provider says of itself, keys included.
    async fn metadata(&self, now: Instant) -> Result<Arc<CoreProviderMetadata>, Problem> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((seen, metadata)) = &*known {
                let age = now.micros().saturating_sub(seen.micros());
                if (0..REMEMBERED).contains(&age) {
                    return Ok(metadata.clone());
                }
            }
        }
        let _place = self.place()?;
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(Problem::internal)?;
        let http = |request| fetch(self.http.clone(), request);
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = Arc::new(metadata.map_err(|error| away(&error))?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now, metadata.clone()));
        Ok(metadata)
    }

    fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        self.places.try_acquire().map_err(|_| Problem::TooMuch {
            reason: "SIGN_INS_WAITING",
            zh: "正在登录的人过多，请稍后重试。".to_owned(),
            en: "Too many are signing in at this moment; please retry.".to_owned(),
            retry: Some(Duration::from_secs(2)),
        })
    }

    /// One of the settings'; a program on the person's own machine listens on whatever port is free (RFC
    /// 8252, 7.3).
    fn check_redirect(&self, uri: &str) -> Result<(), Refusal> {
        let allowed = self.settings.redirect_uris.iter().any(|known| {
            known == uri || (loopback(known).is_some() && loopback(known) == loopback(uri))
        });
        if allowed {
            return Ok(());
        }
        Err(Refusal::field(
            "redirect_uri",
            "不在本平台的设置中。",
            "is not among this platform's settings.",
        ))
    }
}

/// The path of a loopback address, whatever its port.
fn loopback(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("http://127.0.0.1")?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
    };
    (rest.starts_with('/') && !rest.contains(['?', '#', '@'])).then_some(rest)
}

fn away(fault: &dyn std::fmt::Display) -> Problem {
    Problem::Unavailable(format!("the OpenID Connect provider: {fault}"))
}

async fn fetch(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut builder = http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        builder = builder.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(HttpFault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(builder.body(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ProviderSettings {
        ProviderSettings {
            issuer: "https://id.example".into(),
            client_id: "sunbid".into(),
            client_secret: Some("hunter2".into()),
            authorities: vec![],
            redirect_uris: vec![
                "https://portal.example/back".into(),
                "http://127.0.0.1/back".into(),
            ],
        }
    }

    #[test]
    fn people_are_sent_back_only_where_the_settings_say() {
        let provider = Provider::new(&settings()).unwrap();
        for good in [
            "https://portal.example/back",
            "http://127.0.0.1:49152/back",
            "http://127.0.0.1/back",
        ] {
            assert!(provider.check_redirect(good).is_ok(), "{good}");
        }
        for wrong in [
            "https://portal.example/back/",
            "https://portal.example.evil/back",
            "http://127.0.0.1:1@evil/back",
            "http://127.0.0.1.evil/back",
            "http://127.0.0.1:1/other",
            "http://127.0.0.1:1/back?x",
            "",
        ] {
            assert!(provider.check_redirect(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_that_would_leak_are_refused_and_the_secret_is_not_shown() {
        let open = ProviderSettings {
            issuer: "http://id.example".into(),
            ..settings()
        };
        assert!(Provider::new(&open).is_err());
        assert!(!format!("{:?}", settings()).contains("hunter2"));
    }
}
