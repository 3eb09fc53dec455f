//! Supervisors who listen to the conversation of a call.
//!
//! A session belongs to one conversation of one agent: when that ends, whatever becomes of the customer, the session
//! ends with it.

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::media::{MediaLegAnswered, MediaLegDialled, MediaSide, ReleaseSide};
use ledgerline_schemas::event::monitor::{
    MonitorBargedIn, MonitorEndReason, MonitorEnded, MonitorFailed, MonitorMode, MonitorRequested,
    MonitorSilenced, MonitorStarted, MonitorType, MonitorWhispered,
};
use ledgerline_schemas::id::{InteractionId, LegId, MediaLegId, MonitorId, UserId};

use super::Decision;
use super::supervise::conflict;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::{Interaction, MediaPhase, Monitor};

/// How a supervisor wants to listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) dn: Option<&'a str>,
    pub(super) mode: MonitorMode,
    pub(super) invisible: bool,
}

impl Decision<'_> {
    /// Calls the supervisor's phone.
    pub(super) fn start_monitor(
        &mut self,
        id: InteractionId,
        meant: Option<LegId>,
        supervisor_id: UserId,
        wish: Wish<'_>,
    ) -> Result<(), Rejection> {
        let (leg_id, agent_id) = self.audible(id, meant)?;
        if agent_id == supervisor_id {
            let message = format!("interaction_id: {id} is the supervisor's own conversation");
            return Err(conflict(message));
        }
        if self.open(id).is_some_and(|interaction| interaction.monitor().is_some()) {
            return Err(conflict(format!("interaction_id: a supervisor listens to {id} already")));
        }
        let dn = self.phone_of(supervisor_id, wish.dn)?;
        let media_leg_id = self.new_id("media_leg");
        let event = MonitorRequested {
            monitor_id: self.new_id("monitor"),
            interaction_id: id,
            leg_id,
            supervisor_id,
            agent_id,
            monitor_type: MonitorType::Midcall,
            mode: wish.mode,
            invisible: wish.invisible,
            media_leg_id,
        };
        self.cause = Some(self.emit(id, event));
        let side = MediaSide::Supervisor;
        let event = MediaLegDialled { interaction_id: id, media_leg_id, side, offer_id: None, dn };
        self.emit(id, event);
        Ok(())
    }

    /// The stay and the agent of a conversation that can be listened to.
    fn audible(
        &self,
        id: InteractionId,
        meant: Option<LegId>,
    ) -> Result<(LegId, UserId), Rejection> {
        let leg = self.stay(id, meant)?;
        if self.open(id).is_some_and(|it| it.channel_type != ChannelType::Voice) {
            return Err(conflict("interaction_id: only calls can be listened to"));
        }
        let connection = leg.connection().filter(|connection| connection.media_leg_id.is_some());
        match connection {
            Some(connection) => Ok((leg.leg_id, connection.agent_id)),
            None => Err(conflict(format!("interaction_id: no agent talks in {id}"))),
        }
    }

    fn phone_of(&self, supervisor_id: UserId, dn: Option<&str>) -> Result<String, Rejection> {
        let user = self.state.config.user(supervisor_id).filter(|user| user.active);
        let user = user.ok_or_else(|| {
            let message = format!("supervisor_id: no active user {supervisor_id}");
            Rejection::new(RejectionCode::NotFound, message)
        })?;
        let dn = dn.map(str::to_owned).or_else(|| user.default_dn.clone());
        dn.filter(|dn| !dn.trim().is_empty()).ok_or_else(|| {
            let message = "dn: needed to listen, and the user has no default";
            Rejection::new(RejectionCode::Invalid, message)
        })
    }

    /// The session that this supervisor has there. Of what others do nothing is told.
    fn own_monitor(&self, id: InteractionId, supervisor_id: UserId) -> Result<Monitor, Rejection> {
        let monitor = self.open(id).and_then(Interaction::monitor).map(|(_, monitor)| monitor);
        monitor.filter(|it| it.supervisor_id == supervisor_id).cloned().ok_or_else(|| {
            let message = format!("interaction_id: this supervisor does not listen to {id}");
            Rejection::new(RejectionCode::NotFound, message)
        })
    }

    pub(super) fn set_monitor_mode(
        &mut self,
        id: InteractionId,
        supervisor_id: UserId,
        mode: MonitorMode,
    ) -> Result<(), Rejection> {
        let monitor = self.own_monitor(id, supervisor_id)?;
        if monitor.phase == MediaPhase::Ringing {
            return Err(conflict("mode: the supervisor's phone has not answered yet"));
        }
        if monitor.mode != mode {
            self.emit(id, entered(mode, monitor.monitor_id, id));
        }
        Ok(())
    }

    pub(super) fn end_monitor(
        &mut self,
        id: InteractionId,
        supervisor_id: UserId,
    ) -> Result<(), Rejection> {
        self.own_monitor(id, supervisor_id)?;
        self.monitor_over(id, MonitorEndReason::Supervisor);
        Ok(())
    }

    /// Ends the session there is, if there is one.
    pub(super) fn monitor_over(&mut self, id: InteractionId, reason: MonitorEndReason) {
        let monitor = self.interaction(id).and_then(Interaction::monitor);
        let found = monitor.map(|(_, monitor)| (monitor.monitor_id, monitor.phase));
        if let Some((monitor_id, phase)) = found {
            self.emit(id, over(id, monitor_id, phase, reason));
        }
    }

    /// The supervisor's phone answered. When the session is over meanwhile the fact is recorded and the phone is
    /// released.
    pub(super) fn monitor_answered(
        &mut self,
        id: InteractionId,
        media_leg_id: MediaLegId,
        codec: &str,
    ) {
        let Some(monitor) = self.monitor_at(id, media_leg_id) else { return };
        if monitor.phase == MediaPhase::Up {
            return;
        }
        let (side, codec) = (MediaSide::Supervisor, codec.to_owned());
        let event = MediaLegAnswered { interaction_id: id, media_leg_id, side, codec };
        self.cause = Some(self.emit(id, event));
        if monitor.phase != MediaPhase::Ringing {
            return;
        }
        let event = MonitorStarted {
            monitor_id: monitor.monitor_id,
            interaction_id: Some(id),
            supervisor_id: monitor.supervisor_id,
            agent_id: Some(monitor.agent_id),
            monitor_type: MonitorType::Midcall,
            invisible: monitor.invisible,
        };
        self.emit(id, event);
        if monitor.wanted != MonitorMode::Silent {
            self.emit(id, entered(monitor.wanted, monitor.monitor_id, id));
        }
    }

    /// A supervisor's media leg, whether it is still wanted or not.
    pub(super) fn monitor_at(
        &self,
        id: InteractionId,
        media_leg_id: MediaLegId,
    ) -> Option<Monitor> {
        self.interaction(id)?.monitors.get(&media_leg_id).cloned()
    }

    /// Follows from the end of a supervisor's media leg; `before` is the session as it was.
    pub(super) fn monitor_media_lost(
        &mut self,
        id: InteractionId,
        before: &Monitor,
        released_by: ReleaseSide,
    ) {
        let reason = match (before.phase, released_by) {
            (MediaPhase::Releasing | MediaPhase::Ended, _) => return,
            (_, ReleaseSide::Network) => MonitorEndReason::NetworkError,
            (MediaPhase::Ringing, _) => MonitorEndReason::DeviceFailed,
            (MediaPhase::Up, ReleaseSide::Remote) => MonitorEndReason::Supervisor,
            // Nobody asked for it: the edge gave the leg up.
            (MediaPhase::Up, ReleaseSide::Local) => MonitorEndReason::NetworkError,
        };
        self.emit(id, over(id, before.monitor_id, before.phase, reason));
    }
}

/// The fact that a supervisor is heard by others from now on.
fn entered(mode: MonitorMode, monitor_id: MonitorId, id: InteractionId) -> Event {
    let interaction_id = Some(id);
    match mode {
        MonitorMode::Silent => MonitorSilenced { monitor_id, interaction_id: id }.into(),
        MonitorMode::Whisper => MonitorWhispered { monitor_id, interaction_id }.into(),
        MonitorMode::Barge => MonitorBargedIn { monitor_id, interaction_id }.into(),
    }
}

/// The end of a session: who never heard anything has failed to listen.
fn over(
    id: InteractionId,
    monitor_id: MonitorId,
    phase: MediaPhase,
    reason: MonitorEndReason,
) -> Event {
    match phase {
        MediaPhase::Ringing => MonitorFailed { monitor_id, interaction_id: id, reason }.into(),
        _ => MonitorEnded { monitor_id, interaction_id: Some(id), reason: Some(reason) }.into(),
    }
}
