//! The declaration of an operator that records were lost: the public log goes on from a checkpoint that
//! is older than what witnesses have seen. A witness takes it only from the hands of its institution.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::note::{Note, NoteError, Signer, Verifier};

const FIRST_LINE: &str = "loss of records of";

/// The key name under which a platform declares losses: not that of its log, so that no checkpoint can
/// be taken for one, nor one for a checkpoint.
pub fn signer_name(origin: &str) -> String {
    format!("{origin}/loss")
}

/// From where a public log goes on, and what witnesses had seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossDeclaration {
    /// The public log's name.
    pub log: String,
    pub restored_size: u64,
    pub restored_root: Hash,
    /// More than was restored.
    pub witnessed_size: u64,
    pub witnessed_root: Hash,
    /// In one line.
    pub reason: String,
}

impl LossDeclaration {
    pub fn text(&self) -> String {
        format!(
            "{FIRST_LINE} {}\nrestored {} {}\nwitnessed {} {}\nreason {}\n",
            self.log,
            self.restored_size,
            STANDARD.encode(self.restored_root),
            self.witnessed_size,
            STANDARD.encode(self.witnessed_root),
            self.reason
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let log = lines.next()?.strip_prefix(FIRST_LINE)?.trim_start();
        let head = |line: Option<&str>, word: &str| {
            let (size, root) = line?.strip_prefix(word)?.trim_start().split_once(' ')?;
            let root = STANDARD.decode(root).ok()?.try_into().ok()?;
            Some((size.parse().ok()?, root))
        };
        let (restored_size, restored_root) = head(lines.next(), "restored ")?;
        let (witnessed_size, witnessed_root) = head(lines.next(), "witnessed ")?;
        let declaration = Self {
            log: log.to_owned(),
            restored_size,
            restored_root,
            witnessed_size,
            witnessed_root,
            reason: lines.next()?.strip_prefix("reason ")?.to_owned(),
        };
        let loses = declaration.restored_size < declaration.witnessed_size;
        (declaration.text() == text && loses).then_some(declaration)
    }

    /// The declaration as a note.
    pub fn sign(&self, signer: &Signer) -> Result<Note, NoteError> {
        let text = self.text();
        if Self::parse(&text).as_ref() != Some(self) {
            return Err(NoteError::Form(
                "a loss is declared with a reason in one line, and loses something",
            ));
        }
        let signatures = vec![signer.sign(&text)?];
        Ok(Note { text, signatures })
    }

    /// Reads a declaration that the key of the public log `log` signed about that log.
    pub fn open(note: &[u8], log: &Verifier) -> Result<Self, NoteError> {
        let note = Note::parse(note)?;
        let origin = log.name().strip_suffix("/log").unwrap_or(log.name());
        note.verify(&Verifier::new(
            &signer_name(origin),
            log.kind(),
            *log.key(),
        )?)?;
        let form = NoteError::Form("it is not the declaration of a loss of this log");
        let declaration = Self::parse(&note.text).ok_or(form.clone())?;
        (declaration.log == log.name())
            .then_some(declaration)
            .ok_or(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_of_one_log_and_loses_something() {
        let log = Signer::from_seed("ggzy.example/log", &[3; 32]).unwrap();
        let signer = Signer::from_seed(&signer_name("ggzy.example"), &[3; 32]).unwrap();
        let declaration = LossDeclaration {
            log: "ggzy.example/log".into(),
            restored_size: 7,
            restored_root: [1; 32],
            witnessed_size: 9,
            witnessed_root: [2; 32],
            reason: "机房火灾".into(),
        };
        let note = declaration.sign(&signer).unwrap().format();
        let opened = LossDeclaration::open(note.as_bytes(), log.verifier());
        assert_eq!(opened, Ok(declaration.clone()));
        // Signed with the same key under the log's own name it is none.
        let other = declaration.sign(&log).unwrap().format();
        assert!(LossDeclaration::open(other.as_bytes(), log.verifier()).is_err());
        let changed = note.replace("restored 7", "restored 8");
        assert!(LossDeclaration::open(changed.as_bytes(), log.verifier()).is_err());
        for wrong in [
            LossDeclaration {
                witnessed_size: 7,
                ..declaration.clone()
            },
            LossDeclaration {
                reason: "one\ntwo".into(),
                ..declaration.clone()
            },
        ] {
            assert!(wrong.sign(&signer).is_err());
        }
        let elsewhere = LossDeclaration {
            log: "other.example/log".into(),
            ..declaration
        };
        let note = elsewhere.sign(&signer).unwrap().format();
        assert!(LossDeclaration::open(note.as_bytes(), log.verifier()).is_err());
    }
}
