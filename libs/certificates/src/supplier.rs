//! What a supplier's key signs: the bundle it submits, and the withdrawal of one.

const SUBMISSION: &[u8] = b"SEALBID-V1 supplier signature\0";
const WITHDRAWAL: &[u8] = b"SEALBID-V1 supplier withdrawal\0";

/// `"SEALBID-V1 supplier signature\0" || certificate || bundle`; certificate in DER.
pub fn submission(certificate: &[u8], bundle: &[u8]) -> Vec<u8> {
    [SUBMISSION, certificate, bundle].concat()
}

/// `"SEALBID-V1 supplier withdrawal\0" || certificate || bundle`; certificate in DER.
pub fn withdrawal(certificate: &[u8], bundle: &[u8]) -> Vec<u8> {
    [WITHDRAWAL, certificate, bundle].concat()
}
