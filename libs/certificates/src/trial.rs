//! A certificate authority for demonstrations and tests. Its certificates look like those of a
//! licensed authority and mean nothing: never configure its root where bids have legal effect.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PublicKeyData, RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use sunbid_terms::Instant;

use crate::{
    fault::CertificateFault,
    pem,
    signer::{Signer, SignerError},
};

/// 9000-01-01: beyond it the encodings of dates end.
const LATEST_SECONDS: i64 = 221_845_392_000;

/// Why a trial certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("the trial authority could not issue: {0}")]
    Issue(#[from] rcgen::Error),
    #[error("the trial authority's files cannot be read: {0}")]
    Pem(#[from] pem::PemError),
    #[error("what shall be revoked is no certificate: {0}")]
    Certificate(#[from] CertificateFault),
    #[error("the issued key cannot sign: {0}")]
    Signer(#[from] SignerError),
}

/// An authority with its private key.
pub struct TrialAuthority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a trial certificate shall say.
#[derive(Clone, Debug)]
pub struct TrialSubject<'a> {
    /// Put into organizationIdentifier as it is: tests need wrong ones too.
    pub credit_code: &'a str,
    pub organization: &'a str,
    /// Name of the person or machine.
    pub common_name: &'a str,
    pub not_before: Instant,
    pub not_after: Instant,
}

/// A certificate with its private key.
#[derive(Clone)]
pub struct TrialIdentity {
    /// DER.
    pub certificate: Vec<u8>,
    pub certificate_pem: String,
    /// PKCS#8.
    pub key_pem: String,
}

/// The kind of key an identity gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialKey {
    Ed25519,
    EcdsaP256,
}

impl TrialAuthority {
    /// A new root.
    pub fn new(name: &str, not_before: Instant, not_after: Instant) -> Result<Self, TrialError> {
        let key = KeyPair::generate()?;
        let params = authority(name, not_before, not_after);
        let certificate = params.self_signed(&key)?.der().to_vec();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// An authority below this one.
    pub fn intermediate(
        &self,
        name: &str,
        not_before: Instant,
        not_after: Instant,
    ) -> Result<Self, TrialError> {
        let key = KeyPair::generate()?;
        let params = authority(name, not_before, not_after);
        let certificate = params.signed_by(&key, &self.issuer)?.der().to_vec();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority that [`Self::certificate_pem`] and [`Self::key_pem`] describe.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, TrialError> {
        let ders = pem::certificates(certificate)?;
        let certificate = ders.into_iter().next().ok_or(pem::PemError::None)?;
        let key = KeyPair::from_pem(key)?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(certificate.as_slice()), key)?;
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub fn certificate_pem(&self) -> String {
        pem::certificate(&self.certificate)
    }

    /// PKCS#8.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a person or machine with a new ECDSA P-256 key.
    pub fn issue(&self, subject: &TrialSubject<'_>) -> Result<TrialIdentity, TrialError> {
        self.issue_with(subject, TrialKey::EcdsaP256)
    }

    /// A certificate for a person or machine with a new key of the given kind.
    pub fn issue_with(
        &self,
        subject: &TrialSubject<'_>,
        kind: TrialKey,
    ) -> Result<TrialIdentity, TrialError> {
        let key = KeyPair::generate_for(match kind {
            TrialKey::Ed25519 => &rcgen::PKCS_ED25519,
            TrialKey::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        })?;
        let certificate = self.sign(&leaf(subject), &key)?;
        Ok(TrialIdentity {
            certificate_pem: pem::certificate(&certificate),
            certificate,
            key_pem: key.serialize_pem(),
        })
    }

    /// A certificate for a machine that serves and calls under `names` (DNS names or addresses).
    pub fn issue_machine(
        &self,
        common_name: &str,
        names: &[String],
        not_before: Instant,
        not_after: Instant,
    ) -> Result<TrialIdentity, TrialError> {
        let key = KeyPair::generate()?;
        // Sorts addresses from names.
        let mut params = CertificateParams::new(names.to_vec())?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, common_name);
        params.distinguished_name = subject;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + after_epoch(not_before);
        params.not_after = epoch + after_epoch(not_after);
        let certificate = self.sign(&params, &key)?;
        Ok(TrialIdentity {
            certificate_pem: pem::certificate(&certificate),
            certificate,
            key_pem: key.serialize_pem(),
        })
    }

    /// The authority's list of what it revoked, DER: `certificates` (DER), all at `this_update`.
    pub fn revocation_list(
        &self,
        certificates: &[Vec<u8>],
        this_update: Instant,
        next_update: Instant,
    ) -> Result<Vec<u8>, TrialError> {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let at = epoch + after_epoch(this_update);
        let revoked_certs = certificates
            .iter()
            .map(|der| {
                let parsed = crate::holder::parse(der)?;
                Ok(RevokedCertParams {
                    serial_number: SerialNumber::from_slice(parsed.raw_serial()),
                    revocation_time: at,
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
            })
            .collect::<Result<_, CertificateFault>>()?;
        let list = CertificateRevocationListParams {
            this_update: at,
            next_update: epoch + after_epoch(next_update),
            crl_number: SerialNumber::from(this_update.seconds().unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.der().to_vec())
    }

    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Vec<u8>, TrialError> {
        Ok(params.signed_by(key, &self.issuer)?.der().to_vec())
    }
}

impl std::fmt::Debug for TrialIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrialIdentity")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl TrialIdentity {
    pub fn signer(&self) -> Result<Signer, TrialError> {
        Ok(Signer::from_pem(&self.key_pem)?)
    }
}

fn authority(name: &str, not_before: Instant, not_after: Instant) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "CN");
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + after_epoch(not_before);
    params.not_after = epoch + after_epoch(not_after);
    params
}

pub(crate) fn leaf(wanted: &TrialSubject<'_>) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "CN");
    subject.push(DnType::OrganizationName, wanted.organization);
    subject.push(DnType::CustomDnType(vec![2, 5, 4, 97]), wanted.credit_code);
    subject.push(DnType::CommonName, wanted.common_name);
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + after_epoch(wanted.not_before);
    params.not_after = epoch + after_epoch(wanted.not_after);
    params
}

/// Whole seconds between 1970 and 9000, so that adding them cannot leave the calendar.
fn after_epoch(at: Instant) -> Duration {
    Duration::from_secs(at.seconds().clamp(0, LATEST_SECONDS).unsigned_abs())
}
