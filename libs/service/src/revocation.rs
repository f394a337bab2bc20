//! Tokens that ended before their time: sessions signed out, subjects revoked.
//! Learned from the registry every few seconds; tokens are short-lived, so a lapse is bounded.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
    time::Duration,
};

use sunbid_contracts::registry::v1::ListRevocationsRequest;
use tokio_util::sync::CancellationToken;

use crate::{Peers, token::Claims};

/// How often the registry is asked.
const EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Revoked {
    sessions: HashSet<Vec<u8>>,
    subjects: HashSet<String>,
}

/// The revocations this process knows.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    // Written by `follow` alone, read by the authentication layer.
    revoked: Arc<RwLock<Revoked>>,
}

impl Revocations {
    /// Whether the claims' session or subject was ended.
    pub fn cover(&self, claims: &Claims) -> bool {
        let revoked = self
            .revoked
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        revoked.sessions.contains(&claims.session_id) || revoked.subjects.contains(&claims.subject)
    }

    /// Keeps asking the registry until the process stops.
    pub async fn follow(self, peers: Peers, shutdown: CancellationToken) {
        loop {
            match fetch(&peers).await {
                Ok(fresh) => {
                    *self
                        .revoked
                        .write()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
                }
                Err(status) => tracing::warn!(%status, "revocations cannot be fetched"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

async fn fetch(peers: &Peers) -> Result<Revoked, tonic::Status> {
    let mut revoked = Revoked::default();
    let mut page_token = String::new();
    loop {
        let page = peers
            .registry()
            .list_revocations(ListRevocationsRequest {
                page_size: 0,
                page_token,
            })
            .await?
            .into_inner();
        revoked.sessions.extend(page.session_ids);
        revoked.subjects.extend(page.subjects);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(revoked);
        }
    }
}
