//! Certificates as PEM text, as authorities hand them out and configuration files hold them.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};

/// Why a text holds no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("the PEM text cannot be read: {0}")]
    Malformed(String),
    #[error("there is no CERTIFICATE section in this PEM text")]
    None,
}

/// All certificates of a PEM text, DER, in their order; at least one.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let ders = CertificateDer::pem_slice_iter(text.as_bytes())
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| PemError::Malformed(e.to_string()))?;
    if ders.is_empty() {
        return Err(PemError::None);
    }
    Ok(ders)
}

/// The one revocation list of a PEM text, DER.
pub fn revocation_list(text: &str) -> Result<Vec<u8>, PemError> {
    CertificateRevocationListDer::from_pem_slice(text.as_bytes())
        .map(|der| der.to_vec())
        .map_err(|e| PemError::Malformed(e.to_string()))
}

/// One certificate as a PEM section.
pub fn certificate(der: &[u8]) -> String {
    section("CERTIFICATE", der)
}

/// A revocation list as a PEM section.
pub fn revocation_list_section(der: &[u8]) -> String {
    section("X509 CRL", der)
}

fn section(name: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {name}-----\n");
    for (at, character) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {name}-----\n"));
    text
}
