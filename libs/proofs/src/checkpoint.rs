//! C2SP checkpoints (c2sp.org/tlog-checkpoint): how large a log is and what its root is, as a note.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::note::{Note, NoteError, Signer, Verifier};

/// The claim that the log called `origin` has `size` leaves under `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The note text: origin, size and root on a line each.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root)
        )
    }

    /// Reads a note text. Extension lines are refused: this log writes none.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a checkpoint is three lines: origin, size, root");
        let [origin, size, root] = text.split('\n').take(3).collect::<Vec<_>>()[..] else {
            return Err(form);
        };
        let size = size.parse().map_err(|_| form.clone())?;
        let root = STANDARD.decode(root).map_err(|_| form.clone())?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size,
            root: root.try_into().map_err(|_| form.clone())?,
        };
        let canonical = checkpoint.text() == text && !origin.is_empty();
        canonical.then_some(checkpoint).ok_or(form)
    }

    /// The checkpoint as a note with the log's own signature.
    pub fn sign(&self, signer: &Signer) -> Result<Note, NoteError> {
        let text = self.text();
        let signatures = vec![signer.sign(&text)?];
        Ok(Note { text, signatures })
    }

    /// Reads a note, checks that `log` signed it and that it speaks of the log of that name.
    pub fn open(note: &[u8], log: &Verifier) -> Result<(Self, Note), NoteError> {
        let note = Note::parse(note)?;
        note.verify(log)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != log.name() {
            return Err(NoteError::Form("it is the checkpoint of another log"));
        }
        Ok((checkpoint, note))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signed_checkpoint_opens_for_its_log_alone() {
        let signer = Signer::from_seed("log.example/epochs", &[1; 32]).unwrap();
        let mut checkpoint = Checkpoint {
            origin: "log.example/epochs".into(),
            size: 42,
            root: [3; 32],
        };
        let note = checkpoint.sign(&signer).unwrap().format();
        let opened = Checkpoint::open(note.as_bytes(), signer.verifier()).unwrap();
        assert_eq!(opened.0, checkpoint);
        checkpoint.origin = "log.example/other".into();
        let note = checkpoint.sign(&signer).unwrap().format();
        assert!(Checkpoint::open(note.as_bytes(), signer.verifier()).is_err());
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = Checkpoint {
            origin: "a".into(),
            size: 1,
            root: [0; 32],
        }
        .text();
        assert!(Checkpoint::parse(&text).is_ok());
        for other in [
            text.replace("\n1\n", "\n01\n"),
            text.replace("\n1\n", "\n+1\n"),
            text.replace("\n1\n", "\n99999999999999999999\n"),
            text.replace("a\n", "\n"),
            text.replace('=', ""),
            format!("{text}extension\n"),
            text.trim_end().to_owned(),
        ] {
            assert!(Checkpoint::parse(&other).is_err(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[a-z]{0,3}\n[0-9]{1,3}\n[A-Za-z0-9+/]{42,43}=\n") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }

        #[test]
        fn random_text_never_panics(text in "\\PC{0,80}") {
            let _ = Checkpoint::parse(&text);
        }
    }
}
