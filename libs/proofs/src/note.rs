//! C2SP signed notes (c2sp.org/signed-note): a text, and lines that say who signed it.
//! Strict: a note that would not be written again byte for byte is not read.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::sha256;

/// The largest note that is read, in bytes.
pub const LONGEST_NOTE: usize = 64 * 1024;
/// The most signatures a note may carry.
pub const MOST_SIGNATURES: usize = 100;

/// Signature type of a plain Ed25519 note signature.
pub const ED25519_NOTE: u8 = 0x01;
/// Signature type of an Ed25519 `cosignature/v1`.
pub const ED25519_COSIGNATURE: u8 = 0x04;

const DASH: &str = "\u{2014} ";

/// Why bytes are not a note, a key or a valid signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("the note is not in the canonical signed-note form: {0}")]
    Form(&'static str),
    #[error("the verifier key is not in the form name+hash+base64: {0:?}")]
    Key(String),
    #[error("the name {0:?} cannot be a key name: it is empty or has a space or a plus in it")]
    Name(String),
    #[error("the note carries no signature of {0}")]
    NotSigned(String),
    #[error("the signature of {0} does not fit the note")]
    BadSignature(String),
    #[error("the seed of the signing key was not accepted")]
    Seed,
}

/// One signature line: who, and 4 bytes of key id before the signature itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub key_id: [u8; 4],
    pub bytes: Vec<u8>,
}

impl Signature {
    /// The line as it stands in a note, with its line end.
    pub fn line(&self) -> String {
        let blob = [self.key_id.as_slice(), &self.bytes].concat();
        format!("{DASH}{} {}\n", self.name, STANDARD.encode(blob))
    }

    /// Reads one line, with its line end.
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a signature line is '\u{2014} name base64'");
        let parts = line
            .strip_prefix(DASH)
            .and_then(|rest| rest.strip_suffix('\n'))
            .and_then(|rest| rest.split_once(' '));
        let Some((name, blob)) = parts else {
            return Err(form);
        };
        if !name_is_valid(name) {
            return Err(NoteError::Name(name.to_owned()));
        }
        let blob = STANDARD.decode(blob).map_err(|_| form.clone())?;
        let (key_id, bytes) = blob.split_first_chunk::<4>().ok_or(form)?;
        if bytes.is_empty() {
            return Err(NoteError::Form("a signature is not empty"));
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: *key_id,
            bytes: bytes.to_vec(),
        })
    }
}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends with a line end.
    pub text: String,
    pub signatures: Vec<Signature>,
}

impl Note {
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > LONGEST_NOTE {
            return Err(NoteError::Form("it is too long"));
        }
        let whole = str::from_utf8(bytes).map_err(|_| NoteError::Form("it is not UTF-8"))?;
        if whole.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form("it has control characters"));
        }
        // The signatures follow the last empty line; the text keeps its own line end.
        let gap = whole
            .rfind("\n\n")
            .ok_or(NoteError::Form("there is no empty line before signatures"))?;
        let (text, rest) = whole.split_at(gap + 1);
        let lines = rest.get(1..).unwrap_or_default();
        if lines.is_empty() || !lines.ends_with('\n') {
            return Err(NoteError::Form("there is no complete signature line"));
        }
        let signatures: Vec<Signature> = lines
            .split_inclusive('\n')
            .take(MOST_SIGNATURES + 1)
            .map(Signature::parse_line)
            .collect::<Result<_, _>>()?;
        if signatures.len() > MOST_SIGNATURES {
            return Err(NoteError::Form("it has too many signatures"));
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The note as bytes that [`Note::parse`] reads.
    pub fn format(&self) -> String {
        let mut out = format!("{}\n", self.text);
        for signature in &self.signatures {
            out.push_str(&signature.line());
        }
        out
    }

    /// Holds if `verifier`'s key signed the text. A signature that claims to be of this key and
    /// is not fails the note, also beside a good one.
    pub fn verify(&self, verifier: &Verifier) -> Result<(), NoteError> {
        let mut signed = false;
        for signature in self.signatures_of(verifier) {
            verifier.verify_bytes(self.text.as_bytes(), &signature.bytes)?;
            signed = true;
        }
        if signed {
            Ok(())
        } else {
            Err(NoteError::NotSigned(verifier.name.clone()))
        }
    }

    pub(crate) fn signatures_of<'a>(
        &'a self,
        verifier: &'a Verifier,
    ) -> impl Iterator<Item = &'a Signature> {
        self.signatures
            .iter()
            .filter(|s| s.name == verifier.name && s.key_id == verifier.key_id())
    }
}

