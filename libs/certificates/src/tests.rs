//! Chains, holders and signatures against certificates of a trial authority.

use proptest::prelude::*;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use std::sync::LazyLock;
use sunbid_terms::{Instant, credit_code::CreditCodeError};

use crate::trial::{TrialAuthority, TrialIdentity, TrialKey, TrialSubject, leaf};
use crate::*;

const CODE: &str = "91110108551385082Q";
const RSA_KEY: &str = include_str!("../testdata/rsa2048.pem");

fn day(number: i64) -> Instant {
    Instant::from_seconds(1_767_225_600).plus_seconds(number * 86_400)
}

fn subject() -> TrialSubject<'static> {
    TrialSubject {
        credit_code: CODE,
        organization: "甲公司",
        common_name: "甲",
        not_before: day(0),
        not_after: day(365),
    }
}

fn authority() -> TrialAuthority {
    TrialAuthority::new("试验根证书", day(-10), day(3650)).unwrap()
}

fn roots(authority: &TrialAuthority) -> Roots {
    Roots::new(vec![authority.certificate().to_vec()]).unwrap()
}

fn judge(authority: &TrialAuthority, certificate: &[u8]) -> Result<Holder, CertificateFault> {
    verify_chain(certificate, &[], &roots(authority), day(1))
}

#[test]
fn a_good_certificate_names_its_holder() {
    let authority = authority();
    let identity = authority.issue(&subject()).unwrap();
    let holder = judge(&authority, &identity.certificate).unwrap();
    assert_eq!(holder.credit_code.as_str(), CODE);
    assert_eq!(holder.organization_name, "甲公司");
    assert_eq!(holder.common_name, "甲");
    assert_eq!((holder.not_before, holder.not_after), (day(0), day(365)));
    assert_eq!(holder.key, PublicKeyAlgorithm::EcdsaP256);
    assert_eq!(holder.fingerprint, fingerprint(&identity.certificate));
}

#[test]
fn a_register_prefix_is_taken_off() {
    let authority = authority();
    let prefixed = format!("NTRCN-{CODE}");
    let identity = authority
        .issue(&TrialSubject {
            credit_code: &prefixed,
            ..subject()
        })
        .unwrap();
    let holder = judge(&authority, &identity.certificate).unwrap();
    assert_eq!(holder.credit_code.as_str(), CODE);
}

#[test]
fn validity_holds_to_the_second() {
    let authority = authority();
    let certificate = authority.issue(&subject()).unwrap().certificate;
    let at = |at| verify_chain(&certificate, &[], &roots(&authority), at);
    assert!(at(day(0)).is_ok());
    assert!(at(day(365)).is_ok());
    assert!(matches!(
        at(day(0).plus_micros(-1)),
        Err(CertificateFault::NotYetValid { .. })
    ));
    assert!(matches!(
        at(day(365).plus_micros(1)),
        Err(CertificateFault::Expired { .. })
    ));
}

#[test]
fn an_expired_root_or_intermediate_ends_its_chains() {
    let root = TrialAuthority::new("root", day(-10), day(100)).unwrap();
    let between = root.intermediate("between", day(-5), day(50)).unwrap();
    let certificate = between.issue(&subject()).unwrap().certificate;
    let chain = vec![between.certificate().to_vec()];
    let at = |at| verify_chain(&certificate, &chain, &roots(&root), at);
    assert!(at(day(1)).is_ok());
    assert!(matches!(
        at(day(60)),
        Err(CertificateFault::ChainNotValidNow { .. })
    ));
    let lasting = root.intermediate("lasting", day(-5), day(500)).unwrap();
    let certificate = lasting.issue(&subject()).unwrap().certificate;
    let chain = vec![lasting.certificate().to_vec()];
    let at = |at| verify_chain(&certificate, &chain, &roots(&root), at);
    assert!(at(day(99)).is_ok());
    assert_eq!(at(day(101)), Err(CertificateFault::UnknownIssuer));
}

