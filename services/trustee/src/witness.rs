//! Witnessing the public log: every checkpoint must continue the one cosigned before. What does not
//! is refused, and both are kept as evidence.

use std::sync::Arc;

use sunbid_contracts::audit::v1::{
    AddCosignatureRequest, GetConsistencyProofRequest, WatchCheckpointsRequest,
};
use sunbid_proofs::{Checkpoint, Hash, Signer, Verifier, cosignature, merkle};
use tonic::Code;

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
        let proof = Some(answer.consistency_proof.as_slice());
        let taken = take(trustee, &answer.note, proof).await?;
        if taken.place != Place::Behind {
            cosign(trustee, &taken).await?;
        }
    }
}

/// The checkpoint of a note that this institution is about to rely on: it continues the one cosigned
/// last, or is continued by it; a newer one is cosigned.
pub async fn rely_on(trustee: &Arc<Trustee>, note: &str) -> Result<Checkpoint, TrusteeFault> {
    let taken = take(trustee, note, None).await?;
    if taken.place == Place::Ahead {
        cosign(trustee, &taken).await?;
    }
    Ok(taken.checkpoint)
}

/// A checkpoint that the log signed and that agrees with the one cosigned last.
struct Taken {
    checkpoint: Checkpoint,
    text: String,
    place: Place,
}

/// Where a checkpoint stands beside the one cosigned last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Behind,
    Same,
    Ahead,
}

/// Takes a checkpoint, and remembers it where it is the newest. `proof` is one of consistency if it
/// begins at the checkpoint cosigned last; else one is asked for.
async fn take(
    trustee: &Trustee,
    note: &str,
    proof: Option<&[Vec<u8>]>,
) -> Result<Taken, TrusteeFault> {
    let folder = &trustee.folder;
    let log = Verifier::parse(&folder.settings.log_verifier_key).map_err(log_fault)?;
    let (checkpoint, signed) = Checkpoint::open(note.as_bytes(), &log).map_err(log_fault)?;
    let _witnessing = trustee.witnessing.lock().await;
    let known = folder.witnessed()?;
    let mut agree = proof.is_some_and(|proof| agrees(known, &checkpoint, proof))
        || agrees(known, &checkpoint, &[]);
    if let (false, Some((size, _))) = (agree, known.filter(|(size, _)| *size != checkpoint.size)) {
        let (old, new) = (size.min(checkpoint.size), size.max(checkpoint.size));
        let proof = consistency(trustee, old, new).await?;
        agree = agrees(known, &checkpoint, &proof);
    }
    if !agree {
        return Err(contradiction(folder, known, &checkpoint, note)?);
    }
    let place = place(known, &checkpoint);
    if place == Place::Ahead {
        // Remembered before it is said or relied on: a rollback after this is noticed.
        folder.keep_witnessed(checkpoint.size, &checkpoint.root)?;
    }
    Ok(Taken {
        checkpoint,
        text: signed.text,
        place,
    })
}

fn place(known: Option<(u64, Hash)>, checkpoint: &Checkpoint) -> Place {
    match known {
        Some((size, _)) if size > checkpoint.size => Place::Behind,
        Some((size, _)) if size == checkpoint.size => Place::Same,
        _ => Place::Ahead,
    }
}

/// A proof between two sizes; none where the platform says that there is none.
async fn consistency(trustee: &Trustee, old: u64, new: u64) -> Result<Vec<Vec<u8>>, TrusteeFault> {
    let number = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let request = GetConsistencyProofRequest {
        old_size: number(old),
        new_size: number(new),
    };
    let mut audit = trustee.connection.audit(&trustee.folder).await?;
    match audit.get_consistency_proof(request).await {
        Ok(answer) => Ok(answer.into_inner().proof),
        // It has less than what was cosigned: the caller finds that nothing agrees.
        Err(status) if status.code() == Code::InvalidArgument => Ok(Vec::new()),
        Err(status) => Err(status.into()),
    }
}

/// Whether one of two checkpoints continues the other.
fn agrees(known: Option<(u64, Hash)>, checkpoint: &Checkpoint, proof: &[Vec<u8>]) -> bool {
    let Some((size, root)) = known else {
        return true;
    };
    if checkpoint.size == size {
        return checkpoint.root == root;
    }
    let hash = |hash: &Vec<u8>| Hash::try_from(hash.as_slice()).ok();
    let Some(proof) = proof.iter().map(hash).collect::<Option<Vec<_>>>() else {
        return false;
    };
    if size < checkpoint.size {
        merkle::verify_consistency(size, &root, checkpoint.size, &checkpoint.root, &proof)
    } else {
        merkle::verify_consistency(checkpoint.size, &checkpoint.root, size, &root, &proof)
    }
}

