//! Certificates and signatures of callers, turned into what the domain decides with, or into a
//! refusal that names the field.

use sunbid_certificates::{
    CertificateFault, Holder, HolderKeys, Roots, verify_now, verify_signature,
};
use sunbid_contracts::{common::v1::KeyEvidence, registry::v1::RegisterOrganizationRequest};
use sunbid_domain::{Refusal, registry::Credential};
use sunbid_terms::Instant;

/// The credential, if the certificate's chain is good at `at`, which is now, and nothing in it is revoked. All DER.
pub fn verify(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    at: Instant,
) -> Result<Credential, Refusal> {
    let holder = verify_now(certificate, intermediates, roots, at).map_err(|fault| {
        let field = match fault {
            CertificateFault::TooManyIntermediates { .. } => "intermediates",
            _ => "certificate",
        };
        Refusal::field(field, fault.zh(), fault.to_string())
    })?;
    Ok(of(holder, certificate, intermediates))
}

/// The credential of a holder whose chain is good. All DER.
pub fn of(holder: Holder, certificate: &[u8], intermediates: &[Vec<u8>]) -> Credential {
    Credential {
        certificate: certificate.to_vec(),
        intermediates: intermediates.to_vec(),
        fingerprint: holder.fingerprint,
        credit_code: holder.credit_code,
        organization_name: holder.organization_name,
        not_before: holder.not_before,
        not_after: holder.not_after,
    }
}

/// A signature over keys may be so much older or newer than the registration, seconds: it is made
/// for the registration, by a clock of the institution's own.
const KEYS_SIGNED_WITHIN: i64 = 3600;

/// The evidence that a registration's two keys are its institution's; nothing where it brings no
/// keys.
pub fn key_evidence(
    request: &RegisterOrganizationRequest,
    origin: &str,
    roots: &Roots,
    now: Instant,
) -> Result<Option<KeyEvidence>, Refusal> {
    let keys = HolderKeys {
        origin,
        certificate: &request.certificate,
        identity_key: &request.identity_key,
        encryption_key: &request.encryption_key,
        signed_at: Instant::from_micros(request.keys_signed_time_us),
    };
    if request.keys_signature.is_empty() && request.keys_signed_time_us == 0 {
        return Ok(None);
    }
    let apart = now.seconds().saturating_sub(keys.signed_at.seconds());
    if apart.saturating_abs() > KEYS_SIGNED_WITHIN {
        return Err(Refusal::field(
            "keys_signed_time_us",
            format!("签名时间{}与现在{now}相差超过一小时。", keys.signed_at),
            format!("is {}, more than an hour from now, {now}.", keys.signed_at),
        ));
    }
    keys.verify(&request.intermediates, &request.keys_signature, roots)
        .map_err(|fault| Refusal::field("keys_signature", fault.zh(), fault.to_string()))?;
    Ok(Some(KeyEvidence {
        certificate: request.certificate.clone(),
        intermediates: request.intermediates.clone(),
        signed_time_us: request.keys_signed_time_us,
        signature: request.keys_signature.clone(),
    }))
}

/// Refuses unless the certificate's key signed `message`.
pub fn verify_possession(
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    verify_signature(certificate, message, signature)
        .map_err(|fault| Refusal::field("signature", fault.zh(), fault.to_string()))
}
