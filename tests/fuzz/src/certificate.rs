//! Certificates, chains, keys and signatures that strangers show.

use std::sync::LazyLock;

use sunbid_certificates::{
    HolderKeys, MOST_CERTIFICATE_BYTES, Roots, Signer, fingerprint, machine, pem, verify_chain,
    verify_signature,
};
use sunbid_terms::Instant;

use crate::chosen;

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[
            alone,
            chain,
            signature,
            pem_text,
            private_key,
            roots,
            holder_keys,
        ],
    );
}

/// No certificate but the authority's own stands without a chain.
fn alone(bytes: &[u8]) {
    let _ = fingerprint(bytes);
    let _ = machine::services(bytes);
    let _ = verify_signature(bytes, b"message", b"signature");
    if let Ok(holder) = verify_chain(bytes, &[], &FIXED.roots, FIXED.at) {
        assert!(bytes.len() <= MOST_CERTIFICATE_BYTES);
        assert!(
            bytes == FIXED.leaf,
            "a certificate that nobody issued is taken for {}",
            holder.credit_code
        );
    }
}

/// A certificate and its intermediates, each after its length in two bytes.
fn chain(bytes: &[u8]) {
    let mut ders = Vec::new();
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        let (der, tail) = tail.split_at(length);
        ders.push(der.to_vec());
        rest = tail;
    }
    if let Some((leaf, intermediates)) = ders.split_first()
        && verify_chain(leaf, intermediates, &FIXED.roots, FIXED.at).is_ok()
    {
        assert!(
            *leaf == FIXED.leaf,
            "a certificate that nobody issued is taken"
        );
    }
}

/// A signature by the key of a certificate that is good, over a fixed message.
fn signature(bytes: &[u8]) {
    assert!(
        verify_signature(&FIXED.leaf, b"what was never signed", bytes).is_err(),
        "a signature was forged"
    );
}

fn pem_text(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(ders) = pem::certificates(text) {
        let again: String = ders.iter().map(|der| pem::certificate(der)).collect();
        assert_eq!(pem::certificates(&again).as_ref(), Ok(&ders));
    }
    let _ = Signer::from_pem(text);
}

fn private_key(bytes: &[u8]) {
    let _ = Signer::from_pkcs8(bytes);
}

fn roots(bytes: &[u8]) {
    if let Ok(roots) = Roots::new(vec![bytes.to_vec()]) {
        assert_eq!(roots.ders(), vec![bytes.to_vec()]);
        let _ = verify_chain(&FIXED.leaf, &[], &roots, FIXED.at);
    }
}

fn holder_keys(bytes: &[u8]) {
    let half = bytes.len() / 2;
    let (certificate, signature) = bytes.split_at(half);
    let keys = HolderKeys {
        origin: "platform.example",
        certificate,
        identity_key: &[1; 32],
        encryption_key: &[2; 32],
        signed_at: FIXED.at,
    };
    assert!(keys.verify(&[], signature, &FIXED.roots).is_err());
}

struct Fixed {
    roots: Roots,
    leaf: Vec<u8>,
    at: Instant,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let root = include_bytes!("../certificates/root.der").to_vec();
    Fixed {
        roots: Roots::new(vec![root]).expect("a root"),
        leaf: include_bytes!("../certificates/supplier.der").to_vec(),
        at: Instant::from_micros(1_800_000_000_000_000),
    }
});
