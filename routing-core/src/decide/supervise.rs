//! What supervisors do with interactions that wait or that others have in hand.

use ledgerline_schemas::event::interaction::InteractionPrioritySet;
use ledgerline_schemas::event::leg::LegEndReason;
use ledgerline_schemas::event::offer::RescindReason;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::event::routing::RoutingManualAssigned;
use ledgerline_schemas::id::{InteractionId, LegId, QueueId, UserId};
use ledgerline_schemas::limits::PRIORITY_DEFAULT;

use super::Decision;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::{Leg, LegPhase};

pub(super) fn conflict(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionCode::Conflict, message)
}

impl Decision<'_> {
    /// The stay in a queue, or the conversation after it, that a supervisor means.
    pub(super) fn stay(&self, id: InteractionId, meant: Option<LegId>) -> Result<&Leg, Rejection> {
        let interaction = self.open(id).ok_or_else(|| {
            let message = format!("interaction_id: no open interaction {id}");
            Rejection::new(RejectionCode::NotFound, message)
        })?;
        let leg = interaction.leg.as_ref().ok_or_else(|| {
            conflict(format!("interaction_id: {id} is neither in a queue nor with an agent"))
        })?;
        if meant.is_some_and(|meant| meant != leg.leg_id) {
            return Err(conflict(format!("interaction_id: {id} has gone on meanwhile")));
        }
        Ok(leg)
    }

    /// Nothing has to be routed anew: whoever waits, waits because nobody is free for it.
    pub(super) fn set_waiting_priority(
        &mut self,
        id: InteractionId,
        leg_id: Option<LegId>,
        priority: u8,
    ) -> Result<(), Rejection> {
        if !(1..=PRIORITY_DEFAULT).contains(&priority) {
            let message = format!("priority: has to be 1 to {PRIORITY_DEFAULT}, not {priority}");
            return Err(Rejection::new(RejectionCode::Invalid, message));
        }
        let leg = self.stay(id, leg_id)?;
        if !leg.waits() {
            return Err(conflict(format!("interaction_id: {id} no longer waits, an agent has it")));
        }
        let old = leg.priority;
        if old != priority {
            self.emit(id, InteractionPrioritySet { interaction_id: id, old, new: priority });
        }
        Ok(())
    }

    /// Offers the interaction to this agent, whatever teams its queue searches. The offer is one as all are: it can be
    /// taken, refused and left to ring, and then the queue's search goes on.
    pub(super) fn assign_to_agent(
        &mut self,
        id: InteractionId,
        meant: Option<LegId>,
        agent_id: UserId,
    ) -> Result<(), Rejection> {
        let leg = self.stay(id, meant)?;
        let queue_id = leg.queue_id;
        let from_agent_id = match &leg.phase {
            LegPhase::Waiting => None,
            LegPhase::Offered(offer) => Some(offer.agent_id),
            LegPhase::Connected(connection) => Some(connection.agent_id),
        };
        let connected = leg.connection().is_some();
        if from_agent_id == Some(agent_id) {
            return Err(conflict(format!(
                "agent_id: this agent is offered {id} or has it already"
            )));
        }
        let Some(channel) = self.state.config.queue(queue_id).map(|queue| queue.channel_type)
        else {
            return Err(conflict(format!("interaction_id: the queue {id} came from is gone")));
        };
        let agent = self.state.agents.get(&agent_id);
        let agent = agent.ok_or_else(|| conflict("agent_id: this agent is not logged in"))?;
        if let Some(reason) = agent.exclusion(channel) {
            let reason = reason.name();
            return Err(conflict(format!("agent_id: this agent cannot be offered it: {reason}")));
        }
        if connected {
            self.take_back(id, queue_id);
        } else {
            self.rescind(id, RescindReason::Reassigned);
        }
        let leg_id = self.stay(id, None)?.leg_id;
        let by = self.requester();
        let event =
            RoutingManualAssigned { interaction_id: id, leg_id, agent_id, by, from_agent_id };
        self.cause = Some(self.emit(id, event));
        self.offer_by_hand(id, agent_id);
        Ok(())
    }

    /// Puts the interaction into a queue: it waits there like every other.
    pub(super) fn move_to_queue(
        &mut self,
        id: InteractionId,
        meant: Option<LegId>,
        queue_id: QueueId,
    ) -> Result<(), Rejection> {
        let leg = self.stay(id, meant)?;
        let (from, connected) = (leg.queue_id, leg.connection().is_some());
        if from != queue_id {
            self.admitted(id, queue_id)?;
        } else if !connected {
            return Err(conflict(format!("queue_id: {id} is in this queue already")));
        } else if self.state.config.queue(queue_id).is_none() {
            let message = format!("queue_id: no queue {queue_id}");
            return Err(Rejection::new(RejectionCode::NotFound, message));
        }
        if connected {
            self.take_back(id, queue_id);
        } else {
            self.leave_queue(id, QueueLeaveReason::Moved, RescindReason::Reassigned);
            self.enter_queue(id, queue_id, QueueSource::Supervisor, None);
            self.queue_music(id);
        }
        Ok(())
    }

    /// Ends a conversation whose customer goes on waiting in a queue; its agent wraps up. A queue that it came from
    /// counted it all along, so its limit does not turn it away.
    fn take_back(&mut self, id: InteractionId, queue_id: QueueId) {
        self.disconnect(id, LegEndReason::Supervisor, true);
        self.enter_queue(id, queue_id, QueueSource::Supervisor, None);
        self.queue_music(id);
    }
}
