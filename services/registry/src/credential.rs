//! Certificates and signatures of callers, turned into what the domain decides with, or into a
//! refusal that names the field.

use sunbid_certificates::{CertificateFault, Holder, Roots, verify_chain, verify_signature};
use sunbid_domain::{Refusal, registry::Credential};
use sunbid_terms::Instant;

/// The credential, if the certificate's chain is good at `at`. All DER.
pub fn verify(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    at: Instant,
) -> Result<Credential, Refusal> {
    let holder = verify_chain(certificate, intermediates, roots, at).map_err(|fault| {
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
        not_before: holder.not_before,
        not_after: holder.not_after,
    }
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
