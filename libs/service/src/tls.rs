//! TLS at the doors: connections come in through a [`Face`], whose certificate can be renewed while it
//! serves, and services call each other with a [`Passport`]. Between services both sides show a
//! certificate of the platform's own authority; what a caller's certificate says goes with its requests.
//! Everything here is about connections; who a caller is and what it may do is asked further in.

use std::{
    collections::HashMap,
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sunbid_certificates::machine;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, RootCertStore, ServerConfig, server::WebPkiClientVerifier},
    server::TlsStream,
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, server::Connected};
use tower::{Layer, Service};

use crate::{connections, limits::inner_windows};

/// How long a connection may take to agree on its keys.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Handshakes under way at a time; more connections are dropped, for waiting would keep everybody out.
const HANDSHAKES: usize = 4096;
/// The same for one address.
const HANDSHAKES_OF_ONE: usize = 32;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0} may be read by others; allow its owner alone (chmod 600)")]
    Open(PathBuf),
    #[error("{path} holds no {what} in PEM form")]
    Form { path: PathBuf, what: &'static str },
    #[error("{path}: {cause}")]
    Unusable { path: PathBuf, cause: String },
}

/// Files of a certificate: PEM, the certificate first and its intermediates after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub certificate: PathBuf,
    /// PKCS#8, readable by its owner alone.
    pub key: PathBuf,
}

/// What callers see, and what they must show.
pub struct Face {
    files: Files,
    /// The authority whose certificates callers must show; nobody must show one where it is missing.
    callers: Option<PathBuf>,
    // Replaced by `reload`; locked for the length of a copy.
    current: RwLock<Arc<ServerConfig>>,
}

impl Face {
    pub fn open(files: Files, callers: Option<PathBuf>) -> Result<Self, TlsFault> {
        let current = RwLock::new(Arc::new(server(&files, callers.as_deref())?));
        Ok(Self {
            files,
            callers,
            current,
        })
    }

    /// Reads the files anew, for connections from now on. What cannot be used changes nothing.
    pub fn reload(&self) -> Result<(), TlsFault> {
        let fresh = Arc::new(server(&self.files, self.callers.as_deref())?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn current(&self) -> Arc<ServerConfig> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn server(files: &Files, callers: Option<&Path>) -> Result<ServerConfig, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |error: rustls::Error| TlsFault::Unusable {
            path,
            cause: error.to_string(),
        }
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable(&files.certificate))?;
    let builder = match callers {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in chain(path)? {
                roots.add(root).map_err(unusable(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|error| TlsFault::Unusable {
                    path: path.to_owned(),
                    cause: error.to_string(),
                })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = key(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsFault::Form {
        path: files.key.clone(),
        what: "private key",
    })?;
    let mut config = builder
        .with_single_cert(chain(&files.certificate)?, key)
        .map_err(unusable(&files.certificate))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(path).map_err(|source| TlsFault::Read {
        path: path.to_owned(),
        source,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsFault::Form {
            path: path.to_owned(),
            what: "certificate",
        }),
    }
}

fn key(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let text = read(path)?;
    let mode = fs::metadata(path).map(|file| file.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        return Err(TlsFault::Open(path.to_owned()));
    }
    Ok(text)
}

/// What a process shows the services it calls, and whom it takes for them.
#[derive(Clone)]
pub struct Passport {
    authority: Certificate,
    identity: Identity,
}

impl Passport {
    /// Reads the files; they are read again when the process starts again.
    pub fn open(files: &Files, authority: &Path) -> Result<Self, TlsFault> {
        chain(authority)?;
        chain(&files.certificate)?;
        Ok(Self {
            authority: Certificate::from_pem(read(authority)?),
            identity: Identity::from_pem(read(&files.certificate)?, key(&files.key)?),
        })
    }

    /// The way to `service` at "host:port". Whoever answers there must hold that service's certificate,
    /// whatever the host is called.
    pub fn endpoint(
        &self,
        service: &str,
        address: &str,
    ) -> Result<Endpoint, tonic::transport::Error> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(self.authority.clone())
            .identity(self.identity.clone())
            .domain_name(machine::service_name(service));
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?;
        Ok(inner_windows(endpoint)
            .connect_timeout(Duration::from_secs(3))
            // A host that is gone says nothing; its calls must not wait for ever.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true))
    }
}

/// A connection, encrypted or not.
pub enum Secured<I> {
    Plain(I),
    Encrypted {
        stream: Box<TlsStream<I>>,
        services: Arc<[String]>,
    },
}

/// The services that the caller's certificate is made out to; one of the platform's own authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownServices(Arc<[String]>);

impl ShownServices {
    #[cfg(test)]
    pub fn of(services: &[&str]) -> Self {
        Self(services.iter().map(|one| (*one).to_owned()).collect())
    }

    pub fn include(&self, service: &str) -> bool {
        self.0.iter().any(|shown| shown == service)
    }
}

/// What is known of the connection that a request came over.
#[derive(Clone, Debug)]
pub struct Over<C> {
    under: C,
    shown: ShownServices,
}

/// Handshakes under way, by the address they are with.
#[derive(Clone, Default)]
struct Handshakes {
    // Locked for the length of a look-up.
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A handshake under way; counted until it is dropped.
struct Turn {
    all: Handshakes,
    with: IpAddr,
}

impl Handshakes {
    /// A turn for `address`, unless it has as many as one may.
    fn turn(&self, address: IpAddr) -> Option<Turn> {
        let with = crate::address::household(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(with).or_default();
        if *count >= HANDSHAKES_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Turn {
            all: self.clone(),
            with,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.with) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.with);
            }
        }
    }
}

/// Connections of `plain`, through `face` where there is one. A caller that does not agree is let go and
/// holds up nobody: connections are always taken, and beyond what may be under way they are dropped.
pub fn incoming<S>(
    plain: S,
    face: Option<Arc<Face>>,
) -> impl Stream<Item = io::Result<Secured<connections::Connection>>>
where
    S: Stream<Item = io::Result<connections::Connection>> + Send + 'static,
{
    let under_way: JoinSet<Option<Secured<connections::Connection>>> = JoinSet::new();
    stream::unfold(
        (Box::pin(plain), face, under_way, Handshakes::default()),
        |(mut plain, face, mut under_way, handshakes)| async move {
            let came = loop {
                tokio::select! {
                    came = plain.next() => match (came?, &face) {
                        (Err(error), _) => break Err(error),
                        (Ok(stream), None) => break Ok(Secured::Plain(stream)),
                        (Ok(stream), Some(face)) => {
                            if under_way.len() >= HANDSHAKES {
                                continue;
                            }
                            if let Some(turn) = handshakes.turn(stream.peer()) {
                                let agreeing = handshake(face.current(), stream);
                                under_way.spawn(async move {
                                    let _turn = turn;
                                    agreeing.await
                                });
                            }
                        }
                    },
                    Some(agreed) = under_way.join_next() => {
                        if let Ok(Some(connection)) = agreed {
                            break Ok(connection);
                        }
                    }
                }
            };
            Some((came, (plain, face, under_way, handshakes)))
        },
    )
}

async fn handshake<I>(config: Arc<ServerConfig>, stream: I) -> Option<Secured<I>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let accepting = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates();
            let services = shown
                .and_then(<[_]>::first)
                .map(|certificate| machine::services(certificate))
                .unwrap_or_default();
            Some(Secured::Encrypted {
                stream: Box::new(stream),
                services: services.into(),
            })
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a caller was not agreed with");
            None
        }
        Err(_) => None,
    }
}

