//! Why a command is refused, in the caller's two languages; the services turn it into a gRPC status.
//! Never carries internals, and never says more about others than the caller may know.

use sunbid_contracts::common::v1::Verdict;

/// One field of a request that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path in the request, such as "tender.lots[0].deposit_fen".
    pub field: String,
    pub zh: String,
    pub en: String,
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Fields are missing or wrong; all of them at once. INVALID_ARGUMENT.
    Fields(Vec<FieldViolation>),
    /// Statutory rules refuse it. FAILED_PRECONDITION with rule and article.
    Rules(Vec<Verdict>),
    /// Something is in the wrong state for it. FAILED_PRECONDITION.
    State {
        /// Machine-readable reason in UPPER_SNAKE_CASE, such as "TENDER_SUSPENDED".
        reason: &'static str,
        zh: String,
        en: String,
    },
    /// The caller may not, or the thing does not exist: the same answer for both. PERMISSION_DENIED.
    Forbidden,
    /// Something public that does not exist. NOT_FOUND.
    NotFound { what: String },
    /// Someone else changed it meanwhile. ABORTED.
    Outdated { what: String },
}

impl Refusal {
    pub fn state(reason: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::State {
            reason,
            zh: zh.into(),
            en: en.into(),
        }
    }

    pub fn field(field: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Fields(vec![FieldViolation {
            field: field.into(),
            zh: zh.into(),
            en: en.into(),
        }])
    }
}

/// Collects every violated field of a request, so that they are told at once.
#[derive(Debug, Default)]
pub struct FieldCheck {
    violations: Vec<FieldViolation>,
}

impl FieldCheck {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a violation unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        field: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> &mut Self {
        if !holds {
            self.violations.push(FieldViolation {
                field: field.into(),
                zh: zh.into(),
                en: en.into(),
            });
        }
        self
    }

    /// A text that must be there and at most `most` characters long.
    pub fn text(&mut self, value: &str, most: usize, field: &str) -> &mut Self {
        let count = value.chars().count();
        self.require(!value.trim().is_empty(), field, "必填。", "is required.");
        self.require(
            count <= most,
            field,
            format!("最多{most}个字符，现有{count}个。"),
            format!("has {count} characters, at most {most} are taken."),
        )
    }

    /// A text that may be empty and is at most `most` characters long.
    pub fn optional_text(&mut self, value: &str, most: usize, field: &str) -> &mut Self {
        let count = value.chars().count();
        self.require(
            count <= most,
            field,
            format!("最多{most}个字符，现有{count}个。"),
            format!("has {count} characters, at most {most} are taken."),
        )
    }

    /// Bytes of an exact length.
    pub fn bytes(&mut self, value: &[u8], length: usize, field: &str) -> &mut Self {
        self.require(
            value.len() == length,
            field,
            format!("必须是{length}字节，现为{}字节。", value.len()),
            format!("must be {length} bytes, has {}.", value.len()),
        )
    }

    /// The refusal that names all violations, if there are any.
    pub fn finish(&mut self) -> Result<(), Refusal> {
        if self.violations.is_empty() {
            return Ok(());
        }
        Err(Refusal::Fields(std::mem::take(&mut self.violations)))
    }
}
