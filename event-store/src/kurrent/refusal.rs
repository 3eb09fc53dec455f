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

fn group(code: Code, exception: &'static str, message: String, of: (&str, &str)) -> Status {
    let (source, group) = of;
    with(code, message, &[("exception", exception), ("stream-name", source), ("group-name", group)])
}

pub(crate) fn no_such_group(source: &str, name: &str) -> Status {
    let message = format!("persistent subscription '{name}' on '{source}' does not exist");
    group(Code::NotFound, "persistent-subscription-does-not-exist", message, (source, name))
}

pub(crate) fn group_exists(source: &str, name: &str) -> Status {
    let message = format!("persistent subscription '{name}' on '{source}' exists already");
    group(Code::AlreadyExists, "persistent-subscription-exists", message, (source, name))
}

pub(crate) fn too_many_consumers(source: &str, name: &str) -> Status {
    let message = format!("persistent subscription '{name}' on '{source}' has all its consumers");
    group(Code::FailedPrecondition, "maximum-subscribers-reached", message, (source, name))
}

pub(crate) fn dropped(reason: &str) -> Status {
    with(Code::Cancelled, reason, &[("exception", "persistent-subscription-dropped")])
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
