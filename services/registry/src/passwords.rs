//! Passwords as Argon2id keeps them. However many are guessed at once, so many are worked on at a time
//! and so many wait; the rest is refused. Whether an account exists makes no difference to the work.

use std::sync::{Arc, OnceLock};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::PasswordHash,
};
use sunbid_domain::Refusal;
use sunbid_service::Problem;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::settings::PasswordSettings;

/// Passwords that wait for their turn.
const WAITING: u32 = 64;

/// Shortest and longest password, characters (NIST SP 800-63B: length is what counts).
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

/// Hashes and compares.
pub struct Passwords {
    hasher: Argon2<'static>,
    // Of a password that nobody has: what an unknown account is compared with. Made with the first
    // comparison of all, whoever it is for, and not at the start, which it would delay.
    nobody: Arc<OnceLock<String>>,
    working: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    pub fn new(settings: PasswordSettings) -> Result<Self, String> {
        settings.check()?;
        let parameters = Params::new(settings.memory_kib, settings.passes, settings.lanes, None)
            .map_err(|error| error.to_string())?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let places = settings.at_a_time + WAITING;
        Ok(Self {
            hasher,
            nobody: Arc::default(),
            working: Arc::new(Semaphore::new(settings.at_a_time as usize)),
            places: Arc::new(Semaphore::new(places as usize)),
        })
    }

    /// What is kept of a password.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Problem> {
        let hasher = self.hasher.clone();
        self.work(move || hash(&hasher, password.as_bytes()).map_err(Problem::internal))
            .await
    }

    /// Whether it is the password of which `kept` was kept; where nothing was, it takes as long.
    pub async fn is(
        &self,
        password: Zeroizing<String>,
        kept: Option<String>,
    ) -> Result<bool, Problem> {
        let (hasher, nobody) = (self.hasher.clone(), self.nobody.clone());
        self.work(move || {
            let nobody = match nobody.get() {
                Some(nobody) => nobody,
                None => {
                    let fresh = of_nobody(&hasher).map_err(Problem::internal)?;
                    nobody.get_or_init(|| fresh)
                }
            };
            let against = kept.as_deref().unwrap_or(nobody);
            let same = hasher.verify_password(password.as_bytes(), against).is_ok();
            Ok(same && kept.is_some())
        })
        .await
    }

    /// The work goes on when the caller goes away, and so does what it holds.
    async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, Problem> + Send + 'static,
    ) -> Result<R, Problem> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Problem::TooMuch {
            reason: "SIGN_INS_WAITING",
            zh: "正在登录的人过多，请稍后重试。".to_owned(),
            en: "Too many are signing in at this moment; please retry.".to_owned(),
            retry: Some(std::time::Duration::from_secs(2)),
        })?;
        let turn = self.working.clone().acquire_owned().await;
        let turn = turn.map_err(Problem::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, place));
            done
        })
        .await
        .map_err(Problem::internal)?
    }
}

fn hash(hasher: &Argon2<'_>, password: &[u8]) -> Result<String, String> {
    let hash: PasswordHash = hasher
        .hash_password(password)
        .map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

fn of_nobody(hasher: &Argon2<'_>) -> Result<String, String> {
    let mut random = Zeroizing::new([0; 32]);
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random[..])
        .map_err(|_| "the operating system gives no randomness".to_owned())?;
    hash(hasher, &random[..])
}

/// Refuses what is no password here.
pub fn check(password: &str, login: &str, field: &str) -> Result<(), Refusal> {
    let count = password.chars().count();
    if !LENGTHS.contains(&count) {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        return Err(Refusal::field(
            field,
            format!("须为{least}至{most}个字符，现有{count}个。"),
            format!("must be {least} to {most} characters, has {count}."),
        ));
    }
    let mut characters: Vec<char> = password.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if characters.len() < 5 || password.to_lowercase().contains(login) {
        return Err(Refusal::field(
            field,
            "不得含有登录名，且至少含5种不同字符。",
            "must not hold the login name, and at least 5 different characters.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weakest() -> PasswordSettings {
        PasswordSettings {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
            at_a_time: 1,
        }
    }

    #[tokio::test]
    async fn only_the_password_is_the_password() {
        let passwords = Passwords::new(weakest()).unwrap();
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let kept = passwords.hash(text("correct horse battery")).await.unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert_ne!(
            kept,
            passwords.hash(text("correct horse battery")).await.unwrap()
        );
        let is = async |word: &str, kept: Option<String>| passwords.is(text(word), kept).await;
        assert!(
            is("correct horse battery", Some(kept.clone()))
                .await
                .unwrap()
        );
        assert!(!is("correct horse batterY", Some(kept)).await.unwrap());
        assert!(!is("correct horse battery", None).await.unwrap());
        assert!(!is("x", Some("no hash".into())).await.unwrap());
    }

    #[tokio::test]
    async fn too_many_at_once_are_refused_and_not_worked_on() {
        let passwords = Arc::new(Passwords::new(weakest()).unwrap());
        // As if so many waited already.
        let held = passwords
            .places
            .clone()
            .acquire_many_owned(WAITING + 1)
            .await;
        let refused = passwords.is(Zeroizing::new("x".to_owned()), None).await;
        assert!(matches!(refused, Err(Problem::TooMuch { .. })));
        drop(held);
        assert!(
            !passwords
                .is(Zeroizing::new("x".to_owned()), None)
                .await
                .unwrap()
        );
    }

    #[test]
    fn short_and_obvious_passwords_are_refused() {
        assert!(check("correct horse battery", "zhang.san", "password").is_ok());
        for wrong in [
            "short",
            "aaaaaaaaaaaaaaaa",
            "my name is zhang.san",
            &"ab1c2".repeat(40),
        ] {
            assert!(check(wrong, "zhang.san", "password").is_err(), "{wrong}");
        }
    }
}
