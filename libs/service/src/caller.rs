//! Who calls: put into a request by the authentication layer, and by nothing else.

use sunbid_contracts::registry::v1::Role;
use tonic::Request;

use crate::{Problem, token::Claims};
use sunbid_domain::Refusal;

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    claims: Claims,
}

impl Caller {
    pub(crate) fn new(claims: Claims) -> Self {
        Self { claims }
    }

    /// The caller of a request to an RPC that asks for one.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Problem> {
        Self::maybe(request).ok_or(Problem::Unauthenticated("TOKEN_MISSING"))
    }

    /// The caller, if the request carries a good token.
    pub fn maybe<T>(request: &Request<T>) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// "organizations/{credit_code}/subjects/{id}" or "services/{service}".
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// "organizations/{credit_code}"; empty for services.
    pub fn organization(&self) -> &str {
        &self.claims.organization
    }

    pub fn session_id(&self) -> &[u8] {
        &self.claims.session_id
    }

    /// When the caller's token ends, microseconds since 1970 UTC.
    pub fn expire_us(&self) -> i64 {
        self.claims.expire_us
    }

    pub fn has(&self, role: Role) -> bool {
        self.claims.roles.contains(&(role as i32))
    }

    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.claims.roles()
    }

    pub fn is_service(&self) -> bool {
        self.has(Role::Service)
    }

    /// Refuses unless the caller acts for `organization`.
    pub fn acts_for(&self, organization: &str) -> Result<(), Refusal> {
        if !organization.is_empty() && self.claims.organization == organization {
            Ok(())
        } else {
            Err(Refusal::Forbidden)
        }
    }
}
