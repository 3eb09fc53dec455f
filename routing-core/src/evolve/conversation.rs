//! Conversations, hold and wrap-up.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::agent::SlotState;
use ledgerline_schemas::event::leg::{LegConnected, LegDisconnected};
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpStarted};
use ledgerline_schemas::id::{InteractionId, LegId, UserId};

use crate::state::State;
use crate::state::agent::Work;
use crate::state::interaction::{Connection, LegPhase, MediaPhase, WrapUp};

fn set_slot(state: &mut State, time: Timestamp, agent_id: UserId, leg_id: LegId, slot: SlotState) {
    state.with_agent(agent_id, |agent| {
        if let Some(work) = agent.work.get_mut(&leg_id) {
            work.slot = slot;
            work.since = time;
        }
    });
}

fn free_slot(state: &mut State, time: Timestamp, agent_id: UserId, leg_id: LegId) {
    state.with_agent(agent_id, |agent| {
        if agent.work.remove(&leg_id).is_some() {
            agent.available_since = time;
        }
    });
}

pub(super) fn connected(state: &mut State, time: Timestamp, it: &LegConnected) {
    state.with_interaction(it.interaction_id, |interaction| {
        let media = interaction
            .agent_media
            .iter()
            .find(|(_, media)| Some(media.offer_id) == it.offer_id)
            .map(|(id, _)| *id);
        if let Some(leg) = interaction.leg.as_mut().filter(|leg| leg.leg_id == it.leg_id) {
            leg.phase = LegPhase::Connected(Connection {
                agent_id: it.agent_id,
                connected_at: time,
                held: false,
                media_leg_id: media,
            });
        }
    });
    set_slot(state, time, it.agent_id, it.leg_id, SlotState::Connected);
    state.with_agent(it.agent_id, |agent| agent.available_since = time);
}

pub(super) fn disconnected(state: &mut State, time: Timestamp, it: &LegDisconnected) {
    state.with_interaction(it.interaction_id, |interaction| {
        for media in interaction.agent_media.values_mut() {
            if media.leg_id == it.leg_id {
                media.phase = MediaPhase::Releasing;
            }
        }
        if interaction.leg.as_ref().is_some_and(|leg| leg.leg_id == it.leg_id) {
            interaction.leg = None;
        }
    });
    free_slot(state, time, it.agent_id, it.leg_id);
}

pub(super) fn held(state: &mut State, time: Timestamp, id: InteractionId, held: bool) {
    let mut target = None;
    state.with_interaction(id, |interaction| {
        if let Some(leg) = &mut interaction.leg
            && let LegPhase::Connected(connection) = &mut leg.phase
        {
            connection.held = held;
            target = Some((connection.agent_id, leg.leg_id));
        }
    });
    if let Some((agent_id, leg_id)) = target {
        let slot = if held { SlotState::Hold } else { SlotState::Connected };
        set_slot(state, time, agent_id, leg_id, slot);
    }
}

pub(super) fn wrapup_started(state: &mut State, time: Timestamp, it: &WrapUpStarted) {
    let Some(interaction) = state.interactions.get(&it.interaction_id) else { return };
    let work = Work {
        interaction_id: it.interaction_id,
        channel_type: interaction.channel_type,
        slot: SlotState::Wrapup,
        since: time,
    };
    state.with_interaction(it.interaction_id, |interaction| {
        let wrapup =
            WrapUp { agent_id: it.agent_id, started_at: time, auto_end_at: it.auto_end_at };
        interaction.wrapups.insert(it.leg_id, wrapup);
    });
    state.with_agent(it.agent_id, |agent| {
        agent.work.insert(it.leg_id, work);
    });
}

pub(super) fn wrapup_ended(state: &mut State, time: Timestamp, it: &WrapUpEnded) {
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.wrapups.remove(&it.leg_id);
    });
    free_slot(state, time, it.agent_id, it.leg_id);
}
