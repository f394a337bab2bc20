//! Witnessing the public log: every checkpoint must continue the one cosigned before. What does not
//! is refused, and both are kept as evidence.

use std::sync::Arc;

use sunbid_contracts::audit::v1::{
    AddCosignatureRequest, WatchCheckpointsRequest, WatchCheckpointsResponse,
};
use sunbid_proofs::{Checkpoint, Hash, Signer, Verifier, cosignature, merkle};

use crate::{Trustee, TrusteeFault};

/// Witnesses until the daemon stops.
pub async fn duty(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    loop {
        if let Err(fault) = watch(trustee).await {
            tracing::warn!(%fault, "witnessing");
            trustee.connection.forget().await;
        }
        if trustee.pause().await {
            return Ok(());
        }
    }
}

async fn watch(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    let folder = &trustee.folder;
    let log_fault = |error: sunbid_proofs::NoteError| TrusteeFault::PublicLog(error.to_string());
    let log = Verifier::parse(&folder.settings.log_verifier_key).map_err(log_fault)?;
    let organization = trustee.connection.organization(folder).await?;
    let code = organization.trim_start_matches("organizations/");
    let signer = Signer::witness_from_seed(&format!("{code}.witness"), &folder.identity_seed)
        .map_err(log_fault)?;
    let old_size = folder.witnessed()?.map_or(0, |(size, _)| size);
    let request = WatchCheckpointsRequest {
        old_size: i64::try_from(old_size).unwrap_or(i64::MAX),
    };
    let mut audit = trustee.connection.audit(folder).await?;
    let mut stream = audit.watch_checkpoints(request).await?.into_inner();
    loop {
        let next = tokio::select! {
            () = trustee.shutdown.cancelled() => return Ok(()),
            next = stream.message() => next?,
        };
        let Some(answer) = next else { return Ok(()) };
        let (checkpoint, text) = continues(trustee, &log, &answer)?;
        let seconds = u64::try_from(trustee.clock.now().seconds()).unwrap_or_default();
        let line = cosignature::cosign(&signer, &text, seconds).map_err(log_fault)?;
        // Remembered before it is said: a rollback after this is noticed.
        folder.keep_witnessed(checkpoint.size, &checkpoint.root)?;
        let request = AddCosignatureRequest {
            size: i64::try_from(checkpoint.size).unwrap_or(i64::MAX),
            signature_line: line.line(),
        };
        let mut audit = trustee.connection.audit(folder).await?;
        if let Err(status) = audit.add_cosignature(request).await {
            tracing::warn!(%status, "a cosignature was not taken");
        }
    }
}

/// The checkpoint of an answer, if the log signed it and it continues what was cosigned before.
fn continues(
    trustee: &Trustee,
    log: &Verifier,
    answer: &WatchCheckpointsResponse,
) -> Result<(Checkpoint, String), TrusteeFault> {
    let folder = &trustee.folder;
    let (checkpoint, note) = Checkpoint::open(answer.note.as_bytes(), log)
        .map_err(|error| TrusteeFault::PublicLog(error.to_string()))?;
    let Some((size, root)) = folder.witnessed()? else {
        return Ok((checkpoint, note.text));
    };
    let proof: Vec<Hash> = answer
        .consistency_proof
        .iter()
        .filter_map(|hash| Hash::try_from(hash.as_slice()).ok())
        .collect();
    let holds = proof.len() == answer.consistency_proof.len()
        && checkpoint.size >= size
        && (if checkpoint.size == size {
            checkpoint.root == root
        } else {
            merkle::verify_consistency(size, &root, checkpoint.size, &checkpoint.root, &proof)
        });
    if holds {
        return Ok((checkpoint, note.text));
    }
    let evidence = folder.keep_evidence("checkpoint", answer.note.as_bytes())?;
    tracing::error!(evidence = %evidence.display(), "THE PUBLIC LOG WAS REWRITTEN OR ROLLED BACK");
    Err(TrusteeFault::PublicLog(format!(
        "the checkpoint of size {} does not continue the one of size {size} cosigned before",
        checkpoint.size
    )))
}
