//! Moments and places that nobody chose.

use ring::rand::{SecureRandom, SystemRandom};

/// The system's randomness.
pub struct Dice(SystemRandom);

impl Default for Dice {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Dice {
    /// A number below `end`; 0 where that is 0.
    pub fn below(&self, end: u64) -> anyhow::Result<u64> {
        let mut bytes = [0; 8];
        self.0
            .fill(&mut bytes)
            .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        Ok(u64::from_be_bytes(bytes) % end.max(1))
    }
}
