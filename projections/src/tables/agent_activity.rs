//! `agent_activity`: one row per interval of an agent's state or of an interaction in hand.

use std::sync::Arc;

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EventId, InteractionId, LegId, QueueId, SiteId, TeamId, UserId,
};
use ledgerline_schemas::{ActorType, Timestamp};

use crate::column::AgentActivityState;

table! {
    /// One interval of an agent: of the base state (available, idle, not_responding) or of one interaction
    /// in hand (ringing, connected, hold, consulting, conference, wrapup). Intervals of several interactions
    /// overlap.
    AgentActivity = "agent_activity", key EventId = [activity_id], sort [start_time, activity_id], live false;
    /// Id of the event that began the interval.
    activity_id: EventId,
    /// The session; null in imported call records.
    agent_session_id: Option<AgentSessionId>,
    /// The agent.
    agent_id: UserId,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// The team.
    @Team team_id: Option<TeamId>,
    /// The site.
    @Site site_id: Option<SiteId>,
    /// available, idle, not_responding, ringing, connected, hold, consulting, conference,
    /// wrapup.
    state: AgentActivityState,
    /// Channel of the interaction in hand; null for base states.
    channel_type: Option<ChannelType>,
    /// Idle code.
    idle_code_id: Option<AuxCodeId>,
    /// Wrap-up code chosen in this interval.
    wrapup_code_id: Option<AuxCodeId>,
    /// The interaction in hand.
    interaction_id: Option<InteractionId>,
    /// Its leg.
    leg_id: Option<LegId>,
    /// Its queue.
    @Queue queue_id: Option<QueueId>,
    /// Begin.
    start_time: Timestamp,
    /// End; null while it lasts.
    end_time: Option<Timestamp>,
    /// Begin to end, ms.
    duration_ms: Option<u64>,
    /// Why a base state began: agent, supervisor, rona, login, logout, offer_failed, presence, after_work.
    cause: Option<Arc<str>>,
    /// Kind of party that began it.
    changed_by_type: ActorType,
    /// Which one.
    changed_by_id: Arc<str>,
}
