//! Agents log in, change state and log out.

use ledgerline_schemas::config::AuxCodeKind;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateForced, AgentStateName,
    DeviceType, SignOutReason, StateCause,
};
use ledgerline_schemas::event::interaction::{LastStage, TerminatingEnd, TerminationReason};
use ledgerline_schemas::event::leg::LegEndReason;
use ledgerline_schemas::event::offer::RescindReason;
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::wrapup::WrapUpEndedBy;
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EntityId, InteractionId, LegId, MultimediaProfileId, TeamId, UserId,
};
use ledgerline_schemas::{Actor, ActorType, Position};

use super::{Decision, Ending};
use crate::rejection::{Rejection, RejectionCode};
use crate::state::agent::Agent;
use crate::state::interaction::LegPhase;

fn invalid(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionCode::Invalid, message)
}

impl Decision<'_> {
    fn logged_in(&self, agent_id: UserId) -> Result<&Agent, Rejection> {
        self.state.agents.get(&agent_id).ok_or_else(|| {
            Rejection::new(RejectionCode::NotFound, "agent_id: this agent is not logged in")
        })
    }

    pub(super) fn agent_login(
        &mut self,
        agent_id: UserId,
        agent_session_id: AgentSessionId,
        team_id: TeamId,
        (dn, device_type): (Option<&str>, DeviceType),
    ) -> Result<(), Rejection> {
        let before = self.state.agents.get(&agent_id);
        if before.is_some_and(|agent| agent.agent_session_id == agent_session_id) {
            return Ok(());
        }
        let event = self.new_session(agent_id, agent_session_id, team_id, (dn, device_type))?;
        if let Some(agent) = before {
            let holds = agent
                .work
                .values()
                .any(|work| work.slot != ledgerline_schemas::event::agent::SlotState::Reserved);
            if holds && agent.team_id != team_id {
                let message = "team_id: cannot change while interactions are in hand";
                return Err(Rejection::new(RejectionCode::Conflict, message));
            }
            self.replace_session(agent_id);
        }
        self.cause = Some(self.emit_agent(agent_id, None, event));
        let code = self.state.config.default_aux_code(AuxCodeKind::Idle);
        self.change_state(agent_id, AgentStateName::Idle, code, StateCause::Login);
        Ok(())
    }

    /// The session a log-in asks for, checked against the configuration.
    fn new_session(
        &self,
        agent_id: UserId,
        agent_session_id: AgentSessionId,
        team_id: TeamId,
        (dn, device_type): (Option<&str>, DeviceType),
    ) -> Result<AgentSessionStarted, Rejection> {
        let config = &self.state.config;
        let user = config.user(agent_id).filter(|user| user.active).ok_or_else(|| {
            let message = format!("agent_id: no active user {agent_id}");
            Rejection::new(RejectionCode::NotFound, message)
        })?;
        if !user.team_ids.contains(&team_id) {
            return Err(invalid(format!("team_id: user {:?} is not in this team", user.name)));
        }
        let team = config
            .team(team_id)
            .filter(|team| team.active)
            .ok_or_else(|| invalid(format!("team_id: no active team {team_id}")))?;
        let profile_id: MultimediaProfileId =
            user.multimedia_profile_id.or(team.multimedia_profile_id).ok_or_else(|| {
                invalid("multimedia_profile_id: neither the user nor the team has one")
            })?;
        let profile = config
            .profiles
            .get(&profile_id)
            .ok_or_else(|| invalid(format!("multimedia_profile_id: no profile {profile_id}")))?;
        let dn = dn.map(str::to_owned).or_else(|| user.default_dn.clone()).unwrap_or_default();
        if profile.voice > 0 && dn.trim().is_empty() {
            return Err(invalid("dn: needed to take calls, and the user has no default"));
        }
        let record = config.entity(EntityId::new(profile_id.uuid()));
        let skills = user.skill_profile_id.and_then(|id| config.skill_profiles.get(&id));
        Ok(AgentSessionStarted {
            agent_session_id,
            agent_id,
            team_id,
            site_id: team.site_id,
            device_type,
            dn,
            multimedia_profile_id: profile_id,
            profile_config_position: record.map_or(Position::START, |record| record.position),
            skills: skills.map(|profile| profile.skills.clone()).unwrap_or_default(),
        })
    }

    /// Ends the session that a new log-in replaces: open offers go back, everything else stays in hand.
    fn replace_session(&mut self, agent_id: UserId) {
        self.take_back_offers(agent_id, RescindReason::AgentLoggedOut);
        self.change_state(agent_id, AgentStateName::LoggedOut, None, StateCause::Logout);
        let Some(agent) = self.state.agents.get(&agent_id) else { return };
        let agent_session_id = agent.agent_session_id;
        let reason = SignOutReason::Relogin;
        self.emit_agent(agent_id, None, AgentSessionEnded { agent_session_id, agent_id, reason });
    }

    pub(super) fn agent_logout(
        &mut self,
        agent_id: UserId,
        reason: SignOutReason,
    ) -> Result<(), Rejection> {
        let Some(agent) = self.state.agents.get(&agent_id) else { return Ok(()) };
        let agent_session_id = agent.agent_session_id;
        let forced = matches!(reason, SignOutReason::Supervisor | SignOutReason::System);
        let held: Vec<(LegId, InteractionId)> =
            agent.work.iter().map(|(leg_id, work)| (*leg_id, work.interaction_id)).collect();
        let connected = held.iter().any(|(_, id)| {
            let connection = self.open(*id).and_then(|interaction| interaction.connection());
            connection.is_some_and(|connection| connection.agent_id == agent_id)
        });
        if connected && !forced {
            let message = "agent_id: an agent with a connected interaction cannot log out";
            return Err(Rejection::new(RejectionCode::Conflict, message));
        }
        // First out of the line, so that nothing given back here comes straight to this agent again.
        self.change_state(agent_id, AgentStateName::LoggedOut, None, StateCause::Logout);
        self.take_back_offers(agent_id, RescindReason::AgentLoggedOut);
        for (leg_id, id) in held {
            self.end_wrapup(id, leg_id, WrapUpEndedBy::Logout);
            self.give_back(agent_id, id, reason);
        }
        self.emit_agent(agent_id, None, AgentSessionEnded { agent_session_id, agent_id, reason });
        Ok(())
    }

    /// A conversation whose agent is logged out by force goes back to its queue.
    fn give_back(&mut self, agent_id: UserId, id: InteractionId, reason: SignOutReason) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let queue_id = leg.queue_id;
        if !matches!(&leg.phase, LegPhase::Connected(it) if it.agent_id == agent_id) {
            return;
        }
        let why = match reason {
            SignOutReason::Supervisor => LegEndReason::Supervisor,
            _ => LegEndReason::System,
        };
        self.disconnect(id, why, false);
        if self.state.config.queue(queue_id).is_some() {
            // Its place was counted before; the queue's limit does not turn it away.
            self.enter_queue(id, queue_id, QueueSource::Requeue, Some(Actor::router()));
            self.queue_music(id);
        } else {
            let ending = Ending {
                end: TerminatingEnd::System,
                reason: TerminationReason::NoRoute,
                stage: LastStage::Connected,
            };
            self.finish(id, ending);
        }
    }

    pub(super) fn set_available(&mut self, agent_id: UserId) -> Result<(), Rejection> {
        let agent = self.logged_in(agent_id)?;
        if agent.state != AgentStateName::Available {
            self.change_state_on_request(agent_id, AgentStateName::Available, None);
            self.free(agent_id);
        }
        Ok(())
    }

    pub(super) fn set_idle(
        &mut self,
        agent_id: UserId,
        aux_code_id: Option<AuxCodeId>,
    ) -> Result<(), Rejection> {
        let agent = self.logged_in(agent_id)?;
        let (state, code) = (agent.state, agent.aux_code_id);
        let wanted = self.aux_code(AuxCodeKind::Idle, aux_code_id)?;
        if state != AgentStateName::Idle || code != wanted {
            self.change_state_on_request(agent_id, AgentStateName::Idle, wanted);
            self.take_back_offers(agent_id, RescindReason::AgentStateChanged);
        }
        Ok(())
    }

    fn change_state_on_request(
        &mut self,
        agent_id: UserId,
        to: AgentStateName,
        aux_code_id: Option<AuxCodeId>,
    ) {
        let supervised = self.command.actor.kind == ActorType::Supervisor;
        if let Some(by) = self.requester().filter(|_| supervised) {
            let event = AgentStateForced { agent_id, by, to };
            self.cause = Some(self.emit_agent(agent_id, None, event));
        }
        let cause = if supervised { StateCause::Supervisor } else { StateCause::Agent };
        self.change_state(agent_id, to, aux_code_id, cause);
    }

    fn change_state(
        &mut self,
        agent_id: UserId,
        to: AgentStateName,
        aux_code_id: Option<AuxCodeId>,
        cause: StateCause,
    ) {
        let Some(agent) = self.state.agents.get(&agent_id) else { return };
        let event = AgentStateChanged {
            agent_session_id: agent.agent_session_id,
            agent_id,
            from: agent.state,
            to,
            aux_code_id,
            cause,
            requested_by: self.requester(),
            requested_while_busy: !agent.work.is_empty(),
        };
        self.cause = Some(self.emit_agent(agent_id, None, event));
    }

    /// Takes back every offer that rings at an agent; the legs wait again.
    fn take_back_offers(&mut self, agent_id: UserId, reason: RescindReason) {
        let Some(agent) = self.state.agents.get(&agent_id) else { return };
        let ids: Vec<InteractionId> = agent.work.values().map(|work| work.interaction_id).collect();
        for id in ids {
            let offer = self.open_offer(id);
            if offer.is_some_and(|(offer, _)| offer.agent_id == agent_id) {
                self.rescind(id, reason);
                self.wait_again(id);
            }
        }
    }
}
