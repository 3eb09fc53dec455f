//! `interaction_live`: the interactions that are under way.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::interaction::Direction;
use ledgerline_schemas::id::{
    CampaignId, EntryPointId, FlowId, InteractionId, LegId, QueueId, SiteId, TeamId, UserId,
};

use crate::column::Stage;

table! {
    /// An interaction that has not ended, or of which a stay in a queue, a conversation or a wrap-up still goes on.
    /// The row goes when all of that is over; then it is in `customer_session` alone.
    InteractionLive = "interaction_live", key InteractionId = [interaction_id], sort [interaction_id], live true;
    /// The interaction.
    interaction_id: InteractionId,
    /// Its channel.
    channel_type: ChannelType,
    /// Who began it: inbound, outbound.
    direction: Direction,
    /// What it is at.
    state: Stage,
    /// Begin of that state.
    since: Timestamp,
    /// When it was created.
    created_time: Timestamp,
    /// Entry point it came through.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// Name of the entry point.
    entry_point_name: Option<Arc<str>>,
    /// Flow that ran last.
    flow_id: Option<FlowId>,
    /// The leg entered last.
    leg_id: Option<LegId>,
    /// Queue of that leg.
    @Queue queue_id: Option<QueueId>,
    /// Name of the queue.
    queue_name: Option<Arc<str>>,
    /// When it entered that queue.
    entered_time: Option<Timestamp>,
    /// Whether it waits in the queue or is being offered.
    is_waiting: bool,
    /// Priority, 1 (first) to 10.
    priority: u8,
    /// Agent who had it in hand last.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// Team of the agent.
    @Team team_id: Option<TeamId>,
    /// Site of the agent.
    @Site site_id: Option<SiteId>,
    /// Times put on hold.
    hold_count: u32,
    /// Queues entered.
    queue_count: u32,
    /// Transfers.
    transfer_count: u32,
    /// Campaign it belongs to.
    campaign_id: Option<CampaignId>,
}
