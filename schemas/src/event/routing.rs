//! Routing decisions, with everything needed to derive them again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Position;
use crate::id::{AgentSessionId, DecisionId, InteractionId, LegId, QueueId, TeamId, UserId};
use crate::time::Timestamp;

/// What asked for a decision.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DecisionTrigger {
    /// A leg entered a queue.
    ContactQueued,
    /// An agent got a free slot.
    AgentAvailable,
    /// A search widened.
    GroupEscalated,
    /// Requirements were relaxed.
    Relaxed,
    /// An offer was rejected, timed out or failed.
    OfferFailed,
    /// Configuration changed.
    ConfigChanged,
    /// Somebody assigned by hand.
    Manual,
}

impl DecisionTrigger {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactQueued => "contact_queued",
            Self::AgentAvailable => "agent_available",
            Self::GroupEscalated => "group_escalated",
            Self::Relaxed => "relaxed",
            Self::OfferFailed => "offer_failed",
            Self::ConfigChanged => "config_changed",
            Self::Manual => "manual",
        }
    }
}

/// Which rule told equal candidates or legs apart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TieBreak {
    /// There was one candidate.
    None,
    /// Available for the longest time.
    LongestAvailable,
    /// Available since the same instant: lower user id.
    AgentId,
    /// Position in a linear or circular order.
    Order,
    /// Higher skill score.
    SkillScore,
}

impl TieBreak {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::LongestAvailable => "longest_available",
            Self::AgentId => "agent_id",
            Self::Order => "order",
            Self::SkillScore => "skill_score",
        }
    }
}

/// Why an agent was not a candidate.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// The agent's team is in no group that is searched now.
    NotInGroup,
    /// The agent's state is idle.
    Idle,
    /// The agent's state is not responding.
    NotResponding,
    /// No free slot on the channel.
    CapacityFull,
    /// Another channel blocks this one (exclusive profile).
    ChannelBlocked,
    /// A required skill is missing.
    SkillMissing,
    /// The agent did not respond to this leg before.
    RonaPenalty,
    /// The leg waits for its preferred agent.
    NotPreferred,
    /// The agent has no reachable device.
    NoDevice,
}

impl ExclusionReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInGroup => "not_in_group",
            Self::Idle => "idle",
            Self::NotResponding => "not_responding",
            Self::CapacityFull => "capacity_full",
            Self::ChannelBlocked => "channel_blocked",
            Self::SkillMissing => "skill_missing",
            Self::RonaPenalty => "rona_penalty",
            Self::NotPreferred => "not_preferred",
            Self::NoDevice => "no_device",
        }
    }
}

/// The core looked for an agent or a leg and recorded the outcome with its reasons.
///
/// Event type `routing.decision_made`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingDecisionMade {
    /// The decision.
    pub decision_id: DecisionId,
    /// What asked for it.
    pub trigger: DecisionTrigger,
    /// Interaction of the chosen (or only considered) leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// Its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<QueueId>,
    /// The leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
    /// Name of the rule, e.g. `longest_available_agent`.
    pub policy: String,
    /// Version of the rule, from 1.
    pub policy_version: u32,
    /// Newest configuration seen.
    pub config_position: Position,
    /// Position of the state the decision used.
    pub input_position: Position,
    /// First waiting legs in order (at most `limits::DECISION_TOP_K`).
    pub waiting: Vec<WaitingLeg>,
    /// Legs that waited.
    pub waiting_total: u32,
    /// First candidates in order (at most `limits::DECISION_TOP_K`).
    pub candidates: Vec<Candidate>,
    /// Agents who could have been chosen.
    pub candidates_total: u32,
    /// Agents not considered, counted by reason.
    pub excluded: BTreeMap<ExclusionReason, u32>,
    /// The agent chosen; absent when nobody could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_agent_id: Option<UserId>,
    /// How the choice was made among equals.
    pub tie_break: TieBreak,
    /// Wait of the leg so far, ms.
    pub wait_ms: u64,
    /// True when the decision was only computed for comparison.
    pub shadow: bool,
}

/// A waiting leg as the decision ranked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingLeg {
    /// The leg.
    pub leg_id: LegId,
    /// Its interaction.
    pub interaction_id: InteractionId,
    /// Rank, from 1.
    pub rank: u32,
    /// Priority.
    pub priority: u8,
    /// Entry to the queue.
    pub entered_at: Timestamp,
    /// Credit, ms.
    pub wait_credit_ms: u64,
}

/// An agent as the decision ranked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The agent.
    pub agent_id: UserId,
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The team.
    pub team_id: TeamId,
    /// Call distribution group that reaches the team, from 0.
    pub group: u32,
    /// Rank, from 1.
    pub rank: u32,
    /// Available since.
    pub available_since: Timestamp,
    /// Free slots on the channel.
    pub free_capacity: u32,
    /// Skill score (fixed point, 0 without skills).
    pub skill_score: i64,
}

/// Somebody assigned a leg by hand.
///
/// Event type `routing.manual_assigned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingManualAssigned {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// To whom.
    pub agent_id: UserId,
    /// By whom; absent when the supervisor's token stands for no user: the actor says who it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// The agent who was offered it or had it; absent when it waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent_id: Option<UserId>,
}
