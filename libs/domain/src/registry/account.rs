//! A person who signs in without a certificate: enrolment, what proves who it is, and what voids it.
//! Knows that there is a password, never the password; secrets are checked before a decision is asked
//! for, and whoever decides on them says which version of the account it saw.

use prost::Message;
use sunbid_contracts::registry::v1::{
    IdentityLinked, Organization, PasskeyAdded, PasswordSet, PersonEnrolled, PersonReset, Role,
    SignInFailed, SignInMethod, SignedIn, Subject,
};
use sunbid_terms::{Instant, MICROS};

use super::{
    LONGEST_NAME, LONGEST_REASON,
    kinds::check_roles,
    subject::{Authority, Session, SubjectState},
};
use crate::{Refusal, refusal::FieldCheck};

/// Passkeys of one person.
pub const MOST_PASSKEYS: usize = 10;

/// Sessions a person may have open at once.
pub const MOST_OWN_SESSIONS: usize = 20;

/// What signs a person in.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Account {
    /// Counts what was changed of it: a decision on secrets holds for one version.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    #[prost(bool, tag = "2")]
    pub has_password: bool,
    /// SHA-256 of each credential's identifier.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub passkeys: Vec<Vec<u8>>,
    /// Digests of identities of the provider.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub identities: Vec<Vec<u8>>,
    /// Until when the code that was given out is good, microseconds since 1970 UTC; 0 for none.
    #[prost(int64, tag = "5")]
    pub code_expire_us: i64,
}

/// How long sessions of people last, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without being refreshed.
    pub idle: i64,
    /// At most.
    pub whole: i64,
    /// Of a code that is given out.
    pub code: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            idle: 30 * 60 * MICROS,
            whole: 12 * 3600 * MICROS,
            code: 72 * 3600 * MICROS,
        }
    }
}

/// The person that shall be enrolled.
#[derive(Clone, Debug)]
pub struct Person<'a> {
    /// The subject's name, made from organisation and login.
    pub name: &'a str,
    pub login: &'a str,
    pub display_name: &'a str,
    /// Numbers of `Role`.
    pub roles: &'a [i32],
}

/// Roles of people; a trustee is a machine, and a service no subject.
const OF_PEOPLE: [Role; 5] = [
    Role::Administrator,
    Role::Purchaser,
    Role::Reviewer,
    Role::Supplier,
    Role::Supervisor,
];

/// Whether `login` can be a login name.
pub fn is_login(login: &str) -> bool {
    let character = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_');
    (3..=40).contains(&login.len()) && login.chars().all(character)
}

/// The answer to whoever did not prove to be the person, whatever was wrong.
pub fn not_proven() -> Refusal {
    Refusal::state(
        "NOT_PROVEN",
        "账号、密码、登记码或安全密钥不正确。",
        "Account, password, code or passkey is wrong.",
    )
}

impl SubjectState {
    /// Enrols a person in `organization`.
    pub fn enrol_person(
        &self,
        organization: &Organization,
        person: &Person<'_>,
        by: &Authority<'_>,
        lifetimes: Lifetimes,
        now: Instant,
    ) -> Result<PersonEnrolled, Refusal> {
        if by.organization != organization.name {
            return Err(Refusal::Forbidden);
        }
        let mut check = FieldCheck::new();
        check.text(person.display_name, LONGEST_NAME, "display_name");
        check.require(
            is_login(person.login),
            "login",
            "须为3至40位小写字母、数字、“.”、“-”、“_”。",
            "must be 3 to 40 of a-z, 0-9, '.', '-', '_'.",
        );
        check_roles(person.roles, &organization.kinds, &mut check);
        let of_people = |role: &i32| OF_PEOPLE.iter().any(|known| *known as i32 == *role);
        check.require(
            person.roles.iter().all(of_people),
            "roles",
            "含有只属于设备的角色。",
            "hold one that is for machines only.",
        );
        check.finish()?;
        if !by.has_all(person.roles) {
            return Err(Refusal::state(
                "ROLE_NOT_HELD",
                "只能授予本人拥有的角色。",
                "Only roles that the caller has itself can be granted.",
            ));
        }
        if self.subject.is_some() {
            return Err(Refusal::state(
                "LOGIN_KNOWN",
                format!("登录名{}在本单位已使用过，不再重复使用。", person.login),
                format!(
                    "The login name {} was given in this organisation before; none is given twice.",
                    person.login
                ),
            ));
        }
        let mut roles = person.roles.to_vec();
        roles.sort_unstable();
        Ok(PersonEnrolled {
            subject: Some(Subject {
                name: person.name.to_owned(),
                display_name: person.display_name.to_owned(),
                roles,
                login: person.login.to_owned(),
                ..Subject::default()
            }),
            code_expire_time_us: now.plus_micros(lifetimes.code).micros(),
        })
    }

