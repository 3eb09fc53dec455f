//! Events and options for tests of the log.
#![allow(dead_code, reason = "every test uses a part of it")]

use std::sync::Arc;

use ledgerline_event_store::{Append, Expected, Options};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId, SubjectId};
use ledgerline_schemas::{Actor, ActorType, NewEvent, Position, StreamId, Timestamp};

pub(crate) const ORG: OrgId = OrgId::from_u128(0xA11CE);

/// Small segments, so that every test has several.
pub(crate) fn small_segments() -> Options {
    Options {
        segment_bytes: 16 << 10,
        reserve_step_bytes: 4 << 10,
        open_files_max: 2,
        index_fan_in: 2,
        clock: Arc::new(|| Timestamp::from_micros(77)),
        ..Options::default()
    }
}

pub(crate) fn event(id: u128, stream: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new(stream),
        event_type: if id.is_multiple_of(2) { "queue.entered" } else { "agent.state_changed" }
            .into(),
        time: Timestamp::from_micros(id as i64),
        command_id: CommandId::from_u128(id ^ 1),
        correlation_id: CorrelationId::from_u128(id ^ 2),
        causation_id: id.is_multiple_of(3).then_some(EventId::from_u128(id ^ 3)),
        actor: Actor::new(ActorType::Agent, id % 5),
        config_position: Position(id as u64 % 9),
        traceparent: id.is_multiple_of(5).then(|| "00-trace".to_owned()),
        data_subject_id: id.is_multiple_of(7).then_some(SubjectId::from_u128(id)),
        payload: id.to_le_bytes().repeat(id as usize % 20),
    }
}

pub(crate) fn append(events: Vec<NewEvent>) -> Append {
    Append { events, expected: Vec::new() }
}

pub(crate) fn expecting(events: Vec<NewEvent>, stream: &str, expected: Expected) -> Append {
    Append { events, expected: vec![(StreamId::new(stream), expected)] }
}
