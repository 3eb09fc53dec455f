//! Offers of a leg to an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ChannelType;
use crate::id::{
    AgentSessionId, DecisionId, InteractionId, LegId, OfferId, QueueId, SiteId, TeamId, UserId,
};
use crate::time::Timestamp;

/// Why an agent said no.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OfferRejectReason {
    /// The agent declined.
    Declined,
    /// The agent's phone was busy.
    Busy,
    /// The agent's phone could not be reached.
    DeviceUnreachable,
}

impl OfferRejectReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::DeviceUnreachable => "device_unreachable",
        }
    }
}

/// Why an offer was taken back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RescindReason {
    /// The customer left while it rang.
    CustomerLeft,
    /// Another agent took it.
    OtherAgent,
    /// The leg left the queue.
    QueueLeft,
    /// The agent logged out.
    AgentLoggedOut,
    /// The agent or a supervisor changed the agent's state.
    AgentStateChanged,
    /// A supervisor gave it to another agent or queue.
    Reassigned,
}

impl RescindReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerLeft => "customer_left",
            Self::OtherAgent => "other_agent",
            Self::QueueLeft => "queue_left",
            Self::AgentLoggedOut => "agent_logged_out",
            Self::AgentStateChanged => "agent_state_changed",
            Self::Reassigned => "reassigned",
        }
    }
}

/// A leg was offered to an agent: the agent's slot is reserved.
///
/// Event type `offer.made`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferMade {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The queue.
    pub queue_id: QueueId,
    /// The decision behind it.
    pub decision_id: DecisionId,
    /// The agent.
    pub agent_id: UserId,
    /// The session.
    pub agent_session_id: AgentSessionId,
    /// The team.
    pub team_id: TeamId,
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<SiteId>,
    /// Channel of the reserved slot.
    pub channel_type: ChannelType,
    /// Time to answer, ms.
    pub ring_timeout_ms: u64,
    /// When it times out.
    pub expires_at: Timestamp,
}

/// The agent took it.
///
/// Event type `offer.accepted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferAccepted {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
}

/// The agent or the agent's phone said no.
///
/// Event type `offer.rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferRejected {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// Why.
    pub reason: OfferRejectReason,
}

/// Nobody answered in time (RONA, redirection on no answer).
///
/// Event type `offer.timed_out`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferTimedOut {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
}

/// The offer was taken back.
///
/// Event type `offer.rescinded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferRescinded {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// Why.
    pub reason: RescindReason,
}

/// The offer could not be carried out.
///
/// Event type `offer.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferFailed {
    /// The offer.
    pub offer_id: OfferId,
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The leg.
    pub leg_id: LegId,
    /// The agent.
    pub agent_id: UserId,
    /// Stable code, lower_snake, e.g. `sip_503`.
    pub code: String,
}
