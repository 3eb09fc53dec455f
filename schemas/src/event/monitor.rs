//! Supervisors listening in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, MonitorId, UserId};

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
}

/// The supervisor speaks to the agent.
///
/// Event type `monitor.whispered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorWhispered {
    /// The monitoring session.
    pub monitor_id: MonitorId,
}

/// The supervisor left.
///
/// Event type `monitor.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorEnded {
    /// The monitoring session.
    pub monitor_id: MonitorId,
}
