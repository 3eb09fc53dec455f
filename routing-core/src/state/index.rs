//! Indexes over the state: everything here follows from interactions and agents and is never stored.
//!
//! Each interaction and each agent contributes a small set of entries. A change takes the old entries
//! out and puts the new ones in, so the cost of a change does not depend on how many others there are.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::event::routing::ExclusionReason;
use ledgerline_schemas::id::{EntryPointId, InteractionId, LegId, QueueId, TeamId, UserId};

use super::agent::Agent;
use super::interaction::{Interaction, LegPhase, RunWait};

/// Order of waiting legs: priority, then entry less credit, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitKey {
    pub(crate) priority: u8,
    pub(crate) effective: Timestamp,
    pub(crate) leg_id: LegId,
    pub(crate) interaction_id: InteractionId,
}

/// What a timer is for. The order decides between timers due at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    Offer(InteractionId),
    WrapUp(InteractionId, LegId),
    MaxTime(InteractionId),
    Group(InteractionId),
    FlowWait(InteractionId),
}

/// What one interaction adds to the indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InteractionEntries {
    entry_point: Option<EntryPointId>,
    queue: Option<QueueId>,
    waiting: Option<(QueueId, u32, WaitKey)>,
    timers: Vec<(Timestamp, TimerKey)>,
}

impl InteractionEntries {
    pub(crate) fn of(interaction: &Interaction) -> Self {
        let id = interaction.interaction_id;
        let mut entries = Self::default();
        if !interaction.ended {
            entries.entry_point = interaction.entry_point_id;
        }
        if let Some(leg) = &interaction.leg {
            entries.queue = Some(leg.queue_id);
            if leg.waits() {
                let key = WaitKey {
                    priority: leg.priority,
                    effective: leg.entered_at.minus_ms(leg.wait_credit_ms),
                    leg_id: leg.leg_id,
                    interaction_id: id,
                };
                entries.waiting = Some((leg.queue_id, leg.group, key));
            }
            if let Some(at) = leg.group_due {
                entries.timers.push((at, TimerKey::Group(id)));
            }
            if let Some(at) = leg.max_due {
                entries.timers.push((at, TimerKey::MaxTime(id)));
            }
            if let LegPhase::Offered(offer) = &leg.phase
                && let Some(at) = offer.expires_at
            {
                entries.timers.push((at, TimerKey::Offer(id)));
            }
        }
        for (leg_id, wrapup) in &interaction.wrapups {
            if let Some(at) = wrapup.auto_end_at {
                entries.timers.push((at, TimerKey::WrapUp(id, *leg_id)));
            }
        }
        if let Some(run) = &interaction.run
            && let RunWait::Until(at) = run.waits
        {
            entries.timers.push((at, TimerKey::FlowWait(id)));
        }
        entries
    }
}

/// Agents of one team on one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TeamChannel {
    /// Agents who can be offered work, the longest available first.
    pub(crate) available: BTreeSet<(Timestamp, UserId)>,
    /// Agents who cannot, counted by reason.
    pub(crate) excluded: BTreeMap<ExclusionReason, u32>,
}

/// All indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Live interactions by entry point.
    pub(crate) entry_points: BTreeMap<EntryPointId, u32>,
    /// Legs waiting, offered or connected, by queue.
    pub(crate) queues: BTreeMap<QueueId, u32>,
    /// Waiting legs by queue and by the group their search has reached.
    pub(crate) waiting: BTreeMap<QueueId, BTreeMap<u32, BTreeSet<WaitKey>>>,
    /// Timers.
    pub(crate) timers: BTreeSet<(Timestamp, TimerKey)>,
    /// Agents by team and channel.
    pub(crate) teams: BTreeMap<(TeamId, ChannelType), TeamChannel>,
    /// Agents logged in.
    pub(crate) logged_in: u32,
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn subtract<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Index {
    pub(crate) fn add_interaction(&mut self, entries: &InteractionEntries) {
        if let Some(id) = entries.entry_point {
            add(&mut self.entry_points, id);
        }
        if let Some(id) = entries.queue {
            add(&mut self.queues, id);
        }
        if let Some((queue, group, key)) = entries.waiting {
            self.waiting.entry(queue).or_default().entry(group).or_default().insert(key);
        }
        self.timers.extend(entries.timers.iter().copied());
    }

    pub(crate) fn remove_interaction(&mut self, entries: &InteractionEntries) {
        if let Some(id) = &entries.entry_point {
            subtract(&mut self.entry_points, id);
        }
        if let Some(id) = &entries.queue {
            subtract(&mut self.queues, id);
        }
        if let Some((queue, group, key)) = &entries.waiting
            && let Some(groups) = self.waiting.get_mut(queue)
        {
            if let Some(legs) = groups.get_mut(group) {
                legs.remove(key);
                if legs.is_empty() {
                    groups.remove(group);
                }
            }
            if groups.is_empty() {
                self.waiting.remove(queue);
            }
        }
        for timer in &entries.timers {
            self.timers.remove(timer);
        }
    }

    pub(crate) fn add_agent(&mut self, agent: &Agent) {
        if agent.state == AgentStateName::LoggedOut {
            return;
        }
        self.logged_in += 1;
        for channel in ChannelType::ALL {
            let team = self.teams.entry((agent.team_id, channel)).or_default();
            match agent.exclusion(channel) {
                None => drop(team.available.insert((agent.available_since, agent.agent_id))),
                Some(reason) => add(&mut team.excluded, reason),
            }
        }
    }

    pub(crate) fn remove_agent(&mut self, agent: &Agent) {
        if agent.state == AgentStateName::LoggedOut {
            return;
        }
        self.logged_in = self.logged_in.saturating_sub(1);
        for channel in ChannelType::ALL {
            let key = (agent.team_id, channel);
            let Some(team) = self.teams.get_mut(&key) else { continue };
            match agent.exclusion(channel) {
                None => drop(team.available.remove(&(agent.available_since, agent.agent_id))),
                Some(reason) => subtract(&mut team.excluded, &reason),
            }
            if team.available.is_empty() && team.excluded.is_empty() {
                self.teams.remove(&key);
            }
        }
    }

    /// Waiting legs of a queue.
    pub(crate) fn waiting_in(&self, queue: QueueId) -> usize {
        self.waiting.get(&queue).map_or(0, |groups| groups.values().map(BTreeSet::len).sum())
    }
}
