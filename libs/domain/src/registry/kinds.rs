//! What an organisation of some kind may do, which roles its people may have, and which kinds
//! exclude each other.

use sunbid_contracts::registry::v1::{OrganizationKind, Role};

use crate::refusal::FieldCheck;

/// The roles that people of an organisation of this kind may have.
pub const fn roles_of(kind: OrganizationKind) -> &'static [Role] {
    match kind {
        OrganizationKind::Unspecified => &[],
        OrganizationKind::Purchaser => &[Role::Purchaser, Role::Reviewer],
        OrganizationKind::Supplier => &[Role::Supplier],
        OrganizationKind::TradingCentre => &[Role::Administrator],
        OrganizationKind::Supervisor => &[Role::Supervisor],
        OrganizationKind::Trustee => &[Role::Trustee],
    }
}

/// All roles that people of an organisation of these kinds may have.
pub fn roles_of_all(kinds: &[i32]) -> Vec<i32> {
    let mut roles: Vec<i32> = kinds
        .iter()
        .filter_map(|kind| OrganizationKind::try_from(*kind).ok())
        .flat_map(roles_of)
        .map(|role| *role as i32)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Pairs of kinds that one organisation may not have together.
const EXCLUSIVE: [(OrganizationKind, OrganizationKind, &str, &str); 5] = [
    (
        OrganizationKind::TradingCentre,
        OrganizationKind::Supplier,
        "交易平台运营机构不得在本平台投标（《电子招标投标办法》第二十三条）。",
        "must not make the platform's operator a bidder on it (Electronic Tendering Measures, art. 23).",
    ),
    (
        OrganizationKind::TradingCentre,
        OrganizationKind::Supervisor,
        "交易场所不得与行政监督部门存在隶属关系（《招标投标法实施条例》第五条）。",
        "must not join the trading centre with a supervisor (Tendering Regulations, art. 5).",
    ),
    (
        OrganizationKind::Supervisor,
        OrganizationKind::Supplier,
        "行政监督部门不得作为供应商。",
        "must not make a supervisor a supplier.",
    ),
    (
        OrganizationKind::Supervisor,
        OrganizationKind::Purchaser,
        "监督机构的采购应由其他机构监督，请分别登记。",
        "must not let a supervisor supervise its own purchases; register them apart.",
    ),
    (
        OrganizationKind::Trustee,
        OrganizationKind::Supplier,
        "持有开标密钥份额的机构不得作为供应商。",
        "must not give a holder of key shares a bidder's interest.",
    ),
];

/// Notes what is wrong with the kinds an organisation wants to have.
pub(super) fn check(kinds: &[i32], check: &mut FieldCheck) {
    check.require(!kinds.is_empty(), "kinds", "必填。", "is required.");
    let known = |kind: &i32| {
        OrganizationKind::try_from(*kind).is_ok_and(|kind| kind != OrganizationKind::Unspecified)
    };
    check.require(
        kinds.iter().all(known),
        "kinds",
        "含有未知的机构类型。",
        "holds a kind that is not known.",
    );
    let mut sorted = kinds.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    check.require(
        sorted.len() == kinds.len(),
        "kinds",
        "机构类型重复。",
        "names a kind twice.",
    );
    for (one, other, zh, en) in EXCLUSIVE {
        let both = kinds.contains(&(one as i32)) && kinds.contains(&(other as i32));
        check.require(!both, "kinds", zh, en);
    }
}

/// Notes what is wrong with the roles a subject of an organisation of these kinds shall have.
pub(super) fn check_roles(roles: &[i32], kinds: &[i32], check: &mut FieldCheck) {
    check.require(!roles.is_empty(), "roles", "必填。", "is required.");
    let allowed = roles_of_all(kinds);
    for (at, role) in roles.iter().enumerate() {
        let name = Role::try_from(*role).map_or("?", |role| role.as_str_name());
        check.require(
            allowed.contains(role),
            format!("roles[{at}]"),
            format!("该机构类型的人员不能有此角色（{name}）。"),
            format!("is {name}, which people of this kind of organisation cannot have."),
        );
    }
    let mut sorted = roles.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    check.require(
        sorted.len() == roles.len(),
        "roles",
        "角色重复。",
        "names a role twice.",
    );
}
