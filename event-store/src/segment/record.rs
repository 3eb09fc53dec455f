//! The record codec: one event inside a frame. Position and `recorded_at` follow from the frame.
//!
//! ```text
//!  0 bytes u32, whole record       4 flags u8 (1 causation, 2 traceparent, 4 data subject)
//!  5 actor kind u8                 6 stream bytes u8      7 type bytes u8
//!  8 actor id bytes u8             9 traceparent bytes u8 10 zeros
//! 12 version u64                  20 time i64 µs         28 config position u64
//! 36 event id 16                  52 command id 16       68 correlation id 16
//! 84 [causation id 16] [data subject id 16] stream | type | actor id | traceparent | payload
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId, SubjectId};
use ledgerline_schemas::{
    Actor, ActorType, Header, NewEvent, Position, Recorded, StreamId, Timestamp, Version,
};
use uuid::Uuid;

use super::Bytes;

const FIXED_BYTES: usize = 84;
const VERSION_AT: usize = 12;
const CAUSATION: u8 = 1;
const TRACEPARENT: u8 = 2;
const SUBJECT: u8 = 4;

/// Length of the record of an event.
pub(crate) fn record_bytes(event: &NewEvent) -> usize {
    let id = |present: bool| if present { 16 } else { 0 };
    FIXED_BYTES
        + id(event.causation_id.is_some())
        + id(event.data_subject_id.is_some())
        + event.stream.as_str().len()
        + event.event_type.len()
        + event.actor.id.len()
        + event.traceparent.as_ref().map_or(0, String::len)
        + event.payload.len()
}

/// Appends the record of an event to `out`. The event's lengths were checked against the limits.
pub(crate) fn encode(out: &mut Vec<u8>, event: &NewEvent, version: Version) {
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let flags = flag(event.causation_id.is_some(), CAUSATION)
        | flag(event.traceparent.is_some(), TRACEPARENT)
        | flag(event.data_subject_id.is_some(), SUBJECT);
    let traceparent = event.traceparent.as_deref().unwrap_or_default();
    let bytes = u32::try_from(record_bytes(event)).unwrap_or(u32::MAX);
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(&[
        flags,
        event.actor.kind.code(),
        short(event.stream.as_str().len()),
        short(event.event_type.len()),
        short(event.actor.id.len()),
        short(traceparent.len()),
        0,
        0,
    ]);
    out.extend_from_slice(&version.0.to_le_bytes());
    out.extend_from_slice(&event.time.micros().to_le_bytes());
    out.extend_from_slice(&event.config_position.0.to_le_bytes());
    out.extend_from_slice(event.id.uuid().as_bytes());
    out.extend_from_slice(event.command_id.uuid().as_bytes());
    out.extend_from_slice(event.correlation_id.uuid().as_bytes());
    if let Some(id) = event.causation_id {
        out.extend_from_slice(id.uuid().as_bytes());
    }
    if let Some(id) = event.data_subject_id {
        out.extend_from_slice(id.uuid().as_bytes());
    }
    for text in [event.stream.as_str(), &event.event_type, &event.actor.id, traceparent] {
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&event.payload);
}

/// Puts the versions of events into their records, one after the other.
pub(crate) fn set_versions(records: &mut [u8], versions: &[Version]) {
    let mut at = 0;
    for version in versions {
        let Some(record) = records.get_mut(at..) else { return };
        let bytes = record.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if let Some(place) = record.get_mut(VERSION_AT..VERSION_AT + 8) {
            place.copy_from_slice(&version.0.to_le_bytes());
        }
        at += bytes as usize;
    }
}

/// A record as it lies in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: EventId,
    pub(crate) version: Version,
    pub(crate) stream: &'a str,
    pub(crate) event_type: &'a str,
    time: Timestamp,
    config_position: Position,
    command_id: CommandId,
    correlation_id: CorrelationId,
    causation_id: Option<EventId>,
    data_subject_id: Option<SubjectId>,
    actor_kind: ActorType,
    actor_id: &'a str,
    traceparent: Option<&'a str>,
    payload: &'a [u8],
}

