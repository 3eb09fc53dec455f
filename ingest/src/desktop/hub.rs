//! Pushes on their way to desktops: a bounded memory per agent, and every open socket of the agent.
//!
//! A push is kept until [`RECENT_PUSHES_MAX`] later ones of the same agent came, so that a desktop that
//! reconnects gets what it missed. Beyond that the state frame at the start of every connection holds the
//! truth; the answer says whether the replay is complete.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_routing_core::{Effect, EffectId, PushName};
use ledgerline_schemas::event::broadcast::BroadcastSent;
use ledgerline_schemas::id::{
    AgentSessionId, InteractionId, LegId, MessageId, OfferId, QueueId, UserId,
};
use ledgerline_schemas::{Position, Sensitive, Timestamp};
use tokio::sync::{broadcast, mpsc};

/// Pushes remembered per agent.
pub const RECENT_PUSHES_MAX: usize = 256;

/// One push as the core made it; text is still sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Position of its event and index among the event's effects.
    pub id: EffectId,
    /// The agent's session.
    pub agent_session_id: AgentSessionId,
    /// What happened.
    pub name: PushName,
    /// The interaction, if one is concerned.
    pub interaction_id: Option<InteractionId>,
    /// The leg.
    pub leg_id: Option<LegId>,
    /// The queue.
    pub queue_id: Option<QueueId>,
    /// The offer.
    pub offer_id: Option<OfferId>,
    /// The message and its sealed text.
    pub message: Option<(MessageId, Sensitive<String>)>,
    /// What a supervisor tells.
    pub broadcast: Option<Arc<BroadcastSent>>,
    /// Short code.
    pub detail: String,
}

impl Push {
    /// Whether there is nothing left to show of it.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.broadcast.as_ref().is_some_and(|broadcast| broadcast.expires_at <= now)
    }
}

/// What a connection gets: what it missed, then everything that follows, without gap.
#[derive(Debug)]
pub struct Pushes {
    /// Pushes after the point asked for, oldest first.
    pub missed: Vec<Arc<Push>>,
    /// False when some that were missed are no longer remembered.
    pub complete: bool,
    /// What follows. A receiver that lags has to connect again.
    pub live: broadcast::Receiver<Arc<Push>>,
}

/// The pushes of one organization.
#[derive(Debug, Default)]
pub struct PushHub {
    /// Pushes of events up to here were made before this hub was.
    start: Position,
    agents: Mutex<BTreeMap<UserId, Agent>>,
}

#[derive(Debug)]
struct Agent {
    recent: VecDeque<Arc<Push>>,
    forgotten_to: EffectId,
    live: broadcast::Sender<Arc<Push>>,
}

const fn end_of(position: Position) -> EffectId {
    EffectId { position, index: u32::MAX }
}

impl PushHub {
    /// A hub for pushes of events after `start` (the log's head when the engine starts).
    #[must_use]
    pub fn after(start: Position) -> Self {
        Self { start, agents: Mutex::default() }
    }

    fn agents(&self) -> MutexGuard<'_, BTreeMap<UserId, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_agent(&self) -> Agent {
        Agent {
            recent: VecDeque::new(),
            forgotten_to: end_of(self.start),
            live: broadcast::Sender::new(RECENT_PUSHES_MAX),
        }
    }

    /// Takes the pushes of an engine until it ends.
    pub async fn run(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<(EffectId, Effect)>) {
        while let Some((id, effect)) = effects.recv().await {
            self.take(id, effect);
        }
    }

    /// Takes one effect. A push that is remembered already (effects are run at least once) and effects
    /// that are no pushes are ignored.
    pub fn take(&self, id: EffectId, effect: Effect) {
        let Some((agent_id, push)) = push_of(id, effect) else { return };
        let (name, push) = (push.name, Arc::new(push));
        let mut agents = self.agents();
        let agent = agents.entry(agent_id).or_insert_with(|| self.new_agent());
        if agent.recent.iter().any(|known| known.id == id) {
            return;
        }
        if agent.recent.len() == RECENT_PUSHES_MAX
            && let Some(oldest) = agent.recent.pop_front()
        {
            agent.forgotten_to = agent.forgotten_to.max(oldest.id);
        }
        agent.recent.push_back(push.clone());
        // Nobody listening is fine: the agent gets it on the next connection.
        let _ = agent.live.send(push);
        metrics::counter!("ledgerline_desktop_pushes_total", "name" => name.name()).increment(1);
    }

    /// Connects to an agent's pushes: those after `after` and everything that follows. Without `after`
    /// only what follows.
    #[must_use]
    pub fn connect(&self, agent_id: UserId, after: Option<EffectId>) -> Pushes {
        let mut agents = self.agents();
        let agent = agents.entry(agent_id).or_insert_with(|| self.new_agent());
        let missed = after.map_or_else(Vec::new, |after| {
            agent.recent.iter().filter(|push| push.id > after).map(Arc::clone).collect()
        });
        Pushes {
            missed,
            complete: after.is_none_or(|after| after >= agent.forgotten_to),
            live: agent.live.subscribe(),
        }
    }
}

