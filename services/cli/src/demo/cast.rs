//! Who takes part: roles, not names. Credit codes are completed with their check characters.

use crate::commands::organization::Kind;

/// One organisation of the demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Name of its profile.
    pub profile: &'static str,
    /// First 17 characters of its unified social credit code.
    pub code: &'static str,
    pub name: &'static str,
    pub kinds: &'static [Kind],
    /// Basic account (基本账户).
    pub account: &'static str,
}

pub const CENTRE: Part = Part {
    profile: "centre",
    code: "12140600MB0000001",
    name: "公共资源交易中心",
    kinds: &[Kind::TradingCentre],
    account: "",
};

pub const PURCHASER: Part = Part {
    profile: "purchaser",
    code: "12140600MB0000002",
    name: "采购单位",
    kinds: &[Kind::Purchaser, Kind::Trustee],
    account: "14000000000000000002",
};

/// Institutions that hold the key besides the purchaser.
pub const HOLDERS: [Part; 4] = [
    Part {
        profile: "supervisor",
        code: "11140600MB0000003",
        name: "行政监督部门",
        kinds: &[Kind::Supervisor, Kind::Trustee],
        account: "",
    },
    Part {
        profile: "auditor",
        code: "11140600MB0000004",
        name: "审计机关",
        kinds: &[Kind::Trustee],
        account: "",
    },
    Part {
        profile: "notary",
        code: "12140600MB0000005",
        name: "公证处",
        kinds: &[Kind::Trustee],
        account: "",
    },
    Part {
        profile: "association",
        code: "51140600MB0000006",
        name: "行业协会",
        kinds: &[Kind::Trustee],
        account: "",
    },
];

pub const SUPPLIERS: [Part; 5] = [
    Part {
        profile: "supplier-1",
        code: "91140600MA0000011",
        name: "供应商甲",
        kinds: &[Kind::Supplier],
        account: "62000000000000000011",
    },
    Part {
        profile: "supplier-2",
        code: "91140600MA0000012",
        name: "供应商乙",
        kinds: &[Kind::Supplier],
        account: "62000000000000000012",
    },
    Part {
        profile: "supplier-3",
        code: "91140600MA0000013",
        name: "供应商丙",
        kinds: &[Kind::Supplier],
        account: "62000000000000000013",
    },
    Part {
        profile: "supplier-4",
        code: "91140600MA0000014",
        name: "供应商丁",
        kinds: &[Kind::Supplier],
        account: "62000000000000000014",
    },
    Part {
        profile: "supplier-5",
        code: "91140600MA0000015",
        name: "供应商戊",
        kinds: &[Kind::Supplier],
        account: "62000000000000000015",
    },
];
