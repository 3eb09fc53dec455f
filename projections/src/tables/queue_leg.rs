//! `queue_leg`: one row per stay in a queue.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::leg::{LegEndReason, PartyType, TransferKind};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EntryPointId, InteractionId, LegId, QueueId, SiteId, TeamId, UserId,
};

use crate::column::{Json, Outcome};

table! {
    /// One stay of an interaction in a queue and the service that followed it. An interaction that ended
    /// before a queue (in the IVR) has no row.
    QueueLeg = "queue_leg", key LegId = [leg_id], sort [entered_time, leg_id], live false;
    /// The leg.
    leg_id: LegId,
    /// The interaction.
    interaction_id: InteractionId,
    /// Number of the leg in the interaction, from 1.
    leg_no: u32,
    /// The queue.
    @Queue queue_id: QueueId,
    /// Name of the queue when the leg entered.
    queue_name: Option<Arc<str>>,
    /// Channel of the interaction.
    channel_type: ChannelType,
    /// Entry point of the interaction.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// Why it entered: flow, transfer, consult, callback, requeue, overflow, supervisor, import.
    source: QueueSource,
    /// answered (left to an agent), abandoned (the customer left while waiting or being offered), other
    /// (left for any other reason), open (not left yet).
    outcome: Outcome,
    /// Entry to the queue.
    entered_time: Timestamp,
    /// Exit from the queue.
    left_time: Option<Timestamp>,
    /// Why it left: assigned, abandoned, max_time, opt_out, escape_key, moved, callback_requested, overflow,
    /// flow, error.
    leave_reason: Option<QueueLeaveReason>,
    /// Time in the queue, ms, as recorded when it left; 0 when assigned at once; null while open.
    queue_duration_ms: Option<u64>,
    /// Priority at entry, 1 (highest) to 10 (default).
    priority: u8,
    /// Waiting time credited in advance, ms.
    wait_credit_ms: u64,
    /// Service level threshold in force at entry, ms; null when the queue's configuration is not known.
    sl_threshold_ms: Option<u64>,
    /// Agent to be preferred.
    preferred_agent_id: Option<UserId>,
    /// Skills required at entry (JSON array).
    required_skills: Option<Json>,
    /// Times the skill requirements were relaxed.
    relax_steps: u32,
    /// Call distribution group reached, from 0.
    group_no: u32,
    /// Offers to agents.
    offers: u32,
    /// Offers rejected by an agent or an agent's device.
    rejects: u32,
    /// Offers nobody answered in time (redirection on no answer).
    ronas: u32,
    /// Offers taken back.
    rescinds: u32,
    /// Offers that could not be carried out.
    offer_failures: u32,
    /// Time offers rang, ms.
    ringing_duration_ms: u64,
    /// The agent who served it.
    agent_id: Option<UserId>,
    /// Name of the agent when connected.
    agent_name: Option<Arc<str>>,
    /// The agent's session; null in imported call records.
    agent_session_id: Option<AgentSessionId>,
    /// The agent's team.
    @Team team_id: Option<TeamId>,
    /// Name of the team when connected.
    team_name: Option<Arc<str>>,
    /// The agent's site.
    @Site site_id: Option<SiteId>,
    /// Name of the site when connected.
    site_name: Option<Arc<str>>,
    /// Begin of the conversation.
    connected_time: Option<Timestamp>,
    /// End of the conversation.
    disconnected_time: Option<Timestamp>,
    /// Why the conversation ended.
    disconnect_reason: Option<LegEndReason>,
    /// Time connected including hold, ms, as recorded when it ended; null until then.
    connected_duration_ms: Option<u64>,
    /// Times on hold.
    hold_count: u32,
    /// Time on hold, ms.
    hold_duration_ms: u64,
    /// Consults answered.
    consult_count: u32,
    /// Time in answered consults, ms.
    consult_duration_ms: u64,
    /// Conferences started.
    conference_count: u32,
    /// Time in conference, ms.
    conference_duration_ms: u64,
    /// Begin of wrap-up.
    wrapup_time: Option<Timestamp>,
    /// Time in wrap-up, ms; null while it runs or when there was none.
    wrapup_duration_ms: Option<u64>,
    /// Wrap-up code chosen last.
    wrapup_code_id: Option<AuxCodeId>,
    /// Text of that code.
    wrapup_code: Option<Arc<str>>,
    /// Connected (including hold) plus wrap-up time, ms, as far as recorded; null before the conversation
    /// ended.
    handle_duration_ms: Option<u64>,
    /// How it went on after the conversation: normal or transferred; null when not answered or not over.
    handle_type: Option<Arc<str>>,
    /// How it was transferred: blind, consult, conference, vteam, straight.
    transfer_kind: Option<TransferKind>,
    /// Kind of the transfer's target: agent, queue, entry_point, dn.
    next_destination_type: Option<PartyType>,
    /// Entity id of the target; null for an outside number.
    next_destination_id: Option<Arc<str>>,
    /// The leg before it in the same interaction.
    prev_leg_id: Option<LegId>,
    /// The leg after it in the same interaction.
    next_leg_id: Option<LegId>,
}

impl QueueLeg {
    /// Whether the customer is connected to the agent now.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected_time.is_some() && self.disconnected_time.is_none()
    }

    /// Whether the agent is in wrap-up now.
    pub(crate) fn in_wrapup(&self) -> bool {
        self.wrapup_time.is_some() && self.wrapup_duration_ms.is_none()
    }

    /// Whether it left the queue within the threshold in force at entry.
    pub(crate) fn is_within_threshold(&self) -> bool {
        matches!((self.queue_duration_ms, self.sl_threshold_ms), (Some(wait), Some(limit)) if wait <= limit)
    }

    /// Whether nothing of it runs any more.
    pub(crate) fn is_over(&self) -> bool {
        self.outcome != Outcome::Open && !self.is_connected() && !self.in_wrapup()
    }
}
