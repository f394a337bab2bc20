//! Whether a certificate identifies an organisation at a given time: its chain up to the roots,
//! its validity, its permitted usage, and the credit code in its subject.

use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use sunbid_terms::Instant;
use webpki::{EndEntityCert, KeyUsage, RevocationOptions};
use x509_parser::certificate::X509Certificate;

use crate::{
    MOST_CERTIFICATE_BYTES, MOST_INTERMEDIATES,
    fault::{CertificateFault, Unknown},
    holder::{self, Holder},
    roots::Roots,
};

/// Who holds the certificate, if its chain ends in one of the roots and everything on the way
/// is valid at `at`. Name constraints, path lengths and extended key usage (client
/// authentication, where the extension is present) are honoured. All arguments are DER.
///
/// For what was recorded at `at`: revocation lists are not asked, for what they say today was not known
/// then.
pub fn verify_chain(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    at: Instant,
) -> Result<Holder, CertificateFault> {
    verify(certificate, intermediates, roots, at, None)
}

/// The same for what is done now: neither the certificate nor an authority on the way has been revoked
/// by the lists that `roots` have.
pub fn verify_now(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    now: Instant,
) -> Result<Holder, CertificateFault> {
    roots
        .revoked()
        .asked(|revoked| verify(certificate, intermediates, roots, now, revoked))
}

fn verify(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    at: Instant,
    revoked: Option<RevocationOptions<'_>>,
) -> Result<Holder, CertificateFault> {
    if intermediates.len() > MOST_INTERMEDIATES {
        return Err(CertificateFault::TooManyIntermediates {
            count: intermediates.len(),
            most: MOST_INTERMEDIATES,
        });
    }
    if let Some(large) = intermediates
        .iter()
        .find(|der| der.len() > MOST_CERTIFICATE_BYTES)
    {
        return Err(CertificateFault::TooLarge {
            bytes: large.len(),
            most: MOST_CERTIFICATE_BYTES,
        });
    }
    let parsed = holder::parse(certificate)?;
    check_purpose(&parsed)?;
    check_validity(&parsed, at)?;
    check_path(certificate, intermediates, roots, at, revoked)?;
    holder::read(certificate, &parsed)
}

fn check_purpose(parsed: &X509Certificate<'_>) -> Result<(), CertificateFault> {
    let malformed = |e: x509_parser::error::X509Error| CertificateFault::Malformed(e.to_string());
    if let Some(constraints) = parsed.basic_constraints().map_err(malformed)?
        && constraints.value.ca
    {
        return Err(CertificateFault::Authority);
    }
    if let Some(usage) = parsed.key_usage().map_err(malformed)?
        && !usage.value.digital_signature()
    {
        return Err(CertificateFault::NotForSignatures);
    }
    Ok(())
}

/// The holder's own certificate, judged here so that the answer can name its dates.
fn check_validity(parsed: &X509Certificate<'_>, at: Instant) -> Result<(), CertificateFault> {
    let (not_before, not_after) = holder::validity(parsed);
    if at < not_before {
        return Err(CertificateFault::NotYetValid { not_before, at });
    }
    if at > not_after {
        return Err(CertificateFault::Expired { not_after, at });
    }
    Ok(())
}

fn check_path(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    at: Instant,
    revoked: Option<RevocationOptions<'_>>,
) -> Result<(), CertificateFault> {
    let wrapped = CertificateDer::from(certificate);
    let end_entity = EndEntityCert::try_from(&wrapped)
        .map_err(|e| CertificateFault::Malformed(format!("{e:?}")))?;
    let between: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let anchors = roots.anchors_at(at);
    // Certificates are not older than 1970; a clock before that makes everything not yet valid.
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    let path = end_entity.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::client_auth(),
        revoked,
        None,
    );
    match path {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(&error, at)),
    }
}

fn explain(error: &webpki::Error, at: Instant) -> CertificateFault {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => CertificateFault::UnknownIssuer,
        E::CertExpired { not_after, .. } => CertificateFault::ChainNotValidNow {
            at,
            limit: instant(*not_after),
        },
        E::CertNotValidYet { not_before, .. } => CertificateFault::ChainNotValidNow {
            at,
            limit: instant(*not_before),
        },
        E::InvalidSignatureForPublicKey => CertificateFault::BadChainSignature,
        E::CertRevoked => CertificateFault::Revoked,
        E::UnknownRevocationStatus => CertificateFault::RevocationUnknown(Unknown::NoList),
        E::CrlExpired { next_update, .. } => CertificateFault::RevocationUnknown(Unknown::RanOut {
            next_update: instant(*next_update),
            at,
        }),
        E::InvalidCrlSignatureForPublicKey | E::IssuerNotCrlSigner => {
            CertificateFault::RevocationUnknown(Unknown::Forged)
        }
        E::CaUsedAsEndEntity => CertificateFault::Authority,
        E::RequiredEkuNotFoundContext(_) => CertificateFault::WrongUsage,
        other => CertificateFault::Chain(format!("{other:?}")),
    }
}

fn instant(time: UnixTime) -> Instant {
    Instant::from_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
