//! What a command means: the events it leads to.
//!
//! A handler first checks everything that could refuse the command and only then records events; each
//! event changes the state as soon as it is recorded, so that what follows sees it. Work that several
//! events make possible (a freed agent, a leg that waits) is noted and routed once at the end, which
//! gives freed agents the best of all waiting legs instead of the first one touched.

mod agent;
mod alert_check;
mod broadcast;
mod config;
mod config_check;
mod conversation;
mod ending;
mod interaction;
mod media;
mod message;
mod monitor;
mod offer;
mod queue;
mod retention;
mod routing;
mod schedule_check;
mod supervise;
mod timer;
mod webhook_check;

use std::collections::BTreeMap;

use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::routing::DecisionTrigger;
use ledgerline_schemas::id::{CorrelationId, InteractionId, UserId};
use ledgerline_schemas::{Actor, ActorType, StreamId, Timestamp};
use uuid::Uuid;

pub(crate) use self::ending::Ending;
use self::monitor::Wish;
use crate::decided::{Decided, Step};
use crate::evolve::apply;
use crate::react::reactions;
use crate::rejection::Rejection;
use crate::state::State;
use crate::state::interaction::Interaction;

/// The events a command leads to, as a pure function. It works on a copy of the state: for tests and
/// for deciding again what was decided before; the engine uses [`decide_mut`].
///
/// # Errors
/// [`Rejection`] if the command is refused; nothing happened then.
pub fn decide(
    state: &State,
    command: &Commanded,
    now: Timestamp,
) -> Result<Vec<Decided>, Rejection> {
    let steps = decide_mut(&mut state.clone(), command, now)?;
    Ok(steps.into_iter().map(|step| step.decided).collect())
}

/// Decides and takes the events into the state at once. Once the log has given them places, call
/// [`crate::confirm`] before the next decision.
///
/// `now` must not be earlier than in the decision before. A tick records at most about
/// `TICK_EVENTS_MAX` events; when more is due, [`crate::next_timeout`] is still in the past.
///
/// # Errors
/// [`Rejection`] if the command is refused; the state is as before.
pub fn decide_mut(
    state: &mut State,
    command: &Commanded,
    now: Timestamp,
) -> Result<Vec<Step>, Rejection> {
    let mut decision = Decision::new(state, command, now);
    decision.handle(&command.command)?;
    decision.settle();
    Ok(decision.steps)
}

/// A decision in the making.
pub(crate) struct Decision<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) command: &'a Commanded,
    pub(crate) now: Timestamp,
    pub(crate) steps: Vec<Step>,
    /// Index of the event that causes the next ones.
    pub(crate) cause: Option<usize>,
    ids: u32,
    /// Agents who may take work, with the event that made it so.
    freed: BTreeMap<UserId, Option<usize>>,
    /// Legs to find an agent for, in the order they came up.
    searching: Vec<(InteractionId, DecisionTrigger, Option<usize>)>,
}

impl<'a> Decision<'a> {
    fn new(state: &'a mut State, command: &'a Commanded, now: Timestamp) -> Self {
        Self {
            state,
            command,
            now,
            steps: Vec::new(),
            cause: None,
            ids: 0,
            freed: BTreeMap::new(),
            searching: Vec::new(),
        }
    }

