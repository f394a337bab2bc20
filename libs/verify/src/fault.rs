//! The first thing that is wrong with a tender's records, and who answers for it.

use std::fmt;

/// Who answers for a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// Who runs the platform and keeps its logs.
    Platform,
    /// Who keeps the sealed bytes.
    Store,
    /// A holder of the tender's key, counting from 1.
    Holder(u16),
    /// A supplier, by its name.
    Supplier(String),
    /// Who asked for bids.
    Purchaser,
    /// Nobody in particular: the copy that was handed over is not what was published.
    Records,
}

impl Culprit {
    /// In Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Platform => "平台运营方".to_owned(),
            Self::Store => "文件存储方".to_owned(),
            Self::Holder(index) => format!("第{index}号密钥持有机构"),
            Self::Supplier(name) => format!("供应商{name}"),
            Self::Purchaser => "采购人（招标人）".to_owned(),
            Self::Records => "这份记录副本".to_owned(),
        }
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("the platform's operator"),
            Self::Store => f.write_str("the file store"),
            Self::Holder(index) => write!(f, "holder {index}"),
            Self::Supplier(name) => write!(f, "supplier {name}"),
            Self::Purchaser => f.write_str("the purchaser"),
            Self::Records => f.write_str("this copy of the records"),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Machine-readable, in UPPER_SNAKE_CASE.
    pub code: &'static str,
    pub culprit: Culprit,
    /// The file, and within a log the record: "logs/bid.pb#7".
    pub record: String,
    pub zh: String,
    pub en: String,
}

impl Fault {
    pub(crate) fn new(
        code: &'static str,
        culprit: Culprit,
        record: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self {
            code,
            culprit,
            record: record.into(),
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// The platform's own doing.
    pub(crate) fn platform(
        code: &'static str,
        record: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self::new(code, Culprit::Platform, record, zh, en)
    }

    /// The copy is damaged or incomplete.
    pub(crate) fn records(
        code: &'static str,
        record: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self::new(code, Culprit::Records, record, zh, en)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {}): {}",
            self.code, self.record, self.culprit, self.en
        )
    }
}

impl std::error::Error for Fault {}
