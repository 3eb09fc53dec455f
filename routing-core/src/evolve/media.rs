//! Media legs and prompts.

use ledgerline_schemas::event::media::{
    MediaLegAnswered, MediaLegDialled, MediaLegOffered, MediaSide, PromptFinished, PromptStarted,
};
use ledgerline_schemas::id::{InteractionId, MediaLegId};

use crate::state::State;
use crate::state::interaction::{AgentMedia, CustomerMedia, LegPhase, MediaPhase, Playing};

pub(super) fn offered(state: &mut State, it: &MediaLegOffered) {
    if it.side != MediaSide::Customer {
        return;
    }
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.customer =
            Some(CustomerMedia { media_leg_id: it.media_leg_id, phase: MediaPhase::Ringing });
    });
}

pub(super) fn dialled(state: &mut State, it: &MediaLegDialled) {
    state.with_interaction(it.interaction_id, |interaction| {
        let Some(leg) = &interaction.leg else { return };
        let LegPhase::Offered(offer) = &leg.phase else { return };
        if it.side == MediaSide::Agent && it.offer_id == Some(offer.offer_id) {
            let media = AgentMedia {
                agent_id: offer.agent_id,
                leg_id: leg.leg_id,
                offer_id: offer.offer_id,
                phase: MediaPhase::Ringing,
            };
            interaction.agent_media.insert(it.media_leg_id, media);
        }
    });
}

pub(super) fn answered(state: &mut State, it: &MediaLegAnswered) {
    state.with_interaction(it.interaction_id, |interaction| {
        if let Some(media) = interaction.agent_media.get_mut(&it.media_leg_id)
            && media.phase == MediaPhase::Ringing
        {
            media.phase = MediaPhase::Up;
        }
        if let Some(monitor) = interaction.monitors.get_mut(&it.media_leg_id)
            && monitor.phase == MediaPhase::Ringing
        {
            monitor.phase = MediaPhase::Up;
        }
        if let Some(media) = &mut interaction.customer
            && media.media_leg_id == it.media_leg_id
            && media.phase == MediaPhase::Ringing
        {
            media.phase = MediaPhase::Up;
        }
    });
}

pub(super) fn gone(state: &mut State, id: InteractionId, media_leg_id: MediaLegId) {
    state.with_interaction(id, |interaction| {
        interaction.agent_media.remove(&media_leg_id);
        if let Some(monitor) = interaction.monitors.get_mut(&media_leg_id) {
            monitor.phase = MediaPhase::Ended;
        }
        if let Some(media) = &mut interaction.customer
            && media.media_leg_id == media_leg_id
        {
            media.phase = MediaPhase::Ended;
        }
    });
}

pub(super) fn prompt_started(state: &mut State, it: &PromptStarted) {
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.playing = Some(Playing { media: it.media.clone(), looped: it.looped });
    });
}

pub(super) fn prompt_finished(state: &mut State, it: &PromptFinished) {
    state.with_interaction(it.interaction_id, |interaction| interaction.playing = None);
}
