//! Who gets what: the longest available agent for a leg, the best leg for an agent.
//!
//! The cost of a decision grows with the teams a leg may search and the queues a team serves, and with
//! the logarithm of agents and waiting legs, never with their number. Exclusions come from counters.

use std::collections::BTreeMap;

use ledgerline_schemas::Actor;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::routing::{
    Candidate, DecisionTrigger, ExclusionReason, RoutingDecisionMade, TieBreak, WaitingLeg,
};
use ledgerline_schemas::id::{DecisionId, InteractionId, QueueId, TeamId, UserId};
use ledgerline_schemas::limits::DECISION_TOP_K;

use super::Decision;
use crate::state::index::WaitKey;

/// Name of the only rule so far.
const POLICY: &str = "longest_available_agent";
/// Its version: a change of the rule is a new number.
const POLICY_VERSION: u32 = 1;
/// Name of what is no rule: somebody chose the agent.
const MANUAL: &str = "manual_assignment";
/// Its version.
const MANUAL_VERSION: u32 = 1;

/// The first few of something ordered, and how many there are.
struct Top<T> {
    first: Vec<T>,
    total: usize,
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Decision<'_> {
    /// Gives out waiting legs, the best first, as long as a freed agent could take one. Each leg still
    /// goes to the longest available of all who could take it, which need not be the freed one: a leg
    /// that came up in this very decision has not looked yet.
    pub(super) fn route_agent(&mut self, agent_id: UserId) {
        while let Some((queue_id, id)) = self.best_leg(agent_id) {
            let Some(agent) = self.state.agents.get(&agent_id) else { return };
            let Some(channel) = self.channel_of(queue_id) else { return };
            let waiting = self.waiting_for(agent.team_id, channel);
            let freed_by = self.cause;
            let trigger = match self.stop_searching(id) {
                Some((trigger, cause)) => {
                    self.cause = cause;
                    trigger
                }
                None => DecisionTrigger::AgentAvailable,
            };
            self.route_among(id, trigger, waiting);
            self.cause = freed_by;
        }
    }

    /// Finds an agent for a leg that waits.
    pub(super) fn route_leg(&mut self, id: InteractionId, trigger: DecisionTrigger) {
        let leg = self.open(id).and_then(|interaction| interaction.leg.as_ref());
        if let Some(leg) = leg.filter(|leg| leg.waits()) {
            let waiting = self.waiting_in(leg.queue_id);
            self.route_among(id, trigger, waiting);
        }
    }

    fn channel_of(&self, queue_id: QueueId) -> Option<ChannelType> {
        self.state.config.queue(queue_id).map(|queue| queue.channel_type)
    }

