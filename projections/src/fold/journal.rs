//! `event_log`, `routing_decision`, `routing_candidate`, `routing_order`: what is written once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_schemas::Recorded;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::routing::RoutingDecisionMade;
use ledgerline_schemas::id::{InteractionId, LegId, QueueId, UserId};

use crate::column::{Json, JsonText};
use crate::fold::{At, Fold, text};
use crate::hot::Sink;
use crate::tables::{EventLog, RoutingCandidate, RoutingDecision, RoutingOrder};

/// What an event is about.
#[derive(Default)]
struct About {
    interaction_id: Option<InteractionId>,
    leg_id: Option<LegId>,
    queue_id: Option<QueueId>,
    agent_id: Option<UserId>,
}

macro_rules! about {
    ($it:ident: $($field:ident $(= $value:expr)?),*) => {
        About { $($field: about!(@ $it $field $($value)?),)* ..About::default() }
    };
    (@ $it:ident $field:ident) => { Some($it.$field) };
    (@ $it:ident $field:ident $value:expr) => { $value };
}

macro_rules! interaction_only {
    ($event:expr, $($variant:ident),*) => {
        match $event {
            $(Event::$variant(it) => about!(it: interaction_id),)*
            _ => About::default(),
        }
    };
}

#[allow(clippy::needless_update, reason = "some events name all there is to name")]
fn about(event: &Event) -> About {
    match event {
        Event::InteractionOwnerChanged(it) => about!(it: interaction_id, agent_id = it.to_agent_id),
        Event::QueueEntered(it) => about!(it: interaction_id, leg_id, queue_id),
        Event::QueueGroupEscalated(it) => about!(it: interaction_id, leg_id, queue_id),
        Event::QueueRequirementsRelaxed(it) => about!(it: interaction_id, leg_id),
        Event::QueueLeft(it) => about!(it: interaction_id, leg_id, queue_id),
        Event::QueuePositionTold(it) => about!(it: interaction_id, leg_id),
        Event::QueueOverflowed(it) => about!(it: interaction_id, leg_id, queue_id),
        Event::RoutingDecisionMade(it) => about!(it:
            interaction_id = it.interaction_id,
            leg_id = it.leg_id,
            queue_id = it.queue_id,
            agent_id = it.chosen_agent_id),
        Event::RoutingManualAssigned(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::OfferMade(it) => about!(it: interaction_id, leg_id, queue_id, agent_id),
        Event::OfferAccepted(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::OfferRejected(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::OfferTimedOut(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::OfferRescinded(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::OfferFailed(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::LegConnected(it) => about!(it: interaction_id, leg_id, queue_id, agent_id),
        Event::LegDisconnected(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::HoldStarted(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::HoldEnded(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::ConsultRequested(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::ConferenceStarted(it) => about!(it: interaction_id, agent_id),
        Event::TransferRequested(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::TransferCompleted(it) => about!(it: interaction_id, leg_id = it.new_leg_id),
        Event::PostCallStarted(it) => about!(it: interaction_id, leg_id),
        Event::PostCallEnded(it) => about!(it: interaction_id, leg_id),
        Event::WrapUpStarted(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::WrapUpExtended(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::WrapUpCodeSet(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::WrapUpEnded(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::AgentSessionStarted(it) => about!(it: agent_id),
        Event::AgentSessionEnded(it) => about!(it: agent_id),
        Event::AgentStateChanged(it) => about!(it: agent_id),
        Event::AgentChannelChanged(it) => about!(it:
            agent_id, interaction_id = it.interaction_id, leg_id = it.leg_id),
        Event::AgentSkillsChanged(it) => about!(it: agent_id),
        Event::AgentNextStateQueued(it) => about!(it: agent_id),
        Event::AgentDeviceChanged(it) => about!(it: agent_id),
        Event::AgentStateForced(it) => about!(it: agent_id),
        Event::PresenceObserved(it) => about!(it: agent_id),
        Event::MessageSent(it) => about!(it: interaction_id, agent_id = it.agent_id),
        Event::CallbackRequested(it) => about!(it:
            interaction_id = it.interaction_id, queue_id, leg_id = it.keeps_leg_id),
        Event::CallbackConnected(it) => about!(it: interaction_id, agent_id = it.agent_id),
        Event::CampaignContactReserved(it) => about!(it: agent_id),
        Event::CampaignContactPreviewed(it) => about!(it: agent_id),
        Event::MonitorRequested(it) => about!(it: interaction_id, leg_id, agent_id),
        Event::MonitorWhispered(it) => about!(it: interaction_id = it.interaction_id),
        Event::MonitorBargedIn(it) => about!(it: interaction_id = it.interaction_id),
        Event::MonitorEnded(it) => about!(it: interaction_id = it.interaction_id),
        Event::MonitorStarted(it) => about!(it:
            interaction_id = it.interaction_id, agent_id = it.agent_id),
        Event::AlertFired(it) => about!(it:
            queue_id = it.place.queue_id, agent_id = it.place.agent_id,
            interaction_id = it.place.interaction_id),
        Event::AlertCleared(it) => about!(it:
            queue_id = it.place.queue_id, agent_id = it.place.agent_id,
            interaction_id = it.place.interaction_id),
        Event::TimerFired(it) => about!(it:
            interaction_id = it.interaction_id, leg_id = it.leg_id, agent_id = it.agent_id),
        other => interaction_only!(
            other,
            InteractionCreated,
            InteractionAttributesSet,
            InteractionPrioritySet,
            InteractionMerged,
            InteractionEnded,
            InteractionFailed,
            FlowStarted,
            FlowStepEntered,
            FlowStepExited,
            FlowHttpCalled,
            FlowInputCollected,
            FlowError,
            FlowHandlerTriggered,
            FlowEnded,
            ConsultAnswered,
            ConsultEnded,
            ConsultFailed,
            ConferenceParticipantJoined,
            ConferenceParticipantLeft,
            ConferenceEnded,
            TransferFailed,
            MediaLegOffered,
            MediaLegDialled,
            MediaLegAnswered,
            MediaLegFailed,
            MediaLegBridged,
            MediaLegEnded,
            PromptStarted,
            PromptFinished,
            RecordingStarted,
            RecordingPaused,
            RecordingResumed,
            RecordingStopped,
            RecordingAvailable,
            RecordingDeleted,
            CampaignContactDialled,
            MonitorFailed,
            MonitorSilenced,
            MessageReceived,
            MessageDelivered,
            MessageRead,
            MessageFailed,
            TypingStarted,
            TypingStopped,
            FeedbackOffered,
            FeedbackAnswered,
            FeedbackCompleted,
            EvaluationRecorded,
            CsatPredicted,
            SummaryGenerated,
            TopicAssigned,
            AccessHistoryViewed,
            AccessRevealed
        ),
    }
}

impl Fold {
    /// Writes the event down as it is.
    pub(super) fn journal(&mut self, recorded: &Recorded, event: Option<&Event>, sink: &mut Sink) {
        let header = &recorded.header;
        let about = event.map(about).unwrap_or_default();
        let row = EventLog {
            position: header.position,
            event_id: header.id,
            event_type: header.event_type.clone(),
            stream: header.stream.clone(),
            version: header.version.0,
            time: header.time,
            recorded_at: header.recorded_at,
            actor_type: header.actor.kind,
            actor_id: text(&header.actor.id),
            interaction_id: about.interaction_id,
            leg_id: about.leg_id,
            queue_id: about.queue_id,
            agent_id: about.agent_id,
            command_id: header.command_id,
            correlation_id: header.correlation_id,
            causation_id: header.causation_id,
            config_position: header.config_position,
            traceparent: header.traceparent.as_deref().map(text),
            data_subject_id: header.data_subject_id,
            data: event.map(|event| JsonText(event.to_json_text())),
            data_base64: event.is_none().then(|| STANDARD.encode(&recorded.payload).into()),
            valid_from_position: header.position,
        };
        self.tables.event_log.push(sink, row);
    }

    pub(super) fn routing_decision_made(&mut self, at: &mut At<'_>, it: &RoutingDecisionMade) {
        let row = RoutingDecision {
            decision_id: it.decision_id,
            event_id: at.header.id,
            time: at.time(),
            trigger: it.trigger,
            interaction_id: it.interaction_id,
            leg_id: it.leg_id,
            queue_id: it.queue_id,
            policy: text(&it.policy),
            policy_version: it.policy_version,
            config_position: it.config_position,
            input_position: it.input_position,
            chosen_agent_id: it.chosen_agent_id,
            chosen_agent_name: it.chosen_agent_id.and_then(|id| self.config.name(id.uuid())),
            tie_break: it.tie_break,
            wait_ms: it.wait_ms,
            waiting_total: it.waiting_total,
            candidates_total: it.candidates_total,
            excluded_total: it.excluded.values().fold(0, |sum, count| sum.saturating_add(*count)),
            waiting: Json::of(&it.waiting),
            candidates: Json::of(&it.candidates),
            excluded: Json::of(&it.excluded),
            shadow: it.shadow,
            valid_from_position: at.header.position,
        };
        self.tables.routing_decision.push(at.sink, row);
        self.candidates_ranked(at, it);
        self.legs_ranked(at, it);
    }

    fn candidates_ranked(&mut self, at: &mut At<'_>, it: &RoutingDecisionMade) {
        let time = at.time();
        for candidate in &it.candidates {
            let row = RoutingCandidate {
                decision_id: it.decision_id,
                agent_id: candidate.agent_id,
                rank: candidate.rank,
                is_chosen: it.chosen_agent_id == Some(candidate.agent_id),
                time,
                queue_id: it.queue_id,
                agent_session_id: candidate.agent_session_id,
                team_id: candidate.team_id,
                group_no: candidate.group,
                available_since: candidate.available_since,
                available_duration_ms: time.ms_since(candidate.available_since),
                free_capacity: candidate.free_capacity,
                skill_score: candidate.skill_score,
                valid_from_position: at.header.position,
            };
            self.tables.routing_candidate.push(at.sink, row);
        }
    }

    fn legs_ranked(&mut self, at: &mut At<'_>, it: &RoutingDecisionMade) {
        let time = at.time();
        for leg in &it.waiting {
            let waited_ms = time.ms_since(leg.entered_at);
            let row = RoutingOrder {
                decision_id: it.decision_id,
                leg_id: leg.leg_id,
                interaction_id: leg.interaction_id,
                rank: leg.rank,
                is_considered: it.leg_id == Some(leg.leg_id),
                time,
                queue_id: it.queue_id,
                priority: leg.priority,
                entered_time: leg.entered_at,
                wait_credit_ms: leg.wait_credit_ms,
                effective_wait_ms: waited_ms.saturating_add(leg.wait_credit_ms),
                valid_from_position: at.header.position,
            };
            self.tables.routing_order.push(at.sink, row);
        }
    }
}
