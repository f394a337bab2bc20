//! A person or machine of an organisation: its certificate, its roles, its open sessions.

use prost::Message;
use sunbid_contracts::registry::v1::{
    IdentityLinked, Organization, PasskeyAdded, PasswordSet, PersonEnrolled, PersonReset, Role,
    SessionEnded, SessionRefreshed, SessionsEnded, SignInFailed, SignInMethod, SignedIn, SignedOut,
    Subject, SubjectAdded, SubjectRevoked,
};
use sunbid_terms::{CreditCode, Instant, MICROS};

use super::{
    LONGEST_NAME, LONGEST_REASON,
    account::{Account, Lifetimes, revoked},
    kinds, organization_name, subject_name,
};
use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck};

/// How long an access token is good, microseconds. Revocation lists reach services within
/// seconds; this bounds the harm if they do not.
pub const SESSION_MICROS: i64 = 15 * 60 * MICROS;

/// Sessions a subject may have open at once; more are the sign of a loop or an attack.
pub const MOST_SESSIONS: usize = 1000;

/// The fold of a subject's events.
#[derive(Clone, PartialEq, Message)]
pub struct SubjectState {
    /// Nothing before it was added.
    #[prost(message, optional, tag = "1")]
    pub subject: Option<Subject>,
    /// Sessions that were open at the last event.
    #[prost(message, repeated, tag = "2")]
    pub sessions: Vec<Session>,
    /// What signs a person in who has no certificate.
    #[prost(message, optional, tag = "3")]
    pub account: Option<Account>,
}

/// A session that may still be open.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Session {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Microseconds since 1970 UTC.
    #[prost(int64, tag = "2")]
    pub expire_us: i64,
    #[prost(enumeration = "SignInMethod", tag = "3")]
    pub method: i32,
    /// Microseconds since 1970 UTC.
    #[prost(int64, tag = "4")]
    pub begin_us: i64,
    /// Until when it can be refreshed, microseconds since 1970 UTC; 0 where it cannot.
    #[prost(int64, tag = "5")]
    pub refresh_end_us: i64,
    /// How often it was refreshed.
    #[prost(int64, tag = "6")]
    pub generation: i64,
}

/// What a refresh token leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Refreshed {
    /// The session goes on.
    Next(SessionRefreshed),
    /// The token was used before: somebody else has it, so the session ends.
    Replayed(SessionEnded),
}

/// A certificate whose chain was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// DER.
    pub certificate: Vec<u8>,
    /// DER.
    pub intermediates: Vec<Vec<u8>>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    pub credit_code: CreditCode,
    pub organization_name: String,
    pub not_before: Instant,
    pub not_after: Instant,
}

impl Credential {
    pub(super) fn subject(&self, organization: &str, name: &str, roles: Vec<i32>) -> Subject {
        Subject {
            name: subject_name(organization, &self.fingerprint),
            display_name: name.to_owned(),
            roles,
            certificate: self.certificate.clone(),
            revoked: false,
            not_before_us: self.not_before.micros(),
            not_after_us: self.not_after.micros(),
            revoke_reason: String::new(),
            intermediates: self.intermediates.clone(),
            login: String::new(),
        }
    }
}

/// The subject that shall be added.
#[derive(Clone, Debug)]
pub struct Addition<'a> {
    pub display_name: &'a str,
    /// Numbers of `Role`.
    pub roles: &'a [i32],
    pub credential: &'a Credential,
}

/// Who adds or revokes a subject.
#[derive(Clone, Debug)]
pub struct Authority<'a> {
    /// "organizations/{credit_code}".
    pub organization: &'a str,
    /// Numbers of `Role`.
    pub roles: Vec<i32>,
}

impl Authority<'_> {
    fn administers(&self) -> bool {
        self.roles.contains(&(Role::Administrator as i32))
    }

    /// Nobody hands out, or takes away, what it does not have itself.
    pub(super) fn has_all(&self, roles: &[i32]) -> bool {
        roles.iter().all(|role| self.roles.contains(role))
    }
}

