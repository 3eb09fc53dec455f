//! Queues: every stay of an interaction in a queue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::SkillRequirement;
use crate::id::{InteractionId, LegId, QueueId, UserId};

/// Why the leg entered the queue.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum QueueSource {
    /// A flow queued it.
    Flow,
    /// An agent transferred it.
    Transfer,
    /// An agent consults the queue.
    Consult,
    /// A callback.
    Callback,
    /// It came back after its agent was lost.
    Requeue,
    /// Another queue overflowed.
    Overflow,
    /// A supervisor moved it, from another queue or from an agent.
    Supervisor,
    /// Imported history.
    Import,
}

impl QueueSource {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Transfer => "transfer",
            Self::Consult => "consult",
            Self::Callback => "callback",
            Self::Requeue => "requeue",
            Self::Overflow => "overflow",
            Self::Supervisor => "supervisor",
            Self::Import => "import",
        }
    }
}

/// What widened the search.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EscalationTrigger {
    /// The configured wait passed.
    Timer,
    /// A flow asked for it.
    Flow,
}

impl EscalationTrigger {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Flow => "flow",
        }
    }
}

/// Why the leg left the queue.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum QueueLeaveReason {
    /// An agent took it.
    Assigned,
    /// The customer left.
    Abandoned,
    /// The longest time in queue passed.
    MaxTime,
    /// The customer chose to leave the queue (flow).
    OptOut,
    /// The customer pressed the escape key.
    EscapeKey,
    /// It was moved to another queue.
    Moved,
    /// The customer asked for a callback.
    CallbackRequested,
    /// It was handed to an overflow destination.
    Overflow,
    /// The flow took it out.
    Flow,
    /// Something failed.
    Error,
}

impl QueueLeaveReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Abandoned => "abandoned",
            Self::MaxTime => "max_time",
            Self::OptOut => "opt_out",
            Self::EscapeKey => "escape_key",
            Self::Moved => "moved",
            Self::CallbackRequested => "callback_requested",
            Self::Overflow => "overflow",
            Self::Flow => "flow",
            Self::Error => "error",
        }
    }
}

/// A leg began waiting.
///
/// Event type `queue.entered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueEntered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// Number of the leg in the interaction, from 1.
    pub leg_no: u32,
    /// 1 (highest) to 10 (default).
    pub priority: u8,
    /// Waiting time credited in advance, ms.
    pub wait_credit_ms: u64,
    /// Skills required.
    pub requirements: Vec<SkillRequirement>,
    /// Agent to be preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_agent_id: Option<UserId>,
    /// Why.
    pub source: QueueSource,
}

/// The search widened to the next call distribution group.
///
/// Event type `queue.group_escalated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueGroupEscalated {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// Group before, from 0.
    pub from_group: u32,
    /// Group now.
    pub to_group: u32,
    /// What widened it.
    pub trigger: EscalationTrigger,
}

/// Skill requirements were relaxed.
///
/// Event type `queue.requirements_relaxed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueRequirementsRelaxed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// Relaxation step, from 1.
    pub step: u32,
    /// Requirements that no longer hold.
    pub removed: Vec<SkillRequirement>,
    /// Requirements with a new value.
    pub changed: Vec<SkillRequirement>,
}

/// The leg stopped waiting.
///
/// Event type `queue.left`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueLeft {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// Why.
    pub reason: QueueLeaveReason,
    /// Time in the queue, ms; 0 when assigned at once. For imports the recorded figure, not a difference of clocks.
    pub wait_ms: u64,
}

/// The customer was told a position or waiting time.
///
/// Event type `queue.position_told`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueuePositionTold {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// Place told, from 1.
    pub position: u32,
    /// Estimated wait told, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ewt_ms: Option<u64>,
}

/// The leg was handed to an overflow number.
///
/// Event type `queue.overflowed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueOverflowed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// The number (one of the organization's own).
    pub number: String,
}
