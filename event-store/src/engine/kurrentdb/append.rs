//! Appends that may be repeated.

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, EventData, ReadStreamOptions, StreamPosition, StreamState,
};
use ledgerline_schemas::id::NAMESPACE;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::link::Failure;
use super::{APPEND_EVENTS_MAX, Shared};
use crate::engine::CarrierError;
use crate::engine::carrying::{Room, refuse_longer};

/// Type of the events that carry entries.
pub(super) const EVENT_TYPE: &str = "ledgerline.entry";

/// Appends entries, as many at a time as an append holds.
pub(super) async fn append(
    shared: &Shared,
    entries: Vec<Bytes>,
    at: u64,
) -> Result<(), CarrierError> {
    let bytes = shared.entries_bytes_max();
    refuse_longer(&entries, bytes, "an append")?;
    let room = Room { entries: APPEND_EVENTS_MAX, bytes, framing: 0 };
    let mut next = at;
    for group in room.split(&entries) {
        let outcome = append_group(shared, group, next).await;
        match outcome {
            Ok(()) => next = next.saturating_add(group.len() as u64),
            // Nothing of this group is written, but of those before it.
            Err(CarrierError::Moved { end }) if next > at => {
                let reason = format!(
                    "{} of {} entries are written, then another writer came to {end}",
                    next - at,
                    entries.len()
                );
                return Err(CarrierError::Unavailable { reason });
            }
            Err(error) => return Err(error),
        }
        shared.end.send_modify(|end| *end = next.max(*end));
    }
    Ok(())
}

/// The id of an entry at its place (UUIDv5 over stream, place and SHA-256 of the entry): a repeated append is
/// recognized, and the same bytes at another place are another event.
pub(super) fn event_id(stream: &str, place: u64, entry: &[u8]) -> Uuid {
    let mut name = Vec::with_capacity(stream.len() + 8 + 32);
    name.extend_from_slice(stream.as_bytes());
    name.extend_from_slice(&place.to_be_bytes());
    name.extend_from_slice(&Sha256::digest(entry));
    Uuid::new_v5(&NAMESPACE, &name)
}

/// One append: all of the group or nothing.
async fn append_group(shared: &Shared, group: &[Bytes], next: u64) -> Result<(), CarrierError> {
    let stream = shared.config.stream.as_str();
    let state = match next.checked_sub(1) {
        Some(last) => StreamState::StreamRevision(last),
        None => StreamState::NoStream,
    };
    let options = AppendToStreamOptions::default()
        .stream_state(state)
        .requires_leader(true)
        .deadline(shared.link.limit());
    let events: Vec<EventData> = (next..)
        .zip(group)
        .map(|(place, entry)| {
            EventData::binary(EVENT_TYPE, entry.clone()).id(event_id(stream, place, entry))
        })
        .collect();
    let last = next.saturating_add(group.len() as u64).saturating_sub(1);
    let options = &options;
    let appended = shared
        .link
        .repeat(|client| {
            let events = events.clone();
            async move { client.append_to_stream(stream, options, events).await }
        })
        .await;
    match appended {
        Ok(written) if written.next_expected_version == last => Ok(()),
        Ok(written) => {
            let reason = format!(
                "the server wrote up to revision {} instead of {last}: the stream was truncated",
                written.next_expected_version
            );
            Err(CarrierError::Refused { reason })
        }
        // A try that was not answered may have been done.
        Err(failure @ (Failure::Revision(_) | Failure::Refused(_))) => {
            if is_there(shared, group, next).await? { Ok(()) } else { Err(failure.into()) }
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether exactly these entries are at their place already.
async fn is_there(shared: &Shared, group: &[Bytes], next: u64) -> Result<bool, CarrierError> {
    let options = ReadStreamOptions::default()
        .position(StreamPosition::Position(next))
        .forwards()
        .max_count(group.len())
        .requires_leader(true);
    let events = match shared.link.read(&shared.config.stream, &options).await {
        Ok(events) => events,
        Err(Failure::NoStream) => return Ok(false),
        Err(failure) => return Err(failure.into()),
    };
    let same = |(place, (event, entry)): (u64, (&eventstore::RecordedEvent, &Bytes))| {
        event.revision == place && event.data == *entry
    };
    Ok(events.len() == group.len() && (next..).zip(events.iter().zip(group)).all(same))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_stream_place_and_bytes_and_repeat_otherwise() {
        let id = event_id("org-1", 7, b"heartbeat");
        assert_eq!(id, event_id("org-1", 7, b"heartbeat"));
        assert_ne!(id, event_id("org-2", 7, b"heartbeat"));
        assert_ne!(id, event_id("org-1", 8, b"heartbeat"));
        assert_ne!(id, event_id("org-1", 7, b"heartbeaT"));
    }
}