impl SubjectState {
    /// Adds a subject to `organization`, of which `others` are the subjects so far.
    pub fn add(
        &self,
        organization: &Organization,
        others: &[SubjectState],
        addition: &Addition<'_>,
        by: &Authority<'_>,
        now: Instant,
    ) -> Result<SubjectAdded, Refusal> {
        let Addition {
            display_name,
            roles,
            credential,
        } = addition;
        let own = by.organization == organization.name;
        // An organisation whose certificates all ran out could never come back by itself. Asked
        // first: others learn nothing of an organisation from what is wrong with their request.
        let stranded = by.administers() && !others.iter().any(|other| other.is_usable(now));
        if !own && !stranded {
            return Err(Refusal::Forbidden);
        }
        let mut check = FieldCheck::new();
        check.text(display_name, LONGEST_NAME, "display_name");
        kinds::check_roles(roles, &organization.kinds, &mut check);
        check.require(
            organization_name(&credential.credit_code) == organization.name,
            "certificate",
            "证书中的统一社会信用代码不是该单位的。",
            "names another organisation's credit code.",
        );
        check.finish()?;
        if own && !by.has_all(roles) {
            return Err(Refusal::state(
                "ROLE_NOT_HELD",
                "只能授予本人拥有的角色。",
                "Only roles that the caller has itself can be granted.",
            ));
        }
        if self.subject.is_some() {
            return Err(Refusal::state(
                "CERTIFICATE_KNOWN",
                "该证书已登记。",
                "This certificate is registered already.",
            ));
        }
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        Ok(SubjectAdded {
            subject: Some(credential.subject(&organization.name, display_name, roles)),
        })
    }

    /// Revokes the subject; `others` are the organisation's further subjects.
    pub fn revoke(
        &self,
        others: &[SubjectState],
        reason: &str,
        by: &Authority<'_>,
        now: Instant,
    ) -> Result<SubjectRevoked, Refusal> {
        FieldCheck::new()
            .text(reason, LONGEST_REASON, "reason")
            .finish()?;
        let subject = self.known()?;
        self.may_be_changed(by)?;
        if subject.revoked {
            return Err(Refusal::state(
                "SUBJECT_REVOKED",
                "该人员已被撤销。",
                "The subject is revoked already.",
            ));
        }
        let administrator = Role::Administrator as i32;
        let another = others
            .iter()
            .any(|other| other.is_usable(now) && other.has(administrator));
        if subject.roles.contains(&administrator) && !another {
            return Err(Refusal::state(
                "LAST_ADMINISTRATOR",
                "这是最后一名有有效证书的管理员，不能撤销。",
                "This is the last administrator with a usable certificate and cannot be revoked.",
            ));
        }
        Ok(SubjectRevoked {
            name: subject.name.clone(),
            reason: reason.to_owned(),
        })
    }

    /// Whether `by` may take from the subject what it has: its own organisation, for roles it has itself;
    /// or the trading centre.
    pub(super) fn may_be_changed(&self, by: &Authority<'_>) -> Result<(), Refusal> {
        let subject = self.known()?;
        let own = super::organization_of(&subject.name) == Some(by.organization);
        if !own && !by.administers() {
            return Err(Refusal::Forbidden);
        }
        if own && !by.has_all(&subject.roles) {
            return Err(Refusal::state(
                "ROLE_NOT_HELD",
                "只能撤销角色不超出本人角色的人员。",
                "Only a subject whose roles the caller has itself can be revoked.",
            ));
        }
        Ok(())
    }

