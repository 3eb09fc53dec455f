//! `customer_activity`: one row per step of an interaction.

use std::sync::Arc;

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::leg::{PartyType, TransferKind};
use ledgerline_schemas::id::{
    AgentSessionId, EntryPointId, EventId, FlowId, InteractionId, LegId, QueueId, SiteId, TeamId,
    UserId,
};
use ledgerline_schemas::{ActorType, Timestamp};

use crate::column::Stage;

table! {
    /// One step of an interaction: from the event that began it to the next step.
    CustomerActivity = "customer_activity", key EventId = [activity_id], sort [created_time, interaction_id, seq], live false;
    /// Id of the event that began the step.
    activity_id: EventId,
    /// The interaction.
    interaction_id: InteractionId,
    /// Number of the step in the interaction, from 1.
    seq: u32,
    /// The leg.
    leg_id: Option<LegId>,
    /// Type of the event that began the step.
    event_name: Arc<str>,
    /// What the interaction was at before.
    previous_state: Stage,
    /// What it is at in this step.
    next_state: Stage,
    /// Begin.
    created_time: Timestamp,
    /// Begin of the next step; null while it is the present one.
    ended_time: Option<Timestamp>,
    /// Begin to end, ms; 0 if the next step was dated earlier.
    duration_ms: Option<u64>,
    /// Channel of the interaction.
    channel_type: ChannelType,
    /// Entry point of the interaction.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// The queue.
    @Queue queue_id: Option<QueueId>,
    /// The agent.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// The agent's session.
    agent_session_id: Option<AgentSessionId>,
    /// The agent's team.
    @Team team_id: Option<TeamId>,
    /// The agent's site.
    @Site site_id: Option<SiteId>,
    /// The flow.
    flow_id: Option<FlowId>,
    /// How it was transferred.
    transfer_kind: Option<TransferKind>,
    /// Kind of a consult's or transfer's target.
    destination_type: Option<PartyType>,
    /// Entity id of the target; null for an outside number.
    destination_id: Option<Arc<str>>,
    /// Reason or code the event gave.
    reason: Option<Arc<str>>,
    /// Kind of party that caused the step.
    actor_type: ActorType,
    /// Which one.
    actor_id: Arc<str>,
}
