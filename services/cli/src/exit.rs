//! How a command ends: exit codes that scripts can rely on, and errors as people read them.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The command line is wrong (clap's own code).
pub const USAGE: u8 = 2;
/// A rule, a state or a wrong field refused it; nothing changed.
pub const REFUSED: u8 = 3;
/// Not signed in, or not allowed.
pub const DENIED: u8 = 4;
/// The platform or the network is away; the same command may be given again.
pub const UNAVAILABLE: u8 = 5;
/// Public records do not verify.
pub const NOT_VERIFIED: u8 = 6;
/// Anything else.
pub const FAILED: u8 = 1;

/// Shown by `sunbid --help`.
pub const HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong command line; 3 refused by a rule, a state or a wrong field; \
4 not signed in or not allowed; 5 platform away, try again; 6 public records do not verify.";

/// Public records that do not verify.
#[derive(Debug, thiserror::Error)]
#[error("the public records do not verify")]
pub struct NotVerified;

/// The exit code an error stands for.
pub fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<NotVerified>().is_some() {
        return NOT_VERIFIED;
    }
    let Some(status) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Status>())
    else {
        return FAILED;
    };
    match status.code() {
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::NotFound
        | Code::Aborted
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::ResourceExhausted => REFUSED,
        Code::Unauthenticated | Code::PermissionDenied => DENIED,
        Code::Unavailable | Code::DeadlineExceeded => UNAVAILABLE,
        _ => FAILED,
    }
}

/// The error in words: a status with every violation on a line of its own.
pub fn describe(error: &anyhow::Error) -> String {
    let Some(status) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Status>())
    else {
        return format!("{error:#}");
    };
    let mut lines = vec![status.message().to_owned()];
    let details = status.get_error_details();
    if let Some(request) = details.bad_request() {
        for violation in &request.field_violations {
            let line = format!("  {}: {}", violation.field, violation.description);
            if !status.message().contains(&violation.description) {
                lines.push(line);
            }
        }
    }
    if let Some(retry) = details.retry_info().and_then(|info| info.retry_delay) {
        lines.push(format!("  (retry in {} s)", retry.as_secs()));
    }
    lines.join("\n")
}