    /// Opens a session for a subject of an active organisation. Possession of the key and the
    /// certificate's chain have been checked.
    pub fn sign_in(&self, session_id: [u8; 16], now: Instant) -> Result<SignedIn, Refusal> {
        let subject = self.known()?;
        if subject.revoked {
            return Err(revoked(subject));
        }
        if now.micros() < subject.not_before_us || now.micros() > subject.not_after_us {
            return Err(Refusal::state(
                "CERTIFICATE_NOT_VALID_NOW",
                "证书不在有效期内。",
                "The certificate is not valid at this time.",
            ));
        }
        self.room_for_session(MOST_SESSIONS, now)?;
        let expire = now.plus_micros(SESSION_MICROS).micros();
        Ok(SignedIn {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
            expire_time_us: expire.min(subject.not_after_us),
            method: SignInMethod::Certificate as i32,
            refresh_end_time_us: 0,
        })
    }

    pub(super) fn room_for_session(&self, most: usize, now: Instant) -> Result<(), Refusal> {
        if self.open_sessions(now).count() >= most {
            return Err(Refusal::state(
                "TOO_MANY_SESSIONS",
                format!("同时打开的会话已达{most}个。"),
                format!("{most} sessions are open already."),
            ));
        }
        Ok(())
    }

    /// The sessions that have not ended.
    pub fn open_sessions(&self, now: Instant) -> impl Iterator<Item = &Session> {
        self.sessions
            .iter()
            .filter(move |session| session.expire_us > now.micros())
    }

    /// Takes the refresh token of `generation`, which the platform gave out: good for one use.
    pub fn refresh(
        &self,
        session_id: &[u8],
        generation: i64,
        lifetimes: Lifetimes,
        now: Instant,
    ) -> Result<Refreshed, Refusal> {
        let subject = self.known()?;
        let session = self
            .open_sessions(now)
            .find(|session| session.id == session_id && session.refresh_end_us > now.micros())
            .ok_or_else(session_over)?;
        if subject.revoked {
            return Err(session_over());
        }
        if generation != session.generation {
            return Ok(Refreshed::Replayed(SessionEnded {
                subject: subject.name.clone(),
                session_id: session_id.to_vec(),
                reason: "its refresh token was used twice".to_owned(),
            }));
        }
        let expire = now.plus_micros(lifetimes.idle).micros();
        Ok(Refreshed::Next(SessionRefreshed {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
            generation: generation + 1,
            expire_time_us: expire.min(session.refresh_end_us),
        }))
    }

    /// Ends one session by the will of its owner, or of who may revoke the subject. Nothing happens for
    /// one that ended by itself.
    pub fn end_session(
        &self,
        session_id: &[u8],
        reason: &str,
        is_owner: bool,
        by: &Authority<'_>,
        now: Instant,
    ) -> Result<Option<SessionEnded>, Refusal> {
        let subject = self.known()?;
        if !is_owner {
            self.may_be_changed(by)?;
        }
        FieldCheck::new()
            .text(reason, LONGEST_REASON, "reason")
            .finish()?;
        let open = self
            .open_sessions(now)
            .any(|session| session.id == session_id);
        Ok(open.then(|| SessionEnded {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
            reason: reason.to_owned(),
        }))
    }

    /// Ends a session. Nothing happens for one that ended by itself.
    pub fn sign_out(&self, session_id: &[u8]) -> Result<Option<SignedOut>, Refusal> {
        let subject = self.known()?;
        let open = self.sessions.iter().any(|session| session.id == session_id);
        Ok(open.then(|| SignedOut {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
        }))
    }

    /// Ends all sessions at once. Nothing happens where none is open.
    pub fn end_sessions(&self, reason: &str, now: Instant) -> Option<SessionsEnded> {
        let subject = self.subject.as_ref()?;
        let open = self
            .sessions
            .iter()
            .any(|session| session.expire_us > now.micros());
        open.then(|| SessionsEnded {
            subject: subject.name.clone(),
            reason: reason.to_owned(),
        })
    }

    /// The subject, or the answer for what does not exist.
    pub fn known(&self) -> Result<&Subject, Refusal> {
        self.subject.as_ref().ok_or(Refusal::Forbidden)
    }

    fn has(&self, role: i32) -> bool {
        self.subject
            .as_ref()
            .is_some_and(|subject| subject.roles.contains(&role))
    }

