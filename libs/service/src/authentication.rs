//! The layer before every RPC: who calls, and may this caller call this RPC at all.
//! Denies by default; a request reaches a service only through here.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::Either};
use http_body_util::BodyExt;
use sunbid_contracts::registry::v1::Role;
use sunbid_proofs::{Hash, sha256};
use sunbid_terms::Clock;
use tonic::{Status, body::Body, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{
    Caller, Language, Problem, access,
    access_log::Asker,
    problem::denied,
    revocation::Revocations,
    tls::ShownServices,
    token::{Claims, TokenFault, Unchecked},
};

/// How the subject of a service's token begins.
const SERVICES: &str = "services/";

/// How long the request of a call that is refused may take to show what it is about.
const GLANCE: Duration = Duration::from_millis(50);

/// Whose tokens are taken.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Keys of the registry, 32 bytes each: tokens of people and of institutions' machines.
    pub people: Vec<Vec<u8>>,
    /// Keys of the platform's services by name: each signs tokens for itself alone.
    pub services: HashMap<String, Vec<u8>>,
}

impl Keyring {
    /// The claims of a token that its key signed for `origin`. When they end is not looked at.
    pub fn check(&self, token: &str, origin: &str) -> Result<Claims, TokenFault> {
        let token = Unchecked::parse(token)?;
        // Which key must have signed: the registry never speaks for a service, nor one service for
        // another, whatever roles it writes down.
        let Some(service) = token.said_subject().strip_prefix(SERVICES) else {
            let claims = token.signed_by(&self.people, origin)?;
            return if claims.roles.contains(&(Role::Service as i32)) {
                Err(TokenFault::Signature)
            } else {
                Ok(claims)
            };
        };
        let key = self.services.get(service).ok_or(TokenFault::Signature)?;
        let claims = token.signed_by(std::slice::from_ref(key), origin)?;
        if claims.roles == [Role::Service as i32] && claims.organization.is_empty() {
            Ok(claims)
        } else {
            Err(TokenFault::Signature)
        }
    }
}

/// Tokens whose signature was checked, so that it is checked once and not in every call of a busy
/// minute. Expiry and revocation are looked at in every call all the same.
#[derive(Default)]
struct Seen(Mutex<HashMap<Hash, Claims>>);

/// Tokens remembered at most.
const MOST_SEEN: usize = 65_536;

impl Seen {
    fn check(&self, keyring: &Keyring, token: &str, origin: &str) -> Result<Claims, TokenFault> {
        let key = sha256(&[token.as_bytes()]);
        if let Some(claims) = self.locked().get(&key) {
            return Ok(claims.clone());
        }
        let claims = keyring.check(token, origin)?;
        let mut seen = self.locked();
        if seen.len() >= MOST_SEEN {
            seen.clear();
        }
        seen.insert(key, claims.clone());
        Ok(claims)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Hash, Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the layer decides with.
pub struct Guard {
    pub keyring: Keyring,
    pub revocations: Revocations,
    pub clock: Arc<dyn Clock>,
    pub origin: String,
}

impl Guard {
    /// The caller to hand on, if any; or why the call goes no further.
    fn admit(
        &self,
        seen: &Seen,
        path: &str,
        metadata: &MetadataMap,
        shown: Option<&ShownServices>,
        asker: &Asker,
    ) -> Result<Option<Caller>, Problem> {
        let caller = match metadata.get("authorization") {
            None => None,
            Some(value) => {
                let token = value
                    .to_str()
                    .ok()
                    .and_then(|text| text.strip_prefix("Bearer "))
                    .ok_or(Problem::Unauthenticated("TOKEN_MALFORMED"))?;
                let claims = seen
                    .check(&self.keyring, token, &self.origin)
                    .map_err(|_| {
                        if let Ok(token) = Unchecked::parse(token) {
                            asker.claims_to_be(token.said_subject());
                        }
                        Problem::Unauthenticated("TOKEN_REFUSED")
                    })?;
                asker.is(Caller::new(claims.clone()));
                let claims = claims
                    .in_time(self.clock.now())
                    .map_err(|_| Problem::Unauthenticated("TOKEN_EXPIRED"))?;
                if self.revocations.cover(&claims) {
                    return Err(Problem::Unauthenticated("TOKEN_REVOKED"));
                }
                // A service's token is good for that service alone, on a connection that proves it.
                if let (Some(shown), Some(service)) = (shown, claims.subject.strip_prefix(SERVICES))
                    && !shown.include(service)
                {
                    return Err(Problem::Unauthenticated("CERTIFICATE_MISSING"));
                }
                Some(Caller::new(claims))
            }
        };
        if access::allows(path, caller.as_ref()) {
            return Ok(caller);
        }
        if caller.is_none() && access::row(path).is_some() {
            return Err(Problem::Unauthenticated("TOKEN_MISSING"));
        }
        Err(Problem::Refused(sunbid_domain::Refusal::Forbidden))
    }
}

/// Puts a [`Guard`] before every service of a server.
#[derive(Clone)]
pub struct AuthenticationLayer {
    guard: Arc<Guard>,
    seen: Arc<Seen>,
    certified: bool,
}

impl AuthenticationLayer {
    pub fn new(guard: Guard) -> Self {
        Self {
            guard: Arc::new(guard),
            seen: Arc::default(),
            certified: false,
        }
    }

    /// Takes a service for itself only where its connection shows its certificate too.
    #[must_use]
    pub const fn with_certificates(mut self) -> Self {
        self.certified = true;
        self
    }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated {
            guard: self.guard.clone(),
            seen: self.seen.clone(),
            certified: self.certified,
            inner,
        }
    }
}

/// A service behind the guard.
#[derive(Clone)]
pub struct Authenticated<S> {
    guard: Arc<Guard>,
    seen: Arc<Seen>,
    certified: bool,
    inner: S,
}

/// A call that is refused.
type Refusing<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, B> Service<http::Request<B>> for Authenticated<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    B: http_body::Body + Send + Unpin + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Refusing<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let metadata = MetadataMap::from_headers(request.headers().clone());
        // An extension of this type can only come from here.
        request.extensions_mut().remove::<Caller>();
        let shown = request.extensions().get::<ShownServices>();
        let shown = shown.cloned().unwrap_or_default();
        let shown = self.certified.then_some(&shown);
        let path = request.uri().path();
        let asker = request.extensions().get::<Asker>();
        let asker = asker.cloned().unwrap_or_default();
        match self.guard.admit(&self.seen, path, &metadata, shown, &asker) {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Either::Left(self.inner.call(request))
            }
            Err(problem) => {
                let language = Language::of(&metadata);
                asker.refused_for(match &problem {
                    Problem::Unauthenticated(reason) => reason,
                    _ => "ROLE",
                });
                let status: Status = match problem {
                    Problem::Refused(_) => denied(language),
                    other => other.into_status(language),
                };
                Either::Right(Box::pin(async move {
                    // Looked at for the access log alone: what somebody was refused is worth knowing.
                    if asker.is_somebody() {
                        let mut body = request.into_body();
                        let _ = tokio::time::timeout(GLANCE, body.frame().map(drop)).await;
                    }
                    Ok(status.into_http())
                }))
            }
        }
    }
}
