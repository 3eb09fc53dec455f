//! A refused erasure is on record like a carried out one: who tried is for the auditor to know.

use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_access::Action;
use ledgerline_event_store::Append;
use ledgerline_event_store::log::AppendError;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::access::AccessDenied;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{ActorType, NewEvent, Position, StreamId, Timestamp};
use uuid::Uuid;

use crate::http::Caller;

/// Stream of refused erasures: there is no person yet whose stream it could be.
const STREAM: &str = "erasures";

/// Records that the caller may not erase anybody; durable when this returns.
pub(super) async fn record(caller: &Caller, action: Action) -> Result<(), AppendError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let command = Uuid::now_v7();
    let event = Event::from(AccessDenied {
        principal: caller.principal.subject.clone(),
        action: action.to_string(),
        reason: "none of the token's roles may".to_owned(),
    });
    let event = NewEvent {
        id: EventId::derived(command, "denied"),
        stream: StreamId::access(STREAM),
        event_type: event.event_type().into(),
        time: Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        command_id: CommandId::new(command),
        correlation_id: CorrelationId::new(command),
        causation_id: None,
        actor: caller.actor(ActorType::Admin),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    let append = Append { events: vec![event], expected: Vec::new() };
    caller.organization.log.submit(append)?.await.map(|_| ())
}
