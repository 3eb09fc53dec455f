//! Checks every engine makes before it takes an append.

use ledgerline_schemas::limits::{
    ACTOR_ID_BYTES_MAX, APPEND_BYTES_MAX, APPEND_EVENTS_MAX, EVENT_PAYLOAD_BYTES_MAX,
    EVENT_TYPE_BYTES_MAX, STREAM_NAME_BYTES_MAX, TRACEPARENT_BYTES_MAX,
};
use ledgerline_schemas::{NewEvent, StreamId, Version};

use crate::log::{Append, AppendError, Expected};

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), AppendError> {
    if actual > limit {
        return Err(AppendError::TooLarge { what, actual, limit });
    }
    Ok(())
}

fn stream_name(stream: &StreamId) -> Result<(), AppendError> {
    let name = stream.as_str();
    within("stream name", name.len(), STREAM_NAME_BYTES_MAX)?;
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-');
    if name.is_empty() || !(name.starts_with("external-") || name.bytes().all(plain)) {
        return Err(AppendError::Invalid {
            what: "stream name",
            reason: format!("{name:?} has characters other than a-z 0-9 _ . : -"),
        });
    }
    Ok(())
}

fn event(event: &NewEvent) -> Result<usize, AppendError> {
    stream_name(&event.stream)?;
    within("event payload", event.payload.len(), EVENT_PAYLOAD_BYTES_MAX)?;
    within("event type", event.event_type.len(), EVENT_TYPE_BYTES_MAX)?;
    within("actor id", event.actor.id.len(), ACTOR_ID_BYTES_MAX)?;
    within(
        "traceparent",
        event.traceparent.as_ref().map_or(0, String::len),
        TRACEPARENT_BYTES_MAX,
    )?;
    if event.event_type.is_empty() {
        return Err(AppendError::Invalid { what: "event type", reason: "it is empty".to_owned() });
    }
    Ok(event.payload.len() + event.stream.as_str().len() + 256)
}

/// Sizes, names and repeated ids within the append.
pub(crate) fn append(append: &Append) -> Result<(), AppendError> {
    if append.events.is_empty() {
        return Err(AppendError::Invalid { what: "append", reason: "it has no events".to_owned() });
    }
    within("number of events", append.events.len(), APPEND_EVENTS_MAX)?;
    let mut bytes = 0;
    for new in &append.events {
        bytes += event(new)?;
    }
    let mut ids: Vec<_> = append.events.iter().map(|new| new.id).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.array_windows().find(|[one, next]| one == next) {
        return Err(AppendError::Invalid {
            what: "event id",
            reason: format!("{} occurs twice in the append", twice[0]),
        });
    }
    within("append", bytes, APPEND_BYTES_MAX)
}

/// Whether a stream's head is what was expected.
pub(crate) fn expectation(
    stream: &StreamId,
    expected: Expected,
    actual: Option<Version>,
) -> Result<(), AppendError> {
    if crate::memory::meets(expected, actual) {
        return Ok(());
    }
    Err(AppendError::WrongExpected { stream: stream.clone(), expected, actual })
}