#[test]
fn chains_need_their_intermediates_and_their_root() {
    let root = authority();
    let between = root.intermediate("between", day(-5), day(500)).unwrap();
    let certificate = between.issue(&subject()).unwrap().certificate;
    let chain = vec![between.certificate().to_vec()];
    assert!(verify_chain(&certificate, &chain, &roots(&root), day(1)).is_ok());
    let unknown = Err(CertificateFault::UnknownIssuer);
    assert_eq!(judge(&root, &certificate), unknown);
    // Another root of the same name: only its key tells them apart.
    let stranger = authority();
    assert!(verify_chain(&certificate, &chain, &roots(&stranger), day(1)).is_err());
    let too_many = vec![between.certificate().to_vec(); MOST_INTERMEDIATES + 1];
    assert!(matches!(
        verify_chain(&certificate, &too_many, &roots(&root), day(1)),
        Err(CertificateFault::TooManyIntermediates { .. })
    ));
}

#[test]
fn a_root_of_the_same_name_with_another_key_is_not_the_root() {
    let certificate = authority().issue(&subject()).unwrap().certificate;
    assert!(matches!(
        judge(&authority(), &certificate),
        Err(CertificateFault::BadChainSignature | CertificateFault::UnknownIssuer)
    ));
}

#[test]
fn self_signed_certificates_identify_nobody() {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf(&subject()).self_signed(&key).unwrap();
    assert!(matches!(
        judge(&authority(), certificate.der()),
        Err(CertificateFault::UnknownIssuer | CertificateFault::Chain(_))
    ));
}

#[test]
fn authorities_are_no_persons() {
    let root = authority();
    assert_eq!(
        judge(&root, root.certificate()),
        Err(CertificateFault::Authority)
    );
}

#[test]
fn usage_must_allow_what_is_done() {
    let root = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = leaf(&subject());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = root.sign(&params, &key).unwrap();
    assert_eq!(judge(&root, &server), Err(CertificateFault::WrongUsage));

    let mut params = leaf(&subject());
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let encipher = root.sign(&params, &key).unwrap();
    assert_eq!(
        judge(&root, &encipher),
        Err(CertificateFault::NotForSignatures)
    );

    let mut params = leaf(&subject());
    params.key_usages.clear();
    params.extended_key_usages.clear();
    let silent = root.sign(&params, &key).unwrap();
    assert!(
        judge(&root, &silent).is_ok(),
        "both are required only where present"
    );
}

#[test]
fn a_wrong_credit_code_is_told() {
    let root = authority();
    let issue = |code| {
        root.issue(&TrialSubject {
            credit_code: code,
            ..subject()
        })
        .unwrap()
    };
    let fault = judge(&root, &issue("911101085513850820").certificate).unwrap_err();
    assert!(matches!(
        fault,
        CertificateFault::CreditCode(CreditCodeError::Check { expected: 'Q', .. })
    ));
    assert!(fault.zh().contains('Q') && fault.to_string().contains('Q'));
    assert!(matches!(
        judge(&root, &issue("123").certificate),
        Err(CertificateFault::CreditCode(CreditCodeError::Length(3)))
    ));
}

#[test]
fn the_subject_must_name_everything_once() {
    let root = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = leaf(&subject());
    params
        .distinguished_name
        .remove(rcgen::DnType::CustomDnType(vec![2, 5, 4, 97]));
    let nameless = root.sign(&params, &key).unwrap();
    assert_eq!(
        judge(&root, &nameless),
        Err(CertificateFault::SubjectAttribute {
            attribute: "organizationIdentifier",
            found: 0
        })
    );
    let mut params = leaf(&subject());
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "甲\u{0}乙");
    let control = root.sign(&params, &key).unwrap();
    assert_eq!(
        judge(&root, &control),
        Err(CertificateFault::SubjectText {
            attribute: "commonName"
        })
    );
}

#[test]
fn a_changed_certificate_is_refused() {
    let root = authority();
    let mut certificate = root.issue(&subject()).unwrap().certificate;
    let at = certificate
        .windows(CODE.len())
        .position(|window| window == CODE.as_bytes())
        .unwrap();
    certificate[at..at + CODE.len()].copy_from_slice(b"9144030071526726XG");
    assert_eq!(
        judge(&root, &certificate),
        Err(CertificateFault::BadChainSignature)
    );
}

