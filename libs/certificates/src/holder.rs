//! What a certificate says of its holder: organisation, name, validity, kind of key.
//! Reads only; whether any of it can be believed is decided by the chain.

use sunbid_terms::{CreditCode, Instant};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{Oid, asn1_rs::oid},
    prelude::FromDer,
    public_key::PublicKey,
};

use crate::{MOST_CERTIFICATE_BYTES, fault::CertificateFault};

/// id-at-organizationIdentifier of X.520, where the credit code stands.
const ORGANIZATION_IDENTIFIER: Oid<'static> = oid!(2.5.4.97);
const ORGANIZATION_NAME: Oid<'static> = oid!(2.5.4.10);
const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);
const EC_PUBLIC_KEY: Oid<'static> = oid!(1.2.840.10045.2.1);
const P256: Oid<'static> = oid!(1.2.840.10045.3.1.7);
const ED25519: Oid<'static> = oid!(1.3.101.112);
const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);

/// ETSI EN 319 412-1: national trade register, China. Some authorities put it before the code.
const REGISTER_PREFIX: &str = "NTRCN-";

/// The kinds of keys whose signatures are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyAlgorithm {
    /// RFC 8032.
    Ed25519,
    /// Signatures as ASN.1, digest SHA-256.
    EcdsaP256,
    /// 2048 to 8192 bits; signatures PKCS#1 v1.5, digest SHA-256.
    Rsa,
}

/// The holder of a certificate whose chain was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// organizationIdentifier, check character verified.
    pub credit_code: CreditCode,
    pub organization_name: String,
    /// Name of the person or machine.
    pub common_name: String,
    pub not_before: Instant,
    pub not_after: Instant,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: [u8; 32],
    pub key: PublicKeyAlgorithm,
}

/// SHA-256 of a certificate's DER, by which it is known.
pub fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

pub(crate) fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, CertificateFault> {
    if certificate.len() > MOST_CERTIFICATE_BYTES {
        return Err(CertificateFault::TooLarge {
            bytes: certificate.len(),
            most: MOST_CERTIFICATE_BYTES,
        });
    }
    let (rest, parsed) = X509Certificate::from_der(certificate)
        .map_err(|e| CertificateFault::Malformed(e.to_string()))?;
    if !rest.is_empty() {
        return Err(CertificateFault::Malformed(format!(
            "{} bytes follow it",
            rest.len()
        )));
    }
    Ok(parsed)
}

pub(crate) fn read(
    certificate: &[u8],
    parsed: &X509Certificate<'_>,
) -> Result<Holder, CertificateFault> {
    let identifier = single(parsed, &ORGANIZATION_IDENTIFIER, "organizationIdentifier")?;
    let code = identifier
        .strip_prefix(REGISTER_PREFIX)
        .unwrap_or(&identifier);
    let (not_before, not_after) = validity(parsed);
    Ok(Holder {
        credit_code: CreditCode::parse(code).map_err(CertificateFault::CreditCode)?,
        organization_name: single(parsed, &ORGANIZATION_NAME, "organizationName")?,
        common_name: single(parsed, &COMMON_NAME, "commonName")?,
        not_before,
        not_after,
        fingerprint: fingerprint(certificate),
        key: algorithm(parsed)?,
    })
}

/// When a certificate says that it ends; whether any of it can be believed is not looked at.
pub fn not_after(certificate: &[u8]) -> Result<Instant, CertificateFault> {
    parse(certificate).map(|parsed| validity(&parsed).1)
}

pub(crate) fn validity(parsed: &X509Certificate<'_>) -> (Instant, Instant) {
    let validity = parsed.validity();
    (
        Instant::from_seconds(validity.not_before.timestamp()),
        Instant::from_seconds(validity.not_after.timestamp()),
    )
}

pub(crate) fn algorithm(
    parsed: &X509Certificate<'_>,
) -> Result<PublicKeyAlgorithm, CertificateFault> {
    let key = parsed.public_key();
    let kind = &key.algorithm.algorithm;
    if *kind == ED25519 {
        return Ok(PublicKeyAlgorithm::Ed25519);
    }
    if *kind == EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.and_then(|parameters| parameters.as_oid().ok());
        if curve.as_ref() == Some(&P256) {
            return Ok(PublicKeyAlgorithm::EcdsaP256);
        }
    }
    if *kind == RSA
        && let Ok(PublicKey::RSA(rsa)) = key.parsed()
        && (2048..=8192).contains(&rsa.key_size())
    {
        return Ok(PublicKeyAlgorithm::Rsa);
    }
    Err(CertificateFault::UnsupportedKey)
}

/// The only value of a subject attribute. Two would let two readers see two organisations.
fn single(
    parsed: &X509Certificate<'_>,
    attribute: &Oid<'static>,
    name: &'static str,
) -> Result<String, CertificateFault> {
    let mut values = parsed
        .subject()
        .iter_attributes()
        .filter(|value| value.attr_type() == attribute);
    let (Some(first), None) = (values.next(), values.next()) else {
        let found = parsed
            .subject()
            .iter_attributes()
            .filter(|value| value.attr_type() == attribute)
            .count();
        return Err(CertificateFault::SubjectAttribute {
            attribute: name,
            found,
        });
    };
    let unreadable = CertificateFault::SubjectText { attribute: name };
    match first.as_str() {
        Ok(text) if !text.trim().is_empty() && !text.chars().any(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => Err(unreadable),
    }
}
