//! Every event: one Rust type a name, decoded by the name in the header.

pub mod access;
pub mod agent;
pub mod alert;
pub mod broadcast;
pub mod callback;
pub mod campaign;
pub mod checkpoint;
pub mod clock;
pub mod config_change;
pub mod correction;
pub mod external;
pub mod flow;
pub mod import;
pub mod interaction;
pub mod leg;
pub mod media;
pub mod message;
pub mod metric;
pub mod monitor;
pub mod offer;
pub mod presence;
pub mod quality;
pub mod queue;
pub mod report;
pub mod retention;
pub mod routing;
pub mod webhook;
pub mod wrapup;
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use config_change::{ConfigChange, ConfigVerb};

use crate::upcast;

/// A payload could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No event of ours has this type name.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// The bytes do not fit the type.
    #[error("payload of {event_type} does not decode: {reason}")]
    Payload {
        /// The type name.
        event_type: String,
        /// What did not fit.
        reason: String,
    },
}

/// MessagePack with field names. Serialization of vocabulary types cannot fail: they hold no maps with
/// non-string keys and no floats that could refuse; an error would be a defect of this crate, and the
/// bytes come back empty, which no type decodes.
fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

fn unpack<T: DeserializeOwned>(event_type: &str, bytes: &[u8]) -> Result<T, DecodeError> {
    rmp_serde::from_slice(bytes).map_err(|error| DecodeError::Payload {
        event_type: event_type.to_owned(),
        reason: error.to_string(),
    })
}

fn from_value<T: DeserializeOwned>(event_type: &str, value: Value) -> Result<T, DecodeError> {
    serde_json::from_value(value).map_err(|error| DecodeError::Payload {
        event_type: event_type.to_owned(),
        reason: error.to_string(),
    })
}

macro_rules! events {
    ($($variant:ident($payload:ty) = $name:literal,)*) => {
        /// Every type name, configuration changes included.
        #[must_use]
        pub fn all_types() -> Vec<&'static str> {
            EVENT_TYPES.iter().copied().chain(ConfigChange::event_types()).collect()
        }

        /// One fact.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is documented at its payload type")]
        #[allow(clippy::large_enum_variant, reason = "events are moved rarely and boxed nowhere")]
        pub enum Event {
            $($variant($payload),)*
            Config(ConfigChange),
        }

        /// The names of all event types but `config.<kind>.<verb>` (see [`ConfigChange::event_types`]).
        pub const EVENT_TYPES: &[&str] = &[$($name,)*];

        impl Event {
            /// The type name for the header.
            #[must_use]
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::Config(change) => change.event_type(),
                }
            }

            /// The payload as MessagePack with field names.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(payload) => pack(payload),)*
                    Self::Config(change) => pack(change),
                }
            }

            /// Decodes a stored payload by its type name; older names go through [`upcast`].
            ///
            /// # Errors
            /// [`DecodeError`] if the name is unknown or the bytes do not fit.
            pub fn decode(event_type: &str, bytes: &[u8]) -> Result<Self, DecodeError> {
                match event_type {
                    $($name => unpack(event_type, bytes).map(Self::$variant),)*
                    _ => match ConfigChange::parse_type(event_type) {
                        Some((kind, verb)) => unpack::<ConfigChange>(event_type, bytes)
                            .map(|change| Self::Config(change.with_type(kind, verb))),
                        None => upcast::decode(event_type, bytes),
                    },
                }
            }

            /// Reads a payload in its JSON form.
            ///
            /// # Errors
            /// [`DecodeError`] if the name is unknown or the value does not fit.
            pub fn from_json(event_type: &str, value: Value) -> Result<Self, DecodeError> {
                match event_type {
                    $($name => from_value(event_type, value).map(Self::$variant),)*
                    _ => match ConfigChange::parse_type(event_type) {
                        Some((kind, verb)) => from_value::<ConfigChange>(event_type, value)
                            .map(|change| Self::Config(change.with_type(kind, verb))),
                        None => Err(DecodeError::UnknownType(event_type.to_owned())),
                    },
                }
            }

            /// Deserializes a payload of the named type from any source (tests and tools).
            ///
            /// # Errors
            /// The deserializer's error, or its `custom` error for an unknown name.
            pub fn deserialize_as<'de, D: serde::Deserializer<'de>>(
                event_type: &str,
                deserializer: D,
            ) -> Result<Self, D::Error> {
                match event_type {
                    $($name => <$payload>::deserialize(deserializer).map(Self::$variant),)*
                    _ => match ConfigChange::parse_type(event_type) {
                        Some((kind, verb)) => ConfigChange::deserialize(deserializer)
                            .map(|change| Self::Config(change.with_type(kind, verb))),
                        None => Err(serde::de::Error::custom("unknown event type")),
                    },
                }
            }

            /// The payload in its JSON form.
            #[must_use]
            pub fn to_json(&self) -> Value {
                let value = match self {
                    $(Self::$variant(payload) => serde_json::to_value(payload),)*
                    Self::Config(change) => serde_json::to_value(change),
                };
                value.unwrap_or(Value::Null)
            }

            /// The payload as JSON text, written without building the value first.
            #[must_use]
            pub fn to_json_text(&self) -> String {
                let text = match self {
                    $(Self::$variant(payload) => serde_json::to_string(payload),)*
                    Self::Config(change) => serde_json::to_string(change),
                };
                text.unwrap_or_else(|_| "null".to_owned())
            }
        }

        $(impl From<$payload> for Event {
            fn from(payload: $payload) -> Self {
                Self::$variant(payload)
            }
        })*

        impl From<ConfigChange> for Event {
            fn from(change: ConfigChange) -> Self {
                Self::Config(change)
            }
        }

        /// The JSON Schema of every event type's payload, by name; shared types go to the
        /// generator's definitions.
        #[must_use]
        pub fn json_schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
            let mut schemas = vec![$(($name, generator.subschema_for::<$payload>()),)*];
            for name in ConfigChange::event_types() {
                schemas.push((name, generator.subschema_for::<ConfigChange>()));
            }
            schemas
        }
    };
}

