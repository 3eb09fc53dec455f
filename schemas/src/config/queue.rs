//! Queues and how they look for agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChannelType, yes};
use crate::id::{QueueId, TeamId};
use crate::time::DurationMs;

/// Which agent or leg comes first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RoutingType {
    /// The agent available for the longest time.
    #[default]
    LongestAvailableAgent,
    /// By skills.
    SkillsBased,
    /// Round robin.
    Circular,
    /// Fixed order.
    Linear,
}

/// Teams searched together, and how long before the next group joins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallDistributionGroup {
    /// Teams.
    pub team_ids: Vec<TeamId>,
    /// Wait before the next group is searched as well, ms; 0 = at once. The last group's has no meaning.
    #[serde(default)]
    pub wait_ms: DurationMs,
}

/// Waiting time credited to a priority.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct WaitCredit {
    /// The priority, 1 to 10.
    pub priority: u8,
    /// Credit, ms.
    pub credit_ms: DurationMs,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Name, unique among queues.
    pub name: String,
    /// Channel of its interactions.
    pub channel_type: ChannelType,
    /// Which agent comes first.
    #[serde(default)]
    pub routing_type: RoutingType,
    /// Groups of teams, searched in this order.
    #[serde(default)]
    pub call_distribution_groups: Vec<CallDistributionGroup>,
    /// Service level threshold, ms.
    #[serde(default = "default_threshold")]
    pub service_level_threshold_ms: DurationMs,
    /// Most legs waiting or connected at once; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_interactions: Option<u32>,
    /// Longest wait, ms; then overflow or end. No limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_time_in_queue_ms: Option<DurationMs>,
    /// Queue that takes over after the longest wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow_queue_id: Option<QueueId>,
    /// Audio file played while waiting.
    #[serde(default = "default_music")]
    pub music: String,
    /// Time an offer rings before RONA, ms.
    #[serde(default = "default_ring")]
    pub ring_timeout_ms: DurationMs,
    /// Wrap-up ends by itself after this time, ms; absent: only the agent ends it; 0: no wrap-up.
    #[serde(default = "default_wrapup", skip_serializing_if = "Option::is_none")]
    pub wrapup_ms: Option<DurationMs>,
    /// Waiting time credited by priority.
    #[serde(default)]
    pub wait_credits: Vec<WaitCredit>,
    /// IANA time zone of its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn default_threshold() -> DurationMs {
    20_000
}

const fn default_ring() -> DurationMs {
    18_000
}

#[allow(clippy::unnecessary_wraps, reason = "serde's default needs the field's type")]
const fn default_wrapup() -> Option<DurationMs> {
    Some(30_000)
}

fn default_music() -> String {
    "music".to_owned()
}
