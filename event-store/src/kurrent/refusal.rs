//! Refusals as the clients know them: a status and the trailer `exception`.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::log::ReadError;

fn with(code: Code, message: impl Into<String>, trailers: &[(&'static str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (name, value) in trailers {
        // Trailers are ASCII; a name that is not stays in the message only.
        if let Ok(value) = MetadataValue::try_from(*value) {
            metadata.insert(*name, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}

pub(crate) fn access_denied(reason: &str) -> Status {
    with(Code::PermissionDenied, reason, &[("exception", "access-denied")])
}

pub(crate) fn append_too_large(limit: usize) -> Status {
    let text = limit.to_string();
    with(
        Code::InvalidArgument,
        format!("maximum append size of {limit} bytes exceeded"),
        &[("exception", "maximum-append-size-exceeded"), ("maximum-append-size", &text)],
    )
}

pub(crate) fn missing_property(name: &str) -> Status {
    with(
        Code::InvalidArgument,
        format!("required metadata property '{name}' is missing"),
        &[("exception", "missing-required-metadata-property")],
    )
}

/// The server stops, or the log is closed: come again.
pub(crate) fn closing() -> Status {
    Status::unavailable("the server is shutting down")
}

pub(crate) fn reading(error: &ReadError) -> Status {
    match error {
        ReadError::Closed => closing(),
        other => {
            tracing::error!(error = %other, "a read over the KurrentDB protocol failed");
            Status::internal("the log cannot be read")
        }
    }
}

pub(crate) fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("{field} is missing"))
}
