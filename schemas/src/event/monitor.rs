//! Supervisors listening in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, LegId, MediaLegId, MonitorId, UserId};

/// Kind of monitoring.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MonitorType {
    /// One running call.
    Midcall,
    /// The agent's next call.
    Adhoc,
    /// Every call until ended.
    Continuous,
}

impl MonitorType {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Midcall => "midcall",
            Self::Adhoc => "adhoc",
            Self::Continuous => "continuous",
        }
    }
}

/// Who hears the supervisor. The supervisor hears customer and agent in every mode.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MonitorMode {
    /// Nobody.
    Silent,
    /// The agent.
    Whisper,
    /// The agent and the customer.
    Barge,
}

impl MonitorMode {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
        }
    }
}

/// Why a monitoring session ended, or did not come to be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MonitorEndReason {
    /// The supervisor asked for the end or hung up.
    Supervisor,
    /// The agent's conversation with the customer was over.
    ConversationEnded,
    /// The supervisor's phone was not reached or did not take the call.
    DeviceFailed,
    /// The media leg to the supervisor was lost.
    NetworkError,
}

impl MonitorEndReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::ConversationEnded => "conversation_ended",
            Self::DeviceFailed => "device_failed",
            Self::NetworkError => "network_error",
        }
    }
}

/// A supervisor wants to listen to a conversation; the supervisor's phone is called.
///
/// Event type `monitor.requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorRequested {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The stay in a queue whose conversation it is.
    pub leg_id: LegId,
    /// The supervisor.
    pub supervisor_id: UserId,
    /// The agent.
    pub agent_id: UserId,
    /// Kind.
    pub monitor_type: MonitorType,
    /// Who is to hear the supervisor from the start.
    pub mode: MonitorMode,
    /// Whether the agent is not told.
    pub invisible: bool,
    /// Media leg to the supervisor's phone.
    pub media_leg_id: MediaLegId,
}

/// The supervisor's phone did not take the call, or nothing was left to listen to before it did.
///
/// Event type `monitor.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorFailed {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Why.
    pub reason: MonitorEndReason,
}

/// A supervisor began to listen.
///
/// Event type `monitor.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorStarted {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// The supervisor.
    pub supervisor_id: UserId,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// Kind.
    pub monitor_type: MonitorType,
    /// Whether the agent is not told.
    pub invisible: bool,
}

/// The supervisor speaks to both.
///
/// Event type `monitor.barged_in`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorBargedIn {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction; absent in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
}

/// The supervisor speaks to the agent.
///
/// Event type `monitor.whispered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorWhispered {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction; absent in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
}

/// The supervisor only listens again.
///
/// Event type `monitor.silenced`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorSilenced {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction.
    pub interaction_id: InteractionId,
}

/// The supervisor left.
///
/// Event type `monitor.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorEnded {
    /// The monitoring session.
    pub monitor_id: MonitorId,
    /// The interaction; absent in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// Why; absent in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<MonitorEndReason>,
}