    /// Whether someone could sign in with its certificate now. A person without one does not count: it
    /// could be locked out by whoever guesses at its password.
    fn is_usable(&self, now: Instant) -> bool {
        self.subject.as_ref().is_some_and(|subject| {
            !subject.revoked
                && (subject.not_before_us..=subject.not_after_us).contains(&now.micros())
        })
    }
}

impl Aggregate for SubjectState {
    fn evolve(&mut self, event: &Event, at: Instant) -> Result<(), Unreadable> {
        let impossible = |reason: &str| Unreadable::Impossible {
            name: event.name.clone(),
            reason: reason.to_owned(),
        };
        self.sessions
            .retain(|session| session.expire_us > at.micros());
        if let Some(added) = event.read::<SubjectAdded>()? {
            if self.subject.is_some() || added.subject.is_none() {
                return Err(impossible("a subject is added once"));
            }
            self.subject = added.subject;
            return Ok(());
        }
        if let Some(enrolled) = event.read::<PersonEnrolled>()? {
            if self.subject.is_some() || enrolled.subject.is_none() {
                return Err(impossible("a person is enrolled once"));
            }
            self.subject = enrolled.subject;
            self.account = Some(Account {
                version: 1,
                code_expire_us: enrolled.code_expire_time_us,
                ..Account::default()
            });
            return Ok(());
        }
        let Some(subject) = self.subject.as_mut() else {
            return Err(impossible("the subject was never added"));
        };
        if let Some(revoked) = event.read::<SubjectRevoked>()? {
            subject.revoked = true;
            subject.revoke_reason = revoked.reason;
            self.sessions.clear();
        } else if let Some(signed_in) = event.read::<SignedIn>()? {
            self.sessions.push(Session {
                id: signed_in.session_id,
                expire_us: signed_in.expire_time_us,
                method: signed_in.method,
                // Of records that do not say by what, the fold stays the one that was stored.
                begin_us: if signed_in.method == 0 {
                    0
                } else {
                    at.micros()
                },
                refresh_end_us: signed_in.refresh_end_time_us,
                generation: 0,
            });
        } else if event.is::<SessionsEnded>() {
            self.sessions.clear();
        } else if let Some(ended) = event.read::<SessionEnded>()? {
            self.sessions
                .retain(|session| session.id != ended.session_id);
        } else if let Some(refreshed) = event.read::<SessionRefreshed>()? {
            for session in &mut self.sessions {
                if session.id == refreshed.session_id {
                    session.generation = refreshed.generation;
                    session.expire_us = refreshed.expire_time_us;
                }
            }
        } else if event.is::<SignInFailed>() {
            // Noted for people to read; how often is counted elsewhere.
        } else if let Some(signed_out) = event.read::<SignedOut>()? {
            self.sessions
                .retain(|session| session.id != signed_out.session_id);
        } else {
            let account = self
                .account
                .as_mut()
                .ok_or_else(|| Unreadable::UnknownEvent(event.name.clone()))?;
            if let Some(reset) = event.read::<PersonReset>()? {
                account.has_password = false;
                account.passkeys.clear();
                account.identities.clear();
                account.code_expire_us = reset.code_expire_time_us;
                self.sessions.clear();
            } else if event.is::<PasswordSet>() {
                account.has_password = true;
                account.code_expire_us = 0;
                self.sessions.clear();
            } else if let Some(added) = event.read::<PasskeyAdded>()? {
                account.passkeys.push(added.credential_digest);
            } else if let Some(linked) = event.read::<IdentityLinked>()? {
                account.identities.push(linked.identity_digest);
                account.code_expire_us = 0;
            } else {
                return Err(Unreadable::UnknownEvent(event.name.clone()));
            }
            account.version += 1;
        }
        Ok(())
    }
}

/// The answer to a refresh token whose session is over, or of which nobody knows.
pub fn session_over() -> Refusal {
    Refusal::state(
        "SESSION_OVER",
        "会话已结束，请重新登录。",
        "The session is over; please sign in again.",
    )
}
