//! The one place where what went wrong becomes a gRPC status with details (google.rpc).
//! Internal causes go to the log under a correlation id, never to the caller.

use std::time::Duration;

use sunbid_contracts::common::v1::{RuleOutcome, Verdict};
use sunbid_domain::{Refusal, Unreadable};
use sunbid_journal::{CommitError, ReadError};
use sunbid_objects::StoreFault;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::Language;

/// The domain under which machine-readable reasons are unique.
const DOMAIN: &str = "sunbid";

/// Why a call cannot be answered.
#[derive(Debug)]
pub enum Problem {
    /// The domain refuses, and says why.
    Refused(Refusal),
    /// Storage is full: nothing was taken, what is there stays.
    StorageFull(String),
    /// Storage or another service is away for the moment.
    Unavailable(String),
    /// A bound that keeps one caller from taking what others need; how long until it may be tried
    /// again, if waiting helps.
    TooMuch {
        reason: &'static str,
        zh: String,
        en: String,
        retry: Option<Duration>,
    },
    /// The same request id came with other content.
    RequestReused,
    /// Who calls is not known.
    Unauthenticated(&'static str),
    /// Another service's answer, passed on as it came.
    Passed(Status),
    /// A defect or damage; the cause is for the operator only.
    Internal(String),
}

impl Problem {
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// The status for a caller who reads `language`.
    pub fn into_status(self, language: Language) -> Status {
        match self {
            Self::Refused(refusal) => refused(refusal, language),
            Self::StorageFull(cause) => {
                tracing::error!(%cause, "storage is full");
                let text = language.pick(
                    "存储空间已满，本次操作未被接受，已收到的数据不受影响。",
                    "Storage is full; nothing was taken, and what was taken before is safe.",
                );
                plain(Code::ResourceExhausted, "STORAGE_FULL", text, language)
            }
            Self::Unavailable(cause) => {
                tracing::warn!(%cause, "unavailable");
                let text = language.pick(
                    "服务暂时不可用，请稍后重试。",
                    "Unavailable for the moment; please retry.",
                );
                let mut details = ErrorDetails::new();
                details
                    .set_error_info("UNAVAILABLE", DOMAIN, std::collections::HashMap::new())
                    .set_retry_info(Some(Duration::from_secs(1)))
                    .set_localized_message(language.tag(), text);
                Status::with_error_details(Code::Unavailable, text, details)
            }
            Self::TooMuch {
                reason,
                zh,
                en,
                retry,
            } => {
                let text = language.pick(&zh, &en);
                let mut details = ErrorDetails::new();
                details
                    .set_error_info(reason, DOMAIN, std::collections::HashMap::new())
                    .set_localized_message(language.tag(), text);
                if retry.is_some() {
                    details.set_retry_info(retry);
                }
                Status::with_error_details(Code::ResourceExhausted, text, details)
            }
            Self::RequestReused => {
                let text = language.pick(
                    "该请求编号已用于另一内容不同的请求。",
                    "This request id was used before with other content.",
                );
                let mut details = ErrorDetails::new();
                details
                    .add_bad_request_violation("request_id", text)
                    .set_localized_message(language.tag(), text);
                Status::with_error_details(Code::InvalidArgument, text, details)
            }
            Self::Unauthenticated(reason) => {
                let text = language.pick(
                    "请先登录（访问令牌缺失、无效或已过期）。",
                    "Please sign in: the access token is missing, wrong or expired.",
                );
                plain(Code::Unauthenticated, reason, text, language)
            }
            Self::Passed(status) => status,
            Self::Internal(cause) => {
                let correlation = uuid::Uuid::new_v4().to_string();
                tracing::error!(%cause, %correlation, "internal error");
                let text = language.pick("内部错误", "Internal error");
                let mut details = ErrorDetails::new();
                details.set_request_info(correlation.clone(), "");
                Status::with_error_details(
                    Code::Internal,
                    format!("{text} ({correlation})"),
                    details,
                )
            }
        }
    }
}

fn plain(code: Code, reason: &str, text: &str, language: Language) -> Status {
    let mut details = ErrorDetails::new();
    details
        .set_error_info(reason, DOMAIN, std::collections::HashMap::new())
        .set_localized_message(language.tag(), text);
    Status::with_error_details(code, text, details)
}

fn refused(refusal: Refusal, language: Language) -> Status {
    let mut details = ErrorDetails::new();
    match refusal {
        Refusal::Fields(violations) => {
            let mut all = Vec::new();
            for violation in &violations {
                let text = language.pick(&violation.zh, &violation.en);
                details.add_bad_request_violation(&violation.field, text);
                all.push(format!("{}: {text}", violation.field));
            }
            let text = all.join("\n");
            details.set_localized_message(language.tag(), &text);
            Status::with_error_details(Code::InvalidArgument, text, details)
        }
        Refusal::Rules(verdicts) => {
            let breached: Vec<&Verdict> = verdicts
                .iter()
                .filter(|v| v.outcome == RuleOutcome::Breached as i32)
                .collect();
            let mut all = Vec::new();
            for verdict in &breached {
                let law = language.pick(&verdict.law_zh, &verdict.law_en);
                let message = language.pick(&verdict.message_zh, &verdict.message_en);
                let text = format!("[{}] {message} ({law})", verdict.rule_id);
                details.add_precondition_failure_violation(
                    format!("RULE:{}", verdict.rule_id),
                    law,
                    &text,
                );
                if !verdict.field.is_empty() {
                    details.add_bad_request_violation(&verdict.field, &text);
                }
                all.push(text);
            }
            let mut metadata = std::collections::HashMap::new();
            if let Some(first) = breached.first() {
                metadata.insert("rule_id".to_owned(), first.rule_id.clone());
                metadata.insert("law".to_owned(), first.law_en.clone());
            }
            let text = all.join("\n");
            details
                .set_error_info("RULE_REFUSED", DOMAIN, metadata)
                .set_localized_message(language.tag(), &text);
            Status::with_error_details(Code::FailedPrecondition, text, details)
        }
        Refusal::State { reason, zh, en } => {
            let text = language.pick(&zh, &en).to_owned();
            plain(Code::FailedPrecondition, reason, &text, language)
        }
        Refusal::Forbidden => denied(language),
        Refusal::NotFound { what } => {
            let text = match language {
                Language::Chinese => format!("未找到：{what}"),
                Language::English => format!("Not found: {what}"),
            };
            plain(Code::NotFound, "NOT_FOUND", &text, language)
        }
        Refusal::Outdated { what } => {
            let text = match language {
                Language::Chinese => format!("{what}已被他人更改，请重新读取后再试。"),
                Language::English => {
                    format!("{what} was changed meanwhile; read it again and retry.")
                }
            };
            plain(Code::Aborted, "OUTDATED", &text, language)
        }
    }
}

/// The one answer to whoever may not, whether or not the thing exists.
pub fn denied(language: Language) -> Status {
    let text = language.pick(
        "没有权限，或者所请求的内容不存在。",
        "Not allowed, or what was asked for does not exist.",
    );
    plain(Code::PermissionDenied, "DENIED", text, language)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Self::Unavailable(status.to_string())
            }
            // Said anew in the caller's language: otherwise its words would tell which service
            // refused, and so what exists.
            Code::PermissionDenied => Self::Refused(Refusal::Forbidden),
            _ => Self::Passed(status),
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        Self::Internal(unreadable.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) | ReadError::Contention(cause) => {
                Self::Unavailable(cause)
            }
            ReadError::StorageFull(cause) => Self::StorageFull(cause),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<StoreFault> for Problem {
    fn from(fault: StoreFault) -> Self {
        let shown = fault.to_string();
        match fault {
            StoreFault::Away(_) => Self::Unavailable(shown),
            StoreFault::Full(_) => Self::StorageFull(shown),
            _ => Self::Internal(shown),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        let shown = error.to_string();
        match error {
            CommitError::Refused(refusal) => match refusal.downcast::<Problem>() {
                Ok(problem) => *problem,
                Err(_) => Self::Internal("a refusal of unknown kind".to_owned()),
            },
            CommitError::CommandReused => Self::RequestReused,
            CommitError::StorageFull(cause) => Self::StorageFull(cause),
            CommitError::Unavailable(_) | CommitError::Conflict | CommitError::Stopped => {
                Self::Unavailable(shown)
            }
            _ => Self::Internal(shown),
        }
    }
}
