//! What connected agents do: hold, transfer, end, wrap up.

use ledgerline_schemas::config::{AuxCodeKind, ChannelType};
use ledgerline_schemas::event::leg::{
    HoldEnded, HoldStarted, LegEndReason, PartyType, TransferCompleted, TransferKind,
    TransferRequested,
};
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::wrapup::{WrapUpCodeSet, WrapUpEndedBy};
use ledgerline_schemas::id::{AuxCodeId, InteractionId, LegId, QueueId, TransferId, UserId};

use super::{Decision, Ending};
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::Leg;

fn conflict(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionCode::Conflict, message)
}

impl Decision<'_> {
    /// The leg in which this agent talks to the customer.
    pub(super) fn connected_to(
        &self,
        agent_id: UserId,
        id: InteractionId,
    ) -> Result<&Leg, Rejection> {
        let interaction = self.open(id).ok_or_else(|| {
            let message = format!("interaction_id: no open interaction {id}");
            Rejection::new(RejectionCode::NotFound, message)
        })?;
        let leg = interaction.leg.as_ref().filter(|leg| {
            leg.connection().is_some_and(|connection| connection.agent_id == agent_id)
        });
        leg.ok_or_else(|| conflict(format!("interaction_id: {id} is not connected to this agent")))
    }

    /// The same, on a channel that has a hold.
    fn call_of(
        &self,
        agent_id: UserId,
        id: InteractionId,
    ) -> Result<(LegId, QueueId, bool), Rejection> {
        let leg = self.connected_to(agent_id, id)?;
        if self.open(id).is_some_and(|it| it.channel_type != ChannelType::Voice) {
            return Err(conflict("interaction_id: only calls can be put on hold"));
        }
        let held = leg.connection().is_some_and(|connection| connection.held);
        Ok((leg.leg_id, leg.queue_id, held))
    }

    pub(super) fn hold(&mut self, agent_id: UserId, id: InteractionId) -> Result<(), Rejection> {
        let (leg_id, queue_id, held) = self.call_of(agent_id, id)?;
        if !held {
            let event = HoldStarted { interaction_id: id, leg_id, agent_id };
            self.cause = Some(self.emit(id, event));
            let music = self.state.config.queue(queue_id).map(|queue| queue.music.clone());
            if let Some(music) = music {
                self.start_music(id, &music);
            }
        }
        Ok(())
    }

    pub(super) fn unhold(&mut self, agent_id: UserId, id: InteractionId) -> Result<(), Rejection> {
        let (leg_id, _, held) = self.call_of(agent_id, id)?;
        if held {
            self.stop_prompt(id);
            let event = HoldEnded { interaction_id: id, leg_id, agent_id };
            self.cause = Some(self.emit(id, event));
            self.bridge(id);
        }
        Ok(())
    }

    pub(super) fn transfer_to_queue(
        &mut self,
        agent_id: UserId,
        id: InteractionId,
        queue_id: QueueId,
    ) -> Result<(), Rejection> {
        let leg_id = self.connected_to(agent_id, id)?.leg_id;
        self.admitted(id, queue_id)?;
        let transfer_id: TransferId = self.new_id("transfer");
        let event = TransferRequested {
            interaction_id: id,
            leg_id,
            transfer_id,
            agent_id,
            kind: TransferKind::Vteam,
            to_type: PartyType::Queue,
            to_id: queue_id.to_string(),
        };
        self.cause = Some(self.emit(id, event));
        self.disconnect(id, LegEndReason::Transferred, true);
        let new_leg_id = self.enter_queue(id, queue_id, QueueSource::Transfer, None);
        self.emit(id, TransferCompleted { interaction_id: id, transfer_id, new_leg_id });
        self.queue_music(id);
        Ok(())
    }

    /// Refuses what a queue does not take.
    pub(super) fn admitted(&self, id: InteractionId, queue_id: QueueId) -> Result<(), Rejection> {
        self.admission(id, queue_id).map_err(|code| match code {
            "queue_full" => Rejection::new(RejectionCode::Busy, "queue_id: the queue is full"),
            "queue_missing" => {
                Rejection::new(RejectionCode::NotFound, format!("queue_id: no queue {queue_id}"))
            }
            code => Rejection::new(RejectionCode::Invalid, format!("queue_id: {code}")),
        })
    }

    pub(super) fn end_interaction(
        &mut self,
        agent_id: UserId,
        id: InteractionId,
    ) -> Result<(), Rejection> {
        self.connected_to(agent_id, id)?;
        self.finish(id, Ending::agent());
        Ok(())
    }

    pub(super) fn wrap_up(
        &mut self,
        agent_id: UserId,
        id: InteractionId,
        aux_code_id: Option<AuxCodeId>,
    ) -> Result<(), Rejection> {
        let wrapups = self.interaction(id).map(|interaction| &interaction.wrapups);
        let found = wrapups
            .into_iter()
            .flatten()
            .find(|(_, wrapup)| wrapup.agent_id == agent_id)
            .map(|(leg_id, _)| *leg_id);
        let Some(leg_id) = found else {
            let message = format!("interaction_id: {id} is not wrapped up by this agent");
            return Err(conflict(message));
        };
        let code = self.aux_code(AuxCodeKind::WrapUp, aux_code_id)?;
        if let Some(aux_code_id) = code {
            let reason = self.state.config.aux_code(aux_code_id).map(|code| code.name.clone());
            let event = WrapUpCodeSet { interaction_id: id, leg_id, agent_id, aux_code_id, reason };
            self.cause = Some(self.emit(id, event));
        }
        self.end_wrapup(id, leg_id, WrapUpEndedBy::Agent);
        Ok(())
    }

    /// The code named, checked, or the default of its kind.
    pub(super) fn aux_code(
        &self,
        kind: AuxCodeKind,
        named: Option<AuxCodeId>,
    ) -> Result<Option<AuxCodeId>, Rejection> {
        let Some(id) = named else { return Ok(self.state.config.default_aux_code(kind)) };
        match self.state.config.aux_code(id) {
            Some(code) if code.kind == kind && code.active => Ok(Some(id)),
            _ => {
                let message = match kind {
                    AuxCodeKind::Idle => format!("aux_code_id: no active idle code {id}"),
                    AuxCodeKind::WrapUp => format!("aux_code_id: no active wrap-up code {id}"),
                };
                Err(Rejection::new(RejectionCode::Invalid, message))
            }
        }
    }
}
