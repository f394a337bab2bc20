//! Witnessing the public log: every checkpoint must continue the one cosigned before. What does not
//! is refused, and both are kept as evidence.

use std::sync::Arc;

use sunbid_contracts::audit::v1::{
    AddCosignatureRequest, WatchCheckpointsRequest, WatchCheckpointsResponse,
};
use sunbid_proofs::{Checkpoint, Hash, Signer, Verifier, cosignature, merkle};

use crate::{Trustee, TrusteeFault, folder::Folder};

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
        let (checkpoint, text) = continues(folder, &log, &answer)?;
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
    folder: &Folder,
    log: &Verifier,
    answer: &WatchCheckpointsResponse,
) -> Result<(Checkpoint, String), TrusteeFault> {
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
    let before = format!("cosigned before: size {size}, root {}", hex::encode(root));
    let evidence = format!("{before}\n\n{}", answer.note);
    let evidence = folder.keep_evidence("checkpoint", evidence.as_bytes())?;
    tracing::error!(evidence = %evidence.display(), "THE PUBLIC LOG WAS REWRITTEN OR ROLLED BACK");
    Err(TrusteeFault::PublicLog(format!(
        "the checkpoint of size {} does not continue the one of size {size} cosigned before",
        checkpoint.size
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        folder::tests::{PASSPHRASE, folder},
        vault::TEST_EFFORT,
    };
    use sunbid_proofs::merkle::{consistency_proof, leaf_hash, root_of};

    fn leaves(count: u8, salt: u8) -> Vec<Hash> {
        (0..count).map(|leaf| leaf_hash(&[leaf, salt])).collect()
    }

    #[test]
    fn only_what_continues_the_last_checkpoint_is_cosigned() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trustee");
        folder(&path);
        let folder = Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap();
        let log = Signer::from_seed("sandbox.test", &[1; 32]).unwrap();
        let answer = |leaves: &[Hash], from: u64| {
            let checkpoint = Checkpoint {
                origin: "sandbox.test".into(),
                size: leaves.len() as u64,
                root: root_of(leaves),
            };
            let proof = consistency_proof(leaves, from).unwrap_or_default();
            WatchCheckpointsResponse {
                note: checkpoint.sign(&log).unwrap().format(),
                consistency_proof: proof.iter().map(|hash| hash.to_vec()).collect(),
            }
        };
        let take = |answer: &WatchCheckpointsResponse| {
            let (checkpoint, _) = continues(&folder, log.verifier(), answer)?;
            folder.keep_witnessed(checkpoint.size, &checkpoint.root)
        };
        let evidence = || {
            let files = std::fs::read_dir(&path).unwrap();
            files
                .filter(|f| {
                    f.as_ref()
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .starts_with("evidence")
                })
                .count()
        };
        take(&answer(&leaves(5, 0), 0)).unwrap();
        take(&answer(&leaves(9, 0), 5)).unwrap();
        take(&answer(&leaves(9, 0), 9)).unwrap();
        assert_eq!(evidence(), 0);
        assert!(take(&answer(&leaves(7, 0), 5)).is_err(), "rolled back");
        assert_eq!(evidence(), 1);
        assert!(take(&answer(&leaves(12, 1), 9)).is_err(), "another history");
        assert!(
            take(&answer(&leaves(9, 1), 9)).is_err(),
            "another tree of the same size"
        );
        assert!(
            take(&answer(&leaves(12, 0), 5)).is_err(),
            "a proof from elsewhere"
        );
        let stranger = Signer::from_seed("sandbox.test", &[2; 32]).unwrap();
        let good = answer(&leaves(12, 0), 9);
        assert!(
            continues(&folder, stranger.verifier(), &good).is_err(),
            "another key"
        );
        take(&good).unwrap();
        assert_eq!(folder.witnessed().unwrap().map(|(size, _)| size), Some(12));
    }
}