#[test]
fn roots_must_be_authorities() {
    let identity = authority().issue(&subject()).unwrap();
    assert_eq!(Roots::new(vec![]).unwrap_err(), RootsError::None);
    for wrong in [identity.certificate, b"no certificate".to_vec()] {
        assert!(matches!(
            Roots::new(vec![authority().certificate().to_vec(), wrong]),
            Err(RootsError::Root { index: 1, .. })
        ));
    }
}

fn rsa_identity(root: &TrialAuthority) -> TrialIdentity {
    let key = KeyPair::from_pem(RSA_KEY).unwrap();
    let certificate = root.sign(&leaf(&subject()), &key).unwrap();
    TrialIdentity {
        certificate_pem: pem::certificate(&certificate),
        certificate,
        key_pem: RSA_KEY.to_owned(),
    }
}

#[test]
fn every_kind_of_key_signs_and_forgeries_fail() {
    let root = authority();
    for (identity, kind) in [
        (
            root.issue_with(&subject(), TrialKey::Ed25519).unwrap(),
            PublicKeyAlgorithm::Ed25519,
        ),
        (
            root.issue(&subject()).unwrap(),
            PublicKeyAlgorithm::EcdsaP256,
        ),
        (rsa_identity(&root), PublicKeyAlgorithm::Rsa),
    ] {
        assert_eq!(judge(&root, &identity.certificate).unwrap().key, kind);
        let signer = identity.signer().unwrap();
        assert_eq!(signer.algorithm(), kind);
        let message = supplier::submission(&identity.certificate, b"bundle");
        let signature = signer.sign(&message).unwrap();
        let check = |message: &[u8], signature: &[u8]| {
            verify_signature(&identity.certificate, message, signature)
        };
        assert_eq!(check(&message, &signature), Ok(()));
        let withdrawal = supplier::withdrawal(&identity.certificate, b"bundle");
        assert_eq!(check(&withdrawal, &signature), Err(SignatureFault::Forged));
        for at in 0..signature.len() {
            let mut forged = signature.clone();
            forged[at] ^= 1;
            assert_eq!(check(&message, &forged), Err(SignatureFault::Forged));
        }
        let other = root.issue(&subject()).unwrap();
        assert!(verify_signature(&other.certificate, &message, &signature).is_err());
        assert!(!format!("{signer:?}").contains("PRIVATE"));
    }
}

#[test]
fn pem_goes_in_and_out() {
    let root = authority();
    let again = TrialAuthority::from_pem(&root.certificate_pem(), &root.key_pem()).unwrap();
    let identity = again.issue(&subject()).unwrap();
    assert!(judge(&root, &identity.certificate).is_ok());
    let both = root.certificate_pem() + &identity.certificate_pem;
    assert_eq!(
        pem::certificates(&both).unwrap(),
        [root.certificate().to_vec(), identity.certificate]
    );
    assert_eq!(pem::certificates(&root.key_pem()), Err(pem::PemError::None));
    assert!(matches!(
        Signer::from_pem(&root.certificate_pem()),
        Err(SignerError::Pem(_))
    ));
}

static ISSUED: LazyLock<(TrialAuthority, Vec<u8>)> = LazyLock::new(|| {
    let root = authority();
    let certificate = root.issue(&subject()).unwrap().certificate;
    (root, certificate)
});

proptest! {
    #[test]
    fn random_bytes_identify_nobody(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (root, _) = &*ISSUED;
        prop_assert!(judge(root, &bytes).is_err());
        prop_assert!(verify_signature(&bytes, b"", &bytes).is_err());
        prop_assert!(Roots::new(vec![bytes.clone()]).is_err());
        prop_assert!(Signer::from_pkcs8(&bytes).is_err());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (root, certificate) = &*ISSUED;
        let mut changed = certificate.clone();
        changed[at.index(certificate.len())] ^= flip;
        prop_assert!(judge(root, &changed).is_err());
        let cut = &certificate[..at.index(certificate.len())];
        prop_assert!(judge(root, cut).is_err());
    }

    #[test]
    fn random_text_is_no_key(text in ".{0,200}") {
        prop_assert!(pem::certificates(&text).is_err());
        prop_assert!(Signer::from_pem(&text).is_err());
    }
}
