//! Events that change queues: calls that enter one, wait behind two hundred others, and are gone.

use std::time::Duration;

use ledgerline_event_store::{Append, EmbeddedLog, EventWriter as _};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, InteractionEnded, LastStage, Relationship, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, EventId, InteractionId, LegId, OrgId, QueueId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Failure, now_us};

/// The organization.
pub const ORG: OrgId = OrgId::from_u128(1);
/// Queues.
pub const QUEUES: u64 = 100;
/// Calls that wait at any time.
const WAITING: u64 = 200;
/// Events of an append: two that begin a call and two that end another.
const APPEND_EVENTS: u64 = 4;

/// Id of a queue.
#[must_use]
pub fn queue(number: u64) -> QueueId {
    QueueId::from_u128(0x9000 + u128::from(number))
}

/// Writes events.
#[derive(Debug, Default)]
pub struct Load {
    serial: u64,
    calls: u64,
}

/// The last position of an append, and when it was made.
pub type Appended = Vec<(u64, u64)>;

impl Load {
    /// Queues with names, and the first calls.
    ///
    /// # Errors
    /// When the log does not take them.
    pub async fn begin(&mut self, log: &EmbeddedLog) -> Result<(), Failure> {
        for number in 0..QUEUES {
            let document: Document = serde_json::from_value(
                json!({"name": format!("Queue {number:03}"), "channel_type": "voice"}),
            )?;
            let change = ConfigChange {
                kind: EntityKind::Queue,
                verb: ConfigVerb::Created,
                entity_id: EntityId::new(queue(number).uuid()),
                entity_version: 1,
                before_sha256: None,
                after: Some(document),
                changed_paths: Vec::new(),
                reason: None,
            };
            let event = self.event(change);
            log.submit(Append { events: vec![event], expected: Vec::new() })?.await?;
        }
        while self.calls < WAITING {
            let events = self.next();
            log.submit(Append { events, expected: Vec::new() })?.await?;
        }
        Ok(())
    }

    /// Appends at a rate (events a second) for a time; gives what was appended when, and the longest time that it fell
    /// behind.
    ///
    /// # Errors
    /// When the log does not take them.
    pub async fn go_on(
        &mut self,
        log: &EmbeddedLog,
        rate: u64,
        time: Duration,
    ) -> Result<(Appended, Duration), Failure> {
        let began = Instant::now();
        let (mut appended, mut behind) = (Vec::new(), Duration::ZERO);
        let mut waiting = JoinSet::new();
        for number in 0_u64.. {
            let after = Duration::from_secs_f64((number * APPEND_EVENTS) as f64 / rate as f64);
            if after >= time {
                break;
            }
            tokio::time::sleep_until(began + after).await;
            behind = behind.max(began.elapsed().saturating_sub(after));
            let events = self.next();
            let at = now_us();
            let submitted = log.submit(Append { events, expected: Vec::new() })?;
            appended.push((submitted.appended.last.0, at));
            waiting.spawn(submitted);
            while let Some(durable) = waiting.try_join_next() {
                durable??;
            }
        }
        while let Some(durable) = waiting.join_next().await {
            durable??;
        }
        Ok((appended, behind))
    }

    /// A call begins, and the one that has waited longest ends.
    fn next(&mut self) -> Vec<NewEvent> {
        let call = self.calls;
        self.calls += 1;
        let (interaction_id, leg_id) = ids(call);
        let mut events = vec![
            self.event(created(interaction_id)),
            self.event(entered(interaction_id, leg_id, queue(call % QUEUES))),
        ];
        let Some(oldest) = call.checked_sub(WAITING) else { return events };
        let (interaction_id, leg_id) = ids(oldest);
        let queue_id = queue(oldest % QUEUES);
        let reason = QueueLeaveReason::Abandoned;
        events.push(self.event(QueueLeft {
            interaction_id,
            leg_id,
            queue_id,
            reason,
            wait_ms: 1_000,
        }));
        events.push(self.event(InteractionEnded {
            interaction_id,
            terminating_end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            last_stage: LastStage::Queue,
        }));
        events
    }

    fn event(&mut self, event: impl Into<Event>) -> NewEvent {
        let event = event.into();
        self.serial += 1;
        NewEvent {
            id: EventId::from_u128(u128::from(self.serial)),
            stream: StreamId::new("load"),
            event_type: event.event_type().into(),
            time: Timestamp::from_micros(i64::try_from(now_us()).unwrap_or(i64::MAX)),
            command_id: Default::default(),
            correlation_id: Default::default(),
            causation_id: None,
            actor: Actor::router(),
            config_position: Position(1),
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        }
    }
}

fn ids(call: u64) -> (InteractionId, LegId) {
    (
        InteractionId::from_u128(0x1_0000_0000 + u128::from(call)),
        LegId::from_u128(0x2_0000_0000 + u128::from(call)),
    )
}

fn created(interaction_id: InteractionId) -> InteractionCreated {
    InteractionCreated {
        interaction_id,
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: None,
        origin: None,
        destination: None,
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
}

fn entered(interaction_id: InteractionId, leg_id: LegId, queue_id: QueueId) -> QueueEntered {
    QueueEntered {
        interaction_id,
        leg_id,
        queue_id,
        leg_no: 1,
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source: QueueSource::Flow,
    }
}
