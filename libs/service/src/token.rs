//! Access tokens: claims signed with Ed25519, short-lived, checked without asking anyone.
//! Form: base64url(claims) "." base64url(signature). Claims are a protobuf of fixed field order.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use sunbid_contracts::registry::v1::Role;
use sunbid_terms::Instant;

/// What is signed before the claims, so that the key's other signatures can never be tokens.
const PURPOSE: &[u8] = b"SUNBID-V1 access token\0";

/// Largest token taken, bytes.
const LONGEST: usize = 4096;

/// Whom a token speaks for and until when.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Claims {
    /// "organizations/{credit_code}/subjects/{id}" or "services/{service}".
    #[prost(string, tag = "1")]
    pub subject: String,
    /// "organizations/{credit_code}"; empty for services.
    #[prost(string, tag = "2")]
    pub organization: String,
    #[prost(enumeration = "Role", repeated, tag = "3")]
    pub roles: Vec<i32>,
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub session_id: Vec<u8>,
    /// Microseconds since 1970 UTC.
    #[prost(int64, tag = "5")]
    pub expire_us: i64,
    /// The platform it is for, so that a token of one platform is none of another.
    #[prost(string, tag = "6")]
    pub origin: String,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("the access token is malformed")]
    Malformed,
    #[error("the access token's signature is wrong")]
    Signature,
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is for another platform")]
    Origin,
}

/// Signs claims.
pub fn mint(key: &Ed25519KeyPair, claims: &Claims) -> String {
    let body = claims.encode_to_vec();
    let signature = key.sign(&signed_bytes(&body));
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(body),
        URL_SAFE_NO_PAD.encode(signature)
    )
}

/// A token taken apart; what it claims is not believed yet.
pub struct Unchecked {
    body: Vec<u8>,
    signature: Vec<u8>,
    claims: Claims,
}

impl Unchecked {
    pub fn parse(token: &str) -> Result<Self, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::Malformed);
        }
        let (body, signature) = token.split_once('.').ok_or(TokenFault::Malformed)?;
        let bytes = |text| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| TokenFault::Malformed)
        };
        let (body, signature) = (bytes(body)?, bytes(signature)?);
        let claims = Claims::decode(body.as_slice()).map_err(|_| TokenFault::Malformed)?;
        Ok(Self {
            body,
            signature,
            claims,
        })
    }

    /// Who the token says it is of: good for choosing the key that must have signed it.
    pub fn said_subject(&self) -> &str {
        &self.claims.subject
    }

    /// The claims, if one of `keys` signed them for this platform. When they end is not looked at.
    pub fn signed_by(self, keys: &[Vec<u8>], origin: &str) -> Result<Claims, TokenFault> {
        let signed = signed_bytes(&self.body);
        let by_us = keys.iter().any(|key| {
            UnparsedPublicKey::new(&ED25519, key)
                .verify(&signed, &self.signature)
                .is_ok()
        });
        if !by_us {
            return Err(TokenFault::Signature);
        }
        if self.claims.origin != origin {
            return Err(TokenFault::Origin);
        }
        Ok(self.claims)
    }
}

impl Claims {
    /// Whether they still hold.
    pub fn in_time(self, now: Instant) -> Result<Self, TokenFault> {
        if self.expire_us <= now.micros() {
            return Err(TokenFault::Expired);
        }
        Ok(self)
    }
}

fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [PURPOSE, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::{rand::SystemRandom, signature::KeyPair};

    fn key() -> Ed25519KeyPair {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
    }

    fn check(
        token: &str,
        keys: &[Vec<u8>],
        origin: &str,
        now: Instant,
    ) -> Result<Claims, TokenFault> {
        Unchecked::parse(token)?
            .signed_by(keys, origin)?
            .in_time(now)
    }

    #[test]
    fn only_whole_fresh_and_own_tokens_are_taken() {
        let (ours, theirs) = (key(), key());
        let keys = vec![ours.public_key().as_ref().to_vec()];
        let claims = Claims {
            subject: "organizations/x/subjects/y".into(),
            organization: "organizations/x".into(),
            roles: vec![Role::Supplier as i32],
            session_id: vec![7; 16],
            expire_us: 1_000,
            origin: "here".into(),
        };
        let token = mint(&ours, &claims);
        let at = Instant::from_micros;
        assert_eq!(check(&token, &keys, "here", at(999)), Ok(claims.clone()));
        assert_eq!(
            check(&token, &keys, "here", at(1_000)),
            Err(TokenFault::Expired)
        );
        assert_eq!(
            check(&token, &keys, "there", at(0)),
            Err(TokenFault::Origin)
        );
        assert_eq!(
            check(&mint(&theirs, &claims), &keys, "here", at(0)),
            Err(TokenFault::Signature)
        );
        for cut in 0..token.len() {
            assert!(check(&token[..cut], &keys, "here", at(0)).is_err());
        }
        assert_eq!(
            check(&"a".repeat(5_000), &keys, "here", at(0)),
            Err(TokenFault::Malformed)
        );
    }
}