impl<I: Connected> Connected for Secured<I> {
    type ConnectInfo = Over<I::ConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        match self {
            Self::Plain(stream) => Over {
                under: stream.connect_info(),
                shown: ShownServices::default(),
            },
            Self::Encrypted { stream, services } => Over {
                under: stream.get_ref().0.connect_info(),
                shown: ShownServices(services.clone()),
            },
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted { stream, .. } => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted { stream, .. } => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Encrypted { stream, .. } => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Encrypted { stream, .. } => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted { stream, .. } => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted { stream, .. } => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Puts what is known of a connection (`C`, and [`ShownServices`]) where requests are looked at.
/// Stands before every other layer.
pub struct ConnectionLayer<C>(std::marker::PhantomData<fn() -> C>);

impl<C> ConnectionLayer<C> {
    #[must_use]
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<C> Default for ConnectionLayer<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for ConnectionLayer<C> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<C, S> Layer<S> for ConnectionLayer<C> {
    type Service = Connection<C, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Connection {
            inner,
            known: std::marker::PhantomData,
        }
    }
}

/// A service whose requests say what is known of their connection.
pub struct Connection<C, S> {
    inner: S,
    known: std::marker::PhantomData<fn() -> C>,
}

impl<C, S: Clone> Clone for Connection<C, S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            known: std::marker::PhantomData,
        }
    }
}

impl<C, S, B> Service<http::Request<B>> for Connection<C, S>
where
    S: Service<http::Request<B>>,
    C: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        if let Some(over) = request.extensions_mut().remove::<Over<C>>() {
            request.extensions_mut().insert(over.under);
            request.extensions_mut().insert(over.shown);
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_more_than_its_turns() {
        let handshakes = Handshakes::default();
        let silent: Vec<_> = (0..HANDSHAKES_OF_ONE)
            .map(|host| handshakes.turn(format!("2001:db8::{host:x}").parse().unwrap()))
            .collect();
        assert!(silent.iter().all(Option::is_some));
        assert!(handshakes.turn("2001:db8::ffff".parse().unwrap()).is_none());
        for other in ["2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.2"] {
            assert!(handshakes.turn(other.parse().unwrap()).is_some(), "{other}");
        }
        drop(silent);
        assert!(handshakes.turn("2001:db8::1".parse().unwrap()).is_some());
        assert!(handshakes.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_mapped_address_is_the_one_it_stands_for() {
        let plain: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(
            crate::address::household("::ffff:192.0.2.1".parse().unwrap()),
            plain
        );
    }
}
