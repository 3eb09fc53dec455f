//! Wrap-up: work after the conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AuxCodeId, InteractionId, LegId, UserId};
use crate::time::Timestamp;

/// Who ended the wrap-up.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WrapUpEndedBy {
    /// The agent.
    Agent,
    /// The time ran out.
    Timer,
    /// A supervisor.
    Supervisor,
    /// The agent logged out.
    Logout,
}

impl WrapUpEndedBy {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Timer => "timer",
            Self::Supervisor => "supervisor",
            Self::Logout => "logout",
        }
    }
}

/// Wrap-up began: the slot stays taken.
///
/// Event type `wrapup.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrapUpStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// When it ends by itself; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_end_at: Option<Timestamp>,
}

/// The agent asked for more time.
///
/// Event type `wrapup.extended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrapUpExtended {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// New end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_end_at: Option<Timestamp>,
}

/// A wrap-up code was chosen.
///
/// Event type `wrapup.code_set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrapUpCodeSet {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// The code.
    pub aux_code_id: AuxCodeId,
    /// Text of the code at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Wrap-up is over: the slot is free.
///
/// Event type `wrapup.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrapUpEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// Who ended it.
    pub by: WrapUpEndedBy,
}
