//! C2SP cosignatures (c2sp.org/tlog-cosignature), `cosignature/v1` with Ed25519: a witness says that
//! a checkpoint continues all it has cosigned before, and when it saw it.

use crate::note::{ED25519_COSIGNATURE, Note, NoteError, Signature, Signer, Verifier};

/// What a witness said about a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    pub witness: Verifier,
    /// Whole seconds since 1970 UTC.
    pub time: u64,
}

/// The witness's line for a checkpoint text, dated `time` seconds since 1970 UTC.
pub fn cosign(signer: &Signer, checkpoint: &str, time: u64) -> Result<Signature, NoteError> {
    if signer.verifier().kind() != ED25519_COSIGNATURE {
        return Err(NoteError::Form("only a witness key signs cosignatures"));
    }
    let signature = signer.sign_bytes(message(checkpoint, time).as_bytes());
    Ok(signer.signature([time.to_be_bytes().as_slice(), &signature].concat()))
}

/// Checks one signature line of `witness` over a checkpoint text.
pub fn verify(
    witness: &Verifier,
    checkpoint: &str,
    signature: &Signature,
) -> Result<Cosignature, NoteError> {
    let not_signed = || NoteError::NotSigned(witness.name().to_owned());
    if witness.kind() != ED25519_COSIGNATURE
        || signature.name != witness.name()
        || signature.key_id != witness.key_id()
    {
        return Err(not_signed());
    }
    let (time, bytes) = signature
        .bytes
        .split_first_chunk::<8>()
        .ok_or_else(not_signed)?;
    let time = u64::from_be_bytes(*time);
    witness.verify_bytes(message(checkpoint, time).as_bytes(), bytes)?;
    Ok(Cosignature {
        witness: witness.clone(),
        time,
    })
}

/// The latest cosignature of `witness` that `note` carries. A line that claims to be of this
/// witness and is not fails the note.
pub fn find(note: &Note, witness: &Verifier) -> Result<Cosignature, NoteError> {
    let mut latest: Option<Cosignature> = None;
    for signature in note.signatures_of(witness) {
        let found = verify(witness, &note.text, signature)?;
        if latest.as_ref().is_none_or(|known| known.time < found.time) {
            latest = Some(found);
        }
    }
    latest.ok_or_else(|| NoteError::NotSigned(witness.name().to_owned()))
}

/// The time a cosignature line states, seconds since 1970 UTC; nothing is verified.
pub fn stated_time(signature: &Signature) -> Option<u64> {
    signature
        .bytes
        .split_first_chunk::<8>()
        .map(|(time, _)| u64::from_be_bytes(*time))
}

fn message(checkpoint: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{checkpoint}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn witness() -> Signer {
        Signer::witness_from_seed("witness.example/a", &[9; 32]).unwrap()
    }

    #[test]
    fn a_cosignature_holds_for_its_checkpoint_and_time() {
        let text = "log.example/epochs\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
        let line = cosign(&witness(), text, 1_700_000_000).unwrap();
        let seen = verify(witness().verifier(), text, &line).unwrap();
        assert_eq!(seen.time, 1_700_000_000);
        assert_eq!(Signature::parse_line(&line.line()), Ok(line.clone()));
        assert!(verify(witness().verifier(), "other\n", &line).is_err());
        let mut later = line.clone();
        later.bytes[7] ^= 1;
        assert!(verify(witness().verifier(), text, &later).is_err());
        later.bytes.truncate(5);
        assert!(verify(witness().verifier(), text, &later).is_err());
    }

    #[test]
    fn the_latest_of_several_counts() {
        let text = "log.example/epochs\n".to_owned();
        let signatures = [7, 9, 8]
            .map(|time| cosign(&witness(), &text, time).unwrap())
            .to_vec();
        let note = Note { text, signatures };
        assert_eq!(find(&note, witness().verifier()).unwrap().time, 9);
        let other = Signer::witness_from_seed("witness.example/b", &[9; 32]).unwrap();
        assert!(find(&note, other.verifier()).is_err());
    }

    #[test]
    fn keys_of_logs_and_witnesses_are_not_exchanged() {
        let log = Signer::from_seed("log.example/epochs", &[9; 32]).unwrap();
        assert!(cosign(&log, "a\n", 0).is_err());
        assert!(witness().sign("a\n").is_err());
    }

    proptest! {
        #[test]
        fn random_signatures_never_pass(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let verifier = witness().verifier().clone();
            let signature = Signature {
                name: verifier.name().to_owned(),
                key_id: verifier.key_id(),
                bytes,
            };
            prop_assert!(verify(&verifier, "a\n", &signature).is_err());
        }
    }
}
