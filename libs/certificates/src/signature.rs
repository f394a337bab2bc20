//! Signatures by the key of a certificate. Says nothing about whose key it is: that is the
//! chain's business, and both must hold.

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;

use crate::holder::{self, PublicKeyAlgorithm};

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    #[error("the certificate whose key should have signed cannot be read: {0}")]
    Certificate(String),
    #[error("the signature does not verify under the certificate's key")]
    Forged,
}

impl SignatureFault {
    /// The sentence in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Certificate(reason) => format!("无法读取签名所用的证书：{reason}。"),
            Self::Forged => "签名与证书的密钥不符。".to_owned(),
        }
    }
}

/// Checks `signature` over `message`: Ed25519; ECDSA P-256 with SHA-256, ASN.1; or RSA
/// PKCS#1 v1.5 with SHA-256, 2048 to 8192 bits. The key decides, so nothing can be downgraded.
pub fn verify_signature(
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let unreadable = |reason: String| SignatureFault::Certificate(reason);
    let parsed = holder::parse(certificate).map_err(|e| unreadable(e.to_string()))?;
    let kind = holder::algorithm(&parsed).map_err(|e| unreadable(e.to_string()))?;
    let algorithm: &dyn SignatureVerificationAlgorithm = match kind {
        PublicKeyAlgorithm::Ed25519 => webpki::ring::ED25519,
        PublicKeyAlgorithm::EcdsaP256 => webpki::ring::ECDSA_P256_SHA256,
        PublicKeyAlgorithm::Rsa => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    };
    let wrapped = CertificateDer::from(certificate);
    EndEntityCert::try_from(&wrapped)
        .map_err(|e| unreadable(format!("{e:?}")))?
        .verify_signature(algorithm, message, signature)
        .map_err(|_| SignatureFault::Forged)
}
