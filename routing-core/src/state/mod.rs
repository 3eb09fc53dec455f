//! The routing state of one organization.
//!
//! Canonical parts are `config` (its documents), `agents`, `interactions`, `reroute` and the two
//! positions; `index` follows from them. State changes only by [`crate::evolve`].

pub(crate) mod agent;
pub(crate) mod config;
pub(crate) mod index;
pub(crate) mod interaction;

use std::collections::BTreeMap;

use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::id::{InteractionId, MediaLegId, QueueId, UserId};
use ledgerline_schemas::{Position, Timestamp};

use self::agent::Agent;
use self::config::Config;
use self::index::{Index, InteractionEntries};
use self::interaction::{Interaction, MediaPhase};

/// The routing state of one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) config: Config,
    pub(crate) agents: BTreeMap<UserId, Agent>,
    pub(crate) interactions: BTreeMap<InteractionId, Interaction>,
    /// Queues whose configuration changed while legs waited, and since when: the next tick searches
    /// them again.
    pub(crate) reroute: BTreeMap<QueueId, Timestamp>,
    /// Newest event of routing's own that the log has confirmed.
    pub(crate) position: Position,
    /// Newest configuration event that the log has confirmed.
    pub(crate) config_position: Position,
    pub(crate) index: Index,
}

impl State {
    /// The state before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Position of the newest configuration event; stamped on every event of the next decision.
    #[must_use]
    pub const fn config_position(&self) -> Position {
        self.config_position
    }

    /// Position of the newest event that this state took notice of.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// A logged-in agent.
    #[must_use]
    pub fn agent(&self, id: UserId) -> Option<&Agent> {
        self.agents.get(&id)
    }

    /// Logged-in agents.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// A live interaction: one that is not over, or still wrapped up or on the wire.
    #[must_use]
    pub fn interaction(&self, id: InteractionId) -> Option<&Interaction> {
        self.interactions.get(&id)
    }

    /// Live interactions.
    pub fn interactions(&self) -> impl Iterator<Item = &Interaction> {
        self.interactions.values()
    }

    /// What an agent has in hand (offers, conversations, wrap-ups): for a desktop that logs in again.
    pub fn work_of(&self, agent_id: UserId) -> impl Iterator<Item = &Interaction> {
        let work = self.agents.get(&agent_id).map(|agent| &agent.work);
        work.into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|work| self.interactions.get(&work.interaction_id))
    }

    /// Legs that wait in a queue.
    #[must_use]
    pub fn waiting_in(&self, queue: QueueId) -> usize {
        self.index.waiting_in(queue)
    }

    /// Legs that wait, are offered or are connected in a queue.
    #[must_use]
    pub fn active_in(&self, queue: QueueId) -> u32 {
        self.index.queues.get(&queue).copied().unwrap_or(0)
    }

    /// Media legs that the state believes to be on the wire: an edge that starts compares them with
    /// what it has and reports the others as ended.
    pub fn media_legs(&self) -> impl Iterator<Item = (&Interaction, MediaLegId, MediaSide)> {
        self.interactions.values().flat_map(|interaction| {
            let customer = interaction
                .customer
                .iter()
                .filter(|media| media.phase != MediaPhase::Ended)
                .map(move |media| (interaction, media.media_leg_id, MediaSide::Customer));
            let agents =
                interaction.agent_media.keys().map(move |id| (interaction, *id, MediaSide::Agent));
            let supervisors = interaction
                .monitors
                .iter()
                .filter(|(_, monitor)| monitor.phase != MediaPhase::Ended)
                .map(move |(id, _)| (interaction, *id, MediaSide::Supervisor));
            customer.chain(agents).chain(supervisors)
        })
    }

    /// Changes an interaction and its index entries; one that is done leaves the state.
    pub(crate) fn with_interaction(
        &mut self,
        id: InteractionId,
        change: impl FnOnce(&mut Interaction),
    ) {
        let Some(interaction) = self.interactions.get_mut(&id) else { return };
        let before = InteractionEntries::of(interaction);
        change(interaction);
        let after = InteractionEntries::of(interaction);
        let done = interaction.is_done();
        if before != after {
            self.index.remove_interaction(&before);
            self.index.add_interaction(&after);
        }
        if done {
            self.index.remove_interaction(&after);
            self.interactions.remove(&id);
        }
        if !self.reroute.is_empty() {
            let waiting = &self.index.waiting;
            self.reroute.retain(|queue, _| waiting.contains_key(queue));
        }
    }

    pub(crate) fn insert_interaction(&mut self, interaction: Interaction) {
        self.index.add_interaction(&InteractionEntries::of(&interaction));
        self.interactions.insert(interaction.interaction_id, interaction);
    }

    /// Changes an agent and its index entries.
    pub(crate) fn with_agent(&mut self, id: UserId, change: impl FnOnce(&mut Agent)) {
        if let Some(agent) = self.agents.get_mut(&id) {
            self.index.remove_agent(agent);
            change(agent);
            self.index.add_agent(agent);
        }
    }

    pub(crate) fn insert_agent(&mut self, agent: Agent) {
        self.remove_agent(agent.agent_id);
        self.index.add_agent(&agent);
        self.agents.insert(agent.agent_id, agent);
    }

    pub(crate) fn remove_agent(&mut self, id: UserId) {
        if let Some(agent) = self.agents.remove(&id) {
            self.index.remove_agent(&agent);
        }
    }

    /// The indexes computed anew from the canonical parts; equal to the kept ones at all times.
    pub(crate) fn rebuilt_index(&self) -> Index {
        let mut index = Index::default();
        for interaction in self.interactions.values() {
            index.add_interaction(&InteractionEntries::of(interaction));
        }
        for agent in self.agents.values() {
            index.add_agent(agent);
        }
        index
    }
}
