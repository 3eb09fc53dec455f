//! An event of the log as the protocol shows it.

use std::collections::BTreeMap;

use ledgerline_schemas::event::Event;
use ledgerline_schemas::{Recorded, Timestamp};
use serde_json::Value;
use tonic::Status;
use uuid::Uuid;

use super::wire::streams::read_resp::ReadEvent;
use super::wire::streams::read_resp::read_event::{Position, RecordedEvent};
use super::wire::{persistent, shared};

/// Header type of an event that another system appended.
pub(crate) const EXTERNAL_TYPE: &str = "external.event";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// Which form of a UUID the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UuidForm {
    Text,
    Structured,
}

impl UuidForm {
    pub(crate) fn write(self, id: Uuid) -> shared::Uuid {
        use shared::uuid::{Structured, Value};
        let value = match self {
            Self::Text => Value::String(id.hyphenated().to_string()),
            Self::Structured => {
                let (high, low) = id.as_u64_pair();
                Value::Structured(Structured {
                    most_significant_bits: high.cast_signed(),
                    least_significant_bits: low.cast_signed(),
                })
            }
        };
        shared::Uuid { value: Some(value) }
    }
}

/// A UUID in either form.
pub(crate) fn read_uuid(id: Option<&shared::Uuid>, field: &str) -> Result<Uuid, Status> {
    use shared::uuid::Value;
    match id.and_then(|id| id.value.as_ref()) {
        Some(Value::String(text)) => Uuid::parse_str(text)
            .map_err(|error| Status::invalid_argument(format!("{field}: {error}"))),
        Some(Value::Structured(parts)) => Ok(Uuid::from_u64_pair(
            parts.most_significant_bits.cast_unsigned(),
            parts.least_significant_bits.cast_unsigned(),
        )),
        None => Err(super::refusal::missing(field)),
    }
}

/// What a reader of the protocol sees of an event, in no message yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: Uuid,
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) position: u64,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) custom_metadata: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// The type name a client sees: of foreign events, the one they were appended with.
pub(crate) fn shown_type(recorded: &Recorded) -> String {
    match foreign(recorded) {
        Some(event) => event.external_type,
        None => recorded.header.event_type.to_string(),
    }
}

fn foreign(recorded: &Recorded) -> Option<ledgerline_schemas::event::external::ExternalEvent> {
    if &*recorded.header.event_type != EXTERNAL_TYPE {
        return None;
    }
    match recorded.decode() {
        Ok(Event::ExternalEvent(event)) => Some(event),
        _ => None,
    }
}

impl Shown {
    /// Foreign events: the very bytes that came. Ours: the payload as JSON, the envelope as metadata.
    pub(crate) fn of(recorded: Recorded) -> Self {
        let header = &recorded.header;
        let (id, position, revision) = (header.id.uuid(), header.position.0, header.version.0);
        let stream = header.stream.as_str().to_owned();
        let created = ticks(header.recorded_at);
        let (event_type, content_type, data, custom_metadata) = match foreign(&recorded) {
            Some(event) => {
                (event.external_type, event.content_type, event.data.0, event.metadata.0)
            }
            None => {
                let event_type = recorded.header.event_type.to_string();
                let mut envelope = recorded.to_json();
                let object = envelope.as_object_mut();
                let data = object.and_then(|object| object.remove("data"));
                if let Some(object) = envelope.as_object_mut() {
                    object.remove("data_base64");
                }
                let metadata = text(&envelope);
                match data {
                    Some(data) => (event_type, JSON.to_owned(), text(&data), metadata),
                    // Written by a newer version: the stored bytes, unread.
                    None => (event_type, BYTES.to_owned(), recorded.payload, metadata),
                }
            }
        };
        let metadata = [("type", event_type), ("created", created), ("content-type", content_type)];
        let metadata = metadata.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        Self { id, stream, revision, position, metadata, custom_metadata, data }
    }

    pub(crate) fn into_read_event(self, form: UuidForm) -> ReadEvent {
        ReadEvent {
            position: Some(Position::CommitPosition(self.position)),
            link: None,
            event: Some(RecordedEvent {
                id: Some(form.write(self.id)),
                stream_identifier: Some(stream_identifier(&self.stream)),
                stream_revision: self.revision,
                prepare_position: self.position,
                commit_position: self.position,
                metadata: self.metadata,
                custom_metadata: self.custom_metadata.into(),
                data: self.data.into(),
            }),
        }
    }
}

impl Shown {
    /// As a delivery to a consumer of a group.
    pub(crate) fn into_delivery(self, form: UuidForm, retries: u32) -> persistent::ReadResp {
        use persistent::read_resp::read_event::{Count, Position, RecordedEvent};
        use persistent::read_resp::{Content, ReadEvent};
        let event = RecordedEvent {
            id: Some(form.write(self.id)),
            stream_identifier: Some(stream_identifier(&self.stream)),
            stream_revision: self.revision,
            prepare_position: self.position,
            commit_position: self.position,
            metadata: self.metadata,
            custom_metadata: self.custom_metadata.into(),
            data: self.data.into(),
        };
        let event = ReadEvent {
            event: Some(event),
            link: None,
            position: Some(Position::CommitPosition(self.position)),
            count: Some(Count::RetryCount(i32::try_from(retries).unwrap_or(i32::MAX))),
        };
        persistent::ReadResp { content: Some(Content::Event(event)) }
    }
}

pub(crate) fn stream_identifier(name: &str) -> shared::StreamIdentifier {
    shared::StreamIdentifier { stream_name: name.as_bytes().to_vec() }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Units of 100 ns since 1970, as text.
fn ticks(time: Timestamp) -> String {
    (i128::from(time.micros()) * 10).to_string()
}

/// Now, as a protobuf timestamp.
pub(crate) fn now() -> prost_types::Timestamp {
    std::time::SystemTime::now().into()
}
