//! Interactions begin, change priority, end.

use std::collections::BTreeMap;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::interaction::{
    InteractionCreated, InteractionEnded, InteractionPrioritySet, TerminatingEnd,
};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;

use super::flow;
use crate::state::State;
use crate::state::interaction::{Interaction, MediaPhase};

pub(super) fn created(state: &mut State, time: Timestamp, it: &InteractionCreated) {
    if state.interactions.contains_key(&it.interaction_id) {
        return;
    }
    state.insert_interaction(Interaction {
        interaction_id: it.interaction_id,
        channel_type: it.channel_type,
        entry_point_id: it.entry_point_id,
        created_at: time,
        priority: PRIORITY_DEFAULT,
        legs: 0,
        customer: None,
        agent_media: BTreeMap::new(),
        run: None,
        leg: None,
        wrapups: BTreeMap::new(),
        monitors: BTreeMap::new(),
        playing: None,
        ended: false,
    });
}

pub(super) fn priority_set(state: &mut State, it: &InteractionPrioritySet) {
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.priority = it.new;
        if let Some(leg) = &mut interaction.leg {
            leg.priority = it.new;
        }
    });
}

pub(super) fn ended(state: &mut State, it: &InteractionEnded) {
    flow::ended(state, it.interaction_id);
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.ended = true;
        interaction.leg = None;
        interaction.playing = None;
        if let Some(media) = &mut interaction.customer
            && media.phase != MediaPhase::Ended
        {
            // A customer who left is gone whether or not the edge ever reports the end of the wire.
            media.phase = match it.terminating_end {
                // Imported history has no media, and its source may not say who ended it.
                TerminatingEnd::Customer | TerminatingEnd::Unknown => MediaPhase::Ended,
                TerminatingEnd::Agent | TerminatingEnd::System => MediaPhase::Releasing,
            };
        }
    });
}