/// Who may be believed: a name and a public key, written as a "vkey".
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    kind: u8,
    key: [u8; 32],
}

impl Verifier {
    /// A key of `kind` [`ED25519_NOTE`] or [`ED25519_COSIGNATURE`].
    pub fn new(name: &str, kind: u8, key: [u8; 32]) -> Result<Self, NoteError> {
        if !name_is_valid(name) {
            return Err(NoteError::Name(name.to_owned()));
        }
        if kind != ED25519_NOTE && kind != ED25519_COSIGNATURE {
            return Err(NoteError::Key(format!("{name}: unknown key type {kind}")));
        }
        Ok(Self {
            name: name.to_owned(),
            kind,
            key,
        })
    }

    /// Reads `name+hash+base64`, where the hash must be this key's.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let error = || NoteError::Key(vkey.chars().take(200).collect());
        let (name, rest) = vkey.split_once('+').ok_or_else(error)?;
        let (_, blob) = rest.split_once('+').ok_or_else(error)?;
        let blob = STANDARD.decode(blob).map_err(|_| error())?;
        let (kind, key) = blob.split_first().ok_or_else(error)?;
        let key = key.try_into().map_err(|_| error())?;
        let verifier = Self::new(name, *kind, key)?;
        if verifier.to_string() == vkey {
            Ok(verifier)
        } else {
            Err(error())
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn kind(&self) -> u8 {
        self.kind
    }

    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The first four bytes of `SHA-256(name || "\n" || type || key)`.
    pub fn key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[self.kind], &self.key]);
        [a, b, c, d]
    }

    /// Whether `signature` is this key's over `message`, whatever the message means.
    pub(crate) fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        UnparsedPublicKey::new(&ED25519, &self.key)
            .verify(message, signature)
            .map_err(|_| NoteError::BadSignature(self.name.clone()))
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [[self.kind].as_slice(), &self.key].concat();
        let id = hex::encode(self.key_id());
        write!(f, "{}+{id}+{}", self.name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who signs notes: the private half of a [`Verifier`].
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// A signer of notes from a 32-byte Ed25519 seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_kind(name, ED25519_NOTE, seed)
    }

    /// A witness's signer from a 32-byte Ed25519 seed; see [`crate::cosignature`].
    pub fn witness_from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_kind(name, ED25519_COSIGNATURE, seed)
    }

    fn of_kind(name: &str, kind: u8, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Seed)?;
        let key = pair.public_key().as_ref().try_into();
        let verifier = Verifier::new(name, kind, key.map_err(|_| NoteError::Seed)?)?;
        Ok(Self { verifier, pair })
    }

    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The signature line of `text`, which must be a note's text: not empty, ending in a line end.
    pub fn sign(&self, text: &str) -> Result<Signature, NoteError> {
        if self.verifier.kind != ED25519_NOTE {
            return Err(NoteError::Form("a witness key signs cosignatures only"));
        }
        if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form("the text does not end with a line end"));
        }
        Ok(self.signature(self.sign_bytes(text.as_bytes())))
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn signature(&self, bytes: Vec<u8>) -> Signature {
        Signature {
            name: self.verifier.name.clone(),
            key_id: self.verifier.key_id(),
            bytes,
        }
    }
}

/// The private key does not show.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

fn name_is_valid(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c == '+' || c < ' ')
}

#[cfg(test)]
mod tests;
