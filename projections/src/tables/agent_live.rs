//! `agent_live`: the present state of every agent who has ever logged in.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::agent::{AgentStateName, DeviceType};
use ledgerline_schemas::id::{AgentSessionId, AuxCodeId, SiteId, TeamId, UserId};

use crate::column::Json;

table! {
    /// An agent now. The figures of today are sums over `agent_interval` of the UTC day of the newest event: what
    /// lasts is in them up to the begin of the present quarter of an hour.
    AgentLive = "agent_live", key UserId = [agent_id], sort [agent_id], live true;
    /// The agent.
    agent_id: UserId,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// The session; null when logged out.
    agent_session_id: Option<AgentSessionId>,
    /// The team, also of the last session.
    @Team team_id: TeamId,
    /// Name of the team.
    team_name: Option<Arc<str>>,
    /// The site, also of the last session.
    @Site site_id: SiteId,
    /// Name of the site.
    site_name: Option<Arc<str>>,
    /// Base state: logged_out, available, idle, not_responding.
    state: AgentStateName,
    /// Begin of that state.
    since: Timestamp,
    /// Idle code.
    aux_code_id: Option<AuxCodeId>,
    /// Name of the idle code.
    aux_code: Option<Arc<str>>,
    /// Log-in of the session.
    login_time: Option<Timestamp>,
    /// Kind of device: agent_dn, extension, browser.
    device_type: Option<DeviceType>,
    /// Calls in hand (ringing, connected or in wrap-up).
    voice_count: u32,
    /// Chats in hand.
    chat_count: u32,
    /// Interactions of other channels in hand.
    other_count: u32,
    /// Of all in hand, those that ring.
    ringing_count: u32,
    /// Of all in hand, those connected, on hold, in a consult or conference.
    connected_count: u32,
    /// Of all in hand, those in wrap-up.
    wrapup_count: u32,
    /// Ids of the interactions in hand (JSON array of text, sorted).
    interactions: Json,
    /// Time today with at least one interaction that did not only ring, ms.
    any_contact_today_ms: i64,
    /// Time today available with nothing in hand, ms.
    ready_today_ms: i64,
}
