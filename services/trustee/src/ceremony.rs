//! Taking part in key ceremonies. Every message follows from one seed per ceremony and from what is
//! posted, so a daemon that was killed says exactly the same again, and never two things.

use std::sync::Arc;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sunbid_contracts::tender::v1::{
    Ceremony, CeremonyMessage, PostCeremonyMessageRequest, WatchCeremoniesRequest,
};
use sunbid_domain::tender::ceremony::{
    CERTIFICATE, COMMITMENT, PACKAGE, REHEARSAL, SHARES, messages, posted_certificate,
    posted_message, posted_rehearsal, rehearsal, tender_key, terms, waits_for,
};
use sunbid_sealing::{
    OsRng,
    ceremony::{Outcome, answer_canary, join},
};

use crate::{Trustee, TrusteeFault};

/// Answers every ceremony that waits for this institution, until the daemon stops.
pub async fn duty(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    loop {
        if let Err(fault) = watch(trustee).await {
            tracing::warn!(%fault, "ceremonies");
            trustee.connection.forget().await;
        }
        if trustee.pause().await {
            return Ok(());
        }
    }
}

async fn watch(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    let organization = trustee.connection.organization(&trustee.folder).await?;
    let mut tenders = trustee.connection.tender(&trustee.folder).await?;
    let mut stream = tenders
        .watch_ceremonies(WatchCeremoniesRequest {})
        .await?
        .into_inner();
    loop {
        let next = tokio::select! {
            () = trustee.shutdown.cancelled() => return Ok(()),
            next = stream.message() => next?,
        };
        let Some(ceremony) = next.and_then(|answer| answer.ceremony) else {
            return Ok(());
        };
        let (own, name) = (trustee.clone(), ceremony.name.clone());
        let (organization, of) = (organization.clone(), ceremony.tender.clone());
        let said = tokio::task::spawn_blocking(move || answer(&own, &ceremony, &organization));
        match said.await? {
            Ok(said) => {
                for message in said {
                    let request = PostCeremonyMessageRequest {
                        tender: of.clone(),
                        message: Some(message),
                    };
                    let mut tenders = trustee.connection.tender(&trustee.folder).await?;
                    if let Err(status) = tenders.post_ceremony_message(request).await {
                        tracing::warn!(%name, %status, "a ceremony message was not taken");
                    }
                }
            }
            Err(fault) => tracing::error!(%name, %fault, "no message is given in this ceremony"),
        }
    }
}

/// The next messages of this institution in a ceremony; none if it waits for none.
fn answer(
    trustee: &Trustee,
    ceremony: &Ceremony,
    organization: &str,
) -> Result<Vec<CeremonyMessage>, TrusteeFault> {
    let Some((round, index)) = waits_for(ceremony, organization) else {
        return Ok(Vec::new());
    };
    let folder = &trustee.folder;
    let terms = terms(ceremony)?;
    let holder = u16::try_from(index).map_err(|_| TrusteeFault::NotOurKeys)?;
    let cid = *terms.id();
    if round == REHEARSAL {
        let key = tender_key(ceremony)?;
        let share = folder.share(&cid, holder)?;
        let canary = rehearsal(&ceremony.rehearsal_envelope)?;
        let partial = answer_canary(&terms, &key, &share, &canary, &mut OsRng)?;
        return Ok(vec![posted_rehearsal(&partial)]);
    }
    let mut rng = ChaCha20Rng::from_seed(*folder.ceremony_seed(&cid)?);
    let (identity, encryption) = (&folder.identity, &folder.encryption);
    let (committed, commitment) = join(&terms, holder, identity, encryption, &mut rng)?;
    if round == COMMITMENT {
        return Ok(vec![posted_message(&commitment)]);
    }
    let (revealed, package) = committed.reveal(&messages(ceremony, COMMITMENT)?, identity)?;
    if round == PACKAGE {
        return Ok(vec![posted_message(&package)]);
    }
    let (shared, shares) = revealed.share(&messages(ceremony, PACKAGE)?, identity, &mut rng)?;
    if round == SHARES {
        return Ok(vec![posted_message(&shares)]);
    }
    debug_assert_eq!(round, CERTIFICATE);
    match shared.conclude(&messages(ceremony, SHARES)?, identity, encryption, &mut rng)? {
        Outcome::Certified(certified) => {
            // The share is on disk before the certificate says that it is.
            folder.keep_share(&cid, &certified.share)?;
            Ok(vec![posted_certificate(&certified.certificate)])
        }
        Outcome::Complaining(complaints) => Ok(complaints.iter().map(posted_message).collect()),
    }
}
