//! Certificates, signatures and revocation lists made by another program: openssl's command line.
//! Whoever licensed authorities use, it is not our own trial authority.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

use std::{fs, path::Path, process::Command};

use sunbid_certificates::{
    CertificateFault, PublicKeyAlgorithm, RevocationLists, Roots, WithoutFreshList, pem,
    verify_chain, verify_now, verify_signature,
};
use sunbid_terms::Instant;

const CODE: &str = "91110108551385082Q";

const SETTINGS: &str = "
[req]
distinguished_name = dn
prompt = no
utf8 = yes
string_mask = utf8only
[dn]
C = CN
O = 甲公司
organizationIdentifier = 91110108551385082Q
CN = 甲
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[person]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = clientAuth,emailProtection
authorityKeyIdentifier = keyid
[sealing]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = number.txt
default_md = sha256
default_crl_days = 7
private_key = root.key
certificate = root.pem
crl_extensions = list
[list]
authorityKeyIdentifier = keyid:always
";

/// Whether openssl is there; where tests may not be skipped, it must be.
fn is_there() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "openssl is not here, and CI may not skip its tests"
    );
    println!("SKIPPED: openssl is not installed");
    false
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {told}");
}

/// An authority with a key of the given kind.
fn authority(folder: &Path, kind: &str) {
    fs::write(folder.join("settings"), SETTINGS).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    fs::write(folder.join("number.txt"), "01\n").unwrap();
    openssl(folder, &format!("genpkey {kind} -out root.key"));
    openssl(
        folder,
        "req -x509 -new -key root.key -subj /C=CN/CN=root -days 3650 -config settings \
         -extensions root -out root.pem",
    );
}

/// A certificate with a key of the given kind, for what `usage` names.
fn person(folder: &Path, name: &str, kind: &str, usage: &str) {
    openssl(folder, &format!("genpkey {kind} -out {name}.key"));
    openssl(
        folder,
        &format!("req -new -key {name}.key -config settings -out {name}.csr"),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 \
             -extfile settings -extensions {usage} -out {name}.pem"
        ),
    );
}

fn certificate(folder: &Path, name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap();
    pem::certificates(&text).unwrap().remove(0)
}

fn now() -> Instant {
    // The time that openssl itself dates by.
    let output = Command::new("date").arg("+%s").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Instant::from_seconds(text.trim().parse().unwrap())
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const WEAK_RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
const ED25519: &str = "-algorithm ED25519";

#[test]
fn every_kind_of_key_under_every_kind_of_authority() {
    if !is_there() {
        return;
    }
    for authority_kind in [P256, P384, RSA, ED25519] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        authority(folder, authority_kind);
        let roots = Roots::new(vec![certificate(folder, "root")]).unwrap();
        for (name, kind, algorithm, sign) in [
            (
                "p256",
                P256,
                PublicKeyAlgorithm::EcdsaP256,
                "dgst -sha256 -sign p256.key -out signature message",
            ),
            (
                "rsa",
                RSA,
                PublicKeyAlgorithm::Rsa,
                "dgst -sha256 -sign rsa.key -out signature message",
            ),
            (
                "ed",
                ED25519,
                PublicKeyAlgorithm::Ed25519,
                "pkeyutl -sign -rawin -inkey ed.key -in message -out signature",
            ),
        ] {
            person(folder, name, kind, "person");
            let der = certificate(folder, name);
            let holder = verify_chain(&der, &[], &roots, now()).unwrap();
            assert_eq!(holder.key, algorithm, "{name} under {authority_kind}");
            assert_eq!(holder.credit_code.as_str(), CODE);
            assert_eq!(holder.organization_name, "甲公司");
            fs::write(folder.join("message"), b"bundle").unwrap();
            openssl(folder, sign);
            let signature = fs::read(folder.join("signature")).unwrap();
            verify_signature(&der, b"bundle", &signature).unwrap();
            assert!(verify_signature(&der, b"bungle", &signature).is_err());
        }
        for (name, kind) in [("p384", P384), ("weak", WEAK_RSA)] {
            person(folder, name, kind, "person");
            let fault = verify_chain(&certificate(folder, name), &[], &roots, now());
            assert_eq!(fault, Err(CertificateFault::UnsupportedKey), "{name}");
        }
        person(folder, "sealing", P256, "sealing");
        let fault = verify_chain(&certificate(folder, "sealing"), &[], &roots, now());
        assert_eq!(fault, Err(CertificateFault::NotForSignatures));
    }
}

#[test]
fn its_revocation_lists_are_understood() {
    if !is_there() {
        return;
    }
    for kind in [P256, RSA] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        authority(folder, kind);
        let roots = Roots::new(vec![certificate(folder, "root")]).unwrap();
        for name in ["good", "gone"] {
            person(folder, name, P256, "person");
        }
        openssl(
            folder,
            "ca -config settings -revoke gone.pem -crl_reason keyCompromise",
        );
        openssl(folder, "ca -config settings -gencrl -out list.pem");
        openssl(folder, "crl -in list.pem -outform DER -out list.der");
        for file in ["list.pem", "list.der"] {
            let files = [fs::read(folder.join(file)).unwrap()];
            let lists = RevocationLists::new(&files, &roots, WithoutFreshList::Refuse, now());
            roots.replace_revoked(lists.unwrap());
            let judge = |name| verify_now(&certificate(folder, name), &[], &roots, now());
            assert!(judge("good").is_ok(), "{kind}");
            assert_eq!(judge("gone"), Err(CertificateFault::Revoked));
        }
        let later = now().plus_seconds(8 * 86_400);
        let fault = verify_now(&certificate(folder, "good"), &[], &roots, later);
        assert!(matches!(fault, Err(CertificateFault::RevocationUnknown(_))));
    }
}
