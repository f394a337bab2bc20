//! What even supervisors may not see before the opening: whose records exist, and how many.
//! (招标投标法 art. 22; 政府采购货物和服务招标投标管理办法 art. 28.)

/// Services whose records of a tender say who bids.
const TELLING: [&str; 3] = ["bid", "deposit", "opening"];

/// Scope prefix of refused commands, which name their actors.
const REFUSALS: &str = "refusals/";

/// Whether the records of `scope` at `service` stay unseen until the tender's bid log has closed.
pub fn is_sealed(service: &str, scope: &str) -> bool {
    TELLING.contains(&service) || (scope.starts_with(REFUSALS) && scope.contains("tenders/"))
}

/// Whether a record of an access log tells of a supplier, by the roles of who was refused or read: all do
/// but those of people and machines that are known to bid nowhere.
pub fn may_be_a_supplier(roles: &[String]) -> bool {
    let other = [
        "administrator",
        "purchaser",
        "reviewer",
        "supervisor",
        "trustee",
    ];
    let known = roles.iter().any(|role| other.contains(&role.as_str()));
    !known || roles.iter().any(|role| role == "supplier")
}

/// Whether the number of a service's records tells of suppliers' doings: what they submit and pay,
/// ask, and that they sign in.
pub fn counts_tell(service: &str) -> bool {
    TELLING.contains(&service) || matches!(service, "registry" | "notice")
}

/// Whether a record stays unseen until then though its log does not: it names a supplier.
pub fn is_sealed_event(event: &str) -> bool {
    matches!(
        event,
        "sunbid.notice.v1.QuestionAsked" | "sunbid.opening.v1.CheckedIn"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppliers_records_are_sealed() {
        assert!(is_sealed("bid", "tenders/1"));
        assert!(is_sealed("deposit", "tenders/1"));
        assert!(is_sealed("opening", "refusals/tenders/1"));
        assert!(!is_sealed("notice", "tenders/1"));
        assert!(is_sealed_event("sunbid.opening.v1.CheckedIn"));
        let roles = |roles: &[&str]| {
            roles
                .iter()
                .map(|role| (*role).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(!may_be_a_supplier(&roles(&["supervisor"])));
        assert!(may_be_a_supplier(&roles(&["supervisor", "supplier"])));
        assert!(may_be_a_supplier(&roles(&["service"])));
        assert!(may_be_a_supplier(&[]));
    }
}
