//! What follows from a supervisor's listening: calls to the phone, who hears whom, notices to the agent.

use ledgerline_schemas::event::media::{MediaLegDialled, MediaSide};
use ledgerline_schemas::id::{InteractionId, MediaLegId, MonitorId};

use super::{Push, connected_media};
use crate::effect::{Effect, PushName, ReleaseReason};
use crate::state::State;
use crate::state::interaction::{MediaPhase, Monitor};

fn session(
    state: &State,
    id: Option<InteractionId>,
    monitor_id: MonitorId,
) -> Option<(InteractionId, MediaLegId, &Monitor)> {
    let interaction = state.interactions.get(&id?)?;
    let mut monitors = interaction.monitors.iter();
    let (media_leg_id, monitor) = monitors.find(|(_, monitor)| monitor.monitor_id == monitor_id)?;
    Some((interaction.interaction_id, *media_leg_id, monitor))
}

pub(super) fn dial(state: &State, it: &MediaLegDialled) -> Option<Effect> {
    let interaction = state.interactions.get(&it.interaction_id)?;
    let monitor = interaction.monitors.get(&it.media_leg_id)?;
    let (_, agent_media_leg_id) = connected_media(interaction)?;
    Some(Effect::DialSupervisor {
        interaction_id: it.interaction_id,
        media_leg_id: it.media_leg_id,
        agent_media_leg_id,
        supervisor_id: monitor.supervisor_id,
        dn: it.dn.clone(),
    })
}

/// The session began or changed its mode.
pub(super) fn listens(
    state: &State,
    id: Option<InteractionId>,
    monitor_id: MonitorId,
) -> Vec<Effect> {
    let Some((id, media_leg_id, monitor)) = session(state, id, monitor_id) else {
        return Vec::new();
    };
    let media = state.interactions.get(&id).and_then(connected_media);
    let mut effects: Vec<Effect> = media
        .map(|(customer, agent)| Effect::Listen {
            interaction_id: id,
            media_leg_id,
            customer,
            agent,
            mode: monitor.mode,
        })
        .into_iter()
        .collect();
    effects.extend(notice(state, id, monitor, PushName::ContactMonitored, monitor.mode.name()));
    effects
}

/// The session is over. One that came to nothing was not told to the agent, and its end is not either.
pub(super) fn over(
    state: &State,
    id: Option<InteractionId>,
    monitor_id: MonitorId,
    began: bool,
) -> Vec<Effect> {
    let Some((id, media_leg_id, monitor)) = session(state, id, monitor_id) else {
        return Vec::new();
    };
    let mut effects = Vec::new();
    if monitor.phase == MediaPhase::Releasing {
        effects.push(release(id, media_leg_id));
    }
    if began {
        effects.extend(notice(state, id, monitor, PushName::ContactMonitoringEnded, ""));
    }
    effects
}

pub(super) const fn release(interaction_id: InteractionId, media_leg_id: MediaLegId) -> Effect {
    Effect::Release {
        interaction_id,
        media_leg_id,
        side: MediaSide::Supervisor,
        reason: ReleaseReason::Done,
    }
}

fn notice(
    state: &State,
    id: InteractionId,
    monitor: &Monitor,
    name: PushName,
    detail: &str,
) -> Vec<Effect> {
    if monitor.invisible {
        return Vec::new();
    }
    Push::new(name).leg(id, monitor.leg_id).detail(detail).to(state, monitor.agent_id)
}
