//! Who signed: a supplier's certificate chain and its signature over a bundle (E6).
//! Chains that verified are remembered for a short while, for the last minute before a deadline.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sunbid_certificates::{
    CertificateFault, Holder, Roots, verify_chain, verify_now, verify_signature,
};
use sunbid_domain::bid::{Fault, fault::Duty};
use sunbid_proofs::{Hash, sha256};
use sunbid_terms::{CreditCode, Instant, MICROS};

/// How long a verified chain is trusted without looking again, microseconds.
const REMEMBERED: i64 = 600 * MICROS;

/// Chains remembered at most.
const MOST: usize = 4096;

/// Verifies suppliers' certificates against the platform's roots.
pub struct Suppliers {
    roots: Arc<Roots>,
    // Chains that verified and when; locked for the length of a look-up.
    known: Mutex<HashMap<Hash, (Instant, Holder)>>,
}

/// What a supplier signed with what.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub certificate: &'a [u8],
    pub intermediates: &'a [Vec<u8>],
    pub message: &'a [u8],
    pub signature: &'a [u8],
}

/// A chain must still be valid so long after it was checked: longer than it is remembered and than
/// any submission waits.
const STILL_VALID_SECONDS: i64 = 30 * 60;

impl Suppliers {
    pub fn new(roots: Arc<Roots>) -> Self {
        Self {
            roots,
            known: Mutex::default(),
        }
    }

    /// Whether the organisation with `credit_code` signed; every fault found is told.
    pub fn check(
        &self,
        signed: &Signed<'_>,
        credit_code: &CreditCode,
        at: Instant,
    ) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        match self.holder(signed, at) {
            Ok(holder) if holder.credit_code == *credit_code => {}
            Ok(holder) => faults.push(fault(
                "certificate",
                format!("证书属于{}，不是提交人{credit_code}。", holder.credit_code),
                format!(
                    "The certificate is of {}, the caller acts for {credit_code}.",
                    holder.credit_code
                ),
            )),
            Err(refused) => faults.push(refused),
        }
        let by_its_key = verify_signature(signed.certificate, signed.message, signed.signature);
        if let Err(error) = by_its_key {
            faults.push(fault("signature", error.zh(), format!("{error}.")));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn holder(&self, signed: &Signed<'_>, at: Instant) -> Result<Holder, Fault> {
        let key = self.chain_key(signed);
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((seen, holder)) = known.get(&key) {
                let age = at.micros().saturating_sub(seen.micros());
                let valid = holder.not_before <= at && at <= holder.not_after;
                if valid && (0..REMEMBERED).contains(&age) {
                    return Ok(holder.clone());
                }
            }
        }
        let (certificate, between) = (signed.certificate, signed.intermediates);
        let told = |error: CertificateFault| fault("certificate", error.zh(), format!("{error}."));
        let holder = verify_now(certificate, between, &self.roots, at).map_err(told)?;
        // The record is written later, and holders judge the chain at the record's time: a chain
        // that ends meanwhile would be taken here and stop the opening there.
        let later = at.plus_seconds(STILL_VALID_SECONDS);
        verify_chain(certificate, between, &self.roots, later).map_err(told)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (at, holder.clone()));
        Ok(holder)
    }

    /// A chain under the revocation lists of today: others make it another question.
    fn chain_key(&self, signed: &Signed<'_>) -> Hash {
        let mut parts = vec![
            *self.roots.revoked().revision(),
            sha256(&[signed.certificate]),
        ];
        parts.extend(signed.intermediates.iter().map(|der| sha256(&[der])));
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 32]>::as_slice).collect();
        sha256(&parts)
    }
}

fn fault(field: &'static str, zh: String, en: String) -> Fault {
    Fault::new("E6", Duty::Signature, field, zh, en)
}
