//! `customer_session`: one row per interaction.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::interaction::{
    Direction, LastStage, Relationship, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, CampaignId, EntryPointId, FlowId, InteractionId, QueueId, SiteId,
    TeamId, UserId,
};

use crate::column::Stage;

table! {
    /// One interaction from its creation to its end.
    CustomerSession = "customer_session", key InteractionId = [interaction_id], sort [created_time, interaction_id], live false;
    /// The interaction.
    interaction_id: InteractionId,
    /// voice, chat, email, social, work_item.
    channel_type: ChannelType,
    /// Finer kind (whatsapp, sms).
    channel_sub_type: Option<Arc<str>>,
    /// inbound or outbound.
    direction: Direction,
    /// What it is at: new, ivr, queued, offered, connected, hold, consulting, conference, post_call,
    /// disconnected, wrapup, ended.
    state: Stage,
    /// True until it ended for the customer.
    is_active: bool,
    /// Creation.
    created_time: Timestamp,
    /// End for the customer.
    ended_time: Option<Timestamp>,
    /// Creation to end, ms.
    duration_ms: Option<u64>,
    /// Number or address it was sent to (one of the organization's own).
    destination: Option<Arc<str>>,
    /// Code that stands for the customer in imported history.
    customer_code: Option<Arc<str>>,
    /// Entry point.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// Name of the entry point at creation.
    entry_point_name: Option<Arc<str>>,
    /// First queue entered.
    first_queue_id: Option<QueueId>,
    /// Last queue entered.
    @Queue last_queue_id: Option<QueueId>,
    /// Name of the last queue.
    last_queue_name: Option<Arc<str>>,
    /// Site of the last agent.
    @Site last_site_id: Option<SiteId>,
    /// Team of the last agent.
    @Team last_team_id: Option<TeamId>,
    /// Last agent connected.
    last_agent_id: Option<UserId>,
    /// Name of the last agent.
    last_agent_name: Option<Arc<str>>,
    /// Session of the last agent.
    last_agent_session_id: Option<AgentSessionId>,
    /// Agent the customer should reach.
    preferred_agent_id: Option<UserId>,
    /// Whether the preferred agent was connected; null when none was preferred.
    is_handled_by_preferred_agent: Option<bool>,
    /// Priority, 1 (highest) to 10 (default).
    priority: u8,
    /// Contact reason as given by the source.
    reason: Option<Arc<str>>,
    /// Last flow started.
    flow_id: Option<FlowId>,
    /// Its version; 0 when an import does not know.
    flow_version: Option<u32>,
    /// Why it ended.
    termination_reason: Option<TerminationReason>,
    /// Which side ended it: customer, agent, system.
    terminating_end: Option<TerminatingEnd>,
    /// How far it had come when it ended: ivr, queue, offer, connected, wrapup.
    last_stage: Option<LastStage>,
    /// True when it ended without ever reaching a queue.
    is_ivr_ended: bool,
    /// Where the customer gave up before reaching an agent: ivr, queue, offer; null otherwise.
    abandoned_type: Option<Arc<str>>,
    /// Whether it entered a queue.
    is_offered: bool,
    /// Whether an agent was connected.
    is_handled: bool,
    /// Stays in queues.
    queue_count: u32,
    /// Time in queues, ms, of the stays that are over.
    queue_duration_ms: u64,
    /// Flow runs.
    self_service_count: u32,
    /// Time in flow runs, ms, until each ended or the interaction entered a queue.
    self_service_duration_ms: u64,
    /// Offers to agents.
    offer_count: u32,
    /// Offers rejected.
    reject_count: u32,
    /// Offers nobody answered in time.
    rona_count: u32,
    /// Time offers rang, ms.
    ringing_duration_ms: u64,
    /// Conversations.
    connected_count: u32,
    /// Time connected including hold, ms.
    connected_duration_ms: u64,
    /// Times on hold.
    hold_count: u32,
    /// Time on hold, ms.
    hold_duration_ms: u64,
    /// Consults answered.
    consult_count: u32,
    /// Time in answered consults, ms.
    consult_duration_ms: u64,
    /// Conferences.
    conference_count: u32,
    /// Time in conference, ms.
    conference_duration_ms: u64,
    /// Wrap-ups.
    wrapup_count: u32,
    /// Time in wrap-up, ms.
    wrapup_duration_ms: u64,
    /// Transfers done.
    transfer_count: u32,
    /// Transfers that failed.
    transfer_error_count: u32,
    /// Stays in a queue that ended by overflow.
    overflow_count: u32,
    /// Callbacks asked for.
    callback_count: u32,
    /// Messages from the customer.
    message_received_count: u32,
    /// Messages to the customer.
    message_sent_count: u32,
    /// Wrap-up code chosen last.
    last_wrapup_code_id: Option<AuxCodeId>,
    /// Code of the failure, if it could not be handled.
    failure_code: Option<Arc<str>>,
    /// The interaction it grew from.
    parent_interaction_id: Option<InteractionId>,
    /// Why it has a parent: none, transfer, consult, callback, campaign.
    relationship: Relationship,
    /// The campaign.
    campaign_id: Option<CampaignId>,
}
