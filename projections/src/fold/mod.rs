//! The folds: one event at a time, from the log to the rows of every table.

mod access;
mod activity;
mod agent;
mod agent_interval;
mod alert;
mod callback;
mod campaign;
mod config;
mod conversation;
mod entry_point;
mod ewt;
mod feedback;
mod interaction;
mod interval;
mod journal;
mod live;
mod message;
mod metric;
mod monitor;
mod offer;
mod queue;
mod recording;
mod retention;
mod settle;
mod staff;
mod today;
mod trace;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EntityId, InteractionId, LegId, OrgId, QueueId, TeamId, UserId};
use ledgerline_schemas::{Header, Position, Recorded, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fold::agent::Agent;
use crate::fold::agent_interval::Settled;
use crate::fold::config::Config;
use crate::fold::ewt::Waits;
use crate::fold::interaction::Interaction;
pub(crate) use crate::fold::settle::Final;
use crate::fold::staff::TeamCount;
use crate::hashed::Hashed;
use crate::hot::{Appended, Keyed, KeyedInOrder, Sink};
use crate::retention::Retention;
use crate::tables::{
    AccessLog, AgentActivity, AgentInterval, AgentLive, AgentSession, Alerts, Callback,
    CampaignContact, ConfigEntity, ConfigHistory, CustomerActivity, CustomerSession,
    EntryPointInterval, EntryPointLive, EventLog, Feedback, FlowLive, FlowTrace, InteractionLive,
    IntervalCurrent, Message, MetricDefinition, MonitorSession, Offer, QueueInterval, QueueLeg,
    QueueLive, Recording, RetentionStatus, RoutingCandidate, RoutingDecision, RoutingOrder,
    SiteLive, TeamLive,
};

/// Changes whenever the same log would give other rows; tables of another version are built anew.
pub(crate) const VERSION: u32 = 6;

/// The rows of every table that are in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tables {
    pub(crate) agent_activity: Keyed<AgentActivity>,
    pub(crate) agent_interval: Keyed<AgentInterval>,
    pub(crate) agent_live: Keyed<AgentLive>,
    pub(crate) agent_session: Keyed<AgentSession>,
    pub(crate) alerts: Keyed<Alerts>,
    pub(crate) callback: Keyed<Callback>,
    pub(crate) campaign_contact: Keyed<CampaignContact>,
    pub(crate) config_entity: Keyed<ConfigEntity>,
    pub(crate) config_history: Keyed<ConfigHistory>,
    pub(crate) customer_activity: Keyed<CustomerActivity>,
    pub(crate) customer_session: Keyed<CustomerSession>,
    pub(crate) entry_point_interval: KeyedInOrder<EntryPointInterval>,
    pub(crate) entry_point_live: Keyed<EntryPointLive>,
    pub(crate) feedback: Keyed<Feedback>,
    pub(crate) flow_live: Keyed<FlowLive>,
    pub(crate) flow_trace: Keyed<FlowTrace>,
    pub(crate) interaction_live: Keyed<InteractionLive>,
    pub(crate) interval_current: Keyed<IntervalCurrent>,
    pub(crate) message: Keyed<Message>,
    pub(crate) metric_definition: Keyed<MetricDefinition>,
    pub(crate) monitor_session: Keyed<MonitorSession>,
    pub(crate) offer: Keyed<Offer>,
    pub(crate) queue_interval: KeyedInOrder<QueueInterval>,
    pub(crate) queue_leg: Keyed<QueueLeg>,
    pub(crate) queue_live: Keyed<QueueLive>,
    pub(crate) recording: Keyed<Recording>,
    pub(crate) retention_status: Keyed<RetentionStatus>,
    pub(crate) site_live: Keyed<SiteLive>,
    pub(crate) team_live: Keyed<TeamLive>,
    #[serde(skip)]
    pub(crate) access_log: Appended<AccessLog>,
    #[serde(skip)]
    pub(crate) event_log: Appended<EventLog>,
    #[serde(skip)]
    pub(crate) routing_candidate: Appended<RoutingCandidate>,
    #[serde(skip)]
    pub(crate) routing_decision: Appended<RoutingDecision>,
    #[serde(skip)]
    pub(crate) routing_order: Appended<RoutingOrder>,
}

