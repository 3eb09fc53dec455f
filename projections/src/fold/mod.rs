//! The folds: one event at a time, from the log to the rows of every table.

mod activity;
mod agent;
mod config;
mod conversation;
mod interaction;
mod interval;
mod journal;
mod live;
mod offer;
mod queue;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{InteractionId, LegId, OrgId, QueueId, TeamId, UserId};
use ledgerline_schemas::{Header, Position, Recorded, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fold::agent::{Agent, TeamCount};
use crate::fold::config::Config;
use crate::fold::interaction::Interaction;
pub(crate) use crate::fold::settle::Final;
use crate::hot::{Appended, Keyed, Sink};
use crate::tables::{
    AgentActivity, AgentLive, AgentSession, ConfigEntity, CustomerActivity, CustomerSession,
    EventLog, QueueInterval, QueueLeg, QueueLive, RoutingDecision,
};

/// Changes whenever the same log would give other rows; tables of another version are built anew.
pub(crate) const VERSION: u32 = 1;

/// The rows of every table that are in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tables {
    pub(crate) agent_activity: Keyed<AgentActivity>,
    pub(crate) agent_live: Keyed<AgentLive>,
    pub(crate) agent_session: Keyed<AgentSession>,
    pub(crate) config_entity: Keyed<ConfigEntity>,
    pub(crate) customer_activity: Keyed<CustomerActivity>,
    pub(crate) customer_session: Keyed<CustomerSession>,
    pub(crate) queue_interval: Keyed<QueueInterval>,
    pub(crate) queue_leg: Keyed<QueueLeg>,
    pub(crate) queue_live: Keyed<QueueLive>,
    #[serde(skip)]
    pub(crate) event_log: Appended<EventLog>,
    #[serde(skip)]
    pub(crate) routing_decision: Appended<RoutingDecision>,
}

/// Everything the folds remember. Equal logs give equal folds, however they were read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fold {
    pub(crate) org_id: OrgId,
    /// Every event up to here is in.
    pub(crate) position: Position,
    pub(crate) tables: Tables,
    config: Config,
    interactions: BTreeMap<InteractionId, Interaction>,
    agents: BTreeMap<UserId, Agent>,
    teams: BTreeMap<TeamId, TeamCount>,
    /// Waiting legs by entry.
    waiting: BTreeMap<QueueId, BTreeSet<(Timestamp, LegId)>>,
}

/// The event being folded and where its changes go.
struct At<'a> {
    header: &'a Header,
    sink: &'a mut Sink,
}

impl At<'_> {
    const fn time(&self) -> Timestamp {
        self.header.time
    }
}

fn text(value: &str) -> Arc<str> {
    Arc::from(value)
}

impl Fold {
    /// Nothing folded yet.
    pub(crate) fn new(org_id: OrgId) -> Self {
        Self {
            org_id,
            position: Position::START,
            tables: Tables::default(),
            config: Config::default(),
            interactions: BTreeMap::new(),
            agents: BTreeMap::new(),
            teams: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Folds the next event. Events of foreign or unknown types appear in `event_log` only.
    pub(crate) fn apply(&mut self, recorded: &Recorded, sink: &mut Sink) {
        sink.position = recorded.header.position;
        let event = recorded.decode().ok();
        self.journal(recorded, event.as_ref(), sink);
        if let Some(event) = event {
            let mut at = At { header: &recorded.header, sink };
            self.dispatch(&mut at, &event);
        }
        self.position = recorded.header.position;
    }

    fn dispatch(&mut self, at: &mut At<'_>, event: &Event) {
        match event {
            Event::InteractionCreated(it) => self.interaction_created(at, it),
            Event::InteractionPrioritySet(it) => self.interaction_priority_set(at, it),
            Event::InteractionEnded(it) => self.interaction_ended(at, it),
            Event::InteractionFailed(it) => self.interaction_failed(at, it),
            Event::FlowStarted(it) => self.flow_started(at, it),
            Event::FlowEnded(it) => self.flow_ended(at, it),
            Event::QueueEntered(it) => self.queue_entered(at, it),
            Event::QueueGroupEscalated(it) => self.queue_group_escalated(at, it),
            Event::QueueRequirementsRelaxed(it) => self.queue_requirements_relaxed(at, it),
            Event::QueueLeft(it) => self.queue_left(at, it),
            Event::RoutingDecisionMade(it) => self.routing_decision_made(at, it),
            Event::OfferMade(it) => self.offer_made(at, it),
            Event::OfferAccepted(it) => self.offer_accepted(at, it),
            Event::OfferRejected(it) => self.offer_rejected(at, it),
            Event::OfferTimedOut(it) => self.offer_timed_out(at, it),
            Event::OfferRescinded(it) => self.offer_rescinded(at, it),
            Event::OfferFailed(it) => self.offer_failed(at, it),
            Event::LegConnected(it) => self.leg_connected(at, it),
            Event::LegDisconnected(it) => self.leg_disconnected(at, it),
            Event::HoldStarted(it) => self.hold_started(at, it),
            Event::HoldEnded(it) => self.hold_ended(at, it),
            Event::ConsultRequested(it) => self.consult_requested(at, it),
            Event::ConsultAnswered(it) => self.consult_answered(at, it),
            Event::ConsultEnded(it) => {
                self.consult_over(at, it.interaction_id, it.consult_id, None)
            }
            Event::ConsultFailed(it) => {
                self.consult_over(at, it.interaction_id, it.consult_id, Some(&it.code));
            }
            Event::ConferenceStarted(it) => self.conference_started(at, it),
            Event::ConferenceEnded(it) => self.conference_ended(at, it),
            Event::TransferRequested(it) => self.transfer_requested(at, it),
            Event::TransferCompleted(it) => self.transfer_completed(at, it),
            Event::TransferFailed(it) => self.transfer_failed(at, it),
            Event::PostCallStarted(it) => self.post_call(at, it.interaction_id, it.leg_id, true),
            Event::PostCallEnded(it) => self.post_call(at, it.interaction_id, it.leg_id, false),
            Event::WrapUpStarted(it) => self.wrapup_started(at, it),
            Event::WrapUpCodeSet(it) => self.wrapup_code_set(at, it),
            Event::WrapUpEnded(it) => self.wrapup_ended(at, it),
            Event::AgentSessionStarted(it) => self.agent_session_started(at, it),
            Event::AgentSessionEnded(it) => self.agent_session_ended(at, it),
            Event::AgentStateChanged(it) => self.agent_state_changed(at, it),
            Event::AgentDeviceChanged(it) => self.agent_device_changed(at, it),
            Event::CallbackRequested(it) => self.callback_requested(at, it),
            Event::MessageReceived(it) => {
                self.session(at, it.interaction_id, |row| row.message_received_count += 1);
            }
            Event::MessageSent(it) => {
                self.session(at, it.interaction_id, |row| row.message_sent_count += 1);
            }
            Event::Config(it) => self.config_changed(at, it),
            // The rest is history to be read in `event_log`; no other table has a column for it.
            _ => {}
        }
    }
}