    fn handle(&mut self, command: &Command) -> Result<(), Rejection> {
        match command {
            Command::PutEntity { kind, entity_id, document, reason } => {
                self.put_entity(*kind, *entity_id, document, reason.as_deref())
            }
            Command::DeleteEntity { kind, entity_id, reason } => {
                self.delete_entity(*kind, *entity_id, reason.as_deref())
            }
            Command::StartInteraction { .. } => self.start_interaction(command),
            Command::AgentLogin { agent_id, agent_session_id, team_id, dn, device_type } => {
                let device = (dn.as_deref(), *device_type);
                self.agent_login(*agent_id, *agent_session_id, *team_id, device)
            }
            Command::AgentLogout { agent_id, reason } => self.agent_logout(*agent_id, *reason),
            Command::SetAvailable { agent_id } => self.set_available(*agent_id),
            Command::SetIdle { agent_id, aux_code_id } => self.set_idle(*agent_id, *aux_code_id),
            Command::AcceptOffer { agent_id, interaction_id } => {
                self.accept_offer(*agent_id, *interaction_id)
            }
            Command::RejectOffer { agent_id, interaction_id } => {
                self.reject_offer(*agent_id, *interaction_id)
            }
            Command::Hold { agent_id, interaction_id } => self.hold(*agent_id, *interaction_id),
            Command::Unhold { agent_id, interaction_id } => self.unhold(*agent_id, *interaction_id),
            Command::TransferToQueue { agent_id, interaction_id, queue_id } => {
                self.transfer_to_queue(*agent_id, *interaction_id, *queue_id)
            }
            Command::EndInteraction { agent_id, interaction_id } => {
                self.end_interaction(*agent_id, *interaction_id)
            }
            Command::WrapUp { agent_id, interaction_id, aux_code_id } => {
                self.wrap_up(*agent_id, *interaction_id, *aux_code_id)
            }
            Command::SetPriority { interaction_id, leg_id, priority } => {
                self.set_waiting_priority(*interaction_id, *leg_id, *priority)
            }
            Command::AssignToAgent { interaction_id, leg_id, agent_id } => {
                self.assign_to_agent(*interaction_id, *leg_id, *agent_id)
            }
            Command::MoveToQueue { interaction_id, leg_id, queue_id } => {
                self.move_to_queue(*interaction_id, *leg_id, *queue_id)
            }
            Command::StartMonitor {
                interaction_id,
                leg_id,
                supervisor_id,
                dn,
                mode,
                invisible,
            } => {
                let wish = Wish { dn: dn.as_deref(), mode: *mode, invisible: *invisible };
                self.start_monitor(*interaction_id, *leg_id, *supervisor_id, wish)
            }
            Command::SetMonitorMode { interaction_id, supervisor_id, mode } => {
                self.set_monitor_mode(*interaction_id, *supervisor_id, *mode)
            }
            Command::EndMonitor { interaction_id, supervisor_id } => {
                self.end_monitor(*interaction_id, *supervisor_id)
            }
            Command::Broadcast { audience, text, ttl_ms } => {
                self.broadcast(*audience, text, *ttl_ms)
            }
            Command::SendMessage { .. } => self.send_message(command),
            report => {
                self.report(report);
                Ok(())
            }
        }
    }

    /// Reports of edges are facts of the outside: they are recorded or, when they come late, do
    /// nothing; they are never refused.
    fn report(&mut self, command: &Command) {
        match command {
            Command::CustomerConnected { interaction_id, codec } => {
                self.customer_connected(*interaction_id, codec);
            }
            Command::CustomerLeft { interaction_id } => self.customer_left(*interaction_id),
            Command::PromptFinished { interaction_id, run_id, seq } => {
                self.prompt_finished(*interaction_id, *run_id, *seq);
            }
            Command::InputCollected { interaction_id, run_id, seq, choice, input } => {
                self.input_collected(*interaction_id, (*run_id, *seq), choice, input.as_ref());
            }
            Command::MediaLegEnded(ended) => self.media_leg_ended(ended),
            Command::MediaLegAnswered { interaction_id, media_leg_id, side, codec, .. } => {
                self.media_leg_answered(*interaction_id, *media_leg_id, *side, codec);
            }
            Command::MediaLegFailed { interaction_id, media_leg_id, side, sip_status, .. } => {
                self.media_leg_failed(*interaction_id, *media_leg_id, *side, *sip_status);
            }
            Command::RecordRefusal(refusal) => {
                let stream = StreamId::new(format!("edge-{}", stream_part(&refusal.edge)));
                self.record(stream, None, None, refusal.clone().into());
            }
            Command::ReceiveMessage { .. } => self.receive_message(command),
            Command::Tick => self.tick(),
            _ => {}
        }
    }

