//! What the registry proves and hides with one secret of its own, by purpose: codes that are handed out,
//! refresh tokens, tickets that callers keep for it, and digests that only it can make. Nothing of
//! these is stored, so nothing can be stolen but the secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use subtle::ConstantTimeEq;
use sunbid_service::Problem;
use sunbid_terms::Instant;

/// Crockford's base 32: read aloud without mistakes.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code has 80 bits that nobody guesses, five in each of its 16 characters.
const CODE_BYTES: usize = 10;

const SESSION: usize = 16;
const GENERATION: usize = 8;

/// Keys by purpose.
pub struct Secrets {
    codes: hmac::Key,
    refresh: hmac::Key,
    attempts: hmac::Key,
    identities: hmac::Key,
    tickets: LessSafeKey,
    random: SystemRandom,
}

/// A refresh token that this platform gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub session_id: Vec<u8>,
    pub generation: i64,
}

#[derive(Serialize, Deserialize)]
struct Dated<T> {
    expire_us: i64,
    content: T,
}

impl Secrets {
    pub fn new(secret: &[u8; 32]) -> Result<Self, Problem> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"SUNBID-V1 accounts").extract(secret);
        let key = |purpose: &'static [u8]| -> Result<[u8; 32], Problem> {
            let mut key = [0; 32];
            secret
                .expand(&[purpose], hkdf::HKDF_SHA256)
                .and_then(|expanded| expanded.fill(&mut key))
                .map_err(|_| Problem::internal("a key cannot be derived"))?;
            Ok(key)
        };
        let authentication =
            |purpose| Ok::<_, Problem>(hmac::Key::new(hmac::HMAC_SHA256, &key(purpose)?));
        let tickets = UnboundKey::new(&AES_256_GCM, &key(b"tickets")?)
            .map_err(|_| Problem::internal("a key cannot be used"))?;
        Ok(Self {
            codes: authentication(b"codes")?,
            refresh: authentication(b"refresh tokens")?,
            attempts: authentication(b"attempts")?,
            identities: authentication(b"identities")?,
            tickets: LessSafeKey::new(tickets),
            random: SystemRandom::new(),
        })
    }

    /// The one code for this version of an account: whoever uses it makes another version.
    pub fn code(&self, subject: &str, version: u64) -> String {
        let text = format!("{subject}\0{version}");
        let tag = hmac::sign(&self.codes, text.as_bytes());
        let mut code = String::new();
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in tag.as_ref().iter().take(CODE_BYTES) {
            held = (held << 8) | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                let at = (held >> bits) & 31;
                code.extend(LETTERS.get(at as usize).map(|letter| char::from(*letter)));
            }
            held &= (1 << bits) - 1;
        }
        code
    }

    /// Whether `given` is the code, however it is spaced or cased.
    pub fn is_code(&self, subject: &str, version: u64, given: &str) -> bool {
        let given: String = given
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            })
            .collect();
        let code = self.code(subject, version);
        code.as_bytes().ct_eq(given.as_bytes()).into()
    }

    pub fn refresh_token(&self, session_id: &[u8], generation: i64) -> String {
        let mut token = session_id.to_vec();
        token.extend_from_slice(&generation.to_be_bytes());
        let tag = hmac::sign(&self.refresh, &token);
        token.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The token, if this platform gave it out.
    pub fn read_refresh_token(&self, token: &str) -> Option<RefreshToken> {
        if token.len() > 200 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, tag) = bytes.split_at_checked(SESSION + GENERATION)?;
        hmac::verify(&self.refresh, said, tag).ok()?;
        let (session_id, generation) = said.split_at_checked(SESSION)?;
        Some(RefreshToken {
            session_id: session_id.to_vec(),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }

    /// Under what failures at an account are counted, whether it exists or not.
    pub fn attempts(&self, account: &str) -> Vec<u8> {
        hmac::sign(&self.attempts, account.as_bytes())
            .as_ref()
            .to_vec()
    }

    /// An identity of a provider, so that no table says who is who elsewhere.
    pub fn identity(&self, issuer: &str, subject: &str) -> [u8; 32] {
        let text = format!("{}\0{issuer}{subject}", issuer.len());
        let tag = hmac::sign(&self.identities, text.as_bytes());
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }

    /// What a caller keeps until its next step, and can neither read nor change.
    pub fn seal<T: Serialize>(
        &self,
        purpose: &str,
        content: &T,
        expire: Instant,
    ) -> Result<Vec<u8>, Problem> {
        let dated = Dated {
            expire_us: expire.micros(),
            content,
        };
        let mut body = serde_json::to_vec(&dated).map_err(Problem::internal)?;
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
        let fresh = Nonce::assume_unique_for_key(nonce);
        self.tickets
            .seal_in_place_append_tag(fresh, Aad::from(purpose.as_bytes()), &mut body)
            .map_err(|_| Problem::internal("a ticket cannot be sealed"))?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// What was sealed for `purpose`, if it is not too old.
    pub fn open<T: DeserializeOwned>(
        &self,
        purpose: &str,
        ticket: &[u8],
        now: Instant,
    ) -> Option<T> {
        let (nonce, body) = ticket.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let body = self
            .tickets
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut body)
            .ok()?;
        let dated: Dated<T> = serde_json::from_slice(body).ok()?;
        (now.micros() < dated.expire_us).then_some(dated.content)
    }

    pub fn random<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.random
            .fill(&mut bytes)
            .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets() -> Secrets {
        Secrets::new(&[1; 32]).unwrap()
    }

    #[test]
    fn codes_are_for_one_version_of_one_account_and_forgiving_to_read() {
        let secrets = secrets();
        let code = secrets.code("a", 1);
        assert_eq!(code.len(), 16);
        assert!(secrets.is_code("a", 1, &code));
        let spoken = format!("{}-{}", &code[..8], &code[8..]).to_lowercase();
        assert!(secrets.is_code("a", 1, &spoken.replace('0', "o")));
        for (subject, version) in [("a", 2), ("b", 1)] {
            assert!(!secrets.is_code(subject, version, &code));
        }
        assert!(!secrets.is_code("a", 1, ""));
        assert_ne!(Secrets::new(&[2; 32]).unwrap().code("a", 1), code);
    }

    #[test]
    fn tickets_are_for_their_purpose_and_their_time() {
        let secrets = secrets();
        let at = Instant::from_seconds;
        let ticket = secrets.seal("one", &"secret".to_owned(), at(10)).unwrap();
        let open = |purpose, at| secrets.open::<String>(purpose, &ticket, at);
        assert_eq!(open("one", at(9)).as_deref(), Some("secret"));
        assert_eq!(open("one", at(10)), None);
        assert_eq!(open("two", at(9)), None);
        assert!(!String::from_utf8_lossy(&ticket).contains("secret"));
    }

    proptest! {
        #[test]
        fn forged_tokens_and_tickets_are_none(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let secrets = secrets();
            let token = secrets.refresh_token(&[7; 16], 3);
            let known = RefreshToken { session_id: vec![7; 16], generation: 3 };
            prop_assert_eq!(secrets.read_refresh_token(&token), Some(known));
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let index = at.index(bytes.len());
            bytes[index] ^= flip;
            prop_assert_eq!(secrets.read_refresh_token(&URL_SAFE_NO_PAD.encode(bytes)), None);
            prop_assert_eq!(secrets.read_refresh_token(&token[..at.index(token.len())]), None);
            let now = Instant::from_seconds(0);
            let mut ticket = secrets.seal("one", &1_u8, Instant::from_seconds(1)).unwrap();
            let index = at.index(ticket.len());
            ticket[index] ^= flip;
            prop_assert!(secrets.open::<u8>("one", &ticket, now).is_none());
            prop_assert!(secrets.open::<u8>("one", &ticket[..index], now).is_none());
        }
    }
}