    /// Voids what signs the person in, and gives out another code.
    pub fn reset_person(
        &self,
        reason: &str,
        by: &Authority<'_>,
        lifetimes: Lifetimes,
        now: Instant,
    ) -> Result<PersonReset, Refusal> {
        FieldCheck::new()
            .text(reason, LONGEST_REASON, "reason")
            .finish()?;
        let subject = self.known()?;
        self.may_be_changed(by)?;
        if self.account.is_none() {
            return Err(Refusal::state(
                "SIGNS_IN_BY_CERTIFICATE",
                "该人员凭证书登录，没有可重置的密码。",
                "This subject signs in by certificate and has no password to be reset.",
            ));
        }
        if subject.revoked {
            return Err(revoked(subject));
        }
        Ok(PersonReset {
            subject: subject.name.clone(),
            reason: reason.to_owned(),
            code_expire_time_us: now.plus_micros(lifetimes.code).micros(),
        })
    }

    /// The version of the account whose code may be used now.
    pub fn open_code(&self, now: Instant) -> Option<u64> {
        let account = self.account.as_ref()?;
        let open = account.code_expire_us > now.micros();
        (open && !self.subject.as_ref()?.revoked).then_some(account.version)
    }

    /// Sets the password; the code or the password so far was checked against `version`.
    pub fn set_password(&self, version: u64) -> Result<PasswordSet, Refusal> {
        let (subject, _) = self.person_at(version)?;
        Ok(PasswordSet {
            subject: subject.name.clone(),
        })
    }

    /// Adds a passkey whose answer was checked against `version`.
    pub fn add_passkey(&self, version: u64, digest: [u8; 32]) -> Result<PasskeyAdded, Refusal> {
        let (subject, account) = self.person_at(version)?;
        if account.passkeys.len() >= MOST_PASSKEYS {
            return Err(Refusal::state(
                "TOO_MANY_PASSKEYS",
                format!("每人最多登记{MOST_PASSKEYS}个安全密钥。"),
                format!("At most {MOST_PASSKEYS} passkeys are kept for a person."),
            ));
        }
        if account.passkeys.iter().any(|known| *known == digest) {
            return Err(Refusal::state(
                "PASSKEY_KNOWN",
                "该安全密钥已登记。",
                "This passkey is registered already.",
            ));
        }
        Ok(PasskeyAdded {
            subject: subject.name.clone(),
            credential_digest: digest.to_vec(),
        })
    }

    /// Links an identity; the code was checked against `version`.
    pub fn link(&self, version: u64, digest: [u8; 32]) -> Result<IdentityLinked, Refusal> {
        let (subject, _) = self.person_at(version)?;
        Ok(IdentityLinked {
            subject: subject.name.clone(),
            identity_digest: digest.to_vec(),
        })
    }

    /// Opens a session for a person of an active organisation who proved to be itself by `method`.
    pub fn sign_in_person(
        &self,
        session_id: [u8; 16],
        method: SignInMethod,
        lifetimes: Lifetimes,
        now: Instant,
    ) -> Result<SignedIn, Refusal> {
        let subject = self.known()?;
        if subject.revoked || self.account.is_none() {
            return Err(revoked(subject));
        }
        self.room_for_session(MOST_OWN_SESSIONS, now)?;
        let end = now.plus_micros(lifetimes.whole).micros();
        Ok(SignedIn {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
            expire_time_us: now.plus_micros(lifetimes.idle).micros().min(end),
            method: method as i32,
            refresh_end_time_us: end,
        })
    }

    /// What is noted when somebody fails to prove to be this person; nothing of others.
    pub fn sign_in_failed(&self, method: SignInMethod) -> Option<SignInFailed> {
        self.account.as_ref()?;
        Some(SignInFailed {
            subject: self.subject.as_ref()?.name.clone(),
            method: method as i32,
        })
    }

    /// The roles that a session carries: none before a passkey was shown.
    pub fn roles_in(&self, session: &Session) -> Vec<i32> {
        match (&self.subject, session.method()) {
            (None, _) | (_, SignInMethod::Password) => Vec::new(),
            (Some(subject), _) => subject.roles.clone(),
        }
    }

    /// The person, if its account is the one that was looked at.
    fn person_at(&self, version: u64) -> Result<(&Subject, &Account), Refusal> {
        match (&self.subject, &self.account) {
            (Some(subject), Some(account)) if account.version == version && !subject.revoked => {
                Ok((subject, account))
            }
            _ => Err(not_proven()),
        }
    }
}

