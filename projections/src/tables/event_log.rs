//! `event_log`: one row per event.

use std::sync::Arc;

use ledgerline_schemas::id::{
    CommandId, CorrelationId, EventId, InteractionId, LegId, QueueId, SubjectId, UserId,
};
use ledgerline_schemas::{ActorType, Position, StreamId, Timestamp};

use crate::column::JsonText;

table! {
    /// Every event of the organization, foreign ones included. Personal data in `data` is sealed.
    EventLog = "event_log", key Position = [position], sort [position], live false;
    /// Place in the organization's log, from 1.
    position: Position,
    /// The event's own id.
    event_id: EventId,
    /// Type, such as `queue.left`.
    event_type: Arc<str>,
    /// The stream.
    stream: StreamId,
    /// Place in the stream, from 0.
    version: u64,
    /// When it happened.
    time: Timestamp,
    /// When it was logged.
    recorded_at: Timestamp,
    /// Kind of party that caused it.
    actor_type: ActorType,
    /// Which one.
    actor_id: Arc<str>,
    /// The interaction it is about.
    interaction_id: Option<InteractionId>,
    /// The leg it is about.
    leg_id: Option<LegId>,
    /// The queue it is about.
    @Queue queue_id: Option<QueueId>,
    /// The agent it is about.
    agent_id: Option<UserId>,
    /// The command whose decision it is part of.
    command_id: CommandId,
    /// The piece of work it belongs to.
    correlation_id: CorrelationId,
    /// The event that caused it.
    causation_id: Option<EventId>,
    /// Newest configuration event the decision saw.
    config_position: Position,
    /// W3C trace context.
    traceparent: Option<Arc<str>>,
    /// Whose key seals the personal data in `data`.
    data_subject_id: Option<SubjectId>,
    /// The payload (JSON); null when it is not of our vocabulary.
    data: Option<JsonText>,
    /// The payload's bytes in base64 when it is not of our vocabulary (foreign events).
    data_base64: Option<Arc<str>>,
}