    /// Routes what became possible: freed agents take the best waiting legs first, then legs that still
    /// wait look for an agent.
    fn settle(&mut self) {
        loop {
            if let Some((agent_id, cause)) = self.freed.pop_first() {
                self.cause = cause;
                self.route_agent(agent_id);
            } else if !self.searching.is_empty() {
                let (interaction_id, trigger, cause) = self.searching.remove(0);
                self.cause = cause;
                self.route_leg(interaction_id, trigger);
            } else {
                return;
            }
        }
    }

    /// Records an event and takes it into the state; gives its index.
    fn record(
        &mut self,
        stream: StreamId,
        correlation: Option<CorrelationId>,
        actor: Option<Actor>,
        event: Event,
    ) -> usize {
        apply(self.state, self.now, &event);
        let effects = reactions(self.state, &event);
        let decided = Decided { stream, event, actor, causation: self.cause, correlation };
        self.steps.push(Step { decided, effects });
        self.steps.len() - 1
    }

    /// Records an event of an interaction in the name of `actor` (absent: the command's).
    pub(crate) fn emit_as(
        &mut self,
        interaction_id: InteractionId,
        actor: Option<Actor>,
        event: impl Into<Event>,
    ) -> usize {
        let correlation = CorrelationId::new(interaction_id.uuid());
        let other = (correlation != self.command.correlation_id).then_some(correlation);
        self.record(StreamId::interaction(interaction_id), other, actor, event.into())
    }

    /// Records an event of an interaction in the name of the command's actor.
    pub(crate) fn emit(&mut self, interaction_id: InteractionId, event: impl Into<Event>) -> usize {
        self.emit_as(interaction_id, None, event)
    }

    /// Records an event of an agent.
    pub(crate) fn emit_agent(
        &mut self,
        agent_id: UserId,
        actor: Option<Actor>,
        event: impl Into<Event>,
    ) -> usize {
        self.record(StreamId::agent(agent_id), None, actor, event.into())
    }

    /// An id of something this decision brings into being.
    pub(crate) fn new_id<T: From<Uuid>>(&mut self, what: &str) -> T {
        let name = format!("{what}:{}", self.ids);
        self.ids += 1;
        T::from(ledgerline_schemas::id::derive_id(self.command.command_id.uuid(), &name))
    }

    /// The live interaction, ended or not.
    pub(crate) fn interaction(&self, id: InteractionId) -> Option<&Interaction> {
        self.state.interactions.get(&id)
    }

    /// The interaction, if it is not over.
    pub(crate) fn open(&self, id: InteractionId) -> Option<&Interaction> {
        self.interaction(id).filter(|interaction| !interaction.ended)
    }

    /// Notes that an agent may take work.
    pub(crate) fn free(&mut self, agent_id: UserId) {
        let cause = self.last();
        self.freed.insert(agent_id, cause);
    }

    /// Notes that a leg looks for an agent.
    pub(crate) fn search(&mut self, interaction_id: InteractionId, trigger: DecisionTrigger) {
        let cause = self.last();
        self.searching.push((interaction_id, trigger, cause));
    }

    /// Takes a leg out of those that look for an agent; gives what set off its search.
    fn stop_searching(&mut self, id: InteractionId) -> Option<(DecisionTrigger, Option<usize>)> {
        let index = self.searching.iter().position(|(searching, ..)| *searching == id)?;
        let (_, trigger, cause) = self.searching.remove(index);
        Some((trigger, cause))
    }

    /// Index of the newest event.
    pub(crate) fn last(&self) -> Option<usize> {
        self.steps.len().checked_sub(1)
    }

    /// The person who asks, when one does.
    pub(crate) fn requester(&self) -> Option<UserId> {
        match self.command.actor.kind {
            ActorType::Agent | ActorType::Supervisor | ActorType::Admin => {
                self.command.actor.id.parse().ok()
            }
            _ => None,
        }
    }
}

/// The characters of a name that a stream may have.
fn stream_part(name: &str) -> String {
    let kept = name.chars().map(|c| c.to_ascii_lowercase());
    kept.filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()
}
