//! Resource names: `tenders/{uuid}`, `organizations/{credit_code}`, `tenders/{uuid}/lots/{lot_id}`.
//! A name that does not parse never reaches a service's state.

use sunbid_domain::Refusal;
use sunbid_proofs::{CommandId, LogId};
use sunbid_terms::CreditCode;
use uuid::{Builder, Uuid};

/// A new random name in `collection`. Random, so that names never count anything.
pub fn fresh(collection: &str) -> String {
    format!("{collection}/{}", Uuid::new_v4())
}

/// A name that the same parts always give, so that a repeated request or cause finds what its first
/// made. As random as what is among the parts.
pub fn derived(parts: &[&[u8]]) -> Uuid {
    Builder::from_random_bytes(*CommandId::of(parts).as_bytes()).into_uuid()
}

/// Checks `{collection}/{uuid}` in its canonical form.
pub fn check(collection: &str, name: &str, field: &str) -> Result<(), Refusal> {
    let good = name
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|id| Uuid::parse_str(id).ok().map(|uuid| uuid.to_string() == id))
        .unwrap_or(false);
    if good {
        return Ok(());
    }
    Err(Refusal::field(
        field,
        format!("应为“{collection}/{{uuid}}”。"),
        format!("must be \"{collection}/{{uuid}}\"."),
    ))
}

/// Checks `tenders/{uuid}`.
pub fn check_tender(name: &str, field: &str) -> Result<(), Refusal> {
    check("tenders", name, field)
}

/// Checks `organizations/{credit_code}` with the code's check character.
pub fn check_organization(name: &str, field: &str) -> Result<CreditCode, Refusal> {
    let code = name.strip_prefix("organizations/").unwrap_or_default();
    CreditCode::parse(code).map_err(|error| {
        Refusal::field(
            field,
            format!("应为“organizations/{{统一社会信用代码}}”：{error}"),
            format!("must be \"organizations/{{credit_code}}\": {error}"),
        )
    })
}

/// The UUID of a request id; requests without one cannot be told from repeats.
pub fn check_request_id(id: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(id).map_err(|_| {
        Refusal::field(
            "request_id",
            "应为UUID，用于识别重复请求。",
            "must be a UUID; it tells repeats apart.",
        )
    })
}

/// The log that `service` keeps of `scope`.
pub fn log_of(service: &str, scope: &str) -> LogId {
    LogId::of(service, scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_names_pass() {
        let name = fresh("tenders");
        assert!(check_tender(&name, "name").is_ok());
        for bad in [
            "",
            "tenders/",
            "tenders/1",
            "x/3f0e0f6e-0000-4000-8000-000000000000",
        ] {
            assert!(check_tender(bad, "name").is_err(), "{bad}");
        }
        assert!(check_tender(&name.to_uppercase(), "name").is_err());
        assert!(check_organization("organizations/91110108551385082Q", "name").is_ok());
        assert!(check_organization("organizations/911101085513850820", "name").is_err());
    }
}
