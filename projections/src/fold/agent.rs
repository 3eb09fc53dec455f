//! `agent_session`, `agent_activity`, `agent_live`: agents, their states and what they have in hand.

use std::collections::BTreeMap;

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::agent::{
    AgentDeviceChanged, AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateName,
    DeviceType,
};
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EventId, InteractionId, LegId, QueueId, SiteId, TeamId, UserId,
};
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::{AgentActivityState, Json};
use crate::fold::agent_interval::{Kind, Runs};
use crate::fold::today::Today;
use crate::fold::{At, Fold, text};
use crate::tables::{AgentActivity, AgentLive, AgentSession};

/// An agent as far as the log tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Agent {
    /// The session that runs.
    pub(super) session: Option<Session>,
    /// The present state and its activity, while a session runs.
    state: Option<State>,
    /// What is in hand, by leg.
    hands: BTreeMap<LegId, Held>,
    /// What the agent adds to a team's count.
    pub(super) counted: Option<(TeamId, bool)>,
    /// Team and site of the last session or conversation.
    pub(super) place: (Option<TeamId>, Option<SiteId>),
    /// What holds of the agent for now.
    pub(super) runs: Runs,
    /// What is counted of the present day.
    pub(super) today: Today,
}

impl Agent {
    /// Available with nothing in hand.
    pub(super) fn is_ready(&self) -> bool {
        let state = self.state.map(|state| state.name);
        state == Some(AgentStateName::Available) && self.hands.is_empty()
    }

