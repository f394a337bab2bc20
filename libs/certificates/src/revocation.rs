//! What authorities have taken back: their revocation lists, and what holds where a list is missing or
//! has run out. Asked for what is done now, never for what was recorded: an old signature is judged by
//! what was known when it was recorded. Lists are handed in as bytes; nothing is fetched here.

use sunbid_terms::Instant;
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use crate::{holder::fingerprint, pem, roots::Roots};

/// The largest list that is taken, in bytes: about a million entries.
pub const MOST_LIST_BYTES: usize = 32 * 1024 * 1024;

/// What holds for certificates whose authority has no list here, or one that has run out. Asked once
/// any list is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutFreshList {
    /// Nobody knows whether they still hold, so they do not.
    #[default]
    Refuse,
    /// They hold. What an old list names is revoked all the same.
    Accept,
}

/// Why a revocation list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    #[error("it has {bytes} bytes, at most {most} are taken")]
    TooLarge { bytes: usize, most: usize },
    #[error("it is neither a revocation list in DER nor one in PEM: {0}")]
    Malformed(String),
    #[error(
        "it is not signed by the root whose name it carries ({0}); a list of another authority of \
         that name, or a changed file"
    )]
    Forged(String),
    #[error("it is dated {this_update}, which is after now, {now}")]
    NotYet { this_update: Instant, now: Instant },
}

/// Lists of what is revoked, in the order in which they were configured.
#[derive(Debug, Default)]
pub struct RevocationLists {
    lists: Vec<CertRevocationList<'static>>,
    known: Vec<List>,
    rule: WithoutFreshList,
    revision: [u8; 32],
}

/// What a list says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Name of the authority that signed it.
    pub issuer: String,
    pub this_update: Instant,
    /// From then on it has run out.
    pub next_update: Instant,
}

impl RevocationLists {
    /// Takes lists as their files hold them, DER or PEM. A list that bears the name of one of `roots` must
    /// be signed by it; those of other authorities are checked when a chain leads to them. The index
    /// in an error counts from 0.
    pub fn new(
        files: &[Vec<u8>],
        roots: &Roots,
        rule: WithoutFreshList,
        now: Instant,
    ) -> Result<Self, (usize, RevocationListError)> {
        let mut all = Self {
            rule,
            ..Self::default()
        };
        let mut digests = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let (list, known) = read(file, roots, now).map_err(|error| (index, error))?;
            digests.extend_from_slice(&fingerprint(file));
            all.lists.push(list);
            all.known.push(known);
        }
        all.revision = fingerprint(&digests);
        Ok(all)
    }

    /// The lists that have run out at `at`.
    pub fn stale(&self, at: Instant) -> impl Iterator<Item = &List> {
        self.known.iter().filter(move |list| at >= list.next_update)
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Changes when any list does.
    pub const fn revision(&self) -> &[u8; 32] {
        &self.revision
    }

    /// Runs `judge` with how path building is to ask these lists; with nothing where there are none.
    pub(crate) fn asked<R>(&self, judge: impl FnOnce(Option<RevocationOptions<'_>>) -> R) -> R {
        let lists: Vec<&CertRevocationList<'static>> = self.lists.iter().collect();
        // Fails for no lists at all, and then there is nothing to ask.
        let options = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            let (status, expiry) = match self.rule {
                WithoutFreshList::Refuse => (UnknownStatusPolicy::Deny, ExpirationPolicy::Enforce),
                WithoutFreshList::Accept => (UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore),
            };
            options
                .with_status_policy(status)
                .with_expiration_policy(expiry)
                .build()
        });
        judge(options)
    }
}

fn read(
    file: &[u8],
    roots: &Roots,
    now: Instant,
) -> Result<(CertRevocationList<'static>, List), RevocationListError> {
    if file.len() > MOST_LIST_BYTES {
        return Err(RevocationListError::TooLarge {
            bytes: file.len(),
            most: MOST_LIST_BYTES,
        });
    }
    let malformed = |cause: String| RevocationListError::Malformed(cause);
    let der = match std::str::from_utf8(file) {
        Ok(text) if text.contains("-----BEGIN") => {
            pem::revocation_list(text).map_err(|error| malformed(error.to_string()))?
        }
        _ => file.to_vec(),
    };
    let list = OwnedCertRevocationList::from_der(&der).map_err(|e| malformed(format!("{e:?}")))?;
    let (_, parsed) =
        CertificateRevocationList::from_der(&der).map_err(|e| malformed(e.to_string()))?;
    let next_update = parsed
        .next_update()
        .ok_or_else(|| malformed("it does not say when it runs out".to_owned()))?;
    let known = List {
        issuer: parsed.issuer().to_string(),
        this_update: Instant::from_seconds(parsed.last_update().timestamp()),
        next_update: Instant::from_seconds(next_update.timestamp()),
    };
    if known.this_update > now {
        return Err(RevocationListError::NotYet {
            this_update: known.this_update,
            now,
        });
    }
    let mut named = false;
    let mut signed = false;
    for der in roots.ders() {
        let Ok((_, root)) = X509Certificate::from_der(&der) else {
            continue;
        };
        if root.subject().as_raw() == parsed.issuer().as_raw() {
            named = true;
            signed |= parsed.verify_signature(root.public_key()).is_ok();
        }
    }
    if named && !signed {
        return Err(RevocationListError::Forged(known.issuer));
    }
    Ok((list.into(), known))
}