/// The records of a frame's body, in order. Ends early with `None` inside when the bytes are no records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a>(Bytes<'a>);

impl<'a> Records<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self(Bytes(body))
    }

    /// Steps over one record without looking into it.
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.take().map(|_| ())
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    fn take(&mut self) -> Option<Bytes<'a>> {
        let mut rest = self.0;
        let bytes = (rest.u32()? as usize).checked_sub(4)?;
        let record = rest.take(bytes)?;
        self.0 = rest;
        Some(Bytes(record))
    }

    /// The next record; `None` when the bytes are no record.
    pub(crate) fn read(&mut self) -> Option<Record<'a>> {
        let mut rest = self.take()?;
        let flags = rest.u8()?;
        let actor_kind = ActorType::from_code(rest.u8()?)?;
        let lengths = rest.array::<4>()?.map(usize::from);
        let [stream_bytes, type_bytes, actor_bytes, traceparent_bytes] = lengths;
        rest.take(2)?;
        let version = Version(rest.u64()?);
        let time = Timestamp::from_micros(rest.i64()?);
        let config_position = Position(rest.u64()?);
        let mut id = || rest.array::<16>().map(Uuid::from_bytes);
        let event_id = EventId::new(id()?);
        let command_id = CommandId::new(id()?);
        let correlation_id = CorrelationId::new(id()?);
        let causation_id = if flags & CAUSATION == 0 { None } else { Some(EventId::new(id()?)) };
        let data_subject_id = if flags & SUBJECT == 0 { None } else { Some(SubjectId::new(id()?)) };
        let mut text = |bytes: usize| std::str::from_utf8(rest.take(bytes)?).ok();
        let stream = text(stream_bytes)?;
        let event_type = text(type_bytes)?;
        let actor_id = text(actor_bytes)?;
        let traceparent = text(traceparent_bytes)?;
        Some(Record {
            id: event_id,
            version,
            stream,
            event_type,
            time,
            config_position,
            command_id,
            correlation_id,
            causation_id,
            data_subject_id,
            actor_kind,
            actor_id,
            traceparent: (flags & TRACEPARENT != 0).then_some(traceparent),
            payload: rest.0,
        })
    }
}

/// Event type names met so far: there are few, and every event has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeNames(BTreeSet<Arc<str>>);

/// Names kept; foreign types could be many.
const TYPE_NAMES_MAX: usize = 1_000;

impl TypeNames {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if self.0.len() < TYPE_NAMES_MAX {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}

impl Record<'_> {
    /// The event as it was before the log took it.
    pub(crate) fn to_new_event(self) -> NewEvent {
        NewEvent {
            id: self.id,
            stream: StreamId::new(self.stream),
            event_type: self.event_type.into(),
            time: self.time,
            command_id: self.command_id,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            actor: Actor { kind: self.actor_kind, id: self.actor_id.to_owned() },
            config_position: self.config_position,
            traceparent: self.traceparent.map(str::to_owned),
            data_subject_id: self.data_subject_id,
            payload: self.payload.to_vec(),
        }
    }

    /// The event, with what the frame and the log know about it.
    pub(crate) fn to_recorded(
        self,
        org_id: OrgId,
        position: Position,
        recorded_at: Timestamp,
        names: &mut TypeNames,
    ) -> Recorded {
        Recorded {
            header: Header {
                id: self.id,
                event_type: names.get(self.event_type),
                org_id,
                stream: StreamId::new(self.stream),
                version: self.version,
                position,
                time: self.time,
                recorded_at,
                command_id: self.command_id,
                correlation_id: self.correlation_id,
                causation_id: self.causation_id,
                actor: Actor { kind: self.actor_kind, id: self.actor_id.to_owned() },
                config_position: self.config_position,
                traceparent: self.traceparent.map(str::to_owned),
                data_subject_id: self.data_subject_id,
            },
            payload: self.payload.to_vec(),
        }
    }
}
