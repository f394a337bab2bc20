//! The root certificates a platform accepts, and what their authorities have taken back. Roots are
//! parsed once, at start; a root that cannot be used stops the start instead of silently locking its
//! holders out. Revocation lists are replaced while the platform runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, TrustAnchor};
use sunbid_terms::Instant;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{fault::RootsError, revocation::RevocationLists};

/// Roots of trust, in the order in which they were configured.
#[derive(Clone, Debug)]
pub struct Roots {
    entries: Vec<Entry>,
    // Replaced whole by whoever reads the lists, read for each question; shared by all clones.
    revoked: Arc<RwLock<Arc<RevocationLists>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    der: Vec<u8>,
    anchor: TrustAnchor<'static>,
    not_before: Instant,
    not_after: Instant,
}

impl Roots {
    /// Takes DER certificates of authorities; at least one.
    pub fn new(ders: Vec<Vec<u8>>) -> Result<Self, RootsError> {
        if ders.is_empty() {
            return Err(RootsError::None);
        }
        let entries = ders
            .into_iter()
            .enumerate()
            .map(|(index, der)| entry(der).map_err(|reason| RootsError::Root { index, reason }))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            entries,
            revoked: Arc::default(),
        })
    }

    /// The certificates as they were configured, DER.
    pub fn ders(&self) -> Vec<Vec<u8>> {
        self.entries.iter().map(|entry| entry.der.clone()).collect()
    }

    /// The revocation lists as they are now.
    pub fn revoked(&self) -> Arc<RevocationLists> {
        self.revoked
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts other revocation lists in the place of those so far.
    pub fn replace_revoked(&self, lists: RevocationLists) {
        *self.revoked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
    }

    /// The anchors that are within their own validity; path building itself never looks at it.
    pub(crate) fn anchors_at(&self, at: Instant) -> Vec<TrustAnchor<'_>> {
        self.entries
            .iter()
            .filter(|entry| entry.not_before <= at && at <= entry.not_after)
            .map(|entry| entry.anchor.clone())
            .collect()
    }
}

fn entry(der: Vec<u8>) -> Result<Entry, String> {
    let (rest, parsed) = X509Certificate::from_der(&der)
        .map_err(|e| format!("it is not a DER certificate ({e})"))?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the certificate", rest.len()));
    }
    if !parsed.is_ca() {
        return Err("it is not the certificate of an authority".to_owned());
    }
    let validity = parsed.validity();
    let not_before = Instant::from_seconds(validity.not_before.timestamp());
    let not_after = Instant::from_seconds(validity.not_after.timestamp());
    let wrapped = CertificateDer::from(der.as_slice());
    let anchor = webpki::anchor_from_trusted_cert(&wrapped)
        .map_err(|e| format!("it cannot anchor a chain ({e:?})"))?
        .to_owned();
    Ok(Entry {
        anchor,
        not_before,
        not_after,
        der,
    })
}
