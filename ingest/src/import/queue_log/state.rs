//! What earlier lines say about calls and agents. It follows from their events alone, so that it can be
//! taken from the log again.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::event::interaction::InteractionCreated;
use ledgerline_schemas::event::leg::LegEndReason;
use ledgerline_schemas::event::queue::QueueLeaveReason;
use ledgerline_schemas::id::{AgentSessionId, AuxCodeId, InteractionId, LegId, QueueId, UserId};

use super::note::Note;
use super::verb::Verb;

/// Attribute under which an interaction tells what the importer chose.
pub(super) const QUIRKS_ATTRIBUTE: &str = "import_quirks";

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In a queue. `canceled`: the last thing was a ring that ended because the caller left.
    Waiting { leg_id: LegId, queue_id: QueueId, entered: Timestamp, canceled: bool },
    /// With an agent.
    Talking { leg_id: LegId, queue_id: QueueId, agent_id: UserId, since: Timestamp },
    /// Neither, and what became of it is not in the log (yet).
    Left,
    /// Handed over by an agent, and what became of it is not in the log (yet).
    Transferred,
    /// Ended.
    Over,
}

/// One interaction.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Asterisk's id; empty when it is over.
    pub(super) call: String,
    pub(super) phase: Phase,
    /// Stays in queues so far.
    pub(super) legs: u32,
    /// Time of its last event.
    pub(super) last: Timestamp,
    /// Names of quirks noted so far, separated by commas.
    pub(super) noted: Option<String>,
    /// The interaction it goes on as.
    went_on_as: Option<InteractionId>,
}

/// One agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) session: Option<AgentSessionId>,
    pub(super) state: Option<(AgentStateName, Option<AuxCodeId>)>,
    /// Queues the agent is a member of, as far as lines show.
    pub(super) queues: BTreeSet<QueueId>,
    paused: BTreeSet<QueueId>,
    all_paused: bool,
    reason: Option<AuxCodeId>,
    logged_in: bool,
}

impl Agent {
    /// Whether calls may reach the agent.
    pub(super) fn is_present(&self) -> bool {
        self.logged_in || !self.queues.is_empty()
    }

    /// The state a session should be in: idle when paused in every queue.
    pub(super) fn wanted(&self) -> (AgentStateName, Option<AuxCodeId>) {
        let everywhere = !self.queues.is_empty() && self.queues.is_subset(&self.paused);
        if self.all_paused || everywhere {
            (AgentStateName::Idle, self.reason)
        } else {
            (AgentStateName::Available, None)
        }
    }

    /// Takes over what a line says.
    pub(super) fn note(&mut self, note: &Note) {
        let Some((_, verb)) = Verb::parse(&note.event) else { return };
        match (verb, note.queue_id) {
            (Verb::AddMember, Some(queue_id)) => {
                self.queues.insert(queue_id);
                if note.paused {
                    self.paused.insert(queue_id);
                } else {
                    self.paused.remove(&queue_id);
                }
            }
            (Verb::RemoveMember, Some(queue_id)) => {
                self.queues.remove(&queue_id);
                self.paused.remove(&queue_id);
                if !self.is_present() {
                    self.unpause();
                }
            }
            (Verb::Pause, Some(queue_id)) => {
                // Only a member can be paused.
                self.queues.insert(queue_id);
                self.paused.insert(queue_id);
                self.reason = note.aux_code_id.or(self.reason.filter(|_| self.paused.len() > 1));
            }
            (Verb::Unpause, Some(queue_id)) => {
                if std::mem::take(&mut self.all_paused) {
                    self.paused.clone_from(&self.queues);
                }
                self.paused.remove(&queue_id);
            }
            (Verb::PauseAll, _) => {
                self.all_paused = true;
                self.reason = note.aux_code_id.or(self.reason.filter(|_| !self.paused.is_empty()));
            }
            (Verb::UnpauseAll, _) => self.unpause(),
            (Verb::Login, _) => self.logged_in = true,
            (Verb::Logoff, _) => {
                self.logged_in = false;
                self.queues.clear();
                self.unpause();
            }
            _ => {}
        }
    }

    fn unpause(&mut self) {
        self.all_paused = false;
        self.paused.clear();
        self.reason = None;
    }
}

/// Everything that lines are read against.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    calls: BTreeMap<InteractionId, Call>,
    agents: BTreeMap<UserId, Agent>,
    /// Numbers that were called, by call, until the call enters a queue.
    dids: BTreeMap<String, (Timestamp, String)>,
    /// Time of the newest event.
    pub(super) newest: Option<Timestamp>,
}

impl State {
    /// The interaction that a call is now, by the id of its first.
    pub(super) fn current(&self, first: InteractionId) -> Option<(InteractionId, &Call)> {
        let mut id = first;
        let mut call = self.calls.get(&id)?;
        while let Some(next) = call.went_on_as {
            id = next;
            call = self.calls.get(&id)?;
        }
        Some((id, call))
    }

