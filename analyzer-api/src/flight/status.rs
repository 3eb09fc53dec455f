//! Errors as gRPC statuses. The stable code of an error is in the header `ledgerline-code`.

use tonic::{Code, Status};

use crate::error::QueryError;

/// Header with the stable code of an error; the same as `code` at the HTTP door.
pub(super) const CODE_HEADER: &str = "ledgerline-code";

/// The status of a question that has no answer.
pub(super) fn of(error: &QueryError) -> Status {
    let code = match error {
        QueryError::NotAllowed(_) => Code::PermissionDenied,
        QueryError::Unsupported(_) => Code::Unimplemented,
        QueryError::Deadline(_) => Code::DeadlineExceeded,
        QueryError::Rows(_) | QueryError::Bytes(_) | QueryError::Memory(_) => {
            Code::ResourceExhausted
        }
        QueryError::Cancelled => Code::Cancelled,
        QueryError::NotReady(_) | QueryError::NotRecorded(_) => Code::Unavailable,
        QueryError::Internal(_) => Code::Internal,
        QueryError::Syntax { .. }
        | QueryError::Column(_)
        | QueryError::Table(_)
        | QueryError::Function(_)
        | QueryError::Plan(_)
        | QueryError::Value(_)
        | QueryError::NotReached { .. }
        | QueryError::DivisionByZero
        | QueryError::TooLong { .. } => Code::InvalidArgument,
    };
    with_code(code, error.code(), &error.to_string())
}

/// A status with a stable code.
pub(super) fn with_code(code: Code, stable: &'static str, message: &str) -> Status {
    let mut status = Status::new(code, message);
    status.metadata_mut().insert(CODE_HEADER, tonic::metadata::MetadataValue::from_static(stable));
    status
}

/// Nobody that is known.
pub(super) fn unauthenticated(reason: &str) -> Status {
    with_code(Code::Unauthenticated, "unauthenticated", reason)
}

/// What a client sent cannot be read or does not fit.
pub(super) fn invalid(reason: &str) -> Status {
    with_code(Code::InvalidArgument, "invalid_request", reason)
}

/// What the protocol has and this server has not.
pub(super) fn unsupported(what: &str) -> Status {
    with_code(Code::Unimplemented, "not_supported", &format!("{what} is not supported"))
}

/// What would change something.
pub(super) fn read_only(what: &str) -> Status {
    let reason = format!("{what} is not allowed: the analyzer answers SELECT only");
    with_code(Code::PermissionDenied, "not_allowed", &reason)
}

/// Something broke on our side.
pub(super) fn internal(error: &impl std::fmt::Display) -> Status {
    with_code(Code::Internal, "internal_error", &error.to_string())
}
