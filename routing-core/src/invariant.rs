//! What holds in every state between two decisions, by number, so that a failing test says which.
//!
//! The check walks the whole state; it is for tests, simulations and `replay --verify`.

use std::collections::BTreeMap;
use std::fmt;

use ledgerline_schemas::config::{BlendingMode, ChannelType};
use ledgerline_schemas::event::agent::SlotState;
use ledgerline_schemas::id::{FlowId, LegId, UserId};

use crate::state::State;
use crate::state::interaction::{Interaction, LegPhase, MediaPhase};

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// RT-1: an interaction has at most one open offer, and it can time out.
    OneOffer,
    /// RT-2: an agent has no more work than the profile allows, channel mixing included.
    Capacity,
    /// RT-3: indexes equal those computed anew.
    Index,
    /// RT-4: no leg waits while an agent who could take it is free.
    WorkConserving,
    /// RT-5: an agent's slots and the interactions they are for agree, in both directions.
    SlotsAgree,
    /// RT-6: an interaction that is over has no leg and no run; one that is done is gone.
    EndedIsOver,
    /// RT-7: flow versions count their runs.
    RunsCounted,
    /// RT-8: an interaction has at most one listening supervisor, and that one listens to the conversation there is.
    OneListens,
}

impl Rule {
    /// The number by which documents name the rule.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::OneOffer => "RT-1",
            Self::Capacity => "RT-2",
            Self::Index => "RT-3",
            Self::WorkConserving => "RT-4",
            Self::SlotsAgree => "RT-5",
            Self::EndedIsOver => "RT-6",
            Self::RunsCounted => "RT-7",
            Self::OneListens => "RT-8",
        }
    }
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.id(), self.what)
    }
}

/// Everything that does not hold in this state; empty when all is well.
#[must_use]
pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    capacity(state, &mut found);
    slots(state, &mut found);
    endings(state, &mut found);
    waiting(state, &mut found);
    runs(state, &mut found);
    listening(state, &mut found);
    if state.index != state.rebuilt_index() {
        found.push(Violation { rule: Rule::Index, what: "an index is stale".to_owned() });
    }
    found
}

fn capacity(state: &State, found: &mut Vec<Violation>) {
    for agent in state.agents.values() {
        let used: Vec<ChannelType> =
            ChannelType::ALL.into_iter().filter(|channel| agent.used(*channel) > 0).collect();
        let over = used
            .iter()
            .any(|channel| agent.used(*channel) > u32::from(agent.capacity.slots(*channel)));
        let mixed = match agent.capacity.blending_mode {
            BlendingMode::Blended => false,
            BlendingMode::Exclusive => used.len() > 1,
            BlendingMode::BlendedRealtime => {
                used.contains(&ChannelType::Voice) && used.contains(&ChannelType::Chat)
            }
        };
        if over || mixed {
            let what = format!("agent {} has {:?}", agent.agent_id, agent.work);
            found.push(Violation { rule: Rule::Capacity, what });
        }
    }
}

/// Slots that the interaction says are taken, by agent.
fn expected_slots(interaction: &Interaction) -> Vec<(UserId, LegId, SlotState)> {
    let mut slots: Vec<_> = interaction
        .wrapups
        .iter()
        .map(|(leg_id, wrapup)| (wrapup.agent_id, *leg_id, SlotState::Wrapup))
        .collect();
    if let Some(leg) = &interaction.leg {
        match &leg.phase {
            LegPhase::Waiting => {}
            LegPhase::Offered(offer) => {
                slots.push((offer.agent_id, leg.leg_id, SlotState::Reserved));
            }
            LegPhase::Connected(it) => {
                let slot = if it.held { SlotState::Hold } else { SlotState::Connected };
                slots.push((it.agent_id, leg.leg_id, slot));
            }
        }
    }
    slots
}

fn slots(state: &State, found: &mut Vec<Violation>) {
    let mut expected = BTreeMap::new();
    for interaction in state.interactions.values() {
        for (agent_id, leg_id, slot) in expected_slots(interaction) {
            expected.insert((agent_id, leg_id), (interaction.interaction_id, slot));
        }
        if interaction.offer().is_some_and(|offer| offer.expires_at.is_none()) {
            let what = format!("{} has an offer without end", interaction.interaction_id);
            found.push(Violation { rule: Rule::OneOffer, what });
        }
    }
    let mut kept = BTreeMap::new();
    let mut offers = BTreeMap::new();
    for agent in state.agents.values() {
        for (leg_id, work) in &agent.work {
            kept.insert((agent.agent_id, *leg_id), (work.interaction_id, work.slot));
            if work.slot == SlotState::Reserved {
                *offers.entry(work.interaction_id).or_insert(0_u32) += 1;
            }
        }
    }
    if let Some((id, number)) = offers.into_iter().find(|(_, number)| *number > 1) {
        let what = format!("{id} has {number} open offers");
        found.push(Violation { rule: Rule::OneOffer, what });
    }
    if expected != kept {
        let what = format!("interactions say {expected:?}, agents say {kept:?}");
        found.push(Violation { rule: Rule::SlotsAgree, what });
    }
}

fn endings(state: &State, found: &mut Vec<Violation>) {
    for interaction in state.interactions.values() {
        let alive = interaction.leg.is_some() || interaction.run.is_some();
        if interaction.is_done() || (interaction.ended && alive) {
            let what = format!("{} is kept or goes on", interaction.interaction_id);
            found.push(Violation { rule: Rule::EndedIsOver, what });
        }
    }
}

fn waiting(state: &State, found: &mut Vec<Violation>) {
    for interaction in state.interactions.values() {
        let Some(leg) = interaction.leg.as_ref().filter(|leg| leg.waits()) else { continue };
        if state.reroute.contains_key(&leg.queue_id) {
            continue;
        }
        let teams = state.config.searched_teams(leg.queue_id, leg.group);
        let taker = state.agents.values().find(|agent| {
            teams.contains_key(&agent.team_id)
                && agent.exclusion(interaction.channel_type).is_none()
        });
        if let Some(agent) = taker {
            let id = interaction.interaction_id;
            let what = format!("{id} waits while agent {} is free", agent.agent_id);
            found.push(Violation { rule: Rule::WorkConserving, what });
        }
    }
}

fn listening(state: &State, found: &mut Vec<Violation>) {
    for interaction in state.interactions.values() {
        let leg = interaction.leg.as_ref().filter(|leg| leg.connection().is_some());
        let monitors = interaction.monitors.values();
        let under_way: Vec<_> = monitors
            .filter(|it| matches!(it.phase, MediaPhase::Ringing | MediaPhase::Up))
            .collect();
        let stray = under_way.iter().any(|it| leg.is_none_or(|leg| leg.leg_id != it.leg_id));
        if stray || under_way.len() > 1 {
            let what = format!("{} is heard by {under_way:?}", interaction.interaction_id);
            found.push(Violation { rule: Rule::OneListens, what });
        }
    }
}

fn runs(state: &State, found: &mut Vec<Violation>) {
    let mut counted: BTreeMap<(FlowId, u32), u32> = BTreeMap::new();
    for run in state.interactions.values().filter_map(|interaction| interaction.run.as_ref()) {
        *counted.entry((run.flow_id, run.flow_version)).or_default() += 1;
    }
    let kept = state.config.flow_versions.iter().filter(|(_, flow)| flow.runs > 0);
    let kept: BTreeMap<_, _> = kept.map(|(key, flow)| (*key, flow.runs)).collect();
    if counted != kept {
        let what = format!("counted {counted:?}, kept {kept:?}");
        found.push(Violation { rule: Rule::RunsCounted, what });
    }
}