events! {
InteractionCreated(interaction::InteractionCreated) = "interaction.created",
InteractionAttributesSet(interaction::InteractionAttributesSet) = "interaction.attributes_set",
InteractionPrioritySet(interaction::InteractionPrioritySet) = "interaction.priority_set",
InteractionMerged(interaction::InteractionMerged) = "interaction.merged",
InteractionOwnerChanged(interaction::InteractionOwnerChanged) = "interaction.owner_changed",
InteractionEnded(interaction::InteractionEnded) = "interaction.ended",
InteractionFailed(interaction::InteractionFailed) = "interaction.failed",
FlowStarted(flow::FlowStarted) = "flow.started",
FlowStepEntered(flow::FlowStepEntered) = "flow.step_entered",
FlowStepExited(flow::FlowStepExited) = "flow.step_exited",
FlowHttpCalled(flow::FlowHttpCalled) = "flow.http_called",
FlowInputCollected(flow::FlowInputCollected) = "flow.input_collected",
FlowError(flow::FlowError) = "flow.error",
FlowHandlerTriggered(flow::FlowHandlerTriggered) = "flow.handler_triggered",
FlowEnded(flow::FlowEnded) = "flow.ended",
FlowPublished(flow::FlowPublished) = "flow.published",
QueueEntered(queue::QueueEntered) = "queue.entered",
QueueGroupEscalated(queue::QueueGroupEscalated) = "queue.group_escalated",
QueueRequirementsRelaxed(queue::QueueRequirementsRelaxed) = "queue.requirements_relaxed",
QueueLeft(queue::QueueLeft) = "queue.left",
QueuePositionTold(queue::QueuePositionTold) = "queue.position_told",
QueueOverflowed(queue::QueueOverflowed) = "queue.overflowed",
RoutingDecisionMade(routing::RoutingDecisionMade) = "routing.decision_made",
RoutingManualAssigned(routing::RoutingManualAssigned) = "routing.manual_assigned",
OfferMade(offer::OfferMade) = "offer.made",
OfferAccepted(offer::OfferAccepted) = "offer.accepted",
OfferRejected(offer::OfferRejected) = "offer.rejected",
OfferTimedOut(offer::OfferTimedOut) = "offer.timed_out",
OfferRescinded(offer::OfferRescinded) = "offer.rescinded",
OfferFailed(offer::OfferFailed) = "offer.failed",
LegConnected(leg::LegConnected) = "leg.connected",
LegDisconnected(leg::LegDisconnected) = "leg.disconnected",
HoldStarted(leg::HoldStarted) = "hold.started",
HoldEnded(leg::HoldEnded) = "hold.ended",
ConsultRequested(leg::ConsultRequested) = "consult.requested",
ConsultAnswered(leg::ConsultAnswered) = "consult.answered",
ConsultEnded(leg::ConsultEnded) = "consult.ended",
ConsultFailed(leg::ConsultFailed) = "consult.failed",
ConferenceStarted(leg::ConferenceStarted) = "conference.started",
ConferenceParticipantJoined(leg::ConferenceParticipantJoined) = "conference.participant_joined",
ConferenceParticipantLeft(leg::ConferenceParticipantLeft) = "conference.participant_left",
ConferenceEnded(leg::ConferenceEnded) = "conference.ended",
TransferRequested(leg::TransferRequested) = "transfer.requested",
TransferCompleted(leg::TransferCompleted) = "transfer.completed",
TransferFailed(leg::TransferFailed) = "transfer.failed",
PostCallStarted(leg::PostCallStarted) = "post_call.started",
PostCallEnded(leg::PostCallEnded) = "post_call.ended",
MediaLegOffered(media::MediaLegOffered) = "media_leg.offered",
MediaLegDialled(media::MediaLegDialled) = "media_leg.dialled",
MediaLegAnswered(media::MediaLegAnswered) = "media_leg.answered",
MediaLegFailed(media::MediaLegFailed) = "media_leg.failed",
MediaLegBridged(media::MediaLegBridged) = "media_leg.bridged",
MediaLegEnded(media::MediaLegEnded) = "media_leg.ended",
PromptStarted(media::PromptStarted) = "prompt.started",
PromptFinished(media::PromptFinished) = "prompt.finished",
RecordingStarted(media::RecordingStarted) = "recording.started",
RecordingPaused(media::RecordingPaused) = "recording.paused",
RecordingResumed(media::RecordingResumed) = "recording.resumed",
RecordingStopped(media::RecordingStopped) = "recording.stopped",
RecordingAvailable(media::RecordingAvailable) = "recording.available",
RecordingDeleted(media::RecordingDeleted) = "recording.deleted",
EdgeRequestRefused(media::EdgeRequestRefused) = "edge.request_refused",
AgentSessionStarted(agent::AgentSessionStarted) = "agent_session.started",
AgentSessionEnded(agent::AgentSessionEnded) = "agent_session.ended",
AgentStateChanged(agent::AgentStateChanged) = "agent_state.changed",
AgentChannelChanged(agent::AgentChannelChanged) = "agent_channel.changed",
AgentSkillsChanged(agent::AgentSkillsChanged) = "agent_skills.changed",
AgentNextStateQueued(agent::AgentNextStateQueued) = "agent_next_state.queued",
AgentDeviceChanged(agent::AgentDeviceChanged) = "agent_device.changed",
AgentStateForced(agent::AgentStateForced) = "agent_state.forced",
WrapUpStarted(wrapup::WrapUpStarted) = "wrapup.started",
WrapUpExtended(wrapup::WrapUpExtended) = "wrapup.extended",
WrapUpCodeSet(wrapup::WrapUpCodeSet) = "wrapup.code_set",
WrapUpEnded(wrapup::WrapUpEnded) = "wrapup.ended",
CallbackRequested(callback::CallbackRequested) = "callback.requested",
CallbackDialling(callback::CallbackDialling) = "callback.dialling",
CallbackConnected(callback::CallbackConnected) = "callback.connected",
CallbackFailed(callback::CallbackFailed) = "callback.failed",
CallbackCancelled(callback::CallbackCancelled) = "callback.cancelled",
CallbackCompleted(callback::CallbackCompleted) = "callback.completed",
CampaignContactLoaded(campaign::CampaignContactLoaded) = "campaign_contact.loaded",
CampaignContactReserved(campaign::CampaignContactReserved) = "campaign_contact.reserved",
CampaignContactPreviewed(campaign::CampaignContactPreviewed) = "campaign_contact.previewed",
CampaignContactDialled(campaign::CampaignContactDialled) = "campaign_contact.dialled",
CampaignContactResult(campaign::CampaignContactResult) = "campaign_contact.result",
CampaignContactSuppressed(campaign::CampaignContactSuppressed) = "campaign_contact.suppressed",
MessageReceived(message::MessageReceived) = "message.received",
MessageSent(message::MessageSent) = "message.sent",
MessageDelivered(message::MessageDelivered) = "message.delivered",
MessageRead(message::MessageRead) = "message.read",
MessageFailed(message::MessageFailed) = "message.failed",
TypingStarted(message::TypingStarted) = "typing.started",
TypingStopped(message::TypingStopped) = "typing.stopped",
ChannelConnected(message::ChannelConnected) = "channel.connected",
ChannelReconnectRequired(message::ChannelReconnectRequired) = "channel.reconnect_required",
ChannelRemoved(message::ChannelRemoved) = "channel.removed",
PresenceObserved(presence::PresenceObserved) = "presence.observed",
BroadcastSent(broadcast::BroadcastSent) = "broadcast.sent",
MonitorRequested(monitor::MonitorRequested) = "monitor.requested",
MonitorFailed(monitor::MonitorFailed) = "monitor.failed",
MonitorStarted(monitor::MonitorStarted) = "monitor.started",
MonitorBargedIn(monitor::MonitorBargedIn) = "monitor.barged_in",
MonitorWhispered(monitor::MonitorWhispered) = "monitor.whispered",
MonitorSilenced(monitor::MonitorSilenced) = "monitor.silenced",
MonitorEnded(monitor::MonitorEnded) = "monitor.ended",
FeedbackOffered(quality::FeedbackOffered) = "feedback.offered",
FeedbackAnswered(quality::FeedbackAnswered) = "feedback.answered",
FeedbackCompleted(quality::FeedbackCompleted) = "feedback.completed",
EvaluationRecorded(quality::EvaluationRecorded) = "evaluation.recorded",
CsatPredicted(quality::CsatPredicted) = "csat.predicted",
SummaryGenerated(quality::SummaryGenerated) = "summary.generated",
TopicAssigned(quality::TopicAssigned) = "topic.assigned",
MetricDefinitionPublished(metric::MetricDefinitionPublished) = "metric_definition.published",
CorrectionRecorded(correction::CorrectionRecorded) = "correction.recorded",
ExternalEvent(external::ExternalEvent) = "external.event",
ImportBatchStarted(import::ImportBatchStarted) = "import.batch_started",
ImportBatchCompleted(import::ImportBatchCompleted) = "import.batch_completed",
ImportRowRejected(import::ImportRowRejected) = "import.row_rejected",
AccessQueryRun(access::AccessQueryRun) = "access.query_run",
AccessLogRead(access::AccessLogRead) = "access.log_read",
AccessHistoryViewed(access::AccessHistoryViewed) = "access.history_viewed",
AccessDenied(access::AccessDenied) = "access.denied",
AccessRevealed(access::AccessRevealed) = "access.revealed",
AccessReportRun(report::AccessReportRun) = "access.report_run",
AccessReportDelivered(report::AccessReportDelivered) = "access.report_delivered",
ErasureRequested(access::ErasureRequested) = "erasure.requested",
ErasureCompleted(access::ErasureCompleted) = "erasure.completed",
TimerFired(clock::TimerFired) = "timer.fired",
LogCheckpoint(checkpoint::LogCheckpoint) = "log.checkpoint",
LogSegmentDropped(checkpoint::LogSegmentDropped) = "log.segment_dropped",
RetentionApplied(retention::RetentionApplied) = "retention.applied",
AlertFired(alert::AlertFired) = "alert.fired",
AlertCleared(alert::AlertCleared) = "alert.cleared",
WebhookDisabled(webhook::WebhookDisabled) = "webhook.disabled",
WebhookEnabled(webhook::WebhookEnabled) = "webhook.enabled",
WebhookGivenUp(webhook::WebhookGivenUp) = "webhook.given_up",
WebhookReplayed(webhook::WebhookReplayed) = "webhook.replayed",
EngineStarted(checkpoint::EngineStarted) = "engine.started",}
