//! Organisations and their people: who is registered, approved and suspended, which certificates
//! speak for whom with which roles, and which sessions are open.
//! Certificates come here verified: chains and signatures are checked before a decision is asked for.

pub mod account;
pub mod kinds;
pub mod organization;
pub mod subject;

#[cfg(test)]
mod tests;

pub use account::{Account, Lifetimes, Person, is_login, not_proven};
pub use organization::{Enrolment, OrganizationState, Registration};
pub use subject::{Addition, Authority, Credential, Refreshed, Session, SubjectState};

use sunbid_terms::CreditCode;

/// Longest name of an organisation or person, in characters.
pub const LONGEST_NAME: usize = 200;

/// Longest reason, in characters.
pub const LONGEST_REASON: usize = 1000;

/// "organizations/{credit_code}".
pub fn organization_name(code: &CreditCode) -> String {
    format!("organizations/{code}")
}

/// "organizations/{credit_code}/subjects/{id}". The id is the certificate's own digest, so that one
/// certificate is one subject and nothing is counted.
pub fn subject_name(organization: &str, fingerprint: &[u8; 32]) -> String {
    let id: String = fingerprint
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{organization}/subjects/{id}")
}

/// The name of the subject that signs in as `login` in `organization`: the same for ever, so that a
/// login name is never given twice and nothing has to be looked up.
pub fn person_name(organization: &str, login: &str) -> String {
    let text = format!("SUNBID-V1 person\0{organization}\0{login}");
    subject_name(
        organization,
        &sunbid_proofs::hash::sha256(&[text.as_bytes()]),
    )
}

/// The organisation a subject belongs to, where the name has the form of a subject's.
pub fn organization_of(subject: &str) -> Option<&str> {
    let (organization, id) = subject.split_once("/subjects/")?;
    let good = id.len() == 32 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    good.then_some(organization)
}
