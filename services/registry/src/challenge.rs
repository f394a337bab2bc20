//! Challenges that nothing is remembered for: each carries its time and an authentication code, so
//! asking for millions of them costs the asker and not the platform. That one is used only once by a
//! certificate is the journal's doing: the challenge is the sign-in's request id.

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use sunbid_certificates::possession::CHALLENGE_BYTES;
use sunbid_domain::Refusal;
use sunbid_service::Problem;
use sunbid_terms::{Instant, MICROS};

/// How long a challenge is good, microseconds.
const LIFETIME: i64 = 120 * MICROS;

/// Time of issue 8 bytes, random 8 bytes, code 16 bytes.
const TIMED: usize = 8;
const CODED: usize = 16;

/// Makes and checks challenges.
#[derive(Debug)]
pub struct Challenges {
    key: hmac::Key,
    random: SystemRandom,
}

impl Challenges {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            random: SystemRandom::new(),
        }
    }

    /// A fresh challenge and when it ends.
    pub fn issue(&self, now: Instant) -> Result<([u8; CHALLENGE_BYTES], Instant), Problem> {
        let mut challenge = [0; CHALLENGE_BYTES];
        let (body, code) = challenge.split_at_mut(CODED);
        let (time, random) = body.split_at_mut(TIMED);
        time.copy_from_slice(&now.micros().to_be_bytes());
        self.random
            .fill(random)
            .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
        let tag = hmac::sign(&self.key, body);
        for (to, from) in code.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Ok((challenge, now.plus_micros(LIFETIME)))
    }

    /// Refuses what was not issued here or has ended.
    pub fn check(&self, challenge: &[u8], now: Instant) -> Result<(), Refusal> {
        let refused = |zh: &str, en: &str| Err(Refusal::field("challenge", zh, en));
        let Ok(challenge) = <&[u8; CHALLENGE_BYTES]>::try_from(challenge) else {
            return refused("必须是32字节。", "must be 32 bytes.");
        };
        let (body, code) = challenge.split_at(CODED);
        let tag = hmac::sign(&self.key, body);
        // Which byte differs may be learned by nobody, so all are compared.
        let difference = tag
            .as_ref()
            .iter()
            .zip(code)
            .fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        if difference != 0 {
            return refused(
                "不是本平台签发的随机数。",
                "was not issued by this platform.",
            );
        }
        let mut time = [0; TIMED];
        time.copy_from_slice(body.split_at(TIMED).0);
        let issued = Instant::from_micros(i64::from_be_bytes(time));
        if now >= issued.plus_micros(LIFETIME) {
            return refused(
                "随机数已过期，请重新获取。",
                "has expired; ask for another.",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn challenges_are_fresh_and_end() {
        let challenges = Challenges::new(&[1; 32]);
        let now = Instant::from_seconds(1_000_000);
        let (one, end) = challenges.issue(now).unwrap();
        assert_ne!(one, challenges.issue(now).unwrap().0);
        assert!(challenges.check(&one, now).is_ok());
        assert!(challenges.check(&one, end.plus_micros(-1)).is_ok());
        assert!(challenges.check(&one, end).is_err());
        assert!(Challenges::new(&[2; 32]).check(&one, now).is_err());
    }

    proptest! {
        #[test]
        fn what_was_not_issued_is_refused(at in 0..CHALLENGE_BYTES, flip in 1..=255_u8) {
            let challenges = Challenges::new(&[1; 32]);
            let now = Instant::from_seconds(1_000_000);
            let (mut challenge, _) = challenges.issue(now).unwrap();
            challenge[at] ^= flip;
            prop_assert!(challenges.check(&challenge, now).is_err());
            prop_assert!(challenges.check(&challenge[..at], now).is_err());
        }
    }
}