/// Everything the folds remember. Equal logs give equal folds, however they were read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fold {
    pub(crate) org_id: OrgId,
    /// Every event up to here is in.
    pub(crate) position: Position,
    pub(crate) tables: Tables,
    config: Config,
    interactions: Hashed<InteractionId, Interaction>,
    agents: BTreeMap<UserId, Agent>,
    teams: BTreeMap<TeamId, TeamCount>,
    /// Waiting legs by entry.
    waiting: BTreeMap<QueueId, BTreeSet<(Timestamp, LegId)>>,
    /// Waits of the legs answered last.
    waits: BTreeMap<QueueId, Waits>,
    /// End of the newest quarter of an hour that an event reached.
    border: Timestamp,
    settled_quarters: Settled,
    /// Position of the last version of a metric of the product.
    metric_versions: BTreeMap<Arc<str>, Position>,
    /// Name and position of the metrics that the organization defines, as far as they are in force.
    own_metrics: BTreeMap<EntityId, (Arc<str>, Position)>,
    /// What is kept of the tables.
    pub(crate) retention: Arc<Retention>,
    /// Interactions that the event being folded changed; empty between events.
    #[serde(skip)]
    touched: Vec<InteractionId>,
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
            interactions: Hashed::default(),
            agents: BTreeMap::new(),
            teams: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waits: BTreeMap::new(),
            border: Timestamp::EPOCH,
            settled_quarters: Settled::default(),
            metric_versions: BTreeMap::new(),
            own_metrics: BTreeMap::new(),
            retention: Arc::default(),
            touched: Vec::new(),
        }
    }

    /// Folds the next event. Events of foreign or unknown types appear in `event_log` only.
    pub(crate) fn apply(&mut self, recorded: &Recorded, sink: &mut Sink) {
        sink.position = recorded.header.position;
        let event = recorded.decode().ok();
        self.journal(recorded, event.as_ref(), sink);
        if let Some(event) = event {
            let mut at = At { header: &recorded.header, sink };
            // The times of other systems' events are theirs.
            if at.time() >= self.border && !matches!(event, Event::ExternalEvent(_)) {
                self.border_reached(&mut at);
            }
            self.dispatch(&mut at, &event);
            self.touched_shown(&mut at);
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
            Event::FlowStepEntered(it) => self.flow_step_entered(at, it),
            Event::FlowStepExited(it) => self.flow_step_exited(at, it),
            Event::FlowHttpCalled(it) => self.flow_http_called(at, it),
            Event::FlowInputCollected(it) => self.flow_input_collected(at, it),
            Event::FlowError(it) => self.flow_error(at, it),
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
            Event::CallbackDialling(it) => self.callback_dialling(at, it),
            Event::CallbackConnected(it) => self.callback_connected(at, it),
            Event::CallbackFailed(it) => self.callback_failed(at, it),
            Event::CallbackCancelled(it) => self.callback_cancelled(at, it),
            Event::CallbackCompleted(it) => self.callback_completed(at, it),
            Event::MessageReceived(it) => self.message_received(at, it),
            Event::MessageSent(it) => self.message_sent(at, it),
            Event::MessageDelivered(it) => self.message_delivered(at, it),
            Event::MessageRead(it) => self.message_read(at, it),
            Event::MessageFailed(it) => self.message_failed(at, it),
            Event::RecordingStarted(it) => self.recording_started(at, it),
            Event::RecordingPaused(it) => self.recording_paused(at, it),
            Event::RecordingResumed(it) => self.recording_resumed(at, it),
            Event::RecordingStopped(it) => self.recording_stopped(at, it),
            Event::RecordingAvailable(it) => self.recording_available(at, it),
            Event::RecordingDeleted(it) => self.recording_deleted(at, it),
            Event::MonitorStarted(it) => self.monitor_started(at, it),
            Event::MonitorBargedIn(it) => self.monitor_barged_in(at, it),
            Event::MonitorWhispered(it) => self.monitor_whispered(at, it),
            Event::MonitorEnded(it) => self.monitor_ended(at, it),
            Event::FeedbackOffered(it) => self.feedback_offered(at, it),
            Event::FeedbackAnswered(it) => self.feedback_answered(at, it),
            Event::FeedbackCompleted(it) => self.feedback_completed(at, it),
            Event::CampaignContactLoaded(it) => self.campaign_contact_loaded(at, it),
            Event::CampaignContactReserved(it) => self.campaign_contact_reserved(at, it),
            Event::CampaignContactPreviewed(it) => self.campaign_contact_previewed(at, it),
            Event::CampaignContactDialled(it) => self.campaign_contact_dialled(at, it),
            Event::CampaignContactResult(it) => self.campaign_contact_result(at, it),
            Event::CampaignContactSuppressed(it) => self.campaign_contact_suppressed(at, it),
            Event::MetricDefinitionPublished(it) => self.metric_definition_published(at, it),
            Event::AlertFired(it) => self.alert_fired(at, it),
            Event::AlertCleared(it) => self.alert_cleared(at, it),
            Event::RetentionApplied(it) => self.retention_applied(at, it),
            Event::AccessQueryRun(it) => self.access_query_run(at, it),
            Event::AccessLogRead(it) => self.access_log_read(at, it),
            Event::AccessHistoryViewed(it) => self.access_history_viewed(at, it),
            Event::AccessRevealed(it) => self.access_revealed(at, it),
            Event::AccessDenied(it) => self.access_denied(at, it),
            Event::AccessReportRun(it) => self.access_report_run(at, it),
            Event::AccessReportDelivered(it) => self.access_report_delivered(at, it),
            Event::Config(it) => self.config_changed(at, it),
            // The rest is history to be read in `event_log`; no other table has a column for it.
            _ => {}
        }
    }
}