/// Keeps both checkpoints, for whoever has to judge.
fn contradiction(
    folder: &Folder,
    known: Option<(u64, Hash)>,
    checkpoint: &Checkpoint,
    note: &str,
) -> Result<TrusteeFault, TrusteeFault> {
    let (size, root) = known.unwrap_or_default();
    let before = format!("cosigned before: size {size}, root {}", hex::encode(root));
    let evidence = format!("{before}\n\n{note}");
    let evidence = folder.keep_evidence("checkpoint", evidence.as_bytes())?;
    tracing::error!(evidence = %evidence.display(), "THE PUBLIC LOG WAS REWRITTEN OR ROLLED BACK");
    Ok(TrusteeFault::PublicLog(format!(
        "the checkpoint of size {} does not agree with the one of size {size} cosigned before",
        checkpoint.size
    )))
}

/// Signs a checkpoint and says so to the platform, which may not listen.
async fn cosign(trustee: &Trustee, taken: &Taken) -> Result<(), TrusteeFault> {
    let folder = &trustee.folder;
    let organization = trustee.connection.organization(folder).await?;
    let code = organization.trim_start_matches("organizations/");
    let signer = Signer::witness_from_seed(&format!("{code}.witness"), &folder.identity_seed)
        .map_err(log_fault)?;
    let seconds = u64::try_from(trustee.clock.now().seconds()).unwrap_or_default();
    let line = cosignature::cosign(&signer, &taken.text, seconds).map_err(log_fault)?;
    let request = AddCosignatureRequest {
        size: i64::try_from(taken.checkpoint.size).unwrap_or(i64::MAX),
        signature_line: line.line(),
    };
    let mut audit = trustee.connection.audit(folder).await?;
    if let Err(status) = audit.add_cosignature(request).await {
        tracing::warn!(%status, "a cosignature was not taken");
    }
    Ok(())
}

fn log_fault(error: sunbid_proofs::NoteError) -> TrusteeFault {
    TrusteeFault::PublicLog(error.to_string())
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
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("trustee");
        folder(&path);
        let folder = Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap();
        let checkpoint = |leaves: &[Hash]| Checkpoint {
            origin: "sandbox.test".into(),
            size: leaves.len() as u64,
            root: root_of(leaves),
        };
        let between = |leaves: &[Hash], from: u64| -> Vec<Vec<u8>> {
            let proof = consistency_proof(leaves, from).unwrap_or_default();
            proof.iter().map(|hash| hash.to_vec()).collect()
        };
        let holds = |leaves: &[Hash], proof: Vec<Vec<u8>>| {
            agrees(folder.witnessed().unwrap(), &checkpoint(leaves), &proof)
        };
        let take = |leaves: &[Hash], from: u64| {
            assert!(holds(leaves, between(leaves, from)));
            let newest = checkpoint(leaves);
            folder.keep_witnessed(newest.size, &newest.root).unwrap();
        };
        take(&leaves(5, 0), 0);
        take(&leaves(9, 0), 5);
        take(&leaves(9, 0), 9);
        let nine = leaves(9, 0);
        assert!(
            !holds(&leaves(7, 0), between(&leaves(7, 0), 5)),
            "rolled back"
        );
        assert!(
            !holds(&leaves(7, 0), Vec::new()),
            "rolled back, and nothing to show"
        );
        assert!(
            holds(&leaves(7, 0), between(&nine, 7)),
            "an older one of the same log"
        );
        assert!(
            !holds(&leaves(7, 1), between(&nine, 7)),
            "an older one of another"
        );
        assert!(
            !holds(&leaves(12, 1), between(&leaves(12, 1), 9)),
            "another history"
        );
        assert!(
            !holds(&leaves(9, 1), Vec::new()),
            "another tree of the same size"
        );
        assert!(
            !holds(&leaves(12, 0), between(&leaves(12, 0), 5)),
            "a proof from elsewhere"
        );
        let known = folder.witnessed().unwrap();
        assert_eq!(place(known, &checkpoint(&leaves(12, 0))), Place::Ahead);
        assert_eq!(place(known, &checkpoint(&nine)), Place::Same);
        assert_eq!(place(known, &checkpoint(&leaves(7, 0))), Place::Behind);
        let fault = contradiction(&folder, known, &checkpoint(&leaves(7, 0)), "note").unwrap();
        assert!(matches!(fault, TrusteeFault::PublicLog(_)));
        let files = std::fs::read_dir(&path).unwrap().flatten();
        let evidence = files.filter(|f| f.file_name().to_string_lossy().starts_with("evidence"));
        assert_eq!(evidence.count(), 1);
        take(&leaves(12, 0), 9);
        assert_eq!(folder.witnessed().unwrap().map(|(size, _)| size), Some(12));
    }
}
