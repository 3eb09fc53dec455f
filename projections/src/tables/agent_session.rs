//! `agent_session`: one row per log-in.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::agent::{AgentStateName, DeviceType, SignOutReason};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, MultimediaProfileId, SiteId, TeamId, UserId,
};

use crate::column::AgentActivityState;

table! {
    /// One log-in of an agent. Durations are of intervals that are over; times of several interactions at
    /// once are added up. By channel: `agent_activity`.
    AgentSession = "agent_session", key AgentSessionId = [agent_session_id], sort [start_time, agent_session_id], live false;
    /// The session.
    agent_session_id: AgentSessionId,
    /// The agent.
    agent_id: UserId,
    /// Name of the agent at log-in.
    agent_name: Option<Arc<str>>,
    /// The team chosen.
    @Team team_id: TeamId,
    /// Name of the team.
    team_name: Option<Arc<str>>,
    /// The team's site.
    @Site site_id: SiteId,
    /// Name of the site.
    site_name: Option<Arc<str>>,
    /// Kind of device: agent_dn, extension, browser.
    device_type: DeviceType,
    /// Profile in force at log-in.
    multimedia_profile_id: MultimediaProfileId,
    /// Log-in.
    start_time: Timestamp,
    /// Log-out.
    end_time: Option<Timestamp>,
    /// Log-in to log-out, ms.
    duration_ms: Option<u64>,
    /// True until log-out.
    is_active: bool,
    /// Why it ended: agent, supervisor, relogin, system.
    sign_out_reason: Option<SignOutReason>,
    /// State now or at log-out: available, idle, not_responding, logged_out.
    current_state: AgentStateName,
    /// When that state began.
    state_time: Timestamp,
    /// Idle code of that state.
    aux_code_id: Option<AuxCodeId>,
    /// Intervals available.
    available_count: u32,
    /// Time available, ms.
    available_duration_ms: u64,
    /// Intervals idle.
    idle_count: u32,
    /// Time idle, ms.
    idle_duration_ms: u64,
    /// Intervals not responding.
    not_responding_count: u32,
    /// Time not responding, ms.
    not_responding_duration_ms: u64,
    /// Offers to the agent.
    offer_count: u32,
    /// Offers rejected.
    reject_count: u32,
    /// Offers not answered in time.
    rona_count: u32,
    /// Time offers rang, ms.
    ringing_duration_ms: u64,
    /// Intervals in conversation: one more each time a hold or consult ended.
    connected_count: u32,
    /// Time in conversation without hold and consult, ms.
    connected_duration_ms: u64,
    /// Times a customer was on hold.
    hold_count: u32,
    /// Time a customer was on hold, ms.
    hold_duration_ms: u64,
    /// Consults.
    consult_count: u32,
    /// Time in consults, ms.
    consult_duration_ms: u64,
    /// Conferences the agent started.
    conference_count: u32,
    /// Time in them, ms.
    conference_duration_ms: u64,
    /// Wrap-ups.
    wrapup_count: u32,
    /// Time in wrap-up, ms.
    wrapup_duration_ms: u64,
}

impl AgentSession {
    /// Count and time of a state.
    pub(crate) fn figures(&mut self, state: AgentActivityState) -> (&mut u32, &mut u64) {
        use AgentActivityState as S;
        match state {
            S::Available => (&mut self.available_count, &mut self.available_duration_ms),
            S::Idle => (&mut self.idle_count, &mut self.idle_duration_ms),
            S::NotResponding => {
                (&mut self.not_responding_count, &mut self.not_responding_duration_ms)
            }
            // Offers are counted by themselves.
            S::Ringing => (&mut self.offer_count, &mut self.ringing_duration_ms),
            S::Connected => (&mut self.connected_count, &mut self.connected_duration_ms),
            S::Hold => (&mut self.hold_count, &mut self.hold_duration_ms),
            S::Consulting => (&mut self.consult_count, &mut self.consult_duration_ms),
            S::Conference => (&mut self.conference_count, &mut self.conference_duration_ms),
            S::Wrapup => (&mut self.wrapup_count, &mut self.wrapup_duration_ms),
        }
    }
}
