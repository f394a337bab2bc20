//! Which log and which streams an organisation's facts stand in.

use sunbid_domain::{Refusal, registry::organization_of};
use sunbid_journal::{LogId, StreamId};

use crate::SERVICE;

/// The log of "organizations/{credit_code}".
pub fn log(organization: &str) -> LogId {
    LogId::of(SERVICE, organization)
}

/// The stream of the organisation itself in its log.
pub fn organization_stream() -> StreamId {
    StreamId::of("organization")
}

/// The stream of a subject in its organisation's log.
pub fn subject_stream(subject: &str) -> StreamId {
    StreamId::of(subject)
}

/// The organisation of a subject's name as a caller sent it.
pub fn check_subject<'a>(subject: &'a str, field: &str) -> Result<&'a str, Refusal> {
    let refused = || {
        Refusal::field(
            field,
            "应为“organizations/{统一社会信用代码}/subjects/{编号}”。",
            "must be \"organizations/{credit_code}/subjects/{id}\".",
        )
    };
    let organization = organization_of(subject).ok_or_else(refused)?;
    sunbid_service::names::check_organization(organization, field)?;
    Ok(organization)
}
