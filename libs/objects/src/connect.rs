//! Reaching a store that speaks S3: its settings, its certificate roots, how long it is waited for.
//! Nothing is taken from the environment: an installation says where its files are.

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// How long a connection to the store may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the store may stay silent within an answer.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one request may take, the largest piece over a slow line included.
const REQUEST: Duration = Duration::from_secs(120);
/// Tries after the first of what may be repeated, and how long after the first the last may begin.
const RETRIES: usize = 4;
const RETRIED_FOR: Duration = Duration::from_secs(10);

/// Who the platform is to the store. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials(..)")
    }
}

/// A store that speaks S3.
#[derive(Clone, Debug)]
pub struct Remote {
    /// "https://host[:port]"; without it, the address that Amazon gives the region.
    pub endpoint: Option<String>,
    pub bucket: String,
    pub region: String,
    /// What every key begins with, without a slash at the end; may be empty.
    pub prefix: String,
    /// The bucket stands in the path and not in the host's name.
    pub path_style: bool,
    /// Takes an address without TLS.
    pub allow_http: bool,
    /// PEM of the only authorities that the store's certificate may come from; the web's where there
    /// are none.
    pub authority: Option<Vec<u8>>,
    pub credentials: Credentials,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error("the authority's certificates cannot be read: {0}")]
    Authority(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("the settings of the object store cannot be used: {0}")]
    Settings(String),
}

impl Remote {
    pub(crate) fn connect(&self) -> Result<AmazonS3, OpenFault> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls()?)
            .https_only(!self.allow_http)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .timeout(REQUEST)
            .http1_only()
            .build()
            .map_err(|error| OpenFault::Tls(error.to_string()))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_allow_http(self.allow_http)
            .with_access_key_id(&self.credentials.access_key_id)
            .with_secret_access_key(&self.credentials.secret_access_key)
            .with_client_options(ClientOptions::new().with_allow_http(self.allow_http))
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(2),
                    base: 2.0,
                },
                max_retries: RETRIES,
                retry_timeout: RETRIED_FOR,
            })
            .with_disable_bulk_delete(true)
            .with_http_connector(Connector(client));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        builder
            .build()
            .map_err(|error| OpenFault::Settings(error.to_string()))
    }

    fn tls(&self) -> Result<ClientConfig, OpenFault> {
        let mut roots = RootCertStore::empty();
        match &self.authority {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let fault = |error: String| OpenFault::Authority(error);
                    let certificate = certificate.map_err(|error| fault(error.to_string()))?;
                    roots
                        .add(certificate)
                        .map_err(|error| fault(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(OpenFault::Authority("there are none".to_owned()));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenFault::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

/// Hands out the one client that is set up above.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}