    /// Has something in hand that does not only ring, on this channel or on any.
    pub(super) fn is_in_contact(&self, channel: Option<ChannelType>) -> bool {
        self.hands.values().any(|held| {
            held.state != AgentActivityState::Ringing
                && channel.is_none_or(|channel| held.hand.channel_type == channel)
        })
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: AgentSessionId,
    pub(super) team_id: TeamId,
    pub(super) site_id: SiteId,
    device_type: DeviceType,
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct State {
    name: AgentStateName,
    since: Timestamp,
    aux_code_id: Option<AuxCodeId>,
    activity: Option<EventId>,
}

/// A leg an agent has in hand.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Hand {
    pub(super) interaction_id: InteractionId,
    pub(super) leg_id: LegId,
    pub(super) queue_id: Option<QueueId>,
    pub(super) channel_type: ChannelType,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Held {
    hand: Hand,
    state: AgentActivityState,
    since: Timestamp,
    activity: EventId,
    session: Option<AgentSessionId>,
}

const fn activity_state(state: AgentStateName) -> Option<AgentActivityState> {
    match state {
        AgentStateName::Available => Some(AgentActivityState::Available),
        AgentStateName::Idle => Some(AgentActivityState::Idle),
        AgentStateName::NotResponding => Some(AgentActivityState::NotResponding),
        AgentStateName::LoggedOut => None,
    }
}

impl Fold {
    pub(super) fn agent_session_started(&mut self, at: &mut At<'_>, it: &AgentSessionStarted) {
        let time = at.time();
        let row = AgentSession {
            agent_session_id: it.agent_session_id,
            agent_id: it.agent_id,
            agent_name: self.config.name(it.agent_id.uuid()),
            team_id: it.team_id,
            team_name: self.config.name(it.team_id.uuid()),
            site_id: it.site_id,
            site_name: self.config.name(it.site_id.uuid()),
            device_type: it.device_type,
            multimedia_profile_id: it.multimedia_profile_id,
            start_time: time,
            end_time: None,
            duration_ms: None,
            is_active: true,
            sign_out_reason: None,
            current_state: AgentStateName::LoggedOut,
            state_time: time,
            aux_code_id: None,
            available_count: 0,
            available_duration_ms: 0,
            idle_count: 0,
            idle_duration_ms: 0,
            not_responding_count: 0,
            not_responding_duration_ms: 0,
            offer_count: 0,
            reject_count: 0,
            rona_count: 0,
            ringing_duration_ms: 0,
            connected_count: 0,
            connected_duration_ms: 0,
            hold_count: 0,
            hold_duration_ms: 0,
            consult_count: 0,
            consult_duration_ms: 0,
            conference_count: 0,
            conference_duration_ms: 0,
            wrapup_count: 0,
            wrapup_duration_ms: 0,
            valid_from_position: at.header.position,
        };
        self.tables.agent_session.put(at.sink, row);
        self.base_state_over(at, it.agent_id);
        let agent = self.agents.entry(it.agent_id).or_default();
        agent.session = Some(Session {
            id: it.agent_session_id,
            team_id: it.team_id,
            site_id: it.site_id,
            device_type: it.device_type,
            since: time,
        });
        agent.place = (Some(it.team_id), Some(it.site_id));
        // What the state is comes with the event that follows.
        agent.state = Some(State {
            name: AgentStateName::LoggedOut,
            since: time,
            aux_code_id: None,
            activity: None,
        });
        self.agent_shown(at, it.agent_id);
    }

    pub(super) fn agent_session_ended(&mut self, at: &mut At<'_>, it: &AgentSessionEnded) {
        let time = at.time();
        let current = self.agents.get(&it.agent_id).and_then(|agent| agent.session);
        let is_current = current.is_some_and(|session| session.id == it.agent_session_id);
        if is_current {
            self.base_state_over(at, it.agent_id);
            if let Some(agent) = self.agents.get_mut(&it.agent_id) {
                agent.state = None;
            }
        }
        self.tables.agent_session.change(at.sink, &it.agent_session_id, |row| {
            row.end_time = Some(time);
            row.duration_ms = Some(time.ms_since(row.start_time));
            row.is_active = false;
            row.sign_out_reason = Some(it.reason);
            row.current_state = AgentStateName::LoggedOut;
            row.state_time = time;
            row.aux_code_id = None;
        });
        if is_current {
            let session = self.agents.get_mut(&it.agent_id).and_then(|agent| agent.session.take());
            self.runs_aligned(at, it.agent_id);
            self.agent_live(at, it.agent_id, session);
            self.agent_counted(at, it.agent_id);
        }
    }

    pub(super) fn agent_state_changed(&mut self, at: &mut At<'_>, it: &AgentStateChanged) {
        let time = at.time();
        self.base_state_over(at, it.agent_id);
        let Some(agent) = self.agents.get_mut(&it.agent_id) else { return };
        let Some(session) = agent.session.filter(|session| session.id == it.agent_session_id)
        else {
            return;
        };
        let state = activity_state(it.to);
        agent.state = Some(State {
            name: it.to,
            since: time,
            aux_code_id: it.aux_code_id,
            activity: state.map(|_| at.header.id),
        });
        if let Some(state) = state {
            self.run_begins(at, it.agent_id, Kind::Base(state));
            let row = AgentActivity {
                activity_id: at.header.id,
                agent_session_id: Some(session.id),
                agent_id: it.agent_id,
                agent_name: self.config.name(it.agent_id.uuid()),
                team_id: Some(session.team_id),
                site_id: Some(session.site_id),
                state,
                channel_type: None,
                idle_code_id: it.aux_code_id,
                wrapup_code_id: None,
                interaction_id: None,
                leg_id: None,
                queue_id: None,
                start_time: time,
                end_time: None,
                duration_ms: None,
                cause: Some(text(it.cause.name())),
                changed_by_type: at.header.actor.kind,
                changed_by_id: text(&at.header.actor.id),
                valid_from_position: at.header.position,
            };
            self.tables.agent_activity.put(at.sink, row);
        }
        self.tables.agent_session.change(at.sink, &session.id, |row| {
            row.current_state = it.to;
            row.state_time = time;
            row.aux_code_id = it.aux_code_id;
            if let Some(state) = state {
                *row.figures(state).0 += 1;
            }
        });
        self.agent_shown(at, it.agent_id);
    }

    pub(super) fn agent_device_changed(&mut self, at: &mut At<'_>, it: &AgentDeviceChanged) {
        let session = self.agents.get_mut(&it.agent_id).and_then(|agent| agent.session.as_mut());
        if let Some(session) = session.filter(|session| session.id == it.agent_session_id) {
            session.device_type = it.device_type;
        }
        self.tables.agent_session.change(at.sink, &it.agent_session_id, |row| {
            row.device_type = it.device_type;
        });
        self.agent_shown(at, it.agent_id);
    }

    /// Ends the interval of the agent's base state.
    fn base_state_over(&mut self, at: &mut At<'_>, agent_id: UserId) {
        let Some(agent) = self.agents.get_mut(&agent_id) else { return };
        let Some((state, session)) = agent.state.as_mut().zip(agent.session) else { return };
        let Some(activity) = state.activity.take() else { return };
        let (name, since) = (state.name, state.since);
        self.activity_over(at, activity);
        let lasted_ms = at.time().ms_since(since);
        if let Some(name) = activity_state(name) {
            self.run_ends(at, agent_id, Kind::Base(name));
            self.tables.agent_session.change(at.sink, &session.id, |row| {
                *row.figures(name).1 += lasted_ms;
            });
        }
    }

    fn activity_over(&mut self, at: &mut At<'_>, activity: EventId) {
        let time = at.time();
        self.tables.agent_activity.change(at.sink, &activity, |row| {
            row.end_time = Some(time);
            row.duration_ms = Some(time.ms_since(row.start_time));
        });
    }

    /// What an agent does with a leg from now on.
    pub(super) fn hand(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        hand: Hand,
        state: AgentActivityState,
    ) {
        let time = at.time();
        self.held_over(at, agent_id, hand.leg_id);
        let agent = self.agents.entry(agent_id).or_default();
        let session = agent.session;
        agent.hands.insert(
            hand.leg_id,
            Held {
                hand,
                state,
                since: time,
                activity: at.header.id,
                session: session.map(|session| session.id),
            },
        );
        let leg = self.tables.queue_leg.get(&hand.leg_id);
        let place = (
            session.map(|it| it.team_id).or_else(|| leg.and_then(|leg| leg.team_id)),
            session.map(|it| it.site_id).or_else(|| leg.and_then(|leg| leg.site_id)),
        );
        agent.place = place;
        let row = AgentActivity {
            activity_id: at.header.id,
            agent_session_id: session.map(|session| session.id),
            agent_id,
            agent_name: self.config.name(agent_id.uuid()),
            team_id: place.0,
            site_id: place.1,
            state,
            channel_type: Some(hand.channel_type),
            idle_code_id: None,
            wrapup_code_id: None,
            interaction_id: Some(hand.interaction_id),
            leg_id: Some(hand.leg_id),
            queue_id: hand.queue_id,
            start_time: time,
            end_time: None,
            duration_ms: None,
            cause: None,
            changed_by_type: at.header.actor.kind,
            changed_by_id: text(&at.header.actor.id),
            valid_from_position: at.header.position,
        };
        self.tables.agent_activity.put(at.sink, row);
        self.run_begins(at, agent_id, Kind::Hand(hand.leg_id, hand.channel_type, state));
        if let (Some(session), false) = (session, state == AgentActivityState::Ringing) {
            self.tables.agent_session.change(at.sink, &session.id, |row| {
                *row.figures(state).0 += 1;
            });
        }
        self.agent_shown(at, agent_id);
    }

    /// Goes on with a leg in another state, if the agent has it in hand.
    pub(super) fn hand_becomes(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        leg_id: LegId,
        state: AgentActivityState,
    ) {
        let held = self.agents.get(&agent_id).and_then(|agent| agent.hands.get(&leg_id));
        if let Some(hand) = held.map(|held| held.hand) {
            self.hand(at, agent_id, hand, state);
        }
    }

    /// Lays a leg out of an agent's hand if it is in this state.
    pub(super) fn hand_over(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        leg_id: LegId,
        state: AgentActivityState,
    ) {
        if self.held_state(agent_id, leg_id) == Some(state) {
            self.held_over(at, agent_id, leg_id);
            self.agent_shown(at, agent_id);
        }
    }

    /// What an agent does with a leg.
    pub(super) fn held_state(&self, agent_id: UserId, leg_id: LegId) -> Option<AgentActivityState> {
        self.agents.get(&agent_id)?.hands.get(&leg_id).map(|held| held.state)
    }

    /// The activity of a leg in an agent's hand.
    pub(super) fn held_activity(&self, agent_id: UserId, leg_id: LegId) -> Option<EventId> {
        self.agents.get(&agent_id)?.hands.get(&leg_id).map(|held| held.activity)
    }

    /// Sessions in which something is still in hand.
    pub(super) fn held_sessions(&self) -> impl Iterator<Item = AgentSessionId> {
        self.agents.values().flat_map(|agent| agent.hands.values()).filter_map(|held| held.session)
    }

    fn held_over(&mut self, at: &mut At<'_>, agent_id: UserId, leg_id: LegId) {
        let agent = self.agents.get_mut(&agent_id);
        let Some(held) = agent.and_then(|agent| agent.hands.remove(&leg_id)) else { return };
        self.activity_over(at, held.activity);
        self.run_ends(at, agent_id, Kind::Hand(leg_id, held.hand.channel_type, held.state));
        let lasted_ms = at.time().ms_since(held.since);
        if let Some(session) = held.session {
            self.tables.agent_session.change(at.sink, &session, |row| {
                *row.figures(held.state).1 += lasted_ms;
            });
        }
    }

    /// Changes the row of the agent's running session.
    pub(super) fn agent_row(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        change: impl FnOnce(&mut AgentSession),
    ) {
        let session = self.agents.get(&agent_id).and_then(|agent| agent.session);
        if let Some(session) = session {
            self.tables.agent_session.change(at.sink, &session.id, change);
        }
    }

    fn agent_shown(&mut self, at: &mut At<'_>, agent_id: UserId) {
        // First: what ends is in the figures of today.
        self.runs_aligned(at, agent_id);
        self.agent_refreshed(at, agent_id);
        self.agent_counted(at, agent_id);
    }

    /// Brings `agent_live` in line with what is known of an agent.
    pub(super) fn agent_refreshed(&mut self, at: &mut At<'_>, agent_id: UserId) {
        let session = self.agents.get(&agent_id).and_then(|agent| agent.session);
        self.agent_live(at, agent_id, session);
    }

    /// Brings `agent_live` in line; `session` is the running one, or the one that has just ended.
    fn agent_live(&mut self, at: &mut At<'_>, agent_id: UserId, session: Option<Session>) {
        let Some(agent) = self.agents.get(&agent_id) else { return };
        let shown = self.tables.agent_live.get(&agent_id);
        let place = session
            .map(|session| (session.team_id, session.site_id))
            .or_else(|| shown.map(|row| (row.team_id, row.site_id)));
        // Agents of imported call records have never logged in: they are not live.
        let Some((team_id, site_id)) = place else { return };
        let running = agent.session;
        let since = agent.state.map(|state| state.since).unwrap_or_else(|| match shown {
            Some(row) if row.state == AgentStateName::LoggedOut => row.since,
            _ => at.time(),
        });
        let aux_code_id = agent.state.and_then(|state| state.aux_code_id);
        let of = |wanted: &[AgentActivityState]| {
            agent.hands.values().filter(|held| wanted.contains(&held.state)).count()
        };
        let on =
            |channel| agent.hands.values().filter(|held| held.hand.channel_type == channel).count();
        let (voice, chat) = (on(ChannelType::Voice), on(ChannelType::Chat));
        let mut interactions: Vec<InteractionId> =
            agent.hands.values().map(|held| held.hand.interaction_id).collect();
        interactions.sort_unstable();
        interactions.dedup();
        let row = AgentLive {
            agent_id,
            agent_name: self.config.name(agent_id.uuid()),
            agent_session_id: running.map(|session| session.id),
            team_id,
            team_name: self.config.name(team_id.uuid()),
            site_id,
            site_name: self.config.name(site_id.uuid()),
            state: agent.state.map_or(AgentStateName::LoggedOut, |state| state.name),
            since,
            aux_code_id,
            aux_code: aux_code_id.and_then(|id| self.config.name(id.uuid())),
            login_time: running.map(|session| session.since),
            device_type: running.map(|session| session.device_type),
            voice_count: count(voice),
            chat_count: count(chat),
            other_count: count(agent.hands.len() - voice - chat),
            ringing_count: count(of(&[AgentActivityState::Ringing])),
            connected_count: count(of(&[
                AgentActivityState::Connected,
                AgentActivityState::Hold,
                AgentActivityState::Consulting,
                AgentActivityState::Conference,
            ])),
            wrapup_count: count(of(&[AgentActivityState::Wrapup])),
            interactions: Json::of(&interactions),
            any_contact_today_ms: agent.today.any_contact_ms,
            ready_today_ms: agent.today.ready_ms,
            valid_from_position: shown.map_or(Position::START, |row| row.valid_from_position),
        };
        if shown != Some(&row) {
            let before = shown.cloned();
            self.staff_counted(at, before.as_ref(), &row);
            self.tables.agent_live.put(at.sink, row);
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
