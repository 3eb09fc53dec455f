//! Agent sessions and states.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateName, SignOutReason,
};

use crate::state::State;
use crate::state::agent::{Agent, Capacity};

pub(super) fn started(state: &mut State, time: Timestamp, it: &AgentSessionStarted) {
    let before = state.agents.get(&it.agent_id);
    let work = before.map(|agent| agent.work.clone()).unwrap_or_default();
    let capacity = match before {
        // Work taken under the old session's profile keeps its slots until the next log-in.
        Some(agent) if !work.is_empty() => agent.capacity.clone(),
        _ => {
            let profile = state.config.profiles.get(&it.multimedia_profile_id);
            profile.map(Capacity::from).unwrap_or_default()
        }
    };
    state.insert_agent(Agent {
        agent_id: it.agent_id,
        agent_session_id: it.agent_session_id,
        team_id: it.team_id,
        site_id: it.site_id,
        device_type: it.device_type,
        dn: it.dn.clone(),
        multimedia_profile_id: it.multimedia_profile_id,
        capacity,
        state: AgentStateName::LoggedOut,
        aux_code_id: None,
        state_since: time,
        available_since: time,
        work,
    });
}

pub(super) fn ended(state: &mut State, it: &AgentSessionEnded) {
    if state
        .agents
        .get(&it.agent_id)
        .is_none_or(|agent| agent.agent_session_id != it.agent_session_id)
    {
        return;
    }
    if it.reason == SignOutReason::Relogin {
        // The next event starts the new session, which takes over the work in hand.
        state.with_agent(it.agent_id, |agent| agent.state = AgentStateName::LoggedOut);
    } else {
        state.remove_agent(it.agent_id);
    }
}

pub(super) fn state_changed(state: &mut State, time: Timestamp, it: &AgentStateChanged) {
    state.with_agent(it.agent_id, |agent| {
        agent.state = it.to;
        agent.aux_code_id = it.aux_code_id;
        agent.state_since = time;
        if it.to == AgentStateName::Available {
            agent.available_since = time;
        }
    });
}
