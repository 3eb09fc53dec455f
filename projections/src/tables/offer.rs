//! `offer`: one row per offer of a leg to an agent.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{
    AgentSessionId, DecisionId, InteractionId, LegId, OfferId, QueueId, SiteId, TeamId, UserId,
};

use crate::column::OfferOutcome;

table! {
    /// One offer of a leg to an agent, from ringing to its outcome.
    Offer = "offer", key OfferId = [offer_id], sort [made_time, offer_id], live false;
    /// The offer.
    offer_id: OfferId,
    /// The decision behind it.
    decision_id: DecisionId,
    /// The interaction.
    interaction_id: InteractionId,
    /// The leg.
    leg_id: LegId,
    /// The queue.
    @Queue queue_id: QueueId,
    /// The agent.
    agent_id: UserId,
    /// Name of the agent when the offer was made.
    agent_name: Option<Arc<str>>,
    /// The agent's session.
    agent_session_id: AgentSessionId,
    /// The agent's team.
    @Team team_id: TeamId,
    /// The agent's site.
    @Site site_id: Option<SiteId>,
    /// Channel of the reserved slot.
    channel_type: ChannelType,
    /// Time to answer, ms.
    ring_timeout_ms: u64,
    /// When it was made.
    made_time: Timestamp,
    /// When it ended; null while it rings.
    ended_time: Option<Timestamp>,
    /// ringing, accepted, rejected, timed_out (redirection on no answer), rescinded, failed.
    outcome: OfferOutcome,
    /// Reason or code the event gave.
    reason: Option<Arc<str>>,
    /// Time it rang, ms; null while it rings.
    ring_duration_ms: Option<u64>,
}