    /// What is known of an agent.
    pub(super) fn agent(&self, agent_id: UserId) -> Agent {
        self.agents.get(&agent_id).cloned().unwrap_or_default()
    }

    /// The number a call came to and when, if that is known and the call has entered no queue.
    pub(super) fn did(&self, call: &str) -> Option<&(Timestamp, String)> {
        self.dids.get(call)
    }

    /// Calls that are known by the number they came to only.
    pub(super) fn arrived(&self) -> u64 {
        self.dids.len() as u64
    }

    /// Interactions that are not over.
    pub(super) fn open(&self) -> impl Iterator<Item = (InteractionId, &Call)> {
        let open = self.calls.iter().filter(|(_, call)| call.phase != Phase::Over);
        open.map(|(id, call)| (*id, call))
    }

    /// Agents whose session has not ended.
    pub(super) fn sessions(&self) -> u64 {
        self.agents.values().filter(|agent| agent.session.is_some()).count() as u64
    }

    /// Takes an event over.
    pub(super) fn evolve(&mut self, time: Timestamp, event: &Event) {
        self.newest = self.newest.max(Some(time));
        match event {
            Event::InteractionCreated(it) => self.created(time, it),
            Event::InteractionAttributesSet(it) => {
                if let Some(change) = it.changes.get(QUIRKS_ATTRIBUTE) {
                    self.call(time, it.interaction_id, |call| call.noted.clone_from(&change.new));
                }
            }
            Event::QueueEntered(it) => self.call(time, it.interaction_id, |call| {
                let (leg_id, queue_id) = (it.leg_id, it.queue_id);
                call.legs = it.leg_no;
                call.phase = Phase::Waiting { leg_id, queue_id, entered: time, canceled: false };
            }),
            Event::QueueLeft(it) => self.call(time, it.interaction_id, |call| {
                if it.reason != QueueLeaveReason::Assigned {
                    call.phase = Phase::Left;
                }
            }),
            Event::OfferMade(it) => {
                self.canceled(time, it.interaction_id, false);
                self.member(it.agent_id, it.queue_id);
            }
            Event::OfferRescinded(it) => self.canceled(time, it.interaction_id, true),
            Event::LegConnected(it) => {
                self.call(time, it.interaction_id, |call| {
                    let (leg_id, queue_id, agent_id) = (it.leg_id, it.queue_id, it.agent_id);
                    call.phase = Phase::Talking { leg_id, queue_id, agent_id, since: time };
                });
            }
            Event::LegDisconnected(it) => self.call(time, it.interaction_id, |call| {
                let transferred = it.reason == LegEndReason::Transferred;
                call.phase = if transferred { Phase::Transferred } else { Phase::Left };
            }),
            Event::InteractionEnded(it) => self.call(time, it.interaction_id, |call| {
                call.phase = Phase::Over;
                call.call = String::new();
            }),
            Event::AgentSessionStarted(it) => {
                let agent = self.agents.entry(it.agent_id).or_default();
                agent.session = Some(it.agent_session_id);
                agent.state = Some((AgentStateName::LoggedOut, None));
            }
            Event::AgentSessionEnded(it) => {
                let agent = self.agents.entry(it.agent_id).or_default();
                (agent.session, agent.state) = (None, None);
            }
            Event::AgentStateChanged(it) => {
                self.agents.entry(it.agent_id).or_default().state = Some((it.to, it.aux_code_id));
            }
            Event::ExternalEvent(it) => {
                if let Some(note) = Note::of(it) {
                    self.note(time, &note);
                }
            }
            _ => {}
        }
    }

    fn created(&mut self, time: Timestamp, it: &InteractionCreated) {
        let call = it.media_ref.clone().unwrap_or_default();
        self.dids.remove(&call);
        if let Some(parent) = it.parent_interaction_id.and_then(|id| self.calls.get_mut(&id)) {
            parent.went_on_as = Some(it.interaction_id);
        }
        let call =
            Call { call, phase: Phase::Left, legs: 0, last: time, noted: None, went_on_as: None };
        self.calls.insert(it.interaction_id, call);
    }

    fn call(&mut self, time: Timestamp, id: InteractionId, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.last = call.last.max(time);
            change(call);
        }
    }

    fn canceled(&mut self, time: Timestamp, id: InteractionId, now: bool) {
        self.call(time, id, |call| {
            if let Phase::Waiting { canceled, .. } = &mut call.phase {
                *canceled = now;
            }
        });
    }

    fn member(&mut self, agent_id: UserId, queue_id: QueueId) {
        self.agents.entry(agent_id).or_default().queues.insert(queue_id);
    }

    fn note(&mut self, time: Timestamp, note: &Note) {
        if let Some(agent_id) = note.agent_id {
            self.agents.entry(agent_id).or_default().note(note);
        }
        if let (Some(call), Some(number)) = (&note.call, &note.number) {
            self.dids.insert(call.clone(), (time, number.clone()));
        }
    }
}
