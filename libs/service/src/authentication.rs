//! The layer before every RPC: who calls, and may this caller call this RPC at all.
//! Denies by default; a request reaches a service only through here.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use sunbid_contracts::registry::v1::Role;
use sunbid_terms::Clock;
use tonic::{Status, body::Body, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{
    Caller, Language, Problem,
    access::AccessTable,
    problem::denied,
    revocation::Revocations,
    token::{self, Claims},
};

/// Whose tokens are taken.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Keys of the registry, 32 bytes each: tokens of people and of institutions' machines.
    pub people: Vec<Vec<u8>>,
    /// Keys of the platform's services by name: each signs tokens for itself alone.
    pub services: HashMap<String, Vec<u8>>,
}

impl Keyring {
    /// The claims of a token that is taken now.
    pub fn check(
        &self,
        token: &str,
        origin: &str,
        now: sunbid_terms::Instant,
    ) -> Result<Claims, token::TokenFault> {
        let person = token::check(token, &self.people, origin, now);
        if let Ok(claims) = person {
            // The registry never speaks for a service.
            return if claims.roles.contains(&(Role::Service as i32)) {
                Err(token::TokenFault::Signature)
            } else {
                Ok(claims)
            };
        }
        for (name, key) in &self.services {
            if let Ok(claims) = token::check(token, std::slice::from_ref(key), origin, now) {
                let own = claims.subject == format!("services/{name}")
                    && claims.roles == [Role::Service as i32]
                    && claims.organization.is_empty();
                return if own {
                    Ok(claims)
                } else {
                    Err(token::TokenFault::Signature)
                };
            }
        }
        person
    }
}

/// What the layer decides with.
pub struct Guard {
    pub keyring: Keyring,
    pub table: AccessTable,
    pub revocations: Revocations,
    pub clock: Arc<dyn Clock>,
    pub origin: String,
}

impl Guard {
    /// The caller to hand on, if any; or why the call goes no further.
    fn admit(&self, path: &str, metadata: &MetadataMap) -> Result<Option<Caller>, Problem> {
        let caller = match metadata.get("authorization") {
            None => None,
            Some(value) => {
                let token = value
                    .to_str()
                    .ok()
                    .and_then(|text| text.strip_prefix("Bearer "))
                    .ok_or(Problem::Unauthenticated("TOKEN_MALFORMED"))?;
                let claims = self
                    .keyring
                    .check(token, &self.origin, self.clock.now())
                    .map_err(|fault| {
                        Problem::Unauthenticated(match fault {
                            token::TokenFault::Expired => "TOKEN_EXPIRED",
                            _ => "TOKEN_REFUSED",
                        })
                    })?;
                if self.revocations.cover(&claims) {
                    return Err(Problem::Unauthenticated("TOKEN_REVOKED"));
                }
                Some(Caller::new(claims))
            }
        };
        if self.table.allows(path, caller.as_ref()) {
            return Ok(caller);
        }
        if caller.is_none() && self.table.row(path).is_some() {
            return Err(Problem::Unauthenticated("TOKEN_MISSING"));
        }
        Err(Problem::Refused(sunbid_domain::Refusal::Forbidden))
    }
}

/// Puts a [`Guard`] before every service of a server.
#[derive(Clone)]
pub struct AuthenticationLayer {
    guard: Arc<Guard>,
}

impl AuthenticationLayer {
    pub fn new(guard: Guard) -> Self {
        Self {
            guard: Arc::new(guard),
        }
    }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated {
            guard: self.guard.clone(),
            inner,
        }
    }
}

/// A service behind the guard.
#[derive(Clone)]
pub struct Authenticated<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Authenticated<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let metadata = MetadataMap::from_headers(request.headers().clone());
        // An extension of this type can only come from here.
        request.extensions_mut().remove::<Caller>();
        match self.guard.admit(request.uri().path(), &metadata) {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Either::Left(self.inner.call(request))
            }
            Err(problem) => {
                let language = Language::of(&metadata);
                let status: Status = match problem {
                    Problem::Refused(_) => denied(language),
                    other => other.into_status(language),
                };
                Either::Right(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
