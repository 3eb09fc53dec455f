//! Access events: who asked what, and who was refused. Appended to the log of the principal's own
//! organization, in a stream of its own per principal.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_access::Principal;
use ledgerline_event_store::{Append, EventWriter};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, ActorType, Event, NewEvent, Position, StreamId, Timestamp};
use uuid::Uuid;

use crate::ports::{AccessRecorder, Recording};

/// Longest principal part of a stream name, bytes.
const SLUG_BYTES_MAX: usize = 150;

/// Gives the writing side of an organization's log.
pub trait WriterSource: Send + Sync + fmt::Debug + 'static {
    /// The log; `None` when the organization is unknown.
    fn writer(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>>;
}

/// Records access events on the log.
#[derive(Debug)]
pub struct LogRecorder<W> {
    writers: W,
}

impl<W: WriterSource> LogRecorder<W> {
    /// A recorder that appends to these logs.
    pub const fn new(writers: W) -> Self {
        Self { writers }
    }
}

impl<W: WriterSource> AccessRecorder for LogRecorder<W> {
    fn record(&self, principal: &Principal, event: Event) -> Recording<'_> {
        let writer = self.writers.writer(principal.org_id);
        let append = Append { events: vec![access_event(principal, &event)], expected: Vec::new() };
        Box::pin(async move {
            let writer = writer.ok_or("the organization has no log")?;
            let submitted = writer.submit(append).map_err(|error| error.to_string())?;
            submitted.await.map_err(|error| error.to_string())?;
            Ok(())
        })
    }
}

/// An access event of a principal, ready to be appended.
#[must_use]
pub fn access_event(principal: &Principal, event: &Event) -> NewEvent {
    access_event_of(&principal.subject, event)
}

/// An access event of a token's subject or a database user, ready to be appended.
#[must_use]
pub fn access_event_of(subject: &str, event: &Event) -> NewEvent {
    let command = Uuid::now_v7();
    NewEvent {
        id: EventId::derived(command, "0"),
        stream: access_stream(subject),
        event_type: event.event_type().into(),
        time: now(),
        command_id: CommandId::new(command),
        correlation_id: CorrelationId::new(command),
        causation_id: None,
        actor: Actor::new(ActorType::Analyst, subject),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}

/// The stream of a subject's reads. Characters that a stream name may not have become `-`.
#[must_use]
pub fn access_stream(subject: &str) -> StreamId {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.:-".contains(c);
    let lower = subject.to_ascii_lowercase();
    let slug: String =
        lower.chars().map(|c| if allowed(c) { c } else { '-' }).take(SLUG_BYTES_MAX).collect();
    StreamId::access(if slug.is_empty() { "unknown" } else { &slug })
}

fn now() -> Timestamp {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
