//! Events for the cases.

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, SubjectId};
use ledgerline_schemas::{Actor, ActorType, NewEvent, Position, StreamId, Timestamp};

use super::Log;
use crate::log::{Append, AppendError, Appended, Expected};

/// An event of its own for each number, with every optional part now and then.
pub(super) fn event(number: u64, stream: &str) -> NewEvent {
    let id = u128::from(number) + 1;
    NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new(stream),
        event_type: if number.is_multiple_of(2) { "queue.entered" } else { "agent.state_changed" }
            .into(),
        time: Timestamp::from_micros(i64::try_from(number).unwrap_or_default() - 10),
        command_id: CommandId::from_u128(id << 16),
        correlation_id: CorrelationId::from_u128(id << 32),
        causation_id: number.is_multiple_of(3).then_some(EventId::from_u128(id << 48)),
        actor: Actor::new(ActorType::Agent, number % 5),
        config_position: Position(number % 9),
        traceparent: number
            .is_multiple_of(5)
            .then(|| "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        data_subject_id: number.is_multiple_of(7).then_some(SubjectId::from_u128(id << 64)),
        payload: number.to_le_bytes().repeat(usize::try_from(number % 20).unwrap_or_default()),
    }
}

pub(super) fn of(events: Vec<NewEvent>) -> Append {
    Append { events, expected: Vec::new() }
}

pub(super) fn expecting(events: Vec<NewEvent>, stream: &str, expected: Expected) -> Append {
    Append { events, expected: vec![(StreamId::new(stream), expected)] }
}

/// Appends and waits.
pub(super) async fn put(log: &Log, append: Append) -> Result<Appended, AppendError> {
    log.submit(append)?.await
}

/// Appends, which must work.
pub(super) async fn must(log: &Log, append: Append) -> Result<Appended, String> {
    put(log, append).await.map_err(|error| format!("an append failed: {error}"))
}

/// `count` events in three streams, three an append; the streams in the order of the events.
pub(super) async fn fill(log: &Log, count: u64) -> Result<Vec<NewEvent>, String> {
    let names = ["interaction-1", "interaction-2", "agent-7"];
    let events: Vec<NewEvent> = (0..count)
        .zip(names.into_iter().cycle())
        .map(|(number, stream)| event(number, stream))
        .collect();
    for some in events.chunks(3) {
        must(log, of(some.to_vec())).await?;
    }
    Ok(events)
}
