//! The private half: signs on the machine of the key's owner. The platform itself never holds
//! a supplier's key; this is for the command line, trustees, demonstrations and tests.

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use crate::holder::PublicKeyAlgorithm;

/// Why a private key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    #[error("there is no PKCS#8 \"PRIVATE KEY\" section in this PEM text: {0}")]
    Pem(String),
    #[error("the private key is not Ed25519, ECDSA P-256 or RSA of 2048 bits or more in PKCS#8")]
    Key,
    #[error("the operating system gave no randomness or the key refused to sign")]
    Signing,
}

/// A private key that signs messages. Its `Debug` shows the kind of key, never the key.
pub struct Signer {
    key: Key,
}

enum Key {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// Reads the first "PRIVATE KEY" section of a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, SignerError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| SignerError::Pem(e.to_string()))?;
        Self::from_pkcs8(key.secret_pkcs8_der())
    }

    /// Reads PKCS#8 DER, with or without the public key that version 2 carries.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignerError> {
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self {
                key: Key::Ed25519(key),
            });
        }
        let random = SystemRandom::new();
        if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            return Ok(Self {
                key: Key::Ecdsa(key),
            });
        }
        RsaKeyPair::from_pkcs8(der)
            .map(|key| Self {
                key: Key::Rsa(Box::new(key)),
            })
            .map_err(|_| SignerError::Key)
    }

    pub fn algorithm(&self) -> PublicKeyAlgorithm {
        match self.key {
            Key::Ed25519(_) => PublicKeyAlgorithm::Ed25519,
            Key::Ecdsa(_) => PublicKeyAlgorithm::EcdsaP256,
            Key::Rsa(_) => PublicKeyAlgorithm::Rsa,
        }
    }

    /// The signature in the form that [`crate::verify_signature`] takes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Key::Ecdsa(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignerError::Signing),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SignerError::Signing)?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
