//! What an installation decides about accounts of people. Bounds are checked here, once; below them a
//! stolen table of passwords would be worth guessing at.

use sunbid_domain::registry::Lifetimes;
use sunbid_terms::MICROS;

/// Lower bounds of Argon2id: OWASP Password Storage Cheat Sheet, 19 MiB and two passes.
const LEAST_MEMORY_KIB: u32 = 19 * 1024;
const LEAST_PASSES: u32 = 2;

/// Settings of the registry beyond those of every service.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    pub passwords: PasswordSettings,
    pub lifetimes: Lifetimes,
    /// Without them nobody signs in with a password.
    pub passkeys: Option<PasskeySettings>,
    pub provider: Option<ProviderSettings>,
}

/// How passwords are kept: Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    /// Passwords that are worked on at a time: with the memory of one, what all take together.
    pub at_a_time: u32,
}

/// Where passkeys are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeySettings {
    /// The portal's domain. Never changed: passkeys are bound to it.
    pub domain: String,
    /// The addresses browsers show, such as "https://ggzy.example.cn".
    pub origins: Vec<String>,
}

/// An OpenID Connect provider.
#[derive(Clone)]
pub struct ProviderSettings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    /// Authorities of the provider's TLS certificate, DER; none: those the web trusts.
    pub authorities: Vec<Vec<u8>>,
    /// Where it may send people back to.
    pub redirect_uris: Vec<String>,
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
            at_a_time: 4,
        }
    }
}

impl PasswordSettings {
    /// Names what is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        let bounds = [
            ("memory_kib", self.memory_kib, LEAST_MEMORY_KIB, 1024 * 1024),
            ("passes", self.passes, LEAST_PASSES, 20),
            ("lanes", self.lanes, 1, 4),
            ("at_a_time", self.at_a_time, 1, 64),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} = {value} must be from {least} to {most}"));
            }
        }
        Ok(())
    }
}

/// The lifetimes that settings name in minutes and hours.
pub fn lifetimes(
    idle_minutes: u32,
    whole_hours: u32,
    code_hours: u32,
) -> Result<Lifetimes, String> {
    let bounds = [
        ("session_idle_minutes", idle_minutes, 16, 240),
        ("session_hours", whole_hours, 1, 24),
        ("code_hours", code_hours, 1, 240),
    ];
    for (key, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            return Err(format!("{key} = {value} must be from {least} to {most}"));
        }
    }
    let minutes = |count: u32| i64::from(count) * 60 * MICROS;
    Ok(Lifetimes {
        idle: minutes(idle_minutes),
        whole: minutes(whole_hours * 60),
        code: minutes(code_hours * 60),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_weak_is_named() {
        assert_eq!(PasswordSettings::default().check(), Ok(()));
        let weak = PasswordSettings {
            memory_kib: 1024,
            ..PasswordSettings::default()
        };
        assert!(weak.check().unwrap_err().contains("memory_kib"));
        assert_eq!(lifetimes(30, 12, 72), Ok(Lifetimes::default()));
        assert!(lifetimes(30, 48, 72).unwrap_err().contains("session_hours"));
    }
}
