//! Lines of agents: memberships, log-ins and pauses. A session lasts from the first queue an agent is a
//! member of, or the log-in, to the last.

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateName, DeviceType,
    SignOutReason, StateCause,
};
use ledgerline_schemas::id::{AgentSessionId, AuxCodeId, QueueId, UserId};
use ledgerline_schemas::{Position, Timestamp};

use super::{Making, Stop};
use crate::import::queue_log::line::{LineError, short};
use crate::import::queue_log::note::Note;
use crate::import::queue_log::quirk::QueueLogQuirk;
use crate::import::queue_log::roster::Need;
use crate::import::queue_log::state::{Agent, Phase};
use crate::import::queue_log::verb::Verb;

/// What `ADDMEMBER` says of a member that begins paused.
const PAUSED: &str = "PAUSED";
/// Reason that Asterisk gives when it pauses a member who did not answer.
const AUTO_PAUSE: &str = "Auto-Pause";
/// Reason of a log-off by a command of an administrator.
const COMMAND_LOGOFF: &str = "CommandLogoff";

/// Why a session or its state changes.
struct Why {
    state: StateCause,
    sign_out: SignOutReason,
}

impl Making<'_> {
    pub(super) fn of_agent(&mut self, verb: Verb) -> Result<(), Stop> {
        let time = self.line.time;
        let agent_id = self.agent()?;
        let of_queue =
            matches!(verb, Verb::AddMember | Verb::RemoveMember | Verb::Pause | Verb::Unpause);
        // Without a queue, a pause is one in all of them.
        let (event, queue_id) = match (verb, self.line.queue(self.event)) {
            (Verb::Pause, Err(LineError::Missing { .. })) => ("PAUSEALL", None),
            (Verb::Unpause, Err(LineError::Missing { .. })) => ("UNPAUSEALL", None),
            _ if of_queue => (self.event, Some(self.queue()?)),
            _ => (self.event, None),
        };
        let reason = self.line.data(0).to_owned();
        let aux_code_id = match verb {
            Verb::Pause | Verb::PauseAll => self.pause_code(&reason)?,
            _ => None,
        };
        let paused = verb == Verb::AddMember && reason == PAUSED;
        let note = Note {
            event: event.to_owned(),
            queue_id,
            agent_id: Some(agent_id),
            aux_code_id,
            paused,
            ..Note::default()
        };
        let before = self.with.state.agent(agent_id);
        let mut after = before.clone();
        after.note(&note);
        self.note(note);
        if before.session.is_none() {
            match (verb, after.is_present()) {
                (Verb::AddMember | Verb::Login, true) => {}
                (_, true) => self.odd(QueueLogQuirk::LogInNotRecorded),
                (_, false) => self.odd(QueueLogQuirk::AgentNotLoggedIn),
            }
        }
        let by_rona = verb == Verb::Pause && reason == AUTO_PAUSE;
        let why = Why {
            state: if by_rona { StateCause::Rona } else { StateCause::Agent },
            sign_out: match (verb, self.line.data(2)) {
                (Verb::Logoff, COMMAND_LOGOFF) => SignOutReason::Supervisor,
                (Verb::Logoff, reason) if !reason.is_empty() => SignOutReason::System,
                _ => SignOutReason::Agent,
            },
        };
        self.changed(agent_id, &before, &after, time, &why);
        Ok(())
    }

    fn pause_code(&mut self, reason: &str) -> Result<Option<AuxCodeId>, Stop> {
        let Some(name) = self.with.mapping.pause(reason) else { return Ok(None) };
        let name = short(self.event, "reason", name)?.to_owned();
        let id = EntityKind::AuxCode.derive_id(self.with.org_id(), &name);
        self.decision.needs.push(Need::Pause(name));
        Ok(Some(AuxCodeId::new(id.uuid())))
    }

    /// A queue rang the agent, so the agent is a member of it. Gives the session.
    pub(super) fn seen(
        &mut self,
        agent_id: UserId,
        queue_id: QueueId,
        time: Timestamp,
    ) -> AgentSessionId {
        let before = self.with.state.agent(agent_id);
        let mut after = before.clone();
        after.queues.insert(queue_id);
        if before.session.is_none() {
            self.odd(QueueLogQuirk::LogInNotRecorded);
        }
        let why = Why { state: StateCause::Agent, sign_out: SignOutReason::System };
        self.changed(agent_id, &before, &after, time, &why);
        before.session.unwrap_or_else(|| self.ids.session())
    }

    /// Tells what is different for the session of an agent.
    fn changed(
        &mut self,
        agent_id: UserId,
        before: &Agent,
        after: &Agent,
        time: Timestamp,
        why: &Why,
    ) {
        let logged_out = (AgentStateName::LoggedOut, None);
        let (session, from, cause) = match (before.session, after.is_present()) {
            (None, false) => return,
            (None, true) => {
                let session = self.ids.session();
                let started = AgentSessionStarted {
                    agent_session_id: session,
                    agent_id,
                    team_id: self.with.team_id(),
                    site_id: self.with.site_id(),
                    device_type: DeviceType::Extension,
                    // A device may be named after its user.
                    dn: String::new(),
                    multimedia_profile_id: self.with.profile_id(),
                    // Known when the profile is there, which the append sees to.
                    profile_config_position: Position::START,
                    skills: Vec::new(),
                };
                self.tell_agent(agent_id, time, started);
                (session, logged_out, StateCause::Login)
            }
            (Some(session), true) => (session, before.state.unwrap_or(logged_out), why.state),
            (Some(session), false) => {
                (session, before.state.unwrap_or(logged_out), StateCause::Logout)
            }
        };
        let to = if after.is_present() { after.wanted() } else { logged_out };
        if from != to {
            let state = AgentStateChanged {
                agent_session_id: session,
                agent_id,
                from: from.0,
                to: to.0,
                aux_code_id: to.1,
                cause,
                requested_by: None,
                requested_while_busy: false,
            };
            self.tell_agent(agent_id, time, state);
        }
        if !after.is_present() {
            let reason = why.sign_out;
            let ended = AgentSessionEnded { agent_session_id: session, agent_id, reason };
            self.tell_agent(agent_id, time, ended);
        }
    }

    /// A member's penalty, or whether it is rung while in use.
    pub(super) fn of_member(&mut self) -> Result<(), Stop> {
        let queue_id = match self.line.queue(self.event) {
            Ok(_) => Some(self.queue()?),
            Err(_) => None,
        };
        let agent_id = Some(self.agent()?);
        let value = self.line.number(self.event, "value", 0)?;
        let event = self.event.to_owned();
        self.note(Note { event, queue_id, agent_id, value, ..Note::default() });
        Ok(())
    }

    /// Asterisk started. Calls it was in the middle of cannot go on, but no line says when they ended.
    pub(super) fn restarted(&mut self) {
        let open = self.with.state.open();
        let in_the_middle = open.filter(|(_, call)| {
            matches!(call.phase, Phase::Waiting { .. } | Phase::Talking { .. })
        });
        self.decision.open_at_restart = in_the_middle.count() as u64;
        self.note(Note { event: self.event.to_owned(), ..Note::default() });
    }
}
