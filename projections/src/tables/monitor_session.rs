//! `monitor_session`: one row per monitoring by a supervisor.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::monitor::MonitorType;
use ledgerline_schemas::id::{InteractionId, MonitorId, UserId};

table! {
    /// One monitoring session of a supervisor.
    MonitorSession = "monitor_session", key MonitorId = [monitor_id], sort [started_time, monitor_id], live false;
    /// The monitoring session.
    monitor_id: MonitorId,
    /// midcall, adhoc, continuous.
    monitor_type: MonitorType,
    /// The supervisor.
    supervisor_id: UserId,
    /// Name of the supervisor.
    supervisor_name: Option<Arc<str>>,
    /// The agent.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// The interaction.
    interaction_id: Option<InteractionId>,
    /// Whether the agent was not told.
    is_invisible: bool,
    /// Begin.
    started_time: Timestamp,
    /// Times the supervisor spoke to the agent only.
    whisper_count: u32,
    /// When the supervisor spoke to both for the first time.
    barged_in_time: Option<Timestamp>,
    /// End.
    ended_time: Option<Timestamp>,
    /// Begin to end, ms.
    duration_ms: Option<u64>,
}
