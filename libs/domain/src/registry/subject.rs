//! A person or machine of an organisation: its certificate, its roles, its open sessions.

use prost::Message;
use sunbid_contracts::registry::v1::{
    Organization, Role, SignedIn, SignedOut, Subject, SubjectAdded, SubjectRevoked,
};
use sunbid_terms::{CreditCode, Instant, MICROS};

use super::{LONGEST_NAME, LONGEST_REASON, kinds, organization_name, subject_name};
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
    fn has_all(&self, roles: &[i32]) -> bool {
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

    /// Opens a session for a subject of an active organisation. Possession of the key and the
    /// certificate's chain have been checked.
    pub fn sign_in(&self, session_id: [u8; 16], now: Instant) -> Result<SignedIn, Refusal> {
        let subject = self.known()?;
        if subject.revoked {
            return Err(Refusal::state(
                "SUBJECT_REVOKED",
                format!("该证书已被撤销：{}", subject.revoke_reason),
                format!("This certificate was revoked: {}", subject.revoke_reason),
            ));
        }
        if now.micros() < subject.not_before_us || now.micros() > subject.not_after_us {
            return Err(Refusal::state(
                "CERTIFICATE_NOT_VALID_NOW",
                "证书不在有效期内。",
                "The certificate is not valid at this time.",
            ));
        }
        let open = self
            .sessions
            .iter()
            .filter(|session| session.expire_us > now.micros())
            .count();
        if open >= MOST_SESSIONS {
            return Err(Refusal::state(
                "TOO_MANY_SESSIONS",
                format!("同时打开的会话已达{MOST_SESSIONS}个。"),
                format!("{MOST_SESSIONS} sessions are open already."),
            ));
        }
        let expire = now.plus_micros(SESSION_MICROS).micros();
        Ok(SignedIn {
            subject: subject.name.clone(),
            session_id: session_id.to_vec(),
            expire_time_us: expire.min(subject.not_after_us),
        })
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

    /// The subject, or the answer for what does not exist.
    pub fn known(&self) -> Result<&Subject, Refusal> {
        self.subject.as_ref().ok_or(Refusal::Forbidden)
    }

    fn has(&self, role: i32) -> bool {
        self.subject
            .as_ref()
            .is_some_and(|subject| subject.roles.contains(&role))
    }

    /// Whether someone could sign in with it now.
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
            });
        } else if let Some(signed_out) = event.read::<SignedOut>()? {
            self.sessions
                .retain(|session| session.id != signed_out.session_id);
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}