/// The push that an effect is, and whose.
fn push_of(id: EffectId, effect: Effect) -> Option<(UserId, Push)> {
    match effect {
        Effect::Push {
            agent_id,
            agent_session_id,
            name,
            interaction_id,
            leg_id,
            queue_id,
            offer_id,
            message,
            detail,
        } => {
            let push = Push {
                id,
                agent_session_id,
                name,
                interaction_id,
                leg_id,
                queue_id,
                offer_id,
                message,
                broadcast: None,
                detail,
            };
            Some((agent_id, push))
        }
        Effect::ShowBroadcast { agent_id, agent_session_id, broadcast } => {
            let push = Push {
                id,
                agent_session_id,
                name: PushName::Broadcast,
                interaction_id: None,
                leg_id: None,
                queue_id: None,
                offer_id: None,
                message: None,
                broadcast: Some(broadcast),
                detail: String::new(),
            };
            Some((agent_id, push))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: UserId = UserId::from_u128(7);

    fn push(hub: &PushHub, position: u64, index: u32) {
        hub.take(
            EffectId { position: Position(position), index },
            Effect::Push {
                agent_id: AGENT,
                agent_session_id: AgentSessionId::from_u128(1),
                name: PushName::AgentStateChange,
                interaction_id: None,
                leg_id: None,
                queue_id: None,
                offer_id: None,
                message: None,
                detail: "idle".to_owned(),
            },
        );
    }

    fn ids(pushes: &Pushes) -> Vec<(u64, u32)> {
        pushes.missed.iter().map(|push| (push.id.position.0, push.id.index)).collect()
    }

    #[test]
    fn a_repeated_effect_is_pushed_once() {
        let hub = PushHub::default();
        let mut live = hub.connect(AGENT, None).live;
        push(&hub, 5, 0);
        push(&hub, 5, 0);
        push(&hub, 5, 1);
        assert_eq!(live.try_recv().expect("first").id.index, 0);
        assert_eq!(live.try_recv().expect("second").id.index, 1);
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn a_reconnect_gets_what_it_missed_even_within_one_event() {
        let hub = PushHub::after(Position(4));
        for (position, index) in [(5, 0), (5, 1), (9, 0)] {
            push(&hub, position, index);
        }
        let again = hub.connect(AGENT, Some(EffectId { position: Position(5), index: 0 }));
        assert_eq!(ids(&again), [(5, 1), (9, 0)]);
        assert!(again.complete);
        let early = hub.connect(AGENT, Some(end_of(Position(3))));
        assert_eq!(ids(&early), [(5, 0), (5, 1), (9, 0)]);
        assert!(!early.complete, "pushes of position 4 were made before this hub began");
    }

    #[test]
    fn memory_is_bounded_and_says_so() {
        let hub = PushHub::default();
        for position in 1..=RECENT_PUSHES_MAX as u64 + 1 {
            push(&hub, position, 0);
        }
        let early = hub.connect(AGENT, Some(end_of(Position::START)));
        assert_eq!(early.missed.len(), RECENT_PUSHES_MAX);
        assert!(!early.complete);
        assert!(hub.connect(AGENT, Some(end_of(Position(1)))).complete);
    }
}
