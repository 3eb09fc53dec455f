//! What a decision consists of, and how it becomes events for the log.

use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

use crate::committed::Committed;
use crate::effect::Effect;

/// One event of a decision, before the log gave it a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The stream it goes to.
    pub stream: StreamId,
    /// The fact.
    pub event: Event,
    /// Who caused it; absent: the command's actor.
    pub actor: Option<Actor>,
    /// Index of the event of the same decision that caused it.
    pub causation: Option<usize>,
    /// The piece of work, when it is another than the command's.
    pub correlation: Option<CorrelationId>,
}

/// One event of a decision with the outside work that follows once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The event.
    pub decided: Decided,
    /// Its effects, in order; the index of each is its `EffectId::index`.
    pub effects: Vec<Effect>,
}

/// Id of the event at `index` of the command's decision.
#[must_use]
pub fn event_id(command_id: CommandId, index: usize) -> EventId {
    EventId::derived(command_id.uuid(), &index.to_string())
}

impl Decided {
    /// The event as it is appended. `now` is the time the decision was made at; `config_position` is
    /// [`crate::State::config_position`] before the decision.
    #[must_use]
    pub fn new_event(
        &self,
        commanded: &Commanded,
        index: usize,
        now: Timestamp,
        config_position: Position,
    ) -> NewEvent {
        NewEvent {
            id: event_id(commanded.command_id, index),
            stream: self.stream.clone(),
            event_type: self.event.event_type().into(),
            time: now,
            command_id: commanded.command_id,
            correlation_id: self.correlation.unwrap_or(commanded.correlation_id),
            causation_id: self.causation.map(|cause| event_id(commanded.command_id, cause)),
            actor: self.actor.clone().unwrap_or_else(|| commanded.actor.clone()),
            config_position,
            traceparent: commanded.traceparent.clone(),
            data_subject_id: commanded
                .data_subject_id
                .filter(|_| carries_personal_data(&self.event)),
            payload: self.event.encode(),
        }
    }

    /// The event as it is committed at `position`.
    #[must_use]
    pub fn committed(
        self,
        commanded: &Commanded,
        index: usize,
        now: Timestamp,
        position: Position,
    ) -> Committed {
        Committed {
            position,
            id: event_id(commanded.command_id, index),
            stream: self.stream,
            time: now,
            command_id: commanded.command_id,
            correlation_id: self.correlation.unwrap_or(commanded.correlation_id),
            actor: self.actor.unwrap_or_else(|| commanded.actor.clone()),
            event: self.event,
        }
    }
}

/// One decision may touch several customers (a freed agent takes another's call), but sealed fields are
/// only in events made from the command's own input.
fn carries_personal_data(event: &Event) -> bool {
    matches!(
        event,
        Event::InteractionCreated(_)
            | Event::MessageReceived(_)
            | Event::MessageSent(_)
            | Event::FlowInputCollected(_)
            | Event::EdgeRequestRefused(_)
    )
}
