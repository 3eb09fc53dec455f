//! Time passing: every timeout is an event, so that replay needs no clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, LegId, OfferId, TimerId, UserId};
use crate::time::Timestamp;

/// What the timer was for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// An offer rang long enough (RONA).
    OfferExpiry,
    /// A search is due to widen.
    GroupEscalation,
    /// Requirements are due to relax.
    RequirementRelaxation,
    /// A leg waited long enough.
    MaxTimeInQueue,
    /// A wrap-up is due to end.
    WrapupEnd,
    /// A flow's wait is over.
    FlowWait,
    /// A callback is due.
    CallbackDue,
    /// An agent may be offered a leg again.
    AgentPenaltyEnd,
}

impl TimerKind {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OfferExpiry => "offer_expiry",
            Self::GroupEscalation => "group_escalation",
            Self::RequirementRelaxation => "requirement_relaxation",
            Self::MaxTimeInQueue => "max_time_in_queue",
            Self::WrapupEnd => "wrapup_end",
            Self::FlowWait => "flow_wait",
            Self::CallbackDue => "callback_due",
            Self::AgentPenaltyEnd => "agent_penalty_end",
        }
    }
}

/// A timer was due.
///
/// Event type `timer.fired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimerFired {
    /// The timer.
    pub timer_id: TimerId,
    /// What for.
    pub kind: TimerKind,
    /// When it was due.
    pub due_at: Timestamp,
    /// For which interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<InteractionId>,
    /// For which leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
    /// For which offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_id: Option<OfferId>,
    /// For which agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
}
