//! A row as canonical events, in the order of the stages: the clocks of a source may disagree by seconds.

use std::collections::BTreeMap;

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::flow::{FlowEnded, FlowExit, FlowStarted};
use ledgerline_schemas::event::interaction::{
    AttributeChange, Direction, InteractionAttributesSet, InteractionCreated, InteractionEnded,
    LastStage, Relationship, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::leg::{LegConnected, LegDisconnected, LegEndReason};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::{Actor, NewEvent, StreamId, Timestamp};

use super::entities::Entities;
use super::ids::{Ids, RowIds};
use super::quirk::Quirk;
use super::row::{Row, Service, Stay};

/// Attribute under which an interaction tells what the importer chose or ignored.
const QUIRKS_ATTRIBUTE: &str = "import_quirks";

/// Makes the events of rows.
pub(super) struct EventMaker<'a> {
    pub(super) channel: ChannelType,
    pub(super) ids: Ids,
    pub(super) actor: &'a Actor,
    pub(super) entities: &'a Entities,
}

impl EventMaker<'_> {
    /// The events of a row; all go to the interaction's stream.
    pub(super) fn events(&self, row: &Row) -> Vec<NewEvent> {
        let ids = self.ids.row(&row.key);
        let stream = StreamId::interaction(ids.interaction());
        self.facts(row, ids)
            .into_iter()
            .enumerate()
            .map(|(index, (time, event))| NewEvent {
                id: ids.event(index),
                stream: stream.clone(),
                event_type: event.event_type().into(),
                time,
                command_id: ids.command(),
                correlation_id: ids.correlation(),
                causation_id: None,
                actor: self.actor.clone(),
                config_position: self.entities.config_position,
                traceparent: None,
                data_subject_id: None,
                payload: event.encode(),
            })
            .collect()
    }

    fn facts(&self, row: &Row, ids: RowIds) -> Vec<(Timestamp, Event)> {
        let interaction_id = ids.interaction();
        let mut facts: Vec<(Timestamp, Event)> = Vec::with_capacity(9);
        let created = InteractionCreated {
            interaction_id,
            channel_type: self.channel,
            channel_sub_type: None,
            direction: Direction::Inbound,
            entry_point_id: self.entities.flow.map(|(entry_point_id, _)| entry_point_id),
            origin: None,
            destination: None,
            customer_code: row.customer.clone(),
            parent_interaction_id: None,
            relationship: Relationship::None,
            reason: (!row.queue.is_empty()).then(|| row.queue.clone()),
            preferred_agent_id: None,
            campaign_id: None,
            media_ref: Some(row.key.clone()),
        };
        facts.push((row.began, created.into()));
        if let Some(noted) = noted(row, interaction_id) {
            facts.push((row.began, noted.into()));
        }
        if let Some((_, flow_id)) = self.entities.flow {
            let run_id = ids.run();
            let started =
                FlowStarted { interaction_id, flow_id, flow_version: 0, flow_tag: None, run_id };
            let exit = if row.stay.is_some() { FlowExit::Queued } else { FlowExit::CustomerLeft };
            facts.push((row.began, started.into()));
            facts.push((row.flow_ended, FlowEnded { interaction_id, run_id, exit }.into()));
        }
        let (ended_at, last_stage) = match &row.stay {
            None => (row.flow_ended, LastStage::Ivr),
            Some(stay) => self.stay(row, stay, ids, &mut facts),
        };
        // A source without "who hung up" tells it only of callers who were never answered.
        let (terminating_end, reason) = match last_stage {
            LastStage::Connected => (TerminatingEnd::Unknown, TerminationReason::Unknown),
            _ => (TerminatingEnd::Customer, TerminationReason::CustomerLeft),
        };
        let ended = InteractionEnded { interaction_id, terminating_end, reason, last_stage };
        facts.push((ended_at, ended.into()));
        facts
    }

    fn stay(
        &self,
        row: &Row,
        stay: &Stay,
        ids: RowIds,
        facts: &mut Vec<(Timestamp, Event)>,
    ) -> (Timestamp, LastStage) {
        let (interaction_id, leg_id) = (ids.interaction(), ids.leg());
        let queue = self.entities.queues.get(&row.queue);
        let queue_id = queue.map(|queue| queue.queue_id).unwrap_or_default();
        let entered = QueueEntered {
            interaction_id,
            leg_id,
            queue_id,
            leg_no: 1,
            priority: row.priority,
            wait_credit_ms: queue.map_or(0, |queue| queue.credit_ms(row.priority)),
            requirements: Vec::new(),
            preferred_agent_id: None,
            source: QueueSource::Import,
        };
        let reason = match stay.service {
            Some(_) => QueueLeaveReason::Assigned,
            None => QueueLeaveReason::Abandoned,
        };
        let left = QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: stay.wait_ms };
        facts.push((stay.entered, entered.into()));
        facts.push((stay.left, left.into()));
        let Some(Service { agent, began, ended, service_ms }) = &stay.service else {
            return (stay.left, LastStage::Queue);
        };
        let agent_id = self.entities.agents.get(agent).copied().unwrap_or_default();
        let connected = LegConnected {
            interaction_id,
            leg_id,
            queue_id,
            agent_id,
            agent_session_id: None,
            team_id: None,
            site_id: None,
            offer_id: None,
        };
        let disconnected = LegDisconnected {
            interaction_id,
            leg_id,
            agent_id,
            reason: LegEndReason::Unknown,
            connected_ms: *service_ms,
        };
        facts.push((*began, connected.into()));
        facts.push((*ended, disconnected.into()));
        (*ended, LastStage::Connected)
    }
}

fn noted(row: &Row, interaction_id: InteractionId) -> Option<InteractionAttributesSet> {
    let names: Vec<&str> =
        row.quirks.iter().filter(|quirk| quirk.is_noted()).map(Quirk::name).collect();
    if names.is_empty() {
        return None;
    }
    let change = AttributeChange { old: None, new: Some(names.join(",")) };
    Some(InteractionAttributesSet {
        interaction_id,
        changes: BTreeMap::from([(QUIRKS_ATTRIBUTE.to_owned(), change)]),
        sensitive: BTreeMap::new(),
    })
}