pub(super) fn revoked(subject: &Subject) -> Refusal {
    Refusal::state(
        "SUBJECT_REVOKED",
        format!("该人员已被撤销：{}", subject.revoke_reason),
        format!("This subject was revoked: {}", subject.revoke_reason),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Aggregate, Event,
        registry::{Refreshed, organization_name, person_name},
    };
    use sunbid_contracts::registry::v1::OrganizationKind as Kind;
    use sunbid_terms::CreditCode;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_767_225_600 + seconds)
    }

    fn organization() -> Organization {
        let code = CreditCode::parse("91110108551385082Q").unwrap();
        Organization {
            name: organization_name(&code),
            kinds: vec![Kind::Purchaser as i32],
            ..Organization::default()
        }
    }

    fn enrol(login: &str, roles: &[Role], held: &[Role]) -> Result<PersonEnrolled, Refusal> {
        let organization = organization();
        let numbers = |roles: &[Role]| roles.iter().map(|role| *role as i32).collect::<Vec<_>>();
        let person = Person {
            name: &person_name(&organization.name, login),
            login,
            display_name: "乙",
            roles: &numbers(roles),
        };
        let by = Authority {
            organization: &organization.name,
            roles: numbers(held),
        };
        let state = SubjectState::default();
        state.enrol_person(&organization, &person, &by, Lifetimes::default(), at(0))
    }

    fn enrolled() -> SubjectState {
        let mut state = SubjectState::default();
        let event = enrol("zhang.san", &[Role::Purchaser], &[Role::Purchaser]).unwrap();
        state.evolve(&Event::of(&event), at(0)).unwrap();
        state
    }

    #[test]
    fn people_get_roles_of_people_that_others_have() {
        let all = [Role::Purchaser, Role::Reviewer];
        assert!(enrol("zhang.san", &all, &all).is_ok());
        for (login, roles, held) in [
            ("zhang.san", vec![Role::Reviewer], vec![Role::Purchaser]),
            ("zhang.san", vec![Role::Trustee], vec![Role::Trustee]),
            ("zhang.san", vec![], vec![Role::Purchaser]),
            ("Zhang San", vec![Role::Purchaser], vec![Role::Purchaser]),
            ("zs", vec![Role::Purchaser], vec![Role::Purchaser]),
        ] {
            assert!(enrol(login, &roles, &held).is_err(), "{login} {roles:?}");
        }
    }

    #[test]
    fn every_change_makes_another_version_and_old_ones_decide_nothing() {
        let mut state = enrolled();
        let code = state.open_code(at(0)).unwrap();
        assert_eq!(state.open_code(at(72 * 3600)), None);
        let set = state.set_password(code).unwrap();
        state.evolve(&Event::of(&set), at(1)).unwrap();
        assert_eq!(state.open_code(at(1)), None, "it is used up");
        assert!(state.set_password(code).is_err());
        let version = state.account.as_ref().unwrap().version;
        let added = state.add_passkey(version, [7; 32]).unwrap();
        state.evolve(&Event::of(&added), at(2)).unwrap();
        assert!(state.link(version, [8; 32]).is_err());
        assert!(state.add_passkey(version + 1, [7; 32]).is_err(), "known");
    }

    #[test]
    fn a_used_refresh_token_ends_the_session_and_a_password_alone_has_no_role() {
        let mut state = enrolled();
        let (id, lives) = ([1; 16], Lifetimes::default());
        let method = SignInMethod::Password;
        let signed = state.sign_in_person(id, method, lives, at(0)).unwrap();
        state.evolve(&Event::of(&signed), at(0)).unwrap();
        assert!(state.roles_in(&state.sessions[0]).is_empty());
        let next = match state.refresh(&id, 0, lives, at(60)).unwrap() {
            Refreshed::Next(next) => next,
            Refreshed::Replayed(ended) => panic!("{ended:?}"),
        };
        state.evolve(&Event::of(&next), at(60)).unwrap();
        let replayed = state.refresh(&id, 0, lives, at(61)).unwrap();
        let Refreshed::Replayed(ended) = replayed else {
            panic!("{replayed:?}");
        };
        state.evolve(&Event::of(&ended), at(61)).unwrap();
        assert!(state.refresh(&id, 1, lives, at(62)).is_err());
        assert_eq!(state.open_sessions(at(62)).count(), 0);
    }

    #[test]
    fn certificates_sessions_are_not_refreshed() {
        let mut state = enrolled();
        let signed = SignedIn {
            subject: state.known().unwrap().name.clone(),
            session_id: vec![1; 16],
            expire_time_us: at(900).micros(),
            method: SignInMethod::Certificate as i32,
            refresh_end_time_us: 0,
        };
        state.evolve(&Event::of(&signed), at(0)).unwrap();
        let lives = Lifetimes::default();
        assert!(state.refresh(&[1; 16], 0, lives, at(1)).is_err());
    }
}
