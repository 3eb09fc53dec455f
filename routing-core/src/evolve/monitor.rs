//! Supervisors who listen.

use ledgerline_schemas::event::monitor::{MonitorMode, MonitorRequested};
use ledgerline_schemas::id::{InteractionId, MonitorId};

use crate::state::State;
use crate::state::interaction::{MediaPhase, Monitor};

pub(super) fn requested(state: &mut State, it: &MonitorRequested) {
    state.with_interaction(it.interaction_id, |interaction| {
        let monitor = Monitor {
            monitor_id: it.monitor_id,
            leg_id: it.leg_id,
            supervisor_id: it.supervisor_id,
            agent_id: it.agent_id,
            wanted: it.mode,
            mode: MonitorMode::Silent,
            invisible: it.invisible,
            phase: MediaPhase::Ringing,
        };
        interaction.monitors.insert(it.media_leg_id, monitor);
    });
}

fn change(
    state: &mut State,
    id: Option<InteractionId>,
    monitor_id: MonitorId,
    change: impl FnOnce(&mut Monitor),
) {
    let Some(id) = id else { return };
    state.with_interaction(id, |interaction| {
        let mut monitors = interaction.monitors.values_mut();
        if let Some(monitor) = monitors.find(|monitor| monitor.monitor_id == monitor_id) {
            change(monitor);
        }
    });
}

pub(super) fn entered(
    state: &mut State,
    id: Option<InteractionId>,
    monitor_id: MonitorId,
    mode: MonitorMode,
) {
    change(state, id, monitor_id, |monitor| monitor.mode = mode);
}

/// The session is over; its media leg may still be on the wire.
pub(super) fn over(state: &mut State, id: Option<InteractionId>, monitor_id: MonitorId) {
    change(state, id, monitor_id, |monitor| {
        if monitor.phase != MediaPhase::Ended {
            monitor.phase = MediaPhase::Releasing;
        }
    });
}