    fn route_among(&mut self, id: InteractionId, trigger: DecisionTrigger, waiting: Top<WaitKey>) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let Some(channel) = self.channel_of(leg.queue_id) else { return };
        let teams = self.state.config.searched_teams(leg.queue_id, leg.group);
        let (candidates, excluded) = self.candidates(&teams, channel);
        self.choose(id, trigger, waiting, candidates, excluded);
    }

    /// Records the choice that a supervisor made, and the offer that follows from it.
    pub(super) fn offer_by_hand(&mut self, id: InteractionId, agent_id: UserId) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let (queue_id, waiting) = (leg.queue_id, self.waiting_in(leg.queue_id));
        let Some(channel) = self.channel_of(queue_id) else { return };
        // A team that no group names comes after all of them.
        let after_all =
            self.state.config.queue(queue_id).map(|it| it.call_distribution_groups.len());
        let agent = self.state.agents.get(&agent_id);
        let serves = agent.and_then(|agent| self.state.config.team_queues.get(&agent.team_id));
        let group = serves.and_then(|queues| queues.get(&queue_id)).copied();
        let group = group.unwrap_or_else(|| count(after_all.unwrap_or_default()));
        let first: Vec<_> = self.candidate(agent_id, channel, group, 1).into_iter().collect();
        let candidates = Top { total: first.len(), first };
        self.choose(id, DecisionTrigger::Manual, waiting, candidates, BTreeMap::new());
    }

    /// Records the decision for a leg and, when there is a candidate, the offer to the first.
    fn choose(
        &mut self,
        id: InteractionId,
        trigger: DecisionTrigger,
        waiting: Top<WaitKey>,
        candidates: Top<Candidate>,
        excluded: BTreeMap<ExclusionReason, u32>,
    ) {
        let Some(leg) = self.open(id).and_then(|interaction| interaction.leg.as_ref()) else {
            return;
        };
        let (leg_id, queue_id) = (leg.leg_id, leg.queue_id);
        let wait_ms = self.now.ms_since(leg.entered_at);
        let chosen = candidates.first.first().map(|candidate| candidate.agent_id);
        let tie_break = match candidates.first.as_slice() {
            [first, second, ..] if first.available_since == second.available_since => {
                TieBreak::AgentId
            }
            [_, _, ..] => TieBreak::LongestAvailable,
            _ => TieBreak::None,
        };
        let decision_id: DecisionId = self.new_id("decision");
        let manual = trigger == DecisionTrigger::Manual;
        let (policy, policy_version) =
            if manual { (MANUAL, MANUAL_VERSION) } else { (POLICY, POLICY_VERSION) };
        let event = RoutingDecisionMade {
            decision_id,
            trigger,
            interaction_id: Some(id),
            queue_id: Some(queue_id),
            leg_id: Some(leg_id),
            policy: policy.to_owned(),
            policy_version,
            config_position: self.state.config_position,
            input_position: self.state.position,
            waiting: self.waiting_legs(&waiting.first),
            waiting_total: count(waiting.total),
            candidates: candidates.first,
            candidates_total: count(candidates.total),
            excluded,
            chosen_agent_id: chosen,
            tie_break,
            wait_ms,
            shadow: false,
        };
        let actor = (!manual).then(Actor::router);
        let index = self.emit_as(id, actor, event);
        if let Some(agent_id) = chosen {
            self.cause = Some(index);
            self.make_offer(id, agent_id, decision_id);
        }
    }

    /// The first waiting leg, over all queues the agent's team serves and all channels with a free slot.
    fn best_leg(&self, agent_id: UserId) -> Option<(QueueId, InteractionId)> {
        let agent = self.state.agents.get(&agent_id)?;
        let queues = self.state.config.team_queues.get(&agent.team_id)?;
        let mut best: Option<(WaitKey, QueueId)> = None;
        for (queue_id, first_group) in queues {
            let Some(groups) = self.state.index.waiting.get(queue_id) else { continue };
            let Some(queue) = self.state.config.queue(*queue_id) else { continue };
            if agent.exclusion(queue.channel_type).is_some() {
                continue;
            }
            for legs in groups.range(*first_group..).map(|(_, legs)| legs) {
                if let Some(key) = legs.first()
                    && best.is_none_or(|(found, _)| *key < found)
                {
                    best = Some((*key, *queue_id));
                }
            }
        }
        best.map(|(key, queue_id)| (queue_id, key.interaction_id))
    }

    /// The first leg of a queue that somebody could take now (after a change of its configuration).
    pub(super) fn best_pair(&self, queue_id: QueueId) -> Option<InteractionId> {
        let channel = self.state.config.queue(queue_id)?.channel_type;
        let groups = self.state.index.waiting.get(&queue_id)?;
        let takable = groups.iter().filter(|(group, _)| {
            let teams = self.state.config.searched_teams(queue_id, **group);
            teams.keys().any(|team| {
                let team = self.state.index.teams.get(&(*team, channel));
                team.is_some_and(|team| !team.available.is_empty())
            })
        });
        takable.filter_map(|(_, legs)| legs.first()).min().map(|key| key.interaction_id)
    }

    /// The first waiting legs of a queue.
    pub(super) fn first_waiting(&self, queue_id: QueueId) -> Option<InteractionId> {
        self.waiting_in(queue_id).first.first().map(|key| key.interaction_id)
    }

    fn waiting_in(&self, queue_id: QueueId) -> Top<WaitKey> {
        let groups = self.state.index.waiting.get(&queue_id);
        top(groups.into_iter().flat_map(BTreeMap::values))
    }

    /// Legs of a channel that a team could take.
    fn waiting_for(&self, team_id: TeamId, channel: ChannelType) -> Top<WaitKey> {
        let queues = self.state.config.team_queues.get(&team_id);
        let queues = queues
            .into_iter()
            .flatten()
            .filter(|(queue, _)| self.channel_of(**queue) == Some(channel));
        top(queues.flat_map(|(queue, first_group)| {
            let groups = self.state.index.waiting.get(queue);
            groups.into_iter().flat_map(|groups| groups.range(*first_group..).map(|(_, legs)| legs))
        }))
    }

    fn waiting_legs(&self, keys: &[WaitKey]) -> Vec<WaitingLeg> {
        let legs = (1..).zip(keys).filter_map(|(rank, key)| {
            let leg = self.interaction(key.interaction_id)?.leg.as_ref()?;
            Some(WaitingLeg {
                leg_id: leg.leg_id,
                interaction_id: key.interaction_id,
                rank,
                priority: leg.priority,
                entered_at: leg.entered_at,
                wait_credit_ms: leg.wait_credit_ms,
            })
        });
        legs.collect()
    }

    fn candidates(
        &self,
        teams: &BTreeMap<TeamId, u32>,
        channel: ChannelType,
    ) -> (Top<Candidate>, BTreeMap<ExclusionReason, u32>) {
        let mut found = Vec::new();
        let mut total = 0;
        let mut excluded: BTreeMap<ExclusionReason, u32> = BTreeMap::new();
        let mut in_groups = 0;
        for (team_id, group) in teams {
            let Some(team) = self.state.index.teams.get(&(*team_id, channel)) else { continue };
            total += team.available.len();
            in_groups += count(team.available.len());
            found.extend(team.available.iter().take(DECISION_TOP_K).map(|key| (*key, *group)));
            for (reason, number) in &team.excluded {
                *excluded.entry(*reason).or_default() += number;
                in_groups += number;
            }
        }
        let outside = self.state.index.logged_in.saturating_sub(in_groups);
        if outside > 0 {
            excluded.insert(ExclusionReason::NotInGroup, outside);
        }
        found.sort_unstable();
        found.truncate(DECISION_TOP_K);
        let ranked = (1..).zip(found);
        let first = ranked
            .filter_map(|(rank, ((_, agent), group))| self.candidate(agent, channel, group, rank));
        (Top { first: first.collect(), total }, excluded)
    }

    fn candidate(
        &self,
        agent_id: UserId,
        channel: ChannelType,
        group: u32,
        rank: u32,
    ) -> Option<Candidate> {
        let agent = self.state.agents.get(&agent_id)?;
        Some(Candidate {
            agent_id,
            agent_session_id: agent.agent_session_id,
            team_id: agent.team_id,
            group,
            rank,
            available_since: agent.available_since,
            free_capacity: agent.free(channel),
            skill_score: 0,
        })
    }
}

/// Merges the first few of several ordered sets.
fn top<'s>(sets: impl Iterator<Item = &'s std::collections::BTreeSet<WaitKey>>) -> Top<WaitKey> {
    let mut first = Vec::new();
    let mut total = 0;
    for set in sets {
        total += set.len();
        first.extend(set.iter().take(DECISION_TOP_K).copied());
    }
    first.sort_unstable();
    first.truncate(DECISION_TOP_K);
    Top { first, total }
}
