//! The registry's own tables, row for row as the records lead to them; of people who sign in without a
//! certificate, what is secret only as far as a record speaks of it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sunbid_contracts::registry::v1::{
    OrganizationSuspended, PasswordSet, PersonReset, SessionEnded, SessionRefreshed, SessionsEnded,
    SignedIn, SignedOut, SubjectRevoked,
};
use sunbid_domain::registry::{
    OrganizationState, SubjectState, account::Account, organization_of, subject::SESSION_MICROS,
};
use sunbid_journal::ReadError;
use sunbid_proofs::sha256;

use crate::{
    Inspected, Report,
    literal::{self, blob, bool, row, text as quoted},
    logs::{Entry, Log},
    models::{Logs, entries},
};

const ORGANIZATIONS: &str = "SELECT quote(name)||','||quote(state)||','||quote(kinds)||','||\
     quote(body) FROM organization";
const SUBJECTS: &str = "SELECT quote(name)||','||quote(organization)||','||quote(fingerprint)\
     ||','||quote(refused_until_us)||','||quote(body) FROM subject";
const SESSIONS: &str = "SELECT quote(session_id)||','||quote(subject)||','||quote(organization)\
     ||','||quote(expire_us)||','||quote(ended) FROM session";
const IDENTITIES: &str = "SELECT quote(digest)||','||quote(subject) FROM identity";
const ACCOUNTS: &str = "SELECT subject, version, password, passkeys FROM account";

/// The people of all organisations, by the names of their subjects.
fn people(logs: &Logs) -> BTreeMap<String, Account> {
    let states = logs
        .values()
        .flat_map(|log| log.states::<SubjectState>().into_values());
    states
        .filter_map(|state| Some((state.subject?.name, state.account?)))
        .collect()
}

pub(crate) fn tables(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let (mut organizations, mut subjects, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    let signed_in = |entry: &Entry| entry.read::<SignedIn>().map(|_| entry.at.micros());
    let last = entries(logs)
        .filter_map(|(_, entry)| signed_in(entry))
        .max();
    for log in logs.values() {
        for own in log.states::<OrganizationState>().into_values() {
            let Some(own) = own.organization else {
                continue;
            };
            let kinds = own.kinds.iter().filter(|kind| (1..=62).contains(*kind));
            let kinds = kinds.fold(0_i64, |all, kind| all | 1 << kind);
            organizations.push(row(&[
                quoted(&own.name),
                own.state.to_string(),
                kinds.to_string(),
                blob(&own.encode_to_vec()),
            ]));
        }
        for (stream, own) in log.states::<SubjectState>() {
            let Some(own) = own.subject else { continue };
            let revoked = log
                .entries
                .iter()
                .find(|entry| entry.stream == stream && entry.read::<SubjectRevoked>().is_some());
            let until = revoked.map_or(0, |entry| entry.at.plus_micros(SESSION_MICROS).micros());
            // Who has no certificate stands by its name.
            let identified = if own.certificate.is_empty() {
                own.name.as_bytes()
            } else {
                &own.certificate
            };
            subjects.push(row(&[
                quoted(&own.name),
                quoted(organization_of(&own.name).unwrap_or_default()),
                blob(&sunbid_certificates::fingerprint(identified)),
                until.to_string(),
                blob(&own.encode_to_vec()),
            ]));
        }
        // Whoever signs in sweeps away what has expired.
        let open = sessions_of(log).into_iter();
        sessions.extend(
            open.filter(|session| last.is_none_or(|last| session.expire_us > last))
                .map(|session| {
                    row(&[
                        blob(&session.id),
                        quoted(&session.subject),
                        quoted(organization_of(&session.subject).unwrap_or_default()),
                        session.expire_us.to_string(),
                        bool(session.ended),
                    ])
                }),
        );
    }
    let people = people(logs);
    let linked = people.iter().flat_map(|(subject, account)| {
        let each = account.identities.iter();
        each.map(move |digest| row(&[blob(digest), quoted(subject)]))
    });
    vec![
        ("organization", ORGANIZATIONS, organizations),
        ("subject", SUBJECTS, subjects),
        ("session", SESSIONS, sessions),
        ("identity", IDENTITIES, linked.collect()),
    ]
}

struct Session {
    id: Vec<u8>,
    subject: String,
    expire_us: i64,
    ended: bool,
}

/// Every session of an organisation's people and machines, as its last record left it.
fn sessions_of(log: &Log) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for entry in &log.entries {
        if let Some(begun) = entry.read::<SignedIn>() {
            sessions.push(Session {
                id: begun.session_id,
                subject: begun.subject,
                expire_us: begun.expire_time_us,
                ended: false,
            });
        } else if let Some(refreshed) = entry.read::<SessionRefreshed>() {
            let own = sessions.iter_mut();
            for session in own.filter(|session| session.id == refreshed.session_id) {
                session.expire_us = refreshed.expire_time_us;
            }
        } else if entry.read::<OrganizationSuspended>().is_some() {
            for session in &mut sessions {
                session.ended = true;
            }
        } else {
            let one = entry
                .read::<SignedOut>()
                .map(|event| event.session_id)
                .or_else(|| Some(entry.read::<SessionEnded>()?.session_id));
            let of = entry
                .read::<SubjectRevoked>()
                .map(|event| event.name)
                .or_else(|| Some(entry.read::<SessionsEnded>()?.subject))
                .or_else(|| Some(entry.read::<PersonReset>()?.subject))
                .or_else(|| Some(entry.read::<PasswordSet>()?.subject));
            for session in &mut sessions {
                session.ended |=
                    one.as_ref() == Some(&session.id) || of.as_ref() == Some(&session.subject);
            }
        }
    }
    sessions
}

/// Whose secrets are kept, for which version of the account, whether there is a password, and which
/// passkeys there are. That a password, or the key of a passkey, is the one it was, no record can say;
/// [`crate::stillness`] covers it.
pub(crate) async fn accounts(
    database: &Inspected,
    logs: &Logs,
    there: &[String],
    report: &mut Report,
) -> Result<(), ReadError> {
    const BY: &str = "accounts against their records";
    let mut people = people(logs);
    // Until something was set there is nothing to keep.
    people.retain(|_, account| account.version > 1);
    let kept = if literal::has(there, "account") {
        database.journal.db().rows(ACCOUNTS, &[]).await?
    } else {
        Vec::new()
    };
    for found in kept {
        report.rows += 1;
        let subject = found.text(0)?;
        let fits = people.remove(&subject).is_some_and(|account| {
            found
                .int(1)
                .ok()
                .and_then(|version| u64::try_from(version).ok())
                == Some(account.version)
                && found
                    .text(2)
                    .is_ok_and(|password| password.is_empty() != account.has_password)
                && found.blob(3).ok().and_then(|json| passkeys(&json)) == Some(account.passkeys)
        });
        if !fits {
            let what = format!("what is kept of {subject} is not what the records speak of");
            report.add(database.service, BY, what);
        }
    }
    if let Some(subject) = people.keys().next() {
        let what = format!("nothing is kept of {subject}, of whom the records speak");
        report.add(database.service, BY, what);
    }
    Ok(())
}

/// Digests of the identifiers of passkeys.
fn passkeys(json: &[u8]) -> Option<Vec<Vec<u8>>> {
    let all: Vec<serde_json::Value> = serde_json::from_slice(json).ok()?;
    let digest = |one: &serde_json::Value| {
        let id = one.get("cred")?.get("cred_id")?.as_str()?;
        Some(sha256(&[&URL_SAFE_NO_PAD.decode(id).ok()?]).to_vec())
    };
    all.iter().map(digest).collect()
}
